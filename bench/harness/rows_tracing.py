# SPDX-License-Identifier: Apache-2.0
"""T1: what metrics and traces cost. The same drains without, with one trace of a hundred recorded, and with all, one after the other."""

import pathlib
import re
import shutil
import socketserver
import subprocess
import threading
import time
import types

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from .figures import Figure, Goal
from .processes import Failed, cpu_of_tree, wait_for
from .rows_ai import KWARGS, calls_by_chard
from .rows_queue import PREFETCH, drain, drain_peer
from .stage import CHARD, MARK, Provider

SHARE = 100  # one trace of so many is recorded
OFF, SOME, ALL = "without", "one of a hundred", "all"
EVERY = {OFF: SHARE, SOME: SHARE, ALL: 1}  # one message of so many says that it is recorded
TOLD = ("observed.c:run_observed_as", "observed.c:run_begin_trace", "observed.c:run_end_trace", "export.c:otlp_on_timer")  # in these all of it happens
KINDS = {  # of a task: what it is, how many a round, and of Celery's
    "echo": ("a no-op task (B1)", (60_000, 5_000), (5_000, 2_000)),
    "note": ("one with claim and commit (B1s)", (30_000, 3_000), (2_000, 500)),
    "step": ("an AI step (B2)", (20_000, 600), None),
}


class Sink:
    """A collector that takes what comes at once, and looks into it afterwards."""

    def __enter__(self):
        bodies = self.bodies = []

        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                while line := self.rfile.readline():
                    size = 0
                    while (line := self.rfile.readline()) not in (b"\r\n", b""):
                        if line.lower().startswith(b"content-length:"):
                            size = int(line.split(b":")[1])
                    bodies.append(self.rfile.read(size))
                    self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()

    def take(self):
        """How many spans of a task's processing have come, and all spans."""
        bodies, self.bodies[:] = list(self.bodies), []
        read = [ExportTraceServiceRequest.FromString(body) for body in bodies]
        spans = [span.kind for one in read for resource in one.resource_spans for scope in resource.scope_spans for span in scope.spans]
        return spans.count(5), len(spans)


