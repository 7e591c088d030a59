# SPDX-License-Identifier: Apache-2.0
"""Results as Celery's client reads them: over rpc://, over redis://, over both; every state; Redis away; killed in between."""

import json
import types
import uuid

import pytest
import redis as client
from celery import chord
from celery.exceptions import TaskRevokedError
from conftest import fresh_place
from support import jobs
from support.celery_app import QUEUE, make_app
from support.program import ROOT, Chard
from support.provider import failure, sequence
from support.queues import Queues

KEY = "celery-task-meta-"


@pytest.fixture(scope="module")
def shared(request, redis):
    """One worker for what needs none of its own, with results over both: its apps, queues and Redis."""
    url = redis.url[:-1] + "3"
    with fresh_place(request) as settings:
        broker_url = settings["CHARD_BROKER_URL"]
        chard = Chard(ROOT / "build/asan/chard", settings | {
            "CHARD_NATIVE_DELAY": "yes", "CHARD_AI_PROVIDER": "offline", "CHARD_RESULT_URL": f"rpc://,{url}", "CHARD_RESULT_EXPIRES_S": "100"})
        chard.run("migrate", check=0)
        made = types.SimpleNamespace(rpc=make_app(broker_url, "rpc://"), redis=make_app(broker_url, url), queues=Queues(broker_url),
                                     store=client.Redis.from_url(url))
        with chard.worker(queues=QUEUE):
            yield made
        for one in (made.rpc, made.redis, made.store):
            one.close()


def add(app, *args, **options):
    return app.send_task("chard.add", args, queue=QUEUE, **options)


class Heard:
    """What is published on the keys of results, in order."""

    def __init__(self, store):
        self.pubsub = store.pubsub()
        self.pubsub.psubscribe(KEY + "*")
        assert self.pubsub.get_message(timeout=10)["type"] == "psubscribe"

    def of(self, *ids):
        found = []
        while message := self.pubsub.get_message(timeout=1):
            found.append((message["channel"].decode().removeprefix(KEY), json.loads(message["data"])))
        self.pubsub.close()
        return [(one, meta) for one, meta in found if one in ids]


# ---- one worker for all ----


def test_over_rpc(shared):
    app = shared.rpc
    assert add(app, 1, 2).get(20) == 3
    with pytest.raises(ValueError, match="boom") as caught:
        app.send_task("chard.fail", ["boom"], queue=QUEUE).get(20)
    assert caught.value.args == ("boom",)
    results = [add(app, number) for number in range(50)]
    assert [one.get(20) for one in results] == list(range(50))
    chain = app.signature("chard.add", [1]) | app.signature("chard.add", [2]) | app.signature("chard.fail", ["end"])
    with pytest.raises(ValueError, match="end"):
        chain.apply_async().get(20)


def test_failed_chain_over_rpc(shared):
    """The last of the chain can't run any more: its client is told."""
    app = shared.rpc
    chain = app.signature("chard.fail", ["first"]) | app.signature("chard.add", [2]) | app.signature("chard.add", [3])
    with pytest.raises(ValueError, match="first"):
        chain.apply_async().get(20)


def test_a_client_that_is_gone(shared, wait_until):
    """Its reply queue went with it: nothing is declared, nothing is lost but the reply."""
    add(shared.rpc, 1, 2, reply_to="no-such-queue")
    assert add(shared.rpc, 3).get(20) == 3
    wait_until(lambda: shared.queues.depth(QUEUE) == 0)
    assert not shared.queues.exists("no-such-queue")


def test_over_redis_as_celery_writes_it(shared):
    app, store, heard = shared.redis, shared.store, Heard(shared.store)
    done = add(app, 1, 2)
    assert done.get(20) == 3
    failed = app.send_task("chard.fail", ["boom"], queue=QUEUE)
    failed.get(20, propagate=False)
    meta = json.loads(store.get(KEY + done.id))
    assert {name: meta[name] for name in ("status", "result", "traceback", "children", "task_id")} == {
        "status": "SUCCESS", "result": 3, "traceback": None, "children": [], "task_id": done.id}
    assert 50 <= store.ttl(KEY + done.id) <= 100
    meta = json.loads(store.get(KEY + failed.id))
    assert meta["result"] == {"exc_type": "ValueError", "exc_message": ["boom"], "exc_module": "builtins"}
    assert "chard.fail" in meta["traceback"] and meta["traceback"].endswith("ValueError: boom")
    assert [one for one, _ in heard.of(done.id, failed.id)] == [done.id, failed.id]


