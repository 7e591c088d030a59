# SPDX-License-Identifier: Apache-2.0
"""chard and real Python workers beside each other: in one chain, and on one queue."""

import json
import uuid

from support import fleet
from support.program import ROOT
from support.waiting import wait_until

from celery import chain

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
