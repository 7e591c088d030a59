# SPDX-License-Identifier: Apache-2.0
"""The store while PostgreSQL is killed, cut off, silent, overtaken or refuses."""

import json
import time
import uuid

import pytest

from support.database import Database
from support.store import Store, migrate
from test_dlq import bury


def claims(ids):
    return [{"do": "claim", "id": id, "pipeline": "scan"} for id in ids]


def commits(ids, mark=""):
    return [{"do": "commit", "id": id, "result": {"by": mark, "id": id}, "has_job": True, "last": True,
             "events": [{"aggregate_id": id, "type": "Tested", "payload": {"by": mark}}]} for id in ids]


@pytest.fixture
def opened():
    """Opens stores, which must end clean."""
    made = []

    def make(url, owner="w1", **options):
        made.append(Store(url, owner, **options))
        return made[-1]

    yield make
    for store in made:
        assert store.end()[0] == 0


@pytest.fixture
def ready_url(store_url):
    assert migrate(store_url)[1]["rc"] == 0
    return store_url


def every_event_once(database, ids):
    assert database.value("select count(*) from chard.task where state = 'SUCCESS'") == len(ids)
    for table, key in (("outbox", "aggregateid"), ("event", "aggregate_id")):
        rows = database.rows(f"select {key} as id, count(*) as n from chard.{table} group by 1")
        assert {r["id"] for r in rows} == set(ids) and all(r["n"] == 1 for r in rows)


def test_kill_9_of_the_server_loses_and_doubles_nothing(private_postgres, opened, wait_until):
    server = private_postgres(settings={"fsync": "on", "full_page_writes": "on"})
    assert migrate(server.url)[1]["rc"] == 0
    store, database = opened(server.url), Database(server.url)
    ids = [str(uuid.uuid4()) for _ in range(6000)]
    numbers = []
    for round in range(3):
        part = ids[round * 2000:(round + 1) * 2000]
        claimed = store.send(*claims(part))
        numbers += store.send(*commits(part, "first"))
        wait_until(lambda: sum(n in store.answers for n in numbers) > round * 2000 + 300, 30, "some commits")
        server.kill()
        wait_until(lambda: not store.changes() or store.changes()[-1] is False, 20, "the loss was told")
        server.start()
        store.wait(claimed, 60)
    answers = store.wait(numbers, 60)
    assert not [a for a in answers if a["result"] not in ("DONE", "ALREADY")]
    for id, answer in zip(ids, answers):
        if answer["result"] == "ALREADY":
            assert json.loads(answer["stored"]) == {"by": "first", "id": id}
    every_event_once(database, ids)
    wait_until(lambda: store.up(), 20, "all links are back")
    assert store.changes()[0] is False and store.changes()[-1] is True


def test_a_cut_link_is_repeated_and_reported(ready_url, opened, toxic, postgres, wait_until):
    link = toxic(postgres.port)
    store = opened(link.url(ready_url))
    ids = [str(uuid.uuid4()) for _ in range(3000)]
    store.ask(*claims(ids[:10]))
    numbers = store.send(*claims(ids[10:])) + store.send(*commits(ids))
    for _ in range(5):
        answered = len(store.answers)
        link.cut()
        wait_until(lambda: len(store.answers) > answered or all(n in store.answers for n in numbers), 30)
    answers = store.wait(numbers, 60)[len(ids) - 10:]
    assert {a["result"] for a in answers} <= {"DONE", "ALREADY"}
    every_event_once(Database(ready_url), ids)
    wait_until(lambda: store.up(), 20, "up again")


def letter(n):
    return {"do": "dead_file", "key": f"k{n}", "same": f"s{n}", "task_id": f"t{n}", "root_id": f"t{n}"}


@pytest.fixture
def lose_answer(ready_url, opened, toxic, postgres, wait_until):
    """lose_answer(before, call, done) -> the store, and the number of a call that was carried out and whose answer is lost; heal() lets it be asked again."""
    link, database = toxic(postgres.port), Database(ready_url)

    def lost(before, call, done):
        store = opened(link.url(ready_url))
        store.ask(*before)
        with database.connect(autocommit=False) as blocker:
            blocker.execute("select from chard.dead_letter for update")
            number, = store.send(call)
            waits = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
            wait_until(lambda: database.value(waits) == 1)
            link.mute()
        wait_until(lambda: database.value(done))
        return store, number

    def heal():
        link.cut()
        link.heal()

    lost.heal = heal
    return lost


