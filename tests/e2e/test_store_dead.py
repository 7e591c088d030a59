# SPDX-License-Identifier: Apache-2.0
"""What each kind of store keeps of dead letters and stale jobs."""

import datetime
import time

import pytest

from support.store import Store, migrate
from support.waiting import wait_until

MESSAGE = {"exchange": "", "routing_key": "scan.vision", "body": "[]"}
DISCARD = {"action": "discard", "state": "discarded"}


@pytest.fixture
def database(backend):
    return backend.database


@pytest.fixture
def store(backend):
    assert migrate(backend.url)[1]["rc"] == 0
    opened = Store(backend.url, "w1", mode="release")
    yield opened
    assert opened.end()[0] == 0


def letter(n, **fields):
    return {"do": "dead_file", "key": f"key{n}", "same": f"same{n}", "task_id": f"t{n}", "root_id": f"t{n}", "properties": f"p{n}",
            "body": f"b{n}"} | fields


def read(store, **query):
    return store.one("dead_read", **query)["letters"]


def settle(store, *entries, **fields):
    items = [{"entry": entry, "message": MESSAGE, "due_ms": 1} for entry in entries]
    return store.one("dead_settle", items=items, **fields)["outcomes"]


def job_of(database, id):
    return database.row("select state, restarts, error from chard.job where root_id = %s", id)


# --- filing -------------------------------------------------------------------------------------------


def test_a_letter_is_kept_bit_for_bit_and_read_back(store):
    filed = letter(1, name="scan.vision", queue="scan.vision", source="provider", code="timeout", message="no answer: ü", group="aaaaaaaaaaaa",
                   cause="no answer", trace_id="tr", user_id="u1", worker="w9", next_task="scan.answer", attempts=4, died_ms=1700000000123)
    before = int(time.time() * 1000)
    assert store.ask(filed)[0]["result"] == "DONE"
    row, = read(store, content=True)
    expected = {k: v for k, v in filed.items() if k not in ("do", "key", "same")}
    assert {k: row[k] for k in expected} == expected
    assert (row["entry"], row["state"], row["rounds"], row["settled_ms"], row["edited"], row["body_size"]) == (1, "kept", 0, 0, None, 2)
    assert before - 1 <= row["kept_ms"] <= time.time() * 1000 + 1
    assert (row["task_state"], row["job_state"]) == ("", "")
    assert [(r["properties"], r["body"]) for r in read(store)] == [(None, None)]


def test_a_letter_is_filed_once_and_a_task_has_one_kept_entry(store):
    assert [a["result"] for a in store.ask(letter(1), letter(1), letter(2))] == ["DONE", "ALREADY", "DONE"]
    later = letter(1, key="other", died_ms=1900000000000, code="later", message="again", attempts=9, body="new", properties="newer")
    assert store.ask(later)[0]["result"] == "ALREADY"
    row = read(store, entries=[1], content=True)[0]
    assert (row["code"], row["message"], row["attempts"], row["body"], row["properties"]) == ("later", "again", 9, "b1", "newer")
    assert store.ask(letter(1, key="third", died_ms=1, code="earlier"))[0]["result"] == "ALREADY"
    assert [r["code"] for r in read(store, entries=[1])] == ["later"] and len(read(store)) == 2


def test_two_keepers_file_each_letter_once(store, backend):
    other = Store(backend.url, "w2")
    letters = [letter(n) for n in range(300)]
    numbers = [keeper.send(*letters) for keeper in (store, other)]
    answers = [keeper.wait(n) for keeper, n in zip((store, other), numbers)]
    assert all(sorted(a["result"] for a in pair) == ["ALREADY", "DONE"] for pair in zip(*answers))
    assert other.end()[0] == 0
    assert store.one("dead_count")["value"] == {"count": 300, "upto": store.one("dead_count")["value"]["upto"], "edited": 0}


# --- reading ------------------------------------------------------------------------------------------


