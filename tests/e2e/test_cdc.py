# SPDX-License-Identifier: Apache-2.0
"""`chard cdc`: is what carries events to Kafka as it must be? The real Debezium is in tests/proof_events; here a double stands for Kafka Connect, and PostgreSQL's own
program reads the slot."""

import contextlib
import datetime
import json
import re
import subprocess
import time

import pytest
import servers
from support.connect import STATUS, ConnectDouble, refusal
from support.consumers import happened, insert, thing
from support.figures import Figures
from support.pgoutput import inserts
from support.program import ROOT, Chard, die_with_parent, no_report
from support.store import PostgresTables
from support.waiting import wait_until

DEPLOYED = ROOT / "deploy/debezium/chard-outbox.json"
SLOT = "select pg_create_logical_replication_slot('chard_outbox', 'pgoutput')"


@pytest.fixture
def connect():
    double = ConnectDouble()
    yield double
    double.close()


@pytest.fixture(scope="module")
def logical():
    """A PostgreSQL whose log can be decoded, with chard's schema; all tests of the module share it."""
    with servers.PostgreSQL(settings={"wal_level": "logical"}) as server:
        chard = Chard(ROOT / "build/asan/chard", {"CHARD_STORE_URL": server.url})
        chard.run("migrate", check=0)
        yield chard, PostgresTables(server.url), server


@pytest.fixture
def chard_file(tmp_path):
    """A store that is a file, of which there is nothing to check."""
    chard = Chard(ROOT / "build/asan/chard", {"CHARD_STORE_URL": f"sqlite:{tmp_path}/chard.db"})
    chard.run("migrate", check=0)
    return chard


@contextlib.contextmanager
def reader(server, tables):
    """Somebody who reads the slot, as the connector does."""
    program = subprocess.Popen([server.bin / "pg_recvlogical", "-d", server.url, "--slot", "chard_outbox", "--start", "-f", "/dev/null", "-o", "proto_version=1",
                                "-o", "publication_names=chard_outbox"], stderr=subprocess.PIPE, preexec_fn=die_with_parent)
    try:
        wait_until(lambda: tables.value("select active from pg_replication_slots"), 30, "somebody reads the slot")
        yield
    finally:
        program.terminate()
        program.communicate(timeout=30)
        wait_until(lambda: not tables.value("select coalesce(bool_or(active), false) from pg_replication_slots"), 30, "nobody reads the slot")


@pytest.fixture
def slot(logical):
    _, tables, _ = logical
    tables.run(SLOT)
    yield
    tables.run("select pg_drop_replication_slot(slot_name) from pg_replication_slots")


def check(chard, *words, code):
    lines = [json.loads(line) for line in chard.run("cdc", "check", "--json", *words, check=code).stdout.splitlines()]
    return {(line["part"], line["verdict"]): line for line in lines if line["verdict"] != "ok"}, [line["text"] for line in lines if line["verdict"] == "ok"]


def test_the_deployed_file_is_what_chard_prints(chard_bare):
    printed = chard_bare.run("cdc", "config", "--store-url", "postgresql://chard:secret@postgres:5432/chard", check=0).stdout
    assert json.loads(printed) == json.loads(DEPLOYED.read_text()) and "secret" not in printed


def test_of_a_file_nothing_is_checked(chard_file):
    others, fine = check(chard_file, code=0)
    assert set(others) == {("store", "unchecked"), ("connector", "unchecked"), ("topic", "unchecked")} and not fine


def test_a_server_that_is_not_prepared(chard, database):
    chard.run("migrate", check=0)
    others, fine = check(chard, code=1)
    assert others["store", "differs"]["advice"].startswith("alter system set wal_level = logical")
    assert "carried nowhere" in others["slot", "differs"]["text"] and ("connector", "unchecked") in others and ("topic", "unchecked") in others
    assert fine == ["outbox and heartbeat, inserts and updates"]
    database.run("alter publication chard_outbox set (publish = 'insert')")
    database.run("alter publication chard_outbox set table chard.outbox, chard.job")
    said = chard.run("cdc", "check", check=1).stdout
    assert '["chard.job","chard.outbox"]' in said and "-> alter publication chard_outbox set table chard.outbox, chard.heartbeat" in said
    database.run("drop publication chard_outbox")
    assert "create publication" in check(chard, code=1)[0]["publication", "differs"]["advice"]


