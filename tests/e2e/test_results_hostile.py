# SPDX-License-Identifier: Apache-2.0
"""Results and events as somebody would use them who means harm, or whose program is broken: whatever a message asks for, the worker
stays, other tasks keep their results, and nothing is left unacked."""

import contextlib
import json
import threading
import uuid

import pytest
import redis as client
from kombu.exceptions import DecodeError
from support.celery_app import QUEUE, make_app
from support.database import Database

KEY = "celery-task-meta-"


def headers(task="chard.add", **more):
    task_id = str(uuid.uuid4())
    return {"lang": "py", "task": task, "id": task_id, "root_id": task_id, "retries": 0} | more


def body(*args):
    return json.dumps([args, {}, {"callbacks": None, "errbacks": None, "chain": None, "chord": None}]).encode()


@pytest.fixture
def both(chard, app_of, redis, queues, wait_until):
    """A worker with results over rpc:// and in Redis, events on; afterwards it must still serve, on the same connection."""
    app = app_of("rpc://")
    with chard.prepare().worker(queues=QUEUE, result_url=f"rpc://,{redis.url[:-1]}5", events="on") as worker, \
            client.Redis.from_url(f"{redis.url[:-1]}5") as store:
        worker.store, worker.app = store, app
        assert app.send_task("chard.add", [1], queue=QUEUE).get(20) == 1
        yield worker
        after = [app.send_task("chard.add", [number], queue=QUEUE) for number in range(10)]
        assert [one.get(30) for one in after] == list(range(10))
        assert all(json.loads(store.get(KEY + one.id))["result"] == number for number, one in enumerate(after))
        wait_until(worker.is_ready)
        assert "connection lost" not in worker.stderr and "Redis away" not in worker.stderr
    wait_until(lambda: queues.depth(QUEUE) == 0)


def test_nowhere_to_reply(both, queues, wait_until):
    """Names of queues that nobody has, that only the broker may use, of others' queues, of the longest length, of no characters."""
    names = ["no-such-queue", "amq.gen-1", "amq.rabbitmq.reply-to.g1h2AA5yZXBseUAx.x==", "amq.rabbitmq.trace",
             "amq.topic", "", " ", "x" * 255, "\u2603" * 85, "a\x00b", "../..", "chard.dead", f"{QUEUE}.dead"]
    for name in names:
        queues.publish(QUEUE, QUEUE, body(1), headers(), reply_to=name, correlation_id="c" * 255)
    queues.publish(QUEUE, QUEUE, body(1), headers(), reply_to="x", correlation_id="")
    wait_until(lambda: queues.depth(QUEUE) == 0)
    assert not queues.exists("no-such-queue")
    wait_until(lambda: queues.depth(f"{QUEUE}.dead") == 2)
    dead = queues.take(f"{QUEUE}.dead", 2)
    assert {one.headers.get("errorCode", "a reply, which somebody asked to have there") for one in dead} == {
        "a reply, which somebody asked to have there", "bad_properties"}  # a NUL is in no name
    assert "amq.rabbitmq.reply-to is not replied to" in both.stderr


def test_a_reply_that_comes_back_as_a_task(both, queues, wait_until):
    """reply_to names the queue of tasks itself: the reply is no task, ends as a dead letter, and asks for no reply of its own."""
    queues.publish(QUEUE, QUEUE, body(1), headers(), reply_to=QUEUE)
    wait_until(lambda: queues.depth(f"{QUEUE}.dead") == 1)
    assert queues.take(f"{QUEUE}.dead", 1)[0].headers["errorCode"] == "not_a_task"


FORGED = "amq.rabbitmq.reply-to.g1h2AA5yZXBseUAx.x=="