PAGES = [
    ({}, [1, 2, 3, 4]), ({"state": "kept"}, [1, 2, 4]), ({"state": "discarded"}, [3]), ({"name": "scan.vision"}, [1, 2]), ({"name": "scan.*"}, [1, 2, 3]),
    ({"code": "time*"}, [2, 3]), ({"code": "timeout"}, [2]), ({"queue": "chat"}, [4]), ({"group": "g2"}, [2, 4]), ({"user_id": "u2"}, [3, 4]),
    ({"root_id": "r1"}, [1]), ({"task_id": "t4"}, [4]), ({"text": "BROKE"}, [1, 4]), ({"text": "%"}, [3]), ({"since_ms": 3000}, [3, 4]),
    ({"until_ms": 3000}, [1, 2]), ({"after": 2}, [3, 4]), ({"upto": 2}, [1, 2]), ({"entries": [4, 2, 99]}, [2, 4]), ({"round": 0}, [1, 2, 3, 4]),
    ({"round": 1}, []), ({"limit": 2}, [1, 2]), ({"limit": 2, "offset": 1}, [2, 3]), ({"descending": True}, [4, 3, 2, 1]),
    ({"sort": 1, "descending": True}, [4, 3, 2, 1]), ({"sort": 2}, [4, 3, 1, 2]), ({"sort": 3}, [1, 4, 3, 2]), ({"sort": 4, "descending": True}, [1, 2, 3, 4]),
    ({"sort": 5}, [4, 3, 2, 1]), ({"state": "kept", "after": 1, "limit": 2}, [2, 4]),
    ({"state": "kept", "descending": True, "limit": 2}, [4, 2]), ({"state": "kept", "descending": True, "offset": 1, "name": "scan.*"}, [1]), ({"name": "scan.*", "code": "timeout"}, [2])]


def test_pages_are_filtered_and_sorted(store):
    store.ask(letter(1, name="scan.vision", queue="scan", code="bad", message="it broke", group="g1", user_id="u1", root_id="r1", died_ms=1000, attempts=9),
              letter(2, name="scan.vision", queue="scan", code="timeout", message="late", group="g2", user_id="u1", died_ms=2000, attempts=7),
              letter(3, name="scan.answer", queue="scan", code="timely", message="100 %", group="g3", user_id="u2", died_ms=3000, attempts=5),
              letter(4, name="chat", queue="chat", code="bad", message="Broke", group="g2", user_id="u2", died_ms=4000, attempts=3))
    assert settle(store, 3, **DISCARD) == ["DONE"]
    assert [(query, [row["entry"] for row in read(store, **query)]) for query, _ in PAGES] == PAGES


def test_a_page_with_content_ends_before_it_is_too_large(store):
    store.ask(*[letter(n, body="x" * 1000) for n in range(5)])
    sizes = [len(read(store, content=True, max_bytes=n)) for n in (1, 1500, 2500, 100000)]
    assert sizes == [1, 2, 3, 5]


def test_groups_counts_and_stats(store):
    store.ask(letter(1, group="g1", user_id="u1", died_ms=1000, message="first"), letter(2, group="g1", user_id="u2", died_ms=3000, message="last"),
              letter(3, group="g2", user_id="u1", died_ms=2000, name="chat", queue="chat", code="bad"), letter(4, group="g1", user_id="u1", died_ms=2500))
    store.one("dead_edit", entry=1, body="x")
    groups = store.one("dead_groups", state="kept")["value"]
    assert [(g["group"], g["count"], g["edited"], g["users"], g["first_died_at"], g["last_died_at"], g["entry"]) for g in groups] == \
        [("g1", 3, 1, 2, 1000, 3000, 4), ("g2", 1, 0, 1, 2000, 2000, 3)]
    assert {k: groups[1][k] for k in ("name", "queue", "source", "code", "cause", "message")} == \
        {"name": "chat", "queue": "chat", "source": "provider", "code": "bad", "cause": "it broke", "message": "it broke"}
    assert store.one("dead_groups", limit=1)["value"] == groups[:1] and store.one("dead_groups", name="none")["value"] == []
    assert store.one("dead_count", group="g1")["value"] == {"count": 3, "upto": 4, "edited": 1}
    assert store.one("dead_count", name="none")["value"] == {"count": 0, "upto": 0, "edited": 0}
    settle(store, 2)
    stats = store.one("dead_stats")["value"]
    assert (stats["kept"], stats["groups"], stats["oldest_died_at"]) == (3, 2, 1000) and abs(stats["at"] - time.time() * 1000) < 60000
    assert stats["rows"] == [
        {"name": "test.task", "queue": "test.task", "code": "broken", "kept": 2, "oldest_died_at": 1000, "in_1m": 3, "in_5m": 3, "in_1h": 3,
         "out_1m": 1, "out_5m": 1, "out_1h": 1},
        {"name": "chat", "queue": "chat", "code": "bad", "kept": 1, "oldest_died_at": 2000, "in_1m": 1, "in_5m": 1, "in_1h": 1,
         "out_1m": 0, "out_5m": 0, "out_1h": 0}]


def test_an_empty_store_has_no_dead_letters(store):
    assert read(store) == [] and store.one("dead_groups")["value"] == [] and store.one("dead_alarms")["value"] == []
    assert store.one("dead_history", entry=1)["value"] == []
    stats = store.one("dead_stats")["value"]
    assert (stats["kept"], stats["groups"], stats["oldest_died_at"], stats["rows"]) == (0, 0, None, [])


# --- settling -----------------------------------------------------------------------------------------