def acts(store, *entries):
    return [[(act["action"], act["count"]) for act in store.one("dead_history", entry=entry)["value"]] for entry in entries]


DISCARD = {"action": "discard", "state": "discarded"}  # without either a driver's settlement is a requeue, which sends


@pytest.mark.parametrize("action", ["requeue", "discard"])
def test_a_settlement_whose_answer_is_lost_goes_on_with_what_can_be_settled_meanwhile(ready_url, lose_answer, opened, action):
    """The first letter was settled under the batch's key, then the second one becomes free, or comes: one more act."""
    database, message = Database(ready_url), {"exchange": "", "routing_key": "q", "body": "[]"}
    items = [{"entry": n, "message": message, "due_ms": 1} for n in (1, 2)]
    before = [letter(1), letter(2), {"do": "schedule", "task_id": "t2", "in_ms": 60000}] if action == "requeue" else [letter(1)]
    settle = {"items": items} | (DISCARD if action == "discard" else {})
    store, number = lose_answer(before, {"do": "dead_settle"} | settle,
                                f"select state = '{action}{'d' if action == 'requeue' else 'ed'}' from chard.dead_letter where entry = 1")
    if action == "requeue":
        database.run("delete from chard.scheduled where task_id = 't2'")
    else:
        opened(ready_url, "w2").ask(letter(2))
    lose_answer.heal()
    assert store.wait([number])[0]["outcomes"] == ["DONE", "DONE"]
    assert database.value("select count(*) from chard.scheduled where reason = 'requeue'") == (2 if action == "requeue" else 0)
    assert acts(store, 1, 2) == [[(action, 1)], [(action, 1)]]
    again = store.one("dead_settle", **settle)["outcomes"]
    assert again == ["SETTLED", "SETTLED"] and acts(store, 1, 2) == [[(action, 1)], [(action, 1)]]


def test_an_edit_whose_answer_is_lost_is_one(ready_url, lose_answer):
    """Asked once more it is neither refused, for the version that it made itself, nor written down twice."""
    first = {"do": "dead_read", "content": True}
    store, number = lose_answer([letter(1)], {"do": "dead_edit", "entry": 1, "version": 1, "body": "changed"},
                                "select edited is not null from chard.dead_letter where entry = 1")
    lose_answer.heal()
    assert store.wait([number])[0]["result"] == "DONE"
    row, = store.ask(first)[0]["letters"]
    assert row["edited"] == "changed" and acts(store, 1) == [[("edit", 1)]]
    assert store.one("dead_edit", entry=1, version=1, body="late")["result"] == "ALREADY"


def test_while_the_server_is_away_calls_wait(ready_url, opened, toxic, postgres, wait_until):
    link = toxic(postgres.port)
    store = opened(link.url(ready_url))
    store.one("claim", id="a")
    link.refuse()
    wait_until(lambda: store.changes() == [False], 20, "the loss is told once")
    assert not store.up()
    numbers = store.send({"do": "commit", "id": "a"}, {"do": "fail", "id": "b", "again": {"in_ms": 1}},
                         {"do": "give_back", "id": "c", "again": {"in_ms": 1}}, {"do": "schedule"}, {"do": "release", "now_ms": 1},
                         {"do": "beat", "state": {}}, {"do": "job", "id": "a"})
    assert store.one("up")["waiting"] == len(numbers)
    link.heal()
    store.wait(numbers, 30)
    wait_until(lambda: store.changes() == [False, True] and store.up())
    assert Database(ready_url).value("select count(*) from chard.scheduled") == 3


def test_a_half_open_link_is_found_by_its_silence(ready_url, opened, toxic, postgres, wait_until):
    link = toxic(postgres.port)
    store = opened(link.url(ready_url), answer_timeout_ms=1500)
    store.ask(*claims(["a"]), {"do": "commit", "id": "warm"})
    started = time.monotonic()
    link.half_open()
    numbers = store.send(*claims(["b"]), *commits(["a"]))
    wait_until(lambda: store.changes() == [False], 10, "silence noticed")
    assert 1 < time.monotonic() - started < 8
    link.heal()
    claimed, committed = store.wait(numbers, 30)
    assert claimed["verdict"] == "GRANTED" and committed["result"] in ("DONE", "ALREADY")
    wait_until(lambda: store.up())


