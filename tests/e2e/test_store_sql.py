# SPDX-License-Identifier: Apache-2.0
"""PostgreSQL's own: migrations, what others do in SQL (transactional enqueue), the outbox's partitions, publication."""

import datetime
import json
import subprocess
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from amqp.basic_message import Message
from celery import Celery
from kombu import serialization

from support.store import Store, migrate

BASIC_CLASS = 60


@pytest.fixture
def migrated(store_url, database):
    assert migrate(store_url)[1]["rc"] == 0
    return database


@pytest.fixture
def store(store_url, migrated):
    opened = Store(store_url)
    yield opened
    assert opened.end()[0] == 0


def decoded(row):
    """Headers, properties and body as py-amqp and kombu read them."""
    message = Message()
    message._load_properties(BASIC_CLASS, bytes(row["properties"]), 0)
    body = serialization.loads(bytes(row["body"]), message.properties["content_type"],
                               message.properties["content_encoding"], accept={"application/json"})
    return message.properties["application_headers"], message.properties, body


# --- migrate ------------------------------------------------------------------------------------------


def test_migrate_fills_an_empty_database_once(store_url, database):
    said, last = migrate(store_url)
    assert last["rc"] == 0 and said and all(line.startswith("applied 0") for line in said)
    versions = database.rows("select version, name, checksum from chard.schema_version order by 1")
    assert [f"applied {v['name']}" for v in versions] == said
    again, last = migrate(store_url)
    assert last["rc"] == 0 and again == [f"up to date: {versions[-1]['name']}"]
    tables = {r["relname"] for r in database.rows("select relname from pg_class where relnamespace = 'chard'::regnamespace")}
    assert tables >= {"task", "job", "outbox", "event", "scheduled", "dead_letter", "fact", "profile", "character_owned", "worker",
                      "heartbeat", "schema_version", "outbox_default"}


def test_eight_migrations_at_once_are_one(store_url, database):
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda _: migrate(store_url), range(8)))
    assert [last["rc"] for _, last in results] == [0] * 8
    applied = [line for said, _ in results for line in said if line.startswith("applied")]
    assert len(applied) == len(set(applied)) == database.value("select count(*) from chard.schema_version")


def test_an_edited_migration_is_noticed(store_url, migrated):
    migrated.run("update chard.schema_version set checksum = 'other' where version = 2")
    _, last = migrate(store_url)
    assert (last["rc"], last["why"]["code"]) == (1, "schema_changed")


def test_a_plain_owner_of_the_schema_can_migrate_and_work(store_url, database, postgres):
    database.run("drop role if exists plain")
    database.run("create role plain login password 'plain'")
    database.run("create schema chard authorization plain")
    url = psycopg.conninfo.conninfo_to_dict(store_url)
    plain = f"postgresql://plain:plain@{url['host']}:{url['port']}/{url['dbname']}"
    said, last = migrate(plain)
    assert last["rc"] == 0, last
    store = Store(plain)
    assert store.one("claim", id="t")["verdict"] == "GRANTED"
    assert store.one("commit", id="t", events=[{"aggregate_id": "t", "payload": {}}])["result"] == "DONE"
    assert store.end()[0] == 0
    database.run("drop schema chard cascade")
    database.run("drop role plain")


# --- transactional enqueue ----------------------------------------------------------------------------


