# SPDX-License-Identifier: Apache-2.0
"""The broker's door against a real RabbitMQ, by way of tests/e2e/drivers/broker_driver.c, which puts broker.h on a
command line."""

import contextlib
import json
import os
import socket
import ssl
import subprocess
import threading
import time
import urllib.parse

import amqp
import pytest
from support.program import OPTIONS, ROOT, SANITIZER, die_with_parent
from support.queues import Queues
from support.waiting import wait_until

DRIVERS = {name: ROOT / f"build/{name}/tests/e2e/drivers/broker_driver" for name in ("asan", "tsan", "release")}
QUEUE = "scan.vision"


class Driver:
    """One running driver. Its events are kept in the order in which they came."""

    def __init__(self, url, variant=None, **options):
        binary = os.environ.get("CHARD_TEST_BROKER_DRIVER") or DRIVERS[variant or "asan"]
        self.process = subprocess.Popen([binary, url, *(f"{key}={value}" for key, value in options.items())], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        env=os.environ | OPTIONS, preexec_fn=die_with_parent)
        self.seen, self.log = [], []
        self._readers = [threading.Thread(target=self._collect, args=pair, daemon=True) for pair in (
            (self.process.stdout, lambda line: self.seen.append(json.loads(line))), (self.process.stderr, self.log.append))]
        for reader in self._readers:
            reader.start()

    @staticmethod
    def _collect(stream, keep):
        for line in stream:
            keep(line)

    def do(self, verb, **fields):
        self.send({"do": verb} | fields)

    def send(self, *lines):
        """What is sent together is handled in one turn of the driver's loop."""
        self.process.stdin.write("".join(json.dumps(line) + "\n" for line in lines))
        self.process.stdin.flush()

    def events(self, kind):
        return [event for event in list(self.seen) if event["event"] == kind]

    def wait(self, kind, which=lambda event: True, deadline=20, since=0):
        def found():
            return next((event for event in self.events(kind)[since:] if which(event)), None) or self._ended()
        return wait_until(found, deadline, f"{kind}; the last events: {self.seen[-3:]}")

    def _ended(self):
        if self.process.poll() is not None and not any(reader.is_alive() for reader in self._readers):
            raise RuntimeError(f"the driver ended with {self.process.returncode}: {self.seen[-3:]}\n{''.join(self.log)[-3000:]}")

    def answer(self, verb, kind):
        since = len(self.events(kind))
        self.do(verb)
        return self.wait(kind, since=since)

    def health(self):
        return self.answer("health", "health")

    def is_up(self):
        return self.health()["state"] == "up"

    def wait_up(self, deadline=20):
        wait_until(self.is_up, deadline, "up")
        return self

    def consume(self, queue=QUEUE, prefetch=10, **more):
        self.do("consume", queue=queue, prefetch=prefetch, **more)
        return self.wait_up()

    def deliveries(self, count, deadline=20):
        wait_until(lambda: len(self.events("delivery")) >= count, deadline, f"{count} deliveries")
        return self.events("delivery")

    def results(self, count, deadline=30):
        """Of each publish, by its number."""
        wait_until(lambda: len(self.events("done")) >= count, deadline, f"{count} answers")
        return {event["n"]: event["result"] for event in self.events("done")}

    def ack_until(self, count):
        """Acks what comes, until so many came."""
        acked = 0
        while acked < count:
            seen = self.deliveries(acked + 1)
            self.send(*map(ack, seen[acked:]))
            acked = len(seen)
        return self.events("delivery")

    def close(self, status=0):
        if not self.process.stdin.closed:
            self.process.stdin.close()
        assert self.process.wait(20) == status, "".join(self.log)[-4000:]
        for reader in self._readers:
            reader.join(10)
        assert not SANITIZER.search("".join(self.log)), "".join(self.log)[-8000:]
        return self.seen[-1]


