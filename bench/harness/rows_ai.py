# SPDX-License-Identifier: Apache-2.0
"""B2, B3 and B4: AI steps, thousands of them in flight. The provider is a double that answers after a fixed time."""

import json
import time

from .figures import Figure, Goal
from .processes import Failed, cpu_of_tree, pss_of_tree, rss_of, tool, wait_for
from .stage import BIN, Provider

KWARGS = json.dumps({"text": "Where does an empty, rinsed aluminium can go?", "user_id": "u@N", "lang": "en"})
SCAN = json.dumps({"image_url": "https://example.org/can.jpg", "user_id": "u@N", "lang": "en",
                   "text": "An aluminium can, empty and rinsed. Do I put it with metals?"})
PEER_SLOTS = 1000  # greenlets: at most 500 answers a second where each takes 2 s


class Watch:
    """Follows the provider's counters while a worker works on `count` calls with answers after `delay` seconds."""

    def __init__(self, provider, worker, count, delay, cpu=False):
        self.with_cpu = cpu
        self.provider, self.worker, self.count, self.delay = provider, worker, count, delay
        self.samples = []
        self.cpu = []

    def sample(self):
        self.worker.check()
        found = self.provider.stats()
        self.samples.append(found)
        self.cpu.append(cpu_of_tree(self.worker.pid) if self.with_cpu else 0)
        return found

    def follow(self, base, seconds=300):
        """Until all calls are answered. `base` is what the provider had answered before."""
        self.base = base

        def done():
            return self.sample()["answers"] - base >= self.count
        wait_for(done, seconds, f"{self.count} calls answered", every=0.1)

    def rate(self):
        """Answers a second, over the longest whole number of delays in which calls were always waiting for a slot:
        from the first answer on, until the last call was made."""
        begun = next(s for s in self.samples if s["answers"] > self.base)
        dry = next(s for s in self.samples if s["requests"] - self.base >= self.count)
        delays = int((dry["now"] - begun["now"]) / self.delay)
        if delays < 1:
            raise Failed("too few calls to see a steady rate")
        until = begun["now"] + delays * self.delay
        end = next(s for s in self.samples if s["now"] >= until)
        return (end["answers"] - begun["answers"]) / (end["now"] - begun["now"])

    def cpu_steady(self):
        """CPU seconds a call while calls both end and begin: from the first answer until the last call was made. The
        same for every party; what it cost to start, to connect and to stop is not in it."""
        first = next(i for i, s in enumerate(self.samples) if s["answers"] > self.base)
        dry = next(i for i, s in enumerate(self.samples) if s["requests"] - self.base >= self.count)
        calls = self.samples[dry]["requests"] - self.samples[first]["requests"]
        if calls < self.count / 10:
            raise Failed("too few calls while answers came")
        return (self.cpu[dry] - self.cpu[first]) / calls

    def cpu_while_full(self, slots):
        """CPU seconds a call, from when nearly all slots are in flight until the last call was made."""
        full = next((i for i, s in enumerate(self.samples) if s["in_flight"] >= 0.95 * slots), None)
        dry = next(i for i, s in enumerate(self.samples) if s["requests"] - self.base >= self.count)
        if full is None or dry <= full:
            raise Failed(f"{slots} calls were never in flight at once")
        calls = self.samples[dry]["requests"] - self.samples[full]["requests"]
        return (self.cpu[dry] - self.cpu[full]) / max(1, calls)


def calls_by_chard(stage, provider, slots, delay, count, words=(), env=None):
    """(rate, CPU seconds a step while it flows, CPU seconds a step of its whole life) of a worker with so many slots. `words`: more for what fills its queue."""
    stage.fresh_database()
    provider.delay(int(delay * 1000))
    stage.fill(count, "--task", "chat.classify", "--kwargs", KWARGS, *words)
    base = provider.stats()["answers"]
    with stage.worker("-Q", "chat.classify", "-c", slots, env=provider.settings() | (env or {})) as worker:
        watch = Watch(provider, worker, count, delay, cpu=True)
        watch.follow(base)
        wait_for(lambda: committed(stage) == count, 60, "every step committed")
        used = worker.end()
    check_rows(stage, count)
    return watch.rate(), watch.cpu_steady(), used / count


def committed(stage):
    return int(stage.sql("select count(*) from chard.task where state = 'SUCCESS'"))


def check_rows(stage, count):
    """What was measured must have happened: each step's result and its outbox row."""
    rows = int(stage.sql("select count(*) from chard.outbox"))
    if rows != count:
        raise Failed(f"{rows} outbox rows for {count} steps")


