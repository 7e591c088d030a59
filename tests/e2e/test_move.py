# SPDX-License-Identifier: Apache-2.0
"""`chard move`: from one file to servers, with nothing lost and nothing run twice, however often it is run."""

import contextlib
import json
import re
import signal
import sqlite3
import time

import pytest
import redis
from support import jobs
from support.program import ROOT, Chard
from support.store import Backend
from support.waiting import wait_until as wait


@pytest.fixture
def file(tmp_path):
    return tmp_path / "chard.db"


@pytest.fixture
def small(file):
    """chard on one file."""
    return Chard(ROOT / "build/asan/chard", {"CHARD_BROKER_URL": f"embedded:{file}", "CHARD_STORE_URL": f"sqlite:{file}",
                                             "CHARD_AI_PROVIDER": "offline"})


def move(chard, file, **options):
    """The servers' URLs come from the environment, where no `ps` shows their passwords."""
    return chard.run("move", "--from", f"sqlite:{file}", **options)


def moved(done):
    """{kind: how many arrived}"""
    return {line.split("  ")[0].strip(): int(re.search(r"(\d+) moved", line)[1])
            for line in done.stdout.splitlines() if " moved" in line}


def work_off(chard, ids, deadline=60):
    """Runs a worker until these jobs have ended; {id: state}."""
    with chard.worker():
        return {id: wait_for_end(chard, id, deadline) for id in ids}


def wait_for_end(chard, id, deadline):
    def state():
        done = chard.run("job", id, "--json")
        found = json.loads(done.stdout)["state"] if done.stdout else None
        return found if found in ("SUCCESS", "FAILURE") else None

    return wait(state, deadline, f"the end of {id}")


def submit_chat(chard, n, **values):
    return jobs.submit(chard, "chat", user_id=f"u{n}", text=f"Where does a milk carton go? {n}", lang="en", **values)


def test_everything_arrives(small, chard, database, file):
    small.run("migrate", check=0)
    small.run("topology", "apply", check=0)
    finished = [jobs.submit_scan(small), jobs.submit(small, "my", **jobs.example("my-profile.json")["input"])]
    assert set(work_off(small, finished).values()) == {"SUCCESS"}
    Backend(f"sqlite:{file}").database.run("insert into fact (kind, owner, key, task_id, value) values ('character', 'u1', 'char-petty', 't', 'true')")
    before = {id: json.loads(small.run("job", id, "--json").stdout) for id in finished}
    events = [json.loads(line) for line in small.run("events", "--json").stdout.splitlines()]
    waiting = [submit_chat(small, n) for n in range(5)]
    with contextlib.closing(sqlite3.connect(file)) as look:
        granted = look.execute("select user_id, code, task_id from character_owned").fetchall()
        profiles = {user: json.loads(fields) for user, fields in look.execute("select user_id, fields from profile")}
    assert len(granted) == 1 and sorted(profiles) == ["user-james", "user-minji"]
    done = move(chard, file, check=0)
    assert moved(done)["facts"] == 5
    assert [tuple(row.values()) for row in database.rows("select user_id, code, task_id from chard.character_owned")] == granted
    assert {row["user_id"]: row["fields"] for row in database.rows("select user_id, fields from chard.profile")} == profiles
    assert moved(done)["messages"] == 5 and moved(done)["jobs"] == 2 and moved(done)["events"] == len(events)

    after = {id: json.loads(chard.run("job", id, "--json").stdout) for id in finished}
    for id in finished:
        assert after[id]["document"] == before[id]["document"] and after[id]["state"] == "SUCCESS"
        assert [(task["name"], task["state"]) for task in after[id]["tasks"]] == [(task["name"], task["state"]) for task in before[id]["tasks"]]
        assert after[id]["created_at"] == before[id]["created_at"]
    carried = [json.loads(line) for line in chard.run("events", "--json").stdout.splitlines()]
    assert [(e["id"], e["type"], e["payload"]) for e in carried] == [(e["id"], e["type"], e["payload"]) for e in events]
    assert set(work_off(chard, waiting).values()) == {"SUCCESS"}
    assert database.value("select count(*) from chard.outbox") == len(events) + 2 * len(waiting)