def test_addresses_that_break_the_broker(chard, app_of, queues, wait_until):
    """A next task, an answer to remote control: RabbitMQ 3.10 fails at this key, and ends the connection that publishes to it. Such
    messages are not sent; the task that asked for one ends as a dead letter, and nobody else notices."""
    app = app_of("rpc://")
    with chard.prepare().worker(queues=QUEUE) as worker:
        request = {"method": "ping", "arguments": {}, "destination": None, "ticket": "t",
                   "reply_to": {"exchange": "", "routing_key": FORGED}}
        queues.publish("celery.pidbox", "", json.dumps(request).encode())
        follower = app.signature("chard.add", [1], exchange="", routing_key=FORGED)
        (app.signature("chard.add", [1], queue=QUEUE) | follower).apply_async()
        sent = [app.send_task("chard.add", [number], queue=QUEUE) for number in range(50)]
        assert [one.get(60) for one in sent] == list(range(50))
        wait_until(lambda: queues.depth(f"{QUEUE}.dead") == 1, 60)
        assert "connection lost" not in worker.stderr


IDS = ["i" * 20_000, "with\x00nul", "with\nnewline \"quotes\" \\ and {braces}", "\u2603 \U0001f600", "\x1b[31m", "a b", "%s%n%d",
       "../../etc", "celery-task-meta-", "*", " "]


def test_ids(both, queues, wait_until):
    """Of a task, of its group, of its parent: twenty kilobytes, control characters, what other languages take for a directive."""
    for odd in IDS:
        queues.publish(QUEUE, QUEUE, body(1), headers(id=odd, root_id=odd, parent_id=odd, group=odd), reply_to="gone")
    wait_until(lambda: queues.depth(QUEUE) == 0)
    found = [json.loads(both.store.get(key)) for key in both.store.keys(KEY + "*")]
    assert all(one["status"] in ("SUCCESS", "FAILURE") for one in found)


def test_bytes_that_are_no_text(both, queues, wait_until):
    """Headers that are not UTF-8: what is stored is JSON all the same."""
    for field in ("id", "group", "parent_id", "root_id", "task", "argsrepr", "origin"):
        for bad in (b"\xff\xfe", b"ok\xc3", b"\xed\xa0\x80"):
            queues.publish(QUEUE, QUEUE, body(1), headers(**{field: bad.decode("utf-8", "surrogateescape")}), reply_to="gone")
    wait_until(lambda: queues.depth(QUEUE) == 0)
    for key in both.store.keys(KEY + "*"):
        json.loads(both.store.get(key).decode("utf-8"))


def test_values(both, app_of, redis):
    """The largest and smallest numbers, nothing, deep nesting, ten megabytes. NUL, which PostgreSQL can't keep, fails, and says so."""
    app = app_of(f"{redis.url[:-1]}5")
    deep = 1
    for _ in range(60):
        deep = [deep]
    for value in (2**63 - 1, -(2**63), 1e308, 5e-324, "", [], {}, None, deep, "\u2028\x7f\x01\\\"",
                  ["x" * 1000] * 10_000):
        by_redis = app.send_task("chard.same", [value], queue=QUEUE)
        by_rpc = both.app.send_task("chard.same", [value], queue=QUEUE)
        assert by_redis.get(30) == value and by_rpc.get(30) == value
        by_redis.forget()
    with pytest.raises(RuntimeError, match="u0000"):
        app.send_task("chard.same", ["a\x00b"], queue=QUEUE).get(30)
    with pytest.raises(DecodeError, match="NUL"):
        app.send_task("chard.same", [{"\x00": 1}], queue=QUEUE).get(30)


def test_twenty_large_ones_together(both, app_of, redis):
    """More than a connection takes at once, in both directions, with small ones in between."""
    app, large = app_of(f"{redis.url[:-1]}5"), "y" * 4_000_000
    sent = [app.send_task("chard.same", [large if number % 2 else number], queue=QUEUE) for number in range(40)]
    for number, one in enumerate(sent):
        assert one.get(60) == (large if number % 2 else number)
        one.forget()