def test_an_unanswered_statement_is_ended_and_repeated(ready_url, opened, wait_until):
    store, database = opened(ready_url, answer_timeout_ms=1000), Database(ready_url)
    store.ask(*claims(["a", "b"]))
    with database.connect(autocommit=False) as blocker:
        blocker.execute("select * from chard.task where id = 'a' for update")
        number, = store.send(*commits(["a"]))
        wait_until(lambda: database.value("select count(*) from pg_stat_activity where wait_event_type = 'Lock'") == 1)
        time_over = time.monotonic() + 2.5
        wait_until(lambda: time.monotonic() > time_over)
        assert number not in store.answers
    assert store.wait([number])[0]["result"] == "DONE"
    every_event_once(database, ["a"])


def test_sessions_ended_by_an_administrator_come_back(ready_url, opened, wait_until):
    store, database = opened(ready_url), Database(ready_url)
    store.ask(*claims(["a"]), *commits(["b"]), {"do": "release", "now_ms": 1})
    for _ in range(3):
        database.run("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'w1'")
        answers = store.ask(*claims([str(uuid.uuid4())]), *commits([str(uuid.uuid4())]), {"do": "release", "now_ms": 1})
        assert (answers[0]["verdict"], answers[1]["result"]) == ("GRANTED", "DONE")
    database.run("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'w1'")
    heard = len(store.heard)
    wait_until(lambda: store.up())
    database.run("select pg_notify('chard_scheduled', '42')")
    wait_until(lambda: {"heard": "scheduled", "due_ms": 42} in store.heard[heard:] or
               database.run("select pg_notify('chard_scheduled', '42')"), 20, "it listens again")


def test_forget_after_the_link_broke_still_deletes(ready_url, opened, toxic, postgres):
    link = toxic(postgres.port)
    store, database = opened(link.url(ready_url)), Database(ready_url)
    now = int(time.time() * 1000)
    store.ask(*[{"do": "schedule", "due_ms": now} for _ in range(5)])
    due = store.one("release", now_ms=now)["due"]
    link.cut()
    assert store.one("forget", ids=[d["id"] for d in due[:3]])["result"] == "DONE"
    assert database.value("select count(*) from chard.scheduled") == 2


def test_deadlocks_with_others_are_repeated(ready_url, opened, wait_until):
    store, database = opened(ready_url), Database(ready_url)
    store.ask(*claims(["a", "b"]))
    with database.connect(autocommit=False) as other:
        other.execute("set deadlock_timeout = '10s'; update chard.task set error = null where id = 'b'")
        numbers = store.send(*commits(["a", "b"]))
        wait_until(lambda: database.value("select count(*) from pg_stat_activity where wait_event_type = 'Lock'") == 1)
        other.execute("update chard.task set error = null where id = 'a'")
        other.commit()
    assert {a["result"] for a in store.wait(numbers)} == {"DONE"}
    every_event_once(database, ["a", "b"])


def test_a_table_that_is_missing_for_a_while_refuses_nobody(ready_url, opened, wait_until):
    store, database = opened(ready_url), Database(ready_url)
    store.ask(*claims(["a"]))
    database.run("alter table chard.task rename to task_away")
    numbers = store.send(*commits(["a"]))
    wait_until(lambda: store.changes()[-1:] == [False], 20)
    database.run("alter table chard.task_away rename to task")
    assert store.wait(numbers, 40)[0]["result"] == "DONE"


def test_a_read_only_server_refuses_nobody(ready_url, opened, wait_until):
    name = Database(ready_url).value("select current_database()")
    store, database = opened(ready_url), Database(ready_url)
    store.ask(*claims(["a"]))
    database.run(f"alter database {name} set default_transaction_read_only = on")
    database.run("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'w1'")
    numbers = store.send(*commits(["a"]))
    wait_until(lambda: store.changes()[-1:] == [False], 20)
    with database.connect() as admin:
        admin.execute("set transaction_read_only = off")
        admin.execute("set default_transaction_read_only = off")
        admin.execute(f"alter database {name} reset default_transaction_read_only")
    assert store.wait(numbers, 40)[0]["result"] == "DONE"