def test_again_moves_nothing_twice(small, chard, database, queues, file):
    small.run("migrate", check=0)
    small.run("topology", "apply", check=0)
    first = submit_chat(small, 1)
    work_off(small, [first])
    submit_chat(small, 2)
    move(chard, file, check=0)
    again = moved(move(chard, file, check=0))
    assert set(again.values()) == {0}
    assert queues.depth("chat.classify") == 1
    assert database.value("select count(*) from chard.outbox") == 2


@pytest.mark.bare
def test_queues_that_others_declare_are_left_to_them(small, chard, file, queues):
    """A client's own classic queue is filled as it stands there; one that nobody has declared yet takes nothing, and what is for it stays in the file."""
    small.run("migrate", check=0)
    small.run("topology", "apply", check=0)
    submit_chat(small, 1)
    chard.settings["CHARD_DECLARE_QUEUES"] = "no"
    assert "would not take a message of chat.classify" in move(chard, file, check=1).stderr and not queues.exists("chat.classify")
    with queues.channel() as channel:
        channel.queue_declare("chat.classify", durable=True, auto_delete=False, arguments={"x-queue-type": "classic"})
    assert moved(move(chard, file, check=0))["messages"] == 1
    assert queues.depth("chat.classify") == 1 and not queues.exists("chat.answer") and queues.exists("chat.answer.dead")


def test_the_servers_urls_come_from_files(small, chard, file, tmp_path, queues):
    """Where no `ps` and no /proc/PID/environ shows their passwords."""
    small.run("migrate", check=0)
    small.run("topology", "apply", check=0)
    submit_chat(small, 1)
    for name in ("CHARD_STORE_URL", "CHARD_BROKER_URL"):
        (tmp_path / name).write_text(chard.settings.pop(name) + "\n")
        chard.settings[f"{name}_FILE"] = str(tmp_path / name)
    assert moved(move(chard, file, check=0))["messages"] == 1
    assert queues.depth("chat.classify") == 1


def test_a_retry_that_waits_is_carried(small, chard, database, provider, reply, file):
    provider.behave = lambda request: reply.failure(500)
    small.settings |= provider.settings()
    small.run("migrate", check=0)
    small.run("topology", "apply", check=0)
    id = submit_chat(small, 1)
    with small.worker() as worker:
        worker.wait_log("again in")
    move(chard, file, check=0)
    assert database.value("select count(*) from chard.scheduled") == 1
    with contextlib.closing(sqlite3.connect(file)) as look:
        assert look.execute("select count(*) from scheduled").fetchone() == (0,)
    assert work_off(chard, [id]) == {id: "SUCCESS"}


def test_results_that_are_owed_are_carried(small, chard, database, private_redis, file):
    """Owed while Redis was away, told by whoever has one after the move."""
    server = private_redis()
    small.run("migrate", check=0)
    small.run("topology", "apply", check=0)
    server.kill()
    id = submit_chat(small, 1)
    with contextlib.closing(sqlite3.connect(file)) as look, small.worker(result_url=server.url):
        def owed():
            return look.execute("select count(*) from owed_result").fetchone()[0]
        wait_for_end(small, id, 60)
        count = wait(lambda: owed() >= 2 and owed(), 30, "the results of both tasks are owed")
    move(chard, file, check=0)
    assert database.value("select count(*) from chard.owed_result") == count
    server.start()
    with chard.worker(result_url=server.url), redis.Redis.from_url(server.url) as store:
        wait(lambda: database.value("select count(*) from chard.owed_result") == 0, 30, "they are told")
        assert json.loads(store.get(f"celery-task-meta-{id}"))["status"] == "SUCCESS"


@pytest.mark.parametrize("frozen", [False, True])
def test_a_file_in_use_is_left_alone(small, chard, database, file, frozen):
    """Whether it works or is stopped: the lock that it holds says so."""
    small.run("migrate", check=0)
    small.run("topology", "apply", check=0)
    with small.worker(name="chard@busy") as worker:
        worker.signal(signal.SIGSTOP if frozen else signal.SIGCONT)
        done = move(chard, file, check=2, env={"CHARD_CONNECT_TIMEOUT_MS": 1000})
        worker.signal(signal.SIGCONT)
    assert "in use" in done.stderr and "stop" in done.stderr
    assert database.value("select to_regclass('chard.task')::text") is None


