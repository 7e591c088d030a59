# SPDX-License-Identifier: Apache-2.0
"""Virtual hosts and databases that are as `chard migrate` and `chard topology apply` leave them, for the many tests that begin with both: a host is used
again and again, and a database copied, which takes a tenth of what it takes to make one."""

import collections
import contextlib
import inspect
import itertools
import json
import os
import re
import urllib.parse

import amqp
import kombu.pools

from .database import Database
from .queues import Queues

REST = 3  # so many others are used before a host is used again: what its last test killed has then been noticed, and given back what it held
FEW = 12  # more than that is not worth taking away

NEUTRAL = re.compile(r"OPENAI_|CHARD_(AI_|RESULT_URL|LEASE_SLACK_MS|DEADLINE_MS|MAX_STARTS|CONNECT_TIMEOUT_MS|HEARTBEAT_S|GRACE_MS|LOG_)")


def is_wanted(request):
    """Whether the test, or a fixture of its module, says `….prepare()`: one with something to do before that is marked `bare`."""
    if request.node.get_closest_marker("bare"):
        return False
    source = inspect.getsource(request.module)
    names = "|".join(map(re.escape, (request.function.__name__, *request.fixturenames)))
    return any(".prepare()" in body for body in re.findall(rf"^def (?:{names})\(.*?(?=^[^\s)]|\Z)", source, re.M | re.S))


def stands(settings):
    """Whether both are of here."""
    return all(settings.get(name, "").rpartition("/")[2].startswith(("test-standing", "test_standing")) for name in ("CHARD_BROKER_URL", "CHARD_STORE_URL"))


def would_be_the_same(settings, standing):
    """Whether migrate and topology would make with these settings what they made with those."""
    return {name: value for name, value in settings.items() if not NEUTRAL.match(name)} == {
        name: value for name, value in standing.items() if not NEUTRAL.match(name)}


def forget_declared(host):
    """Celery's clients in this process share connections by their address, which know what was declared, and don't do it again."""
    for pool in list(kombu.pools.connections.values()):
        if pool.connection.virtual_host == host:
            pool.resize(pool.limit, reset=True)  # closes all, and has as many to open anew


class Hosts:
    """`apply(url)` declares the topology there."""

    def __init__(self, rabbitmq, apply):
        self.rabbitmq, self.apply = rabbitmq, apply
        self.resting = collections.deque()
        self.names = (f"test-standing-{os.getpid()}-{n}" for n in itertools.count(1))
        self.standard = None

    @contextlib.contextmanager
    def one(self):
        name = self._rested() or self._new()
        yield self.rabbitmq.url_for(name)
        forget_declared(name)
        self.resting.append(name)

    def _new(self):
        name = next(self.names)
        self.apply(self.rabbitmq.add_vhost(name))
        self.standard = self.standard or self._definitions(name)
        return name

    def _rested(self):
        while len(self.resting) > REST:
            name = self.resting.popleft()
            if self._is_clean_again(name):
                return name
            self.rabbitmq.delete_vhost(name)
        return None

    def _definitions(self, name):
        """{kind: {its rows as text}}"""
        found = self.rabbitmq.api("GET", f"definitions/{urllib.parse.quote(name, safe='')}")
        return {kind: {json.dumps(row, sort_keys=True) for row in rows} for kind, rows in found.items() if isinstance(rows, list)}

    def _is_clean_again(self, name):
        with contextlib.suppress(amqp.AMQPError, OSError), Queues(self.rabbitmq.url_for(name)).channel() as channel:
            found = self._definitions(name)
            surplus = {kind: [json.loads(row)["name"] for row in found[kind] - self.standard[kind]] for kind in ("queues", "exchanges")}
            if sum(map(len, surplus.values())) > FEW:
                return False
            for queue in surplus["queues"]:
                channel.queue_delete(queue)
            for exchange in surplus["exchanges"]:
                channel.exchange_delete(exchange)
            if any(surplus.values()):
                found = self._definitions(name)
            return found == self.standard and all(self._is_empty(channel, json.loads(row)["name"]) for row in self.standard["queues"])
        return False

    @staticmethod
    def _is_empty(channel, queue):
        """Or has been emptied. RabbitMQ counts a consumer that still has unacked messages."""
        found = channel.queue_declare(queue, passive=True)
        if found.message_count:
            channel.queue_purge(queue)
            found = channel.queue_declare(queue, passive=True)
        return found.message_count == 0 and found.consumer_count == 0


class Template:
    """A database that is copied. `migrate(url)` makes the tables."""

    def __init__(self, postgres, migrate):
        self.name = f"template_{os.getpid()}"
        Database(postgres.url).run(f"create database {self.name}")
        migrate(postgres.url_for(self.name))
