# SPDX-License-Identifier: Apache-2.0
"""`chard cdc backfill`: events from the event store in the outbox once more, in each aggregate's order, marked, as often as it is ended; consumers act once all the same."""

import datetime
import json
import re

import pytest
from support.consumers import happened
from support.place import everywhere

HOUR = datetime.timedelta(hours=1)


def now():
    return datetime.datetime.now(datetime.timezone.utc)


def some(count=30, aggregates=4, ago=HOUR):
    """Events whose times are not in the order of their aggregate's versions: a transaction's time is that of its begin."""
    at = now() - ago
    return [{"of": ("thing", f"a{n % aggregates}"), "version": n // aggregates + 1, "payload": {"n": n}, "at": at + datetime.timedelta(milliseconds=n * 7 % 31)}
            for n in range(count)]


def rows(chard, *words):
    return [json.loads(line) for line in chard.run("events", "--json", *words, check=0).stdout.splitlines()]


def again(chard):
    """What backfills have put there."""
    return [row for row in rows(chard) if row["backfill"]]


def in_order(found, of):
    """Of each aggregate all, in the order of what they say."""
    names = {row["aggregate_id"] for row in found}
    assert sorted(row["payload"]["n"] for row in found) == sorted(of)
    return all((says := [row["payload"]["n"] for row in found if row["aggregate_id"] == name]) == sorted(says) for name in names)


@pytest.fixture
def backfill(chard):
    chard.run("migrate", check=0)
    return lambda *words, code=0: chard.run("cdc", "backfill", *words, check=code)


@everywhere
def test_all_of_a_time_once_more_in_order(chard, database, backfill, place):
    happened(database, [{"of": ("thing", "early"), "payload": {"n": -1}, "at": now() - 3 * HOUR}])
    ids = happened(database, some())
    happened(database, [{"of": ("thing", "late"), "payload": {"n": 99}, "at": now() - HOUR / 4}])
    words = ("--since", "2h", "--until", "30m")
    assert backfill(*words, "--dry-run").stdout.startswith("30 events of 4 aggregates, from 2") and not again(chard)
    said = backfill(*words, "--batch", 7).stdout
    found = again(chard)
    assert "30 events are in the outbox once more, marked 2" in said and in_order(found, range(30))
    assert {row["id"] for row in found} == set(ids) and {row["backfill"] for row in found} == {said.split()[-1]}
    assert {row["type"] for row in found} == {"Tested"} and len(rows(chard)) == 62
    assert chard.run("events", check=0).stdout.count("(once more)") == 30


@everywhere
def test_killed_it_goes_on(chard, database, backfill, place, wait_until):
    """Whatever was put there stays, and nothing comes twice; asked once more, it has nothing to do."""
    happened(database, some(200))
    count = "select count(*) from chard.outbox where backfill is not null"
    first = chard.start("cdc", "backfill", "--since", "2h", "--batch", 1)
    wait_until(lambda: any("goes on with" in line for line in first.out) and database.value(count) > 0, 30)
    first.kill()
    words = re.search(r"goes on with: chard cdc backfill (.*)", "\n".join(first.out))[1].split()
    before = database.value(count)
    said = backfill(*words).stdout
    assert (f"; {before} of them are in the outbox already" in said) == (before > 0)
    assert database.value(count) == 200 == len(again(chard)) and in_order(again(chard), range(200))
    assert "200 of them are in the outbox already\n0 events" in backfill(*words).stdout


@everywhere
def test_from_an_event_to_another(chard, database, backfill, place):
    """By position or by id: none behind the one, and none before the other, is left out."""
    events = some(8, 8)
    for event in events:
        happened(database, [event])
    listed = rows(chard)
    for key in "position", "id":
        backfill("--since", listed[2][key], "--until", listed[5][key])
        assert {3, 4, 5} <= {row["payload"]["n"] for row in again(chard)}
        database.run("delete from chard.outbox where backfill is not null")


@everywhere
@pytest.mark.parametrize("words, said", [
    ([], "say from where, with --since"),
    (["--since", "yesterday"], "the outbox holds seven days: give a time"),
    (["--since", "999999.9"], "the outbox holds seven days: give a time"),
    (["--since", "01234567-89ab-cdef-0123-456789abcdef"], "the outbox holds seven days: give a time"),
    (["--since", "1h", "--until", "1.x"], "--until: \"1.x\" is no time"),
    (["--since", "1h", "--until", "2h"], "--since is not before --until"),
    (["--since", "31d"], "--beyond-inbox says that they may"),
    (["--since", "1h", "--batch", "0"], "--batch"),
])
def test_what_makes_no_sense(backfill, place, words, said):
    done = backfill(*words, code=2)
    assert said in done.stderr and not done.stdout


@everywhere
def test_beyond_what_consumers_know(chard, database, backfill, place):
    happened(database, some(3, ago=40 * 24 * HOUR))
    assert "3 events" in backfill("--since", "50d", "--beyond-inbox").stdout


@everywhere
def test_consumers_act_once(chard, database, backfill, place, wait_until):
    rewards = [{"type": "RewardGranted", "of": ("scan", f"j{n}"),
                "payload": {"job_id": f"j{n}", "user_id": f"u{n % 3}", "reward_type": "character", "character_id": f"pet{n}"}} for n in range(9)]
    happened(database, rewards)
    consumer = chard.start("consume", "character", "my")

    def behind():
        return {row["name"]: row["behind"] for row in json.loads(chard.run("consume", "--list", "--json", check=0).stdout) if "behind" in row}

    def acted():
        return database.value("select count(*) from chard.inbox where consumer = 'my'")

    wait_until(lambda: acted() == 9, 60)
    before = database.value("select count(*) from chard.event")
    assert f"{before} events are" in backfill("--since", "1h").stdout
    wait_until(lambda: behind() == {"character": 0, "my": 0}, 60)
    consumer.terminate()
    assert consumer.wait() == 0
    assert (acted(), database.value("select count(*) from chard.event"), len(again(chard))) == (9, before, before)
