# SPDX-License-Identifier: Apache-2.0
"""What only RabbitMQ can be asked of the broker's door: connections that break, TLS, alarms, permissions, what a Celery client declares.
What every backend must do is in test_broker.py."""

import contextlib
import json
import socket
import ssl
import threading
import time
import urllib.parse

import pytest
from support.broker import QUEUE, ack, build_for_threads, properties, starter, to
from support.queues import Queues
from support.waiting import wait_until


@pytest.fixture
def start():
    yield from starter()


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


def test_a_queue_of_another_type_is_named(start, broker_url, queues):
    with queues.channel() as channel:
        channel.queue_declare("scan.answer", durable=True, auto_delete=False)
    failed = start(broker_url, queues="scan.vision,scan.answer")
    event = failed.wait("failed")
    assert event["code"] == "precondition_failed" and event["result"] == 1
    assert "queue scan.answer" in event["text"] and "delete it" in event["text"]
    failed.close(status=1)


# --- consuming --------------------------------------------------------------------------------------------


# --- publishing -------------------------------------------------------------------------------------------


def test_a_message_that_the_queue_refuses(driver, queues):
    with queues.channel() as channel:
        channel.queue_declare("tiny", durable=True, auto_delete=False, arguments={
            "x-max-length": 1, "x-overflow": "reject-publish"})
    driver.send(to("", 1, key="tiny"))
    assert driver.results(1) == {1: "confirmed"}
    driver.send(to("", 2, key="tiny"), to(QUEUE, 3))
    assert driver.results(3) == {1: "confirmed", 2: "refused", 3: "confirmed"}


@pytest.mark.parametrize("bad", [
    properties(user_id="somebody.else"),  # the broker closes the channel and names no exchange
    properties(expiration="soon"),
])
def test_a_bad_message_harms_only_itself(driver, queues, bad):
    driver.send(*(to(QUEUE, n) for n in range(20)), to(QUEUE, 20, properties=bad), *(to(QUEUE, n) for n in range(21, 40)))
    assert driver.results(40) == {n: "refused" if n == 20 else "confirmed" for n in range(40)}
    assert driver.is_up()


def test_a_message_that_would_break_the_broker_is_refused(driver, queues):
    """RabbitMQ 3.10 takes a direct reply's key for its own and fails at one that it did not make, and the connection with it."""
    bad = to("amq.rabbitmq.reply-to.g1h2AA5yZXBseUAx.x==", 20, exchange="")
    driver.send(*(to(QUEUE, n) for n in range(20)), bad, *(to(QUEUE, n) for n in range(21, 40)))
    assert driver.results(40) == {n: "refused" if n == 20 else "confirmed" for n in range(40)}
    assert driver.is_up()


def test_every_message_is_persistent(driver, queues):
    driver.send(*(to(QUEUE, n, properties=sent) for n, sent in enumerate(
        [properties(), properties(delivery_mode=1), properties(content_type="a/b", priority=4, delivery_mode=1), properties(message_id="x")])))
    assert set(driver.results(4).values()) == {"confirmed"}
    taken = queues.take(QUEUE)
    assert [message.properties.get("delivery_mode") for message in taken] == [2] * 4
    assert taken[2].content_type == "a/b" and taken[2].priority == 4 and taken[3].message_id == "x"


def test_what_may_not_be_written_is_refused_alone(driver, start, rabbitmq, broker_url):
    """The broker closes the channel and names no message: which it was is found out."""
    vhost = urllib.parse.urlsplit(broker_url).path[1:]
    rabbitmq.api("PUT", "users/limited", {"password": "limited", "tags": ""})
    rabbitmq.api("PUT", f"permissions/{vhost}/limited", {"configure": "", "write": "^scan.commands$", "read": ".*"})
    limited = start(with_login(broker_url, "limited", "limited")).wait_up()
    limited.send(*(to("scan.vision", n) if n % 40 == 7 else to("scan.commands", n, key=QUEUE) for n in range(120)))
    assert limited.results(120) == {n: "refused" if n % 40 == 7 else "confirmed" for n in range(120)}


