# SPDX-License-Identifier: Apache-2.0
"""`chard events verify`: an event that was changed, is missing or was slipped in after its day was sealed is found; the same in both stores. And what `chard events` picks."""

import datetime
import json

import pytest
from support.consumers import insert
from support.place import everywhere

DAY = datetime.timedelta(days=1)


def write(database, number, at):
    database.run("insert into chard.event (id, aggregate_type, aggregate_id, version, type, root_id, task_id, created_at, payload)"
                 " values (%s, 'thing', %s, 1, 'Tested', '', '', %s, %s)", f"01234567-89ab-cdef-0123-{number:012}", f"a{number}", at, json.dumps({"n": number}))


@pytest.fixture
def sealed(chard, database):
    """Three days of two events each, and one of today; and the chain that was printed."""
    chard.run("migrate", check=0)
    midnight = datetime.datetime.now(datetime.timezone.utc).replace(hour=0, minute=0, second=0, microsecond=0)
    for number in range(6):
        write(database, number, midnight - (4 - number // 2) * DAY + datetime.timedelta(hours=number))
    write(database, 6, datetime.datetime.now(datetime.timezone.utc))
    assert "not sealed" in chard.run("events", "verify", check=1).stdout
    said = chard.run("events", "verify", "--seal", check=0).stdout.split()
    return midnight, said[-1]


CHANGES = {
    "changed": ("update chard.event set payload = '{\"n\": 77}' where aggregate_id = 'a2'", "an event was changed"),
    "its time": ("update chard.event set created_at = created_at + interval '1 second' where aggregate_id = 'a2'", "an event was changed"),
    "missing": ("delete from chard.event where aggregate_id = 'a3'", "events are missing: 1 events, 2 when it was sealed"),
    "all of a day": ("delete from chard.event where aggregate_id in ('a2', 'a3')", "all of its events are gone"),
}


@everywhere
def test_as_it_was_sealed(chard, database, sealed, place):
    days = [json.loads(line) for line in chard.run("events", "verify", "--json", check=0).stdout.splitlines()]
    midnight, chain = sealed
    assert [(day["events"], day["fault"]) for day in days] == [(2, None)] * 3 + [(0, None)] * (len(days) - 3) and len(days) in (3, 4)
    assert days[-1]["sealed"]["chain"] == chain
    assert chard.run("events", "verify", "--expect", days[0]["sealed"]["chain"], check=0)
    assert "no seal has the chain" in chard.run("events", "verify", "--expect", "0" * 64, check=1).stderr
    assert chard.run("events", "verify", "--since", str((midnight - DAY).date()), "--seal", check=0).stdout.startswith(("0 days", "1 days"))
    assert "is no day" in chard.run("events", "verify", "--since", "yesterday", check=2).stderr


@everywhere
@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_found(chard, database, sealed, place, change):
    sql, said = CHANGES[change]
    if place == "file":
        sql = sql.replace("interval '1 second'", "1000000")
    database.run(sql)
    lines = chard.run("events", "verify", check=1).stdout.splitlines()
    assert len(lines) == 2 and said in lines[0] and str((sealed[0] - 3 * DAY).date()) in lines[0]


@everywhere
def test_what_was_slipped_in_is_found_and_so_is_a_seal_that_was_changed(chard, database, sealed, place):
    write(database, 9, sealed[0] - 3 * DAY)
    assert "events were added: 3 events, 2 when it was sealed" in chard.run("events", "verify", check=1).stdout
    with pytest.raises(Exception, match="append-only"):
        database.run("update chard.event_seal set events = 3")
    database.run("drop trigger event_seal_update" if place == "file" else "drop trigger append_only on chard.event_seal")
    digest = json.loads(chard.run("events", "verify", "--json").stdout.splitlines()[1])["digest"]
    database.run("update chard.event_seal set events = 3, digest = %s where day = %s", digest, str((sealed[0] - 3 * DAY).date()))
    assert "the seal itself was changed" in chard.run("events", "verify", check=1).stdout


@everywhere
def test_a_seal_that_is_gone_is_found_and_so_are_seals_that_were_all_made_anew(chard, database, sealed, place):
    """Who can rewrite them all is found by who kept the chain."""
    midnight, chain = sealed
    with pytest.raises(Exception, match="append-only"):
        database.run("delete from chard.event_seal")
    database.run("drop trigger event_seal_delete" if place == "file" else "drop trigger append_only on chard.event_seal")
    database.run("delete from chard.event_seal where day = %s", str((midnight - 3 * DAY).date()))
    lines = chard.run("events", "verify", check=1).stdout.splitlines()
    assert any(str((midnight - 3 * DAY).date()) in line and "not sealed" in line for line in lines), lines
    assert any(str((midnight - 2 * DAY).date()) in line and "one before it is gone" in line for line in lines), lines
    database.run("delete from chard.event_seal")
    database.run("update chard.event set payload = '{\"n\": 77}' where aggregate_id = 'a2'")
    made_anew = chard.run("events", "verify", "--seal", check=0).stdout.split()[-1]
    assert made_anew != chain
    chard.run("events", "verify", check=0)
    assert "no seal has the chain" in chard.run("events", "verify", "--expect", chain, check=1).stderr


@everywhere
def test_a_keeper_seals(chard, database, sealed, place, wait_until):
    database.run("drop trigger event_seal_delete" if place == "file" else "drop trigger append_only on chard.event_seal")
    database.run("delete from chard.event_seal")
    keeper = chard.prepare().start("keep")
    keeper.wait_log("events of .* are sealed")
    wait_until(lambda: chard.run("events", "verify").returncode == 0)
    keeper.terminate()
    assert keeper.wait() == 0


def test_events_are_picked(chard, database):
    chard.run("migrate", check=0)
    insert(database, [{"type": kind, "of": ("scan", of), "payload": {"user_id": user}, "trace": trace and f"traceparent=00-{trace}-1-01"}
                      for kind, of, user, trace in [("A", "1", "u", "t1"), ("B", "1", "v", "t2"), ("A", "2", "u", None)]])
    insert(database, [{"type": "C", "of": ("other/x", "1"), "payload": {}}])
    for words, picked in [((), "ABAC"), (("--type", "A"), "AA"), (("--aggregate", "scan"), "ABA"), (("--aggregate", "scan/1"), "AB"), (("--aggregate", "sca"), ""),
                          (("--user", "u"), "AA"), (("--user", "u", "--aggregate", "scan/2"), "A"), (("--trace", "t2"), "B"), (("--after", "1h"), "ABAC"),
                          (("--before", "1h"), ""), (("--after", "2000-01-01T00:00:00Z", "--type", "B"), "B")]:
        lines = chard.run("events", "--json", *words, check=0).stdout.splitlines()
        assert "".join(json.loads(line)["type"] for line in lines) == picked, words
    assert "is no time" in chard.run("events", "--after", "soon", check=2).stderr
