# SPDX-License-Identifier: Apache-2.0
"""Many dead letters at once, with what a worker leaves of their tasks in the store."""

import json
import uuid

import amqp

from .queues import Queues


def letters(count, causes, task="chard.note", filler=""):
    """[(task id, headers, body)] of `count` dead tasks that died of `causes` causes."""
    made = []
    for number in range(count):
        task_id = str(uuid.uuid4())
        headers = {"lang": "py", "task": task, "id": task_id, "root_id": task_id, "parent_id": None, "retries": 3, "eta": None,
                   "expires": None, "errorSource": "provider", "errorCode": f"cause_{number % causes}",
                   "errorMessage": f"attempt {number} failed", "timestamp": "2026-11-21T08:00:00.000+00:00", "attempts": 4,
                   "deadWorker": "w1", "deadId": str(uuid.uuid4())}
        made.append((task_id, headers, json.dumps([[], {"user_id": f"u{number % 100}", "text": filler}, {}]).encode()))
    return made


def publish(url, targets, made):
    """Publishes each to every (exchange, routing key), with a window of unconfirmed ones."""
    with Queues(url).channel() as channel:
        confirmed, sent = [0], 0
        channel.confirm_select()
        channel.events["basic_ack"].add(lambda tag, multiple: confirmed.__setitem__(0, max(confirmed[0], tag)))
        for _, headers, body in made:
            message = amqp.Message(body, application_headers=headers, content_type="application/json", content_encoding="utf-8", delivery_mode=2)
            for exchange, key in targets:
                channel._basic_publish(message, exchange=exchange, routing_key=key, mandatory=True)
                sent += 1
            while sent - confirmed[0] > 4000:
                channel.connection.drain_events(timeout=30)
        while confirmed[0] < sent:
            channel.connection.drain_events(timeout=30)


def leave_rows(database, made):
    """The failed tasks and jobs of a PostgreSQL store."""
    ids = [one[0] for one in made]
    name = made[0][1]["task"]
    error = json.dumps({"source": "provider", "code": "test", "text": "it failed", "attempts": 4})
    database.run("insert into chard.task (id, root_id, name, state, starts, attempts, error, finished_at) "
                 "select id, id, %s, 'FAILURE', 4, 4, %s::jsonb, now() from unnest(%s::text[]) as id", name, error, ids)
    database.run("insert into chard.job (root_id, pipeline, state, error, finished_at) "
                 "select id, '', 'FAILURE', %s::jsonb, now() from unnest(%s::text[]) as id", error, ids)