def ack(delivery):
    return {"do": "ack", "tag": delivery["tag"], "epoch": delivery["epoch"]}


def hand_back(delivery):
    return ack(delivery) | {"do": "hand_back"}


def to(queue, n=0, **more):
    return {"do": "publish", "n": n, "exchange": queue, "key": queue} | more


@pytest.fixture
def start():
    """Starts drivers, and ends them with the test."""
    made = []

    def make(url, **options):
        made.append(Driver(url, **options))
        return made[-1]

    yield make
    for driver in made:
        if driver.process.poll() is None:
            driver.close()


@pytest.fixture(scope="module")
def _own_server():
    import servers
    with servers.RabbitMQ(tls=True, config={"max_message_size": 6_000_000}) as server:
        yield server


@pytest.fixture
def own_server(_own_server):
    """One for this file alone: it may be stopped, killed and alarmed, and it speaks TLS. Tests use queues of their own."""
    _own_server.start()
    return _own_server


@pytest.fixture
def driver(start, broker_url):
    """One with the topology for three queues, up."""
    made = start(broker_url, queues="scan.vision,scan.answer,my.profile", heartbeat=2)
    made.wait("open", deadline=60)
    return made.wait_up()


# --- topology ---------------------------------------------------------------------------------------------


def test_a_celery_client_may_declare_the_same(driver, broker_url):
    """Whatever kombu declares for these queues and for delayed delivery stands there already, with the same arguments."""
    from kombu import Connection, Exchange, Queue
    from kombu.transport import native_delayed_delivery as native
    with Connection(broker_url) as connection:
        queue = Queue(QUEUE, Exchange(QUEUE, type="topic"), routing_key=QUEUE, queue_arguments={"x-queue-type": "quorum"})
        queue.bind(connection.channel()).declare()
        native.declare_native_delayed_delivery_exchanges_and_queues(connection, "quorum")
        native.bind_queue_to_native_delayed_delivery_exchange(connection, queue)


def test_delayed_delivery_reaches_the_queue(driver, queues):
    driver.consume()
    queues.publish("celery_delayed_27", ".".join(f"{1:028b}") + "." + QUEUE, b"later")
    event = driver.wait("delivery")
    assert event["body"] == "later" and event["queue"] == QUEUE
    # What the worker must know: the key keeps its digits, and the exchange is the last dead-letter exchange.
    assert event["exchange"] == "celery_delayed_delivery" and event["key"].endswith("1." + QUEUE)


def test_declaring_twice_is_fine(driver, start, broker_url):
    start(broker_url, queues="scan.vision,scan.answer,my.profile").wait("open")


def test_a_queue_of_another_type_is_named(start, broker_url, queues):
    with queues.channel() as channel:
        channel.queue_declare("scan.answer", durable=True, auto_delete=False)
    failed = start(broker_url, queues="scan.vision,scan.answer")
    event = failed.wait("failed")
    assert event["code"] == "precondition_failed" and event["result"] == 1
    assert "queue scan.answer" in event["text"] and "delete it" in event["text"]
    failed.close(status=1)


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
    driver.deliveries(2)
    driver.consume(prefetch=5)
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
    wait_until(lambda: queues.consumers(QUEUE) == 0)  # RabbitMQ counts one that still has unacked messages
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


def test_a_message_that_the_queue_refuses(driver, queues):
    with queues.channel() as channel:
        channel.queue_declare("tiny", durable=True, auto_delete=False, arguments={
            "x-max-length": 1, "x-overflow": "reject-publish"})
    driver.send(to("", 1, key="tiny"))
    assert driver.results(1) == {1: "confirmed"}
    driver.send(to("", 2, key="tiny"), to(QUEUE, 3))
    assert driver.results(3) == {1: "confirmed", 2: "refused", 3: "confirmed"}


def properties(**fields):
    message = amqp.Message(b"", **fields)
    return message._serialize_properties().hex()


