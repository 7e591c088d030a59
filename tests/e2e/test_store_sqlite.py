# SPDX-License-Identifier: Apache-2.0
"""SQLite's own: files that are not right, files in trouble, several processes on one file, and some of them killed."""

import contextlib
import datetime
import json
import os
import random
import resource
import shutil
import sqlite3
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from support.store import SqliteTables, Store, migrate


def claims(ids, **fields):
    return [{"do": "claim", "id": id, "pipeline": "scan"} | fields for id in ids]


def commits(ids, mark=""):
    return [{"do": "commit", "id": id, "result": {"by": mark, "id": id}, "has_job": True, "last": True,
             "events": [{"aggregate_id": id, "type": "Tested", "payload": {"by": mark}}]} for id in ids]


@pytest.fixture
def path(tmp_path):
    """A migrated file."""
    assert migrate(f"sqlite:{tmp_path}/chard.db")[1]["rc"] == 0
    return tmp_path / "chard.db"


@pytest.fixture
def database(path):
    return SqliteTables(f"sqlite:{path}")


@pytest.fixture
def opened(path):
    made = []

    def make(owner="w1", **options):
        made.append(Store(f"sqlite:{path}", owner, **options))
        assert made[-1].first == {"heard": "open"}
        return made[-1]

    yield make
    for store in made:
        if store.process.returncode is None:
            assert store.end()[0] == 0


def every_event_once(database, ids):
    assert {row["id"] for row in database.rows("select id from task where state = 'SUCCESS'")} == set(ids)
    for table, key in (("outbox", "aggregateid"), ("event", "aggregate_id")):
        rows = database.rows(f"select {key} as id, count(*) as n from {table} group by 1")
        assert {r["id"] for r in rows} == set(ids) and all(r["n"] == 1 for r in rows)
    assert database.value("pragma integrity_check") == "ok"


# --- opening ------------------------------------------------------------------------------------------


def refusal(url):
    store = Store(url)
    assert store.end()[0] == 3
    assert store.first["rc"] == 1 and store.first["why"]["source"] == "store" and store.first["why"]["text"]
    return store.first["why"]["code"]


def garbage(path):
    path.write_bytes(random.Random(1).randbytes(20000))


def foreign(path):
    with contextlib.closing(sqlite3.connect(path)) as other:
        other.executescript("create table songs (name text); insert into songs values ('a');")


def newer(path):
    migrate(f"sqlite:{path}")
    SqliteTables(f"sqlite:{path}").run("update part set version = version + 1 where name = 'store'")


@pytest.mark.parametrize("make, code", [(garbage, "not_chard"), (foreign, "not_chard"), (newer, "schema_too_new"),
                                        (lambda path: path.mkdir(), "bad_path")])
def test_a_file_that_is_not_right_is_refused_and_left_alone(tmp_path, make, code):
    path = tmp_path / "wrong.db"
    make(path)
    before = path.read_bytes() if path.is_file() else None
    assert refusal(f"sqlite:{path}") == code
    assert migrate(f"sqlite:{path}")[1]["why"]["code"] == code
    assert before is None or path.read_bytes() == before


def test_what_is_not_there_is_said(tmp_path):
    assert refusal("sqlite:") == "bad_url"
    assert refusal(f"sqlite:{tmp_path}/none.db") == "schema_missing"
    assert not (tmp_path / "none.db").exists()
    assert refusal(f"sqlite:{tmp_path}/nowhere/none.db") in ("unreachable", "schema_missing")
    assert migrate(f"sqlite:{tmp_path}/nowhere/none.db")[1]["why"]["code"] == "unreachable"
    assert migrate("sqlite:")[1]["why"]["code"] == "bad_url"


def test_migrate_says_what_it_did(tmp_path):
    url = f"sqlite:{tmp_path}/new.db"
    said, last = migrate(url)
    assert last["rc"] == 0 and said and all(line.startswith("applied store/") for line in said)
    assert migrate(url) == (["up to date"], {"rc": 0, "why": None})


def test_eight_migrations_at_once_are_one(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda _: migrate(f"sqlite:{tmp_path}/new.db"), range(8)))
    assert [last["rc"] for _, last in results] == [0] * 8
    applied = [line for said, _ in results for line in said if line.startswith("applied")]
    assert len(applied) == len(set(applied)) > 0


# --- trouble ------------------------------------------------------------------------------------------


def wait_out(store, numbers, heal, wait_until):
    """The calls wait until the file is healed; the loss and the return are told once each."""
    wait_until(lambda: store.changes() == [False], 20, "the trouble is told")
    assert not store.up() and store.one("up")["waiting"] == len(numbers)
    heal()
    answers = store.wait(numbers, 30)
    wait_until(lambda: store.changes() == [False, True] and store.up())
    return answers