def test_a_requeued_task_runs_anew_and_its_job_with_it(store, database):
    store.one("claim", id="t1", pipeline="scan")
    store.one("fail", id="t1", pipeline="scan", attempts=4, code="bad")
    store.ask(letter(1))
    assert read(store)[0]["task_state"] == read(store)[0]["job_state"] == "FAILURE"
    assert read(store, plain=True, content=True)[0]["task_state"] == "" == read(store, plain=True)[0]["job_state"]
    assert settle(store, 1, who="os:alice", reason="mended", scope="--all", operation="op1") == ["DONE"]
    row = database.row("select state, starts, attempts, error, finished_at from chard.task")
    assert (row["state"], row["starts"], row["attempts"], row["error"], row["finished_at"]) == ("PENDING", 0, 0, None, None)
    assert job_of(database, "t1") == {"state": "STARTED", "restarts": 0, "error": None}
    sent = database.row("select reason, task_id, routing_key from chard.scheduled")
    assert sent == {"reason": "requeue", "task_id": "t1", "routing_key": "scan.vision"}
    entry = read(store)[0]
    assert entry["state"] == "requeued" and abs(entry["settled_ms"] - time.time() * 1000) < 60000
    act, = store.one("dead_history", entry=1)["value"]
    assert abs(act.pop("at") - time.time() * 1000) < 60000
    assert act == {"action": "requeue", "who": "os:alice", "reason": "mended", "scope": "--all", "operation": "op1", "count": 1}
    assert store.one("claim", id="t1", pipeline="scan")["verdict"] == "GRANTED"
    assert settle(store, 1) == ["SETTLED"] and database.value("select count(*) from chard.scheduled") == 1
    assert len(store.one("dead_history", entry=1)["value"]) == 1


def test_what_becomes_of_an_entry_is_judged_by_its_task(store, database):
    """Each task in another state; `t5` has a successor, `t4` none, whose job has failed for that."""
    store.one("claim", id="t1", lease_ms=600000)
    store.one("claim", id="t2", lease_ms=1)
    database.run("insert into chard.task (id, root_id, state) values ('t3', 't3', 'REVOKED')")
    for id in ("t4", "t5"):
        store.one("claim", id=id, pipeline="scan")
        store.one("commit", id=id, has_job=True)
        store.one("fail", id=id, pipeline="scan", code="unroutable")
    store.one("claim", id="t6", pipeline="scan")
    store.one("commit", id="t6", has_job=True, last=True)
    store.one("claim", id="next", root_id="t5", parent_id="t5")
    store.ask(*[letter(n) for n in range(1, 8)])
    assert [(row["leased"], row["followed"], row["waits"]) for row in read(store)] == \
        [(True, False, False)] + [(False, False, False)] * 3 + [(False, True, False)] + [(False, False, False)] * 2
    assert settle(store, 1, 2, 3, 4, 5, 6, 7, 99) == ["ALIVE", "DONE", "REVOKED", "RESUMED", "SUCCEEDED", "SUCCEEDED", "DONE", "MISSING"]
    assert [row["state"] for row in read(store)] == ["kept", "requeued", "kept", "requeued", "resolved", "resolved", "requeued"]
    assert [row["waits"] for row in read(store)] == [False, True, False, True, False, False, True]
    assert {row["task_id"] for row in database.rows("select task_id from chard.scheduled")} == {"t2", "t4", "t7"}
    states = {row["id"]: row["state"] for row in database.rows("select id, state from chard.task")}
    assert (states["t1"], states["t2"], states["t4"], states["t5"]) == ("STARTED", "PENDING", "SUCCESS", "SUCCESS")
    assert (job_of(database, "t4")["state"], job_of(database, "t6")["state"]) == ("STARTED", "SUCCESS")
    assert {act["count"] for n in (2, 4, 5, 6, 7) for act in store.one("dead_history", entry=n)["value"]} == {5}
    assert store.one("dead_history", entry=1)["value"] == []


def test_what_is_scheduled_is_not_sent_twice(store, database):
    """By whoever scheduled it: a retry, an application, another entry of the same task, now or in the same breath."""
    store.one("claim", id="t1", pipeline="scan")
    store.one("fail", id="t1", pipeline="scan", attempts=1, again={"in_ms": 600000, "task_id": "t1"})
    store.ask(letter(1), letter(2), letter(3), letter(4, task_id="t3"), letter(5, task_id=""), letter(6, task_id=""))
    assert settle(store, 2) == ["DONE"]
    store.ask(letter(7, task_id="t2"))
    assert [row["waits"] for row in read(store, state="kept")] == [True, False, False, False, False, True]
    assert settle(store, 1, 3, 4, 5, 6, 7) == ["WAITING", "DONE", "WAITING", "DONE", "DONE", "WAITING"]
    assert settle(store, 4) == ["WAITING"]
    assert [row["state"] for row in read(store)] == ["kept", "requeued", "requeued", "kept", "requeued", "requeued", "kept"]
    rows = [row["task_id"] for row in database.rows("select task_id from chard.scheduled")]
    assert sorted(str(task) for task in rows) == ["None", "None", "t1", "t2", "t3"]
    assert [act["count"] for act in store.one("dead_history", entry=3)["value"]] == [3]
    assert settle(store, 1, 4, 7, **DISCARD) == ["DONE"] * 3


