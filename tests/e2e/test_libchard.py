# SPDX-License-Identifier: Apache-2.0
"""libchard: what it sends is what Celery's client sends, real workers run it, and results come back."""

import functools
import json
import os
import re
import signal
import subprocess
import threading
import uuid

import pytest
import redis as redis_client

from support import fleet, libchard
from support.libchard import QUEUE, SUM, Client, Failed, add, task
from support.program import OPTIONS, ROOT, no_report, plain_environment
from support.waiting import wait_until

@pytest.fixture(scope="session")
def redis_url(redis):
    return redis.url


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
    """One real Celery worker for all of these; its results go to Redis."""
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


@pytest.fixture(scope="module")
def rpc_worker(canvas_broker):
    with fleet.worker(canvas_broker, "rpc://", "py.rpc") as app:
        yield app


def test_results_over_a_queue_of_its_own(canvas_broker, rpc_worker):
    with Client(canvas_broker, "rpc://") as client:
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
    ("amqp://guest:guest@127.0.0.1:1/", "redis://[::1]:1/0", libchard.UNREACHABLE),
    ("amqp://guest:guest@127.0.0.1:1/", "redis://[::1/0", libchard.BAD_ARGUMENT),
    ("amqp://guest:guest@127.0.0.1:1/", "redis://[::1]x:1/0", libchard.BAD_ARGUMENT),
    ("amqp://guest:guest@127.0.0.1:1/", "redis://127.0.0.1:+1/0", libchard.BAD_ARGUMENT),
    ("amqp://guest:guest@127.0.0.1:1/", "redis://127.0.0.1:0/0", libchard.BAD_ARGUMENT),
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
    """And one that takes no message of that size: it says so by closing the channel, on which others are on their way."""
    server = private_rabbitmq(config={"max_message_size": 100000})
    app = fleet.make_app(server.url, "rpc://")
    app.amqp.queues[QUEUE](app.connection_for_write().channel()).declare()
    with Client(server.url) as client:
        client.apply(add(1, 2))
        assert code_of(lambda: client.apply(add("x" * 200000))) == libchard.REFUSED
        server.stop()
        with pytest.raises(Failed) as failed:
            client.apply(add(3, 4), 500)
        assert failed.value.code == libchard.TIMED_OUT
        server.start()
        client.apply(add(5, 6), 45000)
    from support.queues import Queues

    taken = [json.loads(m.body)[0] for m in Queues(server.url).take(QUEUE)]
    assert [5, 6] in taken and [1, 2] in taken


def test_redis_that_goes_and_comes_back(canvas_broker, private_redis):
    """Nothing of a chord is sent that nobody could count; waits say so, and work again."""
    from support.queues import Queues

    server = private_redis()
    app = fleet.make_app(canvas_broker, "rpc://")
    app.amqp.queues[QUEUE](app.connection_for_write().channel()).declare()
    chord = {"chord": [{"group": [add(1, 2), add(3, 4)]}, SUM]}
    queues = Queues(canvas_broker)
    with Client(canvas_broker, server.url) as client:
        id, _ = client.apply(chord)
        assert len(queues.take(QUEUE)) == 2
        waiting = threading.Thread(target=lambda: seen.append(code_of(lambda: client.wait(id))))
        seen = []
        waiting.start()
        wait_until(lambda: redis_client.Redis.from_url(server.url).pubsub_numsub(f"celery-task-meta-{id}")[0][1] == 1, 20)
        server.stop()
        waiting.join(30)
        assert seen == [libchard.UNREACHABLE]
        assert code_of(lambda: client.apply(chord)) == libchard.UNREACHABLE
        assert code_of(lambda: client.wait(id, 0)) == libchard.UNREACHABLE
        client.apply(add(1, 2))
        assert len(queues.take(QUEUE)) == 1
        server.start()
        client.apply(chord)
        assert len(queues.take(QUEUE)) == 2
        assert code_of(lambda: client.wait(id, 0)) == libchard.TIMED_OUT


def code_of(call):
    with pytest.raises(Failed) as failed:
        call()
    assert failed.value.text
    return failed.value.code


def test_signals_do_not_disturb(canvas_broker, redis_url, python_worker):
    """A thousand signals a second on the calling thread, as a profiler sends them."""
    heard = []
    before = signal.signal(signal.SIGALRM, lambda *_: heard.append(1))
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
    try:
        for _ in range(5):
            with Client(canvas_broker, redis_url) as client:
                for n in range(20):
                    assert client.wait(client.apply(moved(add(n, 1)))[0]) == n + 1
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert len(heard) > 100


def test_a_child_is_told_that_the_handle_is_not_its_own(canvas_broker):
    """It has none of the handle's threads; the parent's goes on."""
    app = fleet.make_app(canvas_broker, "rpc://")
    app.amqp.queues[QUEUE](app.connection_for_write().channel()).declare()
    with Client(canvas_broker, "rpc://") as client:
        child = os.fork()
        if child == 0:
            codes = [0]
            try:
                for call in (lambda: client.apply(add(1, 2), -1), lambda: client.wait("x", -1)):
                    try:
                        call()
                    except Failed as failed:
                        codes.append(failed.code if failed.name == "forked" else 0)
                client.forget("x")
                client.close()
                with Client(canvas_broker, "rpc://") as own:
                    own.apply(add(1, 2))
            finally:
                os._exit(0 if codes == [0, libchard.BAD_ARGUMENT, libchard.BAD_ARGUMENT] else 1)
        assert os.waitpid(child, 0)[1] == 0
        client.apply(add(1, 2))