def one_of_each():
    """A call of every verb that writes."""
    letter = {"do": "dead_file", "key": str(uuid.uuid4()), "task_id": "f", "queue": "q"}
    return claims(["a"]) + commits(["b"]) + [
        {"do": "fail", "id": "c"}, {"do": "fail", "id": "d", "again": {"in_ms": 60000}}, {"do": "schedule", "in_ms": 60000},
        {"do": "give_back", "id": "e", "again": {"in_ms": 60000}}, {"do": "revoke", "id": "g"}, letter]


LOCK = ("lock table chard.task, chard.event, chard.job, chard.scheduled, chard.dead_letter in exclusive mode",)
TRIGGERS = tuple(f"create trigger t before insert or update on chard.{table} for each row execute function refuse()"
                 for table in ("task", "event", "scheduled", "dead_letter"))


def refusing(database, sqlstate, when="true"):
    database.run("create sequence refusals")
    database.run(f"create function refuse() returns trigger language plpgsql as $$ begin if {when} then perform nextval('refusals');"
                 f" raise 'no' using errcode = '{sqlstate}'; end if; return new; end $$")


@pytest.mark.parametrize("trouble", ["lock", "XX000", "53100", "42501", "ZZ999"])
def test_what_is_not_about_the_data_waits_however_often_it_fails(ready_url, opened, wait_until, trouble):
    """Every verb; more tries than any number that once was enough to refuse; one loss and one return."""
    store, database = opened(ready_url, answer_timeout_ms=400), Database(ready_url)
    store.ask(*claims(["warm"]), *commits(["up"]), {"do": "give_back", "id": "none"})
    with database.connect(autocommit=False) as blocker:
        if trouble == "lock":
            blocker.execute(*LOCK)
        else:
            refusing(database, trouble)
            for trigger in TRIGGERS:
                database.run(trigger)
        numbers = store.send(*one_of_each())
        wait_until(lambda: store.changes() == [False], 10, "the loss is told")
        time_over = time.monotonic() + 2.5
        wait_until(lambda: time.monotonic() > time_over)
        assert not [store.answers[n] for n in numbers if n in store.answers] and store.changes() == [False]
        if trouble != "lock":
            assert database.value("select last_value from refusals") < 300, "it rests between its tries"
            database.run("drop function refuse() cascade")
        blocker.rollback()
    answers = store.wait(numbers, 20)
    assert [a.get("verdict", a.get("result")) for a in answers] == ["GRANTED"] + ["DONE"] * 7
    wait_until(lambda: store.changes() == [False, True] and store.up(), 5, "the return is told once")


@pytest.mark.parametrize("how", ["row locked", "XX000"])
def test_one_that_alone_can_not_be_stored_holds_nobody_up(ready_url, opened, wait_until, how):
    store, database = opened(ready_url, answer_timeout_ms=400), Database(ready_url)
    ids = [f"t{n}" for n in range(50)]
    store.ask(*claims(ids))
    with database.connect(autocommit=False) as blocker:
        if how == "row locked":
            blocker.execute("select from chard.task where id = 't7' for update")
        else:
            refusing(database, how, "new.id = 't7'")
            database.run(TRIGGERS[0])
        numbers = store.send(*commits(ids))
        others = [n for n, id in zip(numbers, ids) if id != "t7"]
        assert {a["result"] for a in store.wait(others, 20)} == {"DONE"}
        wait_until(lambda: "t7 can't be stored, and waits alone" in "".join(store._errors), 20, "it is told")
        for round in range(3):
            assert store.one("commit", id=f"more{round}", result={})["result"] == "DONE"
            assert store.up()
        assert numbers[7] not in store.answers
        database.run("drop function if exists refuse() cascade")
        blocker.rollback()
    assert store.wait([numbers[7]], 20)[0]["result"] == "DONE"
    every = "".join(store._errors)
    assert every.count("t7 can't be stored") == 1


@pytest.mark.parametrize("do", ["owed_take", "job_cancel", "job"])
def test_what_only_asks_is_refused_after_a_few_tries(ready_url, opened, do):
    store, database = opened(ready_url), Database(ready_url)
    store.ask(*claims(["warm"]), *commits(["up"]))
    for table in ("task", "owed_result"):
        database.run(f"alter table chard.{table} rename to {table}_away")
    answer = store.one(do, id="a")
    assert answer["why"]["code"] == "refused" and "does not exist" in answer["why"]["text"] and store.changes() == []


