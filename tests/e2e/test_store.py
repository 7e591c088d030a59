# SPDX-License-Identifier: Apache-2.0
"""The store's verbs, the same for each kind of store: PostgreSQL and SQLite."""

import datetime
import itertools
import json
import time
import uuid

import pytest

from support.store import Store, migrate

_ids = itertools.count(1)


def new_id():
    return f"task-{next(_ids)}-{uuid.uuid4()}"


def claim(task, **fields):
    return {"do": "claim", "id": task} | fields


def commit(task, **fields):
    return {"do": "commit", "id": task, "result": {"task": task}} | fields


def event(aggregate, kind="Tested", **fields):
    return {"aggregate_type": "scan", "aggregate_id": aggregate, "type": kind, "payload": {"a": 1}} | fields


def once(owner, key, value=None, kind="badge"):
    return {"once": True, "kind": kind, "owner": owner, "key": key, "value": value}


def merge(owner, key, value, kind="setting"):
    return {"kind": kind, "owner": owner, "key": key, "value": value}


def facts(database):
    """{(kind, owner, key): (value, who wrote it)}"""
    return {(row["kind"], row["owner"], row["key"]): (row["value"], row["task_id"]) for row in database.rows("select * from chard.fact")}


@pytest.fixture
def database(backend):
    return backend.database


@pytest.fixture
def opened(backend):
    """Opens stores on a migrated database: `store = opened(owner="w2")`. Each must end clean."""
    assert migrate(backend.url)[1]["rc"] == 0
    made = []

    def make(owner="w1", **options):
        made.append(Store(backend.url, owner, **options))
        assert made[-1].first == {"heard": "open"}
        return made[-1]

    yield make
    for store in made:
        assert store.end()[0] == 0


@pytest.fixture
def store(opened):
    return opened()


def now():
    return datetime.datetime.now(datetime.timezone.utc)


def task(database, id):
    return database.row("select * from chard.task where id = %s", id)


# --- claim --------------------------------------------------------------------------------------------


def test_a_first_claim_is_granted_and_leaves_task_and_job(store, database):
    id = new_id()
    answer = store.one("claim", id=id, name="scan.vision", pipeline="scan", lease_ms=5000)
    assert (answer["verdict"], answer["starts"], answer["facts"]) == ("GRANTED", 1, None)
    row = task(database, id)
    assert (row["state"], row["name"], row["root_id"], row["lease_owner"]) == ("STARTED", "scan.vision", id, "w1")
    assert 4 < (row["lease_until"] - row["started_at"]).total_seconds() < 6
    job = database.row("select * from chard.job where root_id = %s", id)
    assert (job["pipeline"], job["state"]) == ("scan", "STARTED")


def test_a_claim_without_pipeline_leaves_no_job(store, database):
    assert store.one("claim", id=new_id())["verdict"] == "GRANTED"
    assert database.value("select count(*) from chard.job") == 0


def test_a_done_task_gives_its_result_byte_for_byte(store):
    id = new_id()
    text = '{"b":1.50, "a":"\\u0041", "a":2}'
    store.ask(claim(id), {"do": "commit", "id": id, "result_hex": text.encode().hex()})
    answer = store.one("claim", id=id)
    assert (answer["verdict"], answer["result"]) == ("DONE", text)


def test_a_dead_task_gives_its_error(store):
    id = new_id()
    store.one("claim", id=id)
    store.one("fail", id=id, attempts=4, code="bad_reply", text="no JSON")
    answer = store.one("claim", id=id)
    assert answer["verdict"] == "DEAD"
    assert answer["error"] == {"source": "provider", "code": "bad_reply", "text": "no JSON", "attempts": 4}


def test_a_revoked_task_is_not_started(store, database):
    id = new_id()
    database.run("insert into chard.task (id, root_id, state) values (%s, %s, 'REVOKED')", id, id)
    assert store.one("claim", id=id)["verdict"] == "REVOKED"


def test_a_task_is_revoked_before_it_runs_or_by_who_runs_it(opened, database):
    first, second = opened("w1"), opened("w2")
    first.ask(claim("theirs"), claim("mine", pipeline="scan"), claim("retried", pipeline="scan"), claim("done", pipeline="scan"))
    first.ask({"do": "fail", "id": "retried", "pipeline": "scan", "again": {"in_ms": 60000}}, commit("done", has_job=True, last=True))
    assert second.one("revoke", id="theirs")["result"] == "ALREADY"
    first.ask(*[{"do": "revoke", "id": id, "pipeline": "scan", "ours": id == "mine"} for id in ("mine", "retried", "done", "unknown")])
    states = {row["id"]: row["state"] for row in database.rows("select id, state from chard.task")}
    assert states == {"theirs": "STARTED", "mine": "REVOKED", "retried": "REVOKED", "done": "SUCCESS", "unknown": "REVOKED"}
    jobs = {row["root_id"]: row["state"] for row in database.rows("select root_id, state from chard.job")}
    assert jobs == {"mine": "REVOKED", "retried": "REVOKED", "done": "SUCCESS", "unknown": "REVOKED"}
    assert [a["verdict"] for a in second.ask(*[claim(id, retries=1) for id in ("mine", "retried", "unknown")])] == ["REVOKED"] * 3