def every_verb():
    return [{"do": "commit", "id": "a"}, {"do": "fail", "id": "b", "again": {"in_ms": 1}}, {"do": "give_back", "id": "c", "again": {"in_ms": 1}},
            {"do": "schedule"}, {"do": "beat", "state": {}}, {"do": "claim", "id": "d"}]


def test_while_another_program_locks_the_file_calls_wait(opened, database, wait_until):
    store = opened()
    with contextlib.ExitStack() as stack:
        stack.enter_context(database.locked())
        answers = wait_out(store, store.send(*every_verb()), stack.close, wait_until)
    assert [a.get("result") for a in answers[:-1]] == ["DONE"] * 5 and answers[-1]["verdict"] == "GRANTED"
    assert database.value("select count(*) from scheduled") == 3


def test_a_file_that_was_taken_away_is_missed_and_used_again(path, opened, database, wait_until):
    store = opened()
    store.one("claim", id="a")
    for name in (path.name, path.name + "-wal"):
        shutil.move(path.parent / name, path.parent / f"away-{name}")

    def put_back():
        for name in (path.name + "-wal", path.name):
            shutil.move(path.parent / f"away-{name}", path.parent / name)

    wait_out(store, store.send(*commits(["a"])), put_back, wait_until)
    every_event_once(database, ["a"])


def test_a_full_disk_is_waited_for(path, opened, database, wait_until):
    store = opened()
    ids = [f"t{n}" for n in range(50)]
    store.ask(*claims(ids))
    pid, full = store.process.pid, os.path.getsize(f"{path}-wal")
    everything = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (full, everything[1]))
    answers = wait_out(store, store.send(*commits(ids)), lambda: resource.prlimit(pid, resource.RLIMIT_FSIZE, everything), wait_until)
    assert {a["result"] for a in answers} == {"DONE"}
    every_event_once(database, ids)


def test_calls_that_wait_are_told_when_the_store_closes(opened, database, wait_until):
    store = opened()
    with database.locked():
        numbers = store.send(*every_verb())
        wait_until(lambda: store.changes() == [False], 20)
        store.send({"do": "close"})
        answers = store.wait(numbers)
    assert {a.get("verdict") or a["result"] for a in answers} == {"CLOSED"}


def test_what_the_database_refuses_harms_only_itself(opened, database):
    database.run("create unique index one_bad on task (substr(id, 1, 3)) where id like 'bad%'")
    store = opened()
    answers = store.ask(*claims(["bad0", "a", "bad1", "b"]), *commits(["a", "bad2", "b"]))[1:]
    assert [a.get("verdict") or a["result"] for a in answers] == ["GRANTED", "REFUSED", "GRANTED", "DONE", "REFUSED", "DONE"]
    assert "UNIQUE constraint failed" in answers[1]["why"]["text"] and answers[1]["why"]["code"] == "refused"
    every_event_once(database, ["a", "b"])


@pytest.mark.parametrize("result", ["[" * 2500 + "]" * 2500, '{"a":', "[1] [2]"], ids=["deep", "cut", "two"])
def test_json_that_sqlite_can_not_read_is_refused(opened, database, result):
    store = opened()
    bad, good = store.ask({"do": "commit", "id": "a", "result_hex": result.encode().hex()}, *commits(["b"]))
    assert (bad["result"], good["result"]) == ("REFUSED", "DONE") and store.changes() == []


def one_of_each():
    """A call of every verb that writes a task's rows."""
    letter = {"do": "dead_file", "key": str(uuid.uuid4()), "task_id": "f", "queue": "q"}
    return claims(["a"]) + commits(["b"]) + [
        {"do": "fail", "id": "c"}, {"do": "fail", "id": "d", "again": {"in_ms": 60000}}, {"do": "schedule", "in_ms": 60000},
        {"do": "give_back", "id": "e", "again": {"in_ms": 60000}}, {"do": "revoke", "id": "g"}, letter]


@contextlib.contextmanager
def raising(database, when="true"):
    """Triggers that stop what writes a task's rows."""
    places = [(table, what) for table in ("task", "event", "scheduled", "dead_letter") for what in ("insert", "update")]
    for table, what in places:
        condition = f"when {when}" if table == "task" or when == "true" else "when false"
        database.run(f"create trigger refuse_{table}_{what} before {what} on {table} {condition} begin select raise(abort, 'not now'); end")
    yield
    for table, what in places:
        database.run(f"drop trigger refuse_{table}_{what}")