@pytest.mark.parametrize("action", [DISCARD, {"action": "archive", "state": "archived"}], ids=lambda action: action["action"])
def test_an_action_that_sends_nothing_changes_nothing_but_the_entry(store, database, action):
    store.one("claim", id="t1", pipeline="scan")
    store.one("fail", id="t1", pipeline="scan", attempts=4)
    store.ask(letter(1), letter(2))
    assert settle(store, 1, 2, **action) == ["DONE", "DONE"]
    assert settle(store, 2, **action) == ["SETTLED"]
    assert [row["state"] for row in read(store)] == [action["state"]] * 2
    assert [act["action"] for act in store.one("dead_history", entry=1)["value"]] == [action["action"]]
    assert database.value("select state from chard.task") == "FAILURE" and database.value("select count(*) from chard.scheduled") == 0
    assert store.ask(letter(1, key="newer"))[0]["result"] == "DONE"


def test_automatic_rounds_are_counted(store, database):
    for round in range(3):
        store.ask(letter(1, key=f"death{round}"))
        entry = read(store, state="kept")[0]
        assert entry["rounds"] == round
        assert settle(store, entry["entry"], automatic=True) == ["DONE"]
        database.run("delete from chard.scheduled")  # it was published
    store.ask(letter(1, key="by hand"))
    assert settle(store, read(store, state="kept")[0]["entry"]) == ["DONE"]
    store.ask(letter(1, key="last"))
    assert read(store, state="kept")[0]["rounds"] == 0


def test_two_that_settle_the_same_entries_share_them(store, backend, database):
    other = Store(backend.url, "w2")
    store.ask(*[letter(n) for n in range(1, 201)])
    items = [{"entry": n, "message": MESSAGE} for n in range(1, 201)]
    numbers = [who.send({"do": "dead_settle", "items": items}) for who in (store, other)]
    outcomes = [who.wait(n)[0]["outcomes"] for who, n in zip((store, other), numbers)]
    assert all(sorted(pair) == ["DONE", "SETTLED"] for pair in zip(*outcomes))
    assert database.value("select count(*) from chard.scheduled") == 200
    assert other.end()[0] == 0


def test_an_edit_is_kept_beside_the_original(store):
    store.ask(letter(1))
    assert store.one("dead_edit", entry=1, body="changed", who="os:bob")["result"] == "DONE"
    row, = read(store, content=True)
    assert (row["body"], row["edited"]) == ("b1", "changed") and read(store)[0]["edited"] == ""
    assert store.one("dead_edit", entry=1)["result"] == "DONE" and read(store, content=True)[0]["edited"] is None
    assert [(a["action"], a["who"]) for a in store.one("dead_history", entry=1)["value"]] == [("edit", "os:bob"), ("edit", "os:test")]
    settle(store, 1, **DISCARD)
    assert store.one("dead_edit", entry=1, body="late")["result"] == "ALREADY" == store.one("dead_edit", entry=9, body="x")["result"]


def test_what_was_edited_since_it_was_read_stays_as_it_is(store, database):
    store.ask(letter(1), letter(2))
    first, second = read(store, content=True)
    assert store.one("dead_edit", entry=1, version=first["version"], body="changed")["result"] == "DONE"
    edited = read(store, entries=[1], content=True)[0]
    assert edited["version"] != first["version"] and read(store, entries=[2], content=True)[0]["version"] == second["version"]
    assert store.one("dead_edit", entry=1, version=first["version"], body="late")["result"] == "ALREADY"
    assert store.one("dead_edit", entry=1, version=first["version"])["result"] == "ALREADY"
    assert read(store, entries=[1], content=True) == [edited] and len(store.one("dead_history", entry=1)["value"]) == 1

    def items(letter):
        return [{"entry": row["entry"], "version": row["version"], "message": MESSAGE} for row in (letter, second)]

    assert store.one("dead_settle", items=items(first))["outcomes"] == ["CHANGED", "DONE"]
    assert [row["entry"] for row in read(store, state="kept")] == [1] and database.value("select count(*) from chard.scheduled") == 1
    assert store.one("dead_settle", items=items(edited))["outcomes"] == ["DONE", "SETTLED"]
    assert database.value("select count(*) from chard.scheduled") == 2


