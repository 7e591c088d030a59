# SPDX-License-Identifier: Apache-2.0
"""What one process of a fleet does: who leads, and who follows when the leader is gone. Against real servers, and on one file."""

import datetime
import json
import signal
import uuid

import pytest
from support.place import everywhere
from test_dlq import Receiver, bury, keeping

LEASE_S = 2
SETTINGS = {"duties_lease_s": LEASE_S, "stale_every_s": 1}


def status(chard):
    return json.loads(chard.run("status", "--json").stdout)


def leader(chard):
    return status(chard)["duties"]["leader"]


def stale_job(database, then=None):
    """A job that has stood still for a day, or since then; the sweeper fails it, with an event."""
    job, then = str(uuid.uuid4()), then or datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=1)
    database.run("insert into chard.job (root_id, pipeline, created_at, updated_at) values (%s, 'scan', %s, %s)", job, then, then)
    return job


def swept(database, job):
    return database.value("select state from chard.job where root_id = %s", job) == "FAILURE"


def told(database):
    return sorted(row["aggregateid"] for row in database.rows("select aggregateid from chard.outbox where type = 'ScanFailed'"))


@everywhere
def test_what_is_old_goes_and_who_is_gone_is_forgotten(chard, database, wait_until):
    chard.prepare()
    now = datetime.datetime.now(datetime.timezone.utc)
    for name, hours in (("gone", 25), ("silent", 23)):
        database.run("insert into chard.worker (name, beat_at) values (%s, %s)", name, now - datetime.timedelta(hours=hours))
    database.run("insert into chard.inbox (consumer, event_id, at) values ('points', 'e1', %s)", now - datetime.timedelta(days=32))
    for key, hours in (("gone", 25), ("kept", 23)):
        database.run("insert into chard.once (key, fingerprint, job_id, token, until, created_at) values (%s, 'f', 'j', 't', %s, %s)",
                     key, now, now - datetime.timedelta(hours=hours))
    with keeping(chard, "k1") as keeper:
        wait_until(lambda: database.value("select count(*) from chard.inbox") == 0)
        wait_until(lambda: database.value("select count(*) from chard.once") == 1)
        keeper.wait_log("forgot 1 workers that have given no sign of life for a day, gone the first of them")
        assert [row["name"] for row in database.rows("select name from chard.worker order by name")] == ["k1", "silent"]


@everywhere
def test_one_leads_and_another_follows(chard, database, wait_until):
    """Two processes, one leader. It is killed: the other leads within the lease. That one ends in order: a third leads at once."""
    chard.prepare()
    first = chard.with_settings(**SETTINGS).start("keep", "-n", "k1")
    first.wait_log("k1 does the duties of the fleet")
    with keeping(chard, "k2", **SETTINGS | {"duties_lease_s": 60}) as second:
        second.wait_log("k1 does the duties of the fleet")
        before = stale_job(database)
        wait_until(lambda: swept(database, before))
        assert leader(chard) == "k1" and "duties  k1" in chard.run("status").stdout
        first.kill()
        started = datetime.datetime.now()
        second.wait_log("k2 does the duties of the fleet", LEASE_S + 8)
        assert (datetime.datetime.now() - started).total_seconds() < LEASE_S + 1
        after = stale_job(database)
        wait_until(lambda: swept(database, after))
        assert leader(chard) == "k2"
        with keeping(chard, "k3", **SETTINGS) as third:
            third.wait_log("k2 does the duties of the fleet")
            second.terminate()
            third.wait_log("k3 does the duties of the fleet", 30)
    assert told(database) == sorted([before, after])
    assert leader(chard) is None


def test_a_leader_that_wakes_does_nothing_twice(chard, database, wait_until):
    """It is stopped, and another one leads; what it had begun is not done again, nor is anything new, when it goes on."""
    chard.prepare()
    with keeping(chard, "k1", **SETTINGS) as first:
        first.wait_log("k1 does the duties of the fleet")
        with keeping(chard, "k2", **SETTINGS) as second:
            second.wait_log("k1 does the duties of the fleet")
            first.signal(signal.SIGSTOP)
            jobs = [stale_job(database) for _ in range(3)]
            second.wait_log("k2 does the duties of the fleet", LEASE_S + 8)
            wait_until(lambda: all(swept(database, job) for job in jobs))
            first.signal(signal.SIGCONT)
            later = stale_job(database)
            first.wait_log("k2 does the duties of the fleet", 20)
            wait_until(lambda: swept(database, later))
            assert leader(chard) == "k2"
        assert "stale jobs" not in first.stderr and second.stderr.count("stale jobs") >= 2
    assert told(database) == sorted([*jobs, later])