def test_what_a_revocation_finds(opened, database, wait_until):
    """A lease that has ended protects nobody; what is over stays as it is; said twice is said once; a row that was there before the
    message learns from it whose it is, and its job, made by an earlier step, ends with it."""
    first, second = opened("w1"), opened("w2")
    first.ask(claim("gone", lease_ms=1, pipeline="scan"), claim("failed", pipeline="scan"), claim("back", pipeline="scan"), claim("root", pipeline="scan"))
    first.ask({"do": "fail", "id": "failed", "pipeline": "scan"}, {"do": "give_back", "id": "back", "again": {"in_ms": 60000}})
    first.one("commit", id="root", has_job=True)
    database.run("insert into chard.task (id, root_id, state) values (%s, %s, 'PENDING')", "bare", "bare")
    wait_until(lambda: second.one("claim", id="gone", lease_ms=1)["verdict"] == "GRANTED")
    wait_until(lambda: second.one("revoke", id="gone", pipeline="scan")
               and database.value("select state from chard.task where id = %s", "gone") == "REVOKED")
    calls = [{"do": "revoke", "id": "bare", "root_id": "root", "parent_id": "root", "name": "scan.answer"},
             *[{"do": "revoke", "id": id, "pipeline": "scan"} for id in ("failed", "back", "back")]]
    assert [answer["result"] for answer in second.ask(*calls)] == ["DONE", "ALREADY", "DONE", "DONE"]
    tasks = {row["id"]: row for row in database.rows("select id, root_id, parent_id, name, state, finished_at, lease_owner from chard.task")}
    assert {id: row["state"] for id, row in tasks.items()} == {
        "gone": "REVOKED", "failed": "FAILURE", "back": "REVOKED", "root": "SUCCESS", "bare": "REVOKED"}
    assert (tasks["bare"]["root_id"], tasks["bare"]["parent_id"], tasks["bare"]["name"]) == ("root", "root", "scan.answer")
    assert all(row["finished_at"] and not row["lease_owner"] for row in tasks.values())
    jobs = {row["root_id"]: (row["state"], row["finished_at"] is not None) for row in database.rows("select * from chard.job")}
    assert jobs == {"gone": ("REVOKED", True), "failed": ("FAILURE", True), "back": ("REVOKED", True), "root": ("REVOKED", True)}


def test_a_live_lease_holds_off_others_until_it_ends(opened, wait_until):
    first, second, id = opened("w1"), opened("w2"), new_id()
    assert first.one("claim", id=id, lease_ms=1500)["verdict"] == "GRANTED"
    answer = second.one("claim", id=id)
    assert answer["verdict"] == "LEASED" and 0 < answer["wait_ms"] <= 1500
    took_over = wait_until(lambda: (a := second.one("claim", id=id))["verdict"] == "GRANTED" and a)
    assert took_over["starts"] == 2


def test_a_lease_is_kept_beyond_its_end_while_its_owner_says_that_the_answer_waits(opened, wait_until):
    """What was paid for is on its way into the store, however long that takes; until the owner says so no more, or nothing at all."""
    first, second = opened("w1", mode="release"), opened("w2")
    for id in ("waits", "forgotten"):
        first.one("claim", id=id, lease_ms=1)
    first.one("beat", state={"uncommitted": ["other", "waits"]})
    wait_until(lambda: second.one("claim", id="forgotten", lease_ms=60000)["verdict"] == "GRANTED")
    answer = second.one("claim", id="waits")
    assert answer["verdict"] == "LEASED" and 500 <= answer["wait_ms"] <= 2000
    assert first.one("claim", id="waits", lease_ms=1)["verdict"] == "GRANTED"
    first.one("beat", state={"uncommitted": []})
    wait_until(lambda: second.one("claim", id="waits")["verdict"] == "GRANTED")


def test_a_worker_that_is_silent_keeps_no_lease(opened, database, wait_until):
    first, second = opened("w1", mode="release"), opened("w2")
    first.one("claim", id="t", lease_ms=1)
    first.one("beat", state={"uncommitted": ["t"]})
    database.run("update chard.worker set beat_at = %s where name = 'w1'", now() - datetime.timedelta(seconds=21))
    wait_until(lambda: second.one("claim", id="t")["verdict"] == "GRANTED")


def test_the_own_lease_is_adopted(opened):
    id = new_id()
    assert opened("w1").one("claim", id=id)["verdict"] == "GRANTED"
    again = opened("w1").one("claim", id=id)
    assert (again["verdict"], again["starts"]) == ("GRANTED", 2)


def test_a_worker_that_starts_voids_the_leases_under_its_name(opened):
    id = new_id()
    assert opened("w1", mode="release").one("claim", id=id, lease_ms=600000)["verdict"] == "GRANTED"
    other = opened("w2")
    assert other.one("claim", id=id)["verdict"] == "LEASED"
    opened("w1", mode="release")
    assert other.one("claim", id=id)["verdict"] == "GRANTED"


def test_an_older_message_than_the_scheduled_retry_is_superseded(store):
    id = new_id()
    store.one("claim", id=id)
    store.one("fail", id=id, attempts=1, again={"in_ms": 60000})
    assert store.one("claim", id=id, retries=0)["verdict"] == "SUPERSEDED"
    answer = store.one("claim", id=id, retries=1)
    assert (answer["verdict"], answer["starts"]) == ("GRANTED", 2)
    assert store.one("claim", id=id, retries=0)["verdict"] == "SUPERSEDED"


