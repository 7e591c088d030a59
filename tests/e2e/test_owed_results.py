# SPDX-License-Identifier: Apache-2.0
"""Results while their Redis is away (I6): the deliveries are acked, the store keeps what is to be told, and whoever has a Redis first tells
it: in order, once, and after the worker that owed it was killed as well."""

import json

import pytest
import redis as client
from celery import chain, chord
from support import jobs
from support.celery_app import QUEUE

QUEUES = f"{QUEUE},scan.vision,scan.answer,scan.reward"


@pytest.fixture
def store_url(backend):
    return backend.url


@pytest.fixture
def owed(backend):
    """How many results the store keeps."""
    return lambda: backend.database.rows("select count(*) as n from chard.owed_result")[0]["n"]


def meta(server, task_id):
    with client.Redis.from_url(server.url) as store:
        value = store.get(f"celery-task-meta-{task_id}")
        return value and json.loads(value)


def add(app, *args, **options):
    return app.send_task("chard.add", args, queue=QUEUE, **options)


def test_owed_by_a_worker_that_was_killed(chard, app_of, private_redis, queues, owed, wait_until):
    """Plain tasks, failures with an errback, a chord that nobody could count, one that could not be begun, jobs of a pipeline: Redis dies
    before any of them has ended. Each queue is empty although nobody was told; then the worker dies, too."""
    server = private_redis()
    app, by_rpc = app_of(server.url), app_of("rpc://")
    chard.prepare()
    header = [app.signature("chard.add", [number], queue=QUEUE) for number in range(5)]
    counted = chord(header, app.signature("chard.add", queue=QUEUE)).apply_async()  # Redis knows its size
    unbegun = chain(app.signature("chard.add", [1], queue=QUEUE), chord(
        [app.signature("chard.add", [10], queue=QUEUE), app.signature("chard.add", [20], queue=QUEUE)],
        app.signature("chard.args", queue=QUEUE))).apply_async()
    server.kill()
    sent = [add(by_rpc, number) for number in range(20)]
    failed = by_rpc.send_task("chard.fail", ["it had to"], queue=QUEUE,
                              link_error=by_rpc.signature("chard.same", queue=QUEUE, task_id="errback"))
    scan = jobs.submit_scan(chard)
    expected = 20 + 5 + 1 + 1 + 1 + 3  # its errback is a task as well
    with chard.worker(queues=QUEUES, result_url=server.url, name="first") as first:
        wait_until(lambda: owed() == expected, 40)
        assert first.is_ready() and first.stderr.count("Redis away") == 1
        first.kill()
        first.expected = {-9}
    assert [queues.depth(queue) for queue in QUEUES.split(",")] == [0] * 4
    server.start()
    with chard.worker(queues=QUEUES, result_url=server.url, name="second") as second:
        assert [app.AsyncResult(one.id).get(30) for one in sent] == list(range(20))
        assert counted.get(30) == 10
        assert unbegun.get(30) == {"args": [[11, 21]], "kwargs": {}}
        with pytest.raises(ValueError, match="it had to"):
            app.AsyncResult(failed.id).get(30)
        assert "worker first, task chard.fail" in app.AsyncResult(failed.id).traceback  # who ran it, not who told it
        assert app.AsyncResult("errback").get(30) == failed.id
        assert app.AsyncResult(scan).get(30)["job"]["id"] == scan
        wait_until(lambda: owed() == 0)
        second.wait_log("told .* results that were owed")
        # Each body ran once, and nothing was sent twice.
        assert queues.depth(QUEUE) == 0 and "came twice" not in second.stderr


def test_a_state_on_the_way_never_follows_an_end(chard, app_of, private_redis, provider, reply, owed, wait_until):
    """A RETRY is owed, and its task ends as FAILURE while the RETRY is still untold: whoever tells later leaves the end as it is."""
    server = private_redis()
    chard.settings |= provider.settings()
    provider.behave = reply.always(reply.failure(500))
    chard.prepare()
    server.kill()
    scan = jobs.submit_scan(chard)
    with chard.worker(queues=QUEUES, result_url=server.url) as worker:
        wait_until(lambda: owed() >= 1, 40)
        worker.kill()
        worker.expected = {-9}
    server.start()
    with client.Redis.from_url(server.url) as store:  # as a worker with a Redis of its own told it meanwhile
        store.set(f"celery-task-meta-{scan}", json.dumps({"status": "FAILURE", "task_id": scan}))
    with chard.worker(queues=QUEUE, result_url=server.url):
        wait_until(lambda: owed() == 0, 40)
    assert meta(server, scan)["status"] == "FAILURE"


def test_told_when_redis_is_back(chard, app_of, private_redis, queues, owed, wait_until):
    """By the worker that owes them, without a restart; what nobody would keep any more is not stored. Who is never away (rpc) is told at once."""
    server = private_redis()
    by_rpc = app_of("rpc://")
    chard.prepare()
    server.kill()
    with chard.worker(queues=QUEUE, result_url=f"rpc://,{server.url}", result_expires_s=3600) as worker:
        sent = [add(by_rpc, number) for number in range(5)]
        assert [one.get(20) for one in sent] == list(range(5))
        wait_until(lambda: owed() == 5, 40)
        server.start()
        wait_until(lambda: owed() == 0, 40)
        assert worker.stderr.count("Redis is back") == 1
    assert [meta(server, one.id)["result"] for one in sent] == list(range(5))
    server.kill()
    with chard.worker(queues=QUEUE, result_url=server.url, result_expires_s=1) as worker:
        late = add(by_rpc, 1)
        wait_until(lambda: owed() == 1, 40)
        server.start()
        wait_until(lambda: owed() == 0, 40)
    assert meta(server, late.id) is None