def test_a_success_stays(shared):
    task_id = str(uuid.uuid4())
    shared.store.set(KEY + task_id, json.dumps({"status": "SUCCESS", "result": "first"}))
    shared.redis.send_task("chard.fail", ["boom"], queue=QUEUE, task_id=task_id)
    assert add(shared.redis, 1).get(20) == 1
    assert json.loads(shared.store.get(KEY + task_id))["result"] == "first"


def test_over_both_at_once(shared):
    result = add(shared.rpc, 4)
    assert result.get(20) == 4
    assert shared.redis.AsyncResult(result.id).get(20) == 4


def test_ignored(shared):
    ignored = add(shared.redis, 1, ignore_result=True)
    assert add(shared.redis, 2).get(20) == 2
    assert not shared.store.exists(KEY + ignored.id)


@pytest.mark.parametrize("backend", ["redis", "rpc"])
def test_a_chain_that_was_revoked(shared, backend):
    """What follows a revoked task never runs, and its client is told."""
    app = getattr(shared, backend)
    first = app.signature("chard.add", [1], task_id=f"revoked-{backend}", countdown=1)
    chain = (first | app.signature("chard.add", [2]) | app.signature("chard.add", [3])).apply_async()
    app.control.revoke(f"revoked-{backend}")
    for one in (chain, chain.parent, chain.parent.parent):
        result = app.AsyncResult(one.id)
        with pytest.raises(TaskRevokedError, match="revoked"):
            result.get(20)
        assert result.state == ("REVOKED" if one == chain.parent.parent else "FAILURE")


# ---- a worker each ----


def test_nowhere(chard, app_of, redis, queues, wait_until):
    """No results, and so no chord: refused before its work is done, with the reason in its dead letter."""
    app = app_of(redis.url)
    with chard.prepare().worker(queues=QUEUE, result_url="disabled://"):
        result = add(app, 4)
        chord([app.signature("chard.add", [1])], app.signature("chard.args")).apply_async()
        wait_until(lambda: queues.depth(f"{QUEUE}.dead") == 1)
        wait_until(lambda: queues.depth(QUEUE) == 0)
    assert not result.ready()
    assert "CHARD_RESULT_URL" in queues.take(f"{QUEUE}.dead", 1)[0].headers["errorMessage"]


def test_started_and_retry(chard, app_of, redis, provider):
    """A scan whose provider fails at first: STARTED, RETRY with the reason, at last the whole document."""
    app, store = app_of(redis.url), client.Redis.from_url(redis.url)
    provider.behave = sequence(failure(500))
    heard = Heard(store)
    chard.settings |= provider.settings()
    with chard.prepare().worker(result_url=redis.url, track_started="yes"):
        result = app.send_task("scan.vision", kwargs={"user_id": "u", "image_url": jobs.PICTURE, "text": "a bottle", "lang": "en"},
                               queue="scan.vision")
        document = result.get(30)
    states = [meta for _, meta in heard.of(result.id)]
    store.close()
    assert [one["status"] for one in states] == ["STARTED", "RETRY", "STARTED", "SUCCESS"]
    assert states[0]["result"]["pid"] and states[0]["date_done"] is None
    assert states[1]["result"]["exc_type"] == "RuntimeError"
    assert document["classification"]["major"] and document["job"]["id"] == result.id


def test_redis_away(chard, app_of, private_redis, queues, wait_until):
    """What is to be stored waits, the worker goes on with other work, and nothing is lost when Redis is back; a worker that ends
    meanwhile ends in time, and the next one stores what it left."""
    server = private_redis()
    by_redis, by_rpc = app_of(server.url), app_of("rpc://")
    with chard.prepare().worker(queues=QUEUE, result_url=server.url, grace_ms=200) as worker:
        assert add(by_redis, 1).get(20) == 1
        server.stop()
        waiting = [add(by_rpc, number) for number in range(20)]
        worker.wait_log("Redis away")
        wait_until(lambda: queues.depth(QUEUE) == 0)
        assert worker.is_ready()
        server.start()
        worker.wait_log("Redis is back", 30)
        assert [by_redis.AsyncResult(one.id).get(20) for one in waiting] == list(range(20))
        server.stop()
        left = [add(by_rpc, number) for number in range(3)]
        wait_until(lambda: queues.depth(QUEUE) == 0)
        worker.terminate()
        worker.wait(30)
    server.start()
    with chard.worker(queues=QUEUE, result_url=server.url):
        assert [by_redis.AsyncResult(one.id).get(20) for one in left] == [0, 1, 2]