def test_what_is_not_confirmed_at_a_close_is_said_so(start, broker_url, toxic, rabbitmq):
    link = toxic(rabbitmq.port)
    driver = start(link.url(broker_url), queues=QUEUE)
    driver.wait_up()
    link.half_open()
    driver.send(*(to(QUEUE, n) for n in range(5)), {"do": "close"})
    assert set(driver.results(5).values()) == {"closed"}
    assert driver.close()["ms"] < 1500


# --- trouble ----------------------------------------------------------------------------------------------


def told(log, text):
    return sum(text in line for line in list(log))


def test_a_deleted_queue_is_declared_and_consumed_again(driver, queues):
    """However often: one line a loss and one a return."""
    driver.consume("scan.vision")
    driver.consume("scan.answer")
    for deletions in range(1, 5):
        wait_until(lambda: queues.exists("scan.vision") and queues.consumers("scan.vision") == 1)
        queues.delete_queue("scan.vision")
        wait_until(lambda: told(driver.log, "queue=scan.vision consuming again") == deletions, 20, f"{deletions} returns")
    driver.wait_up()
    driver.send(to("scan.vision", body="x"), to("scan.answer", body="y"))
    assert {event["queue"] for event in driver.deliveries(2)} == {"scan.vision", "scan.answer"}
    assert told(driver.log, "queue=scan.vision not consuming: the broker cancelled the consumer") == 4
    assert told(driver.log, "not consuming") == told(driver.log, "consuming again") == 4


def test_a_queue_that_is_gone_is_asked_for_with_back_off(chard, rabbitmq, broker_url, queues):
    """Declared by somebody else, who also takes it away: `chard ping` names it until it is back."""
    chard.prepare()
    vhost = urllib.parse.urlsplit(broker_url).path[1:]
    node_log = rabbitmq.folder / "log" / "node.log"

    def attempts():
        return node_log.read_text(errors="replace").count(f"no queue 'scan.vision' in vhost '{vhost}'")

    def ping():
        return chard.run("ping", "chard@cancelled").stdout

    before = attempts()  # other tests may have had this host
    with chard.worker(queues="scan.vision,scan.answer", name="chard@cancelled", declare_queues="no") as worker:
        queues.delete_queue("scan.vision")
        wait_until(lambda: "1 of 2 consumers registered: queue scan.vision: " in ping(), 20, "ping names the queue")
        wait_until(lambda: attempts() >= before + 4, 20, "four attempts")
        assert worker.health().startswith("not consuming: broker: 1 of 2 consumers registered: queue scan.vision: ")
        with queues.channel() as channel:
            channel.queue_declare("scan.vision", durable=True, auto_delete=False, arguments={"x-queue-type": "quorum"})
        worker.wait_log("queue=scan.vision consuming again")
        wait_until(worker.is_ready)
        assert attempts() < before + 30  # 200 ms, doubled each time, up to ten seconds
        assert told(worker.log, "queue=scan.vision not consuming") == told(worker.log, "queue=scan.vision consuming again") == 1
        assert "consuming" in chard.run("ping", "chard@cancelled", check=0).stdout


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
    kept = {f"kept {n}" for n in range(2, 52)}  # and perhaps "before", whose ack the stop may have lost
    wait_until(lambda: kept <= {event["body"] for event in driver.ack_until(51)}, 30)


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
    end = time.monotonic() + 4  # the silence is what is tried: either end gives up after two heartbeats without a frame
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
        end = time.monotonic() + 3  # what is tried is a silence: three heartbeats of a blocked connection are not taken for its death
        while time.monotonic() < end:
            health = driver.health()
            assert health["state"] == "blocked" and health["unconfirmed"] == 100 and health["registered"] == 1
            time.sleep(0.1)
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
    build_for_threads()
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
