# SPDX-License-Identifier: Apache-2.0
"""Celery's events, heard by Celery's own receiver and by `celery events --dump`; their fields compared with those that a worker of
Celery's sends."""

import os
import re
import signal
import sys
import time

import celery
import pytest

from support.monitor import Monitor
from support.program import ROOT, Running, plain_environment

NAME = "chard@here"


@pytest.fixture
def monitor(chard, app):
    chard.prepare()
    monitor = Monitor(app)
    yield monitor
    monitor.close()


CHAT = {"user_id": "u1", "text": "where does glass go?", "lang": "en"}


def chat(app, **options):
    return app.send_task("chat.classify", kwargs=CHAT, exchange="chat.classify", routing_key="chat.classify", **options).id


# --- each kind ----------------------------------------------------------------------------------------


def test_a_success(monitor, chard, send, wait_until):
    with chard.worker(name=NAME, queues="chard.tasks", events="on") as worker:
        task = send("chard.add", 2, 3)
        wait_until(lambda: monitor.of(task) == ["received", "started", "succeeded"])
        received, started, succeeded = (monitor.all(f"task-{one}", task)[0] for one in monitor.of(task))
    assert received["name"] == "chard.add" and received["args"] == "(2, 3)" and received["kwargs"] == "{}"
    assert received["retries"] == 0 and received["root_id"] == task and received["parent_id"] is None
    assert received["queue"] == "chard.tasks"
    assert succeeded["result"] == "5" and 0 <= succeeded["runtime"] < 5
    for event in (received, started, succeeded):
        assert event["hostname"] == NAME and event["pid"] == worker.pid and event["utcoffset"] == 0
        assert abs(event["timestamp"] - time.time()) < 60
    assert received["clock"] < started["clock"] < succeeded["clock"]


def test_failed_retried_revoked_rejected(monitor, chard, app, send, provider, reply, wait_until):
    chard.settings |= provider.settings()
    behaviours = iter([reply.failure(503), reply.failure(400, "bad_request", type="invalid_request_error")])
    provider.behave = lambda request: next(behaviours, reply.hanging())
    with chard.worker(name=NAME, queues="chard.tasks,chat.classify", events="on", grace_ms=0) as worker:
        failed = send("chard.fail", "it's broken")
        retried = chat(app)
        wait_until(lambda: monitor.of(failed)[-1:] == ["failed"] and monitor.of(retried)[-1:] == ["failed"])
        expired = send("chard.add", 1, 1, expires=-1)
        app.control.revoke("before")
        worker.wait_log("revoked: 'before'")
        send("chard.add", 1, 1, task_id="before")
        send("none.such", task_id="unknown")
        ended = chat(app, task_id="at-work")
        wait_until(lambda: monitor.of(ended)[-1:] == ["started"])
        app.control.revoke(ended, terminate=True)
        wait_until(lambda: all(monitor.of(one)[-1:] == ["revoked"] for one in ("before", ended, expired)))
        handed_back = [chat(app) for _ in range(50)]  # some reach the worker again before it has ended
        wait_until(lambda: all(monitor.of(one)[-1:] == ["started"] for one in handed_back))
        wait_until(lambda: monitor.of("unknown")[-1:] == ["failed"])
    wait_until(lambda: all(monitor.of(one) == ["received", "started", "rejected"] for one in handed_back))
    assert monitor.of(failed) == ["received", "started", "failed"]
    assert monitor.of(retried) == ["received", "started", "retried", "received", "started", "failed"]
    event = monitor.all("task-failed", failed)[0]
    assert event["exception"] == r"ValueError('it\'s broken')"
    assert event["traceback"].startswith("Traceback (most recent call last):\n")
    assert event["traceback"].endswith("builtins.ValueError: it's broken")
    assert monitor.all("task-failed", "unknown")[0]["exception"] == "NotRegistered('none.such')"
    assert monitor.of(expired) == ["received", "revoked"]
    assert monitor.all("task-retried", retried)[0]["exception"]
    fields = [(one["terminated"], one["signum"], one["expired"]) for task in ("before", ended, expired)
              for one in monitor.all("task-revoked", task)]
    assert fields == [(False, None, False), (True, 15, False), (False, None, True)]
    assert all(one["requeue"] is True for one in monitor.all("task-rejected"))