def test_nobody_else_gets_in_meanwhile(small, chard, file):
    small.run("migrate", check=0)
    small.run("topology", "apply", check=0)
    jobs.submit_many(small, "chat", [{"user_id": f"u{n}", "text": f"a milk carton {n}", "lang": "en"} for n in range(2000)])
    running = chard.start("move", "--from", f"sqlite:{file}", "--to", chard.settings["CHARD_STORE_URL"],
                          "--broker", chard.settings["CHARD_BROKER_URL"])
    wait(lambda: any("jobs" in line for line in running.out) or not running.running(), what="it moves")
    running.signal(signal.SIGSTOP)  # so that it is at it for as long as the other one tries
    other = small.run("worker", env={"CHARD_CONNECT_TIMEOUT_MS": 100}, timeout=90)
    running.signal(signal.SIGCONT)
    assert running.wait() == 0
    assert other.returncode == 3 and "lock" in other.stderr


def test_what_went_on_between_two_times_counts(small, chard, database, provider, reply, file):
    """Moved as it ran, then finished here: the later word is the one that stays."""
    provider.behave = lambda _request: reply.hanging()
    small.settings |= provider.settings()
    small.run("migrate", check=0)
    small.run("topology", "apply", check=0)
    id = submit_chat(small, 1)
    with small.worker(name="chard@first") as worker:
        worker.expected = {-9}
        wait(lambda: provider.in_flight == 1)
        worker.kill()
    done = chard.run("move", "--from", f"sqlite:{file}", "--to", chard.settings["CHARD_STORE_URL"], "--broker", "amqp://127.0.0.1:1/")
    assert done.returncode == 3 and done.stdout == ""  # nothing moves before both ends answer
    chard.run("migrate", check=0)
    database.run("insert into chard.job (root_id, pipeline, updated_at) values (%s, 'chat', now() - interval '1 hour')", id)
    database.run("insert into chard.task (id, root_id, name, state, created_at, started_at)"
                 " values (%s, %s, 'chat.classify', 'STARTED', now() - interval '1 hour', now() - interval '1 hour')", id, id)
    with small.worker(name="chard@first", ai_provider="offline"):
        wait_for_end(small, id, 60)
    move(chard, file, check=0)
    assert json.loads(chard.run("job", id, "--json").stdout)["state"] == "SUCCESS"
    assert database.value("select state from chard.task where id = %s", id) == "SUCCESS"


def test_two_files_into_one_place(chard, database, tmp_path):
    """Both speak of the same users: the events of both are there."""
    for name in "a", "b":
        one = Chard(ROOT / "build/asan/chard", {"CHARD_BROKER_URL": f"embedded:{tmp_path}/{name}.db", "CHARD_STORE_URL": f"sqlite:{tmp_path}/{name}.db",
                                                "CHARD_AI_PROVIDER": "offline"})
        one.run("migrate", check=0)
        one.run("topology", "apply", check=0)
        assert set(work_off(one, [jobs.submit(one, "my", **jobs.example("my-profile.json")["input"])]).values()) == {"SUCCESS"}
        with contextlib.closing(sqlite3.connect(tmp_path / f"{name}.db", isolation_level=None)) as look:
            now = int(time.time() * 1e6)
            look.execute("insert into inbox (consumer, event_id, at) values ('points', ?, ?)", [name, now])
            look.execute("insert into once (key, fingerprint, job_id, token, until, created_at, done) values (?, 'f', 'j', 't', ?, ?, ?)", [name, now, now, name == "b"])
            look.execute("insert into api_key (id, name, digest, scopes, created_at, revoked_at) values (?, 'n', 'd', 'read', ?, ?)", [name, now, now if name == "b" else None])
            look.execute("insert into webhook (id, job_id, url, state, created_at) values (?, 'j', ?, 'waiting', ?)", [name, f"https://{name}.example", now])
        first, again = [moved(move(chard, tmp_path / f"{name}.db", check=0)) for _ in range(2)]
        kinds = "events", "inbox rows", "request keys", "API keys", "webhooks"
        assert [first[kind] for kind in kinds] == [2, 1, 1, 1, 1] and [again[kind] for kind in kinds] == [0] * 5
    assert database.value("select count(*) from chard.outbox") == 4
    assert database.value("select string_agg(event_id, '' order by event_id) from chard.inbox") == "ab"
    assert [row["done"] for row in database.rows("select done from chard.once order by key")] == [False, True]
    assert [row["revoked_at"] is None for row in database.rows("select revoked_at from chard.api_key order by id")] == [True, False]
    assert [row["url"] for row in database.rows("select url from chard.webhook order by id")] == ["https://a.example", "https://b.example"]
    assert database.value("select count(distinct (aggregate_id, version)) from chard.event") == 4


