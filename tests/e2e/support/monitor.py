# SPDX-License-Identifier: Apache-2.0
"""What a monitor hears of workers: a receiver of Celery's own, on a thread."""

import threading

from celery.events import EventReceiver


class _Receiver(EventReceiver):
    ready = None

    def on_consume_ready(self, *arguments, **options):
        super().on_consume_ready(*arguments, **options)
        self.ready.set()


class Monitor:
    def __init__(self, app):
        self.events = []
        self._connection = app.connection_for_read()
        self._receiver = _Receiver(self._connection, handlers={"*": self.events.append}, app=app)
        self._receiver.ready = threading.Event()
        self._thread = threading.Thread(target=self._receiver.capture, kwargs={"wakeup": False}, daemon=True)
        self._thread.start()
        assert self._receiver.ready.wait(20)

    def of(self, task_id):
        """The events of one task, oldest first by their clocks: their types without "task-"."""
        mine = sorted((one for one in self.events if one.get("uuid") == task_id), key=lambda one: one["clock"])
        return [one["type"].removeprefix("task-") for one in mine]

    def all(self, type, task_id=None):
        return [one for one in self.events if one["type"] == type and task_id in (None, one.get("uuid"))]

    def close(self):
        self._receiver.should_stop = True
        self._thread.join(10)
        self._connection.release()
