# SPDX-License-Identifier: Apache-2.0
"""Jobs as those see them who do not run them: found by any id, listed, followed live, cancelled; on servers and on one file."""

import concurrent.futures
import datetime
import json
import random
import re
import subprocess
import threading
import time

import pytest
from support import jobs
from support.place import PLACES
from support.program import OPTIONS, die_with_parent, plain_environment
from support.store import DRIVERS, Store
from test_dlq import keeping

place = pytest.fixture(params=PLACES)(lambda request: request.param)


class Following:
    """The driver, following jobs from positions on: {job: after}."""

    def __init__(self, url, afters):
        self.process = subprocess.Popen([DRIVERS / "jobs_driver", url], text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        env=plain_environment() | OPTIONS, preexec_fn=die_with_parent)
        self.process.stdin.write("".join(f"{job} {after}\n" for job, after in afters.items()))
        self.process.stdin.close()
        assert self.process.stdout.readline() == "ready\n"

    def steps(self):
        """All that it told until every job had ended."""
        told = [json.loads(line) for line in self.process.stdout]
        assert self.process.wait(60) == 0
        return told


def follow(url, afters):
    return Following(url, afters).steps()


def of(steps, job):
    return [{key: step[key] for key in ("position", "kind", "task_id", "name", "state", "attempt")} for step in steps if step["job"] == job]


def chats(chard, count):
    return jobs.submit_many(chard, "chat", [{"user_id": f"u{n % 3}", "text": f"a milk carton {n}", "lang": "en"} for n in range(count)])


def latencies(steps):
    """Milliseconds from what a step's row says to its being heard in the other process."""
    from datetime import datetime
    return sorted(step["heard_ms"] - datetime.fromisoformat(step["at"]).timestamp() * 1000 for step in steps)


def test_following_is_live_and_comes_back_without_a_gap_or_a_repeat(chard, store_url):
    chard.prepare()
    ids = chats(chard, 30)
    following = Following(store_url, dict.fromkeys(ids, 0))
    with chard.worker():
        told = following.steps()
    for job in ids:
        steps = of(told, job)
        assert [step["position"] for step in steps] == list(range(1, len(steps) + 1))
        shown = [(step["name"], step["state"]) for step in steps]
        assert shown == [("chat.classify", "STARTED"), ("chat.classify", "SUCCESS"), ("ChatClassified", ""),
                         ("chat.answer", "STARTED"), ("chat.answer", "SUCCESS"), ("ChatAnswered", ""), ("chat", "SUCCESS")]
    # Who comes back from any position, in another process, hears the rest.
    afters = {job: random.randrange(7) for job in ids}
    again = follow(store_url, afters)
    assert all(of(again, job) == of(told, job)[after:] for job, after in afters.items())


class Watching:
    """Somebody who asks the store's own tables every 15 ms which tasks have ended: how late one hears of it at that moment without any of this.
    Of a file in turn with its writers, because a step's number is written, and SQLite has one writer at a time."""

    def __init__(self, database, locks):
        self.database, self.locks, self.late, self.over = database, locks, {}, threading.Event()
        self.thread = threading.Thread(target=self.ask)

    def rows(self):
        if self.locks:
            with self.database.connect() as connection:
                connection.execute("begin immediate")
                connection.execute("commit")
        return self.database.rows("select id, finished_at from chard.task where state = 'SUCCESS'")

    def ask(self):
        while not self.over.wait(0.015):
            rows = self.rows()
            now = time.time() * 1000
            for row in rows:
                at = row["finished_at"]
                self.late.setdefault(row["id"], now - (at / 1000 if isinstance(at, int) else at.timestamp() * 1000))

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()


