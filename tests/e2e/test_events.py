# SPDX-License-Identifier: Apache-2.0
"""`chard events`: the outbox, in an order in which nothing is missed and nothing seen twice."""

import json
import signal
import subprocess

import pytest
from support import jobs

INSERT = ("insert into chard.outbox (id, aggregatetype, aggregateid, type, payload)"
          " values (gen_random_uuid(), 'scan', %s, 'Tested', '{\"a\": 1}')")


@pytest.fixture
def migrated(chard):
    chard.run("migrate", check=0)
    return chard


def events(chard, *words):
    return [json.loads(line) for line in chard.run("events", "--json", *words, check=0).stdout.splitlines()]


def test_a_jobs_events_come_in_order(chard, database, wait_until):
    chard.prepare()
    with chard.worker():
        follow = chard.start("events", "--follow", "--json")
        job = jobs.submit_scan(chard)
        assert jobs.ended(database, [job]) == {job: "SUCCESS"}
        wait_until(lambda: len(follow.out) >= 3, what="the scan's events")
    follow.terminate()
    assert follow.wait() == 0
    assert [json.loads(line)["type"] for line in follow.out] == ["ScanClassified", "ScanAnswered", "RewardGranted"]


def test_none_is_missed_when_transactions_overlap(migrated, database, wait_until):
    """One that began first and commits last must not fall behind a reader's position."""
    follow = migrated.start("events", "--follow", "--json")
    with database.connect(autocommit=False) as slow:
        slow.execute(INSERT, ("slow",))
        database.run(INSERT, "quick")
        assert events(migrated) == []
        slow.commit()
    wait_until(lambda: len(follow.out) == 2, what="both events")
    follow.signal(signal.SIGINT)
    assert follow.wait() == 0
    assert [json.loads(line)["aggregate_id"] for line in follow.out] == ["slow", "quick"]


@pytest.mark.parametrize("first", ["select pg_current_xact_id()", "insert into chard.heartbeat (name) values ('x')"])
def test_what_saw_others_commit_comes_after_them(migrated, database, first):
    """A transaction's id is older than what its later statements see: a version counts by what was seen."""
    with database.connect(autocommit=False) as early:
        early.execute(first)
        for version in (1, 2):
            database.run(INSERT, f"version {version}")
        early.execute(INSERT, ("version 3",))
        database.run(INSERT, "unseen")
        assert events(migrated) == []
        early.commit()
    names = [row["aggregate_id"] for row in events(migrated)]
    assert names[:2] == ["version 1", "version 2"] and sorted(names[2:]) == ["unseen", "version 3"]


def test_since_goes_on_after_a_position(migrated, database):
    for name in "abcd":
        database.run(INSERT, name)
    rows = events(migrated)
    assert [row["aggregate_id"] for row in rows] == list("abcd")
    assert [row["aggregate_id"] for row in events(migrated, "--since", rows[1]["position"])] == ["c", "d"]
    assert rows[0]["payload"] == {"a": 1} and rows[0]["type"] == "Tested" and len(rows[0]["id"]) == 36


def test_since_an_events_own_id(migrated, database):
    for name in "abc":
        database.run(INSERT, name)
    rows = events(migrated)
    assert [row["aggregate_id"] for row in events(migrated, "--since", rows[0]["id"])] == ["b", "c"]
    done = migrated.run("events", "--since", "01234567-89ab-cdef-0123-456789abcdef", check=2)
    assert "01234567-89ab" in done.stderr and done.stdout == ""


def test_what_came_from_outside_steers_no_terminal(migrated, database):
    database.run(INSERT, "x\x1b]0;title\x07\x1b[2Jy")
    assert "\x1b" not in migrated.run("events", check=0).stdout


def test_more_than_a_page(migrated, database):
    database.run("insert into chard.outbox (id, aggregatetype, aggregateid, type, payload)"
                 " select gen_random_uuid(), 'scan', n, 'Tested', '{}' from generate_series(1, 1700) as n")
    assert [row["aggregate_id"] for row in events(migrated)] == [str(n) for n in range(1, 1701)]


def test_a_wrong_position_is_said_to_be_one(migrated):
    done = migrated.run("events", "--since", "yesterday", check=2)
    assert "yesterday" in done.stderr and done.stdout == ""


def test_for_people(migrated, database):
    database.run(INSERT, "job-1")
    line, = migrated.run("events", check=0).stdout.splitlines()
    assert "Tested" in line and "scan/job-1" in line and '{"a":1}' in line


def test_a_reader_that_goes_away_ends_it(migrated, database):
    database.run("insert into chard.outbox (id, aggregatetype, aggregateid, type, payload)"
                 " select gen_random_uuid(), 'scan', n, 'Tested', '{}' from generate_series(1, 5000) as n")
    command = f"{migrated.binary} events --json --follow | head -n 1"
    done = subprocess.run(["bash", "-c", command], env=migrated.environment(), capture_output=True, text=True, timeout=30)
    assert json.loads(done.stdout)["aggregate_id"] == "1"
