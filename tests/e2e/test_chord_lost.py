# SPDX-License-Identifier: Apache-2.0
"""A chord whose counters vanish from Redis while its header is at work: flushed, or expired. It is noticed, and never hangs: counted from
the store where that knows all of it, else failed, with its reason."""

import subprocess

import pytest
import redis as client
from celery import chain, chord
from celery.exceptions import ChordError
from support.celery_app import QUEUE
from support.program import ROOT

LATER = "scan.vision"  # nobody consumes it before Redis has forgotten
COUNTERS = "celery-taskset-meta-*"


@pytest.fixture
def store_url(backend):
    return backend.url


@pytest.fixture
def server(private_redis, chard):
    chard.settings |= {"CHARD_CHORD_LOST_MS": "300"}
    return private_redis()


@pytest.fixture
def jobs(backend):
    return lambda root: [row["state"] for row in backend.database.rows("select root_id, state from chard.job") if row["root_id"] == root]


def flush(store):
    store.flushall()


def expire(store):
    for key in store.keys(COUNTERS):
        store.delete(key)


@pytest.mark.parametrize("forget", [flush, expire])
@pytest.mark.parametrize("by", ["worker", "client"])
def test_forgotten_in_the_middle(chard, app_of, server, jobs, wait_until, forget, by):
    """One part has been counted before, one is counted after."""
    app = app_of(server.url)
    chard.prepare()

    def add(*args, queue=QUEUE, **options):
        return app.signature("chard.add", args, queue=queue, **options)

    body = app.signature("chard.args", queue=QUEUE).on_error(app.signature("chard.same", queue=QUEUE, task_id="errback"))
    if by == "worker":
        sent = chain(add(1), chord([add(10), add(20, queue=LATER)], body)).apply_async()
    else:
        sent = chord([add(10), add(20, queue=LATER)], body).apply_async()
    with client.Redis.from_url(server.url) as store, chard.worker(queues=QUEUE, result_url=server.url, name="first"):
        wait_until(lambda: any(key.endswith(b".d") for key in store.keys(COUNTERS)))
        forget(store)
        with chard.worker(queues=f"{QUEUE},{LATER}", result_url=server.url, name="second"):
            if by == "worker":
                assert sent.get(20) == {"args": [[11, 21]], "kwargs": {}}
                root = sent.parent.parent.id
                wait_until(lambda: jobs(root) == ["SUCCESS"])
            else:
                with pytest.raises(ChordError, match="Redis has lost the counters of this chord"):
                    sent.get(20)
                assert app.AsyncResult("errback").get(20) == sent.id
                wait_until(lambda: jobs(sent.parent[1].id) == ["FAILURE"])


def test_forgotten_with_what_its_parts_have_added(chard, app_of, server, jobs, wait_until, tmp_path):
    """How many were added is known to Redis alone: the chord fails, rather than run its body without them."""
    subprocess.run(["cc", "-std=gnu11", "-shared", "-fPIC", f"-I{ROOT / 'include'}", "-o", tmp_path / "kit.so", ROOT / "tests/e2e/support/kit_tasks.c"], check=True, timeout=60)
    chard.settings |= {"CHARD_TASKS": str(tmp_path / "kit.so")}
    app = app_of(server.url)
    chard.prepare()

    def add(*args, queue=QUEUE):
        return app.signature("chard.add", args, queue=queue)

    grow = app.signature("kit.grow", kwargs={"canvases": [add(7, queue=LATER)]}, queue=QUEUE)
    sent = chain(add(1), chord([grow, add(20, queue=LATER)], app.signature("chard.args", queue=QUEUE))).apply_async()
    with client.Redis.from_url(server.url) as store, chard.worker(queues=QUEUE, result_url=server.url, name="first"):
        wait_until(lambda: any(store.scard(key) == 2 for key in store.keys(f"{COUNTERS}.d")))
        flush(store)
        with chard.worker(queues=f"{QUEUE},{LATER}", result_url=server.url, name="second"):
            with pytest.raises(ChordError, match="its parts have added others"):
                sent.get(20)
            wait_until(lambda: jobs(sent.parent.parent.id) == ["FAILURE"])