@pytest.mark.parametrize("bad", [
    properties(user_id="somebody.else"),  # the broker closes the channel and names no exchange
    properties(expiration="soon"),
    "9000ff61", "9000", "", "00", "90010102", "ffff", "f00003616263",  # not even sent
])
def test_a_bad_message_harms_only_itself(driver, queues, bad):
    driver.send(*(to(QUEUE, n) for n in range(20)), to(QUEUE, 20, properties=bad), *(to(QUEUE, n) for n in range(21, 40)))
    assert driver.results(40) == {n: "refused" if n == 20 else "confirmed" for n in range(40)}
    assert driver.is_up()


def test_every_message_is_persistent(driver, queues):
    driver.send(*(to(QUEUE, n, properties=sent) for n, sent in enumerate(
        [properties(), properties(delivery_mode=1), properties(content_type="a/b", priority=4, delivery_mode=1), properties(message_id="x")])))
    assert set(driver.results(4).values()) == {"confirmed"}
    taken = queues.take(QUEUE)
    assert [message.properties.get("delivery_mode") for message in taken] == [2] * 4
    assert taken[2].content_type == "a/b" and taken[2].priority == 4 and taken[3].message_id == "x"


def test_a_burst_is_answered_completely(driver, queues):
    driver.send({"do": "mode", "automatic": True, "quiet": True})
    driver.consume(prefetch=500)
    driver.do("flood", count=20000, exchange=QUEUE, key=QUEUE, size=300)
    driver.wait("flooded", deadline=60)
    wait_until(lambda: driver.answer("counts", "counts")["deliveries"] == 20000, 30)
    assert driver.answer("counts", "counts")["confirmed"] == 20000
    driver.close()
    assert queues.depth(QUEUE) == 0


def test_what_may_not_be_written_is_refused_alone(driver, start, rabbitmq, broker_url):
    """The broker closes the channel and names no message: which it was is found out."""
    vhost = urllib.parse.urlsplit(broker_url).path[1:]
    rabbitmq.api("PUT", "users/limited", {"password": "limited", "tags": ""})
    rabbitmq.api("PUT", f"permissions/{vhost}/limited", {"configure": "", "write": "^scan.commands$", "read": ".*"})
    limited = start(with_login(broker_url, "limited", "limited")).wait_up()
    limited.send(*(to("scan.vision", n) if n % 40 == 7 else to("scan.commands", n, key=QUEUE) for n in range(120)))
    assert limited.results(120) == {n: "refused" if n % 40 == 7 else "confirmed" for n in range(120)}


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


def test_what_is_not_confirmed_at_a_close_is_said_so(start, broker_url, toxic, rabbitmq):
    link = toxic(rabbitmq.port)
    driver = start(link.url(broker_url), queues=QUEUE)
    driver.wait_up()
    link.half_open()
    driver.send(*(to(QUEUE, n) for n in range(5)), {"do": "close"})
    assert set(driver.results(5).values()) == {"closed"}
    assert driver.close()["ms"] < 1500


# --- trouble ----------------------------------------------------------------------------------------------


def test_a_deleted_queue_is_declared_and_consumed_again(driver, queues):
    driver.consume("scan.vision")
    driver.consume("scan.answer")
    with queues.channel() as channel:
        channel.queue_delete("scan.vision")
    wait_until(lambda: "queue=scan.vision the broker cancelled" in "".join(driver.log))
    wait_until(lambda: queues.exists("scan.vision") and queues.consumers("scan.vision") == 1)
    driver.wait_up()
    driver.send(to("scan.vision", body="x"), to("scan.answer", body="y"))
    assert {event["queue"] for event in driver.deliveries(2)} == {"scan.vision", "scan.answer"}


