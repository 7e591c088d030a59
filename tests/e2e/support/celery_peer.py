# SPDX-License-Identifier: Apache-2.0
"""A worker of Celery's own, to compare with: `celery -A support.celery_peer worker`, its broker in CELERY_BROKER_URL."""

import time

import celery

app = celery.Celery("peer", backend="disabled://")
app.conf.update(task_default_queue="peer", worker_send_task_events=True, task_send_sent_event=True,
                broker_connection_retry_on_startup=True)


@app.task(name="peer.add")
def add(one, two):
    return one + two


@app.task(name="peer.fail")
def fail(text):
    raise ValueError(text)


@app.task(name="peer.again", bind=True, max_retries=1)
def again(self):
    raise self.retry(countdown=0, exc=ValueError("again"))


@app.task(name="peer.sleep")
def sleep(seconds):
    time.sleep(seconds)
