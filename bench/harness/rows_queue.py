# SPDX-License-Identifier: Apache-2.0
"""B1, B1s and B7: what goes through a queue without an AI call."""

import json
import subprocess
import time

from .figures import Figure, Goal
from .processes import Failed, cpu_of_tree, tool
from .stage import BIN, CHARD, MARK, PEER, PYTHON

PREFETCH = 1000  # chard's default, and the raw program's


def drain(stage, worker, count):
    """Lets a worker drain a queue whose first and last message are marked: (messages a second, CPU seconds of its whole
    life). Time runs from mark to mark."""
    with worker, stage.marks() as marks:
        first, last = marks.wait(1, worker), marks.wait(2, worker)
        return (count - 1) / (last - first), worker.end()


def drain_peer(stage, worker, count):
    """The same; its CPU is counted between the marks only, to its favour: a start of Celery takes a second of it."""
    with worker, stage.marks() as marks:
        first = marks.wait(1, worker)
        before = cpu_of_tree(worker.pid)
        last = marks.wait(2, worker)
        used = cpu_of_tree(worker.pid) - before
        worker.end()
        return (count - 1) / (last - first), used


class B1:
    """Draining no-op tasks that keep no state."""

    def __init__(self, plan):
        self.count, self.peer_count = plan.size(100_000, 5_000), plan.size(10_000, 2_000)
        self.rate = Figure("B1", "no-op tasks drained", "tasks/s", Goal("of_raw", 0.7))
        self.cpu = Figure("B1.cpu", "CPU of a no-op task", "µs", Goal("at_most", 15), Goal("times_better", 30),
                          more=False, note=f"{self.count:,} messages a round, {self.peer_count:,} for Celery (prefork, 2 "
                          "processes, acks late, results ignored); prefetch 1,000; CPU is user+system of the worker's "
                          "whole life, for Celery without its start")
        self.multiple = Figure("B1.multiple", "the same, raw acking 100 at once", "tasks/s",
                               peer="Celery acks one by one", note="rabbitmq-c with one basic.ack a hundred "
                               "deliveries; chard coalesces acks too")
        self.split = Figure("B1.split", "CPU of the broker for each task", "µs", more=False,
                            peer="the share of a broker that mostly waits for the peer says nothing",
                            note="what the broker itself uses while its queue is drained; it has the same two cores")
        self.figures = [self.rate, self.cpu, self.multiple, self.split]

    def round(self, stage):
        stage.fill(self.count, "--task", "chard.echo", "--to", "bench.echo", "--mark", MARK)
        stage.fill(self.peer_count, "--task", "chard.echo", "--queue", "peer.echo", "--mark", MARK)
        self._chard(stage)
        self._raw(stage, self.rate, self.cpu, 1)
        worker = stage.peer("peer.echo", "prefork", 2, PEER_PREFETCH=250)
        rate, used = drain_peer(stage, worker, self.peer_count)
        self.rate.add("peer", rate)
        self.cpu.add("peer", used / self.peer_count * 1e6)
        stage.fill(self.count, "--task", "chard.echo", "--queue", "raw.echo")
        self._raw(stage, self.multiple, None, 100)

    def _chard(self, stage):
        before = stage.cpu()[0]
        rate, used = drain(stage, stage.worker("-Q", "chard.echo", "-c", PREFETCH), self.count)
        self.split.add("chard", (stage.cpu()[0] - before) / self.count * 1e6)
        self.rate.add("chard", rate)
        self.multiple.add("chard", rate)
        self.cpu.add("chard", used / self.count * 1e6)
        stage.rest()

    def _raw(self, stage, rate, cpu, multiple):
        before = stage.cpu()[0]
        done = tool(BIN / "raw_consume", "--url", stage.broker.url, "--queue", "raw.echo", "--count", self.count,
                    "--prefetch", PREFETCH, "--multiple", multiple)
        rate.add("raw", self.count / done["seconds"])
        if cpu:
            cpu.add("raw", done["cpu_us"] / self.count)
            self.split.add("raw", (stage.cpu()[0] - before) / self.count * 1e6)
        stage.rest()


