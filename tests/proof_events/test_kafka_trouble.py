# SPDX-License-Identifier: Apache-2.0
"""What goes wrong with topics, records and offsets of a real Kafka: `make proof-events`. Each is a clear line; nothing is lost, and no other key is held up."""

import json
import subprocess
import uuid

import pytest
import servers
from kafka import Connect, Kafka
from support.consumers import happened
from support.program import ROOT, Chard
from support.store import PostgresTables
from support.waiting import wait_until


@pytest.fixture(scope="module")
def world():
    with servers.PostgreSQL(settings={"wal_level": "logical"}) as store, Kafka() as kafka:
        chard = Chard(ROOT / "build/chard", {"CHARD_STORE_URL": store.url, "CHARD_KAFKA_SERVERS": kafka.servers})
        chard.run("migrate", check=0)
        yield chard, PostgresTables(store.url), kafka


def reward(n):
    return {"job_id": f"j{n}", "user_id": f"u{n}", "reward_type": "character", "character_id": "pet"}


def record(n, value=None, key=None, **headers):
    headers = {"id": str(uuid.uuid4()), "eventType": "RewardGranted"} | headers
    return (",".join(f"{name}:{text}" for name, text in headers.items() if text is not None), f"j{n}" if key is None else key,
            json.dumps(reward(n)) if value is None else value)


def granted(tables):
    return {row["owner"] for row in tables.rows("select owner from chard.fact where kind = 'character'")}


def end(consumer):
    consumer.terminate()
    assert consumer.wait(30) == 0, consumer.stderr
    return consumer.stderr


def test_records_that_no_consumer_can_use(world):
    """No JSON, of a later version, without an id, without a key, of 10 MB: each is a dead letter or is acted on, and those beside it go on."""
    chard, tables, kafka = world
    kafka.topics("--create", "--topic", "chard.scan", "--partitions", "3", "--replication-factor", "1", "--config", "max.message.bytes=12000000")
    kafka.publish("chard.scan", [record(1), record(2, "{no json"), record(3, json.dumps(reward(3) | {"schema_version": 7})), record(4, id=None), record(5, key=""),
                               record(6, eventType="NobodyHeardOfIt"), record(7), record(8, json.dumps(reward(8) | {"filler": "x" * 10000000})),
                               record(9, json.dumps({"filler": "x" * 10000000})), record(10)], most=12000000)
    consumer = chard.start("consume", "character", "--from", "kafka")
    wait_until(lambda: granted(tables) == {"u1", "u7", "u8", "u10"}, 60)
    wait_until(lambda: tables.value("select count(*) from chard.dead_letter") == 5, 60)
    said = end(consumer)
    codes = {row["error_code"]: row["count"] for row in tables.rows("select error_code, count(*) from chard.dead_letter group by 1")}
    assert codes == {"bad_event": 3, "unknown_version": 1, "bad_payload": 1}
    assert said.count("is a dead letter") == 5 and "can't be produced to chard.scan.dlt, and is in the store alone" in said


def test_a_missing_topic_and_too_few_partitions(world):
    """Both are said; what there is to hear is heard."""
    chard, tables, kafka = world
    kafka.topics("--create", "--topic", "chard.character", "--partitions", "1", "--replication-factor", "1")
    consumer = chard.start("consume", "notification", "--from", "kafka")  # hears profile, which is missing, and scan
    consumer.wait_log("chard.profile")
    first, second = [chard.start("consume", "owned", "--from", "kafka", "-n", f"o{n}") for n in range(2)]
    wait_until(lambda: "no partition is left for this process" in first.stderr + second.stderr, 60)
    event = str(uuid.uuid4())
    kafka.publish("chard.character", [record("x", json.dumps({"user_id": "u1", "character_id": "pet"}), key="u1", id=event, eventType="CharacterAcquired")])
    wait_until(lambda: tables.value("select count(*) from chard.inbox where consumer = 'owned' and event_id = %s", event) == 1, 60)
    for one in consumer, first, second:
        end(one)


