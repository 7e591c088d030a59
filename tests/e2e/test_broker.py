# SPDX-License-Identifier: Apache-2.0
"""What every backend of the broker's door must do, against a real RabbitMQ and against a file. test_broker_amqp.py and test_broker_embedded.py
have what only one of them can be asked."""

import amqp
import pytest
from conftest import fresh_vhost
from support.broker import QUEUE, FileQueues, RabbitQueues, ack, build_for_threads, hand_back, starter, to
from support.waiting import wait_until


@pytest.fixture
def start():
    yield from starter()


@pytest.fixture(params=["amqp", "embedded"])
def backend(request):
    return request.param


@pytest.fixture
def broker_url(backend, request, tmp_path):
    """A fresh virtual host, or a fresh file."""
    if backend == "embedded":
        yield f"embedded:{tmp_path}/chard.db"
        return
    with fresh_vhost(request.getfixturevalue("rabbitmq")) as url:
        yield url


@pytest.fixture
def queues(backend, broker_url):
    """A look from outside."""
    return FileQueues(broker_url.removeprefix("embedded:")) if backend == "embedded" else RabbitQueues(broker_url)


@pytest.fixture
def driver(start, broker_url):
    """One with the topology for three queues, up."""
    made = start(broker_url, queues="scan.vision,scan.answer,my.profile", heartbeat=2)
    made.wait("open", deadline=60)
    return made.wait_up()


def test_declaring_twice_is_fine(driver, start, broker_url):
    start(broker_url, queues="scan.vision,scan.answer,my.profile").wait("open")


# --- consuming --------------------------------------------------------------------------------------------


def test_a_message_arrives_as_it_was_sent(driver, queues):
    driver.consume()
    queues.publish("scan.commands", QUEUE, "böse".encode(), {"task": "x", "deep": {"a": [1, True, None, "ü"]}}, correlation_id="c1",
                   priority=3, reply_to="r")
    event = driver.wait("delivery")
    message = amqp.Message()
    message._load_properties(60, bytes.fromhex(event["properties"]), 0)
    assert message.headers == {"task": "x", "deep": {"a": [1, True, None, "ü"]}}
    assert (message.correlation_id, message.priority, message.reply_to) == ("c1", 3, "r")
    assert (event["queue"], event["exchange"], event["key"], event["body"]) == (QUEUE, "scan.commands", QUEUE, "böse")
    assert event["redelivered"] is False and event["epoch"] == 1 and event["tag"] == 1
    driver.send(ack(event))
    driver.close()
    assert queues.depth(QUEUE) == 0


def test_prefetch_is_kept_for_each_queue(driver, queues):
    driver.send(to("scan.vision", count=20), to("scan.answer", count=20))
    driver.results(1)
    driver.do("consume", queue="scan.vision", prefetch=3)
    driver.do("consume", queue="scan.answer", prefetch=5)
    seen = driver.deliveries(8)
    wait_until(lambda: queues.depth("scan.vision") == 17 and queues.depth("scan.answer") == 15)
    first = next(event for event in seen if event["queue"] == "scan.vision")
    driver.send(ack(first))
    assert driver.deliveries(9)[8]["queue"] == "scan.vision"
    assert len(driver.events("delivery")) == 9


def test_a_new_prefetch_counts(driver):
    driver.send(to(QUEUE, count=30))
    driver.consume(prefetch=2)
    seen = driver.deliveries(2)
    driver.consume(prefetch=5)  # RabbitMQ counts only what the new consumer has
    driver.deliveries(5)
    driver.send(*map(ack, seen))
    assert len(driver.deliveries(7)) == 7


def test_the_prefetch_may_change_under_load(driver, queues):
    """RabbitMQ 3.10 breaks the connection when the new consumer has the tag of the old one."""
    driver.do("flood", count=3000, exchange=QUEUE, key=QUEUE, size=10)
    driver.wait("flooded")
    acked = 0
    for prefetch in (50, 500, 20, 300, 10, 1000):
        driver.do("consume", queue=QUEUE, prefetch=prefetch)
        seen = driver.deliveries(acked + 10)[acked:]
        driver.send(*map(ack, seen[1::2]), {"do": "consume", "queue": QUEUE, "prefetch": prefetch + 1}, *map(ack, seen[::2]))
        acked += len(seen)
    seen = driver.ack_until(3000)  # some for the second time, which is ignored
    assert {(event["tag"], event["epoch"]) for event in seen} == {(tag, 1) for tag in range(1, 3001)}
    assert "lost" not in "".join(driver.log)
    driver.close()
    assert queues.depth(QUEUE) == 0


def test_what_is_handed_back_comes_again(driver):
    driver.send(to(QUEUE, body="a"))
    driver.consume()
    driver.send(hand_back(driver.wait("delivery")))
    again = driver.deliveries(2)[1]
    assert again["redelivered"] and again["body"] == "a"
    driver.send(ack(again))


def test_acks_and_hand_backs_in_any_order(driver, queues):
    """Every third is handed back, the rest acked, each turn of the loop another pattern: exactly those come again."""
    driver.send(*(to(QUEUE, n, body=f"m{n}") for n in range(300)))
    driver.consume(prefetch=300)
    seen = driver.deliveries(300)
    wrong = {event["body"] for event in seen[::3]}
    shuffled = sorted(seen, key=lambda event: (event["tag"] * 7919) % 300)
    for at in range(0, 300, 37):
        driver.send(*(hand_back(event) if event["body"] in wrong else ack(event) for event in shuffled[at:at + 37]))
    again = driver.deliveries(400)[300:]
    assert {event["body"] for event in again} == wrong and all(event["redelivered"] for event in again)
    driver.send(*map(ack, again))
    driver.send(*map(ack, again), ack({"tag": 99999, "epoch": 1}), ack({"tag": 1, "epoch": 77}))  # ignored
    driver.close()
    assert queues.depth(QUEUE) == 0