@pytest.mark.parametrize("edge", ["publish/result", "result/join", "join/join", "join/ack"])
def test_killed_in_a_chord(chard, app_of, redis, tmp_path, edge):
    """Killed between the commit and the ack, wherever: the chord's body runs with every result, once."""
    app = app_of(redis.url)
    chard.prepare()
    body = str(uuid.uuid4())
    header = [app.signature("chard.add", [number]) for number in range(3)]
    result = chord(header, app.signature("chard.args").set(task_id=body)).apply_async()
    fault = {"CHARD_FAULT": edge, "CHARD_FAULT_ONCE": str(tmp_path / "died")}
    with chard.worker(queues=QUEUE, result_url=redis.url, env=fault, ready=False, name="chard@first") as worker:
        worker.expected = {-9}
        assert worker.wait(60) == -9
    with chard.worker(queues=QUEUE, result_url=redis.url, name="chard@first"):
        assert result.get(40) == {"args": [[0, 1, 2]], "kwargs": {}}


def test_bad_urls(chard):
    chard.prepare()
    for url, says in {"mysql://x": "must start with", "redis://h:99999999/0": "can't be read", "redis://h/abc": "no number",
                      "redis+socket:": "Redis result URL"}.items():
        done = chard.run("worker", "-Q", QUEUE, env={"CHARD_RESULT_URL": url}, check=2)
        assert says in done.stderr, url


def test_in_sql(chard, app_of, database):
    """The columns of Celery's own table, by its own model's names."""
    app = app_of("rpc://")
    with chard.prepare().worker(queues=QUEUE):
        done, failed = add(app, 1, 2), app.send_task("chard.fail", ["boom"], queue=QUEUE)
        assert done.get(20) == 3
        failed.get(20, propagate=False)
    rows = {row["task_id"]: row for row in database.rows("select * from chard.celery_taskmeta")}
    assert list(rows[done.id]) == ["id", "task_id", "status", "result", "date_done", "traceback", "name", "args", "kwargs",
                                   "worker", "retries", "queue"]
    assert (rows[done.id]["status"], rows[done.id]["result"], rows[done.id]["name"]) == ("SUCCESS", 3, "chard.add")
    assert rows[failed.id]["status"] == "FAILURE" and rows[failed.id]["result"]["exc_message"] == ["boom"]
    assert rows[failed.id]["traceback"].endswith("boom") and rows[failed.id]["date_done"].tzinfo is None


# ---- revoked before anybody has begun it ----


@pytest.mark.parametrize("kind", ["postgresql", "sqlite"])
def test_revoked_while_another_worker_has_it(chard, kind, app_of, redis, provider, reply, wait_until, tmp_path):
    """Its client is not told that it was: it runs on, and gives its result. Celery's workers, which ask the result backend alone, say REVOKED meanwhile."""
    if kind == "sqlite":
        chard.settings["CHARD_STORE_URL"] = f"sqlite:{tmp_path}/chard.db"
    chard.settings |= provider.settings()
    provider.behave = reply.always(reply.hanging())
    app = app_of(redis.url)
    ask = lambda *ids: app.control.revoke(ids, destination=["second@here"], reply=True, timeout=10, limit=1)
    with chard.prepare().worker(name="first@here", queues="chat.classify", result_url=redis.url), \
            chard.worker(name="second@here", queues=QUEUE, result_url=redis.url):
        running = app.send_task("chat.classify", kwargs={"user_id": "u1", "text": "glass?", "lang": "en"}, queue="chat.classify")
        wait_until(lambda: provider.in_flight == 1)
        never = str(uuid.uuid4())
        wait_until(lambda: ask(never))
        assert ask(running.id)
        assert [app.AsyncResult(one).state for one in (running.id, never)] == ["PENDING", "REVOKED"]
        provider.let_go()
        assert running.get(20)["input"]["text"] == "glass?"
        assert ask(running.id) and app.AsyncResult(running.id).state == "SUCCESS"


def test_revoked_while_redis_is_away(chard, app_of, private_redis, wait_until):
    """The command is answered all the same. Its client is told by whoever gets the message, once Redis is back."""
    server = private_redis()
    app = app_of(server.url)
    ask = lambda *ids: app.control.revoke(ids, reply=True, timeout=0.5, limit=1)
    with chard.prepare().worker(queues=QUEUE, result_url=server.url) as worker:
        wait_until(lambda: ask("first"))
        assert app.AsyncResult("first").state == "REVOKED"
        server.stop()
        worker.wait_log("Redis away")
        ids = [str(uuid.uuid4()) for _ in range(3)]
        assert app.control.revoke(ids, reply=True, timeout=20, limit=1)
        worker.wait_log("3 revoked tasks have no result yet")
        server.start()
        worker.wait_log("Redis is back", 30)
        for one in ids:
            with pytest.raises(TaskRevokedError):
                app.send_task("chard.add", [1], queue=QUEUE, task_id=one).get(20)