def test_a_task_exists_exactly_if_the_transaction_does(store_url, migrated, store):
    migrated.run("create table orders (id text)")
    with psycopg.connect(store_url) as application:
        with application.transaction():
            application.execute("insert into orders values ('kept')")
            kept = application.execute("select chard.enqueue('scan.vision', kwargs => %s)",
                                       [json.dumps({"image_url": "https://x/y.jpg", "user_id": "u1"})]).fetchone()[0]
            assert store.one("release")["due"] == []
        with pytest.raises(RuntimeError), application.transaction():
            application.execute("insert into orders values ('lost')")
            application.execute("select chard.enqueue('scan.vision')")
            raise RuntimeError
    assert [r["id"] for r in migrated.rows("select id from orders")] == ["kept"]
    due = store.one("release", now_ms=int(time.time() * 1000) + 1000)["due"]
    assert [(d["exchange"], d["routing_key"]) for d in due] == [("", "scan.vision")]
    task = store.one("decode", properties_hex=due[0]["properties_hex"], body=due[0]["body"])
    assert (task["rc"], task["name"], task["id"], task["root_id"], task["parent_id"]) == (0, "scan.vision", kept, kept, None)
    assert (task["args"], task["kwargs"]) == ([], {"image_url": "https://x/y.jpg", "user_id": "u1"})


def test_psql_can_enqueue(store_url, migrated):
    script = "begin; select chard.enqueue('a'); rollback; begin; select chard.enqueue('b', '[1]', id => 'my-id'); commit;"
    done = subprocess.run(["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", store_url], input=script, text=True, capture_output=True,
                          check=True)
    assert done.stdout.split()[1] == "my-id"
    assert [r["task_id"] for r in migrated.rows("select task_id from chard.scheduled")] == ["my-id"]


def test_the_message_is_what_celery_sends(migrated):
    args, kwargs = [1, "zwölf", None, {"a": [True, 1.5]}], {"text": "페트병 \"quoted\" \\ \n", "n": 12345678901234}
    migrated.run("select chard.enqueue('my.task', %s, %s, id => 'the-id', traceparent => '00-aa-bb-01',"
                 " expires => '2030-01-02 03:04:05.678+09')", json.dumps(args), json.dumps(kwargs))
    headers, properties, body = decoded(migrated.row("select * from chard.scheduled"))
    real = Celery(broker="memory://").amqp.as_task_v2("the-id", "my.task", args, kwargs)
    expected = real.headers | {"traceparent": "00-aa-bb-01", "root_id": "the-id", "expires": "2030-01-01T18:04:05.678000+00:00"}
    ours = {name for name in ("argsrepr", "kwargsrepr", "origin", "stamps", "stamped_headers")}
    assert {k: v for k, v in headers.items() if k not in ours} == {k: v for k, v in expected.items() if k not in ours}
    assert set(headers) >= {"argsrepr", "kwargsrepr", "origin", "stamps", "stamped_headers"}
    assert body == list(real.body)
    assert (properties["delivery_mode"], properties["correlation_id"]) == (2, "the-id")


def test_a_chain_by_names(migrated, store):
    root = migrated.value("select chard.enqueue_chain(array['scan.vision', 'scan.answer', 'scan.reward'], '{\"user_id\": \"u1\"}')")
    row = migrated.row("select * from chard.scheduled")
    _, _, body = decoded(row)
    chain = body[2]["chain"]
    assert [(c["task"], c["options"]["routing_key"]) for c in chain] == [("scan.reward",) * 2, ("scan.answer",) * 2]
    assert chain[1]["options"]["parent_id"] == root and chain[0]["options"]["parent_id"] == chain[1]["options"]["task_id"]
    assert {c["options"]["root_id"] for c in chain} == {root}
    task = store.one("decode", properties_hex=bytes(row["properties"]).hex(), body=bytes(row["body"]).decode())
    assert (task["rc"], task["id"], task["kwargs"], len(task["chain"])) == (0, root, {"user_id": "u1"}, 2)


def test_a_chain_of_signatures(migrated):
    migrated.run("select chard.enqueue_signatures(%s)", json.dumps([
        {"task": "a", "args": [1], "queue": "qa", "id": "ia"}, {"task": "b", "kwargs": {"x": 1}, "immutable": True, "id": "ib"}]))
    row = migrated.row("select * from chard.scheduled")
    _, _, body = decoded(row)
    assert (row["routing_key"], row["task_id"], body[0]) == ("qa", "ia", [1])
    assert body[2]["chain"][0]["kwargs"] == {"x": 1} and body[2]["chain"][0]["immutable"] is True


