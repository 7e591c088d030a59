# SPDX-License-Identifier: Apache-2.0
"""Faults, drawn by a seeded generator. Each kind is a function that draws its particulars and returns a Fault, or None when what it would
break is broken already."""

import contextlib
import heapq
import itertools
import json
import random
import signal
import threading
import time

import psycopg

from .ledger import TROUBLE
from .world import KEEPER, LEASE_S, WORKERS


class Fault:
    """`holds` names what nobody else may break meanwhile. `end` may return True for "not yet over"."""

    def __init__(self, kind, target, seconds, begin, end, holds=()):
        self.kind, self.target, self.seconds, self.begin, self.end = kind, target, seconds, begin, end
        self.holds = set(holds) or {target}


class Faults:
    def __init__(self, world, seed, log, pause):
        self.world, self.chance = world, random.Random(seed)
        self.log, self.pause = log, pause  # pause(): a context in which nobody submits
        self.held, self.counts, self.agenda, self.serial = set(), {}, [], itertools.count()
        self.threads = []

    # --- the run --------------------------------------------------------------------------------------

    def run(self, seconds):
        end, next_at = time.monotonic() + seconds, time.monotonic() + 3
        while time.monotonic() < end or self.agenda:
            now = time.monotonic()
            while self.agenda and self.agenda[0][0] <= now:
                self._end(heapq.heappop(self.agenda)[2])
            self._supervise()
            if next_at <= now < end:
                self._begin()
                next_at = now + self.chance.uniform(0.5, 7)
            time.sleep(0.02)
        for thread in self.threads:
            thread.join()

    def _supervise(self):
        """As an init would: a process that ended by itself (it may, while its servers are away and it starts) is started again."""
        for name, process in self.world.processes.items():
            if name not in self.held and process.ended():
                entry = {"kind": "exit", "target": name, "status": process.popen.returncode, "at": time.time(), "now": time.time()}
                for what in ("begins", "ends"):
                    self.log.write(json.dumps(entry | {"what": what}) + "\n")
                self.counts["(exit and restart)"] = self.counts.get("(exit and restart)", 0) + 1
                process.start()

    def _begin(self):
        kinds = [kind for kind, weight in KINDS.items() for _ in range(weight)]
        fault = self.chance.choice(kinds)(self)
        if fault is None or fault.holds & self.held:
            return
        self.held |= fault.holds
        self.counts[fault.kind] = self.counts.get(fault.kind, 0) + 1
        fault.at = time.time()
        self._say(fault, "begins")
        fault.begin()
        heapq.heappush(self.agenda, (time.monotonic() + fault.seconds, next(self.serial), fault))

    def _end(self, fault):
        if fault.end():
            heapq.heappush(self.agenda, (time.monotonic() + 0.05, next(self.serial), fault))
            return
        self.held -= fault.holds
        self._say(fault, "ends")

    def _say(self, fault, what):
        entry = {"kind": fault.kind, "target": fault.target, "what": what, "at": fault.at, "now": time.time()}
        self.log.write(json.dumps(entry) + "\n")
        self.log.flush()

    def aside(self, function):
        """Runs it in a thread of its own; returns a function that says whether it is still at it."""
        thread = threading.Thread(target=function, daemon=True)
        self.threads.append(thread)
        thread.start()
        return thread.is_alive

    # --- processes ------------------------------------------------------------------------------------

    def kill(self):
        name = self.chance.choice([*WORKERS, *WORKERS, KEEPER])
        process, seconds = self.world.processes[name], self.chance.choice([0, 0.5, 3, 12])

        def begin():
            process.popen.kill()
            process.popen.wait()

        return Fault("kill", name, seconds, begin, process.start)

    def terminate(self):
        name = self.chance.choice([*WORKERS, *WORKERS, KEEPER])
        process = self.world.processes[name]

        def end():
            if not process.ended():
                return True
            process.start()
            return False

        return Fault("terminate", name, 0, lambda: process.signal(signal.SIGTERM), end)

    def stop(self):
        name = self.chance.choice(WORKERS)
        process, seconds = self.world.processes[name], self.chance.uniform(LEASE_S + 1, LEASE_S + 20)
        return Fault("stop", name, seconds, lambda: process.signal(signal.SIGSTOP), lambda: process.signal(signal.SIGCONT))

    # --- links ----------------------------------------------------------------------------------------

    def _link(self, kind, seconds, how):
        name, server = self.chance.choice([*WORKERS, KEEPER]), self.chance.choice(["broker", "store", "results"])
        link = self.world.processes[name].links[server]
        return Fault(f"{kind} {server}", f"{name}/{server}", seconds, lambda: how(link), link.heal)

    def cut(self):
        return self._link("cut", 0, lambda link: link.cut())

    def refuse(self):
        return self._link("refuse", self.chance.uniform(1, 15), lambda link: link.refuse())

    def black_hole(self):
        return self._link("black hole", self.chance.uniform(3, 30), lambda link: link.half_open())

    def mute(self):
        return self._link("mute", self.chance.uniform(3, 20), lambda link: link.mute())

    def half_open(self):
        return self._link("half-open", self.chance.uniform(10, 30), lambda link: link.abandon())

    # --- PostgreSQL -----------------------------------------------------------------------------------

    def _lock(self, kind, target, seconds, statement):
        return self._aside(kind, target, lambda: self._hold_lock(statement, seconds))

    def _aside(self, kind, target, work, holds=()):
        going = []
        return Fault(kind, target, 0.1, lambda: going.append(self.aside(work)), lambda: going[0](), holds)

    def _hold_lock(self, statement, seconds, meanwhile=lambda: None):
        with contextlib.suppress(psycopg.Error), psycopg.connect(self.world.postgres.url, connect_timeout=5) as link:
            link.execute("set lock_timeout = '5s'")
            link.execute(statement)
            meanwhile()
            time.sleep(seconds)
            link.rollback()

    def lock_table(self):
        table = self.chance.choice(["task", "job", "event", "outbox", "scheduled", "dead_letter", "worker", "owed_result"])
        mode = self.chance.choice(["access exclusive", "exclusive", "share"])
        return self._lock(f"table lock {table}", "lock", self.chance.choice([2, 8, 20, 38, 45]), f"lock table chard.{table} in {mode} mode")

    def lock_rows(self):
        table = self.chance.choice(["task where state in ('STARTED', 'PENDING', 'RETRY')", "job where state = 'STARTED'",
                                    "task where finished_at > now() - interval '3 s'", "scheduled", "worker", "dead_letter"])
        return self._lock(f"row lock {table.split()[0]}", "lock", self.chance.choice([2, 8, 20, 38, 45]),
                          f"select from chard.{table} limit {self.chance.choice([1, 5, 1000])} for update")

    def lock_start(self):
        """Somebody holds a table that a starting process looks at."""
        name, table, seconds = self.chance.choice([*WORKERS, KEEPER]), self.chance.choice(["outbox", "event", "job", "dead_letter"]), self.chance.choice([2, 8, 20])
        process, locked, going = self.world.processes[name], threading.Event(), []

        def begin():
            killed = Fault("kill", name, 0, None, None)
            killed.at = time.time()
            process.popen.kill()
            process.popen.wait()
            for what in ("begins", "ends"):
                self._say(killed, what)
            statement = f"lock table chard.{table} in access exclusive mode"
            going.append(self.aside(lambda: self._hold_lock(statement, seconds, locked.set)))

        def end():
            """Started by this thread: a process dies with the thread that started it."""
            holds = going[0]()
            if process.ended() and (locked.is_set() or not holds):
                process.start()
            return holds or process.ended()

        return Fault(f"start behind {table}", name, 0.1, begin, end, {name, "lock"})

    # --- servers --------------------------------------------------------------------------------------

    def _restart(self, kind, server, stop):
        away = self.chance.choice([0, 1, 5, 12])

        def work():
            with self.pause():
                stop()
                time.sleep(away)
                server.start()

        return self._aside(kind, kind.split()[-1], work, {"server"})

    def restart_rabbitmq(self):
        server = self.world.rabbitmq
        how = self.chance.choice(["stop", "kill"])
        return self._restart(f"{how} rabbitmq", server, getattr(server, how))

    def restart_postgres(self):
        server, how = self.world.postgres, self.chance.choice(["fast", "immediate", "kill"])
        return self._restart(f"{how} postgresql", server, server.kill if how == "kill" else lambda: server.stop(how))

    def restart_redis(self):
        server, how = self.world.redis, self.chance.choice(["stop", "kill"])
        return self._restart(f"{how} redis", server, getattr(server, how))

    # --- the provider ---------------------------------------------------------------------------------

    def outage(self):
        book, trouble = self.world.book, self.chance.choice([name for name in TROUBLE if name != "401"])
        return Fault(f"outage {trouble}", "provider", self.chance.uniform(1, 20), lambda: setattr(book, "trouble", trouble),
                     lambda: setattr(book, "trouble", None))

    def few_failures(self):
        """Fewer in a row than open a breaker, among whatever waits: chords too."""
        trouble, calls = self.chance.choice([name for name in TROUBLE if name not in ("401", "429", "hang")]), self.chance.randint(2, 9)
        return Fault("few failures", "provider", 2, lambda: setattr(self.world.book, "few", (trouble, calls)),
                     lambda: setattr(self.world.book, "few", None))

    def revoke_key(self):
        book = self.world.book
        return Fault("key revoked", "provider", self.chance.uniform(3, 25), lambda: setattr(book, "trouble", "401"),
                     lambda: setattr(book, "trouble", None))

    def one_outage(self):
        name, trouble = self.chance.choice(WORKERS), self.chance.choice([name for name in TROUBLE if name != "401"])
        endpoint = self.world.endpoints[name]
        return Fault(f"{trouble} for one", f"{name}/provider", self.chance.uniform(1, 12), lambda: setattr(endpoint, "trouble", trouble),
                     lambda: setattr(endpoint, "trouble", None))

    def hold_provider(self):
        endpoint = self.world.endpoints[name := self.chance.choice(WORKERS)]
        return Fault("black hole provider", f"{name}/provider", self.chance.uniform(1, 12), endpoint.hold, endpoint.release)

    def cut_provider(self):
        endpoint = self.world.endpoints[name := self.chance.choice(WORKERS)]
        return Fault("cut provider", f"{name}/provider", 0, endpoint.drop_connections, lambda: None)


KINDS = {Faults.kill: 8, Faults.terminate: 4, Faults.stop: 3, Faults.cut: 6, Faults.refuse: 3, Faults.black_hole: 4, Faults.mute: 3,
         Faults.half_open: 3, Faults.lock_table: 3, Faults.lock_rows: 3, Faults.lock_start: 2, Faults.restart_rabbitmq: 1, Faults.restart_postgres: 2,
         Faults.restart_redis: 1, Faults.outage: 3, Faults.revoke_key: 2, Faults.one_outage: 2, Faults.hold_provider: 2,
         Faults.cut_provider: 2, Faults.few_failures: 3}