class T1:
    """Metrics and traces."""

    def __init__(self, plan):
        self.plan, self.kinds, self.figures = plan, {}, []
        for name, (what, count, peers) in KINDS.items():
            none = {"raw": "the same without is what it stands beside"} | ({} if peers else {"peer": "its client of HTTP is not instrumented"})
            one = types.SimpleNamespace(
                count=plan.size(*count), peers=peers and plan.size(*peers),
                plain=Figure(f"T1.{name}", f"CPU of {what} without metrics and traces", "µs", more=False, **none),
                some=Figure(f"T1.{name}.share", "the same with both, one trace of a hundred recorded: times as much", "x", Goal("at_most", 1.03), more=False, **none),
                all=Figure(f"T1.{name}.all", "what all traces recorded add to it", "µs", Goal("at_most", 15), more=False, **none),
                spans=Figure(f"T1.{name}.spans", "spans of such a task that the collector has then", "spans", **none))
            self.kinds[name] = one
            self.figures += [one.plain, one.some, one.all, one.spans]
        self.kinds["echo"].plain.note = ("whole life of the worker; each message has a traceparent in all of them, one of a hundred recorded, or all; a collector that "
                                         "takes all at once; Celery: prefork, its OpenTelemetry instrumentation, batches over OTLP/HTTP, nothing of metrics")
        self.counted = Figure("T1.instructions", "instructions of a no-op task with both, one of a hundred recorded: times as many", "x", more=False,
                              note="callgrind, the difference of two drains: what a busy machine hardly changes; the kernel's are not counted", peer="it is the process's own count", raw="it is a ratio")
        self.figures.append(self.counted)

    def round(self, stage):
        with Sink() as sink:
            for name, one in self.kinds.items():
                self._chard(stage, sink, name, one)
                if one.peers:
                    self._peer(stage, sink, name, one)
            self._instructions(stage, sink)

    def _chard(self, stage, sink, name, one):
        used = {how: self._once(stage, sink, name, one, how) for how in EVERY}
        one.plain.add("chard", used[OFF])
        one.some.add("chard", used[SOME] / used[OFF])
        one.all.add("chard", used[ALL] - used[OFF])

    def _once(self, stage, sink, name, one, how):
        """Microseconds of CPU a task."""
        env, words = self._env(sink, how), ("--traced", EVERY[how])
        if name == "step":
            with Provider(0) as provider:
                used = calls_by_chard(stage, provider, self.plan.size(2_000, 200), self.plan.size(1.0, 0.2), one.count, words, env)[1]
        else:
            if name == "note":
                stage.fresh_database()
            stage.fill(one.count, "--task", f"chard.{name}", "--mark", MARK, *words)
            used = drain(stage, stage.worker("-Q", f"chard.{name}", "-c", PREFETCH, env=env), one.count)[1] / one.count
        tasks, spans = sink.take()
        if tasks != (0 if how == OFF else one.count // EVERY[how]):
            raise Failed(f"{name}, {how}: the collector has {tasks} spans of {one.count} tasks")
        if how == ALL:
            one.spans.add("chard", spans / one.count)
        return used * 1e6

    @staticmethod
    def _env(sink, how):
        return {} if how == OFF else {"CHARD_METRICS": "127.0.0.1:0", "CHARD_OTLP_URL": sink.url, "CHARD_TRACE_SLOW_MS": "0"}

    def _peer(self, stage, sink, name, one):
        used = {}
        for how in EVERY:
            stage.fresh_database()
            stage.peer_tables()
            stage.fill(one.peers, "--task", f"chard.{name}", "--queue", f"peer.{name}", "--mark", MARK, "--traced", EVERY[how])
            env = {} if how == OFF else {"PEER_OTLP_URL": sink.url}
            used[how] = drain_peer(stage, stage.peer(f"peer.{name}", "prefork", 2, PEER_PREFETCH=250, **env), one.peers)[1] / one.peers * 1e6
            tasks, spans = sink.take()
            if how == ALL and tasks:
                one.spans.add("peer", spans / one.peers)
        one.plain.add("peer", used[OFF])
        one.some.add("peer", used[SOME] / used[OFF])
        one.all.add("peer", used[ALL] - used[OFF])

    # --- what can be counted on a busy machine --------------------------------------------------------------

    def _instructions(self, stage, sink):
        if not shutil.which("valgrind"):
            self.counted.why["chard"] = "valgrind is not installed"
            return
        few, many = (dict(zip((OFF, SOME), (self._count(stage, sink, how, count) for how in (OFF, SOME)))) for count in (self.plan.size(1_000, 300), self.plan.size(4_000, 900)))
        tasks = self.plan.size(3_000, 600)
        whole = (many[OFF][0] - few[OFF][0]) / tasks
        told = {how: (many[how][1] - few[how][1]) / tasks for how in (OFF, SOME)}
        self.counted.add("chard", (whole + told[SOME] - told[OFF]) / whole)

    def _count(self, stage, sink, how, count):
        """Instructions of a worker's whole life, but for libcrypto's (a login to PostgreSQL is as dear as a thousand tasks); and of it those of TOLD and what they call."""
        stage.fill(count, "--task", "chard.echo", "--mark", MARK, "--traced", SHARE)
        out = pathlib.Path(stage.folder, "callgrind.out")
        command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", CHARD, "worker", "-Q", "chard.echo", "-c", str(PREFETCH)]
        with stage.marks() as marks, stage.process(command, stage.settings | self._env(sink, how), "callgrind") as worker:
            marks.wait(2, worker)
            wait_for(lambda: self._rests(worker), 30, "callgrind's worker rests")
            worker.end()
        sink.take()
        return self._sum(out, "no", lambda line: "libcrypto" not in line), self._sum(out, "yes", lambda line: any(f"{name} [" in line for name in TOLD))

    @staticmethod
    def _rests(worker):
        """It has made all of its connections: a login to PostgreSQL takes so long there that its end would not wait for it."""
        before = cpu_of_tree(worker.pid)
        time.sleep(0.3)
        return cpu_of_tree(worker.pid) - before < 0.02

    @staticmethod
    def _sum(out, inclusive, wanted):
        done = subprocess.run(["callgrind_annotate", "--threshold=100", "--auto=no", f"--inclusive={inclusive}", out], capture_output=True, text=True, check=True)
        found = re.findall(r"^ *([\d,]+) \([ \d.]+%\)  (.*)$", done.stdout, re.M)
        return sum(int(count.replace(",", "")) for count, name in found if wanted(name) and name != "PROGRAM TOTALS")