def test_a_leader_that_wakes_begins_nothing(chard, database, wait_until):
    """Its lease is another's, who is not at work at this moment: what is due stays until that one is."""
    chard.prepare()
    with keeping(chard, "k1", **SETTINGS) as first:
        first.wait_log("k1 does the duties of the fleet")
        with keeping(chard, "k2", **SETTINGS | {"duties_lease_s": 60}) as second:
            second.wait_log("k1 does the duties of the fleet")
            first.signal(signal.SIGSTOP)
            second.wait_log("k2 does the duties of the fleet", LEASE_S + 8)
            second.signal(signal.SIGSTOP)
            job = stale_job(database)
            first.signal(signal.SIGCONT)
            first.wait_log("k2 does the duties of the fleet", 20)
            assert not swept(database, job)
            second.signal(signal.SIGCONT)
            wait_until(lambda: swept(database, job))
        assert "stale jobs" not in first.stderr and "stale jobs" in second.stderr
    assert told(database) == [job]


def test_a_leader_that_is_stopped_in_a_sweep_tells_nothing_twice(chard, database, wait_until):
    """What it asked for waits behind a lock when it is stopped, and happens when the lock goes; another leads by then, and has found the same."""
    chard.prepare()
    waits = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
    then = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=1)
    with keeping(chard, "k1", **SETTINGS) as first:
        first.wait_log("k1 does the duties of the fleet")
        with keeping(chard, "k2", **SETTINGS) as second:
            with database.connect(autocommit=False) as blocker:
                jobs = [stale_job(database, datetime.datetime.now(datetime.timezone.utc)) for _ in range(3)]
                blocker.execute("select from chard.job for key share")  # they may be updated, but not locked for it
                database.run("update chard.job set updated_at = %s", then)
                wait_until(lambda: database.value(waits) == 1, what="the first one's sweep waits")
                first.signal(signal.SIGSTOP)
                second.wait_log("k2 does the duties of the fleet", LEASE_S + 8)
                wait_until(lambda: database.value(waits) == 2, what="so does the second one's")
            wait_until(lambda: all(swept(database, job) for job in jobs))
            first.signal(signal.SIGCONT)
            first.wait_log("k2 does the duties of the fleet", 20)
            later = stale_job(database)
            wait_until(lambda: swept(database, later))
    assert told(database) == sorted([*jobs, later])


def test_only_the_leader_tells(chard, database, queues, wait_until):
    """Each has a room of its own: alarms come to the leader's, and to the next one's when that leads."""
    chard.prepare()
    rooms = [Receiver(), Receiver()]
    hooks = [{"dlq_webhook_url": room.url("x"), "dlq_webhook_every_s": 0} for room in rooms]
    with keeping(chard, "k1", **SETTINGS, **hooks[0]) as first:
        first.wait_log("k1 does the duties of the fleet")
        with keeping(chard, "k2", **SETTINGS, **hooks[1]) as second:
            second.wait_log("k1 does the duties of the fleet")
            bury(queues, code="one")
            wait_until(lambda: rooms[0].posts)
            first.terminate()
            second.wait_log("k2 does the duties of the fleet", LEASE_S + 8)
            bury(queues, code="two")
            wait_until(lambda: rooms[1].posts)
    assert ["one" in post["text"] for post in rooms[0].posts] == [True] and ["two" in post["text"] for post in rooms[1].posts] == [True]


@pytest.mark.parametrize("name", [["keep"], ["dlq", "keep"]], ids=" ".join)
def test_both_names(chard, name):
    chard.prepare()
    with keeping(chard, command=name) as running:
        running.wait_log("k1 does the duties of the fleet")
    assert "File dead letters" in chard.run("help", "keep", check=0).stdout