class B2:
    """AI steps in one process."""

    def __init__(self, plan):
        self.plan = plan
        self.shapes = [(5000, 2.0, 25_000), (16_000, 8.0, 40_000)] if not plan.quick else [(200, 0.5, 1_000)]
        self.peer_count = plan.size(3_000, 200)
        self.rates = [Figure(f"B2.{slots}", f"AI steps, {slots:,} in flight, {delay:g} s each", "steps/s",
                             Goal("at_least", 0.95 * slots / delay),
                             note=f"raw is in flight / latency; {count:,} steps a round") for slots, delay, count in
                      self.shapes]
        self.cpus = [Figure(f"B2.{slots}.cpu", f"CPU of an AI step, {slots:,} in flight", "µs", Goal("at_most", 100),
                            Goal("times_better", 24), more=False) for slots, _delay, _count in self.shapes]
        self.lives = [Figure(f"B2.{slots}.life", f"the same, start, {slots:,} connections and stop included", "µs",
                             more=False, peer="its start alone takes a second of CPU", note=f"wait4() over {count:,} steps")
                      for slots, _delay, count in self.shapes]
        self.cpus[0].note = ("for all three from the first answer until the last call was made; raw: the same calls by "
                             f"curl's multi interface alone; Celery: gevent with {PEER_SLOTS:,} greenlets, urllib3 and "
                             f"psycopg, {self.peer_count:,} steps of {self.shapes[0][1]:g} s")
        self.ceiling = Figure("B2.double", "the provider double's own ceiling", "calls/s", peer="it is C already",
                              raw="it is the ceiling", note="answers at once, driven by curl with 64 in flight, on the "
                              "same two cores")
        self.figures = [figure for three in zip(self.rates, self.cpus, self.lives) for figure in three] + [self.ceiling]

    def round(self, stage):
        with Provider(0) as provider:
            done = tool(BIN / "raw_calls", "--url", provider.url, "--count", self.plan.size(20_000, 2_000),
                        "--in-flight", 64)
            self.ceiling.add("chard", done["count"] / done["seconds"])
            for (slots, delay, count), rate, cpu, life in zip(self.shapes, self.rates, self.cpus, self.lives):
                found, used, whole = calls_by_chard(stage, provider, slots, delay, count)
                rate.add("chard", found)
                rate.add("raw", slots / delay)
                cpu.add("chard", used * 1e6)
                life.add("chard", whole * 1e6)
                done = tool(BIN / "raw_calls", "--url", provider.url, "--count", count, "--in-flight", slots)
                cpu.add("raw", done["steady_us"])
                life.add("raw", done["cpu_us"] / done["count"])
            self._peer(stage, provider)

    def _peer(self, stage, provider):
        delay = self.shapes[0][1]
        rate, used = calls_by_peer(stage, provider, delay, self.peer_count)
        for figure in self.rates:
            figure.add("peer", rate)
        for figure in self.cpus:
            figure.add("peer", used * 1e6)


def calls_by_peer(stage, provider, delay, count, memory=None):
    """(rate, CPU seconds a step) of Celery on gevent; or, into `memory`, its megabytes and how many calls were in flight."""
    stage.fresh_database()
    stage.peer_tables()
    provider.delay(int(delay * 1000))
    stage.fill(count, "--task", "chat.classify", "--queue", "peer.classify", "--kwargs", KWARGS)
    base = provider.stats()["answers"]
    with stage.peer("peer.classify", "gevent", PEER_SLOTS, **peer_settings(stage, provider)) as worker:
        watch = Watch(provider, worker, count, delay, cpu=True)
        watch.follow(base)
        if memory is not None:
            memory.append((pss_of_tree(worker.pid), max(s["in_flight"] for s in watch.samples)))
        wait_for(lambda: int(stage.sql("select count(*) from peer.task")) == count, 60, "every step committed")
        worker.end()
    return (peer_rate(watch), watch.cpu_steady()) if memory is None else None  # all its calls may be in flight at once


def peer_rate(watch):
    """Celery's answers come slower than its greenlets are many, so its rate is seen without waiting for whole delays."""
    answered = [s for s in watch.samples if s["answers"] > watch.base]
    return (answered[-1]["answers"] - answered[0]["answers"]) / (answered[-1]["now"] - answered[0]["now"])


def peer_settings(stage, provider):
    path = stage.folder / "request.json"
    if not path.exists():
        path.write_text(json.dumps(tool(BIN / "raw_calls", "--print-request")))
    return {"PEER_AI_URL": provider.url, "PEER_REQUEST": path, "PEER_HTTP": PEER_SLOTS}