def test_all_is_as_it_must_be(logical, slot, connect):
    """Also behind a password, which is not printed."""
    chard, tables, server = logical
    connect.have(json.loads(DEPLOYED.read_text()), lsn=2**60)
    with reader(server, tables):
        url = connect.url.replace("//", "//someone:pass%20word@") + "/"
        others, fine = check(chard, "--connect-url", url, code=0)
    assert list(others) == [("topic", "unchecked")] and len(fine) == 6 and "49 settings are as they must be" in fine
    assert connect.asked[0] == ("/connectors/chard-outbox/config", "Basic c29tZW9uZTpwYXNzIHdvcmQ=")


def test_what_became_of_the_slot(logical, slot, connect):
    """It is not read; it was made anew while the connector had read less; it is gone."""
    chard, tables, _ = logical
    at = ("--connect-url", connect.url)
    connect.have(json.loads(DEPLOYED.read_text()), lsn=10)
    said = chard.run("cdc", "check", *at, check=1).stdout
    assert "differs    slot chard_outbox: nobody reads it\n" in said
    assert "it was made anew, or somebody else has read it" in said and "-> chard cdc backfill --since 2026-11-30T00:52:20.123+00:00" in said
    tables.run("select pg_drop_replication_slot('chard_outbox')")
    others, _ = check(chard, *at, code=1)
    assert "there is none" in others["slot", "differs"]["text"]
    tables.run("select pg_create_logical_replication_slot('chard_outbox', 'test_decoding')")
    assert "its plug-in is test_decoding" in chard.run("cdc", "check", *at, check=1).stdout


def test_how_far_behind_the_reader_is(logical, slot, broker_url):
    """As figures: what it has not read, how old that is, and what becomes of the log."""
    chard, tables, _ = logical
    chard = chard.with_settings(broker_url=broker_url)
    chard.run("topology", "apply", check=0)
    keeper = chard.start("keep", "--metrics", "0")
    figures = Figures(keeper)

    def at(name, **labels):
        return figures.value(f"chard_{name}", slot="chard_outbox", **labels)

    wait_until(lambda: at("replication_slot_active") == 0 and at("replication_slot_wal_status", status="reserved") == 1, 30)
    assert at("events_undelivered_seconds") == 0 and at("replication_slot_wal_status", status="lost") == 0 and at("replication_slot_safe_bytes") is None
    happened(tables, [thing(1, of="aged") | {"at": datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=100)}])
    wait_until(lambda: at("events_undelivered_seconds") > 100 and at("replication_slot_lag_bytes") > 0, 30)

    def delivered():
        """The server moves on what it keeps at its own pace: a checkpoint, and what comes behind it, hurry it."""
        tables.run("checkpoint")
        insert(tables, [thing(2)])
        tables.rows("select * from pg_logical_slot_get_binary_changes('chard_outbox', null, null, 'proto_version', '1', 'publication_names', 'chard_outbox')")
        return at("events_undelivered_seconds") < 100

    wait_until(delivered, 60)
    tables.run("select pg_drop_replication_slot('chard_outbox')")
    wait_until(lambda: at("replication_slot_active") is None and at("events_undelivered_seconds") is None, 30)
    tables.run(SLOT)
    keeper.terminate()
    assert keeper.wait() == 0
    no_report(keeper.stderr)


def carried(tables, *, keep):
    """What the slot gives of the outbox: its reader may have it again, or not."""
    verb = "peek" if keep else "get"
    found = tables.rows(f"select data from pg_logical_slot_{verb}_binary_changes('chard_outbox', null, null, 'proto_version', '1', 'publication_names', 'chard_outbox')")
    return inserts([one["data"] for one in found], "outbox")


def versions(name, first, last):
    return [{"of": ("thing", name), "version": n, "payload": {"n": n}} for n in range(first, last + 1)]