TRACE = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "tracestate": "vendor=1,other=2", "baggage": "tenant=a,who=b%20c"}


@pytest.mark.parametrize("call", ["enqueue('a'", "enqueue_chain(array['a', 'b']", "enqueue_signatures('[{\"task\": \"a\"}]'"])
@pytest.mark.parametrize("given", [(), ("traceparent", "tracestate", "baggage"), ("baggage",)])
def test_a_trace_goes_along(migrated, store, call, given):
    migrated.run(f"select chard.{call}{''.join(f', {name} => %s' for name in given)})", *(TRACE[name] for name in given))
    row = migrated.row("select * from chard.scheduled")
    headers, _, _ = decoded(row)
    assert {name: headers[name] for name in TRACE if name in headers} == {name: TRACE[name] for name in given}
    assert store.one("decode", properties_hex=bytes(row["properties"]).hex(), body=bytes(row["body"]).decode())["rc"] == 0


def test_a_due_time_is_kept(migrated, store):
    migrated.run("select chard.enqueue('a', due => now() + interval '1 hour')")
    released = store.one("release")
    assert released["due"] == []
    assert 3590_000 < released["next_ms"] - time.time() * 1000 < 3601_000


def test_enqueueing_wakes_the_workers(migrated, store, wait_until):
    store.one("up")
    migrated.run("select chard.enqueue('a')")
    heard = wait_until(lambda: [w for w in store.heard if w["heard"] == "scheduled"])
    assert abs(heard[0]["due_ms"] - time.time() * 1000) < 10_000


@pytest.mark.parametrize("call", [
    "chard.enqueue('')", "chard.enqueue(null)", "chard.enqueue('a', '{}')", "chard.enqueue('a', kwargs => '[]')",
    "chard.enqueue('a', id => '')", "chard.enqueue('a', id => repeat('x', 256))", "chard.enqueue('a', queue => repeat('ü', 128))",
    "chard.enqueue_chain(array[]::text[])", "chard.enqueue_chain(array['a', null])", "chard.enqueue_signatures('{}')",
    "chard.enqueue_signatures('[1]')", "chard.enqueue_signatures('[{\"task\": \"a\"}, {\"task\": \"b\", \"args\": 1}]')",
])
def test_nonsense_is_refused(migrated, call):
    with pytest.raises(psycopg.errors.InvalidParameterValue):
        migrated.run(f"select {call}")
    assert migrated.value("select count(*) from chard.scheduled") == 0


def test_an_application_needs_only_the_function(store_url, migrated):
    migrated.run("drop role if exists app")
    migrated.run("create role app login password 'app'")
    url = psycopg.conninfo.conninfo_to_dict(store_url)
    app = f"postgresql://app:app@{url['host']}:{url['port']}/{url['dbname']}"
    try:
        with psycopg.connect(app, autocommit=True) as link:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                link.execute("select chard.enqueue('a')")
            migrated.run("grant usage on schema chard to app")
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                link.execute("select chard.enqueue('a')")
            migrated.run("grant execute on function chard.enqueue, chard.enqueue_chain, chard.enqueue_signatures to app")
            link.execute("create temp table scheduled (x int)")
            assert link.execute("select chard.enqueue('a')").fetchone()
            assert link.execute("select chard.enqueue_chain(array['a', 'b'])").fetchone()
            assert link.execute("select chard.enqueue_signatures('[{\"task\": \"a\"}]')").fetchone()
            for forbidden in ("select * from chard.scheduled", "select * from chard.task", "select chard.maintain()"):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    link.execute(forbidden)
        assert migrated.value("select count(*) from chard.scheduled") == 3
    finally:
        migrated.run("drop owned by app")
        migrated.run("drop role app")


# --- what only PostgreSQL minds -----------------------------------------------------------------------