class B1s:
    """Draining no-op tasks with claim and commit."""

    def __init__(self, plan):
        self.count, self.peer_count = plan.size(30_000, 2_000), plan.size(2_000, 500)
        self.rate = Figure("B1s", "no-op tasks with claim and commit", "tasks/s", Goal("of_raw", 0.5))
        self.cpu = Figure("B1s.cpu", "CPU of such a task", "µs", Goal("at_most", 60), more=False,
                          note=f"{self.count:,} messages a round; raw: inbox and outbox rows inserted in pairs, 500 a "
                          "transaction; Celery: prefork with 2 processes, psycopg, one transaction a task")
        self.split = Figure("B1s.split", "CPU of the store for each task", "µs", more=False,
                            peer="the peer is measured for its own CPU")
        self.parts = Figure("B1s.parts", "the same beside raw consume and raw pairs on the same two cores", "tasks/s",
                            peer="its rate is above",
                            note="raw: two cores divided by what raw consume+ack and a raw pair cost together, broker and "
                            "store included: the most that pairs a second can be where a broker delivers them")
        self.figures = [self.rate, self.cpu, self.split, self.parts]

    def round(self, stage):
        stage.fresh_database()
        stage.fill(self.count, "--task", "chard.note", "--mark", MARK)
        before = stage.cpu()[1]
        rate, used = drain(stage, stage.worker("-Q", "chard.note", "-c", PREFETCH), self.count)
        self.split.add("chard", (stage.cpu()[1] - before) / self.count * 1e6)
        done = stage.sql("select count(*) from chard.task where state = 'SUCCESS'")
        if int(done) != self.count:
            raise Failed(f"{done} of {self.count} tasks have succeeded")
        self.rate.add("chard", rate)
        self.parts.add("chard", rate)
        self.cpu.add("chard", used / self.count * 1e6)
        self._raw(stage)
        self._peer(stage)

    def _raw(self, stage):
        stage.rest()
        count = 5 * self.count  # or it would be over in a quarter of a second
        before = stage.cpu()[1]
        done = tool(BIN / "raw_pairs", "--url", stage.store_url, "--count", count, "--group", 500)
        store = (stage.cpu()[1] - before) / count * 1e6
        self.rate.add("raw", count / done["seconds"])
        self.cpu.add("raw", done["cpu_us"] / count)
        self.split.add("raw", store)
        stage.fill(self.count, "--task", "chard.note", "--queue", "raw.echo")
        before = stage.cpu()[0]
        consumed = tool(BIN / "raw_consume", "--url", stage.broker.url, "--queue", "raw.echo", "--count", self.count,
                        "--prefetch", PREFETCH, "--multiple", 100)
        broker = (stage.cpu()[0] - before) / self.count * 1e6
        self.parts.add("raw", 2e6 / (done["cpu_us"] / count + store + consumed["cpu_us"] / self.count + broker))
        stage.rest()

    def _peer(self, stage):
        stage.peer_tables()
        stage.fill(self.peer_count, "--task", "chard.note", "--queue", "peer.note", "--mark", MARK)
        rate, used = drain_peer(stage, stage.peer("peer.note", "prefork", 2, PEER_PREFETCH=250), self.peer_count)
        self.rate.add("peer", rate)
        self.cpu.add("peer", used / self.peer_count * 1e6)


class B7:
    """Submitting jobs from one producer process."""

    def __init__(self, plan):
        self.count, self.peer_count = plan.size(20_000, 2_000), plan.size(2_000, 200)
        self.rate = Figure("B7", "jobs submitted by one process, confirmed", "jobs/s", Goal("of_raw", 0.8),
                           note=f"{self.count:,} chat jobs a round; chard: `submit chat --lines`, its whole life; raw: "
                           "messages made beforehand, first publish to last confirm; Celery: chain.apply_async with "
                           "confirm_publish")
        self.figures = [self.rate]
        self.kwargs = {"text": "Where does an empty, rinsed aluminium can go?", "user_id": "u@N", "lang": "en"}

    def round(self, stage):
        lines = "".join(json.dumps(self.kwargs | {"user_id": f"u{n}"}) + "\n" for n in range(self.count))
        stage.rest()
        start = time.monotonic()
        done = subprocess.run([CHARD, "submit", "chat", "--lines"], input=lines, text=True, capture_output=True,
                              env=stage.settings, timeout=120)
        seconds = time.monotonic() - start
        if done.returncode or done.stdout.count("\n") != self.count:
            raise Failed(f"chard submit: {done.returncode}, {done.stdout.count(chr(10))} ids, {done.stderr[-300:]}")
        self.rate.add("chard", self.count / seconds)
        stage.rest()
        raw = stage.fill(self.count, "--task", "chat.classify,chat.answer", "--to", "chat.commands", "--kwargs",
                         json.dumps(self.kwargs))
        self.rate.add("raw", self.count / raw["seconds"])
        peer = tool(PYTHON, PEER / "submit.py", self.peer_count, env=stage.peer_env())
        self.rate.add("peer", self.peer_count / peer["seconds"])
        stage.purge("chat.classify")
        stage.rest()