def test_offsets_that_retention_has_passed(world):
    """It goes on from the event store, says so, and has each event's effects once; what comes then comes from Kafka."""
    chard, tables, kafka = world
    happened(tables, [{"type": "RewardGranted", "of": ("scan", f"j{n}"), "payload": reward(n)} for n in range(100, 130)])
    written = {str(row["id"]): int(row["aggregate_id"][1:]) for row in tables.rows("select id, aggregate_id from chard.event where type = 'RewardGranted' and aggregate_id ~ '^j1[0-2][0-9]$'")}
    kafka.publish("chard.scan", [record(n, id=identity) for identity, n in written.items()])
    kafka.forget("chard.scan", 3)  # before anybody read them
    kafka.publish("chard.scan", [record(200)])
    consumer = chard.start("consume", "character", "--from", "kafka")
    wait_until(lambda: granted(tables) >= {f"u{n}" for n in [*range(100, 130), 200]}, 60)
    said = end(consumer)
    assert said.count("retention has removed records of chard.scan/") in (1, 2, 3) and "goes on from the event store" in said
    assert "30 events came from the event store" in said
    # a group that Kafka has forgotten, of a topic that has lost its beginning: the same, and nothing twice
    acquired = tables.value("select count(*) from chard.event where type = 'CharacterAcquired'")
    kafka.group("--delete", "--group", "character")
    kafka.publish("chard.scan", [record(201)])
    consumer = chard.start("consume", "character", "--from", "kafka")
    wait_until(lambda: "u201" in granted(tables), 60)
    said = end(consumer)
    assert "it stood at nowhere" in said and "0 events came from the event store" in said
    assert tables.value("select count(*) from chard.event where type = 'CharacterAcquired'") == acquired + 1


def test_a_property_that_librdkafka_does_not_know(world):
    chard, *_ = world
    for given, said in ("sasl.pasword=hush", "sasl.pasword: librdkafka knows no such property"), ("hush", "there is no '='"):
        done = chard.with_settings(kafka_properties=given).run("consume", "owned", "--from", "kafka")
        assert done.returncode == 2 and said in done.stderr and (given == "hush" or "hush" not in done.stderr)


@pytest.fixture(scope="module")
def payments(tmp_path_factory):
    library = tmp_path_factory.mktemp("payments") / "payments.so"
    subprocess.run(["cc", "-std=c11", "-shared", "-fPIC", f"-I{ROOT / 'include'}", "-o", library, ROOT / "examples/payments/payments.c"], check=True, timeout=60)
    return library


def test_the_payments_example_over_kafka(world, payments):
    """The topics payments-paid, payments-failed and orders-failed; its own events come there by Debezium, the shop's and the payment service's as they publish them."""
    chard, tables, kafka = world
    chard = chard.with_settings(tasks=str(payments), kafka_prefix="chard.")
    for topic in ("orders-placed", "payments-paid", "payments-failed", "orders-rejected", "orders-expired", "orders-failed"):
        kafka.topics("--create", "--if-not-exists", "--topic", f"chard.{topic}", "--partitions", "3", "--replication-factor", "1")
    tables.run("insert into chard.fact (kind, owner, key, task_id, value) values ('stock', 'mug', 'free/1', 't', '3')")
    with Connect(kafka, chard.settings["CHARD_STORE_URL"]):
        consumer = chard.start("consume", "order", "stock", "--from", "kafka")

        def say(topic, kind, order, **payload):
            kafka.publish(f"chard.{topic}", [record("", json.dumps({"order_id": order} | payload), key=order, eventType=kind)])

        for order in ("o1", "o2", "o3"):
            say("orders-placed", "OrderPlaced", order, sku="mug", user_id="u1", coupon=f"c-{order}")
        say("payments-paid", "PaymentPaid", "o1", payment_id="p1")
        say("payments-failed", "PaymentFailed", "o1", reason="late")  # processed already: never compensated
        say("payments-failed", "PaymentFailed", "o2", reason="card declined")

        def states(order):
            return [row["value"] for row in tables.rows("select value from chard.fact where kind = 'order' and owner = %s and key like 'state/%%' order by key", order)]

        wait_until(lambda: [states(order) for order in ("o1", "o2", "o3")] == [["PENDING", "PREPARING"], ["PENDING", "FAILED"], ["PENDING"]], 90)
        free = "select value::int from chard.fact where kind = 'stock' and owner = 'mug' and key like 'free/%%' order by length(key) desc, key desc limit 1"
        wait_until(lambda: tables.value(free) == 1, 60, "o2's is given back, which orders-failed tells by Debezium and Kafka")
        assert any('"o2"' in line for line in kafka.read("chard.orders-failed"))
        assert tables.value("select value from chard.fact where kind = 'coupon' and owner = 'c-o2'") == "returned"
        # what sweeps PENDING orders after five minutes waits for a worker, which tests/e2e/test_payments.py has
        assert tables.value("select count(*) from chard.scheduled") == 3
        end(consumer)
