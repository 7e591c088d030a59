# SPDX-License-Identifier: Apache-2.0
"""Consumers behind locks, over links that break, stopped for longer than their lease, and told to end meanwhile: each event still once in effect and in order."""

import contextlib
import pathlib
import signal

import pytest
from support.consumers import Consuming, consuming, insert, thing
from support.store import Backend, migrate
from test_consumers import at_its_end, counted, letters

WAITING = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"


@pytest.fixture
def server(store_url):
    migrate(store_url)
    return Backend(store_url)


@contextlib.contextmanager
def locked(tables, table):
    """Nobody else writes to it. (Who keeps others from reading as well has a transaction's number, and holds back what is read of the outbox.)"""
    with tables.connect(autocommit=False) as other:
        other.execute(f"lock table chard.{table} in exclusive mode")
        yield
        other.rollback()


def once(tables, numbers, of="a"):
    """Each of these had its effects once, in this order."""
    assert counted(tables) == {of: list(numbers)}
    assert tables.value("select count(*) from chard.event where type = 'Counted'") == len(numbers) == tables.value("select count(*) from chard.scheduled")
    assert tables.value("select count(*) from chard.inbox") == len(numbers)


@pytest.mark.parametrize("table", ["consumer", "inbox", "fact", "event", "dead_letter"])
def test_behind_a_lock(server, wait_until, table):
    """A step that waits is no refusal: nothing becomes a dead letter of it, and it is stored once."""
    tables = server.database
    insert(tables, [thing(0)])
    with consuming(server.url, "ledger", lease_ms=500) as one:
        wait_until(lambda: at_its_end(tables))
        with locked(tables, table):
            insert(tables, [thing(1), thing(2, refuse=True), thing(3)])
            wait_until(lambda: tables.value(WAITING) > 0)
        wait_until(lambda: at_its_end(tables))
        assert "tried again" not in one.stderr
    once(tables, [0, 1, 3])
    assert [row["error_code"] for row in letters(tables)] == ["refused_here"]


def test_told_to_end_behind_a_lock(server, wait_until):
    """It ends all the same. What it had asked for may still be stored when the lock is gone: whoever goes on knows it then, and doubles nothing."""
    tables = server.database
    insert(tables, [thing(0)])
    one = Consuming(server.url, "ledger", lease_ms=500)
    wait_until(lambda: at_its_end(tables))
    with locked(tables, "inbox"):
        insert(tables, [thing(n) for n in range(1, 20)])
        wait_until(lambda: tables.value(WAITING) > 0)
        one.end()
        assert counted(tables) == {"a": [0]}
    with consuming(server.url, "ledger", process="c2", lease_ms=500):
        wait_until(lambda: at_its_end(tables))
    once(tables, range(20))


def test_a_step_whose_answer_is_lost_is_one(server, toxic, postgres, wait_until):
    """It was stored while nothing came back: asked for once more it changes nothing, and its dead letter is one."""
    tables, link = server.database, toxic(postgres.port)
    insert(tables, [thing(0)])
    with consuming(link.url(server.url), "ledger", lease_ms=5000):
        wait_until(lambda: at_its_end(tables))
        with locked(tables, "inbox"):
            insert(tables, [thing(1), thing(2, refuse=True), thing(3, of="b")])
            wait_until(lambda: tables.value(WAITING) > 0)
            link.mute()
        wait_until(lambda: tables.value("select count(*) from chard.inbox") > 1)
        link.cut()
        link.heal()
        wait_until(lambda: at_its_end(tables))
        insert(tables, [thing(4)])
        wait_until(lambda: at_its_end(tables))
    assert counted(tables) == {"a": [0, 1, 4], "b": [3]}
    assert tables.value("select count(*) from chard.event where type = 'Counted'") == 4 == tables.value("select count(*) from chard.scheduled")
    assert len(letters(tables)) == 1 == tables.value("select count(*) from chard.dead_letter")


def test_a_link_that_breaks_again_and_again(server, toxic, postgres, wait_until):
    tables, link = server.database, toxic(postgres.port)
    events = [thing(n, of=f"t{n % 5}") for n in range(400)]
    insert(tables, events)
    with consuming(link.url(server.url), "ledger", lease_ms=1000) as one:
        for _ in range(4):
            before = tables.value("select count(*) from chard.inbox")
            wait_until(lambda: tables.value("select count(*) from chard.inbox") > before or before == len(events))  # noqa: B023
            link.cut()
        wait_until(lambda: at_its_end(tables))
        link.refuse()
        one.wait_log("the store away")
        insert(tables, [thing(400, of="t0")])
        link.heal()
        wait_until(lambda: at_its_end(tables))
    assert counted(tables) == {f"t{k}": list(range(k, 401, 5)) for k in range(5)}
    assert letters(tables) == []


def stop_between_transactions(process, tables, wait_until):
    """One that stands still while it writes to a file keeps everybody from it, and nobody can go on meanwhile."""
    def stopped():
        process.signal(signal.SIGSTOP)
        wait_until(lambda: pathlib.Path(f"/proc/{process.process.pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "T")
        if tables.free():
            return True
        process.signal(signal.SIGCONT)
        return False

    wait_until(stopped)


def test_one_that_wakes_after_its_lease_makes_no_step(backend, wait_until):
    """Stopped in the middle of its events; another one goes on meanwhile."""
    migrate(backend.url)
    tables = backend.database
    insert(tables, [thing(n) for n in range(300)])  # of one aggregate: each is a step of its own
    first = Consuming(backend.url, "ledger", process="c1", lease_ms=500)
    wait_until(lambda: len(tables.rows("select 1 from chard.inbox")) > 20)
    stop_between_transactions(first, tables, wait_until)
    with consuming(backend.url, "ledger", process="c2", lease_ms=500):
        wait_until(lambda: tables.value("select taken_by from chard.consumer") == "c2")
        wait_until(lambda: len(tables.rows("select 1 from chard.inbox")) > 150)
        first.signal(signal.SIGCONT)
        insert(tables, [thing(n) for n in range(300, 320)])
        wait_until(lambda: at_its_end(tables), 60)
        assert tables.value("select taken_by from chard.consumer") == "c2"
    first.end()
    once(tables, range(320))