def test_the_facts_that_a_task_sees_come_with_the_claim(store):
    """Of any kinds and owners; an owner that the document does not name is nobody's."""
    store.one("commit", id="x", facts=[once("u1", "b"), once("u1", "a", {"n": 1}), once("u2", "c", "ü\"\\"), merge("u1", "lang", "en")])
    answers = store.ask(claim("o1", sees=[["badge", "u2"]]), claim("o2"), claim("o3", sees=[["badge", "u1"], ["setting", "u1"]]),
                        claim("o4", sees=[["badge", "u3"]]), claim("o5", sees=[["badge", None], ["badge", "u2"], ["badge", "u1"]]),
                        claim("o6", sees=[["badge", None]]))
    assert [a["facts"] for a in answers] == [
        {"badge": {"u2": {"c": "ü\"\\"}}}, None, {"badge": {"u1": {"a": {"n": 1}, "b": None}}, "setting": {"u1": {"lang": "en"}}},
        {"badge": {"u3": {}}}, {"badge": {"u2": {"c": "ü\"\\"}, "u1": {"a": {"n": 1}, "b": None}}}, {}]


def test_facts_of_a_kind_show_as_a_view(store, database):
    """As a domain declares them: a row a fact, or a row an owner with all its keys."""
    store.one("commit", id="t", facts=[once("u1", "c1", kind="character"), merge("u1", "lang", "en", kind="profile"),
                                       merge("u1", "level", 3, kind="profile"), merge("u1", "other", 1)])
    assert database.row("select user_id, code, task_id from chard.character_owned") == {"user_id": "u1", "code": "c1", "task_id": "t"}
    assert database.row("select user_id, fields from chard.profile") == {"user_id": "u1", "fields": {"lang": "en", "level": 3}}
    assert abs(database.value("select updated_at from chard.profile") - now()) < datetime.timedelta(minutes=1)
    assert database.value("select granted_at from chard.character_owned") == database.value("select at from chard.fact where kind = 'character'")


def test_a_view_that_is_another_is_made_anew(backend):
    assert migrate(backend.url)[1]["rc"] == 0
    database = backend.database
    definitions = lambda: [row["definition"] for row in database.rows(
        "select pg_get_viewdef('chard.profile'::regclass) as definition" if backend.name == "postgresql" else
        "select sql as definition from sqlite_master where name = 'profile'")]
    wanted = definitions()
    database.run("drop view chard.profile")
    database.run("create view chard.profile as select at as updated_at, owner as user_id, value as fields from chard.fact")
    assert definitions() != wanted
    assert migrate(backend.url)[1]["rc"] == 0
    assert definitions() == wanted


def test_the_same_id_twice_in_a_group_breaks_nothing(store):
    answers = store.ask(*[claim("twin") for _ in range(3)], claim("single"))
    assert [a["verdict"] for a in answers] == ["GRANTED"] * 4
    assert sorted(a["starts"] for a in answers) == [1, 1, 2, 3]


def test_two_processes_grant_each_of_5000_ids_once(opened):
    ids = [new_id() for _ in range(5000)]
    workers = [opened("w1"), opened("w2")]
    numbers = [worker.send(*[claim(id) for id in (ids if k == 0 else reversed(ids))]) for k, worker in enumerate(workers)]
    verdicts = [{}, {}]
    for k, worker in enumerate(workers):
        answers = worker.wait(numbers[k], 60)
        order = ids if k == 0 else list(reversed(ids))
        verdicts[k] = {id: a["verdict"] for id, a in zip(order, answers)}
    assert all(sorted((verdicts[0][id], verdicts[1][id])) == ["GRANTED", "LEASED"] for id in ids)


# --- commit -------------------------------------------------------------------------------------------


def test_a_commit_writes_everything_of_the_task(store, database):
    id = new_id()
    store.one("claim", id=id, name="scan.reward", pipeline="scan")
    document = {"job": {"id": id}, "reward": {"received": True, "ko": "페트병"}}
    answer = store.one("commit", id=id, result=document, has_job=True, last=True, provider="openai", model="m", tokens_in=10,
                       tokens_out=20, cost_nano=1234567, elapsed_ms=77, span_context="traceparent=00-ab-cd-01\ntracestate=a=1",
                       events=[event(id, "ScanRewarded"), event(id, "RewardGranted", payload={"character_id": "c"})],
                       facts=[once("u", "c"), merge("u", "level", 3)])
    assert answer["result"] == "DONE"
    row = task(database, id)
    assert (row["state"], row["result"], row["tokens_in"], row["tokens_out"], row["cost_nano"], row["elapsed_ms"]) == \
        ("SUCCESS", document, 10, 20, 1234567, 77)
    assert (row["provider"], row["model"], row["lease_owner"], row["lease_until"]) == ("openai", "m", None, None)
    events = database.rows("select * from chard.event order by version")
    assert [(e["aggregate_type"], e["aggregate_id"], e["type"], e["version"], e["root_id"], e["task_id"]) for e in events] == \
        [("scan", id, "ScanRewarded", 1, id, id), ("scan", id, "RewardGranted", 2, id, id)]
    outbox = database.rows("select * from chard.outbox order by type desc")
    assert [(o["id"], o["aggregatetype"], o["aggregateid"], o["type"], o["payload"]) for o in outbox] == \
        [(e["id"], e["aggregate_type"], e["aggregate_id"], e["type"], e["payload"]) for e in events]
    assert {o["tracingspancontext"] for o in outbox} == {"traceparent=00-ab-cd-01\ntracestate=a=1"}
    job = database.row("select * from chard.job")
    assert (job["state"], job["document"], job["error"]) == ("SUCCESS", document, None) and job["finished_at"]
    assert facts(database) == {("badge", "u", "c"): (None, id), ("setting", "u", "level"): (3, id)}