def test_a_shadow(monitor, chard, send, wait_until):
    """As Celery's: the name that a producer wants a task to be shown by; it runs, and fails, by its own."""
    with chard.worker(name=NAME, queues="chard.tasks", events="on"):
        tasks = [send("chard.add", 1, shadow=shadow) for shadow in ("add for Anna", "", None)] + [send("chard.fail", shadow="x")]
        for task in tasks:
            wait_until(lambda task=task: monitor.of(task)[-1:] in (["succeeded"], ["failed"]))
    assert [monitor.all("task-received", task)[0]["name"] for task in tasks] == ["add for Anna", "chard.add", "chard.add", "x"]


def test_a_chain_says_what_it_sends(monitor, chard, send, app, wait_until):
    with chard.worker(name=NAME, queues="chard.tasks", events="on"):
        second = celery.signature("chard.add", (10,), app=app, task_id="second",
                                  options={"queue": "chard.tasks", "task_id": "second"})
        first = send("chard.add", 1, 2, chain=[dict(second)])
        wait_until(lambda: monitor.of("second") == ["sent", "received", "started", "succeeded"])
    sent = monitor.all("task-sent", "second")[0]
    assert (sent["name"], sent["root_id"], sent["parent_id"]) == ("chard.add", first, first)
    assert (sent["queue"], sent["routing_key"], sent["exchange"]) == ("chard.tasks",) * 3
    assert sent["args"] == "(3, 10)" and monitor.all("task-succeeded", "second")[0]["result"] == "13"


def test_a_canvas_that_a_task_sends_on(monitor, chard, send, wait_until):
    with chard.worker(name=NAME, queues="chard.tasks", events="on"):
        chunks = send("celery.chunks", {"task": "chard.add", "args": [], "kwargs": {}, "options": {}}, [[1, 2], [3, 4]], 1)
        wait_until(lambda: monitor.of(chunks) == ["received", "started", "succeeded"])


# --- the same fields as Celery's ----------------------------------------------------------------------


def test_fields_are_those_of_celery(monitor, chard, app, send, broker_url, provider, reply, wait_until):
    """Every field that Celery's worker sends is there, of the same type; `queue` is the one that is added. (That worker greets
    ours at its start, and listens to it as its gossip does.)"""
    environment = plain_environment() | {"CELERY_BROKER_URL": broker_url, "PYTHONPATH": str(ROOT / "tests/e2e")}
    peer = Running([sys.executable, "-m", "celery", "-A", "support.celery_peer", "worker", "-P", "solo", "-c", "1", "-n", "peer@here"],
                   environment)
    try:
        chard.settings |= provider.settings()
        provider.behave = reply.always(reply.failure(503))
        with chard.worker(name=NAME, queues="chard.tasks,chat.classify", events="on", grace_ms=0):
            def peer_send(task, *args, **options):
                return app.send_task(f"peer.{task}", args=args, exchange="peer", routing_key="peer", **options).id

            app.control.revoke(["gone"])
            wait_until(lambda: monitor.all("worker-heartbeat") and any(
                one["hostname"] == "peer@here" for one in monitor.events), 30)
            app.control.revoke(["gone"], reply=True, timeout=5, limit=2)
            tasks = [peer_send("add", 1, 2), peer_send("fail", "x"), peer_send("again"), peer_send("add", 1, 2, task_id="gone"),
                     send("chard.add", 1, 2), send("chard.fail", "x"), chat(app), send("chard.add", 1, 2, task_id="gone")]
            wanted = {"task-received", "task-started", "task-succeeded", "task-failed", "task-retried", "task-revoked",
                      "worker-online", "worker-heartbeat"}
            kinds = lambda host: {one["type"] for one in monitor.events if one["hostname"] == host}  # noqa: E731
            wait_until(lambda: wanted <= kinds(NAME) and wanted - {"worker-online"} <= kinds("peer@here"), 30,
                       "every kind of event from both")
            assert tasks
    finally:
        peer.signal(signal.SIGTERM)
        peer.wait()

    def shapes(type, host):
        found = [one for one in monitor.all(type) if one["hostname"] == host]
        number = lambda value: "number" if type_of(value) in (int, float) else type_of(value).__name__  # noqa: E731
        return {key: number(value) for key, value in found[0].items() if value is not None}

    type_of = type
    for kind in sorted(wanted - {"worker-online"}):
        theirs, ours = shapes(kind, "peer@here"), shapes(kind, NAME)
        assert {key: ours.get(key) for key in theirs} == theirs, kind
        assert set(ours) - set(theirs) <= {"queue", "parent_id"}, kind


