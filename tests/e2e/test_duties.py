# SPDX-License-Identifier: Apache-2.0
"""What one process of a fleet does: who leads, and who follows when the leader is gone. Against real servers, and on one file."""

import datetime
import json
import signal
import uuid

import pytest
from support.place import everywhere
from test_dlq import keeping

LEASE_S = 2
SETTINGS = {"duties_lease_s": LEASE_S, "stale_every_s": 1}


def status(chard):
    return json.loads(chard.run("status", "--json").stdout)


def leader(chard):
    return status(chard)["duties"]["leader"]


def stale_job(database):
    """A job that has stood still for a day; the sweeper fails it, with an event."""
    job, then = str(uuid.uuid4()), datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=1)
    database.run("insert into chard.job (root_id, pipeline, created_at, updated_at) values (%s, 'scan', %s, %s)", job, then, then)
    return job


def swept(database, job):
    return database.value("select state from chard.job where root_id = %s", job) == "FAILURE"


def told(database):
    return sorted(row["aggregateid"] for row in database.rows("select aggregateid from chard.outbox where type = 'ScanFailed'"))


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


@pytest.mark.parametrize("name", [["keep"], ["dlq", "keep"]], ids=" ".join)
def test_both_names(chard, name):
    chard.prepare()
    with keeping(chard, command=name) as running:
        running.wait_log("k1 does the duties of the fleet")
    assert "File dead letters" in chard.run("help", "keep", check=0).stdout