def test_a_job_goes_on_until_its_last_task(store, database):
    root, second = new_id(), new_id()
    store.ask(claim(root, pipeline="chat"))
    store.ask(commit(root, has_job=True, events=[event(root)]))
    assert database.row("select state, finished_at from chard.job") == {"state": "STARTED", "finished_at": None}
    store.ask(claim(second, root_id=root, parent_id=root, pipeline="chat"))
    store.ask(commit(second, root_id=root, has_job=True, last=True, events=[event(root), event(root)]))
    assert database.value("select state from chard.job") == "SUCCESS"
    assert [r["version"] for r in database.rows("select version from chard.event order by version")] == [1, 2, 3]
    job = store.one("job", id=root)["value"]
    assert (job["id"], job["pipeline"], job["state"], job["document"]) == (root, "chat", "SUCCESS", {"task": second})
    assert [t["id"] for t in job["tasks"]] == [root, second] and len(job["events"]) == 3


def test_only_the_first_commit_of_a_task_counts(store, database):
    id = new_id()
    store.one("claim", id=id)
    first = store.one("commit", id=id, result={"run": 1}, events=[event(id)], facts=[merge("u", "k", 1)])
    second = store.one("commit", id=id, result={"run": 2}, events=[event(id)], facts=[once("u", "c"), merge("u", "k", 2)])
    assert (first["result"], second["result"], json.loads(second["stored"])) == ("DONE", "ALREADY", {"run": 1})
    assert database.value("select count(*) from chard.outbox") == 1
    assert facts(database) == {("setting", "u", "k"): (1, id)}


def test_who_is_overtaken_leaves_no_fact(store, database):
    """Nobody has claimed the task, so no row holds the second one up before it writes: what it wrote is taken back."""
    first = [("insert into chard.fact (once, task_id, kind, owner, key, value) values (true, 't', 'badge', 'u', 'first', '1')",),
             ("insert into chard.task (id, root_id, state, result) values ('t', 't', 'SUCCESS', '1')",)]
    answers = store.wait(database.overtake(first, lambda: store.send(commit("t", facts=[once("u", "second")]), commit("v", facts=[once("u", "own")]))))
    assert [a["result"] for a in answers] == ["ALREADY", "DONE"]
    assert {key for _, _, key in facts(database)} == {"first", "own"}


def test_a_stale_fact_commits_nothing_of_its_task_and_all_of_the_others(store, database):
    store.ask(*[claim(id) for id in ("g1", "g2", "g3", "g4")])
    store.one("commit", id="g1", facts=[once("u", "paper")])
    answers = store.ask(commit("g2", facts=[once("u", "glass"), once("u", "paper"), merge("u", "k", 1)], events=[event("g2")]),
                        commit("g3", facts=[once("u", "metal")]), commit("g4"))
    assert [a["result"] for a in answers] == ["STALE", "DONE", "DONE"]
    assert facts(database) == {("badge", "u", "paper"): (None, "g1"), ("badge", "u", "metal"): (None, "g3")}
    assert task(database, "g2")["state"] == "STARTED"
    assert database.value("select count(*) from chard.outbox") == 0
    fresh = store.one("claim", id="g2", sees=[["badge", "u"]])
    assert (fresh["verdict"], fresh["facts"]) == ("GRANTED", {"badge": {"u": {"metal": None, "paper": None}}})


def test_a_fact_that_is_written_once_stays_as_it_is(store, database):
    """Merging passes over it; who would write once what was merged is not the first either; the writer itself may say it twice."""
    assert store.one("commit", id="a", facts=[once("u", "k", 1), once("u", "k", 2), merge("u", "k", 3, kind="badge"), merge("u", "m", 1, kind="badge")])["result"] == "DONE"
    assert store.one("commit", id="b", facts=[merge("u", "k", 4, kind="badge"), merge("u", "m", 5, kind="badge"), merge("u", "m", 6, kind="badge")])["result"] == "DONE"
    assert store.one("commit", id="c", facts=[once("u", "m", 7)])["result"] == "STALE"
    assert facts(database) == {("badge", "u", "k"): (1, "a"), ("badge", "u", "m"): (6, "b")}


def test_a_task_that_is_replaced_keeps_its_facts(store, database):
    """A second copy of the commit changes nothing of them."""
    commit = {"do": "commit", "id": "r", "result_hex": "", "facts": [once("u", "k"), merge("u", "l", 1)], "sends": []}
    store.one("claim", id="r")
    assert [store.ask(commit)[0]["result"] for _ in range(2)] == ["DONE", "STALE"]
    assert facts(database) == {("badge", "u", "k"): (None, "r"), ("setting", "u", "l"): (1, "r")}


def test_two_tasks_of_one_group_cannot_both_write_once_the_same(store, database):
    answers = store.ask(*[commit(f"d{n}", facts=[once("u", "c")]) for n in range(5)])
    assert sorted(a["result"] for a in answers) == ["DONE"] + ["STALE"] * 4
    assert len(facts(database)) == 1


def test_two_workers_cannot_both_write_once_the_same(opened, database):
    workers = [opened("w1"), opened("w2")]
    numbers = [worker.send(*[commit(f"{k}-{n}", facts=[once(f"u{n}", "c")]) for n in range(300)])
               for k, worker in enumerate(workers)]
    results = [[a["result"] for a in worker.wait(numbers[k])] for k, worker in enumerate(workers)]
    assert all(sorted(pair) == ["DONE", "STALE"] for pair in zip(*results))
    assert len(facts(database)) == 300


