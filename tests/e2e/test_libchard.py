# SPDX-License-Identifier: Apache-2.0
"""libchard: what it sends is what Celery's client sends, real workers run it, and results come back."""

import functools
import json
import re
import subprocess
import threading
import uuid

import pytest

from support import fleet, libchard
from support.libchard import QUEUE, SUM, Client, Failed, add, task
from support.program import OPTIONS, ROOT, no_report, plain_environment
from support.waiting import wait_until

@pytest.fixture(scope="session")
def redis_url(redis):
    return redis.url


@pytest.fixture(scope="module")
def canvas_broker(rabbitmq):
    name = f"canvas-{uuid.uuid4()}"
    yield rabbitmq.add_vhost(name)
    rabbitmq.delete_vhost(name)


# ---- workers run it ------------------------------------------------------------------------------------------

RESULTS = {
    "task": (add(1, 2), 3),
    "chain": ({"chain": [add(1, 2), add(3), add(4)]}, 10),
    "group": ({"group": [add(1, 2), add(3, 4), {"chain": [add(1, 1), add(1)]}]}, [3, 7, 3]),
    "group_at_the_end": ({"chain": [add(1, 2), {"group": [add(3), add(4)]}]}, [6, 7]),
    "chord": ({"chord": [{"group": [add(1, 2), add(3, 4)]}, SUM]}, 10),
    "chord_with_chain": ({"chord": [{"group": [add(1, 2), {"chain": [add(1, 1), add(2)]}]}, {"chain": [SUM, add(5)]}]}, 12),
    "group_then_task": ({"chain": [add(1, 2), {"group": [add(3), add(4)]}, SUM, add(5)]}, 18),
}


@pytest.fixture(scope="module")
def python_worker(canvas_broker, redis_url):
    """One real Celery worker for all of these; its results go to Redis, and to whoever names a queue for them."""
    with fleet.worker(canvas_broker, redis_url, "py.run") as app:
        yield app


def moved(canvas):
    """The same on a queue that the worker consumes alone."""
    if isinstance(canvas, dict):
        return {k: "py.run" if k == "queue" else moved(v) for k, v in canvas.items()}
    return [moved(v) for v in canvas] if isinstance(canvas, list) else canvas


@pytest.mark.parametrize("name", RESULTS)
def test_a_python_worker_runs_it(canvas_broker, redis_url, python_worker, name):
    canvas, wanted = RESULTS[name]
    with Client(canvas_broker, redis_url) as client:
        id, first = client.apply(moved(canvas))
        assert client.wait(id) == wanted
        assert client.wait(id, 0) == wanted
    if not isinstance(wanted, list):
        result = python_worker.AsyncResult(id)
        assert result.get(timeout=20) == wanted
        assert result.successful()
    assert python_worker.AsyncResult(first).get(timeout=20) is not None


def test_a_failure_comes_back_with_its_words(canvas_broker, redis_url, python_worker):
    with Client(canvas_broker, redis_url) as client:
        id, _ = client.apply(moved(task("py.fail", 1)))
        with pytest.raises(Failed) as failed:
            client.wait(id)
        assert (failed.value.code, failed.value.name, failed.value.text) == (libchard.TASK_FAILED, "ValueError", "it never works")
        with pytest.raises(Failed) as failed:
            client.wait(client.apply(moved({"group": [add(1, 2), task("py.fail")]}))[0])
        assert failed.value.code == libchard.TASK_FAILED
        with pytest.raises(Failed) as failed:
            client.wait(str(uuid.uuid4()), 300)
        assert failed.value.code == libchard.TIMED_OUT


def test_results_over_a_queue_of_its_own(canvas_broker):
    with fleet.worker(canvas_broker, "rpc://", "py.rpc"), Client(canvas_broker, "rpc://") as client:
        one, _ = client.apply(add(1, 2, queue="py.rpc"))
        chain, first = client.apply({"chain": [add(1, 2, queue="py.rpc"), add(3, queue="py.rpc")]})
        group, _ = client.apply({"group": [add(n, n, queue="py.rpc") for n in range(20)]})
        failing, _ = client.apply(task("py.fail", queue="py.rpc"))
        assert client.wait(one) == 3
        assert client.wait(chain) == 6
        assert client.wait(group) == [2 * n for n in range(20)]
        with pytest.raises(Failed, match="ValueError: it never works"):
            client.wait(failing)
        assert client.wait(one) == 3
        client.forget(one)
        for id in (one, first):
            with pytest.raises(Failed) as failed:
                client.wait(id, 100)
            assert failed.value.code == libchard.UNKNOWN_ID


# ---- what can't be -------------------------------------------------------------------------------------------

WRONG = {
    "args": ({"task": "t", "args": {"a": 1}}, libchard.BAD_ARGUMENT, "args must be a JSON array"),
    "kwargs": ({"task": "t", "kwargs": [1]}, libchard.BAD_ARGUMENT, "kwargs must be a JSON object"),
    "no_name": ({"task": ""}, libchard.BAD_ARGUMENT, "1 to 255 bytes"),
    "empty_chain": ({"chain": []}, libchard.BAD_ARGUMENT, "at least one part"),
    "missing_part": ({"chain": [{"task": ""}, {"task": "t"}]}, libchard.BAD_ARGUMENT, "1 to 255 bytes"),
    "option": (task("t", priority=300), libchard.BAD_ARGUMENT, "priority"),
    "eta": (task("t", eta="soon"), libchard.BAD_ARGUMENT, "eta"),
    "groups_in_a_row": ({"chain": [{"group": [SUM, SUM]}] * 60}, libchard.UNSUPPORTED, "more than 40 deep"),
    "chord_without_redis": ({"chord": [{"group": [add(1, 2)]}, SUM]}, libchard.UNSUPPORTED, "redis://"),
    "groups_need_redis": ({"chain": [{"group": [add(1), add(2)]}, {"group": [SUM, SUM]}]}, libchard.UNSUPPORTED, "redis://"),
    "nested": (functools.reduce(lambda inner, _: {"chord": [{"group": [inner, SUM]}, SUM]}, range(101), SUM), libchard.UNSUPPORTED, "nested more than 100"),
    "no_queue": (task("t", queue="nobody"), libchard.UNROUTABLE, "no queue takes it"),
}


