# SPDX-License-Identifier: Apache-2.0
"""Logs: JSON lines, levels that change while a process runs, floods folded, and nobody's words or secrets in them."""

import datetime
import json
import signal
import uuid

import pytest
from support.place import PLACES, everywhere

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def lines(worker):
    """Each line of its log as JSON, in the order in which they were written."""
    found = [json.loads(line) for line in worker.log]
    for line in found:
        at = datetime.datetime.fromisoformat(line["time"])
        assert at.utcoffset() == datetime.timedelta(0) and line["time"][19] == "."  # RFC 3339 with milliseconds
        assert line["level"] in ("debug", "info", "warn", "error") and line["where"] and "message" in line
        assert set(line) <= {"time", "level", "where", "message", "task", "job", "trace_id", "span_id", "fields"}
    return found


def send(queues, task, args=(), kwargs=None, **headers):
    task_id = headers.pop("id", None) or str(uuid.uuid4())
    body = json.dumps([list(args), kwargs or {}, {}]).encode()
    queues.publish("", task if "queue" not in headers else headers.pop("queue"), body,
                   {"lang": "py", "task": task, "id": task_id, "root_id": task_id, "parent_id": None, "retries": 0} | headers)
    return task_id


@everywhere
def test_json_lines_name_task_job_and_trace(chard, queues, place):
    chard.prepare()
    with chard.worker(queues="my.profile", log_format="json") as worker:
        dead = send(queues, "my.profile", kwargs={"updates": 5}, traceparent=TRACE)
        worker.wait_log(dead)
    (line,) = [line for line in lines(worker) if line.get("task") == dead and "dead" in line["message"]]
    assert line["level"] == "warn" and line["job"] == dead and line["fields"]["name"] == "my.profile"
    assert line["trace_id"] == TRACE.split("-")[1] and line["span_id"] == TRACE.split("-")[2]


@pytest.mark.parametrize("place", ["file"])
@pytest.mark.parametrize("command", [["worker"], ["keep"], ["gateway", "--listen", "127.0.0.1:0"]])
def test_a_signal_changes_the_level(chard, command, place):
    chard.prepare()
    running = chard.start(*command)
    try:
        running.wait_log("consuming:|keeping dead letters|listens on")
        running.signal(signal.SIGUSR1)
        running.wait_log("debug .*the log's level is debug")
        running.signal(signal.SIGUSR2)
        running.wait_log("info .*the log's level is info")
    finally:
        running.terminate()
    assert running.wait(30) == 0


def test_remote_control_changes_the_level(chard, app):
    chard.prepare()
    with chard.worker(queues="my.profile", name="w1") as worker:
        def ask(**arguments):
            (answer,) = app.control.broadcast("log_level", arguments=arguments, destination=["w1"], reply=True, timeout=20, limit=1)
            return answer["w1"]
        assert ask(level="debug") == {"ok": "log level is debug"}
        worker.wait_log("debug .*the log's level is debug")
        assert "error" in ask(level="loud") and "error" in ask(level=7)
        assert ask() == {"ok": "log level is info"}


@pytest.mark.parametrize("place", ["file"])
def test_a_flood_is_folded(chard, queues, place, wait_until):
    """Of tasks that die together one is named in ten seconds, and the rest is counted, when the worker ends at the latest."""
    count = 12
    chard.prepare()
    for _ in range(count):
        send(queues, "my.profile", kwargs={"updates": 5})
    with chard.worker(queues="my.profile", log_format="json", log_fold=1) as worker:
        wait_until(lambda: queues.depth("my.profile.dead") == count, 60)
    told = [line for line in lines(worker) if "dead source" in line["message"]]
    counted = [line["fields"]["folded"] for line in told if "folded" in line["fields"]]
    assert counted and len(told) - len(counted) + sum(counted) == count
    assert {line["level"] for line in told} == {"warn"}


PLANTED = "PLANTEDwords"
KEY = "sk-PLANTEDkey1234"


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("form", ["text", "json"])
def test_no_secrets_and_no_words_of_users(chard, queues, provider, reply, place, form, wait_until):
    """In inputs that are fine and in such that are refused, in what the provider says, in keys and URLs: none is in a log at the usual level."""
    chard.prepare()
    chard.settings |= provider.settings(key=KEY) | {"CHARD_DLQ_WEBHOOK_URL": f"http://127.0.0.1:1/{PLANTED}/hook",
                                                    "CHARD_RESULT_URL": f"redis://:{PLANTED}%21@127.0.0.1:1/0"}
    provider.behave = reply.sequence(reply.failure(400, "bad", f"your prompt was: {PLANTED} with {KEY}"),
                                     reply.failure(500, "oops", f"your prompt was: {PLANTED}"), then=reply.fitting)
    refused = [send(queues, "chat.classify", kwargs={"user_id": f"u {PLANTED}", "text": PLANTED, "lang": PLANTED}),
               send(queues, "my.profile", kwargs={"updates": PLANTED}),
               send(queues, "my.profile", kwargs={"updates": [{"user_id": "u1", PLANTED: PLANTED}]}),
               send(queues, "my.profile", kwargs={PLANTED: 1}),
               send(queues, "my.profile", args=[PLANTED]),
               send(queues, "chard.fail", args=[PLANTED], queue="my.profile"),
               send(queues, "scan.vision", kwargs={"user_id": "u1", "image_url": f"http://u:{PLANTED}@[broken", "text": PLANTED, "lang": "en"})]
    queues.publish("", "my.profile", f"[{PLANTED}".encode(), {"lang": "py", "task": "my.profile", "id": "unreadable"})
    fine = [send(queues, "chat.classify", kwargs={"user_id": "u1", "text": PLANTED, "lang": "en"}) for _ in range(2)]
    with chard.worker(queues="chat.classify,my.profile,scan.vision", log_format=form) as worker:
        wait_until(lambda: all(any(task in line for line in worker.log) for task in refused), 60, "each refusal is in the log")
        wait_until(lambda: len(provider.requests) >= len(fine), 60)
    assert PLANTED not in worker.stderr and KEY not in worker.stderr, [line for line in worker.log if "PLANTED" in line]