def test_the_audit_is_append_only(store, database, backend):
    store.ask(letter(1))
    settle(store, 1)
    changes = ["update chard.dead_letter_audit set who = 'x'", "delete from chard.dead_letter_audit"]
    if backend.name == "sqlite":
        columns = "at, batch, operation, action, who, reason, scope, entries"
        changes += [f"insert or replace into chard.dead_letter_audit (id, {columns}) select id, {columns} from chard.dead_letter_audit",
                    f"replace into chard.dead_letter_audit ({columns}) select {columns} from chard.dead_letter_audit",
                    "update chard.dead_letter_act set audit = audit + 1", "delete from chard.dead_letter_act"]
    else:
        changes += ["update chard.dead_letter set acts = '{}'", "update chard.dead_letter set acts = acts[2:]",
                    "update chard.dead_letter set acts = array[acts[1] + 1]", "update chard.dead_letter set acts = array[0] || acts",
                    "update chard.dead_letter set acts = null", "truncate chard.dead_letter_audit"]
    for change in changes:
        with pytest.raises(Exception, match="append-only|null"):
            database.run(change)
    assert [act["who"] for act in store.one("dead_history", entry=1)["value"]] == ["os:test"]
    store.ask(letter(2))
    assert settle(store, 2, **DISCARD) == ["DONE"] and len(store.one("dead_history", entry=2)["value"]) == 1


def test_alarms_tell_of_new_and_growing_groups_once(store):
    def due(**query):
        groups = store.one("dead_alarms", **query)["value"]
        return groups, {(a["group"], a["count"], a["new"], a["before"]) for a in groups}

    def told(**query):
        groups, seen = due(**query)
        store.one("dead_alarms_told", groups=groups, told=True)
        return seen

    store.ask(*[letter(n, group="g1") for n in range(4)], letter(10, group="g2"))
    assert told(growth=50, least=2) == {("g1", 4, True, 0), ("g2", 1, True, 0)} and told(growth=50, least=2) == set()
    store.ask(letter(4, group="g1"), letter(11, group="g2"))
    assert told(growth=50, least=2) == set()
    store.ask(letter(5, group="g1"))
    assert told(growth=50, least=2, quiet_ms=600000) == set()
    assert told(growth=50, least=2) == {("g1", 6, False, 4)}
    store.ask(*[letter(n, group="g1") for n in range(100, 153)])
    loud = {"growth": 50, "least": 2, "quiet_ms": 600000, "factor": 10}
    assert told(**loud) == set(), "59 are not ten times 6"
    store.ask(letter(153, group="g1"))
    groups, seen = due(**loud)
    assert seen == {("g1", 60, False, 6)}, "ten times as many are told of at once, however short ago the last alarm was"
    assert due(**loud)[1] == set(), "one has it"
    store.one("dead_alarms_told", groups=groups, told=True)
    assert told(**loud) == set() and told(growth=50, least=2) == set()
    settle(store, *[row["entry"] for row in read(store, group="g2")], **DISCARD)
    assert told() == set()
    store.ask(letter(12, group="g2"))
    assert told() == {("g2", 1, True, 0)}


def test_alarms_that_nobody_was_told_of_are_due_again(store):
    """Whoever got them says that he could not tell, or says nothing more: new stays new, grown stays grown."""
    def due(**query):
        groups = store.one("dead_alarms", growth=100, least=2, quiet_ms=600000, **query)["value"]
        return groups, {(a["group"], a["count"], a["new"], a["before"]) for a in groups}

    store.ask(letter(1, group="g1"))
    groups, seen = due()
    assert seen == {("g1", 1, True, 0)} and due()[1] == set(), "one has it"
    store.one("dead_alarms_told", groups=groups, told=False)
    store.ask(letter(2, group="g1"))
    assert due(lease_ms=500)[1] == {("g1", 2, True, 0)} and due()[1] == set()
    groups, seen = wait_until(lambda: (found := due())[1] and found, what="its lease has ended")
    assert seen == {("g1", 2, True, 0)}
    store.one("dead_alarms_told", groups=groups, told=True)
    store.ask(*[letter(n, group="g1") for n in range(3, 6)])
    assert due()[1] == set(), "it is to be quiet"
    for told in (False, False, True, True):
        groups = store.one("dead_alarms", growth=100, least=2)["value"]
        store.one("dead_alarms_told", groups=groups, told=told)
        assert [(a["count"], a["new"], a["before"]) for a in groups] == ([(5, False, 2)] if len(groups) else [])
    assert not groups


# --- stale jobs ---------------------------------------------------------------------------------------


def age(database, id, minutes=10):
    then = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(minutes=minutes)
    database.run("update chard.job set updated_at = %s, created_at = %s where root_id = %s", then, then, id)
    database.run("update chard.task set started_at = %s where root_id = %s", then, id)