# --- when they are sent -------------------------------------------------------------------------------


def test_only_when_asked_for(monitor, chard, app, send, wait_until):
    """The worker's heartbeats come by themselves; events of tasks begin and end with enable_events and disable_events."""
    with chard.worker(name=NAME, queues="chard.tasks"):
        wait_until(lambda: monitor.all("worker-online") and monitor.all("worker-heartbeat"))
        beat = monitor.all("worker-heartbeat")[0]
        assert (beat["freq"], beat["active"], beat["sw_ident"], beat["sw_sys"]) == (2, 0, "chard", os.uname().sysname)
        assert len(beat["loadavg"]) == 3
        first = send("chard.add", 1, 1)
        ask = lambda what: app.control.broadcast(what, reply=True, timeout=10, limit=1)[0][NAME]  # noqa: E731
        wait_until(lambda: ask("stats")["total"] == {"chard.add": 1} and ask("active") == [])
        assert ask("enable_events") == {"ok": "task events enabled"}
        assert ask("enable_events") == {"ok": "task events already enabled"}
        second = send("chard.add", 1, 1)
        wait_until(lambda: monitor.of(second) == ["received", "started", "succeeded"])
        assert ask("disable_events") == {"ok": "task events disabled"}
        assert ask("disable_events") == {"ok": "task events already disabled"}
        third = send("chard.add", 1, 1)
        wait_until(lambda: ask("stats")["total"] == {"chard.add": 3} and ask("active") == [])
        wait_until(lambda: monitor.all("worker-heartbeat")[-1]["processed"] == 3)
    wait_until(lambda: monitor.all("worker-offline"))
    assert monitor.of(first) == [] and monitor.of(third) == []
    clocks = [one["clock"] for one in monitor.events if one["hostname"] == NAME]
    assert len(set(clocks)) == len(clocks)


def test_off_is_off(monitor, chard, app, send):
    with chard.worker(name=NAME, queues="chard.tasks", events="off"):
        ask = lambda what: app.control.broadcast(what, reply=True, timeout=10, limit=1)[0][NAME]  # noqa: E731
        assert ask("enable_events") == {"error": "event dispatcher unavailable"}
        send("chard.add", 1, 1)
        ask("heartbeat")
    assert monitor.events == []


def test_many_are_all_heard(monitor, chard, send, wait_until):
    """Some together in a message, in order, and none lost while everybody is there."""
    with chard.worker(name=NAME, queues="chard.tasks", events="on"):
        tasks = [send("chard.add", 1, n) for n in range(150)]
        wait_until(lambda: len(monitor.all("task-succeeded")) == 150)
    for task in tasks:
        assert monitor.of(task) == ["received", "started", "succeeded"]


# --- celery events ------------------------------------------------------------------------------------


def test_celery_events_dump(monitor, chard, send, broker_url, wait_until):
    dump = Running([sys.executable, "-u", "-m", "celery", "-b", broker_url, "events", "--dump"], plain_environment())
    try:
        with chard.worker(name=NAME, queues="chard.tasks", events="on"):
            wait_until(lambda: f"{NAME} [" in dump.stdout, 30, "it shows the worker's heartbeat")
            task = send("chard.add", 2, 3)
            wait_until(lambda: re.search(rf"succeeded: chard\.add\({task}\)", dump.stdout), 20, "it shows the task")
        wait_until(lambda: "shutdown" in dump.stdout)
        assert f"task received: chard.add({task}) args=(2, 3)" in dump.stdout
    finally:
        dump.kill()
