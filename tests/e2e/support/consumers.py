# SPDX-License-Identifier: Apache-2.0
"""Consumers that do what tests need (tests/e2e/drivers/consumers_driver.c), and events for them, written by a client that is not chard's."""

import contextlib
import json
import uuid

from .program import OPTIONS, Running, no_report, plain_environment
from .store import DRIVERS, now_us


def insert(tables, events):
    """Writes events into the outbox: {"type", "of": (aggregate type, id), "payload", "id", "trace"}; returns their ids."""
    rows = [(one.get("id") or str(uuid.uuid4()), *one.get("of", ("thing", "a")), one.get("type", "Tested"),
             one["payload"] if isinstance(one["payload"], str) else json.dumps(one["payload"]), one.get("trace")) for one in events]
    columns = "id, aggregatetype, aggregateid, type, payload, tracingspancontext"
    with tables.connect() as connection:
        if tables.name == "sqlite":
            connection.execute("begin immediate")
            connection.executemany(f"insert into outbox ({columns}, created_at) values (?, ?, ?, ?, ?, ?, {now_us()})", rows)
            connection.execute("commit")
        else:
            with connection.cursor() as cursor:
                cursor.executemany(f"insert into chard.outbox ({columns}) values (%s, %s, %s, %s, %s::jsonb, %s)", rows)
    return [row[0] for row in rows]


def happened(tables, events):
    """Writes events into the event store and the outbox, as a step does: {"type", "of", "version", "payload", "at" (when it was written), "trace"}; returns their ids."""
    rows = [(str(uuid.uuid4()), *one["of"], one.get("version", 1), one.get("type", "Tested"), json.dumps(one["payload"]), one.get("at"), one.get("trace")) for one in events]
    with tables.connect() as connection:
        cursor = connection.cursor()
        if tables.name == "sqlite":
            cursor.execute("begin immediate")
        for identity, of, who, version, kind, payload, at, trace in rows:
            when = at and (round(at.timestamp() * 1000000) if tables.name == "sqlite" else at)
            if tables.name == "sqlite":
                cursor.execute("insert into event (id, aggregate_type, aggregate_id, version, type, root_id, task_id, created_at, payload)"
                               " values (?, ?, ?, ?, ?, '', '', ?, ?)", (identity, of, who, version, kind, when or now_us(), payload))
                cursor.execute("insert into outbox (id, aggregatetype, aggregateid, type, payload, created_at, tracingspancontext) values (?, ?, ?, ?, ?, ?, ?)",
                               (identity, of, who, kind, payload, when or now_us(), trace))
            else:
                cursor.execute("insert into chard.event (id, aggregate_type, aggregate_id, version, type, root_id, task_id, created_at, payload)"
                               " values (%s, %s, %s, %s, %s, '', '', coalesce(%s, now()), %s)", (identity, of, who, version, kind, when, payload))
                cursor.execute("insert into chard.outbox (id, aggregatetype, aggregateid, type, payload, created_at, tracingspancontext)"
                               " values (%s, %s, %s, %s, %s, coalesce(%s, now()), %s)", (identity, of, who, kind, payload, when, trace))
        if tables.name == "sqlite":
            cursor.execute("commit")
    return [row[0] for row in rows]


def thing(n, of="a", **payload):
    return {"type": "Tested", "of": ("thing", of), "payload": {"n": n} | payload}


class Consuming(Running):
    def __init__(self, url, *names, process="c1", lease_ms=2000):
        super().__init__([str(DRIVERS / "consumers_driver"), url, process, str(lease_ms), *names], plain_environment() | OPTIONS)

    def end(self):
        """In order, and without a report."""
        if self.running():
            self.terminate()
        status = self.wait(30)
        no_report(self.stderr)
        assert status == 0, self.stderr[-4000:]


@contextlib.contextmanager
def consuming(url, *names, **options):
    one = Consuming(url, *names, **options)
    try:
        yield one
    except BaseException:
        one.show()
        one.kill()
        raise
    one.end()


@contextlib.contextmanager
def acting(chard, *names):
    """`chard consume` for the length of a `with`."""
    consumer = chard.start("consume", *names)
    try:
        yield
    finally:
        consumer.terminate()
        assert consumer.wait() == 0, consumer.stderr[-4000:]
