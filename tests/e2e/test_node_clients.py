# SPDX-License-Identifier: Apache-2.0
"""Programs in JavaScript: celery-node and celery-ts, as npm has them, send tasks to chard and read what comes of them. Both declare their
queue as a classic one, so chard consumes it as it stands."""

import json
import os
import subprocess
import types
import uuid

import pytest
from conftest import fresh_place
from support.aimock import MODULES, node
from support.program import ROOT, Chard, die_with_parent
from support.queues import Queues

QUEUE = "celery"  # the default of both


@pytest.fixture(scope="module")
def shared(request, redis):
    """One worker, for a queue that stands there as a client declares it."""
    redis_url = redis.url[:-1] + "7"
    with fresh_place(request) as settings:
        url = settings["CHARD_BROKER_URL"]
        chard = Chard(ROOT / "build/asan/chard", settings | {"CHARD_NATIVE_DELAY": "yes", "CHARD_AI_PROVIDER": "offline",
                                                             "CHARD_RESULT_URL": f"rpc://,{redis_url}"})
        chard.run("migrate", check=0)
        with Queues(url).channel() as channel:
            channel.queue_declare(QUEUE, durable=True, auto_delete=False)
        with chard.worker(queues=QUEUE, declare_queues="no"):
            yield types.SimpleNamespace(url=url, redis=redis_url)


def ask(shared, package, results, *calls):
    """What the package gives for each call, in order: {"value": …} or {"error": …}."""
    done = subprocess.run([node(), ROOT / "tests/e2e/support/node_client.js", package, shared.url, results, QUEUE, json.dumps(calls)],
                          env=os.environ | {"NODE_PATH": str(MODULES)}, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=60, preexec_fn=die_with_parent)
    print(done.stderr)
    assert done.returncode == 0
    return json.loads(done.stdout)


def call(task, *args, options=None, **kwargs):
    return {"task": task, "args": args, "kwargs": kwargs, "options": options or {}, "id": str(uuid.uuid4())}


VALUES = [1, 2.5, None, True, "한글 \"x\"", [1, {"a": []}]]


@pytest.mark.parametrize("results", ["redis", "amqp"])
def test_celery_node(shared, results):
    url = shared.redis if results == "redis" else shared.url
    added, told, failed, unknown = ask(shared, "celery-node", url, call("chard.add", 2, 3), call("chard.args", *VALUES, key={"b": "c"}),
                                       call("chard.fail", "boom"), call("no.such.task"))
    assert added == {"value": 5}
    assert told == {"value": {"args": VALUES, "kwargs": {"key": {"b": "c"}}}}
    assert failed["error"].items() >= {"message": "FAILURE", "exc_type": "ValueError", "exc_message": ["boom"]}.items()
    assert unknown["error"]["exc_type"] == "NotRegistered"


@pytest.mark.parametrize("results", ["redis", "rpc"])
def test_celery_ts(shared, results):
    """It gives the exception of a failed task as if it were its value."""
    url = shared.redis if results == "redis" else shared.url.replace("amqp:", "rpc:")
    # Over rpc it sends its first task before the queue of its replies is there, and so may never hear of it.
    _, added, told, failed, unknown = ask(shared, "celery-ts", url, call("chard.add"), call("chard.add", 2, 3), call("chard.args", *VALUES, key={"b": "c"}),
                                       call("chard.fail", "boom"), call("no.such.task"))
    assert added == {"value": 5}
    assert told == {"value": {"args": VALUES, "kwargs": {"key": {"b": "c"}}}}
    assert failed["value"] == {"exc_type": "ValueError", "exc_message": ["boom"], "exc_module": "builtins"}
    assert unknown["value"]["exc_type"] == "NotRegistered"


def test_options_of_celery_ts(shared):
    """A time that is waited for ends in the same queue, which has no exchange of its name. Compressed bodies come as bytes, although they are
    said to be base64."""
    options = [{}, {"eta": 700}, {"expires": 60000}, {"priority": 3}, {"compression": "gzip"}, {"compression": "zlib"}]
    answers = ask(shared, "celery-ts", shared.redis, *[call("chard.same", "x" * 300, options=one) for one in options],
                  call("chard.same", 1, options={"expires": -1000}), call("chard.same", 1, options={"serializer": "yaml"}))
    assert answers[:len(options)] == [{"value": "x" * 300}] * len(options)
    assert answers[-2]["value"]["exc_type"] == "TaskRevokedError"
    assert answers[-1]["value"]["exc_type"] == "ContentDisallowed"
