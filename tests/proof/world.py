# SPDX-License-Identifier: Apache-2.0
"""The servers, the workers with their breakable links, and the keeper of the run under faults."""

import contextlib
import os
import signal
import subprocess

import servers
from support.loop import LoopThread
from support.program import ROOT, Chard, die_with_parent
from support.toxic import Toxic

from .ledger import Book, Endpoint

WORKERS = ["w1", "w2", "w3"]
KEEPER = "keeper"
DEADLINE_S = 6
LEASE_S = DEADLINE_S + 4
GRACE_S = 8
QUEUES = "scan.vision,scan.answer,scan.reward,chat.classify,chat.answer,chard.tasks"
SETTINGS = {
    "CHARD_AI_PROVIDER": "openai",
    "OPENAI_API_KEY": "sk-proof",
    "CHARD_DEADLINE_MS": DEADLINE_S * 1000,
    "CHARD_LEASE_SLACK_MS": (LEASE_S - DEADLINE_S) * 1000,
    "CHARD_GRACE_MS": GRACE_S * 1000,
    "CHARD_HEARTBEAT_S": 3,
    "CHARD_CONNECT_TIMEOUT_MS": 3000,
    "CHARD_STALE_EVERY_S": 0,  # what is lost must be seen, not mended
    "CHARD_DLQ_POLICIES": "* transient,timeout,connection,http_5* after=20s rounds=10 errors=50% rate=50/s",
}


class Process:
    """A worker or the keeper: started again under the same name, with the same links and the same log."""

    def __init__(self, world, name, words, own):
        self.world, self.name, self.words, self.own = world, name, words, own
        self.log = open(world.folder / f"{name}.log", "ab")
        self.links = {server: world.link(server) for server in ("broker", "store", "results")}
        self.popen = None

    def start(self):
        env = {"CHARD_BROKER_URL": self.links["broker"].url(self.world.rabbitmq.url),
               "CHARD_STORE_URL": self.links["store"].url(self.world.postgres.url),
               "CHARD_RESULT_URL": self.links["results"].url(self.world.redis.url)} | self.own
        self.popen = subprocess.Popen([self.world.chard.binary, *self.words], env=self.world.chard.environment(env), stdin=subprocess.DEVNULL,
                                      stdout=self.log, stderr=self.log, preexec_fn=die_with_parent)

    def signal(self, number):
        if self.popen.poll() is None:
            self.popen.send_signal(number)

    def ended(self):
        return self.popen.poll() is not None

    def stop(self, patience=60):
        """In order; its exit status."""
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGTERM)
        try:
            return self.popen.wait(patience)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            return self.popen.wait()


class World:
    def __init__(self, folder, seed, four=False):
        self.folder = folder
        self.rabbitmq, self.postgres, self.redis = servers.RabbitMQ(four=four), servers.PostgreSQL(), servers.Redis()
        self.loop = LoopThread()
        self.book = Book(seed)
        self.links = []
        self.chard = None
        self.endpoints, self.processes = {}, {}

    def link(self, server):
        port = {"broker": self.rabbitmq, "store": self.postgres, "results": self.redis}[server].port
        self.links.append(Toxic(self.loop, "127.0.0.1", port))
        return self.links[-1]

    def __enter__(self):
        servers.start_all([self.rabbitmq, self.postgres, self.redis])
        self.chard = Chard(os.environ.get("CHARD_PROOF_BINARY") or ROOT / "build/chard", {name: str(value) for name, value in SETTINGS.items()} | {
            "CHARD_BROKER_URL": self.rabbitmq.url, "CHARD_STORE_URL": self.postgres.url, "CHARD_RESULT_URL": self.redis.url})
        self.chard.prepare()
        self.rabbitmq.settle()
        for name in WORKERS:
            self.endpoints[name] = Endpoint(self.loop, self.book, name, DEADLINE_S)
            self.processes[name] = Process(self, name, ["worker", "-n", name, "-Q", QUEUES], {"OPENAI_BASE_URL": self.endpoints[name].url})
        self.processes[KEEPER] = Process(self, KEEPER, ["keep"], {})
        for process in self.processes.values():
            process.start()
        return self

    def __exit__(self, *_):
        for process in self.processes.values():
            if process.popen and not process.ended():
                process.popen.kill()
                process.popen.wait()
        for link in self.links:
            with contextlib.suppress(Exception):
                link.close()
        for server in (self.rabbitmq, self.postgres, self.redis):
            server.close()

    def heal(self):
        """Whatever is still broken works again."""
        self.book.trouble = self.book.few = None
        for endpoint in self.endpoints.values():
            endpoint.trouble = None
            endpoint.release()
        for link in self.links:
            link.heal()
        for server in (self.rabbitmq, self.postgres, self.redis):
            if not server.running():
                server.start()
        for process in self.processes.values():
            process.signal(signal.SIGCONT)
            if process.ended():
                process.start()
