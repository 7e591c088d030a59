# SPDX-License-Identifier: Apache-2.0
"""A plug-in of pytest for Celery's own integration tests: where those start their worker, chard starts, with private servers and with the plug-in
of suite_tasks.c. Everything else of the tests stays as it is.

    python -m pytest -p suite_session t/integration       # in the unpacked Celery, with this folder in PYTHONPATH

With CHARD_SUITE_PYTHON their own worker starts, for comparison. CHARD_SUITE_BINARY is the program, CHARD_SUITE_TASKS the plug-in, CHARD_SUITE_REPORT the file for one line a test: its outcome and its name."""

import collections
import contextlib
import ctypes
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests/e2e"), str(ROOT / "deploy/local")]

import kombu  # noqa: E402
import pytest  # noqa: E402
import servers  # noqa: E402
from celery.contrib.testing import worker as celery_worker  # noqa: E402
from known import KNOWN  # noqa: E402
from support.loop import LoopThread  # noqa: E402
from support.provider import Provider, fitting  # noqa: E402

place = contextlib.ExitStack()
python_worker = celery_worker.start_worker  # some tests bring their own app and worker
outcomes, asking = {}, set()


def after_so_many_seconds(request):
    """What sleeps in Celery's tests asks the model for an answer that takes as long."""
    return fitting(request, delay=float(request.json["messages"][-1]["content"]))


def started(log, *words, env):
    """One command that runs until the tests end, or are killed."""
    return subprocess.Popen(words, env=env, stderr=log, preexec_fn=lambda: ctypes.CDLL(None).prctl(1, signal.SIGKILL))


@contextlib.contextmanager
def chard(settings):
    """What docs/celery.md asks for: the policies, a keeper, and a worker; it has one slot, and the name that the tests expect of theirs."""
    binary = os.environ.get("CHARD_SUITE_BINARY", ROOT / "build/chard")
    name = f"gen{os.getpid()}@{socket.gethostname()}"
    env = {n: v for n, v in os.environ.items() if not n.startswith("CHARD_")} | settings
    with tempfile.TemporaryDirectory() as folder, open(os.environ.get("CHARD_SUITE_LOG", os.devnull), "wb") as log:
        health = pathlib.Path(folder, "health")
        for words in (["migrate"], ["topology", "apply"]):
            subprocess.run([binary, *words], env=env, check=True, timeout=60)
        running = [started(log, binary, "keep", env=env),
                   started(log, binary, "worker", "-Q", "celery", "-c", "1", "-n", name, env=env | {"CHARD_HEALTH_FILE": str(health)})]
        try:
            until = time.monotonic() + 60
            while not health.exists():
                assert running[1].poll() is None and time.monotonic() < until, "the worker does not start"
                time.sleep(0.05)
            yield
        finally:
            for one in running:
                one.terminate()
            for one in running:
                one.wait(60)


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests():
    """Before the tests' own conftest, which reads the addresses from the environment."""
    broker, store, redis = servers.RabbitMQ(management=True), servers.PostgreSQL(), servers.Redis()
    for server in (broker, store, redis):
        place.callback(server.close)
    servers.start_all([broker, store, redis])
    redis.ask("CONFIG", "SET", "requirepass", "")  # the tests' own connections bring none
    loop = LoopThread()
    place.callback(loop.close)
    provider = Provider(loop)
    provider.behave = after_so_many_seconds
    results = f"redis://127.0.0.1:{redis.port}/0"
    os.environ.update(TEST_BROKER=broker.url.replace("amqp:", "pyamqp:"), TEST_BACKEND=results,
                      REDIS_HOST="127.0.0.1", REDIS_PORT=str(redis.port))
    place.settings = provider.settings() | {
        "CHARD_BROKER_ADMIN_URL": f"http://127.0.0.1:{urllib.parse.urlsplit(broker.api_url).port}",
        "CHARD_BROKER_URL": broker.url, "CHARD_STORE_URL": store.url, "CHARD_RESULT_URL": results, "CHARD_DECLARE_QUEUES": "no",
        "CHARD_TASKS": os.environ["CHARD_SUITE_TASKS"]}
    with kombu.Connection(broker.url) as connection:  # as the tests' client does; only of a queue that is there it is known which policy it takes
        kombu.Queue("celery", kombu.Exchange("celery", "direct"), routing_key="celery").bind(connection.channel()).declare()
    celery_worker.start_worker = start_worker


@contextlib.contextmanager
def start_worker(app, *args, pool="solo", **settings):
    """The tests' own worker is the one with processes."""
    ours = pool == "prefork" and not os.environ.get("CHARD_SUITE_PYTHON")
    with chard(place.settings) if ours else python_worker(app, *args, pool=pool, **settings) as worker:
        yield worker


def pytest_runtest_logreport(report):
    """A test's outcome is the worst of its phases and of its subtests."""
    order = ["passed", "skipped", "xfailed", "xpassed", "failed"]
    outcome = report.outcome
    if hasattr(report, "wasxfail"):
        outcome = "xfailed" if report.skipped else "xpassed"
    known = outcomes.get(report.nodeid, "passed")
    if outcome == "failed" and known != "failed":
        print(f"\n{time.strftime('%H:%M:%S')} failed: {report.nodeid}", flush=True)
    outcomes[report.nodeid] = max(known, outcome, key=order.index)


def pytest_collection_modifyitems(items):
    asking.update(item.nodeid for item in items if "celery_session_worker" in item.fixturenames)


def told(names):
    counts = collections.Counter(outcomes[name] for name in names)
    return f"{sum(counts.values())} tests: " + ", ".join(f"{count} {outcome}" for outcome, count in sorted(counts.items()))


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session):
    """What was to be expected counts as a success."""
    failed = {name for name, outcome in outcomes.items() if outcome == "failed"}
    print(f"\n{told(outcomes)}\nof which ask for the worker: {told(asking & set(outcomes))}")
    for reason, count in collections.Counter(KNOWN[name] for name in failed & set(KNOWN)).items():
        print(f"{count} failed as expected: {reason}")
    for name in sorted(failed - set(KNOWN)):
        print(f"news: {name} failed")
    for name in sorted(set(KNOWN) & {name for name, outcome in outcomes.items() if outcome == "passed"}):
        print(f"news: {name} passed")
    if failed and failed <= set(KNOWN):
        session.exitstatus = pytest.ExitCode.OK
    if os.environ.get("CHARD_SUITE_REPORT"):
        pathlib.Path(os.environ["CHARD_SUITE_REPORT"]).write_text("".join(f"{outcome} {name}\n" for name, outcome in outcomes.items()))


def pytest_unconfigure():
    place.close()
