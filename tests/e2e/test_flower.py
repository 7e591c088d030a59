# SPDX-License-Identifier: Apache-2.0
"""Flower 2 and celery-exporter beside chard's workers: their pages, their APIs and their numbers, held against what really ran."""

import json
import re
import subprocess
import sys
import tempfile
import urllib.error
import urllib.parse
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import pytest
from guarded import free_port

from support.program import ROOT, Running, die_with_parent, plain_environment

NAME = "chard@here"
EXPORTER = ROOT / "build/exporter"


class Web:
    """A program with an HTTP server."""

    def __init__(self, words, port, **environment):
        self.url = f"http://127.0.0.1:{port}"
        self.program = Running([sys.executable, *words], plain_environment() | environment)

    def get(self, path, data=None):
        data = None if data is None else urllib.parse.urlencode(data).encode()
        try:
            with urllib.request.urlopen(self.url + path, data=data, timeout=20) as reply:
                return reply.read().decode()
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{path}: {error.code} {error.read().decode()[:2000]}") from error
        except OSError as error:
            raise AssertionError(f"{path}: {error}") from error

    def json(self, path, data=None):
        return json.loads(self.get(path, data))

    def metrics(self, page):
        """{(name, ((label, value), …)): value} of a page for Prometheus."""
        lines = re.findall(r"^(\w+)\{(.*)\} (\S+)$", self.get(page), re.M)
        return {(name, frozenset(re.findall(r'(\w+)="([^"]*)"', labels))): float(value) for name, labels, value in lines}


@pytest.fixture
def flower(broker_url, rabbitmq, wait_until):
    port = free_port()
    web = Web(["-m", "celery", "-A", "support.client_app", "flower", f"--port={port}", "--address=127.0.0.1",
               f"--broker_api={rabbitmq.api_url}"], port,
              CELERY_BROKER_URL=broker_url, FLOWER_UNAUTHENTICATED_API="true", PYTHONPATH=str(ROOT / "tests/e2e"))
    wait_until(lambda: web.get("/healthcheck"), 60, "Flower is up")
    yield web
    web.program.terminate()
    web.program.wait()


def total(metrics, metric, **labels):
    return sum(value for (one, have), value in metrics.items() if one == metric and labels.items() <= dict(have).items())