def test_versions_of_an_aggregate_have_no_gap_and_no_double_across_workers(opened, database):
    workers = [opened("w1"), opened("w2")]
    numbers = [worker.send(*[commit(f"{k}-{n}", events=[event(f"agg{n % 7}", aggregate_type="profile")]) for n in range(400)])
               for k, worker in enumerate(workers)]
    for k, worker in enumerate(workers):
        assert {a["result"] for a in worker.wait(numbers[k], 60)} == {"DONE"}
    rows = database.rows("select aggregate_id, count(*) as count, min(version) as min, max(version) as max from chard.event group by 1")
    assert sum(r["count"] for r in rows) == 800
    assert all((r["min"], r["max"]) == (1, r["count"]) for r in rows)
    assert database.value("select count(distinct id) from chard.outbox") == 800


def test_of_two_workers_that_commit_the_same_tasks_each_task_has_one_winner(opened, database):
    ids = [new_id() for _ in range(2000)]
    workers = [opened("w1"), opened("w2")]
    numbers = [worker.send(*[commit(id, result={"by": k}, events=[event(id)], has_job=True, last=True) for id in ids])
               for k, worker in enumerate(workers)]
    answers = [worker.wait(numbers[k], 60) for k, worker in enumerate(workers)]
    for pair in zip(*answers):
        assert sorted(a["result"] for a in pair) == ["ALREADY", "DONE"]
        loser = next(a for a in pair if a["result"] == "ALREADY")
        assert json.loads(loser["stored"]) == {"by": 1 - pair.index(loser)}
    assert database.value("select count(*) from chard.outbox") == database.value("select count(*) from chard.event") == 2000
    kept = database.rows("select j.document, t.result from chard.job j join chard.task t on t.id = j.root_id")
    assert len(kept) == 2000 and all(row["document"] == row["result"] for row in kept)


def test_bad_rows_among_500_harm_only_themselves(store, database):
    bad = {100: {"result": {"a": "x\u0000y"}, "has_job": True}, 200: {"result_hex": b'{"a": "\xff\xfe"}'.hex()},
           300: {"result_hex": b'{"a": 1'.hex()}, 400: {"events": [event("e", payload={"n": "\u0000"})]},
           499: {"result_hex": b'{"a": "x\x00y"}'.hex()}}
    nul = {} if database.refuses_nul else {n: bad.pop(n) for n in (100, 400)}
    answers = store.ask(*[commit(f"b{n}", **({"events": [event(f"b{n}")]} | (bad | nul).get(n, {}))) for n in range(500)])
    refused = {n for n, a in enumerate(answers) if a["result"] == "REFUSED"}
    assert refused == set(bad)
    assert {a["result"] for n, a in enumerate(answers) if n not in bad} == {"DONE"}
    assert all((answers[n]["why"]["source"], answers[n]["why"]["code"]) == ("store", "refused") for n in bad)
    if database.refuses_nul:
        assert all("SQLSTATE 22" in answers[n]["why"]["text"] for n in bad)
    assert database.value("select count(*) from chard.task where state = 'SUCCESS'") == 500 - len(bad)
    assert database.value("select count(*) from chard.outbox") == 500 - len(bad)


def test_two_workers_that_merge_the_same_facts_in_other_orders_wait_for_one_another(opened, database):
    workers = [opened("w1"), opened("w2")]
    keys = [f"k{n}" for n in range(50)]
    numbers = [worker.send(*[commit(f"{k}-{n}", facts=[merge("u", key, k) for key in (keys if (n + k) % 2 else reversed(keys))]) for n in range(40)])
               for k, worker in enumerate(workers)]
    assert {a["result"] for k, worker in enumerate(workers) for a in worker.wait(numbers[k])} == {"DONE"}
    assert len(facts(database)) == 50


def test_ten_thousand_facts_are_one_commit(store, database):
    fields = [merge(f"u{n % 5000}", f"f{n % 2}", {"n": n}, kind="profile") for n in range(10000)]
    events = [event(f"u{n}", "ProfileUpdated", aggregate_type="profile") for n in range(5000)]
    started = time.monotonic()
    assert store.one("commit", id="my", facts=fields, events=events, has_job=True, last=True)["result"] == "DONE"
    print(f"10,000 facts and 5,000 events: {time.monotonic() - started:.2f} s")
    assert database.value("select count(*) from chard.profile") == 5000
    assert database.value("select fields from chard.profile where user_id = 'u4999'") == {"f1": {"n": 9999}}
    assert len(store.one("job", id="my")["value"]["events"]) == 5000
    store.one("commit", id="my2", facts=[merge("u1", "f1", None, kind="profile"), merge("u1", "new", "x", kind="profile")])
    assert database.value("select fields from chard.profile where user_id = 'u1'") == {"f1": None, "new": "x"}


def test_a_large_result_is_kept(store):
    text = "가" * 3_000_000
    store.one("commit", id="large", result={"text": text})
    assert json.loads(store.one("claim", id="large")["result"])["text"] == text


def test_a_commit_whose_claim_was_lost_is_kept(store, database):
    answer = store.one("commit", id="lost", root_id="r", name="scan.vision", pipeline="scan", has_job=True, events=[event("r")])
    assert answer["result"] == "DONE"
    assert (task(database, "lost")["name"], task(database, "lost")["state"]) == ("scan.vision", "SUCCESS")
    assert database.row("select pipeline, state from chard.job") == {"pipeline": "scan", "state": "STARTED"}


# --- fail, give back ----------------------------------------------------------------------------------


