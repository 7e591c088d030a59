# SPDX-License-Identifier: Apache-2.0
"""From the outbox through Debezium and Kafka to consumers, with the real programs: `make proof-events`."""

import json
import re
import signal

import pytest
import servers
from kafka import Connect, Kafka
from support.consumers import happened, insert
from support.program import ROOT, Chard
from support.store import PostgresTables
from support.waiting import wait_until


@pytest.fixture(scope="module")
def world():
    with servers.PostgreSQL(settings={"wal_level": "logical"}) as store, Kafka() as kafka:
        chard = Chard(ROOT / "build/chard", {"CHARD_STORE_URL": store.url, "CHARD_KAFKA_SERVERS": kafka.servers})
        chard.run("migrate", check=0)
        with Connect(kafka, store.url) as connect:
            chard.settings["CHARD_CONNECT_URL"] = connect.url
            yield chard, PostgresTables(store.url), kafka, connect


def rewards(tables, numbers, **more):
    insert(tables, [{"type": "RewardGranted", "of": ("scan", f"j{n}"), "trace": "traceparent=00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                     "payload": {"job_id": f"j{n}", "user_id": f"u{n}", "reward_type": "character", "character_id": "pet"} | more} for n in numbers])


def count(tables, consumer):
    return tables.value("select count(*) from chard.inbox where consumer = %s", consumer)


def test_each_event_once_through_kills_and_rebalances(world):
    """Two processes of one group share the partitions; one is killed, another one comes; a poisoned event is a dead letter in the store and in its topic."""
    chard, tables, kafka, _ = world
    rewards(tables, range(500))
    rewards(tables, [9999], character_id="")
    first, second = [chard.start("consume", "character", "my", "--from", "kafka", "-n", f"c{k}") for k in (1, 2)]
    wait_until(lambda: count(tables, "my") >= 200, 90)
    first.kill()
    rewards(tables, range(500, 1000))
    third = chard.start("consume", "character", "my", "--from", "kafka", "-n", "c3")
    wait_until(lambda: count(tables, "character") == 1000 and count(tables, "my") == 1000, 90)
    for one in second, third:
        one.signal(signal.SIGTERM)
        assert one.wait(30) == 0, one.stderr
    assert tables.value("select count(*) from chard.fact where kind = 'character'") == 1000
    assert tables.value("select count(*) from chard.event where type = 'ProfileUpdated'") == 1000
    assert tables.value("select count(distinct tracingspancontext) from chard.outbox") == 1
    letter, = json.loads(chard.run("dlq", "ls", "--json", check=0).stdout)["entries"]
    assert (letter["task"], letter["queue"], letter["code"]) == ("character", "consumer:character", "bad_payload")
    said = kafka.read("chard.scan.dlt")
    assert len(said) == 1 and all(word in said[0] for word in (
        "errorSource:consumer_logic", "errorCode:bad_payload", "errorMessage:", "timestamp:", "eventType:RewardGranted", '"user_id":"u9999"'))


def test_records_are_cloud_events(world):
    """By the connector's configuration alone, in the binary mode of CloudEvents' binding for Kafka."""
    chard, tables, kafka, _ = world
    rewards(tables, [5000])
    identity, at = tables.rows("select id, created_at from chard.outbox where payload ->> 'user_id' = 'u5000'")[0].values()
    record = wait_until(lambda: next((line for line in kafka.read("chard.scan") if "u5000" in line), None), 60)
    headers = dict(re.findall(r"([A-Za-z_-]+):([^,\t]*)", record.split("{")[0]))
    when = headers.pop("ce_time"), re.search(r"ce_time:([^,\t]*)", record)[1]
    assert when[1].startswith(f"{at:%Y-%m-%dT%H:%M:%S}") and when[1].endswith("Z")
    assert {name: value for name, value in headers.items() if name.startswith(("ce_", "content"))} == {
        "ce_specversion": "1.0", "ce_id": str(identity), "ce_source": "/chard/chard", "ce_type": "RewardGranted",
        "ce_subject": "j5000", "content-type": "application/json"}


def test_from_kafka_to_the_store_and_back_nothing_is_doubled(world):
    chard, tables, *_ = world
    done = lambda: tables.value("select count(*) from chard.fact where kind = 'character' and owner ~ '^u2[01][0-9][0-9]$'")
    wanted = 0
    for where, numbers in [("store", range(2000, 2050)), ("kafka", range(2050, 2100)), ("store", range(2100, 2150))]:
        rewards(tables, numbers)
        wanted += len(numbers)
        consumer = chard.start("consume", "character", "--from", where)
        wait_until(lambda: done() == wanted, 60)
        consumer.terminate()
        assert consumer.wait(30) == 0
    assert tables.value("select count(*) from chard.fact where kind = 'character'") == tables.value(
        "select count(*) from chard.event where type = 'CharacterAcquired'") == count(tables, "character")


def lines(chard, code=None):
    """What `chard cdc check` says, but for what is ok."""
    said = [json.loads(line) for line in chard.run("cdc", "check", "--json", check=code).stdout.splitlines()]
    assert len(said) > 8
    return [line for line in said if line["verdict"] != "ok"]


def test_check_finds_the_real_ones_as_they_must_be(world):
    """Its advice makes topics that are missing; one with too few partitions, which forgets too early, is found."""
    chard, tables, kafka, _ = world
    rewards(tables, [3000])
    wait_until(lambda: any("u3000" in line for line in kafka.read("chard.scan")), 60)
    for line in lines(chard):
        assert line["text"] == "it is missing" and line["advice"].startswith("kafka-topics.sh --create"), line
        kafka.topics(*line["advice"].split()[1:])
    assert lines(chard, 0) == []
    kafka.topics("--create", "--topic", "chard.odd", "--partitions", "1", "--replication-factor", "1", "--config", "retention.ms=3600000")
    few, early = lines(chard, 1)
    assert few["name"] == early["name"] == "chard.odd" and "1 partitions" in few["text"] and "for 3600000 ms" in early["text"]
    kafka.topics(*few["advice"].split(",")[0].split()[1:])
    assert lines(chard, 1) == [early]
    kafka.topics("--delete", "--topic", "chard.odd")
    wait_until(lambda: lines(chard) == [], 30)


def test_a_lost_slot_leaves_no_gap(world):
    """Lost while the connector is stopped, and made anew: check says so, and since when; backfill brings what lies between, and consumers act once."""
    chard, tables, kafka, connect = world
    rewards(tables, [3001])
    wait_until(lambda: any("u3001" in line for line in kafka.read("chard.scan")), 60)
    wait_until(lambda: not [line for line in lines(chard) if line["part"] == "slot"], 30)
    connect.ask("PUT", "stop")
    wait_until(lambda: not tables.value("select bool_or(active) from pg_replication_slots"), 60)
    happened(tables, [{"type": "RewardGranted", "of": ("scan", f"j{n}"),
                       "payload": {"job_id": f"j{n}", "user_id": f"u{n}", "reward_type": "character", "character_id": "pet"}} for n in range(4000, 4050)])
    tables.run("select pg_drop_replication_slot('chard_outbox')")
    tables.run("select pg_create_logical_replication_slot('chard_outbox', 'pgoutput')")
    anew, = [line for line in lines(chard, 1) if "made anew" in line["text"]]
    connect.ask("DELETE", "offsets")  # else it asks the new slot for what is gone, and fails
    connect.ask("PUT", "resume")
    wait_until(lambda: tables.value("select bool_or(active) from pg_replication_slots"), 60, "the connector reads again")
    consumer = chard.start("consume", "character", "--from", "kafka")
    words = re.search(r"chard (cdc backfill --since \S+)", anew["advice"])[1].split()
    assert "events are in the outbox once more" in chard.run(*words, check=0).stdout
    there = "select count(*) from chard.fact where kind = 'character' and owner ~ '^u40[0-4][0-9]$'"
    wait_until(lambda: tables.value(there) == 50, 90)
    consumer.terminate()
    assert consumer.wait(30) == 0
    assert any("backfill:2" in line and "u4049" in line for line in kafka.read("chard.scan"))
    assert tables.value("select count(*) from chard.fact where kind = 'character'") == tables.value(
        "select count(*) from chard.event where type = 'CharacterAcquired'")