class B3:
    """The whole scan chain."""

    def __init__(self, plan):
        self.plan = plan
        self.count, self.peer_count = plan.size(20_000, 200), plan.size(400, 50)
        self.delay = 1.0
        self.jobs = Figure("B3", "scan chains (3 steps) for a CPU second", "jobs", Goal("times_better", 10),
                           note=f"{self.count:,} jobs a round, {self.peer_count:,} for Celery (gevent, psycopg); answers "
                           f"after {self.delay:g} s; CPU of the worker processes alone. raw: what its parts cost by "
                           "themselves, 3 x consume and ack, 2 x publish, 2 x call, 3 x pair")
        self.rate = Figure("B3.rate", "scan chains", "jobs/s", raw="it is the sum of its parts' costs",
                           note="the whole round's time, first message to last commit; servers share the two cores")
        self.figures = [self.jobs, self.rate]

    def round(self, stage):
        with Provider(int(self.delay * 1000)) as provider:
            self._chard(stage, provider)
            self._raw(stage, provider)
            self._peer(stage, provider)

    def _chard(self, stage, provider):
        stage.fresh_database()
        stage.fill(self.count, "--task", "scan.vision,scan.answer,scan.reward", "--kwargs", SCAN)
        with stage.worker("-Q", "scan.vision,scan.answer,scan.reward", "-c", 4000, env=provider.settings()) as worker:
            self._wait(stage, worker, "select count(*) from chard.job where state = 'SUCCESS'", self.count)
            seconds = time.monotonic() - worker.started
            used = worker.end()
        check_rows(stage, 3 * self.count)
        self.jobs.add("chard", self.count / used)
        self.rate.add("chard", self.count / seconds)

    def _wait(self, stage, worker, statement, count):
        def there():
            worker.check()
            return int(stage.sql(statement)) == count
        wait_for(there, 240, f"{count} jobs finished", every=0.1)

    def _raw(self, stage, provider):
        count = max(1, self.count // 5)
        stage.purge("raw.echo")
        published = stage.fill(count, "--task", "scan.vision,scan.answer,scan.reward", "--kwargs", SCAN, "--queue",
                               "raw.echo")
        consumed = tool(BIN / "raw_consume", "--url", stage.broker.url, "--queue", "raw.echo", "--count", count)
        called = tool(BIN / "raw_calls", "--url", provider.url, "--count", count, "--in-flight", min(4000, count))
        pairs = tool(BIN / "raw_pairs", "--url", stage.store_url, "--count", count)
        used = 3 * consumed["cpu_us"] + 2 * published["cpu_us"] + 2 * called["cpu_us"] + 3 * pairs["cpu_us"]
        self.jobs.add("raw", count / (used / 1e6))

    def _peer(self, stage, provider):
        stage.fresh_database()
        stage.peer_tables()
        stage.fill(self.peer_count, "--task", "peer.vision,peer.answer,peer.reward", "--kwargs", SCAN)
        base = provider.stats()["answers"]
        with stage.peer("peer.vision,peer.answer,peer.reward", "gevent", PEER_SLOTS,
                        **peer_settings(stage, provider)) as worker:
            wait_for(lambda: provider.stats()["requests"] > base, 30, "Celery's first call")
            before, start = cpu_of_tree(worker.pid), time.monotonic()
            self._wait(stage, worker, "select count(*) from peer.task where name = 'peer.reward'", self.peer_count)
            used, seconds = cpu_of_tree(worker.pid) - before, time.monotonic() - start
            worker.end()
        self.jobs.add("peer", self.peer_count / used)
        self.rate.add("peer", self.peer_count / seconds)


class B4:
    """Memory with many calls in flight."""

    def __init__(self, plan):
        self.plan = plan
        self.slots = plan.size(10_000, 300)
        self.memory = Figure("B4", f"memory with {self.slots:,} AI calls in flight", "MB", Goal("at_most", 300),
                             more=False, raw="there is no raw program for a whole step",
                             note=f"resident, 10^6 bytes; Celery: at the most that {PEER_SLOTS:,} greenlets hold")
        self.each = Figure("B4.each", "memory of one call in flight", "kB", more=False,
                           raw="there is no raw program for a whole step", note="all of the process, shared out")
        self.figures = [self.memory, self.each]

    def round(self, stage):
        delay = self.plan.size(8, 1)
        with Provider(delay * 1000) as provider:
            stage.fresh_database()
            stage.fill(self.slots, "--task", "chat.classify", "--kwargs", KWARGS)
            with stage.worker("-Q", "chat.classify", "-c", self.slots, env=provider.settings()) as worker:
                wait_for(lambda: provider.stats()["in_flight"] >= self.slots, 60,
                         f"{self.slots} calls in flight at once", every=0.02)
                memory = rss_of(worker.pid)
                wait_for(lambda: committed(stage) == self.slots, 60, "every step committed")
                worker.end()
            self.memory.add("chard", memory)
            self.each.add("chard", memory * 1000 / self.slots)
            found = []
            calls_by_peer(stage, provider, delay, self.plan.size(1_000, 100), found)
            self.memory.add("peer", found[0][0])
            self.each.add("peer", found[0][0] * 1000 / max(1, found[0][1]))