@contextlib.contextmanager
def tables_away(database):
    for table in ("task", "scheduled", "dead_letter"):
        database.run(f"alter table {table} rename to {table}_away")
    yield
    for table in ("task", "scheduled", "dead_letter"):
        database.run(f"alter table {table}_away rename to {table}")


@pytest.mark.parametrize("trouble", [lambda database: database.locked(), raising, tables_away], ids=["locked", "trigger", "tables away"])
def test_what_is_not_about_the_data_waits_however_often_it_fails(opened, database, wait_until, trouble):
    """Every verb; more tries than let others in; one loss and one return."""
    store = opened()
    store.ask(*claims(["warm"]), *commits(["up"]), {"do": "give_back", "id": "none"})
    with contextlib.ExitStack() as stack:
        stack.enter_context(trouble(database))
        numbers = store.send(*one_of_each())
        wait_until(lambda: store.changes() == [False], 10, "the loss is told")
        time_over = time.monotonic() + 2.5
        wait_until(lambda: time.monotonic() > time_over)
        assert not [store.answers[n] for n in numbers if n in store.answers] and store.changes() == [False]
    answers = store.wait(numbers, 20)
    assert [a.get("verdict", a.get("result")) for a in answers] == ["GRANTED"] + ["DONE"] * 7
    wait_until(lambda: store.changes() == [False, True] and store.up(), 5, "the return is told once")