def test_a_missing_queue_is_named_and_others_go_on(start, broker_url, queues):
    with queues.channel() as channel:
        channel.queue_declare("there", durable=True, auto_delete=False)
    driver = start(broker_url)
    driver.do("consume", queue="nowhere", prefetch=1)
    driver.do("consume", queue="there", prefetch=1)
    wait_until(lambda: driver.health()["registered"] == 1)
    health = driver.health()
    assert health["state"] == "down" and health["wanted"] == 2 and "nowhere" in health["why"]
    driver.send(to("", key="there"))
    driver.deliveries(1)
    with queues.channel() as channel:
        channel.queue_declare("nowhere", durable=True, auto_delete=False)
    driver.wait_up()


def test_a_broker_that_restarts(start, own_server):
    driver = start(own_server.url, queues="restarted.q", heartbeat=2)
    driver.consume("restarted.q")
    driver.send(to("restarted.q", 1, body="before"))
    driver.send(ack(driver.deliveries(1)[0]))
    own_server.stop()
    down = driver.wait("changed", lambda event: event["state"] == "down" and not event["publisher_up"])
    assert down["why"]
    driver.send(*(to("restarted.q", n, body=f"kept {n}") for n in range(2, 52)))
    wait_until(lambda: driver.health()["unconfirmed"] == 50)
    own_server.start()
    assert set(driver.results(51, 60).values()) == {"confirmed"}
    driver.wait_up(30)
    assert {f"kept {n}" for n in range(2, 52)} <= {event["body"] for event in driver.ack_until(51)}


def test_a_broker_that_is_killed(start, own_server):
    """What was confirmed is there when it is back, and so is what was confirmed only then."""
    driver = start(own_server.url, queues="killed.q", heartbeat=2)
    driver.wait("open", deadline=60)
    driver.wait_up()
    driver.send(*(to("killed.q", n, body=f"m{n}") for n in range(3000)))
    wait_until(lambda: len(driver.events("done")) > 300)
    own_server.kill()
    driver.send(*(to("killed.q", n, body=f"m{n}") for n in range(3000, 3100)))
    own_server.start()
    assert set(driver.results(3100, 60).values()) == {"confirmed"}
    assert {message.body for message in Queues(own_server.url).take("killed.q")} == {b"m%d" % n for n in range(3100)}


def test_closed_connections_are_opened_again(driver, queues, rabbitmq, broker_url):
    driver.consume()
    driver.send(to(QUEUE, 1, body="unacked"))
    first = driver.deliveries(1)[0]
    since = len(driver.events("changed"))
    vhost = urllib.parse.unquote(urllib.parse.urlsplit(broker_url).path[1:])
    rabbitmq.ctl("close_all_connections", "--vhost", vhost, "by the operator")
    driver.wait("changed", lambda event: event["state"] == "down", since=since)
    driver.wait_up()
    assert "by the operator" in "".join(driver.log)
    again = driver.deliveries(2)[1]
    assert again["epoch"] > first["epoch"] and again["redelivered"] and again["body"] == "unacked"
    driver.send(ack(first), to(QUEUE, 2, body="after"))
    assert driver.deliveries(3)[2]["body"] == "after"
    driver.send(ack(again), ack(driver.events("delivery")[2]))
    driver.close()
    assert queues.depth(QUEUE) == 0


@pytest.fixture(params=["plain", "tls"])
def breakable(request, toxic, rabbitmq, broker_url, own_server):
    """A link, the URL that leads through it, the driver's options for it, and a look at the queues behind it."""
    if request.param == "plain":
        link = toxic(rabbitmq.port)
        return link, link.url(broker_url), {}, Queues(broker_url)
    link = toxic(own_server.tls_port)
    return link, link.url(own_server.tls_url_for("/")), {"ca": own_server.tls.authority}, Queues(own_server.url)