def test_the_manual_knows_every_code():
    codes = re.findall(r"^        (CHARD_\w+) = \d+", (ROOT / "include/chard/producer.h").read_text().split("struct chard_error {")[0], re.M)
    assert len(codes) == 12
    page = (ROOT / "docs/man/libchard.3").read_text()
    assert [code for code in codes if not re.search(rf"^\.B {code}$|{code} \(0\)", page, re.M)] == []


def test_options_of_another_version():
    """A program made against a newer header meets this library; the loader keeps those away that need newer functions."""
    c, why, handle = libchard.load(), libchard.Error(), libchard.ctypes.c_void_p()
    for size, words in ((0, "CHARD_OPTIONS_INIT"), (4096, "newer libchard than 0.1.0")):
        options = libchard.Options(size=size, broker=b"amqp://127.0.0.1:1/")
        assert c.chard_open(libchard.ctypes.byref(handle), libchard.ctypes.byref(options), libchard.ctypes.byref(why)) == libchard.BAD_ARGUMENT
        assert words in why.text.decode() and not handle.value


def test_a_program_that_needs_a_newer_library_is_refused_by_the_loader(tmp_path):
    """And one that was linked with this library runs with one that has more."""
    (tmp_path / "app.c").write_text('#include <chard.h>\nint chard_newer(void);\nint main(void) { return NEWER || !*chard_version(); }\n')
    (tmp_path / "newer.c").write_text('const char *chard_version(void); int chard_newer(void);\n'
                                      'const char *chard_version(void) { return "0.2.0"; }\nint chard_newer(void) { return 0; }\n')
    (tmp_path / "map").write_text("CHARD_0.1 { global: chard_version; local: *; };\nCHARD_0.2 { global: chard_newer; } CHARD_0.1;\n")
    cc = ["cc", "-Wall", "-Wextra", "-Werror", f"-I{ROOT}/include", "-o"]
    newer = tmp_path / "newer"
    newer.mkdir()
    subprocess.run([*cc, newer / "libchard.so.0", "-shared", "-fPIC", "-Wl,-soname,libchard.so.0", f"-Wl,--version-script,{tmp_path}/map",
                    tmp_path / "newer.c"], check=True)
    (newer / "libchard.so").symlink_to("libchard.so.0")
    made = {}
    for name, folder, call in (("old", ROOT / "build", "0"), ("new", newer, "chard_newer()")):
        made[name] = tmp_path / name
        subprocess.run([*cc, made[name], f"-DNEWER={call}", tmp_path / "app.c", f"-L{folder}", "-lchard"], check=True)

    def run(program, folder):
        return subprocess.run([program], env=plain_environment() | {"LD_LIBRARY_PATH": str(folder)}, capture_output=True, text=True, timeout=20)

    assert [run(made["old"], folder).returncode for folder in (ROOT / "build", newer)] == [0, 0]
    assert run(made["new"], newer).returncode == 0
    refused = run(made["new"], ROOT / "build")
    assert refused.returncode != 0 and "version `CHARD_0.2' not found" in refused.stderr


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


# ---- under the sanitizers ----------------------------------------------------------------------------------------


def run_program(tmp_path, variant, flags, *arguments):
    """A program of drivers/libchard/, linked with the library that is built with that sanitizer."""
    name = arguments[0]
    program = tmp_path / name
    needs = subprocess.run(["pkg-config", "--libs", "librabbitmq", "jansson", "libuv", "libssl", "libcrypto", "sqlite3", "hiredis"],
                           check=True, capture_output=True, text=True).stdout.split()
    subprocess.run(["cc", "-std=c11", "-Wall", "-Wextra", "-Werror", "-D_GNU_SOURCE", "-g", f"-fsanitize={flags}", f"-I{ROOT}/include",
                    "-o", program, ROOT / f"tests/e2e/drivers/libchard/{name}.c", ROOT / f"build/{variant}/libchard.a", *needs, "-lpthread", "-lm"],
                   check=True, timeout=100)
    done = subprocess.run([program, *arguments[1:]], env=plain_environment() | OPTIONS, capture_output=True, text=True, timeout=100)
    no_report(done.stderr)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "all well"
    assert not done.stderr


def test_a_c_program_under_address_sanitizer(canvas_broker, redis_url, python_worker, tmp_path):
    run_program(tmp_path, "asan", "address,undefined", "scenario", canvas_broker, redis_url, "py.run")


@pytest.mark.parametrize("results", ["redis", "rpc"])
def test_many_threads_under_thread_sanitizer(canvas_broker, redis_url, python_worker, rpc_worker, tmp_path, results):
    url, queue = (redis_url, "py.run") if results == "redis" else ("rpc://", "py.rpc")
    run_program(tmp_path, "tsan", "thread", "threads", canvas_broker, url, queue)
