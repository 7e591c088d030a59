# SPDX-License-Identifier: Apache-2.0
"""From the outbox through Debezium and Kafka to consumers, with the real programs: `make proof-events`."""

import json
import signal

import pytest
import servers
from kafka import Connect, Kafka
from support.consumers import insert
from support.program import ROOT, Chard
from support.store import PostgresTables
from support.waiting import wait_until


@pytest.fixture(scope="module")
def world():
    with servers.PostgreSQL(settings={"wal_level": "logical"}) as store, Kafka() as kafka:
        chard = Chard(ROOT / "build/chard", {"CHARD_STORE_URL": store.url, "CHARD_KAFKA_SERVERS": kafka.servers})
        chard.run("migrate", check=0)
        with Connect(kafka, store.url):
            yield chard, PostgresTables(store.url), kafka


def rewards(tables, numbers, **more):
    insert(tables, [{"type": "RewardGranted", "of": ("scan", f"j{n}"), "trace": "traceparent=00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                     "payload": {"job_id": f"j{n}", "user_id": f"u{n}", "reward_type": "character", "character_id": "pet"} | more} for n in numbers])


def count(tables, consumer):
    return tables.value("select count(*) from chard.inbox where consumer = %s", consumer)


def test_each_event_once_through_kills_and_rebalances(world):
    """Two processes of one group share the partitions; one is killed, another one comes; a poisoned event is a dead letter in the store and in its topic."""
    chard, tables, kafka = world
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
    assert tables.value("select count(*) from chard.fact where kind = 'acquired'") == 1000
    assert tables.value("select count(*) from chard.event where type = 'ProfileUpdated'") == 1000
    assert tables.value("select count(distinct tracingspancontext) from chard.outbox") == 1
    letter, = json.loads(chard.run("dlq", "ls", "--json", check=0).stdout)["entries"]
    assert (letter["task"], letter["queue"], letter["code"]) == ("character", "consumer:character", "bad_payload")
    said = kafka.read("chard.scan.dlt")
    assert len(said) == 1 and all(word in said[0] for word in (
        "errorSource:consumer_logic", "errorCode:bad_payload", "errorMessage:", "timestamp:", "eventType:RewardGranted", '"user_id":"u9999"'))


def test_from_kafka_to_the_store_and_back_nothing_is_doubled(world):
    chard, tables, _ = world
    before = count(tables, "character")
    for where, numbers in [("store", range(2000, 2050)), ("kafka", range(2050, 2100)), ("store", range(2100, 2150))]:
        rewards(tables, numbers)
        before += len(numbers)
        consumer = chard.start("consume", "character", "--from", where)
        wait_until(lambda: count(tables, "character") == before, 60)
        consumer.terminate()
        assert consumer.wait(30) == 0
    assert tables.value("select count(*) from chard.fact where kind = 'acquired'") == before == tables.value(
        "select count(*) from chard.event where type = 'CharacterAcquired'")