def test_jobs_are_cancelled_as_a_set(ready_url, opened):
    store = opened(ready_url)
    ids = [f"j{n % 80}" for n in range(100)]
    store.ask(*claims(sorted(set(ids))))
    answers = store.ask(*[{"do": "job_cancel", "id": id} for id in ids])
    assert {a["value"]["state"] for a in answers} == {"REVOKED"} and sum(a["value"]["revoked"] for a in answers) == 80
    assert Database(ready_url).value("select count(*) from chard.task where state = 'REVOKED'") == 80


# --- opening ------------------------------------------------------------------------------------------

SECRET = "s3cr3t-p4ss"


@pytest.mark.parametrize("url, code", [
    (f"postgresql://u:{SECRET}@127.0.0.1:1/x", "unreachable"),
    (f"postgresql://u:{SECRET}@127.0.0.1:notaport/x", "bad_url"),
    (f"postgresql://u:{SECRET}@127.0.0.1:99999/x", "bad_url"),
    (f"postgresql://u:{SECRET}%zz@127.0.0.1/x", "bad_url"),
    (f"postgresql://u:{SECRET}@[::1/x", "bad_url"),
    (f"postgresql://u:{SECRET}@127.0.0.1:1/x?nonsense={SECRET}", "bad_url"),
    (f"mysql://u:{SECRET}@127.0.0.1/x", "bad_url"),
    (f"{SECRET}", "bad_url"),
    ("", "bad_url"),
])
def test_a_url_that_leads_nowhere_says_so_without_its_password(url, code):
    store = Store(url)
    status, errors = store.end()
    assert (status, store.first["rc"], store.first["why"]["code"]) == (3, 1, code)
    assert store.first["why"]["text"]
    assert SECRET not in json.dumps(store.heard) + errors
    assert migrate(url)[1]["why"]["code"] == code and SECRET not in json.dumps(migrate(url))


def test_a_wrong_password_is_not_repeated_in_the_complaint(postgres):
    url = postgres.url.replace("@", SECRET + "@")
    store = Store(url)
    store.end()
    assert store.first["why"]["code"] == "unreachable" and "password authentication failed" in store.first["why"]["text"]
    assert SECRET not in json.dumps(store.heard)


def test_a_server_that_does_not_answer_is_given_up_in_time(toxic, postgres):
    link = toxic(postgres.port)
    link.half_open()
    started = time.monotonic()
    store = Store(link.url(postgres.url))
    store.end()
    assert store.first["why"]["code"] == "unreachable" and time.monotonic() - started < 8


def test_of_several_hosts_one_that_serves_is_used(ready_url, opened):
    first = ready_url.replace("@127.0.0.1:", "@127.0.0.1:1,127.0.0.1:")
    assert opened(first).first == {"heard": "open"}


def test_the_schema_must_be_of_this_version(store_url, database):
    assert Store(store_url).first["why"]["code"] == "schema_missing"
    migrate(store_url)
    newest = database.value("select max(version) from chard.schema_version")
    database.run("insert into chard.schema_version values (%s, 'later.sql', 'x')", newest + 1)
    assert Store(store_url).first["why"]["code"] == "schema_too_new"
    assert migrate(store_url)[1]["why"]["code"] == "schema_too_new"
    database.run("delete from chard.schema_version where version >= %s", newest)
    assert Store(store_url).first["why"]["code"] == "schema_too_old"


@pytest.mark.parametrize("table", ["outbox", "event", "job", "task"])
@pytest.mark.parametrize("command", ["worker", "keep", "gateway"])
def test_a_start_behind_a_lock_says_so(chard, database, command, table):
    chard.prepare()
    with database.connect(autocommit=False) as blocker:
        blocker.execute(f"lock table chard.{table} in access exclusive mode")
        done = chard.run(command, "--connect-timeout-ms", "300", check=3)
    assert "is one of chard's tables locked?" in done.stderr


def test_a_keeper_that_starts_behind_a_lock_on_dead_letters_says_so_and_waits(chard, database, queues, wait_until):
    """It opens the connection for them when it wants it."""
    chard.prepare()
    with database.connect(autocommit=False) as blocker:
        blocker.execute("lock table chard.dead_letter in access exclusive mode")
        bury(queues)
        keeper = chard.start("keep", "--connect-timeout-ms", "300")
        keeper.wait_log("is one of chard's tables locked\\?")
    wait_until(lambda: database.value("select count(*) from chard.dead_letter") == 1)
    keeper.terminate()
    assert keeper.wait() == 0
