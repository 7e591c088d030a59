# SPDX-License-Identifier: Apache-2.0
"""A RabbitMQ of 2 GB (deploy/rabbitmq/small.conf) in a memory cgroup of that size: fills six queues, runs a day of load through them, is filled beyond what
it takes, and is emptied. Whatever was confirmed must come out, the kernel must end nobody, and an alarm must be over once consumers have caught up.

PROOF_MESSAGES says how many wait (1,000,000)."""

import collections
import contextlib
import json
import math
import os
import pathlib
import re
import sys
import threading
import time

import amqp

from .tools import ROOT, Missing, run

sys.path.insert(0, str(ROOT / "deploy/local"))

import servers  # noqa: E402
from guarded import wait_until  # noqa: E402

QUEUES = ["scan.vision", "scan.answer", "scan.reward", "chat.classify", "chat.answer", "my.profile"]
LIMIT, BODY, WINDOW = 2 * 1024**3, b"x" * 1000, 2000
CONTROL = pathlib.Path("/sys/fs/cgroup")


class MemoryGroup:
    """A memory cgroup, of version 2 or 1, that one process and its children live in."""

    def __init__(self, limit):
        self.two = (CONTROL / "cgroup.controllers").exists()
        self.folder = (CONTROL if self.two else CONTROL / "memory") / f"chard-small-{os.getpid()}"
        try:
            self.folder.mkdir()
            self.set("memory.max" if self.two else "memory.limit_in_bytes", limit)
        except OSError as error:
            raise Missing(f"a memory cgroup: {error} (needs root)") from None
        with contextlib.suppress(OSError):  # no swap: where none is counted, none is there
            self.set("memory.swap.max" if self.two else "memory.memsw.limit_in_bytes", 0 if self.two else limit)

    def set(self, name, value):
        (self.folder / name).write_text(str(value))

    def figures(self, name):
        return {key: int(value) for key, value in (line.split()[:2] for line in (self.folder / name).read_text().splitlines())}

    def anonymous(self):
        """What can't be given back: without the page cache."""
        found = self.figures("memory.stat")
        return found["anon"] if self.two else found["total_rss"]

    def killed(self):
        return self.figures("memory.events" if self.two else "memory.oom_control")["oom_kill"]

    def close(self):
        wait_until(lambda: not (self.folder / "cgroup.procs").read_text(), 30, "the cgroup is empty")
        self.folder.rmdir()


class Small(servers.RabbitMQ):
    """Starts once it is in its cgroup."""

    def __init__(self, group, **options):
        super().__init__(**options)
        self.group = group

    def launch(self, command, env, **options):
        go = self.folder / "go"
        super().launch(["/bin/sh", "-c", f'while [ ! -e {go} ]; do sleep 0.1; done; exec "$@"', "sh", *command], env, **options)
        self.group.set("cgroup.procs", self.process.pid)
        self.write("go", "")


class Watch(threading.Thread):
    """Looks twice a second."""

    def __init__(self, broker, group):
        super().__init__(daemon=True)
        self.broker, self.group, self.over = broker, group, threading.Event()
        self.most, self.most_erlang, self.alarms, self.now = 0, 0, 0, False

    def run(self):
        while not self.over.wait(0.5):
            self.most = max(self.most, self.group.anonymous())
            with contextlib.suppress(OSError, ValueError):
                node = self.broker.api("GET", "nodes")[0]
                self.most_erlang = max(self.most_erlang, node.get("mem_used", 0))
                alarmed = node.get("mem_alarm", False) or node.get("disk_free_alarm", False)
                self.alarms += alarmed and not self.now
                self.now = alarmed