def test_the_page_for_a_lost_slot(logical, slot, connect):
    """Its lines, one after another: every event comes once or more, an aggregate's in their order, those that were lost with a mark."""
    chard, tables, _ = logical
    page = (ROOT / "docs/events.md").read_text().split("## When a slot is lost")[1].split("\n## ")[0]
    lines = re.findall(r"^    (chard .*|select .*;)$", page, re.M)
    connect.have(json.loads(DEPLOYED.read_text()), lsn=10, at_us=time.time_ns() // 1000 - 1000000)
    happened(tables, [event for name in "ab" for event in versions(name, 1, 3)])
    assert len(carried(tables, keep=False)) >= 6
    tables.run("select pg_drop_replication_slot('chard_outbox')")
    happened(tables, [event for name in "abc" for event in versions(name, 4, 6)])
    tables.run(SLOT)  # lost and made anew: nobody is told of what lies between
    happened(tables, versions("a", 7, 8))
    assert [row["payload"] for row in carried(tables, keep=True)] == ['{"n": 7}', '{"n": 8}']
    said = ""
    for line in lines:
        if line.startswith("select"):
            tables.run(line)
        else:
            words = line.split("  #")[0].strip().replace("http://connect:8083", connect.url).split()[1:]
            given = re.search(r"chard cdc backfill --since (\S+)", said)
            said += chard.run(*[given[1] if word == "TIME" else word for word in words], check=1 if words[1] == "check" else 0).stdout
    assert [line.split()[2] for line in lines if line.startswith("chard cdc")] == ["check", "backfill", "backfill", "check"]
    for name, last in ("a", 8), ("b", 6), ("c", 6):
        came = [row for row in carried(tables, keep=True) if row["aggregateid"] == name]
        numbers = [json.loads(row["payload"])["n"] for row in came if row["backfill"]]
        assert set(range(4, last + 1)) <= set(numbers) and numbers == sorted(numbers), came


BY_HAND = {"plugin.name": "wal2json", "heartbeat.interval.ms": "0", "transforms": "outbox,mask"}
FAILED = STATUS | {"tasks": [{"id": 0, "state": "FAILED", "worker_id": "w", "trace": "org.apache.kafka.connect.errors.RetriableException: away\n\tat x"}]}
ANSWERS = {
    "by hand": ({"config": (200, BY_HAND)}, 'plugin.name is "wal2json", and must be pgoutput'),
    "another": ({}, "connector chard-outbox: there is none"),
    "failed": ({"status": (200, FAILED)}, "its task is FAILED: org.apache.kafka.connect.errors.RetriableException: away"),
    "rebalance": ({"config": refusal(409, "Cannot complete request momentarily due to stale configuration")}, "answers 409: Cannot complete request"),
    "no entry": ({"config": (401, b"<html>no</html>")}, "answers 401: and does not say why"),
    "garbage": ({"config": (200, b"<html>\xff hello</html>")}, "is not Kafka Connect: it is no JSON"),
    "half": ({"config": (200, b'{"name": "chard-ou')}, "is not Kafka Connect: it is no JSON"),
    "a list": ({"config": (200, [1])}, "what Kafka Connect answers is no configuration"),
    "no status": ({"status": (200, {"state": "RUNNING"})}, "what Kafka Connect answers is no status"),
    "deep": ({"config": (200, b"[" * 5000)}, "is not Kafka Connect"),
    "huge": ({"config": (200, b'"' + b"x" * (5 << 20) + b'"')}, "Kafka Connect at http://127.0.0.1"),
}


@pytest.mark.parametrize("what", ANSWERS)
def test_what_connect_answers(chard_file, connect, what):
    answers, said = ANSWERS[what]
    if what != "another":
        connect.have(json.loads(DEPLOYED.read_text()))
        connect.answers |= answers
    assert said in chard_file.run("cdc", "check", "--connect-url", connect.url, check=1).stdout


@pytest.mark.parametrize("words, said", [
    (["--connect-url", "http://127.0.0.1:1"], "Kafka Connect at http://127.0.0.1:1/connectors/chard-outbox: "),
    (["--connect-url", "connect:8083"], "CHARD_CONNECT_URL reads http://HOST:8083"),
    (["--kafka-servers", "127.0.0.1:1"], "Kafka at 127.0.0.1:1: "),
])
def test_who_does_not_answer(chard_file, words, said):
    assert said in chard_file.run("cdc", "check", *words, check=1).stdout


def test_words(chard_bare):
    assert "check" in chard_bare.run("cdc", "--help", check=0).stdout
    assert "did you mean" in chard_bare.run("cdc", "chek", check=2).stderr
    assert "--most-lag-mb" in chard_bare.run("cdc", "check", "--most-lag-mb", "much", check=2).stderr