def test_a_failed_attempt_is_scheduled_with_it(store, database):
    id = new_id()
    store.one("claim", id=id, pipeline="scan")
    assert store.one("fail", id=id, attempts=1, pipeline="scan", tokens_in=7, cost_nano=5,
                     again={"in_ms": 5000, "exchange": "x", "routing_key": "k", "properties_hex": "8000036a2f78", "body": "[]",
                            "task_id": id, "reason": "retry"})["result"] == "DONE"
    row = task(database, id)
    assert (row["state"], row["attempts"], row["lease_owner"], row["tokens_in"]) == ("RETRY", 1, None, 7)
    assert row["error"]["code"] == "broken"
    due = database.row("select * from chard.scheduled")
    assert (due["exchange"], due["routing_key"], bytes(due["properties"]).hex(), bytes(due["body"]), due["reason"], due["task_id"]) == \
        ("x", "k", "8000036a2f78", b"[]", "retry", id)
    assert (due["due_at"] - now()).total_seconds() < 5
    assert database.value("select state from chard.job") == "STARTED"
    store.one("claim", id=id, retries=1)
    store.one("commit", id=id, tokens_in=3)
    assert (task(database, id)["tokens_in"], task(database, id)["error"]) == (10, None)


def test_the_last_failure_takes_the_job_down_and_only_a_requeue_brings_it_back(store, database):
    id = new_id()
    store.one("claim", id=id, pipeline="scan")
    store.one("fail", id=id, attempts=4, pipeline="scan", text="never")
    assert task(database, id)["state"] == "FAILURE"
    job = database.row("select state, error, finished_at from chard.job")
    assert (job["state"], job["error"]["text"]) == ("FAILURE", "never") and job["finished_at"]
    database.run("update chard.task set state = 'PENDING', attempts = 0 where id = %s", id)
    assert store.one("claim", id=id, pipeline="scan")["verdict"] == "GRANTED"
    assert database.value("select state from chard.job") == "FAILURE"
    database.run("update chard.job set state = 'STARTED', error = null, finished_at = null")
    assert database.row("select state, error, finished_at from chard.job") == {"state": "STARTED", "error": None, "finished_at": None}


def job_state(database, root):
    return database.row("select state, finished_at is not null as ended from chard.job where root_id = %s", root)


STARTED, SUCCESS, FAILURE = ({"state": state, "ended": state != "STARTED"} for state in ("STARTED", "SUCCESS", "FAILURE"))


def test_a_job_ends_with_its_last_branch(store, database):
    """Whatever is said twice counts once; a branch may part again."""
    def done(id, branches):
        store.one("claim", id=id, root_id="a", pipeline="scan")
        answers = store.ask(*[commit(id, root_id="a", has_job=True, branches=branches)] * 2)
        assert [answer["result"] for answer in answers] == ["DONE", "ALREADY"]
        return job_state(database, "a")

    assert [done("a", 3), done("b", 0), done("c", 1), done("c2", 2), done("d", 0), done("e", 0)] == [STARTED] * 6
    assert done("f", 0) == SUCCESS


def test_branches_that_end_in_one_group(store, database):
    for id in "abc":
        store.one("claim", id=id, root_id="a", pipeline="scan")
    store.one("commit", id="a", root_id="a", has_job=True, branches=2)
    store.ask(*(commit(id, root_id="a", has_job=True, branches=0) for id in "bc"))
    assert job_state(database, "a") == SUCCESS


def test_a_success_that_comes_later_leaves_a_failure(store, database):
    """Though it is the last that its job has heard of: somebody else's task of the same root."""
    for id in "ab":
        store.one("claim", id=id, root_id="a", pipeline="scan")
    store.one("fail", id="a", root_id="a", pipeline="scan", attempts=1)
    assert job_state(database, "a") == FAILURE
    store.one("commit", id="b", root_id="a", has_job=True, branches=0)
    assert job_state(database, "a") == FAILURE


def test_a_failure_stays_until_it_is_requeued(store, database):
    """And each failure of the job is one event, whatever else fails in it."""
    def told():
        return [(r["version"], r["type"], r["payload"]) for r in database.rows("select version, type, payload from chard.event order by version")]

    def fails(id):
        store.one("fail", id=id, root_id="a", pipeline="scan", attempts=1, event="ScanFailed", payload={"job_id": "a", "by": id})

    for id in "abcd":
        store.one("claim", id=id, root_id="a", pipeline="scan")
    store.one("commit", id="a", root_id="a", has_job=True, branches=3)
    fails("b")
    first = [(1, "ScanFailed", {"job_id": "a", "by": "b"})]
    assert job_state(database, "a") == FAILURE and told() == first
    fails("b")
    fails("c")
    assert store.one("claim", id="e", root_id="a", pipeline="scan")["verdict"] == "GRANTED"
    store.one("commit", id="d", root_id="a", has_job=True, branches=0)
    assert job_state(database, "a") == FAILURE and told() == first
    assert database.value("select count(*) from chard.outbox") == 1
    for id in "bc":
        database.run("update chard.task set state = 'PENDING', attempts = 0 where id = %s", id)
    database.run("update chard.job set state = 'STARTED', error = null, finished_at = null")
    store.one("claim", id="b", root_id="a", pipeline="scan")
    fails("b")
    assert told() == first + [(2, "ScanFailed", {"job_id": "a", "by": "b"})]
    database.run("update chard.task set state = 'PENDING', attempts = 0 where id = 'b'")
    database.run("update chard.job set state = 'STARTED', error = null, finished_at = null")
    for id, after in ("b", STARTED), ("c", SUCCESS):
        store.one("claim", id=id, root_id="a", pipeline="scan")
        store.one("commit", id=id, root_id="a", has_job=True, branches=0)
        assert job_state(database, "a") == after


