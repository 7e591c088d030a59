# SPDX-License-Identifier: Apache-2.0
"""The same canvases, sent by the same Celery client, against chard and against a Celery worker in Python: both must look the same to
the client. Results and chord counters go through Redis, whose keys both share."""

import contextlib
import itertools
import os
import subprocess
import sys

import pytest

from celery_scenes import SCENES, Tasks
from conftest import servers
from support.celery_app import QUEUE, make_app
from support.database import Database
from support.program import ROOT, Chard, die_with_parent
from support.waiting import wait_until

_serial = itertools.count(1)

# Where chard answers and Celery's own worker does not, or answers less: what chard gives, and why that is right.
BETTER = {}


@contextlib.contextmanager
def python_worker(broker_url, redis_url):
    process = subprocess.Popen([sys.executable, ROOT / "tests/e2e/support/celery_app.py", broker_url, redis_url],
                               stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, preexec_fn=die_with_parent, text=True)
    try:
        yield
    finally:
        process.terminate()
        print(process.communicate(timeout=30)[1][-4000:])


@pytest.fixture(scope="module")
def apps(rabbitmq, postgres):
    """One app whose worker is chard, one whose worker is Python; each with a virtual host and a Redis of its own."""
    name = f"canvas_{os.getpid()}_{next(_serial)}"
    vhosts = [f"{name}_chard", f"{name}_python"]
    urls = [rabbitmq.add_vhost(vhost) for vhost in vhosts]
    admin = Database(postgres.url)
    admin.run(f"create database {name}")
    with servers.Redis() as redis, contextlib.ExitStack() as stack:
        stores = [redis.url, redis.url[:-1] + "1"]
        chard = Chard(ROOT / "build/asan/chard", {
            "CHARD_BROKER_URL": urls[0], "CHARD_STORE_URL": postgres.url_for(name), "CHARD_AI_PROVIDER": "offline",
            "CHARD_RESULT_URL": stores[0]})
        chard.run("migrate", check=0)
        stack.enter_context(chard.worker(queues=QUEUE))
        stack.enter_context(python_worker(urls[1], stores[1]))
        made = [make_app(url, store) for url, store in zip(urls, stores)]
        wait_until(lambda: made[1].signature("chard.add").apply_async().get(20) == 0, 40)
        yield made
        for app in made:
            app.close()
    admin.run(f"drop database {name} with (force)")
    for vhost in vhosts:
        rabbitmq.delete_vhost(vhost)


@pytest.mark.parametrize("name", SCENES)
def test_same_as_python(apps, name):
    ours, theirs = (SCENES[name](app, Tasks(app)) for app in apps)
    print(f"chard:  {ours!r}\nCelery: {theirs!r}")
    if name in BETTER:
        assert ours == BETTER[name]
    else:
        assert ours == theirs
