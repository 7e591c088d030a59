# SPDX-License-Identifier: Apache-2.0
"""A Celery app whose tasks both know: chard has them built in (tasks/builtin/diagnostic.c), and here they are in Python. As a program it is
the Python worker that chard is compared with: celery_app.py BROKER-URL RESULT-URL"""

import sys

from celery import Celery

QUEUE = "chard.tasks"


def total(value):
    if isinstance(value, (list, tuple)):
        return sum(map(total, value))
    if not isinstance(value, (int, float)):
        raise TypeError("chard.add adds numbers, and lists of them")
    return value


def add(*args):
    return total(args)


def same(value):
    """Of one argument, so that Celery calls it as an errback of the old style: by a message."""
    return value


def told(*args, **kwargs):
    return {"args": list(args), "kwargs": kwargs}


def fail(*args):
    raise ValueError(args[-1] if args and isinstance(args[-1], str) else "failed, as it was asked to")


def add_errback(app):
    """Of the new style: Celery calls it in the worker of the failed task and forgets what it returns, so it stores that itself, under the id
    that is its last argument."""
    @app.task(name="chard.failed", shared=False)
    def failed(request, exc, traceback, *rest):
        told = {"id": request.id, "task": request.task, "args": request.args, "kwargs": request.kwargs, "type": type(exc).__name__,
                "message": exc.args, "traceback": isinstance(traceback, str), "rest": rest}
        app.backend.store_result(rest[-1], told, "SUCCESS")


TASKS = {"chard.add": add, "chard.same": same, "chard.args": told, "chard.fail": fail}


def make_app(broker_url, result_url=None, **settings):
    app = Celery("tests", broker=broker_url, backend=result_url, set_as_current=False)
    app.conf.update(task_default_queue=QUEUE, task_default_queue_type="quorum", task_default_exchange_type="topic",
                    task_create_missing_queue_type="quorum", task_create_missing_queue_exchange_type="topic",
                    broker_connection_retry_on_startup=True, worker_detect_quorum_queues=True, **settings)
    for name, function in TASKS.items():
        app.task(name=name, shared=False)(function)
    add_errback(app)
    return app


if __name__ == "__main__":
    make_app(*sys.argv[1:]).worker_main(["worker", "-P", "threads", "-c", "4", "-Q", QUEUE, "-l", "WARNING",
                                         "--without-gossip", "--without-mingle", "--without-heartbeat"])
