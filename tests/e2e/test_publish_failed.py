# SPDX-License-Identifier: Apache-2.0
"""A Python service while the broker is away: what it can't publish waits in the store, and runs, once, when the broker is back."""

import json
import os
import subprocess
import sys

from support import jobs
from support.program import ROOT


def first_message(answer_id):
    """What Celery's chain sends for its first task."""
    answer = {"task": "chat.answer", "args": [], "kwargs": {}, "options": {"queue": "chat.answer", "task_id": answer_id}, "subtask_type": None, "immutable": False}
    return json.dumps([[], {"user_id": "u1", "text": "Where does a milk carton go?", "lang": "en"}, {"callbacks": None, "errbacks": None, "chain": [answer], "chord": None}]).encode()


def test_what_a_service_could_not_publish_runs_once_when_the_broker_is_back(chard, database, store_url, broker_url, rabbitmq, queues, toxic, wait_until):
    link = toxic(rabbitmq.port)

    def service(way, broker):
        done = subprocess.run([sys.executable, ROOT / "examples/python/reliable.py", way, "u1", "Where does a milk carton go?"], capture_output=True, text=True, timeout=60,
                              env=os.environ | {"CHARD_BROKER_URL": broker, "CHARD_STORE_URL": store_url}, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.split()

    chard.prepare()
    behind = chard.with_settings(broker_url=link.url(broker_url))
    with behind.worker():
        before, where = service("publish", link.url(broker_url))
        assert where == "published" and jobs.ended(database, [before]) == {before: "SUCCESS"}
        link.refuse()
        link.cut()
        kept = [service(way, link.url(broker_url)) for way in ("publish", "publish", "enqueue")]
        assert [where for _, where in kept] == ["kept"] * 3
        ids = [id for id, _ in kept]
        shown = json.loads(behind.run("scheduled", "ls", "--json", check=0).stdout)
        assert {one["task_id"]: one["reason"] for one in shown} == dict.fromkeys(ids, "enqueue")
        # the broker had one of them all the same, and only the confirm was lost
        body = database.value("select body from chard.scheduled where task_id = %s", ids[0])
        second = json.loads(bytes(body))[2]["chain"][0]["options"]["task_id"]
        queues.publish("chat.classify", "chat.classify", first_message(second), {"lang": "py", "task": "chat.classify", "id": ids[0], "root_id": ids[0], "retries": 0})
        link.heal()
        assert jobs.ended(database, [before, *ids]) == dict.fromkeys([before, *ids], "SUCCESS")
        wait_until(lambda: database.value("select count(*) from chard.scheduled") == 0)
        assert [kind for kind, _ in jobs.outbox(database, ids[0])] == ["ChatClassified", "ChatAnswered"]
    assert database.value("select count(*) from chard.job") == 4
