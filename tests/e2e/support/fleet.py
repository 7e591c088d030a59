# SPDX-License-Identifier: Apache-2.0
"""A real Celery worker for tests, as a program: fleet.py BROKER BACKEND QUEUE,… ; and its app and process for their callers."""

import contextlib
import sys
import uuid

from celery import Celery, current_task, signals


def make_app(broker, backend):
    app = Celery("fleet", broker=broker, backend=backend, set_as_current=False)
    app.conf.update(task_default_queue="py.default", task_create_missing_queue_type="quorum",
                    task_create_missing_queue_exchange_type="topic", broker_connection_retry_on_startup=True,
                    worker_prefetch_multiplier=4, task_acks_late=True, result_expires=600,
                    broker_transport_options={"confirm_publish": True}, worker_hijack_root_logger=False)
    return app


def add_tasks(app):
    @app.task(name="py.add", shared=False)
    def add(x, y):
        return x + y

    @app.task(name="py.sum", shared=False)
    def total(numbers):
        return sum(numbers)

    @app.task(name="py.same", shared=False)
    def same(value):
        return value

    @app.task(name="py.fail", shared=False)
    def fail(*_arguments):
        raise ValueError("it never works")

    @app.task(name="py.stamp", bind=True, shared=False)
    def stamp(self, document):
        """Adds to a job document what this worker saw of the message."""
        seen = document.get("seen", [])
        headers = self.request.headers or {}
        return document | {"seen": [*seen, {"id": self.request.id, "root": self.request.root_id,
                                            "parent": self.request.parent_id,
                                            "trace": self.request.get("traceparent") or headers.get("traceparent")}]}

    @app.task(name="py.again", bind=True, shared=False)
    def again(self, value):
        """Runs twice, then hands over to other tasks, which the client's signatures say nothing of."""
        if self.request.retries == 0:
            raise self.retry(countdown=0)
        raise self.replace(app.signature("chard.add", [value, 100], queue="chard.tasks") | app.signature("py.add", [1000]))

    @app.task(name="chard.note", bind=True, shared=False)
    def note(self, *_document, **_arguments):
        return "python"


@signals.before_task_publish.connect
def pass_trace_on(headers=None, **_):
    """As OpenTelemetry's instrumentation does: what a task sends belongs to the same trace."""
    request = current_task.request if current_task else None
    trace = request and (request.get("traceparent") or (request.headers or {}).get("traceparent"))
    if trace and headers is not None:
        headers.setdefault("traceparent", trace)


@contextlib.contextmanager
def worker(broker, backend, queues, deadline=60):
    """Runs one; entered when it consumes."""
    from .program import plain_environment
    from .python_worker import python_worker
    from .waiting import wait_until

    app = make_app(broker, backend)
    name = f"fleet-{uuid.uuid4()}@test"
    with python_worker(__file__, broker, backend, queues, name, env=plain_environment()):
        wait_until(lambda: app.control.ping([name], timeout=0.5), deadline)
        yield app


if __name__ == "__main__":
    the_app = make_app(*sys.argv[1:3])
    add_tasks(the_app)
    the_app.worker_main(["worker", "-P", "solo", "-Q", sys.argv[3], "-n", sys.argv[4], "-l", "WARNING", "--without-gossip",
                         "--without-mingle"])
