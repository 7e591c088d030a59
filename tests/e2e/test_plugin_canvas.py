# SPDX-License-Identifier: Apache-2.0
"""Tasks of one's own in a plug-in, against the same tasks in a Python worker: what a client sees must be the same. All scenes run side by side,
in one pair of workers."""

import contextlib
import gc
import shutil
import subprocess
import types
from concurrent.futures import ThreadPoolExecutor

import pytest

from kit_scenes import SCENES, Kit
from conftest import fresh_database, fresh_vhost, servers
from support.database import Database
from support.kit_app import QUEUE, make_app
from support.program import ROOT, Chard
from support.python_worker import python_worker
from support.waiting import wait_until

# Where Celery's own worker answers less.
BETTER = {"again_when_it_asked_for": [[1, 1], True, True]}  # a Python worker's retry had not come back within 30 s once, on a busy machine


@pytest.fixture(scope="module")
def kit(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kit")
    shutil.copytree(ROOT / "include", folder, dirs_exist_ok=True)
    library = folder / "kit_tasks.so"
    subprocess.run(["cc", "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", f"-I{folder}", "-o", library,
                    ROOT / "tests/e2e/support/kit_tasks.c"], check=True, timeout=60)
    return library


@contextlib.contextmanager
def plugin_worker(url, redis_url, store_url, kit):
    program = Chard(ROOT / "build/asan/chard", {
        "CHARD_NATIVE_DELAY": "yes", "CHARD_BROKER_URL": url, "CHARD_STORE_URL": store_url, "CHARD_AI_PROVIDER": "offline",
        "CHARD_RESULT_URL": redis_url, "CHARD_TASKS": str(kit)})
    program.run("migrate", check=0)
    with program.worker(queues=QUEUE, slots=100):
        yield


def play(app, name):
    try:
        return SCENES[name](Kit(app))
    except Exception as error:
        return f"{type(error).__name__}: {error}"


@pytest.fixture(scope="module")
def seen(rabbitmq, postgres, kit):
    """{scene: what is seen of the plug-in, of Python}"""
    with contextlib.ExitStack() as stack:
        urls, store_url = [stack.enter_context(fresh_vhost(rabbitmq)) for _ in range(2)], stack.enter_context(fresh_database(postgres))
        redis = stack.enter_context(servers.Redis())
        results = [redis.url, redis.url[:-1] + "1"]
        stack.enter_context(python_worker(ROOT / "tests/e2e/support/kit_app.py", urls[1], results[1]))
        stack.enter_context(plugin_worker(urls[0], results[0], store_url, kit))
        apps = [stack.enter_context(contextlib.closing(make_app(*pair))) for pair in zip(urls, results)]
        for app in apps:
            assert app.signature("kit.add", args=[1]).apply_async().get(60) == 1
        with ThreadPoolExecutor(8) as pool:
            played = {name: [pool.submit(play, app, name) for app in apps] for name in SCENES}
            results = {name: [one.result() for one in both] for name, both in played.items()}
            gc.collect()  # results that nobody holds any more say so to Redis, while it is there
            yield types.SimpleNamespace(scenes=results, database=Database(store_url))


@pytest.mark.parametrize("name", SCENES)
def test_same_as_python(seen, name):
    ours, theirs = seen.scenes[name]
    print(f"chard:  {ours!r}\nCelery: {theirs!r}")
    assert ours == BETTER.get(name, theirs)


UNFINISHED = """
    select 'job' as what, root_id as id, state, '' as name from chard.job where state not in ('SUCCESS', 'FAILURE', 'REVOKED')
    union all
    select 'task', id, state, name from chard.task where state not in ('SUCCESS', 'FAILURE', 'REVOKED')"""


def test_every_job_has_ended(seen):
    """Replaced tasks and what was sent beside a result are branches of their job like any other. The row of a replaced task is its heir's, who keeps
    state there even where it keeps none otherwise."""
    wait_until(lambda: not seen.database.rows(UNFINISHED), 30)