def test_a_job_that_has_succeeded_goes_on_with_a_task_that_nobody_here_sent(store, database):
    store.one("commit", id="a", has_job=True, branches=0)
    store.one("claim", id="body", root_id="a", pipeline="scan")
    assert job_state(database, "a") == STARTED
    store.one("commit", id="body", root_id="a", has_job=True, branches=0)
    assert job_state(database, "a") == SUCCESS


def test_a_task_that_was_never_claimed_can_fail(store, database):
    store.one("fail", id="f", root_id="r", parent_id="p", name="scan.answer", pipeline="", attempts=1, code="bad_arguments")
    assert task(database, "f")["state"] == "FAILURE" and task(database, "f")["parent_id"] == "p"
    assert database.row("select root_id, pipeline, state from chard.job") == {"root_id": "r", "pipeline": "", "state": "FAILURE"}


def test_a_failure_after_success_takes_only_an_unfinished_job_down(store, database):
    store.one("commit", id="a", has_job=True)
    store.one("commit", id="b", has_job=True, last=True)
    store.ask({"do": "fail", "id": "a", "attempts": 1, "pipeline": "x", "code": "unroutable"},
              {"do": "fail", "id": "b", "attempts": 1, "pipeline": "x"})
    assert [task(database, id)["state"] for id in "ab"] == ["SUCCESS", "SUCCESS"]
    assert [r["state"] for r in database.rows("select state from chard.job order by root_id")] == ["FAILURE", "SUCCESS"]


def test_a_failure_said_twice_is_one(store, database):
    store.one("claim", id="t")
    again = {"in_ms": 1000}
    store.one("fail", id="t", attempts=1, tokens_in=5, again=again)
    store.one("fail", id="t", attempts=1, tokens_in=5, again=again)
    assert (task(database, "t")["attempts"], task(database, "t")["tokens_in"]) == (1, 5)
    assert database.value("select count(*) from chard.scheduled") == 1


def test_a_worker_that_lost_its_lease_cannot_fail_the_task(opened, database, wait_until):
    first, second = opened("w1"), opened("w2")
    first.one("claim", id="t", lease_ms=1)
    wait_until(lambda: second.one("claim", id="t")["verdict"] == "GRANTED")
    assert first.one("fail", id="t", attempts=1, again={"in_ms": 1})["result"] == "DONE"
    assert (task(database, "t")["state"], task(database, "t")["lease_owner"]) == ("STARTED", "w2")
    assert database.value("select count(*) from chard.scheduled") == 0


def test_what_is_given_back_counts_neither_as_attempt_nor_as_start(store, database):
    store.one("claim", id="t")
    store.one("give_back", id="t", again={"in_ms": 60000, "reason": "paused"})
    row = task(database, "t")
    assert (row["state"], row["starts"], row["attempts"], row["lease_owner"]) == ("PENDING", 0, 0, None)
    assert database.value("select reason from chard.scheduled") == "paused"
    assert store.one("claim", id="t")["starts"] == 1
    store.one("fail", id="t", attempts=1, again={"in_ms": 60000})
    store.one("claim", id="t", retries=1)
    store.one("give_back", id="t")
    assert (task(database, "t")["state"], task(database, "t")["starts"]) == ("RETRY", 1)
    store.one("give_back", id="t")
    assert (task(database, "t")["state"], task(database, "t")["starts"]) == ("RETRY", 1)


# --- scheduled messages -------------------------------------------------------------------------------


def test_due_messages_come_in_order_bit_for_bit(store):
    now = int(time.time() * 1000)
    store.ask(*[{"do": "schedule", "due_ms": now - n, "routing_key": f"k{n}", "properties_hex": "0001ff00", "body": f"b{n} ü"}
                for n in range(5)], {"do": "schedule", "due_ms": now + 60000})
    released = store.one("release", now_ms=now)
    assert [d["routing_key"] for d in released["due"]] == ["k4", "k3", "k2", "k1", "k0"]
    assert {d["properties_hex"] for d in released["due"]} == {"0001ff00"}
    assert released["due"][0]["body"] == "b4 ü" and released["due"][0]["due_ms"] == now - 4
    assert released["next_ms"] == now + 60000


def test_confirmed_rows_go_and_others_come_again_later(store, database):
    due_ms = int(time.time() * 1000)
    store.ask(*[{"do": "schedule", "due_ms": due_ms} for _ in range(4)])
    due = store.one("release", now_ms=due_ms, limit=3)
    assert len(due["due"]) == 3 and due["next_ms"] == due_ms
    store.one("forget", ids=[d["id"] for d in due["due"][:2]])
    left = database.rows("select id, due_at from chard.scheduled order by due_at")
    assert len(left) == 2
    assert left[1]["id"] == due["due"][2]["id"] and 8 < (left[1]["due_at"] - now()).total_seconds() <= 10.1
    assert len(store.one("release", now_ms=due_ms)["due"]) == 1
    store.one("forget", ids=[])


