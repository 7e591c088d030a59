#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Records golden messages from the real Celery client and worker, through a real RabbitMQ:

    build/venv/bin/python tests/vectors/record.py [AMQP-URL]

Without a URL it starts a private RabbitMQ. Needs what tests/requirements.txt pins. It writes

    celery/NAME.json        a message as RabbitMQ delivers it, and what Celery's own worker reads in it
    successors/NAME.json    a message, a result, and the messages that a real Celery worker sends next

Recorded again, only random ids, times and process numbers differ.
"""

import contextlib
import datetime
import decimal
import pathlib
import subprocess
import sys
import time
import uuid
from zoneinfo import ZoneInfo

from celery import Celery, chain, chord, group
from celery.canvas import StampingVisitor
from celery.utils import nodenames
from kombu import Exchange

import real_celery
from real_celery import encoded, keep_raw_properties, view, write

HERE = pathlib.Path(__file__).resolve().parent
QUEUE = "vectors"
DOCUMENT = {"job": {"id": "job-1", "lang": "ko"}, "input": {"text": "빈 병 \"두 개\"", "ratio": 0.5},
            "classification": [1, None, True, 12345678901]}
SEOUL = ZoneInfo("Asia/Seoul")
WHEN = datetime.datetime(2031, 5, 6, 7, 8, 9, 123456)


def make_app(url, queue=QUEUE, **settings):
    app = Celery("vectors", broker=url, set_as_current=False)
    app.conf.update({"task_default_queue_type": "quorum", "task_default_exchange_type": "topic",
                     "task_create_missing_queue_type": "quorum", "task_create_missing_queue_exchange_type": "topic",
                     "task_default_queue": queue, "result_backend": "cache+memory://",
                     "broker_connection_retry_on_startup": True} | settings)
    return app


def nothing(**_arguments):
    """A task that only has to be there."""


# --- what is sent --------------------------------------------------------------------------------------


class Stamper(StampingVisitor):
    def on_signature(self, sig, **headers):
        return {"tenant": "t-42", "labels": ["a", "b"], "deep": {"n": 1, "x": None}}


def sig(app, name="scan.vision", *args, **kwargs):
    return app.signature(name, args=args, kwargs=kwargs, queue=app.conf.task_default_queue)


def send(app, *args, name="scan.vision", **options):
    kwargs = options.pop("kwargs", {})
    app.send_task(name, args=args, kwargs=kwargs, **({"queue": app.conf.task_default_queue} | options))


def stamped(app):
    task = sig(app, "scan.vision", 1)
    task.stamp(visitor=Stamper())
    task.apply_async()


def group_of_two(app):
    group(sig(app, "scan.vision", n) for n in range(2)).apply_async()


def chord_of_two(app):
    chord([sig(app, "scan.vision", n) for n in range(2)], sig(app, "scan.reward")).apply_async()


def typed(app):
    send(app, kwargs={
        "when": WHEN, "aware": WHEN.replace(tzinfo=SEOUL), "day": datetime.date(2031, 5, 6),
        "at": datetime.time(7, 8, 9), "id": uuid.UUID(int=2**100 + 7), "price": decimal.Decimal("12.340"),
        "text": "é".encode(), "raw": bytes(range(250, 256)), "nested": [{"when": WHEN}]})


def three(app, **options):
    return chain(sig(app, "scan.vision", image="https://example.org/a.jpg"), sig(app, "scan.answer"),
                 sig(app, "scan.reward", 7), **options)


def linked(app):
    task = sig(app, "scan.vision", 1)
    task.link(sig(app, "scan.answer"))
    task.link(sig(app, "scan.reward"))
    task.link_error(sig(app, "on.error"))
    task.apply_async()


CASES = {
    "plain": lambda app: send(app),
    "kwargs": lambda app: send(app, 1, "two", kwargs={"url": "https://example.org/?a=1&b=2", "n": 3, "on": True}),
    "unicode": lambda app: send(app, "한글 텍스트 😀", kwargs={"이름": "값", "controls": "\x00\x01\n\t\"\\/\u2028"}),
    "expires": lambda app: send(app, expires=WHEN.replace(tzinfo=datetime.timezone.utc)),
    "expires_seconds": lambda app: send(app, expires=3600),
    "timelimit": lambda app: send(app, time_limit=30, soft_time_limit=12.5),
    "timelimit_hard": lambda app: send(app, time_limit=30),
    "priority": lambda app: send(app, priority=7),
    "chain": lambda app: three(app).apply_async(),
    "chain_immutable": lambda app: chain(sig(app), sig(app, "scan.answer", 1).set(immutable=True)).apply_async(),
    "chain_link_error": lambda app: three(app).apply_async(link_error=sig(app, "on.error")),
    "chain_of_group": lambda app: chain(sig(app), group(sig(app, "scan.answer"), sig(app, "scan.reward"))).apply_async(),
    "chain_of_chord": lambda app: chain(sig(app), group(sig(app), sig(app)), sig(app, "scan.reward")).apply_async(),
    "links": linked,
    "group": group_of_two,
    "chord": chord_of_two,
    "stamps": stamped,
    "custom_headers": lambda app: send(app, headers={
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "x-tenant": "t", "number": -5,
        "big": 2**40, "smallest": -2**63, "real": 1.5, "flag": False, "none": None, "list": [1, "a", [None]],
        "table": {"a": {"b": 1}}, "이름": "값"}),
    "gzip": lambda app: send(app, "x" * 5000, compression="gzip"),
    "zlib": lambda app: send(app, "y" * 5000, compression="zlib"),
    "ignore_result": lambda app: send(app, ignore_result=True),
    "keep_result": lambda app: send(app, ignore_result=False),
    "shadow": lambda app: send(app, shadow="another name"),
    "typed": typed,
    "deep_args": lambda app: send(app, [[[[[[[[[[{"a": [{"b": [1]}]}]]]]]]]]]]),
    "big_integers": lambda app: send(app, 2**53 + 1, -2**63, 2**63 - 1, 1e308, 5e-324, 0.1),
    "retries": lambda app: send(app, retries=3),
    "replaced": lambda app: send(app, replaced_task_nesting=2),
    "reply_to": lambda app: send(app, reply_to="2b1f7a30-reply", task_id="chosen by the client"),
    "parent": lambda app: send(app, root_id="root-1", parent_id="parent-1"),
    "long_arguments": lambda app: send(app, "z" * 3000, kwargs={"text": "가" * 3000}),
    "argsrepr": lambda app: send(app, "secret", argsrepr="('***',)", kwargsrepr="{}"),
    "expiration": lambda app: send(app, exchange=Exchange(QUEUE, "topic"), routing_key=QUEUE, expires=7.25,
                                   message_id="m-1", app_id="an app", type="a type"),
}


# With an eta, Celery's client publishes to a quorum queue through the delayed-delivery exchanges; these are sent to a classic
# queue behind a direct exchange, as all are where the client doesn't know better.
CASES_WITH_ETA = {
    "eta_naive": lambda app: send(app, eta=WHEN),
    "eta_zone": lambda app: send(app, eta=WHEN.replace(tzinfo=SEOUL)),
    "eta_text": lambda app: send(app, eta="2031-05-06T07:08:09Z"),
    "countdown": lambda app: send(app, countdown=90.5),
}

# --- recording ------------------------------------------------------------------------------------------


class Recorder:
    def __init__(self, app):
        self.app = app
        self.reader = make_app(app.conf.broker_url)
        for name in ("scan.vision", "scan.answer", "scan.reward", "on.error"):
            self.reader.task(name=name, shared=False)(nothing)
        self.reader.finalize()
        self.channel = app.connection_for_read().channel()

    def declare(self, *queues):
        for queue in queues:
            self.app.amqp.queues[queue](self.channel).declare()
            self.channel.queue_purge(queue)

    def take(self, queue, count, ack=True):
        """The next messages of a queue, as kombu messages that keep the raw bytes."""
        found, end = [], time.monotonic() + 30
        while len(found) < count:
            raw = self.channel.basic_get(queue, no_ack=ack)
            if raw is None:
                if time.monotonic() > end:
                    raise TimeoutError(f"{queue}: {len(found)} of {count} messages came within 30 s")
                time.sleep(0.05)
                continue
            message = self.channel.message_to_python(raw)
            message.accept = {"application/json"}
            body = raw.body.encode() if isinstance(raw.body, str) else raw.body  # py-amqp decodes what is utf-8
            message.raw_properties, message.raw_body = raw.raw_properties, body
            found.append(message)
        return found

    def record(self, name, send_it):
        queue = self.app.conf.task_default_queue
        self.channel.queue_purge(queue)
        send_it(self.app)
        message = self.take(queue, 1)[0]
        write(HERE / "celery" / f"{name}.json", {
            "made_by": real_celery.VERSIONS, "properties": encoded(message.raw_properties),
            "body": encoded(message.raw_body), "expected": view(self.reader, message)})
        print(f"celery/{name}")


def record_messages(app, cases):
    recorder = Recorder(app)
    recorder.declare(app.conf.task_default_queue)
    for name, send_it in cases.items():
        recorder.record(name, send_it)


# --- successors -----------------------------------------------------------------------------------------

FIRST, NEXT = "vectors.first", "vectors.next"


def first(app, **options):
    return app.signature("first", kwargs={"n": 1}, queue=FIRST, **options)


def following(app, name="next.one", *args, **options):
    return app.signature(name, args=args, queue=NEXT, **options)


def stamped_chain(app):
    task = chain(first(app), following(app), following(app, "next.two"))
    task.stamp(visitor=Stamper())
    return task


def with_links(app, *links):
    task = first(app)
    for link in links:
        task.link(link)
    return task


def optioned(app):
    task = following(app, "next.one", 5, time_limit=60, soft_time_limit=50.5, priority=4, shadow="shade",
                     ignore_result=True, headers={"x-own": 1, "y": [True, None]}, replaced_task_nesting=1,
                     expires=WHEN.replace(tzinfo=SEOUL).isoformat())
    task.link(following(app, "next.link"))
    task.link_error(following(app, "next.error"))
    return chain(first(app), task, following(app, "next.two"))


SUCCESSORS = {
    "chain": lambda app: chain(first(app), following(app), following(app, "next.two")),
    "last": lambda app: chain(first(app), following(app, "next.one", 1, {"a": "b"})),
    "immutable": lambda app: chain(first(app), following(app, "next.one", 9).set(immutable=True)),
    "options": optioned,
    "routed": lambda app: chain(first(app), app.signature("next.one", exchange=NEXT, routing_key=NEXT)),
    "stamps": stamped_chain,
    "link": lambda app: with_links(app, following(app, "next.link", 3)),
    "links_and_chain": lambda app: chain(with_links(app, following(app, "next.link")), following(app)),
    "headers_of_parent": lambda app: chain(first(app, headers={"x-tenant": "t"}), following(app)),
}


def answer(**_arguments):
    return DOCUMENT


def successor_view(message):
    names = ("content_type", "content_encoding", "correlation_id", "delivery_mode", "priority", "reply_to")
    info = message.delivery_info
    return {"exchange": info["exchange"], "routing_key": info["routing_key"],
            "properties": {name: message.properties.get(name) for name in names},
            "headers": message.headers, "body": real_celery.json.loads(message.body)}


def record_successor(recorder, name, task, count):
    """The first task is read, put back, and left to the worker; nobody consumes what it sends."""
    recorder.declare(FIRST, NEXT)
    task.apply_async()
    parent = recorder.take(FIRST, 1, ack=False)[0]
    with worker(recorder.app.conf.broker_url):
        parent.requeue()
        followers = recorder.take(NEXT, count)
    assert all(follower.headers["parent_id"] == parent.headers["id"] for follower in followers), name
    write(HERE / "successors" / f"{name}.json", {
        "made_by": real_celery.VERSIONS, "properties": encoded(parent.raw_properties),
        "body": encoded(parent.raw_body), "result": real_celery.json.dumps(DOCUMENT, ensure_ascii=False),
        "followers": [successor_view(follower) for follower in followers]})
    print(f"successors/{name}")


def record_successors(app):
    recorder = Recorder(app)
    for name, make in SUCCESSORS.items():
        record_successor(recorder, name, make(app), 2 if name == "links_and_chain" else 1)


def run_worker(url):
    """A real worker with the one task that starts the chains."""
    app = make_app(url)
    app.task(name="first", shared=False)(answer)
    app.worker_main(["worker", "-P", "solo", "-Q", FIRST, "-l", "ERROR", "--without-gossip", "--without-mingle",
                     "--without-heartbeat"])


@contextlib.contextmanager
def worker(url):
    process = subprocess.Popen([sys.executable, __file__, "--worker", url], stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()  # it ends after acknowledging its task
        process.wait(30)


@contextlib.contextmanager
def broker(words):
    if words:
        yield words[0]
        return
    sys.path.insert(0, str(HERE.parents[1] / "deploy/local"))
    from servers import RabbitMQ
    with RabbitMQ() as server:
        yield server.url


def main():
    nodenames.gethostname = lambda: "client"  # for the header origin
    if sys.argv[1:2] == ["--worker"]:
        return run_worker(sys.argv[2])
    keep_raw_properties()
    for folder in ("celery", "successors"):
        (HERE / folder).mkdir(exist_ok=True)
    with broker(sys.argv[1:]) as url:
        record_messages(make_app(url), CASES)
        record_messages(make_app(url, "vectors.direct", task_default_queue_type="classic",
                                 task_default_exchange_type="direct", task_create_missing_queue_type="classic",
                                 task_create_missing_queue_exchange_type="direct"), CASES_WITH_ETA)
        record_successors(make_app(url))


if __name__ == "__main__":
    main()
