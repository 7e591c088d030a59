# SPDX-License-Identifier: Apache-2.0
"""A service whose jobs are not lost when the broker is away: two ways, each without a table or a scheduler of its own.

    CHARD_BROKER_URL=amqp://… CHARD_STORE_URL=postgresql://… python reliable.py publish user-1 "Where does a milk carton go?"

`enqueue` works in the service's own transaction: nothing is published by the service at all. `publish` goes to the broker with Celery, as ever, and only what the
broker did not take goes to the store, under the same ids: if the broker had it after all, and only the confirm was lost, the job runs once.
Needs celery and psycopg.
"""

import json
import os
import sys
import uuid

import psycopg
from celery import chain
from kombu.exceptions import OperationalError
from producer import app

STEPS = ["chat.classify", "chat.answer"]


def steps(user_id, text):
    """The chain's signatures, each with an id that is made here: sent twice, by whichever way, each runs once."""
    made = [app.signature(name, queue=name, task_id=str(uuid.uuid4())) for name in STEPS]
    made[0].kwargs = {"user_id": user_id, "text": text, "lang": "en"}
    return made


def enqueue(connection, signatures):
    """In the caller's transaction: the job exists exactly if that is committed. Any worker publishes it."""
    tasks = [{"task": one.task, "id": one.options["task_id"], "queue": one.options["queue"], "kwargs": one.kwargs} for one in signatures]
    connection.execute("select chard.enqueue_signatures(%s)", (json.dumps(tasks),))
    return signatures[0].options["task_id"]


def publish(store_url, signatures):
    """To the broker; what fails there is kept in the store, and published when the broker is back. Returns the job's id, and where it went."""
    try:
        chain(signatures).apply_async(retry=False)
        return signatures[0].options["task_id"], "published"
    except (OperationalError, OSError):
        with psycopg.connect(store_url) as connection:
            return enqueue(connection, signatures), "kept"


if __name__ == "__main__":
    store, wanted = os.environ["CHARD_STORE_URL"], steps(*sys.argv[2:])
    if sys.argv[1] == "enqueue":
        with psycopg.connect(store) as own:
            print(enqueue(own, wanted), "kept")
    else:
        print(*publish(store, wanted))