def test_what_no_queue_takes_is_counted_listed_and_dropped(store, database):
    due_ms = int(time.time() * 1000)
    store.ask(*[{"do": "schedule", "due_ms": due_ms + n, "reason": "eta" if n else "retry", "routing_key": f"q{n}", "task_id": f"t{n}"} for n in range(4)])

    def listed(**which):
        return store.one("scheduled_list", which=which)["value"]

    rows = listed()
    assert [(row["task_id"], row["reason"], row["routing_key"], row["returns"], row["due_ms"]) for row in rows] == [
        (f"t{n}", "eta" if n else "retry", f"q{n}", 0, due_ms + n) for n in range(4)]
    assert [row["id"] for row in listed(limit=2)] == [row["id"] for row in rows[:2]]
    ids = [row["id"] for row in rows]
    for returns in (0, 1):
        due = store.one("release", now_ms=due_ms + 60000)["due"]
        assert {d["id"]: d["returns"] for d in due} == {ids[0]: 0, ids[1]: returns, ids[2]: returns, ids[3]: 0}
        store.one("forget", ids=[], returned=[ids[1], ids[2]])  # the others: the broker went away, say
    assert {row["id"]: row["returns"] for row in listed(unroutable=True)} == {ids[1]: 2, ids[2]: 2}
    assert [row["id"] for row in listed(reason="retry")] == [ids[0]] and listed(reason="eta", ids=[ids[0]]) == []

    audit = {"who": "os:me", "note": "never was one", "scope": "by test", "operation": "o1"}
    held = store.one("release", now_ms=due_ms + 60000, limit=1)["due"]
    store.one("forget", ids=[])
    assert len(held) == 1
    gone = store.one("scheduled_drop", which=audit | {"ids": [ids[1], ids[3], 999999]})["value"]
    assert {row["id"] for row in gone} == {ids[1], ids[3]} and {row["id"] for row in listed()} == {ids[0], ids[2]}
    assert store.one("scheduled_drop", which=audit | {"ids": [ids[1]]})["value"] == []  # nothing was done, and nothing is written down
    assert [row["id"] for row in store.one("scheduled_drop", which=audit | {"unroutable": True})["value"]] == [ids[2]]
    assert [(a["operation"], a["action"], a["who"], a["reason"], a["scope"], a["entries"]) for a in
            database.rows("select * from chard.dead_letter_audit order by id")] == [("o1", "drop", "os:me", "never was one", "by test", n) for n in (2, 1)]


def test_two_releasers_never_get_the_same_row(opened):
    now = int(time.time() * 1000)
    first, second = opened("w1"), opened("w2")
    first.ask(*[{"do": "schedule", "due_ms": now} for _ in range(100)])
    a, b = first.one("release", now_ms=now, limit=60), second.one("release", now_ms=now, limit=60)
    ids = [{d["id"] for d in x["due"]} for x in (a, b)]
    assert (len(ids[0]), len(ids[1]), len(ids[0] & ids[1])) == (60, 40, 0)


def test_a_releaser_that_dies_lets_go(opened, backend, wait_until):
    now = int(time.time() * 1000)
    first, doomed = opened("w1"), Store(backend.url, "w2")
    first.one("schedule", due_ms=now)
    assert len(doomed.one("release", now_ms=now)["due"]) == 1
    assert first.one("release", now_ms=now)["due"] == []
    doomed.kill()
    backend.database.end_locks()
    wait_until(lambda: len(first.one("release", now_ms=now)["due"]) == 1)


def test_a_releaser_that_closes_lets_go(opened, backend, wait_until):
    now = int(time.time() * 1000)
    first, second = opened("w1"), Store(backend.url, "w2")
    second.one("schedule", due_ms=now)
    assert len(second.one("release", now_ms=now)["due"]) == 1
    assert second.end()[0] == 0
    wait_until(lambda: len(first.one("release", now_ms=now)["due"]) == 1)
    first.one("forget", ids=[])


def test_others_hear_what_is_scheduled(opened, wait_until):
    first, second = opened("w1"), opened("w2")
    heard = lambda store: [word["due_ms"] for word in store.heard if word["heard"] == "scheduled"]  # noqa: E731
    first.one("schedule", due_ms=1900000000000)
    wait_until(lambda: heard(second) == [1900000000000])
    first.one("claim", id="t")
    first.one("give_back", id="t", again={"due_ms": 1900000000001})
    wait_until(lambda: heard(second) == [1900000000000, 1900000000001])
    assert not heard(first)


# --- reading and maintenance ------------------------------------------------------------------------------


def test_a_job_that_is_not_there_is_null(store):
    assert store.one("job", id="none")["value"] is None
    assert store.one("worker", name="none")["value"] is None


def test_a_task_without_job_row_reads_as_a_job_of_one(store):
    store.one("claim", id="t")
    job = store.one("job", id="t")["value"]
    assert (job["state"], job["pipeline"], job["document"], len(job["tasks"])) == ("STARTED", "", None, 1)


def test_a_beat_writes_the_worker(opened):
    store = opened("w1", mode="release")
    store.one("beat", state={"consuming": False})
    store.one("beat", state={"consuming": True})
    value = store.one("worker", name="w1")["value"]
    assert (value["name"], value["state"]) == ("w1", {"consuming": True}) and 0 <= value["age_ms"] < 5000


def test_who_is_silent_is_forgotten(opened, database):
    store = opened("w1", mode="release")
    store.one("beat", state={})
    for name, hours in (("b", 25), ("a", 26), ("young", 23)):
        database.run("insert into chard.worker (name, beat_at) values (%s, %s)", name, now() - datetime.timedelta(hours=hours))
    store.one("beat", state={})
    assert [store.one("forget_workers", silent_ms=24 * 3600 * 1000)["value"] for _ in range(2)] == [[{"name": "a"}, {"name": "b"}], []]
    assert [r["name"] for r in database.rows("select name from chard.worker order by name")] == ["w1", "young"]


def test_closing_answers_what_waits(opened, database):
    store = opened()
    with database.locked():
        numbers = store.send(claim("a"), commit("b"), {"do": "schedule"}, {"do": "job", "id": "x"}, {"do": "release"})
        store.ask({"do": "close"})
        answers = store.wait(numbers)
    assert (answers[0]["verdict"], answers[1]["result"]) == ("CLOSED", "CLOSED")