def test_messages_of_unknown_queues_are_named(small, chard, file):
    small.run("migrate", check=0)
    small.run("topology", "apply", check=0)
    submit_chat(small, 1)
    with contextlib.closing(sqlite3.connect(file, isolation_level=None)) as edit:
        edit.execute("update broker_queue set name = 'text.count' where name = 'chat.classify'")
    done = move(chard, file, check=1)
    assert "CHARD_TASKS" in done.stderr and "all of" not in done.stdout


def test_killed_in_the_middle_it_goes_on(small, chard, database, file, wait_until):
    """Each message is there before it is gone here; what arrives twice runs once."""
    small.run("migrate", check=0)
    small.run("topology", "apply", check=0)
    ids = jobs.submit_many(small, "chat", [{"user_id": f"u{n}", "text": f"a milk carton {n}", "lang": "en"} for n in range(3000)])
    for _ in range(3):
        running = chard.start("move", "--from", f"sqlite:{file}", "--to", chard.settings["CHARD_STORE_URL"],
                              "--broker", chard.settings["CHARD_BROKER_URL"])
        wait_until(lambda: any("scheduled" in line for line in running.out) or not running.running(), what="the rows' end")
        running.kill()
    move(chard, file, check=0, timeout=120)
    with chard.worker():
        assert set(jobs.ended(database, ids, 120).values()) == {"SUCCESS"}
    assert database.value("select count(*) from chard.outbox") == 6000


def test_dead_letters_come_along(small, chard, database, queues, file):
    small.run("migrate", check=0)
    small.run("topology", "apply", check=0)
    ids = [jobs.submit_scan(small, image_url=f"nonsense {n}") for n in range(3)]
    assert set(work_off(small, ids).values()) == {"FAILURE"}
    keep(small, lambda: len(listed(small)) == 3)
    first = listed(small)[0]
    small.run("dlq", "discard", first["entry"], "--yes", "--reason", "not worth it", check=0)
    waits = jobs.submit_scan(small, image_url="nonsense too")
    assert work_off(small, [waits]) == {waits: "FAILURE"}  # its letter is still in the queue
    move(chard, file, check=0)
    assert {letter["job"] for letter in listed(chard)} == set(ids) - {first["job"]}
    assert [letter["job"] for letter in listed(chard, "discarded")] == [first["job"]]
    gone = chard.run("dlq", "show", listed(chard, "discarded")[0]["entry"], check=0).stdout
    assert "not worth it" in gone
    assert listed(small) == [] and queues.depth("scan.vision.dead") == 1
    keep(chard, lambda: len(listed(chard)) == 3)


def listed(chard, state="kept"):
    return json.loads(chard.run("dlq", "ls", "--json", "--state", state, check=0).stdout)["entries"]


def keep(chard, until):
    keeper = chard.start("dlq", "keep")
    wait(until, 30, "the letters are kept")
    keeper.terminate()
    assert keeper.wait() == 0


@pytest.mark.parametrize("words, told", [
    ([], "--from"),
    (["--from", "postgresql://x/y", "--to", "postgresql://x/z", "--broker", "amqp://x"], "sqlite:FILE"),
    (["--from", "sqlite:/nowhere/x.db", "--to", "postgresql://x/z", "--broker", "amqp://x"], "/nowhere/x.db"),
])
def test_a_mistake_is_named(chard_bare, words, told):
    done = chard_bare.run("move", *words, check=2)
    assert told in done.stderr and done.stdout == ""