def test_an_id_that_no_index_takes_is_refused_alone(store):
    long = "".join(uuid.uuid4().hex for _ in range(400))
    answers = store.ask(*[{"do": "claim", "id": id} for id in ("short1", long, "short2")])
    assert [a["verdict"] for a in answers] == ["GRANTED", "REFUSED", "GRANTED"]
    assert answers[1]["why"]["source"] == "store" and "54000" in answers[1]["why"]["text"]


def test_nothing_due_leaves_no_open_transaction(store, migrated, wait_until):
    assert store.one("release")["due"] == []
    wait_until(lambda: migrated.value("select count(*) from pg_stat_activity where datname = current_database()"
                                      " and state like 'idle in transaction%%'") == 0)
    assert store.one("release")["due"] == []


# --- the outbox ---------------------------------------------------------------------------------------


def partitions(database):
    return sorted(r["name"] for r in database.rows(
        "select relname as name from pg_inherits join pg_class c on c.oid = inhrelid"
        " where inhparent = 'chard.outbox'::regclass"))


def day(offset):
    return (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=offset)).strftime("outbox_%Y%m%d")


def test_partitions_are_made_ahead_and_dropped_behind(migrated):
    assert partitions(migrated) == [day(n) for n in range(8)] + ["outbox_default"]
    assert migrated.value("select chard.maintain()") == 0
    migrated.run("insert into chard.outbox (id, aggregatetype, aggregateid, type, payload) values (gen_random_uuid(), 'a', 'b', 'c', '{}')")
    assert migrated.value("select count(*) from only chard." + day(0)) == 1
    assert migrated.value("select chard.maintain(now() + interval '10 days', keep_days => 7)") == 8 + 3
    assert partitions(migrated) == [day(n) for n in range(3, 8)] + [day(n) for n in range(10, 18)] + ["outbox_default"]


def test_maintenance_looks_after_the_partitions(store, migrated):
    migrated.run("drop table " + migrated.value(
        "select string_agg('chard.' || relname, ',') from pg_class where relkind = 'r' and relname ~ '^outbox_20'"))
    assert [answer["result"] for answer in store.ask({"do": "maintain"}, {"do": "maintain"})] == ["DONE", "ALREADY"]
    assert migrated.value("select count(*) from pg_inherits where inhparent = 'chard.outbox'::regclass") == 9


def test_a_store_that_closes_answers_its_maintenance(store, migrated):
    with migrated.connect(autocommit=False) as blocker:
        blocker.execute("lock table chard.outbox")
        number = store.send({"do": "maintain"})
        store.ask({"do": "close"})
        assert store.wait(number)[0]["result"] == "CLOSED"


def test_rows_without_a_partition_are_kept(migrated):
    late = "insert into chard.outbox (id, created_at, aggregatetype, aggregateid, type, payload) values (gen_random_uuid(), now() + interval '30 days', 'a', 'b', 'c', '{}')"
    migrated.run(late)
    assert migrated.value("select count(*) from only chard.outbox_default") == 1
    assert migrated.value("select chard.maintain(now() + interval '25 days')") > 0
    assert migrated.value("select count(*) from chard.outbox") == 1
    migrated.run("select chard.maintain(now() + interval '60 days')")
    assert migrated.value("select count(*) from chard.outbox") == 0


def test_the_publication_carries_outbox_and_heartbeat(migrated):
    tables = migrated.rows("select tablename from pg_publication_tables where pubname = 'chard_outbox' order by 1")
    assert [t["tablename"] for t in tables] == ["heartbeat", "outbox"]
    assert migrated.row("select pubinsert, pubupdate, pubdelete, pubviaroot from pg_publication where pubname = 'chard_outbox'") == \
        {"pubinsert": True, "pubupdate": True, "pubdelete": False, "pubviaroot": True}
    migrated.run("update chard.heartbeat set beat_at = now()")
    migrated.run("delete from chard.outbox")