def find(store, **limits):
    return store.one("stale_find", limits=limits or {"": 60000})["value"]


def test_jobs_that_do_not_move_are_found(store, database):
    for n, id in enumerate(("leased", "waits", "over", "fresh", "stuck", "other")):
        store.one("claim", id=id, pipeline="chat" if id == "other" else "scan", lease_ms=600000 if id == "leased" else 1)
        if id == "waits":
            store.one("fail", id=id, attempts=1, again={"in_ms": 600000, "task_id": id})
        if id == "over":
            store.one("commit", id=id, has_job=True, last=True)
        if id != "fresh":
            age(database, id, 10 + n)
    assert [job["id"] for job in find(store)] == ["other", "stuck"]
    assert [job["id"] for job in find(store, scan=60000, **{"": 3600000})] == ["stuck"]
    assert store.one("stale_find", limits={"": 60000}, limit=1)["value"][0]["id"] == "other"
    job = find(store)[1]
    assert (job["pipeline"], job["state"], job["restarts"], job["last_id"]) == ("scan", "STARTED", 0, None) and job["updated_us"] > 0


@pytest.mark.parametrize("way", ["fails and tries again", "is given back", "is claimed again", "is another's"])
def test_a_job_whose_task_was_claimed_lately_is_not_stale(store, database, way):
    """Its message waits in the broker, where the store can't see it: after an outage that took longer than the limit, say."""
    store.one("claim", id="j", pipeline="scan", lease_ms=1)
    age(database, "j")
    job, = find(store)
    task = "k" if way == "is another's" else "j"
    store.one("claim", id=task, root_id="j", pipeline="scan", lease_ms=1)
    if way == "fails and tries again":
        store.one("fail", id="j", attempts=1, again={"in_ms": 1, "task_id": "j"})
        database.run("delete from chard.scheduled")
    if way == "is given back":
        store.one("give_back", id="j")
    assert database.value("select updated_at from chard.job") == database.value("select created_at from chard.job")
    assert find(store) == []
    item = {"root_id": "j", "updated_us": job["updated_us"], "since_us": job["since_us"], "next": [], "payload": {}}
    assert store.one("stale_settle", items=[item])["settled"] == 0
    age(database, "j")
    job, = find(store)
    item |= {"updated_us": job["updated_us"], "since_us": job["since_us"]}
    assert store.one("stale_settle", items=[item])["settled"] == 1


@pytest.mark.parametrize("state", ["STARTED", "FAILURE"])
def test_a_message_that_is_released_moves_its_job(store, database, state):
    """It may have waited for longer than the limit, and its task was claimed before that. A job that has ended stays as it was."""
    for id in ("j", "other"):
        store.one("claim", id=id, pipeline="scan", lease_ms=1)
    store.one("claim", id="k", root_id="j", pipeline="scan")
    store.one("fail", id="k", root_id="j", attempts=1, again={"in_ms": 1, "task_id": "k"})
    store.one("fail", id="other", attempts=1, again={"in_ms": 1, "task_id": "other"})
    for id in ("j", "other"):
        age(database, id)
    database.run("update chard.job set state = %s", state)
    before = {row["root_id"]: row["updated_at"] for row in database.rows("select root_id, updated_at from chard.job")}
    now_ms = int(time.time() * 1000) + 1000
    due = store.one("release", now_ms=now_ms)["due"]
    assert len(due) == 2
    gone, = [d["id"] for d in due if database.value("select task_id from chard.scheduled where id = %s", d["id"]) == "k"]
    store.one("forget", ids=[gone])
    after = {row["root_id"]: row["updated_at"] for row in database.rows("select root_id, updated_at from chard.job")}
    assert {id for id in before if after[id] > before[id]} == ({"j"} if state == "STARTED" else set())
    assert find(store) == []


def test_a_job_whose_letter_is_requeued_for_later_is_not_stale(store, database):
    """Neither while the message waits for its time, nor, for as long as a job may stand still, when it has gone out."""
    store.one("claim", id="t1", pipeline="scan", lease_ms=1)
    store.one("fail", id="t1", pipeline="scan", attempts=4)
    store.ask(letter(1))
    later_ms = int(time.time() * 1000) + 600000
    assert store.one("dead_settle", items=[{"entry": 1, "message": MESSAGE, "due_ms": later_ms}])["outcomes"] == ["DONE"]
    age(database, "t1")
    assert find(store) == []
    due, = store.one("release", now_ms=later_ms)["due"]
    store.one("forget", ids=[due["id"]])
    assert find(store) == [] and job_of(database, "t1")["state"] == "STARTED"
    age(database, "t1")
    assert [job["id"] for job in find(store)] == ["t1"]