@contextlib.contextmanager
def little_room(store, path):
    """The disk takes small transactions, not large ones."""
    everything = resource.prlimit(store.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(store.process.pid, resource.RLIMIT_FSIZE, (os.path.getsize(f"{path}-wal") + 2000000, everything[1]))
    yield
    resource.prlimit(store.process.pid, resource.RLIMIT_FSIZE, everything)


@pytest.mark.parametrize("how", ["trigger", "disk"])
def test_one_that_alone_can_not_be_stored_holds_nobody_up(path, opened, database, wait_until, how):
    store = opened()
    ids = [f"t{n}" for n in range(50)]
    store.ask(*claims(ids))
    calls = commits(ids)
    if how == "disk":
        calls[7]["result"] = {"by": "x" * 4000000}
    with raising(database, "new.id = 't7'") if how == "trigger" else little_room(store, path):
        numbers = store.send(*calls)
        others = [n for n, id in zip(numbers, ids) if id != "t7"]
        assert {a["result"] for a in store.wait(others, 20)} == {"DONE"}
        for round in range(3):
            assert store.one("commit", id=f"more{round}", result={})["result"] == "DONE"
        wait_until(lambda: "t7 can't be stored, and waits alone" in "".join(store._errors), 20, "it is told")
        wait_until(lambda: store.up(), 10, "the others are served")
        assert numbers[7] not in store.answers
    assert store.wait([numbers[7]], 20)[0]["result"] == "DONE"
    assert "".join(store._errors).count("t7 can't be stored") == 1


def test_one_that_fails_alone_lets_others_in_again(opened, database, wait_until):
    """Nobody else came to show whether it is the only one."""
    store = opened()
    with raising(database, "new.id = 't7'"):
        number, = store.send(*commits(["t7"]))
        wait_until(lambda: store.changes() == [False], 10, "the loss is told")
        wait_until(lambda: store.changes() == [False, True], 20, "it is tried whether others can be stored")
        assert store.one("commit", id="other", result={})["result"] == "DONE" and number not in store.answers
    assert store.wait([number], 20)[0]["result"] == "DONE"
    assert store.changes() == [False, True]


def test_what_waits_alone_is_told_when_the_store_closes(opened, database, wait_until):
    store = opened()
    with raising(database, "new.id = 't7'"):
        number, = store.send(*commits(["t7"]))
        wait_until(lambda: store.changes() == [False], 10, "the loss is told")
        store.send({"do": "close"})
        assert store.wait([number])[0]["result"] == "CLOSED"


@pytest.mark.parametrize("do, fields", [("owed_take", {}), ("job_cancel", {"id": "a"}), ("job", {"id": "a"}), ("beat", {"state": {}})])
def test_what_only_asks_is_refused_after_a_few_tries(opened, database, wait_until, do, fields):
    store = opened()
    for table in ("task", "worker", "owed_result"):
        database.run(f"alter table {table} rename to {table}_away")
    answer = store.one(do, **fields)
    assert answer["why"]["code"] == "refused" and "no such table" in answer["why"]["text"] and store.changes() == []


# --- several processes on one file ----------------------------------------------------------------------


def test_processes_that_are_killed_lose_and_double_nothing(opened, database, wait_until):
    """Three workers commit the same tasks; each round one of them is killed at work."""
    ids = [str(uuid.uuid4()) for _ in range(900)]
    confirmed = {}
    for round in range(6):
        part = ids[round * 150:(round + 1) * 150]
        workers = [opened(f"w{n}", mode="release") for n in range(3)]
        sent = []
        for n, worker in enumerate(workers):
            worker.send(*claims(part))
            sent.append((worker, worker.send(*commits(part, f"{round}-{n}"))))
        victim, numbers = sent[round % 3]
        wait_until(lambda: any(number in victim.answers for number in numbers), 30, "it is at work")
        victim.kill()
        for n, (worker, numbers) in enumerate(sent):
            if worker is not victim:
                worker.wait(numbers, 60)
            for id, number in zip(part, numbers):
                answer = worker.answers.get(number)
                assert answer is None or answer["result"] in ("DONE", "ALREADY")
                if answer and answer["result"] == "DONE":
                    assert confirmed.setdefault(id, f"{round}-{n}") == f"{round}-{n}"
        for worker in workers:
            if worker is not victim:
                assert worker.end()[0] == 0
    every_event_once(database, ids)
    for row in database.rows("select id, result from task"):
        assert confirmed.get(row["id"], row["result"]["by"]) == row["result"]["by"]


def test_one_that_starts_again_releases_at_once_what_it_had_locked(opened):
    now = int(datetime.datetime.now().timestamp() * 1000)
    first = opened("w1", mode="release")
    first.ask(*[{"do": "schedule", "due_ms": now} for _ in range(3)])
    assert len(first.one("release", now_ms=now)["due"]) == 3
    first.kill()
    assert opened("w2", mode="release").one("release", now_ms=now)["due"] == []
    assert len(opened("w1", mode="release").one("release", now_ms=now)["due"]) == 3


def test_locks_of_one_that_lives_are_put_off(opened, database, wait_until):
    now = int(datetime.datetime.now().timestamp() * 1000)
    store = opened()
    store.one("schedule", due_ms=now)
    released = store.one("release", now_ms=now)["due"]
    until = database.value("select locked_until from scheduled")
    wait_until(lambda: database.value("select locked_until from scheduled") > until)
    store.one("forget", ids=[released[0]["id"]])
    assert database.value("select count(*) from scheduled") == 0


def test_no_number_comes_again(opened, database):
    """A late forget deletes by number, and readers of events go on from one."""
    store = opened()
    store.one("schedule", due_ms=1)
    store.ask(*commits(["a"]))
    first = store.one("release", now_ms=2)["due"][0]["id"]
    store.one("forget", ids=[first])
    database.run("delete from outbox")
    store.one("schedule", due_ms=1)
    store.ask(*commits(["b"]))
    assert store.one("release", now_ms=2)["due"][0]["id"] > first
    assert [e["position"] for e in store.one("events")["value"]] == ["2"]


# --- reading and maintenance ------------------------------------------------------------------------------


def test_events_are_read_in_order_and_from_a_position_on(opened):
    store = opened()
    store.ask(*commits([f"t{n}" for n in range(5)], "é"))
    first = store.one("events", limit=2)["value"]
    rest = store.one("events", since=first[-1]["position"])["value"]
    assert [e["aggregate_id"] for e in first + rest] == [f"t{n}" for n in range(5)]
    assert first[0] | {"id": "", "created_at": ""} == {
        "position": "1", "id": "", "aggregate_type": "scan", "aggregate_id": "t0", "type": "Tested", "payload": {"by": "é"},
        "created_at": "", "tracingspancontext": None, "backfill": None}
    assert datetime.datetime.fromisoformat(first[0]["created_at"]).tzinfo
    assert store.one("events", since=rest[-1]["position"])["value"] == []
    assert store.one("events", since="12.5")["why"]["code"] == "bad_position"


def test_maintenance_deletes_old_outbox_rows(opened, database):
    day = 24 * 3600 * 1000000
    now = round(datetime.datetime.now().timestamp() * 1000000)
    database.run("insert into outbox (id, created_at, aggregatetype, aggregateid, type, payload)"
                 " with recursive n (i) as (select 1 union all select i + 1 from n where i < 2500)"
                 " select 'x', %s, 't', 'a', 'old', '{}' from n", now - 8 * day)
    database.run("insert into outbox (id, created_at, aggregatetype, aggregateid, type, payload) values ('x', %s, 't', 'a', 'young', '{}')",
                 now - 6 * day)
    assert [answer["result"] for answer in opened().ask({"do": "maintain"}, {"do": "maintain"})] == ["DONE", "ALREADY"]
    assert [r["type"] for r in database.rows("select type from outbox")] == ["young"]


def test_a_job_reads_as_with_postgresql(opened, store_url):
    """The same calls, and the same shape of what is read."""
    assert migrate(store_url)[1]["rc"] == 0
    calls = [{"do": "claim", "id": "a", "name": "scan.vision", "pipeline": "scan"},
             {"do": "commit", "id": "a", "has_job": True, "cost_nano": 1234567, "provider": "p", "model": "m", "result": {"n": 1.5},
              "events": [{"aggregate_id": "a", "type": "One", "payload": {"x": [1, None, "ü"]}}]},
             {"do": "claim", "id": "b", "root_id": "a", "parent_id": "a", "name": "scan.answer", "pipeline": "scan"},
             {"do": "fail", "id": "b", "root_id": "a", "pipeline": "scan", "attempts": 3, "tokens_in": 7}]
    other = Store(store_url)
    read = []
    for store in (opened(), other):
        for call in calls:
            store.ask(call)
        store.one("beat", state={"consuming": True, "why": "ü"})
        read.append([store.one("job", id="a")["value"], store.one("worker", name="w1")["value"], store.one("events")["value"]])
    assert other.end()[0] == 0
    mine, theirs = read
    assert plain(mine) == plain(theirs)
    for ours, its in zip(times(mine), times(theirs)):
        assert (ours is None) == (its is None) and (ours is None or len(ours) - len(its) in range(-7, 8) and ours[-6:] == its[-6:] == "+00:00")


TIMES = ("created_at", "started_at", "finished_at", "beat_at")


def plain(value, key=None):
    """Without what must differ."""
    if isinstance(value, dict):
        kept = {k: plain(v, k) for k, v in value.items() if k not in TIMES + ("age_ms", "position")}
        return kept | ({"id": None} if "payload" in value else {})
    return [plain(v) for v in value] if isinstance(value, list) else value


def times(value):
    if isinstance(value, dict):
        for key in sorted(value):
            yield from [value[key]] if key in TIMES else times(value[key])
    elif isinstance(value, list):
        for item in value:
            yield from times(item)


def test_json_that_postgresql_would_refuse_is_kept(opened):
    store = opened()
    text = json.dumps({"a": "x\u0000y"})
    assert store.one("commit", id="t", result_hex=text.encode().hex(), has_job=True, last=True)["result"] == "DONE"
    assert store.one("claim", id="t")["result"] == text
    assert store.one("job", id="t")["value"]["document"] == {"a": "x\u0000y"}


def test_a_profile_keeps_keys_of_any_kind(opened, database):
    keys = ['plain', 'with "quotes"', 'dots.and$signs[0]', "", "ü\\"]
    opened().one("commit", id="t", facts=[{"kind": "profile", "owner": "u", "key": key, "value": key} for key in keys])
    assert database.value("select fields from profile") == {key: key for key in keys}


def test_dead_letters_move_to_postgresql_with_what_was_done_to_them(opened, path, chard, database):
    store = opened("w1")
    store.ask(*[{"do": "dead_file", "key": f"key{n}", "same": f"same{n}", "task_id": f"t{n}", "properties": "p\x01", "body": f"b{n} ü", "code": "bad",
                 "died_ms": 1700000000123} for n in range(3)])
    store.one("dead_edit", entry=1, body="edited", who="os:alice", reason="typo")
    store.one("dead_settle", items=[{"entry": 2, "message": {"body": "x"}}], who="os:bob")
    store.one("commit", id="j", has_job=True, chain=[{"task": "next"}])
    before = store.one("dead_read", content=True)["letters"]
    history = [store.one("dead_history", entry=n)["value"] for n in (1, 2, 3)]
    assert store.end()[0] == 0
    for _ in range(2):
        chard.run("migrate", check=0)
        chard.run("move", "--from", f"sqlite:{path}", "--to", chard.settings["CHARD_STORE_URL"], "--broker", chard.settings["CHARD_BROKER_URL"], check=0)
    there = Store(chard.settings["CHARD_STORE_URL"])
    assert there.one("dead_read", content=True)["letters"] == before
    assert [there.one("dead_history", entry=n)["value"] for n in (1, 2, 3)] == history
    assert there.end()[0] == 0
    assert [row["state"] for row in database.rows("select state from dead_letter")] == ["requeued"]
    assert database.value("select count(*) from dead_letter_content") == 1
