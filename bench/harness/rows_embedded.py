# SPDX-License-Identifier: Apache-2.0
"""E1: the embedded default, broker and store in one SQLite file."""

import sqlite3
import time

from .figures import Figure, Goal
from .processes import Failed, tool, wait_for
from .rows_queue import PREFETCH
from .stage import BIN, CHARD

NO_PEER = {"peer": "Celery has no embedded broker that survives a crash"}


class E1:
    """No-op tasks from a file."""

    def __init__(self, plan):
        self.count = plan.size(30_000, 2_000)
        self.rate = Figure("E1", "no-op tasks from an embedded file", "tasks/s", Goal("at_least", 5_000), **NO_PEER,
                           note="raw: the same messages inserted and deleted with sqlite3 alone, 500 a transaction; chard: "
                           "delivered and deleted, two durable changes a task as well; fsync on for both")
        self.cpu = Figure("E1.cpu", "CPU of such a task, the file's thread included", "µs", more=False, **NO_PEER)
        self.note = Figure("E1.note", "the same with claim and commit in the same file", "tasks/s",
                           raw="SQLite's own ceiling is above", **NO_PEER)
        self.figures = [self.rate, self.cpu, self.note]

    def round(self, stage):
        rate, used = self._drain(stage, "chard.echo")
        self.rate.add("chard", rate)
        self.cpu.add("chard", used)
        raw = tool(BIN / "raw_sqlite", "--file", self._fresh(stage, "raw.db"), "--task", "chard.echo", "--count", self.count)
        self.rate.add("raw", self.count / raw["seconds"])
        self.cpu.add("raw", raw["cpu_us"] / self.count)
        self.note.add("chard", self._drain(stage, "chard.note")[0])

    def _fresh(self, stage, name):
        for path in stage.folder.glob(f"{name}*"):
            path.unlink()
        return stage.folder / name

    def _drain(self, stage, task):
        """(tasks a second, CPU microseconds a task): from the start of the worker until its queue is empty."""
        path = self._fresh(stage, "embedded.db")
        env = {"CHARD_BROKER_URL": f"embedded:{path}", "CHARD_STORE_URL": f"sqlite:{path}"}
        stage.run([CHARD, "migrate"], stage.settings | env)
        stage.run([CHARD, "topology", "apply", "-Q", task], stage.settings | env)
        tool(BIN / "raw_sqlite", "--file", path, "--task", task, "--count", self.count, "--fill")
        watch = sqlite3.connect(path, isolation_level=None, timeout=10)
        if (there := self._left(watch)) != self.count:
            raise Failed(f"{there} of {self.count} messages are in the file")
        with stage.worker("-Q", task, "-c", PREFETCH, env=env) as worker:
            def empty():
                worker.check()
                return self._left(watch) == 0
            start = time.monotonic()
            wait_for(empty, 120, f"{self.count} tasks from a file", every=0.02)
            rate = self.count / (time.monotonic() - start)
            used = worker.end()
        watch.close()
        return rate, used / self.count * 1e6

    @staticmethod
    def _left(watch):
        return watch.execute("select count(*) from broker_entry").fetchone()[0]