def test_a_cut_link_loses_nothing(start, breakable):
    """Cut again and again while messages flow: each is confirmed in the end, and each arrives."""
    link, url, options, queues = breakable
    driver = start(url, queues="cut.q", heartbeat=2, **options)
    driver.wait("open", deadline=60)
    driver.wait_up()
    for cut in range(5):
        driver.send(*(to("cut.q", cut * 500 + n, body=f"m{cut * 500 + n}") for n in range(500)))
        wait_until(lambda: len(driver.events("done")) > cut * 500 + 50)
        link.cut()
    assert set(driver.results(2500, 60).values()) == {"confirmed"}
    assert {message.body for message in queues.take("cut.q")} == {b"m%d" % n for n in range(2500)}


def test_a_half_open_connection_is_found_within_two_heartbeats(start, breakable):
    link, url, options, _ = breakable
    driver = start(url, queues="half.q", heartbeat=2, timeout=3000, **options)
    driver.consume("half.q")
    since = len(driver.events("changed"))
    link.half_open()
    begin = time.monotonic()
    driver.send(to("half.q", 1, body="on its way"))
    driver.wait("changed", lambda event: event["state"] == "down" and event["registered"] == 0, since=since, deadline=10)
    driver.wait("changed", lambda event: not event["publisher_up"], since=since, deadline=10)
    assert time.monotonic() - begin < 2 * 2 + 1.5
    assert "silent for two heartbeats" in "".join(driver.log)
    link.heal()
    assert driver.results(1, 30) == {1: "confirmed"}
    driver.wait_up()
    assert driver.deliveries(1)[0]["body"] == "on its way"


def test_an_idle_connection_lives_on_heartbeats(start, broker_url):
    driver = start(broker_url, queues=QUEUE, heartbeat=1)
    driver.consume()
    since = len(driver.events("changed"))
    end = time.monotonic() + 4
    oldest = 0
    while time.monotonic() < end:
        oldest = max(oldest, driver.health()["last_frame_ms"])
        time.sleep(0.1)
    assert oldest < 2000 and len(driver.events("changed")) == since
    driver.send(to(QUEUE, 1))
    driver.deliveries(1)


def test_a_memory_alarm_blocks_publishing_only(start, own_server):
    driver = start(own_server.url, queues="alarmed.q", heartbeat=1)
    driver.send(to("alarmed.q", 0, count=40, body="there"))
    driver.results(40)
    with own_server.memory_alarm():
        since = len(driver.events("changed"))
        driver.send(*(to("alarmed.q", n, size=100_000) for n in range(40, 140)))
        blocked = driver.wait("changed", lambda event: event["state"] == "blocked", since=since)
        assert "alarm" in blocked["why"] and blocked["publisher_up"]
        driver.do("consume", queue="alarmed.q", prefetch=10)
        driver.ack_until(40)
        time.sleep(3)  # three heartbeats: it must not take the silence of a blocked connection for death
        health = driver.health()
        assert health["state"] == "blocked" and health["unconfirmed"] == 100 and health["registered"] == 1
        assert not any(event["state"] == "down" for event in driver.events("changed")[since + 2:])
        begin = time.monotonic()
    assert set(driver.results(140, 30).values()) == {"confirmed"}
    driver.wait_up()
    assert time.monotonic() - begin < 15


# --- where it connects ------------------------------------------------------------------------------------


def test_tls_with_the_right_authority(start, own_server):
    driver = start(own_server.tls_url_for("/"), ca=own_server.tls.authority, queues="secret.q", heartbeat=2)
    driver.wait("open", deadline=60)
    driver.consume("secret.q", prefetch=50)
    driver.send(to("secret.q", 0, size=5_000_000), *(to("secret.q", n, size=n * 50) for n in range(1, 400)))
    assert set(driver.results(400).values()) == {"confirmed"}
    by_size = sorted(event["size"] for event in driver.ack_until(400))
    assert by_size == sorted([5_000_000, *(n * 50 for n in range(1, 400))])
    driver.close()


