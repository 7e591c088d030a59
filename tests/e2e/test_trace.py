# SPDX-License-Identifier: Apache-2.0
"""A trace travels with a job: traceparent, tracestate and baggage are on every message that comes of one that had them."""

import json

import amqp
import pytest
from support.gateway import Gateway
from support.place import PLACES
from support.waiting import wait_until

from test_dlq import dlq, kept, keeping

BASIC_CLASS = 60
TRACE = {"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "tracestate": "vendor=t61rcWkgMzE",
         "baggage": "userId=alice,isProduction=false"}
SPAN_CONTEXT = "\n".join(f"{name}={value}" for name, value in TRACE.items())  # of an outbox row: the text of a properties file


@pytest.fixture(params=PLACES)
def place(request):
    return request.param


def signature(task_id):
    return {"task": "chat.answer", "args": [], "kwargs": {}, "options": {"task_id": task_id, "queue": "chat.answer"},
            "subtask_type": None, "immutable": False}


def publish(queues, task, args=(), kwargs=None, eta=None, **embed):
    queue = task if task.startswith("chat.") else "chard.tasks"
    headers = {"lang": "py", "task": task, "id": f"id-{task}-{len(embed)}", "eta": eta} | TRACE
    embed = {"callbacks": None, "errbacks": None, "chain": None, "chord": None} | embed
    queues.publish("", queue, json.dumps([args, kwargs or {}, embed]).encode(), headers)


def scheduled(database, reason):
    """The headers of the one message that waits in the store for that reason."""
    def there():
        rows = database.rows("select properties from chard.scheduled where reason = %s", reason)
        assert len(rows) == 1, f"{len(rows)} are scheduled: {reason}"
        return rows

    message = amqp.Message()
    message._load_properties(BASIC_CLASS, bytes(wait_until(there)[0]["properties"]), 0)
    return message.properties["application_headers"]


def taken(queues, queue, count):
    return [message.headers for message in wait_until(
        lambda: queues.depth(queue) == count and queues.take(queue), every=0.1)]


def test_a_trace_travels_with_all_that_comes_of_a_message(chard, database, provider, queues):
    chard.settings |= provider.settings()
    chard.prepare()
    seen = {}
    with chard.worker(queues="chat.classify,chard.tasks"):
        publish(queues, "chat.classify", kwargs={"user_id": "u1", "lang": "en", "text": "a bottle"},
                chain=[signature("next")], callbacks=[signature("callback")])
        seen["successor"], seen["callback"] = taken(queues, "chat.answer", 2)
        publish(queues, "chard.fail", ["no"], errbacks=[signature("errback")])
        seen["errback"], = taken(queues, "chat.answer", 1)
        publish(queues, "chard.fail", ["no"], {"broken": True})
        seen["retry"] = scheduled(database, "retry")
        publish(queues, "chard.add", [1, 2], eta="2099-01-01T00:00:00+00:00")
        seen["eta"] = scheduled(database, "eta")
    with keeping(chard):
        entry, = kept(chard, 1, wait_until)
        dlq(chard, "requeue", entry["entry"], "--yes")
        seen["requeued"] = scheduled(database, "requeue")
    for name, headers in seen.items():
        assert {key: headers.get(key) for key in TRACE} == TRACE, name
    asked = provider.requests[0].headers
    assert {key: asked.get(key) for key in TRACE} == TRACE | {"baggage": None}
    spans = {row["tracingspancontext"] for row in database.rows("select tracingspancontext from chard.outbox")}
    assert spans == {SPAN_CONTEXT}


INPUT = {"user_id": "u1", "lang": "en", "text": "a bottle"}
DOORS = {  # of the gateway: path, what is posted, the queue
    "task": ("/v1/tasks", {"name": "chat.answer", "kwargs": {"user_id": "u1"}}, "chat.answer"),
    "job": ("/v1/jobs", {"pipeline": "chat", "input": INPUT}, "chat.classify"),
    "pipeline": ("/v1/chat", INPUT, "chat.classify"),
    "batch": ("/v1/jobs:batch", {"pipeline": "chat", "input": INPUT}, "chat.classify"),
}
SENT = [  # with a request: what of it is on the message
    (TRACE, TRACE), (TRACE | {"tracestate": "a=", "baggage": "k"}, {"traceparent": TRACE["traceparent"]}),
    (TRACE | {"traceparent": "00-x"}, {"baggage": TRACE["baggage"]}), ({}, {}),
]


def test_a_trace_comes_in_through_each_door_of_the_gateway(chard, queues):
    chard.prepare()
    with Gateway(chard) as gateway:
        for path, body, queue in DOORS.values():
            for key in None, "k":  # a request that is kept for good is sent another way
                for n, (headers, _) in enumerate(SENT):
                    own = ({"Idempotency-Key": f"{path}{n}"} if key else {}) | (
                        {"Content-Type": "application/jsonl"} if path.endswith("batch") else {})
                    assert gateway.post(path, body, headers=headers | own).status in (200, 202), path
                seen = [{name: m.headers[name] for name in TRACE if name in m.headers} for m in queues.take(queue)]
                assert seen == [expected for _, expected in SENT], (path, key)


HOSTILE = {  # what stands in a message: what the provider is sent of it
    "whole": (TRACE, TRACE),
    "lines": (TRACE | {"tracestate": "a=1\r\nx-evil: 1", "baggage": "k=v\nx-evil: 1"}, {"traceparent": TRACE["traceparent"]}),
    "long": (TRACE | {"tracestate": "a=" + "1" * 511, "baggage": "k=" + "v" * 8191}, {"traceparent": TRACE["traceparent"]}),
    "another": (TRACE | {"traceparent": "00-x\r\nx-evil: 1"}, {"baggage": TRACE["baggage"]}),
    "no text": ({"tracestate": 7, "baggage": [1]}, {}),
}


def test_what_is_no_trace_is_not_sent_to_the_provider_and_harms_no_task(chard, queues, provider):
    chard.settings |= provider.settings() | {"CHARD_AI_BAGGAGE": "yes"}
    chard.prepare()
    with chard.worker(queues="chat.classify"):
        for name, (headers, _) in HOSTILE.items():
            body = json.dumps([[], {"user_id": "u1", "lang": "en", "text": name}, {}]).encode()
            queues.publish("", "chat.classify", body, {"lang": "py", "task": "chat.classify", "id": name} | headers)
        wait_until(lambda: len(provider.requests) == len(HOSTILE))
    names = ("x-evil", *TRACE)
    sent = {name: {key: request.headers[key] for key in names if key in request.headers}
            for request in provider.requests for name in HOSTILE if json.dumps(name).encode() in request.body}
    assert sent == {name: asked for name, (_, asked) in HOSTILE.items()}
