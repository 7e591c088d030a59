# SPDX-License-Identifier: Apache-2.0
"""The broker's door on a command line (tests/e2e/drivers/broker_driver.c), and a look from outside into what stands behind it: the same
questions to RabbitMQ and to the embedded broker's file."""

import contextlib
import fcntl
import json
import os
import sqlite3
import subprocess
import threading

import amqp

from .program import OPTIONS, ROOT, SANITIZER, die_with_parent
from .queues import Queues
from .waiting import wait_until

DRIVERS = {name: ROOT / f"build/{name}/tests/e2e/drivers/broker_driver" for name in ("asan", "tsan", "release")}
QUEUE = "scan.vision"


class Driver:
    """One running driver. Its events are kept in the order in which they came."""

    def __init__(self, url, variant=None, before=lambda: None, **options):
        """`before` is called in the new process before the driver starts."""
        def prepare():
            die_with_parent()
            before()

        binary = os.environ.get("CHARD_TEST_BROKER_DRIVER") or DRIVERS[variant or "asan"]
        self.process = subprocess.Popen([binary, url, *(f"{key}={value}" for key, value in options.items())], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        env=os.environ | OPTIONS, preexec_fn=prepare)
        self.seen, self.log = [], []
        self._readers = [threading.Thread(target=self._collect, args=pair, daemon=True) for pair in (
            (self.process.stdout, lambda line: self.seen.append(json.loads(line))), (self.process.stderr, self.log.append))]
        for reader in self._readers:
            reader.start()

    @staticmethod
    def _collect(stream, keep):
        for line in stream:
            keep(line)

    def do(self, verb, **fields):
        self.send({"do": verb} | fields)

    def send(self, *lines):
        """What is sent together is handled in one turn of the driver's loop."""
        self.process.stdin.write("".join(json.dumps(line) + "\n" for line in lines))
        self.process.stdin.flush()

    def events(self, kind):
        return [event for event in list(self.seen) if event["event"] == kind]

    def wait(self, kind, which=lambda event: True, deadline=20, since=0):
        def found():
            return next((event for event in self.events(kind)[since:] if which(event)), None) or self._ended()
        return wait_until(found, deadline, f"{kind}; the last events: {self.seen[-3:]}")

    def _ended(self):
        if self.process.poll() is not None and not any(reader.is_alive() for reader in self._readers):
            raise RuntimeError(f"the driver ended with {self.process.returncode}: {self.seen[-3:]}\n{''.join(self.log)[-3000:]}")

    def answer(self, verb, kind):
        since = len(self.events(kind))
        self.do(verb)
        return self.wait(kind, since=since)

    def health(self):
        return self.answer("health", "health")

    def is_up(self):
        return self.health()["state"] == "up"

    def wait_up(self, deadline=20):
        wait_until(self.is_up, deadline, "up")
        return self

    def consume(self, queue=QUEUE, prefetch=10, **more):
        self.do("consume", queue=queue, prefetch=prefetch, **more)
        return self.wait_up()

    def deliveries(self, count, deadline=20):
        wait_until(lambda: len(self.events("delivery")) >= count, deadline, f"{count} deliveries")
        return self.events("delivery")

    def results(self, count, deadline=30):
        """Of each publish, by its number."""
        wait_until(lambda: len(self.events("done")) >= count, deadline, f"{count} answers")
        return {event["n"]: event["result"] for event in self.events("done")}

    def ack_until(self, count):
        """Acks what comes, until so many came."""
        acked = 0
        while acked < count:
            seen = self.deliveries(acked + 1)
            self.send(*map(ack, seen[acked:]))
            acked = len(seen)
        return self.events("delivery")

    def kill(self):
        self.process.kill()
        self.process.wait(20)
        self.process.stdin.close()

    def close(self, status=0):
        if not self.process.stdin.closed:
            self.process.stdin.close()
        assert self.process.wait(20) == status, "".join(self.log)[-4000:]
        for reader in self._readers:
            reader.join(10)
        assert not SANITIZER.search("".join(self.log)), "".join(self.log)[-8000:]
        return self.seen[-1]


def ack(delivery):
    return {"do": "ack", "tag": delivery["tag"], "epoch": delivery["epoch"]}


def hand_back(delivery):
    return ack(delivery) | {"do": "hand_back"}


def to(queue, n=0, **more):
    return {"do": "publish", "n": n, "exchange": queue, "key": queue} | more


def properties(**fields):
    message = amqp.Message(b"", **fields)
    return message._serialize_properties().hex()


def starter():
    """For a fixture: starts drivers, and ends them with the test."""
    made = []

    def make(url, **options):
        made.append(Driver(url, **options))
        return made[-1]

    yield make
    for driver in made:
        if driver.process.poll() is None:
            driver.close()


def build_for_threads():
    """The driver in the build that looks for races. Tests side by side build it once."""
    if "CHARD_TEST_BROKER_DRIVER" in os.environ:
        return
    with open(ROOT / "build/broker_driver.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        subprocess.run(["make", "-s", "VARIANT=tsan", DRIVERS["tsan"].relative_to(ROOT)], cwd=ROOT, check=True, timeout=600)


class RabbitQueues(Queues):
    def declare(self, queue):
        with self.channel() as channel:
            channel.queue_declare(queue, durable=True, auto_delete=False)

    def wait_unconsumed(self, queue):
        """RabbitMQ counts a consumer that still has unacked messages."""
        wait_until(lambda: self.consumers(queue) == 0)


class FileQueues:
    """The embedded broker's file, read by Python's own SQLite."""

    def __init__(self, path):
        self.path = path

    @contextlib.contextmanager
    def database(self):
        database = sqlite3.connect(self.path, timeout=20, isolation_level=None)
        try:
            yield database
        finally:
            database.close()

    def ask(self, sql, *values):
        with self.database() as database:
            return database.execute(sql, values).fetchall()

    def depth(self, queue):
        return self.ask("select count(*) from broker_entry e join broker_queue q on q.id = e.queue where q.name = ? and owner = 0", queue)[0][0]

    def bodies(self, queue):
        """What waits in it, oldest first, delivered and unacked or not."""
        return [row[0] for row in self.ask(
            "select m.body from broker_entry e join broker_queue q on q.id = e.queue join broker_message m on m.id = e.id"
            " where q.name = ? order by e.id", queue)]

    def exists(self, queue):
        return bool(self.ask("select 1 from broker_queue where name = ?", queue))

    def declare(self, queue):
        Driver(f"embedded:{self.path}", queues=queue).close()

    def wait_unconsumed(self, queue):
        """Nothing is kept in the file of who consumes."""

    def publish(self, exchange, routing_key, body, headers=None, **more):
        driver = Driver(f"embedded:{self.path}")
        driver.send({"do": "publish", "exchange": exchange, "key": routing_key, "body": body.decode(), "properties":
                     properties(application_headers=headers or {}, **more)})
        assert driver.results(1) == {0: "confirmed"}
        driver.close()
