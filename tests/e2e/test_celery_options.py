# SPDX-License-Identifier: Apache-2.0
"""Options that a Celery client may give a task, as far as the canvases of test_celery_canvas.py don't try them."""

import contextlib
import json
import uuid

import amqp
import pytest
from conftest import fresh_place
from kombu import Exchange, Queue, serialization
from support import jobs
from support.celery_app import QUEUE, make_app
from support.program import ROOT, Chard
from support.provider import hanging
from support.queues import Queues
from support.volume import volume

serialization.register("other", json.dumps, json.loads, "application/x-yaml", "utf-8")
SCAN = {"user_id": "u", "image_url": jobs.PICTURE, "text": "a bottle", "lang": "en"}


@pytest.fixture
def app(broker_url):
    app = make_app(broker_url, "rpc://")
    yield app
    app.close()


def test_time_limits(chard, app, provider, database):
    """A call that takes longer than the message allows fails for good, as Celery's limits do; nothing is bought again."""
    provider.behave = lambda _request: hanging()
    chard.settings |= provider.settings()
    with chard.prepare().worker():
        soft = app.send_task("scan.vision", kwargs=SCAN, queue="scan.vision", soft_time_limit=1, time_limit=60)
        hard = app.send_task("scan.vision", kwargs=SCAN, queue="scan.vision", time_limit=1)
        with pytest.raises(Exception) as caught:
            soft.get(20)
        assert type(caught.value).__name__ == "SoftTimeLimitExceeded"
        with pytest.raises(Exception) as caught:
            hard.get(20)
        assert type(caught.value).__name__ == "TimeLimitExceeded"
    assert provider.count == 2
    assert jobs.ended(database, [soft.id, hard.id]) == {soft.id: "FAILURE", hard.id: "FAILURE"}


@pytest.fixture(scope="module")
def shared(request):
    """One worker for all that are refused."""
    with fresh_place(request) as settings:
        chard = Chard(ROOT / "build/asan/chard", settings | {"CHARD_NATIVE_DELAY": "yes", "CHARD_AI_PROVIDER": "offline"})
        chard.run("migrate", check=0)
        app = make_app(settings["CHARD_BROKER_URL"], "rpc://")
        with chard.worker(queues=QUEUE):
            yield app, Queues(settings["CHARD_BROKER_URL"])
        app.close()


@pytest.mark.parametrize("task, options, error", [
    ("chard.add", {"serializer": "pickle"}, "ContentDisallowed"),
    ("chard.add", {"serializer": "other"}, "ContentDisallowed"),
    ("chard.add", {"compression": "lzma"}, "DecodeError"),
    ("no.such.task", {}, "NotRegistered"),
    ("celery.chain", {}, "NotImplementedError"),
    ("celery.chord_unlock", {}, "NotImplementedError"),
    ("scan.vision", {}, "TypeError"),
])
def test_refused(shared, wait_until, task, options, error):
    """Each refusal is what the client sees, and what lies in the dead letters."""
    app, queues = shared
    before = queues.depth(f"{QUEUE}.dead")
    with pytest.raises(Exception) as caught:
        app.send_task(task, [1], queue=QUEUE, **options).get(20)
    assert type(caught.value).__name__ == error, caught.value
    wait_until(lambda: queues.depth(f"{QUEUE}.dead") == before + 1)


def test_built_in_tasks(shared):
    app, _ = shared
    send = lambda name, *args, **kwargs: app.send_task(name, args, kwargs, queue=QUEUE).get(20)
    assert send("celery.accumulate", 1, 2, 3) == [1, 2, 3]
    assert send("celery.accumulate", 1, 2, 3, index=1) == 2
    assert send("celery.backend_cleanup") is None
    with pytest.raises(NotImplementedError, match="group"):
        send("celery.map", task={"task": "scan.vision"}, it=[1])
    with pytest.raises(NotImplementedError, match="group"):
        send("celery.starmap", task="celery.chunks", it=[["chard.add", [[1]], 1]])
    for task, arguments in {"celery.chunks": {"task": "chard.add", "it": [1], "n": 0}, "celery.group": {"tasks": 1},
                            "celery.chord": {"header": [], "body": None}}.items():
        with pytest.raises(TypeError, match="needs"):
            send(task, **arguments)
    with pytest.raises(RuntimeError, match="must name a queue"):
        send("celery.chunks", "in.python", [[1]], 1)


def test_a_header_that_is_wrong(shared):
    """The client is told, although the header says nothing that could be run."""
    app, queues = shared
    result = app.AsyncResult(str(uuid.uuid4()))
    app.backend.add_pending_result(result)
    queues.publish(QUEUE, QUEUE, b"[[1],{},null]", {"lang": "py", "task": "chard.add", "id": result.id, "eta": "soon"},
                   correlation_id=result.id, reply_to=app.thread_oid)
    with pytest.raises(Exception, match='"eta" must be an ISO 8601 time'):
        result.get(20)


