# SPDX-License-Identifier: Apache-2.0
"""An ordinary Celery application that enqueues scans for chard's workers, by task name.

    CHARD_BROKER_URL=amqp://… python producer.py scan user-1 https://example.org/bottle.jpg "a water bottle"

The two settings below are all that is special: with them Celery declares exactly the queues and exchanges
that chard declares, so that nobody meets a 406. A message sent with exchange= and routing_key= declares nothing.
"""

import os
import sys

from celery import Celery, chain

app = Celery("producer", broker=os.environ.get("CHARD_BROKER_URL", "amqp://guest:guest@127.0.0.1:5672//"))
app.conf.update(
    task_create_missing_queue_type="quorum",
    task_create_missing_queue_exchange_type="topic",
    broker_transport_options={"confirm_publish": True},  # an accepted enqueue is never lost
    task_ignore_result=True,                             # the result is the job document, in chard's store
)

SCAN = ("scan.vision", "scan.answer", "scan.reward")


def scan(user_id, image_url, text=None, lang="ko", **options):
    """Enqueue a scan; returns the job's id. Countdown, eta and expires go into the options."""
    first = {"user_id": user_id, "image_url": image_url, "lang": lang}
    if text:
        first["text"] = text
    steps = [app.signature(name, queue=name) for name in SCAN]
    steps[0].kwargs = first
    return job_id(chain(steps).apply_async(**options))


def scan_by_exchange(user_id, image_url, text=None, lang="ko", **options):
    """The same through the domain's exchange: declares nothing at all."""
    first = {"user_id": user_id, "image_url": image_url, "lang": lang}
    if text:
        first["text"] = text
    steps = [app.signature(name, exchange="scan.commands", routing_key=name) for name in SCAN]
    steps[0].kwargs = first
    return job_id(chain(steps).apply_async(**options))


def chat(user_id, text, lang="ko", **options):
    """Enqueue a question; returns the job's id."""
    steps = [app.signature(name, queue=name) for name in ("chat.classify", "chat.answer")]
    steps[0].kwargs = {"user_id": user_id, "text": text, "lang": lang}
    return job_id(chain(steps).apply_async(**options))


def job_id(result):
    """A chain's result is that of its last task; the job is named after the first."""
    while result.parent:
        result = result.parent
    return result.id


if __name__ == "__main__":
    print({"scan": scan, "scan-by-exchange": scan_by_exchange, "chat": chat}[sys.argv[1]](*sys.argv[2:]))