def goes_on_later(store, database):
    """A job whose first task has succeeded, and which has not moved since; what may be done about it."""
    store.one("claim", id="j", name="scan.vision", pipeline="scan")
    store.one("commit", id="j", has_job=True, branches=1, result={}, chain=[{"task": "scan.answer"}])
    age(database, "j")
    job, = find(store)
    return {"root_id": "j", "updated_us": job["updated_us"], "since_us": job["since_us"]}


@pytest.mark.parametrize("waits", [{"task_id": "n", "root_id": "j"}, {"task_id": "j"}, {"task_id": "aside", "root_id": "j"}], ids=str)
def test_a_job_whose_next_message_waits_before_its_first_claim_is_left_alone(store, database, waits):
    """With a countdown longer than the job's limit, say. When it is released the job has moved; and what is dropped holds nobody up."""
    item = goes_on_later(store, database)
    store.one("schedule", in_ms=600000, reason="eta", **waits)
    assert find(store) == []
    for do in ({"next": [{"task_id": "n", "task_name": "scan.answer"}], "payload": {}}, {"next": [{"task_id": "n", "message": MESSAGE}]}):
        assert store.one("stale_settle", items=[item | do])["settled"] == 0
    assert database.rows("select id, state from chard.task") == [{"id": "j", "state": "SUCCESS"}] and job_of(database, "j")["state"] == "STARTED"
    before = database.value("select updated_at from chard.job")
    due, = store.one("release", now_ms=int(time.time() * 1000) + 700000)["due"]
    store.one("forget", ids=[due["id"]])
    assert database.value("select updated_at from chard.job") > before and find(store) == []
    age(database, "j")
    assert [job["id"] for job in find(store)] == ["j"]


def test_what_was_sent_on_waits_before_its_first_claim_too(store, database):
    """The broker is away for longer than the job's limit: the message that was made again is still there, and the job does not fail."""
    item = goes_on_later(store, database)
    assert store.one("stale_settle", items=[item | {"next": [{"task_id": "n", "message": MESSAGE}]}])["settled"] == 1
    age(database, "j")
    assert find(store) == []
    database.run("delete from chard.scheduled")
    assert [job["id"] for job in find(store)] == ["j"]


def test_a_stuck_job_fails_with_its_tasks_and_says_so(store, database):
    store.one("claim", id="j", pipeline="scan", lease_ms=1)
    age(database, "j")
    job, = find(store)
    item = {"root_id": "j", "updated_us": job["updated_us"], "next": [{"task_id": "never", "task_name": "scan.answer"}], "payload": {"why": "ü"}}
    assert [store.one("stale_settle", items=[i])["settled"] for i in (item | {"updated_us": 1}, item, item)] == [0, 1, 0]
    assert job_of(database, "j")["state"] == "FAILURE"
    assert job_of(database, "j")["error"] == {"source": "store", "code": "stale", "text": "it got stuck", "attempts": 0}
    tasks = {row["id"]: row for row in database.rows("select id, name, state, error, lease_owner from chard.task")}
    assert {row["state"] for row in tasks.values()} == {"FAILURE"} and tasks["j"]["lease_owner"] is None
    assert tasks["never"]["name"] == "scan.answer" and tasks["j"]["error"]["code"] == tasks["never"]["error"]["code"] == "stale"
    event = database.row("select aggregate_type, aggregate_id, type, version, payload from chard.event")
    assert event == {"aggregate_type": "scan", "aggregate_id": "j", "type": "ScanFailed", "version": 1, "payload": {"why": "ü"}}
    assert database.value("select count(*) from chard.outbox") == 1 and find(store) == []


@pytest.mark.parametrize("meanwhile", ["claimed", "claimed anew", "scheduled"])
@pytest.mark.parametrize("sent_on", [False, True])
def test_a_job_that_goes_on_after_it_was_found_is_left_alone(store, database, meanwhile, sent_on):
    store.one("claim", id="j", pipeline="scan", lease_ms=1)
    age(database, "j")
    job, = find(store)
    if meanwhile == "scheduled":
        store.one("fail", id="k", root_id="j", attempts=1, again={"in_ms": 600000, "task_id": "k"})
    else:
        store.one("claim", id="j" if meanwhile == "claimed" else "k", root_id="j", pipeline="scan", lease_ms=600000)
    database.run("update chard.job set updated_at = created_at")
    assert find(store) == []
    before = [database.rows(f"select * from chard.{table} order by 1") for table in ("job", "task", "scheduled")]
    follows = {"task_id": "n", "message": MESSAGE} if sent_on else {"task_id": "n", "task_name": "scan.answer"}
    item = {"root_id": "j", "updated_us": job["updated_us"], "next": [follows], "payload": {}}
    assert store.one("stale_settle", items=[item])["settled"] == 0
    assert before == [database.rows(f"select * from chard.{table} order by 1") for table in ("job", "task", "scheduled")]
    assert database.value("select count(*) from chard.event") == 0 == database.value("select count(*) from chard.outbox")