def test_a_step_shows_in_another_process_at_once(chard, store_url, database, place, record_property):
    """While the jobs run. How soon is a row of `make bench` (F1); here it only must not be a matter of seconds."""
    def p95(values):
        return sorted(values)[len(values) * 95 // 100]

    chard.prepare()
    ids = chats(chard, 60)
    following = Following(store_url, dict.fromkeys(ids, 0))
    with chard.worker(slots=1), Watching(database, place == "file") as watching:
        steps = following.steps()
    heard, seen = p95(latencies([step for step in steps if step["kind"] == "task" and step["state"] == "SUCCESS"])), p95(watching.late.values())
    record_property("follow_ms", f"p95 {heard:.1f}; who asks the tables {seen:.1f}")
    print(f"{place}: heard after {heard:.1f} ms (p95); who asks the tables hears after {seen:.1f} ms")
    assert heard < 1000 + 2 * seen


MANY_STEPS = {  # of as many jobs, and one more, as one transaction forgets
    "postgresql": "insert into chard.job_step (root_id, position, at, key, kind, name, state)"
                  " select 'job' || n, 1, now() - interval '8 days', 'job', 'job', 'chat', 'SUCCESS' from generate_series(1, 20001) n",
    "sqlite": "with recursive many(n) as (select 1 union all select n + 1 from many where n < 20001)"
              " insert into job_step (root_id, position, at, key, kind, name, state) select 'job' || n, 1, 1000000, 'job', 'job', 'chat', 'SUCCESS' from many"}


def test_steps_are_forgotten_a_week_after_the_end(chard, store_url, database, place):
    chard.prepare()
    with chard.worker():
        old, young = chats(chard, 2)
        jobs.ended(database, [old, young])
    told = follow(store_url, {old: 0, young: 0})
    if place == "servers":
        database.run("update chard.job_step set at = at - interval '8 days' where root_id = %s", old)
    else:
        database.run("update chard.job_step set at = at - 8 * 86400000000 where root_id = %s", old)
    database.run(MANY_STEPS[database.name])
    store = Store(store_url)
    assert store.one("maintain")["result"] == "DONE" and store.end()[0] == 0
    assert database.rows("select distinct root_id from chard.job_step") == [{"root_id": young}]
    assert [of(follow(store_url, {job: 2}), job) for job in (old, young)] == [of(told, job)[2:] for job in (old, young)]


def test_who_looks_only_afterwards_hears_the_same(chard, store_url, database):
    """Nobody followed while it happened: steps are made up for, in the order in which they were."""
    chard.prepare()
    with chard.worker():
        ids = chats(chard, 3)
        jobs.ended(database, ids)
    for job in ids:
        assert [(step["name"], step["state"]) for step in of(follow(store_url, {job: 0}), job)] == [
            ("chat.classify", "STARTED"), ("chat.classify", "SUCCESS"), ("ChatClassified", ""),
            ("chat.answer", "STARTED"), ("chat.answer", "SUCCESS"), ("ChatAnswered", ""), ("chat", "SUCCESS")]


LONG = {  # what somebody does and does not end: in a file, which has one writer, he reads
    "postgresql": ["insert into chard.outbox (id, aggregatetype, aggregateid, type, payload) values (gen_random_uuid(), 'x', 'x', 'Slow', '{}')"],
    "sqlite": ["begin", "select * from task"],
}


def test_somebodys_long_transaction_holds_nobody_up(chard, store_url, database):
    chard.prepare()
    ids = chats(chard, 2)
    with database.connect(**({"autocommit": False} if database.name == "postgresql" else {})) as slow:
        for statement in LONG[database.name]:
            rows = slow.execute(statement)
        with chard.worker():
            told = follow(store_url, dict.fromkeys(ids, 0))  # ends, though the transaction does not
        del rows
        slow.rollback()
    assert all(of(told, job)[-1]["state"] == "SUCCESS" for job in ids)


# ---- finding and listing ----


def test_any_id_leads_to_its_job(chard, database):
    chard.prepare()
    with chard.worker():
        first, second = chats(chard, 2)
        jobs.ended(database, [first, second])
    last = database.value("select id from chard.task where root_id = %s and id <> root_id", first)
    for text in (first, last, first[:8], last[:8]):
        assert json.loads(chard.run("job", text, "--json", check=0).stdout)["id"] == first
    for job, name in ((first, "same-1"), (second, "same-2")):
        database.run("update chard.task set id = %s where root_id = %s and id <> root_id", name, job)
    both = chard.run("job", "same-", check=2)
    assert first in both.stdout and second in both.stdout and "2 jobs" in both.stderr
    assert chard.run("job", "same-2").stdout.startswith(f"job {second}")
    assert chard.run("job", "same-3", check=1).stdout == ""


def test_an_id_in_the_chain_of_a_job_that_still_runs(chard, database, provider, reply, wait_until):
    chard.prepare()
    chard.settings |= provider.settings() | {"CHARD_AI_PROVIDER": "openai"}
    provider.behave = reply.sequence(reply.fitting, then=reply.always(reply.hanging()))
    with chard.worker(grace_ms=0):
        job, = chats(chard, 1)
        wait_until(lambda: len(provider.requests) == 2, what="the second step is under way")
        last = database.value("select id from chard.task where root_id = %s and id <> root_id", job)
    database.run("delete from chard.task where id = %s", last)  # as before anybody claimed it
    assert json.loads(chard.run("job", last, "--json", check=0).stdout)["id"] == job


def test_jobs_are_listed_and_filtered(chard, database):
    chard.prepare()
    with chard.worker():
        ids = chats(chard, 5)
        mine = jobs.submit(chard, "my", updates=[{"user_id": "u9", "field": "lang", "value": "en"}])
        jobs.ended(database, [*ids, mine])
    waiting = set(chats(chard, 1))

    def listed(*words):
        return [json.loads(line) for line in chard.run("jobs", "--json", *words, check=0).stdout.splitlines()]

    def named(*words):
        return {row["id"] for row in listed(*words) if "id" in row}

    assert named() == {*ids, mine} and not named() & waiting  # one that nobody has begun has no row
    assert [row["created_at"] for row in listed()] == sorted((row["created_at"] for row in listed()), reverse=True)
    assert named("--pipeline", "my") == {mine}
    assert named("--user", "u1") == {ids[1], ids[4]}
    assert named("--task", "chat.answer", "--text", "CARTON 3") == {ids[3]}
    assert named("--state", "success", "--since", "1h") == {*ids, mine} and named("--until", "1h") == set()
    assert named("--state", "unlucky") == set() == named("--state", "open")
    seen, words = [], []
    for _ in range(3):
        *page, rest = listed("--limit", "2", *words)
        seen += [row["id"] for row in ([*page, rest] if "id" in rest else page)]
        words = ["--cursor", rest.get("cursor", "")]
    assert sorted(seen) == sorted({*ids, mine}) and len(seen) == 6
    assert chard.run("jobs", "--cursor", "here").returncode == 2


MANY = {
    "postgresql": "insert into chard.job (root_id, pipeline, created_at, document) select 'job' || n, 'chat', now() - n * interval '1 s',"
                  " jsonb_build_object('text', case when n > 100000 then 'the needle' else 'hay' end) from generate_series(1, 105001) as n",
    "sqlite": "with recursive many(n) as (select 1 union all select n + 1 from many where n < 105001)"
              " insert into job (root_id, pipeline, created_at, updated_at, document) select 'job' || n, 'chat', 1900000000000000 - n * 1000000,"
              " 0, json_object('text', iif(n > 100000, 'the needle', 'hay')) from many"}


AGED = {"postgresql": "insert into chard.job (root_id, created_at) values (%s, to_timestamp(%s))",
        "sqlite": "insert into job (root_id, created_at, updated_at) values (?, cast(? * 1000000 as integer), 0)"}


def test_jobs_of_any_age_are_listed_in_order(chard, database):
    """A burst of one moment, some at each end of the stretches of time that PostgreSQL is asked for one after the other, old ones, one of the future."""
    chard.prepare()
    now = int(time.time())
    ages = [0] * 5 + [1, 1, 2, 9, 9, 10, 73, 585, 86400, 40 * 86400, 9 * 365 * 86400, 50 * 365 * 86400, -3600]
    rows = sorted(((now - age, f"job{n:02}") for n, age in enumerate(ages)), reverse=True)
    for at, name in rows:
        database.run(AGED[database.name], name, at)
    if database.name == "postgresql":
        database.run(f'alter database "{database.value("select current_database()")}" set enable_seqscan = off')  # as with many rows
    seen, words = [], []
    while words is not None:
        said = chard.run("jobs", "--json", "--limit", "4", *words, check=0).stdout.splitlines()
        page = [json.loads(line) for line in said]
        seen += [row["id"] for row in page if "id" in row]
        words = next((["--cursor", row["cursor"]] for row in page if row.get("cursor")), None)
    assert seen == [name for _, name in rows]
    since = chard.run("jobs", "--json", "--since", "30d", "--until", "1m", check=0).stdout.splitlines()
    assert [json.loads(line)["id"] for line in since] == [name for at, name in rows if 60 < now - at < 30 * 86400]


def test_a_search_that_finds_little_ends(chard, database):
    """It says how far it looked, and goes on from there, or looks at all."""
    chard.prepare()
    database.run(MANY[database.name])
    search = ("jobs", "--text", "needle", "--limit", "1")
    short = chard.run(*search, check=0)
    said = re.fullmatch(r"looked at 100000 jobs; further back: --cursor (\S+), or --all at once\n", short.stderr)
    assert short.stdout == "" and said, short
    for words in (["--cursor", said[1]], ["--all"]):
        assert chard.run(*search, *words, check=0).stdout.startswith("job100001 ")
    assert json.loads(chard.run(*search, "--json", check=0).stdout) == {"cursor": said[1]}


# ---- cancelling ----


def test_what_waits_is_revoked(chard, database, queues, wait_until):
    chard.prepare()
    job, other = chats(chard, 2)
    assert json.loads(chard.run("cancel", job, "--json", check=0).stdout) == {"id": job, "state": "REVOKED", "revoked": 1}
    assert json.loads(chard.run("job", job, "--json", check=None).stdout)["error"]["code"] == "cancelled"
    with chard.worker():
        jobs.ended(database, [other])
        wait_until(lambda: queues.depth("chat.classify") == 0, what="both messages are dealt with")
    assert database.value("select state from chard.job where root_id = %s", job) == "REVOKED"
    assert database.rows("select * from chard.event where root_id = %s", job) == []
    assert chard.run("cancel", other).returncode == 1
    assert chard.run("cancel", "zzz").returncode == 1


def test_branches_that_nobody_knows_of_yet_are_revoked_when_they_are_claimed(chard, database, queues, wait_until):
    """Another job's are not, nor those of one that was revoked but not as a whole."""
    chard.prepare()
    cancelled, revoked, other = (f"{n}" * 36 for n in range(3))
    for job in (cancelled, revoked):
        chard.run("cancel", job, check=0)
    database.run("update chard.job set error = null where root_id = %s", revoked)
    kwargs = {"user_id": "u1", "text": "a milk carton", "lang": "en"}
    body = json.dumps([[], kwargs, {"callbacks": None, "errbacks": None, "chain": None, "chord": None}]).encode()
    for job in (cancelled, revoked, other):
        headers = {"lang": "py", "task": "chat.classify", "id": job + "-branch", "root_id": job, "parent_id": job, "retries": 0}
        queues.publish("chat.classify", "chat.classify", body, headers, correlation_id=job + "-branch")
    with chard.worker():
        wait_until(lambda: len(database.rows("select id from chard.task where parent_id is not null and finished_at is not null")) == 3,
                   what="all are dealt with")
        wait_until(lambda: queues.depth("chat.classify") == 0, what="all are acked")
    states = {row["parent_id"]: row["state"] for row in database.rows("select parent_id, state from chard.task where parent_id is not null")}
    assert states == {cancelled: "REVOKED", revoked: "SUCCESS", other: "SUCCESS"}


@pytest.mark.parametrize("place", ["servers"])
def test_a_call_under_way_is_stopped(chard, database, provider, reply, queues, wait_until):
    """By Celery's own command to all workers, so that nobody pays for the answer."""
    chard.prepare()
    chard.settings |= provider.settings() | {"CHARD_AI_PROVIDER": "openai"}
    provider.behave = reply.always(reply.hanging())
    with chard.worker():
        job, = chats(chard, 1)
        wait_until(lambda: len(provider.requests) == 1 and provider.connections() == 1, what="the first step runs")
        chard.run("cancel", job, check=0)
        wait_until(lambda: provider.connections() == 0, 10, what="the call has ended")
        wait_until(lambda: queues.depth("chat.classify") == 0, 10, what="it is acked")
    assert database.value("select state from chard.task where id = %s", job) == "REVOKED" and provider.statuses == {}


@pytest.mark.parametrize("place", ["servers"])
def test_a_job_is_cancelled_without_the_broker(chard, database):
    chard.prepare()
    job, = chats(chard, 1)
    chard.settings["CHARD_BROKER_URL"] = "amqp://guest:guest@127.0.0.1:1//"
    chard.run("cancel", job, check=0)
    assert database.value("select state from chard.job where root_id = %s", job) == "REVOKED"


def test_what_runs_ends_without_effect(chard, database, provider, reply, queues, wait_until, place):
    chard.prepare()
    chard.settings |= provider.settings() | {"CHARD_AI_PROVIDER": "openai"}
    provider.behave = lambda request: reply.fitting(request, delay=3 if place == "file" else 30)  # there it is stopped
    with chard.worker():
        job, = chats(chard, 1)
        wait_until(lambda: len(provider.requests) == 1, what="the first step runs")
        chard.run("cancel", job[:12], check=0)
        wait_until(lambda: queues.depth("chat.classify") == 0, what="its reply has come, or its call was stopped")
        wait_until(lambda: database.value("select state from chard.task where id = %s", job) == "REVOKED", what="it is over")
    assert database.value("select state from chard.job where root_id = %s", job) == "REVOKED"
    assert database.rows("select * from chard.event where root_id = %s", job) == [] and len(provider.requests) == 1
    assert queues.depth("chat.answer") == 0


def test_cancelled_at_any_moment(chard, database, provider, reply, queues, wait_until):
    """While it is claimed, called, committed, passed on: what cancel said is how the job ends, and no step takes effect after it."""
    chance = random.Random(7)
    chard.prepare()
    chard.settings |= provider.settings() | {"CHARD_AI_PROVIDER": "openai"}
    provider.behave = lambda request: reply.fitting(request, delay=chance.uniform(0, 0.1))
    with chard.worker(slots=2), concurrent.futures.ThreadPoolExecutor(3) as pool:
        ids = chats(chard, 40)
        # Those that come last first, so that somewhere between they meet those that are running.
        said = dict(pool.map(lambda job: (job, chard.run("cancel", job).returncode), reversed(ids)))
        wait_until(lambda: queues.depth("chat.classify") == queues.depth("chat.answer") == 0, what="all is acked")
        wait_until(lambda: not database.rows("select root_id from chard.job where state not in ('SUCCESS', 'REVOKED')"), what="all have ended")
    states = {row["root_id"]: row["state"] for row in database.rows("select root_id, state from chard.job")}
    events = {job: [] for job in ids}
    for row in database.rows("select root_id, type from chard.event order by version"):
        events[row["root_id"]].append(row["type"])
    assert states == {job: "REVOKED" if said.get(job) == 0 else "SUCCESS" for job in ids}
    for job in ids:
        told = ["ChatClassified", "ChatAnswered"]
        assert events[job] == told if states[job] == "SUCCESS" else events[job] in ([], told[:1]), (job, states[job], events[job])
    assert {"SUCCESS", "REVOKED"} == set(states.values())


# ---- sending any task ----


def test_any_task_is_sent(chard, database, wait_until):
    chard.prepare()
    assert chard.run("send", "chat.classify", "user_id=u1", "text=a milk carton", "lang=en", "--id", "mine-1", check=0).stdout == "mine-1\n"
    late = chard.run("send", "chat.classify", "user_id=u1", "text=a can", "--countdown", "3600", check=0).stdout.strip()
    old = json.loads(chard.run("send", "chat.classify", "--kwargs", '{"user_id": "u1"}', "text=x", "--expires", "0", "--json", check=0).stdout)["id"]
    with chard.worker():
        assert jobs.ended(database, ["mine-1"]) == {"mine-1": "SUCCESS"}
        wait_until(lambda: database.rows("select * from chard.scheduled where task_id = %s", late), what="the later one waits in the schedule")
        shown = json.loads(chard.run("job", late[:13], "--json", check=0).stdout)
        assert shown["state"] == "PENDING" and shown["scheduled"]["name"] == "chat.classify" and shown["id"] == late
        wait_until(lambda: json.loads(chard.run("job", old, "--json").stdout or "{}").get("state") == "FAILURE", what="the old one has expired")


@pytest.mark.parametrize("words, told", [
    ([], "name a task"), (["key=value"], "name a task"), (["t", "word"], "key=text"), (["t", "--args", "{"], "--args"), (["t", "--args", "{}"], "array"),
    (["t", "--countdown", "soon"], "--countdown"), (["t", "--countdown", "1", "--eta", "2026-01-01T00:00:00Z"], "one"),
    (["t", "--priority", "256"], "--priority"), (["t", "--id", "x" * 256], "255"), (["t", "--queue="], "queue")])
@pytest.mark.parametrize("place", ["file"])
def test_a_task_that_can_not_be_sent(chard, place, words, told):
    chard.run("migrate", check=0)
    done = chard.run("send", *words)
    assert done.returncode == 2 and told in done.stderr and done.stdout == ""


# ---- trying a task, and how the fleet does ----


def test_a_task_is_tried_without_broker_and_store(chard_bare, tmp_path):
    def tried(task, document, code):
        (tmp_path / "doc.json").write_text(json.dumps(document))
        done = chard_bare.run("try", task, tmp_path / "doc.json", check=code)
        return json.loads(done.stdout)

    first = tried("chat.classify", {"user_id": "u1", "text": "Where does a milk carton go?", "lang": "en"}, 0)
    assert first["request"]["messages"] and first["reply"]["provider"] == "offline"
    assert [event["type"] for event in first["events"]] == ["ChatClassified"]
    document = {"job": {"id": "j", "user_id": "u1", "lang": "en"}, "input": {"text": "Where does a milk carton go?", "lang": "en"}} | first["sections"]
    assert tried("chat.answer", document, 0)["sections"]["answer"]["user_answer"]
    assert tried("chat.answer", {"text": "x"}, 1)["refused"]["code"] == "missing_section"
    assert "chat.answer" in chard_bare.run("try", "chat.anser", tmp_path / "doc.json", check=2).stderr


def test_status_says_what_is_wrong(chard, database, queues, wait_until, provider, reply):
    chard.prepare()
    chard.settings |= provider.settings() | {"CHARD_AI_PROVIDER": "openai"}
    provider.behave = reply.always(reply.hanging())

    def status(code):
        return json.loads(chard.run("status", "--json", check=code).stdout)

    assert status(1)["wrong"] == ["no worker consumes"]
    chats(chard, 2)
    queues.publish("", "chat.answer.dead", b"{}")
    shown = status(1)
    assert {"queue": "chat.classify", "depth": 2, "consumers": 0} in shown["queues"] and shown["dead"] == 1
    assert shown["wrong"] == ["no worker consumes", "chat.classify holds 2 messages and nobody consumes it",
                              "1 dead letters wait to be filed and no keeper runs: chard keep"]
    assert [len(queues.take(queue)) for queue in ("chat.classify", "chat.answer.dead")] == [2, 1]
    assert "keeper  none: nobody files dead letters" in chard.run("status").stdout
    with chard.worker(name="one", grace_ms=0):
        wait_until(lambda: chard.run("status").returncode == 0, what="all is well")
        shown = status(0)
        assert shown["workers"][0]["name"] == "one" and {"queue": "chat.answer", "consumers": 1}.items() <= next(
            queue for queue in shown["queues"] if queue["queue"] == "chat.answer").items()
    with chard.worker(name="two") as two:
        chats(chard, 1)
        wait_until(lambda: len(provider.requests) >= 1, what="it holds a task")
        two.expected = {-9}
        two.kill()
    database.run("update chard.worker set beat_at = now() - interval '1 hour' where name = 'two'" if "postgresql" in chard.settings["CHARD_STORE_URL"]
                 else "update chard.worker set beat_at = beat_at - 3600000000 where name = 'two'")
    shown = status(1)
    dead = next(worker for worker in shown["workers"] if worker["name"] == "two")
    assert dead["state"] == "dead" and dead["held"]["count"] == 1 and any("two is dead and holds 1" in wrong for wrong in shown["wrong"])
    until = database.value("select lease_until from chard.task where lease_owner = 'two'")
    assert abs(datetime.datetime.fromisoformat(dead["held"]["until"].replace("Z", "+00:00")) - until) < datetime.timedelta(milliseconds=10)
    shown = chard.run("status").stdout
    assert re.search(r"^worker  two  dead, \d+ in hand.*, no sign of life for 36\d\d s, holds 1 until " + re.escape(dead["held"]["until"]), shown, re.M)
    assert f"WRONG   two is dead and holds 1 tasks until {dead['held']['until']}" in shown


def test_status_shows_what_is_stuck_or_paused_and_who_leads(chard, store_url, wait_until, provider, reply):
    chard.prepare()
    chard.settings |= provider.settings() | {"CHARD_OPENAI_MODEL": "text-model", "CHARD_OPENAI_VISION_MODEL": "vision-model"}
    provider.behave = reply.always(reply.rate_limited(600))
    store = Store(store_url, "scheduler")
    store.ask({"do": "schedule", "due_ms": int(time.time() * 1000) - 120000, "exchange": "", "routing_key": "my.profile", "task_id": "late", "reason": "enqueue"})
    store.end()
    shown = json.loads(chard.run("status", "--json", check=1).stdout)
    assert (shown["scheduled"]["count"], shown["scheduled"]["overdue"], shown["duties"]["leader"]) == (1, 1, None)
    told = chard.run("status").stdout
    for line in ("duties  nobody does them (chard keep)", "waiting 1 scheduled messages, 1 of them overdue",
                 "WRONG   1 scheduled messages are stuck: due for more than a minute"):
        assert line in told
    chats(chard, 1)
    with chard.worker(queues="chat.classify,chat.answer,scan.vision", name="one", grace_ms=0), keeping(chard, "k1"):
        def status():
            return json.loads(chard.run("status", "--json").stdout)

        wait_until(lambda: {(row["task"], row["model"], row["worker"]) for row in status()["paused"]}
                   == {("chat.classify", "text", "one"), ("chat.answer", "text", "one")})
        wait_until(lambda: status()["duties"]["leader"] == "k1" and status()["scheduled"]["overdue"] == 0)
        shown, told = status(), chard.run("status").stdout
        assert shown["scheduled"]["overdue"] == 0 and shown["paused"][0]["paused_ms"] > 0
        assert "duties  k1\n" in told and re.search(r"^WRONG   chat\.answer: the model \(text\) is paused for \d+\.\d s on one$", told, re.M)


def test_what_no_queue_takes_is_told_once_and_can_be_dropped(chard, database, store_url, wait_until):
    """At each try, every ten seconds, the log said so again, and nothing but SQL could end it."""
    def listed(*words):
        return json.loads(chard.run("scheduled", "ls", "--json", *words, check=0).stdout)

    chard.prepare()
    store = Store(store_url, "scheduler")
    now_ms = int(time.time() * 1000)
    store.ask(*[{"do": "schedule", "due_ms": now_ms + due, "exchange": "no.queue", "routing_key": "no.queue", "task_id": f"lost{n}", "reason": "enqueue"}
                for n, due in enumerate((0, 0, 3600000))])
    store.end()
    with chard.worker() as worker:
        worker.wait_log("no queue takes")
        for tries in (1, 2, 3):
            wait_until(lambda: [row["returns"] for row in listed("--unroutable")] == [tries, tries])  # noqa: B023
            database.run("update chard.scheduled set due_at = due_at - interval '1 hour' where task_id in ('lost0', 'lost1')"
                         if "postgresql" in store_url else
                         "update scheduled set due_at = due_at - 3600000000 where task_id in ('lost0', 'lost1')")
        assert sum("no queue takes 2 scheduled messages" in line for line in worker.stderr.splitlines()) == 1
        assert worker.stderr.count("no queue takes") == 1
        shown = chard.run("scheduled", "ls", check=0).stdout.splitlines()
        assert "NOQUEUE" in shown[0] and sum("no.queue" in line for line in shown) == 3
        status = chard.run("status", check=1).stdout
        assert "WRONG   no queue takes 2 scheduled messages" in status
        refused = chard.run("scheduled", "drop", "--unroutable", check=2)
        assert "2 messages would be dropped: say --yes" in refused.stderr
        first, second = (row["id"] for row in listed("--unroutable"))
        wait_until(lambda: chard.run("scheduled", "drop", str(first), "--note", "never was one").returncode == 0)
        wait_until(lambda: "1 dropped" in chard.run("scheduled", "drop", "--unroutable", "--yes").stdout)
        assert listed("--unroutable") == [] and [row["task_id"] for row in listed()] == ["lost2"]
        assert chard.run("scheduled", "drop", str(second)).returncode == 1
    notes = [row["reason"] for row in database.rows("select reason from chard.dead_letter_audit where action = 'drop' order by id")]
    assert notes == ["never was one", ""]