def test_failures_that_are_hard_to_tell(both, app_of, redis):
    """An exception's text with NUL, half a megabyte long, with what Python's repr must escape."""
    app = app_of(f"{redis.url[:-1]}5")
    for text in ("nul \x00 in it", "q'\"\\\n\t", "\u2603" * 500_000):
        result = app.send_task("chard.fail", [text], queue=QUEUE)
        result.get(30, propagate=False)
        assert result.state == "FAILURE" and type(result.result).__name__ == "ValueError"
        assert str(result.result)[:3] == text[:3]


@contextlib.contextmanager
def event_queue(queues, **arguments):
    """A monitor's queue; nobody reads it."""
    with queues.channel() as channel:
        channel.queue_declare("monitor", durable=False, auto_delete=False, arguments={f"x-{name.replace('_', '-')}": value
                                                                                      for name, value in arguments.items()})
        channel.queue_bind("monitor", "celeryev", "#")
    yield "monitor"


@pytest.mark.parametrize("arguments", [{}, {"max_length": 1, "overflow": "reject-publish"}, {"max_length_bytes": 1, "overflow": "drop-head"},
                                       {"message_ttl": 0}], ids=["unread", "full", "too_small", "at_once_old"])
def test_events_that_nobody_takes(both, queues, arguments):
    """A monitor's queue that is never read, takes nothing, or forgets at once: events are lost, tasks are not."""
    with event_queue(queues, **arguments):
        sent = [both.app.send_task("chard.add", [number], queue=QUEUE) for number in range(300)]
        assert [one.get(30) for one in sent] == list(range(300))


def test_events_and_results_while_the_broker_takes_nothing(chard, private_rabbitmq, wait_until):
    """A memory alarm: replies wait and their tasks stay unacked, events are dropped beyond a bound, and all goes on after it."""
    server = private_rabbitmq()
    chard.settings["CHARD_BROKER_URL"] = server.url
    chard.prepare()
    database = Database(chard.settings["CHARD_STORE_URL"])
    with contextlib.closing(make_app(server.url, "rpc://")) as app, contextlib.ExitStack() as alarm:
        sent = [app.send_task("chard.add", [number], queue=QUEUE) for number in range(200)]
        alarm.enter_context(server.memory_alarm())
        with chard.worker(queues=QUEUE, events="on", ready=False) as worker:
            wait_until(lambda: "takes no messages" in worker.health(), 30)
            wait_until(lambda: database.value("select count(*) from chard.task where state = 'SUCCESS'") == 200, 30)
            assert not any(one.ready() for one in sent)
            alarm.close()
            assert [one.get(60) for one in sent] == list(range(200))


def test_events_in_a_hostile_task(both, queues, wait_until):
    """Names and arguments that become part of events: huge, odd, and not UTF-8."""
    heard = []
    stop = threading.Event()

    def listen():
        with queues.channel() as channel:
            name = channel.queue_declare("", exclusive=True).queue
            channel.queue_bind(name, "celeryev", "task.#")
            channel.basic_consume(name, no_ack=True, callback=lambda message: heard.append(message.body))
            ready.set()
            while not stop.is_set():
                with contextlib.suppress(TimeoutError):
                    channel.connection.drain_events(timeout=0.2)

    ready = threading.Event()
    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    assert ready.wait(10)
    for task in ("n" * 20_000, "chard.add\x00", "\u2603", "chard.\xff"):
        queues.publish(QUEUE, QUEUE, body(1), headers(task, argsrepr="r" * 60_000, kwargsrepr="\x00\x01"))
    queues.publish(QUEUE, QUEUE, body("x" * 5_000_000), headers("chard.same"))
    wait_until(lambda: queues.depth(QUEUE) == 0)
    wait_until(lambda: b"task-succeeded" in b"".join(bytes(one) for one in heard))
    stop.set()
    listener.join(10)
    events = [event for one in heard for event in json.loads(bytes(one).decode("utf-8"))]
    assert {event["type"] for event in events} >= {"task-received", "task-succeeded"}
    assert max(len(bytes(one)) for one in heard) < 1_000_000