def test_a_job_is_judged_after_the_claim_that_it_waits_for(store, backend, database):
    """A claim that is under way while the job is settled: one of them comes first, and the other one sees it."""
    other = Store(backend.url, "w2")
    ids = [f"j{n:02}" for n in range(50)]
    for id in ids:
        store.one("claim", id=id, pipeline="scan", lease_ms=1)
    age_all = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(minutes=10)
    database.run("update chard.job set updated_at = %s", age_all)
    items = [{"root_id": job["id"], "updated_us": job["updated_us"], "next": [], "payload": {}} for job in find(store)]
    settling = store.send({"do": "stale_settle", "items": items})
    claims = other.send(*[{"do": "claim", "id": id, "pipeline": "scan", "lease_ms": 600000} for id in ids])
    settled, verdicts = store.wait(settling)[0]["settled"], [a["verdict"] for a in other.wait(claims)]
    assert settled == verdicts.count("DEAD") and len(ids) - settled == verdicts.count("GRANTED")
    assert database.value("select count(*) from chard.job where state = 'FAILURE'") == settled == database.value("select count(*) from chard.event")
    assert database.value("select count(*) from chard.task where state = 'STARTED' and lease_owner = 'w2'") == len(ids) - settled
    assert other.end()[0] == 0


def test_a_lost_message_is_made_again(store, database):
    chain = [{"task": "scan.reward"}, {"task": "scan.answer"}]
    store.one("claim", id="j", name="scan.vision", pipeline="scan")
    store.one("commit", id="j", has_job=True, result={"a": 1.5}, chain=chain)
    age(database, "j")
    job, = find(store)
    assert {name: job[name] for name in ("last_id", "last_name", "last_parent_id", "last_result", "chain")} == \
        {"last_id": "j", "last_name": "scan.vision", "last_parent_id": None, "last_result": {"a": 1.5}, "chain": chain}
    item = {"root_id": "j", "updated_us": job["updated_us"], "next": [{"task_id": "n", "message": MESSAGE}]}
    assert store.one("stale_settle", items=[item])["settled"] == 1 == job_of(database, "j")["restarts"]
    assert database.row("select reason, task_id from chard.scheduled") == {"reason": "restart", "task_id": "n"}
    assert store.one("stale_settle", items=[item])["settled"] == 0
    store.one("claim", id="n", root_id="j", parent_id="j", pipeline="scan", lease_ms=1)
    age(database, "j")
    database.run("delete from chard.scheduled")
    assert find(store)[0]["last_id"] is None


def test_a_group_is_sent_again_whole_or_fails_whole(store, database):
    """Two jobs whose next step is a group of three: one is sent on, one fails with all that never came."""
    for id in "ab":
        store.one("claim", id=id, name="scan.vision", pipeline="scan")
        store.one("commit", id=id, has_job=True, result={}, chain=[{"task": "celery.group"}])
        age(database, id)
    found = {job["id"]: job["updated_us"] for job in find(store)}
    items = [{"root_id": "a", "updated_us": found["a"], "next": [{"task_id": f"a{n}", "message": MESSAGE} for n in range(3)]},
             {"root_id": "b", "updated_us": found["b"], "next": [{"task_id": f"b{n}", "task_name": "my.profile"} for n in range(3)],
              "payload": {}}]
    answers = [store.one("stale_settle", items=items) for _ in range(2)]
    assert [a["settled"] for a in answers] == [2, 0], answers
    rows = database.rows("select task_id, reason from chard.scheduled")
    assert sorted((row["task_id"], row["reason"]) for row in rows) == [(f"a{n}", "restart") for n in range(3)]
    tasks = {row["id"]: (row["name"], row["state"]) for row in database.rows("select id, name, state from chard.task where root_id = 'b' and id <> 'b'")}
    assert tasks == {f"b{n}": ("my.profile", "FAILURE") for n in range(3)}
    assert database.row("select task_id, type from chard.event") == {"task_id": "b0", "type": "ScanFailed"}
    assert job_of(database, "a")["state"] == "STARTED" and job_of(database, "b")["state"] == "FAILURE"


def test_the_last_commit_ends_the_chain(store, database):
    store.one("commit", id="j", has_job=True, pipeline="scan", chain=[{"task": "a"}])
    store.one("commit", id="k", root_id="j", has_job=True, last=True, pipeline="scan")
    row = database.row("select chain, last_task from chard.job")
    assert (row["chain"], row["last_task"]) == (None, "k")
