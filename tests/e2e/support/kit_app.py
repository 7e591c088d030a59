# SPDX-License-Identifier: Apache-2.0
"""The tasks of the plug-in support/kit_tasks.c in Python. As a program it is the worker that the plug-in is compared with:
kit_app.py BROKER-URL RESULT-URL [OPTIONS of celery worker]; settings may stand in KIT_SETTINGS, as JSON"""

import json
import os
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))

from celery import Celery, signature  # noqa: E402
from celery.exceptions import Reject  # noqa: E402

from support.kit_errors import KitError  # noqa: E402

QUEUE = "kit"


def total(value):
    if isinstance(value, (list, tuple)):
        return sum(map(total, value))
    if not isinstance(value, (int, float)):
        raise TypeError("kit.add adds numbers")
    return value


def find(request, place):
    value = request
    for key in place.strip("/").split("/"):
        value = value.get(key) if isinstance(value, dict) else getattr(value, key, None)
    return value


def tasks_of(app):
    @app.task(name="kit.add", shared=False)
    def add(*args): return total(args)

    @app.task(name="kit.same", shared=False)
    def same(value): return value

    @app.task(name="kit.told", shared=False)
    def told(*args, **kwargs): return {"args": list(args), "kwargs": kwargs}

    @app.task(name="kit.about", shared=False, bind=True)
    def about(self, *_, at): return [find(self.request, place) for place in at]

    @app.task(name="kit.fail", shared=False)
    def fail(*args): raise KitError(*args)

    @app.task(name="kit.again", shared=False, bind=True)
    def again(self, *_, times=1, limit=3, reason=True, delay=1):
        if self.request.retries >= times:
            return self.request.retries
        raise self.retry(countdown=delay, max_retries=limit,
                         exc=KitError("attempt", self.request.retries) if reason else None)

    @app.task(name="kit.elsewhere", shared=False, bind=True)
    def elsewhere(self):
        if not self.request.delivery_info["redelivered"]:
            raise Reject("not here", requeue=True)
        return [True, self.request.retries]

    @app.task(name="kit.hasty", shared=False, time_limit=40, soft_time_limit=1)
    def hasty(): time.sleep(60)

    @app.task(name="kit.send", shared=False)
    def send(*_, canvas):
        signature(canvas, app=app).apply_async()
        return "sent"

    @app.task(name="kit.pass_on", shared=False)
    def pass_on(*_, canvas): return signature(canvas, app=app).apply_async()

    @app.task(name="kit.grow", shared=False, bind=True)
    def grow(self, *_, canvases):
        for canvas in canvases:
            self.add_to_chord(signature(canvas, app=app))
        return 0

    @app.task(name="kit.replace", shared=False, bind=True)
    def replace(self, *_, canvas): raise self.replace(signature(canvas, app=app))

    @app.task(name="kit.volatile", shared=False, bind=True)
    def volatile(self, *_, canvas): raise self.replace(signature(canvas, app=app))

    @app.task(name="kit.deeper", shared=False, bind=True)
    def deeper(self, left):
        if left <= 0:
            return self.request.replaced_task_nesting
        raise self.replace(app.signature("kit.deeper", args=[left - 1]))

    @app.task(name="kit.slow", shared=False)
    def slow(until):
        """Until there is such a file."""
        while not os.path.exists(until):
            time.sleep(0.02)

    @app.task(name="kit.failed", shared=False)
    def failed(request, exc, traceback, key):
        """Celery forgets what such an errback returns, so it stores that itself, under the id that is its last argument."""
        said = {"task": request.task, "type": type(exc).__name__, "args": list(exc.args)}
        app.backend.store_result(key, said, "SUCCESS")


def make_app(broker_url, result_url, **settings):
    app = Celery("kit", broker=broker_url, backend=result_url, set_as_current=False)
    app.conf.update(task_default_queue=QUEUE, task_default_queue_type="quorum", task_default_exchange_type="topic",
                    task_create_missing_queue_type="quorum", task_create_missing_queue_exchange_type="topic",
                    broker_connection_retry_on_startup=True, worker_detect_quorum_queues=True, task_acks_late=True)
    app.conf.update(settings)
    tasks_of(app)
    return app


if __name__ == "__main__":
    options = sys.argv[3:] or ["--without-gossip", "--without-heartbeat"]
    settings = json.loads(os.environ.get("KIT_SETTINGS", "{}"))
    make_app(*sys.argv[1:3], **settings).worker_main(["worker", "-P", "threads", "-c", "8", "-Q", QUEUE, "-l", "WARNING", "--without-mingle", *options])
