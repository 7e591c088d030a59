# SPDX-License-Identifier: Apache-2.0
"""chard and real Python workers beside each other: in one chain, and on one queue."""

import json
import uuid

import pytest
from support import fleet
from support.place import FileBroker
from support.waiting import wait_until

from celery import chain, chord, group

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def job_of(chard, id):
    shown = chard.run("job", id, "--json")
    return json.loads(shown.stdout) if shown.stdout else {}


def test_a_chain_whose_steps_alternate(chard, broker_url, redis, database):
    """chard, Python, chard, Python: the document passes through all, and ids and trace stay together."""
    chard.prepare()
    with fleet.worker(broker_url, redis.url, "py.one,py.two") as app, chard.worker(queues="chard.note"):
        steps = [app.signature("chard.note", kwargs={"text": "빈 병"}, queue="chard.note", headers={"traceparent": TRACE}),
                 app.signature("py.stamp", queue="py.one"), app.signature("chard.note", queue="chard.note"),
                 app.signature("py.stamp", queue="py.two")]
        result = chain(*steps).apply_async()
        document = result.get(timeout=60)
        first, second, third = result.parent.parent.parent.id, result.parent.parent.id, result.parent.id
        assert document["input"] == {"text": "빈 병"}
        assert [seen["trace"] for seen in document["seen"]] == [TRACE, TRACE]
        assert [seen["root"] for seen in document["seen"]] == [first, first]
        assert [seen["parent"] for seen in document["seen"]] == [first, third]
        assert [seen["id"] for seen in document["seen"]] == [second, result.id]
    rows = database.rows("select id, parent_id, root_id, state from chard.task order by created_at")
    assert [(row["id"], row["parent_id"], row["root_id"], row["state"]) for row in rows] == [
        (first, None, first, "SUCCESS"), (third, second, first, "SUCCESS")]


def test_one_queue_two_kinds_of_workers(chard, broker_url, redis, database):
    """Each of the messages is run once, by one of the two; both take their share."""
    count = 400
    chard.prepare()
    sender = fleet.make_app(broker_url, redis.url)
    ids = [str(uuid.uuid4()) for _ in range(count)]
    with fleet.worker(broker_url, redis.url, "chard.note") as app, chard.worker(queues="chard.note", slots=4):
        for n, id in enumerate(ids):
            sender.send_task("chard.note", kwargs={"n": n}, task_id=id, queue="chard.note")

        def run_by():
            chards = {row["id"] for row in database.rows("select id from chard.task where state = 'SUCCESS'")}
            pythons = {id for id in ids if id not in chards and app.AsyncResult(id).state == "SUCCESS"}
            assert len(chards) + len(pythons) == count, f"{len(chards)} by chard, {len(pythons)} by Python, of {count}"
            return chards, pythons

        chards, pythons = wait_until(run_by, 90, every=0.5)
    assert chards | pythons == set(ids)
    assert chards and pythons
    assert not [id for id in chards if (app.AsyncResult(id).result == "python")], "run by both"


ROUTES = {"task_routes": "py.s*=py.one;py.again=py.one", "default_queue": "py.two"}  # py.add is nobody's but the default's


def test_signatures_that_name_no_queue(chard, broker_url, redis):
    """The Python app's task_routes and its default queue, said to chard: whatever follows one of chard's tasks finds its worker."""
    chard.prepare()
    backend = redis.url[:-1] + "5"
    with fleet.worker(broker_url, backend, "py.one,py.two,py.default") as app, \
            chard.worker(queues="chard.tasks", result_url=backend, **ROUTES):
        ours = lambda name, *args: app.signature(name, args, queue="chard.tasks")
        py = lambda name, *args: app.signature(name, args)
        assert (ours("chard.add", 1) | py("py.add", 2) | ours("chard.add", 3) | py("py.same")).apply_async().get(30) == 6
        assert (ours("chard.add", 1) | group(py("py.add", 2), py("py.add", 3)) | py("py.sum")).apply_async().get(30) == 7
        assert chord([ours("chard.add", 1), ours("chard.add", 2)], py("py.sum")).apply_async().get(30) == 3
        assert (ours("chard.add", 1) | group(py("py.add", 2), py("py.add", 3))).apply_async().get(30) == [3, 4]
        called, told = (str(uuid.uuid4()) for _ in range(2))
        ours("chard.add", 1).apply_async(link=py("py.add", 9).set(task_id=called))
        assert app.AsyncResult(called).get(30) == 10
        failed = ours("chard.fail", "broken").apply_async(link_error=py("py.same").set(task_id=told))
        assert app.AsyncResult(told).get(30) == failed.id
        again = (ours("chard.add", 1) | py("py.again") | ours("chard.add", 5)).apply_async()
        assert again.get(30) == 1106


def test_a_route_to_no_queue(chard, broker_url, redis, queues, wait_until):
    """Nothing is lost: the task before it fails, says why, and is in the dead letters with all that would have followed."""
    chard.prepare()
    app = fleet.make_app(broker_url, redis.url)
    first = app.signature("chard.add", [1], queue="chard.tasks")
    with chard.worker(queues="chard.tasks", result_url=redis.url):
        result = (first | app.signature("py.same")).apply_async()
        with pytest.raises(RuntimeError, match="CHARD_TASK_ROUTES"):
            result.get(30)
    with chard.worker(queues="chard.tasks", result_url=redis.url, default_queue="no.such"):
        result = (first | app.signature("py.same")).apply_async()
        with pytest.raises(RuntimeError, match="no queue takes it"):
            result.get(60)
    wait_until(lambda: queues.depth("chard.tasks.dead") == 2)
    assert b"py.same" in queues.take("chard.tasks.dead", 2)[1].body
    app.close()


@pytest.mark.parametrize("setting, value, says", [
    ("CHARD_TASK_ROUTES", "py.add", "TASK=QUEUE"),
    ("CHARD_TASK_ROUTES", "py.*.add=q", "may only stand at its end"),
    ("CHARD_DEFAULT_QUEUE", "a b", "is no queue"),
])
def test_routes_that_make_no_sense(chard, setting, value, says):
    said = chard.run("worker", env={setting: value}, check=2).stderr
    assert setting in said and says in said


def test_routes_in_the_one_file(chard, tmp_path):
    """With the embedded broker as well; there only other workers of chard's can be who takes it."""
    path = tmp_path / "chard.db"
    chard = chard.with_settings(broker_url=f"embedded:{path}", store_url=f"sqlite:{path}").prepare()
    queues = FileBroker(path)
    body = json.dumps([[1], {}, {"chain": [{"task": "plugin.count", "args": [], "kwargs": {}, "options": {}}]}]).encode()
    with chard.worker(queues="chard.tasks", task_routes="plugin.*=chard.note"):
        queues.publish("chard.tasks", "chard.tasks", body, {"task": "chard.add", "id": "i", "root_id": "i"})
        wait_until(lambda: queues.depth("chard.note") == 1)
    assert queues.take("chard.note")[0].headers["task"] == "plugin.count"