def test_cancel_takes_no_more_and_consume_starts_again(driver, queues):
    driver.send(to(QUEUE, count=4))
    driver.consume(prefetch=2)
    seen = driver.deliveries(2)
    since = len(driver.events("changed"))
    driver.do("cancel")
    driver.wait("changed", lambda event: (event["state"], event["wanted"], event["registered"]) == ("up", 0, 0), since=since)
    driver.send(*map(ack, seen))
    queues.wait_unconsumed(QUEUE)
    assert queues.depth(QUEUE) == 2
    assert len(driver.events("delivery")) == 2
    driver.consume(prefetch=2)
    assert len(driver.deliveries(4)) == 4


def test_acks_are_sent_before_a_close(driver, queues):
    driver.send(to(QUEUE, count=500))
    driver.consume(prefetch=400)
    seen = driver.deliveries(400)
    driver.send(*map(ack, seen), {"do": "close"})
    assert driver.close()["ms"] < 1500
    assert queues.depth(QUEUE) == 100


def test_a_body_of_20_megabytes(driver):
    driver.consume()
    driver.send(to(QUEUE, 1, size=20_000_000), to(QUEUE, 2, body="small"))
    large, small = driver.deliveries(2)
    assert (large["size"], large["sum"], small["body"]) == (20_000_000, 20_000_000 * ord("x"), "small")
    assert driver.results(2) == {1: "confirmed", 2: "confirmed"}


def test_empty_bodies_and_bodies_of_exactly_a_frame(driver):
    sizes = [1, 131064 - 1, 131064, 131064 + 1, 2 * 131064]
    driver.consume(prefetch=10)
    driver.send(to(QUEUE, 0), *(to(QUEUE, n, size=size) for n, size in enumerate(sizes, 1)))
    assert [event["size"] for event in driver.deliveries(6)] == [0, *sizes]


def test_a_missing_queue_is_named_and_others_go_on(start, broker_url, queues):
    queues.declare("there")
    driver = start(broker_url)
    driver.do("consume", queue="nowhere", prefetch=1)
    driver.do("consume", queue="there", prefetch=1)
    wait_until(lambda: driver.health()["registered"] == 1)
    health = driver.health()
    assert health["state"] == "down" and health["wanted"] == 2 and "nowhere" in health["why"]
    driver.send(to("", key="there"))
    driver.deliveries(1)
    queues.declare("nowhere")
    driver.wait_up()


# --- publishing -------------------------------------------------------------------------------------------


def test_each_publish_gets_its_own_answer(driver, queues):
    """Routable, unroutable and to missing exchanges, mixed: the channel is closed and reopened meanwhile."""
    expected = {}
    lines = []
    for n in range(600):
        kind = ("confirmed", "returned", "refused")[0 if n % 7 else 1 if n % 14 else 2]
        target = {"confirmed": to(QUEUE, n), "returned": to("scan.commands", n), "refused": to(f"missing.{n % 3}", n)}[kind]
        expected[n] = kind
        lines.append(target)
    driver.send(*lines)
    assert driver.results(600) == expected
    assert queues.depth(QUEUE) >= sum(result == "confirmed" for result in expected.values())
    assert driver.health()["unconfirmed"] == 0


@pytest.mark.parametrize("bad", ["9000ff61", "9000", "", "00", "90010102", "ffff", "f00003616263"])
def test_unreadable_properties_harm_only_their_message(driver, bad):
    driver.send(*(to(QUEUE, n) for n in range(20)), to(QUEUE, 20, properties=bad), *(to(QUEUE, n) for n in range(21, 40)))
    assert driver.results(40) == {n: "refused" if n == 20 else "confirmed" for n in range(40)}
    assert driver.is_up()


def test_a_burst_is_answered_completely(driver, queues):
    driver.send({"do": "mode", "automatic": True, "quiet": True})
    driver.consume(prefetch=500)
    driver.do("flood", count=20000, exchange=QUEUE, key=QUEUE, size=300)
    driver.wait("flooded", deadline=60)
    wait_until(lambda: driver.answer("counts", "counts")["deliveries"] == 20000, 30)
    assert driver.answer("counts", "counts")["confirmed"] == 20000
    driver.close()
    assert queues.depth(QUEUE) == 0


@pytest.mark.parametrize("callback", ["deliveries", "done", "changed"])
def test_closing_from_inside_a_callback(start, broker_url, queues, callback):
    driver = start(broker_url, queues=QUEUE)
    if callback == "changed":
        driver.send({"do": "mode", "closing": True}, {"do": "consume", "queue": QUEUE})
    else:
        driver.consume()
        target = QUEUE if callback == "deliveries" else "scan.commands"
        driver.send({"do": "mode", "closing": True}, *(to(target, n, key=QUEUE) for n in range(50)))
    driver.wait("closed")
    driver.close()


# --- threads ----------------------------------------------------------------------------------------------


def test_under_thread_sanitizer(start, broker_url):
    """The traffic of all of the above in short, in the build that looks for races."""
    build_for_threads()
    driver = start(broker_url, variant="tsan", queues="scan.vision,scan.answer", heartbeat=2)
    driver.send({"do": "mode", "automatic": True, "quiet": True})
    driver.consume("scan.vision", prefetch=100)
    driver.consume("scan.answer", prefetch=7)
    driver.send(to("scan.vision", count=1000), to("scan.answer", count=100), to("scan.commands", 9), to("missing", 10))
    driver.results(1102, 60)
    driver.do("cancel")
    driver.consume("scan.vision", prefetch=3)
    driver.close()
