# SPDX-License-Identifier: Apache-2.0
"""The real Celery reads and runs what chard sends. tests/unit/test_message.c holds chard to the very bytes that are used here."""

import json
import sys

import amqp
import pytest
from kombu import Connection

from support.program import ROOT
from support.python_worker import python_worker

VECTORS = ROOT / "tests/vectors"
sys.path.insert(0, str(VECTORS))

import celery_worker  # noqa: E402
import real_celery  # noqa: E402

FIRST, SECOND, THIRD = (f"11111111-0000-4000-8000-00000000000{n}" for n in (1, 2, 3))
INPUT = {"image_url": "https://example.org/a.jpg", "lang": "ko", "text": "it's \"빈 병\""}
DOCUMENT = {"job": {"id": "j"}, "input": {"n": 1}}
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def load(name):
    return json.loads((VECTORS / "chard" / f"{name}.json").read_text())


def message_of(name):
    kept = load(name)
    return real_celery.message_from(real_celery.decoded(kept["properties"]), real_celery.decoded(kept["body"]))


@pytest.fixture
def app(tmp_path):
    return celery_worker.make_app("memory://", tmp_path)


FIRST_TASK = {"name": "scan.vision", "id": FIRST, "root_id": FIRST, "parent_id": None, "correlation_id": FIRST,
              "retries": 0, "eta_ms": 0, "expires_ms": 1900000000123, "args": [], "kwargs": INPUT, "group_id": None,
              "ignore_result": False, "origin": "gen1@client", "priority": 0}


@pytest.mark.parametrize("name, expected", {
    "chain": FIRST_TASK,
    "single": FIRST_TASK | {"chain": None},
    "retry": FIRST_TASK | {"retries": 2},
    "successor": {"name": "scan.answer", "id": SECOND, "root_id": FIRST, "parent_id": FIRST, "correlation_id": SECOND,
                  "retries": 0, "args": [DOCUMENT], "kwargs": {}, "expires_ms": 0, "origin": "gen1@client"},
}.items())
def test_celery_reads_the_fields(app, name, expected):
    view = real_celery.view(app, message_of(name))
    assert {key: view[key] for key in expected} == expected
    assert view["headers"]["traceparent"] == TRACE
    assert view["headers"]["lang"] == "py"


def test_celery_knows_every_header_of_the_protocol(app):
    recorded = json.loads((VECTORS / "celery/plain.json").read_text())["expected"]["headers"]
    ours = message_of("chain").headers
    assert set(recorded) - {"x-delivery-count"} == set(ours) - {"traceparent"}


def test_celery_makes_signatures_of_the_chain(app):
    chain = real_celery.view(app, message_of("chain"))["chain"]
    following = [app.signature(element) for element in reversed(chain)]
    assert [(one.task, one.id) for one in following] == [("scan.answer", SECOND), ("scan.reward", THIRD)]


def publish(broker_url, name, queue):
    """The very properties, read by py-amqp and written again by it."""
    kept, message = load(name), message_of(name)
    with Connection(broker_url) as connection:
        again = amqp.Message(real_celery.decoded(kept["body"]), **message.properties)
        connection.default_channel.basic_publish(again, exchange="", routing_key=queue)


def test_a_celery_worker_runs_a_chain(broker_url, tmp_path, wait_until):
    app = celery_worker.make_app(broker_url, tmp_path)
    with app.connection_for_write() as connection:
        for name in celery_worker.TASKS:
            app.amqp.queues[name](connection.default_channel).declare()
    publish(broker_url, "chain", "scan.vision")
    last = app.AsyncResult(THIRD)
    with python_worker(VECTORS / "celery_worker.py", broker_url, tmp_path):
        wait_until(last.ready, 60, "the last task of the chain to end")
    one = {"task": "scan.vision", "args": [], "kwargs": INPUT, "root_id": FIRST, "parent_id": None, "retries": 0}
    two = {"task": "scan.answer", "args": [one], "kwargs": {}, "root_id": FIRST, "parent_id": FIRST, "retries": 0}
    assert last.result == {"task": "scan.reward", "args": [two, 7, None, True, {"a": [1.5]}], "kwargs": INPUT,
                           "root_id": FIRST, "parent_id": SECOND, "retries": 0}