def test_a_message_that_is_too_large_for_the_broker(start, own_server):
    driver = start(own_server.tls_url_for("/"), ca=own_server.tls.authority, queues="scan.large").wait_up()
    driver.send(*(to("scan.large", n, size=7_000_000 if n == 5 else 100) for n in range(12)))
    assert driver.results(12) == {n: "refused" if n == 5 else "confirmed" for n in range(12)}


def test_tls_by_host_name(start, own_server):
    url = own_server.tls_url_for("/").replace("127.0.0.1", "localhost")
    start(url, ca=own_server.tls.authority).wait("open")


def shake_hands(certificates):
    """A port where one TLS handshake is made with these, and nothing more."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.certificate, certificates.key)
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        with contextlib.suppress(OSError), listener, context.wrap_socket(listener.accept()[0], server_side=True) as link:
            link.recv(1)

    threading.Thread(target=serve, daemon=True).start()
    return listener.getsockname()[1]


@pytest.mark.parametrize("case", ["another authority", "no authority", "another name", "another address", "no such file", "no TLS there"])
def test_tls_that_must_not_be_trusted(start, own_server, tmp_path, case):
    from servers import make_certificates
    url, options, told = own_server.tls_url_for("/"), {"ca": own_server.tls.authority}, "certificate"
    if case == "another authority":
        options = {"ca": make_certificates(tmp_path).authority}
    elif case == "no authority":
        options = {}
    elif case in ("another name", "another address"):
        certificates = make_certificates(tmp_path, names=("other.example",), addresses=("10.0.0.1",))
        url = f"amqps://u:p@{'localhost' if case == 'another name' else '127.0.0.1'}:{shake_hands(certificates)}/"
        options, told = {"ca": certificates.authority}, "mismatch"
    elif case == "no such file":
        options, told = {"ca": "/nowhere/ca.pem"}, "/nowhere/ca.pem"
    else:
        url, told = url.replace(str(own_server.tls_port), str(own_server.port)), ""
    failed = start(url, timeout=3000, **options)
    event = failed.wait("failed")
    assert event["code"] == "unreachable" and told in event["text"]
    failed.close(status=1)


def test_the_next_address_is_tried(start, broker_url, toxic, rabbitmq):
    silent = toxic(rabbitmq.port)
    silent.half_open()
    dead = "amqp://nobody:nothing@127.0.0.1:1/"
    driver = start(f"{dead},{silent.url(broker_url)},{broker_url}", queues=QUEUE, timeout=3000)
    assert driver.wait("open")["ms"] < 3500
    driver.consume()
    driver.send(to(QUEUE, 1))
    driver.deliveries(1)


def test_it_goes_over_to_another_broker(start, toxic, rabbitmq, broker_url):
    first, second = toxic(rabbitmq.port), toxic(rabbitmq.port)
    driver = start(f"{first.url(broker_url)},{second.url(broker_url)}", queues=QUEUE, timeout=3000)
    driver.consume()
    first.refuse()
    wait_until(lambda: second.connections() == 2)
    driver.wait_up()


def with_login(url, user, password):
    parts = urllib.parse.urlsplit(url)
    login = f"{urllib.parse.quote(user, safe='')}:{urllib.parse.quote(password, safe='')}"
    return parts._replace(netloc=f"{login}@{parts.hostname}:{parts.port}").geturl()


def test_a_wrong_password(start, rabbitmq, broker_url):
    failed = start(with_login(broker_url, "chard", "geheim77"))
    event = failed.wait("failed")
    assert event["code"] == "access_refused" and "127.0.0.1" in event["text"]
    failed.close(status=1)
    assert "geheim77" not in json.dumps(failed.seen) + "".join(failed.log)


def test_a_missing_virtual_host(start, rabbitmq):
    failed = start(rabbitmq.url_for("no such/host"))
    event = failed.wait("failed")
    assert event["code"] == "access_refused" and "no such/host" in event["text"]
    failed.close(status=1)


def test_user_password_and_virtual_host_are_decoded(start, rabbitmq):
    url = rabbitmq.add_vhost("späte/straße 7")
    rabbitmq.api("PUT", "users/" + urllib.parse.quote("us:er@x/ü", safe=""), {"password": "p@ss:/?#%ü,;", "tags": ""})
    rabbitmq.api("PUT", "permissions/{}/{}".format(*(urllib.parse.quote(word, safe="") for word in ("späte/straße 7", "us:er@x/ü"))),
                 {"configure": ".*", "write": ".*", "read": ".*"})
    try:
        driver = start(with_login(url, "us:er@x/ü", "p@ss:/?#%ü,;"), queues=QUEUE)
        driver.consume()
        driver.close()
        assert "p@ss" not in "".join(driver.log)
    finally:
        rabbitmq.delete_vhost("späte/straße 7")


@pytest.mark.parametrize("url, code", [
    ("http://127.0.0.1/", "bad_url"), ("", "bad_url"), ("amqp://127.0.0.1:0/", "bad_url"), ("amqp://u:geheim77@h:x/", "bad_url"),
    ("amqp://u:geh%eim77@h/", "bad_url"), ("amqp://127.0.0.1:1/", "unreachable"), ("amqp://host.invalid/", "unreachable"),
])
def test_an_address_that_leads_nowhere(start, url, code):
    failed = start(url, timeout=2000)
    event = failed.wait("failed")
    assert event["code"] == code and "eim77" not in event["text"]
    failed.close(status=1)


def test_a_host_that_swallows_packets(start, toxic, rabbitmq, broker_url):
    link = toxic(rabbitmq.port)
    link.half_open()
    failed = start(link.url(broker_url), timeout=1000)
    assert failed.wait("failed")["ms"] < 2500
    failed.close(status=1)


def test_closing_while_the_broker_is_away(start, toxic, rabbitmq, broker_url):
    link = toxic(rabbitmq.port)
    driver = start(link.url(broker_url), queues=QUEUE, heartbeat=1, timeout=10000)
    driver.consume()
    link.half_open()
    driver.wait("changed", lambda event: event["state"] == "down" and event["why"], since=len(driver.events("changed")) - 1)
    driver.send(to(QUEUE, 1))
    driver.do("close")
    assert driver.wait("closed")["ms"] < 1500
    assert driver.results(1) == {1: "closed"}


def test_the_broker_shows_our_name(start, rabbitmq, broker_url):
    driver = start(broker_url, name="worker-7", queues=QUEUE)
    driver.consume()

    def names():
        return {one.get("client_properties", {}).get("connection_name") for one in rabbitmq.api("GET", "connections")}

    wait_until(lambda: {"worker-7 (consume)", "worker-7 (publish)"} <= names(), 20)


# --- threads ----------------------------------------------------------------------------------------------


def test_under_thread_sanitizer(start, broker_url, toxic, rabbitmq):
    """The traffic of all of the above in short, with cuts, in the build that looks for races."""
    if "CHARD_TEST_BROKER_DRIVER" not in os.environ:
        subprocess.run(["make", "-s", "VARIANT=tsan", DRIVERS["tsan"].relative_to(ROOT)], cwd=ROOT, check=True, timeout=600)
    link = toxic(rabbitmq.port)
    driver = start(link.url(broker_url), variant="tsan", queues="scan.vision,scan.answer", heartbeat=2)
    driver.send({"do": "mode", "automatic": True, "quiet": True})
    driver.consume("scan.vision", prefetch=100)
    driver.consume("scan.answer", prefetch=7)
    for _ in range(3):
        driver.send(to("scan.vision", count=1000), to("scan.answer", count=100), to("scan.commands", 9), to("missing", 10))
        wait_until(driver.is_up)
        link.cut()
    driver.results(3 * 1102, 60)
    driver.do("cancel")
    driver.consume("scan.vision", prefetch=3)
    driver.close()