class Publisher:
    """Publishes with confirms, at most WINDOW under way; counts what was confirmed of each queue and what was refused."""

    def __init__(self, link):
        self.link, self.channel, self.pending, self.next = link, link.channel(), {}, 1
        self.confirmed, self.refused = collections.Counter(), 0
        self.channel.confirm_select()
        self.channel.events["basic_ack"].add(lambda tag, multiple: self.told(tag, multiple, True))
        self.channel.events["basic_nack"].add(lambda tag, multiple=False, *_: self.told(tag, multiple, False))

    def told(self, tag, multiple, good):
        for one in [one for one in self.pending if one <= tag] if multiple else [tag]:
            queue = self.pending.pop(one)
            if good:
                self.confirmed[queue] += 1
            else:
                self.refused += 1

    def settle(self, most=0, seconds=600):
        deadline = time.monotonic() + seconds
        while len(self.pending) > most:
            with contextlib.suppress(TimeoutError):
                self.link.drain_events(timeout=5)
            assert time.monotonic() < deadline, f"no confirms for {seconds} s"

    def publish(self, queue, count):
        for _ in range(count):
            self.channel.basic_publish(amqp.Message(BODY, delivery_mode=2), routing_key=queue)
            self.pending[self.next] = queue
            self.next += 1
            if len(self.pending) >= WINDOW:
                self.settle(WINDOW // 2)


class Consumer:
    """Holds up to 1,000 of a queue, as a worker does, and acks as many as it is told."""

    def __init__(self, link, queue):
        self.link, self.channel, self.held, self.taken = link, link.channel(), collections.deque(), 0
        self.channel.basic_qos(0, 1000, False)
        self.channel.basic_consume(queue, callback=lambda message: self.held.append(message.delivery_tag))

    def take(self, count, seconds=600):
        deadline = time.monotonic() + seconds
        while count:
            while not self.held:
                with contextlib.suppress(TimeoutError):
                    self.link.drain_events(timeout=5)
                assert time.monotonic() < deadline, f"{count} did not come within {seconds} s"
            some = min(count, len(self.held), 500)
            for _ in range(some):
                last = self.held.popleft()
            self.channel.basic_ack(last, multiple=True)
            self.taken += some
            count -= some


def lengths(program, env, broker, most):
    """A policy for each queue: chard's own, and that it refuses what is too much. As docs/sizing.md has it."""
    for line in run(program, "topology", "policies", env=env).stdout.replace("\\\n", " ").splitlines():
        found = re.match(r"rabbitmqctl set_policy '([^']+)' '([^']+)'\s+'([^']+)'", line.strip())
        if found and found[1].removeprefix("chard-") in QUEUES:
            definition = json.loads(found[3]) | {"max-length": most, "overflow": "reject-publish"}
            broker.api("PUT", f"policies/%2F/{found[1]}", {"pattern": found[2], "definition": definition, "apply-to": "queues"})


def waiting(broker):
    return {queue: broker.api("GET", f"queues/%2F/{queue}").get("messages", 0) for queue in QUEUES}


def small():
    messages = int(os.environ.get("PROOF_MESSAGES", 1_000_000))
    each = messages // len(QUEUES)
    run(ROOT / "scripts/rabbitmq4", seconds=1800)
    config = dict(line.split(" = ", 1) for line in (ROOT / "deploy/rabbitmq/small.conf").read_text().splitlines() if " = " in line and not line.startswith("#"))
    group = MemoryGroup(LIMIT)
    try:
        with Small(group, four=True, management=True, config=config) as broker:
            env = os.environ | {"CHARD_BROKER_URL": broker.url, "CHARD_BROKER_ADMIN_URL": broker.api_url.removesuffix("/api/")}
            run(ROOT / "build/chard", "topology", "apply", env=env)
            lengths(ROOT / "build/chard", env, broker, each + each // 10)
            watch = Watch(broker, group)
            watch.start()
            user, password = broker.url.split("://")[1].partition("@")[0].split(":")
            with amqp.Connection(f"127.0.0.1:{broker.port}", userid=user, password=password) as source, \
                 amqp.Connection(f"127.0.0.1:{broker.port}", userid=user, password=password) as sink:
                told, version = day(Publisher(source), sink, broker, watch, each), broker.api("GET", "overview")["rabbitmq_version"]
            watch.over.set()
            watch.join()
        assert not group.killed(), "the kernel ended it"
        return (f"RabbitMQ {version} in 2 GB: {each * len(QUEUES):,} waited, {told}; at most {watch.most / 1e6:,.0f} MB without page cache "
                f"({watch.most_erlang / 1e6:,.0f} by its own count), {watch.alarms} alarms, all over by themselves")
    finally:
        group.close()


def day(publisher, sink, broker, watch, each):
    """Fill; 24 hours of a load that swings, on top of what waits; too much; empty. What was confirmed comes out."""
    began = time.monotonic()
    for _ in range(10):
        for queue in QUEUES:
            publisher.publish(queue, each // 10)
    publisher.settle()
    filled = time.monotonic() - began
    consumers = {queue: Consumer(sink, queue) for queue in QUEUES}
    hours = [max(1, int(each / 60 * (1 + math.sin(hour / 24 * 2 * math.pi)))) for hour in range(24)]
    for load in hours:
        for queue in QUEUES:
            publisher.publish(queue, load)
        publisher.settle()
        for consumer in consumers.values():
            consumer.take(load)
    assert not publisher.refused, f"{publisher.refused} were refused in a day that fits"
    publisher.publish(QUEUES[0], each // 5 + 2000)
    publisher.settle()
    assert publisher.refused, "a queue beyond its length refused nothing"
    began = time.monotonic()
    for queue, consumer in consumers.items():
        consumer.take(publisher.confirmed[queue] - consumer.taken)
    drained = time.monotonic() - began
    assert not any(consumer.held for consumer in consumers.values()), "more came out than was confirmed"
    wait_until(lambda: not watch.now, 120, "alarms are over")
    wait_until(lambda: not any(waiting(broker).values()), 60, "the queues are empty")
    return f"{sum(hours) * len(QUEUES):,} more in 24 waves, {publisher.refused:,} beyond the length refused, filled in {filled:.0f} s, emptied in {drained:.0f} s"


STEPS = [("RabbitMQ with 2 GB", "carries what waits, and a day", small)]