def test_a_classic_queue_with_priorities(chard, broker_url, queues, wait_until):
    """As it stands there, with its direct exchange: consumed by priority, retried and buried like any other."""
    queue = Queue(QUEUE, Exchange(QUEUE, type="direct"), routing_key=QUEUE, queue_arguments={"x-max-priority": 10})
    with contextlib.closing(make_app(broker_url, "rpc://")) as app:
        app.conf.update(task_queues=[queue], task_default_exchange_type="direct", task_default_queue_type="classic",
                        worker_detect_quorum_queues=False)
        results = [app.send_task("chard.add", [n], queue=QUEUE, priority=n) for n in (1, 5, 9)]
        chain = (app.signature("chard.add", [1]) | app.signature("chard.add", [2])).apply_async()
        failed = app.send_task("chard.fail", queue=QUEUE)
        chard.run("migrate", check=0)
        assert "CHARD_DECLARE_QUEUES=no" in chard.run("worker", "-Q", QUEUE, check=2).stderr
        with chard.worker(queues=QUEUE, declare_queues="no", slots=1):
            assert [one.get(20) for one in results] == [1, 5, 9]
            assert chain.get(20) == 3
            assert isinstance(failed.get(20, propagate=False), ValueError)
            wait_until(lambda: queues.depth(f"{QUEUE}.dead") == 1)
        assert results[2].date_done < results[1].date_done < results[0].date_done


def test_protocol_1(shared, wait_until):
    """A client that is set to the older message protocol: what it sends is run, waits, fails and calls back like any other."""
    of_2, queues = shared
    with contextlib.closing(make_app(of_2.conf.broker_url, "rpc://", task_protocol=1)) as app:
        add = lambda *args: app.signature("chard.add", args, queue=QUEUE)
        assert add(1, 2).apply_async().get(20) == 3
        assert add(1, 2).apply_async(countdown=1, compression="zlib").get(20) == 3
        chain = (add(1) | add(2) | add(3)).apply_async()
        assert (chain.get(20), chain.parent.get(20)) == (6, 3)
        before = queues.depth(f"{QUEUE}.dead")
        with pytest.raises(Exception) as caught:
            add(1).apply_async(expires=-1).get(20)
        assert type(caught.value).__name__ == "TaskRevokedError"
        told = app.AsyncResult(str(uuid.uuid4()))
        app.backend.add_pending_result(told)
        failed = app.signature("chard.fail", ["boom"], queue=QUEUE).apply_async(
            link_error=app.signature("chard.same", queue=QUEUE).set(task_id=told.id, reply_to=app.thread_oid))
        with pytest.raises(ValueError, match="boom"):
            failed.get(20)
        assert told.get(20) == failed.id
        with pytest.raises(TypeError):
            app.send_task("chard.add", ["x"], queue=QUEUE).get(20)
        wait_until(lambda: queues.depth(f"{QUEUE}.dead") == before + 3)
        letters = queues.take(f"{QUEUE}.dead")
        assert {letter.headers["task"] for letter in letters[-3:]} == {"chard.add", "chard.fail"}


@pytest.mark.volume
def test_a_long_chain(shared, wait_until):
    """Each step carries all that follow it. It runs, others are answered meanwhile, and a step that was revoked is its end."""
    app, queues = shared
    ids = [str(uuid.uuid4()) for _ in range(volume(500, 2000))]
    steps = [{"task": "chard.add", "args": [1], "kwargs": {}, "subtask_type": None, "immutable": False,
              "options": {"task_id": id, "queue": QUEUE}} for id in reversed(ids)]
    fifth, last, next_one = (app.AsyncResult(ids[n]) for n in (4, 14, 15))
    for result in fifth, last, next_one:
        app.backend.add_pending_result(result)
    assert app.control.revoke(last.id, reply=True, timeout=20, limit=1)
    app.send_task("chard.add", [0], queue=QUEUE, chain=steps)
    assert app.send_task("chard.add", [1, 2], queue=QUEUE).get(20) == 3
    assert fifth.get(60) == 5
    assert app.send_task("chard.add", [3, 4], queue=QUEUE).get(20) == 7
    with pytest.raises(Exception) as caught:
        last.get(60)
    assert type(caught.value).__name__ == "TaskRevokedError"
    with pytest.raises(Exception):
        next_one.get(60)  # the last to hear that it won't run: later tests find no replies that wait
    wait_until(lambda: queues.depth(QUEUE) == 0)


@pytest.mark.parametrize("depth, error", [(60, None), (70, "DecodeError")])
def test_links_in_links(shared, depth, error):
    """As deep as JSON may nest; what is deeper is refused before anything of it runs."""
    app, _ = shared
    link = app.signature("chard.add", [1], queue=QUEUE)
    for _ in range(depth):
        link = app.signature("chard.add", [1], queue=QUEUE, link=[link])
    result = app.send_task("chard.add", [1], queue=QUEUE, link=[link]).get(20, propagate=False)
    assert result == 1 if error is None else type(result).__name__ == error


def test_without_the_delaying_queues_a_client_hears_of_it(chard, broker_url, queues):
    """CHARD_NATIVE_DELAY=no, and a client that sends by them all the same: RabbitMQ refuses its message, and what is due at once goes as ever."""
    chard.prepare()
    with contextlib.closing(make_app(broker_url, "rpc://", broker_transport_options={"confirm_publish": True})) as app, chard.worker(queues=QUEUE):
        with pytest.raises(amqp.exceptions.NotFound, match="celery_delayed_27"):
            app.send_task("chard.add", [1, 2], queue=QUEUE, countdown=1, retry=False)
        assert app.send_task("chard.add", [3, 4], queue=QUEUE).get(30) == 7
    assert queues.depth(f"{QUEUE}.dead") == 0