def browse(urls):
    """Each page as Chromium shows it once its scripts have run, as text and table cells: [[text, …], …]."""
    def one(url):
        with tempfile.TemporaryDirectory(prefix="chard-chromium-") as folder:
            done = subprocess.run(["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                                   f"--user-data-dir={folder}", "--virtual-time-budget=4000", "--dump-dom", url],
                                  capture_output=True, text=True, timeout=60, preexec_fn=die_with_parent)
        assert done.returncode == 0 and done.stdout, done.stderr[-2000:]
        return re.sub(r"\s+", " ", re.sub(r"<script.*?</script>|<[^>]*>", " ", done.stdout, flags=re.S))

    with ThreadPoolExecutor(3) as pool:
        return list(pool.map(one, urls))


def run_some(send, app, wait_until, events):
    """Three that succeed, two that fail, one revoked. `events` counts what a monitor has seen."""
    ids = [send("chard.add", 1, n) for n in range(3)] + [send("chard.fail", "it broke") for _ in range(2)]
    app.control.revoke("gone", reply=True, timeout=5, limit=1)
    ids.append(send("chard.add", 1, 1, task_id="gone"))
    wait_until(lambda: events() >= 3 + 2 + 1, 30, "the monitor has seen the end of each")
    return ids


@pytest.fixture
def worker(chard):
    chard.prepare()
    with chard.worker(name=NAME, queues="chard.tasks,chat.classify", slots=9) as worker:
        yield worker


def test_flower(worker, flower, app, send, provider, wait_until):
    """It switches events on by itself; pages, API and metrics say what ran."""
    wait_until(lambda: app.control.broadcast("enable_events", reply=True, timeout=5, limit=1)[0][NAME]
               == {"ok": "task events already enabled"}, 30, "Flower has switched events on")
    shown = wait_until(lambda: flower.json("/api/workers?refresh=1").get(NAME), 30)
    assert shown["stats"]["pool"]["max-concurrency"] == 9 and shown["stats"]["pid"] == worker.pid
    assert [one["name"] for one in shown["active_queues"]] == ["chard.tasks", "chat.classify"]
    assert shown["conf"]["slots"] == 9 and "chard.add" in shown["registered"]

    ids = run_some(send, app, wait_until, lambda: sum(one["state"] in ("SUCCESS", "FAILURE", "REVOKED")
                                                      for one in flower.json("/api/tasks").values()))
    tasks = flower.json("/api/tasks")
    assert {one: tasks[one]["state"] for one in ids} == dict(
        zip(ids, ["SUCCESS"] * 3 + ["FAILURE"] * 2 + ["REVOKED"], strict=True))
    first = flower.json(f"/api/task/info/{ids[2]}")
    assert (first["name"], first["args"], first["result"], first["worker"]) == ("chard.add", "(1, 2)", "3", NAME)
    assert flower.json(f"/api/task/info/{ids[3]}")["exception"] == "ValueError('it broke')"

    metrics = flower.metrics("/metrics")
    assert total(metrics, "flower_events_total", type="task-succeeded", task="chard.add") == 3
    assert total(metrics, "flower_events_total", type="task-failed", task="chard.fail") == 2
    assert total(metrics, "flower_events_total", type="task-started", worker=NAME) == 5
    assert total(metrics, "flower_worker_online", worker=NAME) == 1
    assert total(metrics, "flower_task_runtime_seconds_count", task="chard.add") == 3

    page = flower.get(f"/worker/{NAME}")
    for tab in ("pool", "broker", "queues", "tasks", "limits", "config", "system", "other"):
        assert f'id="tab-{tab}"' in page
    for text in ("one process, an event loop", "chat.classify", "chard.add", "amqp", "slots"):
        assert text in page
    assert NAME in flower.get("/workers") and "it broke" in flower.get(f"/task/{ids[3]}")
    assert "chard.tasks" in flower.get("/broker") and flower.get("/tasks")
    overview, history, details = browse([flower.url + path for path in ("/workers", "/tasks", f"/worker/{NAME}")])
    assert "Online workers 1 Active tasks 0 Succeeded 3 Failed 2" in overview and f"{NAME} Online 0 6 2 3" in overview
    assert f"chard.fail {ids[3]} {ids[3][:8]} FAILURE" in history and "Showing 1 to 6 of 6 tasks" in history
    assert f"Worker PID {worker.pid} Prefetch Count 18" in details and "chard.add 3 chard.fail 2" in details
    table = flower.json("/tasks/datatable?draw=1&start=0&length=50&search%5Bvalue%5D=&order%5B0%5D%5Bcolumn%5D=0"
                        "&order%5B0%5D%5Bdir%5D=asc&columns%5B0%5D%5Bdata%5D=name")
    assert table["recordsTotal"] == 6 and {one["state"] for one in table["data"]} == {"SUCCESS", "FAILURE", "REVOKED"}


def test_flower_controls(worker, flower, app, wait_until):
    """The buttons of a worker's page, by the requests that they make."""
    def press(path, **data):
        return flower.json(f"/api/{path}", data)["message"]

    wait_until(lambda: NAME in flower.json("/api/workers?refresh=1"), 30)
    assert press(f"worker/pool/grow/{NAME}", n=3) and press(f"worker/pool/shrink/{NAME}", n=1)
    assert press(f"worker/pool/autoscale/{NAME}", min=1, max=20)
    assert "my.profile" in press(f"worker/queue/add-consumer/{NAME}", queue="my.profile")
    assert "my.profile" in press(f"worker/queue/cancel-consumer/{NAME}", queue="my.profile")
    assert press("task/rate-limit/chard.add", workername=NAME, ratelimit="100/s")
    assert press("task/timeout/chard.add", workername=NAME, hard=10, soft=5)
    assert "Revoked" in press("task/revoke/some-id", terminate="true")
    shown = flower.json(f"/api/workers?refresh=1&workername={NAME}")[NAME]
    assert shown["stats"]["pool"]["max-concurrency"] == 20
    assert [one["name"] for one in shown["active_queues"]] == ["chard.tasks", "chat.classify"]
    assert "chard.add [rate_limit=100/s]" in shown["registered"]
    assert press(f"worker/shutdown/{NAME}")
    assert worker.wait(20) == 0


@pytest.fixture
def exporter(broker_url, wait_until):
    port = free_port()
    web = Web(["-m", "celery_exporter", "--broker-url", broker_url, "--listen-address", f"127.0.0.1:{port}",
               "--enable-events"], port, PYTHONPATH=str(EXPORTER))
    wait_until(lambda: web.get("/metrics"), 60, "the exporter is up")
    yield web
    web.program.terminate()
    web.program.wait()


def test_celery_exporter(worker, exporter, app, send, wait_until):
    def count(state, **labels):
        return total(exporter.metrics("/metrics"), "celery_tasks_total", state=state, **labels)

    wait_until(lambda: send("chard.args", 1) and count("SUCCESS", name="chard.args"), 30,
               "the exporter has switched events on, and hears them", every=0.3)
    ran = lambda state: {name: count(state, name=name) for name in ("chard.add", "chard.fail")}  # noqa: E731
    run_some(send, app, wait_until, lambda: sum(sum(ran(state).values()) for state in ("SUCCESS", "FAILURE", "REVOKED")))
    assert ran("RECEIVED") == {"chard.add": 4, "chard.fail": 2} and ran("STARTED") == {"chard.add": 3, "chard.fail": 2}
    assert ran("SUCCESS") == {"chard.add": 3, "chard.fail": 0} and ran("FAILURE") == {"chard.add": 0, "chard.fail": 2}
    assert ran("REVOKED") == {"chard.add": 1, "chard.fail": 0}
    metrics = exporter.metrics("/metrics")
    assert total(metrics, "celery_tasks_runtime_seconds_count", name="chard.add") == 3
    wait_until(lambda: total(exporter.metrics("/metrics"), "celery_workers") == 1)
