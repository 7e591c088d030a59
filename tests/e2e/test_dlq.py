# SPDX-License-Identifier: Apache-2.0
"""Dead letters: kept, looked at, sent back. Through the command line, against real servers."""

import contextlib
import json
import uuid

import pytest
from support import jobs
from support.program import Running

SCAN = {"user_id": "u1", "image_url": jobs.PICTURE}


@contextlib.contextmanager
def keeping(chard, name="k1", **settings):
    """A keeper for the length of a `with`; it must end well."""
    running = chard.with_settings(**settings).start("dlq", "keep", "-n", name)
    try:
        running.wait_log("keeping dead letters")
        yield running
    except BaseException:
        running.show()
        running.kill()
        raise
    if running.running():
        running.terminate()
    assert running.wait(30) == 0, running.stderr[-4000:]
    assert "Sanitizer" not in running.stderr, running.stderr[-8000:]


def dlq(chard, *words, check=0, **options):
    return chard.run("dlq", *words, check=check, **options)


def dlq_json(chard, *words, check=0):
    return json.loads(dlq(chard, *words, "--json", check=check).stdout)


def entries(chard, *words):
    return dlq_json(chard, "ls", *words)["entries"]


def kept(chard, count, wait_until, deadline=30):
    """Waits until so many entries are kept."""
    def there():
        found = entries(chard, "--limit", "10000")
        assert len(found) == count, f"{len(found)} of {count} entries"
        return found or True
    return wait_until(there, deadline, every=0.2)


def task(name="chat.classify", kwargs=None, args=(), task_id=None, **more):
    """Headers and body of a task's message."""
    task_id = task_id or str(uuid.uuid4())
    headers = {"lang": "py", "task": name, "id": task_id, "root_id": task_id, "parent_id": None, "retries": 0, "eta": None,
               "expires": None} | more
    return headers, json.dumps([list(args), kwargs or {}, {"callbacks": None, "errbacks": None, "chain": None, "chord": None}]).encode()


def bury(queues, queue="chat.classify", code="timeout", message="no answer within 30000 ms", source="provider", died="2026-11-21T08:00:00.000+00:00",
         body=None, headers=None, properties=None, **more):
    """Puts a letter where a worker would; returns its task's id."""
    made, text = task(queue, kwargs={"user_id": "u1", "text": "a milk carton"}, **more)
    record = {"errorSource": source, "errorCode": code, "errorMessage": message, "timestamp": died, "attempts": 4,
              "deadWorker": "w1", "deadId": str(uuid.uuid4())}
    queues.publish("chard.dead", queue, text if body is None else body, made | record | (headers or {}), **(properties or {}))
    return made["id"]


def test_from_death_to_success(chard, database, queues, provider, reply, wait_until):
    """A provider that refuses, an entry, a look at it, the provider well again, requeued, the whole chain done."""
    chard.settings |= provider.settings()
    chard.prepare()
    provider.behave = reply.always(reply.failure(401, "invalid_api_key"))
    with chard.worker(name="w1"), keeping(chard):
        job = jobs.submit_scan(chard)
        assert jobs.ended(database, [job]) == {job: "FAILURE"}
        (entry,) = kept(chard, 1, wait_until)
        assert entry["task"] == "scan.vision" and entry["code"] == "invalid_api_key" and entry["job"] == job
        assert entry["user"] == "u1" and entry["worker"] == "w1" and entry["next_task"] == "scan.answer"
        assert entry["task_state"] == "FAILURE" and entry["job_state"] == "FAILURE" and entry["state"] == "kept"
        (group,) = dlq_json(chard, "groups")["groups"]
        assert group["count"] == 1 and group["code"] == "invalid_api_key" and group["users"] == 1
        shown = dlq_json(chard, "show", entry["entry"])
        assert shown["kwargs"]["image_url"] == jobs.PICTURE and [s["task"] for s in shown["chain"]] == ["scan.reward", "scan.answer"]
        assert shown["headers"]["task"] == "scan.vision" and shown["history"] == []
        assert "runs anew" in shown["on_requeue"]

        provider.behave = reply.fitting
        done = dlq_json(chard, "requeue", "--group", group["group"], "--reason", "new key", "--yes")
        assert done["requeued"] == 1 and done["end"] == "ended"
        wait_until(lambda: jobs.ended(database, [job]) == {job: "SUCCESS"})
        again = dlq_json(chard, "requeue", entry["entry"], check=1)
        assert again["total"] == 0
        (act,) = dlq_json(chard, "show", entry["entry"])["history"]
        assert act["action"] == "requeue" and act["reason"] == "new key" and act["who"].startswith("os:") and act["count"] == 1
    assert database.value("select count(*) from chard.scheduled") == 0
    assert queues.depth("scan.vision.dead") == 0