def test_wrong_input_is_answered_and_sends_nothing(canvas_broker):
    from support.queues import Queues

    app = fleet.make_app(canvas_broker, "rpc://")
    app.amqp.queues[QUEUE](app.connection_for_write().channel()).declare()
    app.connection_for_write().channel().exchange_declare("nobody", "topic", durable=True, auto_delete=False)
    with Client(canvas_broker) as client:
        for name, (canvas, code, words) in WRONG.items():
            with pytest.raises(Failed) as failed:
                client.apply(canvas)
            assert failed.value.code == code and words in failed.value.text, (name, str(failed.value))
        id, _ = client.apply(add(1, 2, queue="py.nowhere.to.wait") | {"queue": QUEUE})
        with pytest.raises(Failed) as failed:
            client.wait(id, 10)
        assert failed.value.code == libchard.UNKNOWN_ID
    assert len(Queues(canvas_broker).take(QUEUE)) == 1


@pytest.mark.parametrize("broker, results, code", [
    ("http://x", None, libchard.BAD_ARGUMENT),
    ("amqp://guest:guest@127.0.0.1:1/", None, libchard.UNREACHABLE),
    ("", None, libchard.BAD_ARGUMENT),
    ("amqp://guest:guest@127.0.0.1:1/", "memcached://x", libchard.BAD_ARGUMENT),
    ("amqp://guest:guest@127.0.0.1:1/", "redis://127.0.0.1:1/0", libchard.UNREACHABLE),
    ("amqp://guest:guest@127.0.0.1:1/", "redis://127.0.0.1:1/none", libchard.BAD_ARGUMENT),
])
def test_opening_what_is_not_there(broker, results, code):
    with pytest.raises(Failed) as failed:
        Client(broker, results, connect_timeout_ms=1000)
    assert failed.value.code == code and failed.value.text


def test_a_wrong_password(canvas_broker):
    with pytest.raises(Failed) as failed:
        Client(re.sub(r"://[^@]*@", "://nobody:nothing@", canvas_broker))
    assert failed.value.code == libchard.ACCESS


def test_many_threads_one_handle(canvas_broker, redis_url, python_worker):
    wrong = []
    with Client(canvas_broker, redis_url) as client:
        def use(number):
            try:
                for n in range(5):
                    assert client.wait(client.apply(moved(add(number, n)))[0]) == number + n
            except Exception as why:  # told to the test's own thread
                wrong.append(why)

        threads = [threading.Thread(target=use, args=(n,)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not wrong


def test_a_broker_that_goes_and_comes_back(private_rabbitmq):
    server = private_rabbitmq()
    app = fleet.make_app(server.url, "rpc://")
    app.amqp.queues[QUEUE](app.connection_for_write().channel()).declare()
    with Client(server.url) as client:
        client.apply(add(1, 2))
        server.stop()
        with pytest.raises(Failed) as failed:
            client.apply(add(3, 4), 500)
        assert failed.value.code == libchard.TIMED_OUT
        server.start()
        client.apply(add(5, 6), 45000)
    from support.queues import Queues

    taken = [json.loads(m.body)[0] for m in Queues(server.url).take(QUEUE)]
    assert [5, 6] in taken and [1, 2] in taken


# ---- one file instead of servers ---------------------------------------------------------------------------------


def test_an_embedded_broker(chard_bare, tmp_path):
    file = tmp_path / "chard.db"
    dev = chard_bare.start("dev", "--db", file, "-Q", "chard.note", "--ai-provider", "offline")
    try:
        dev.wait_log("consuming")
        with Client(f"embedded:{file}") as client:
            id, first = client.apply({"task": "chard.note", "kwargs": {"n": 1}})

            def ended():
                shown = chard_bare.run("job", first, "--json", "--store-url", f"sqlite:{file}")
                job = json.loads(shown.stdout) if shown.stdout else {}
                return job.get("state") == "SUCCESS"

            wait_until(ended, 30)
        assert id == first
    finally:
        dev.terminate()
        assert dev.wait() == 0


# ---- under AddressSanitizer --------------------------------------------------------------------------------------


def test_a_c_program_under_address_sanitizer(canvas_broker, redis_url, python_worker, tmp_path):
    program = tmp_path / "scenario"
    needs = subprocess.run(["pkg-config", "--libs", "librabbitmq", "jansson", "libuv", "libssl", "libcrypto", "sqlite3", "hiredis"],
                           check=True, capture_output=True, text=True).stdout.split()
    subprocess.run(["cc", "-std=c11", "-Wall", "-Wextra", "-Werror", "-D_GNU_SOURCE", "-g", "-fsanitize=address,undefined", f"-I{ROOT}/include",
                    "-o", program, ROOT / "tests/e2e/drivers/libchard/scenario.c", ROOT / "build/asan/libchard.a", *needs, "-lpthread", "-lm"],
                   check=True, timeout=100)
    done = subprocess.run([program, canvas_broker, redis_url, "py.run"], env=plain_environment() | OPTIONS, capture_output=True,
                          text=True, timeout=100)
    no_report(done.stderr)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "all well"
    assert not done.stderr
