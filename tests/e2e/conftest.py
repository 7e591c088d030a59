# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the end-to-end tests. One RabbitMQ and one PostgreSQL serve the whole session; each test has a
virtual host and a database of its own in them, which chard.prepare() finds as it would leave them (support/standing.py). Tests that kill servers start
private ones."""

import contextlib
import functools
import itertools
import os
import sys
import types

import celery
import pytest

from support.program import ROOT, Chard

sys.path.insert(0, str(ROOT / "deploy/local"))

import servers  # noqa: E402
from guarded import free_port  # noqa: E402
from support import provider as replies  # noqa: E402
from support.aimock import Aimock  # noqa: E402
from support.celery_app import make_app  # noqa: E402
from support.database import Database  # noqa: E402
from support.forgetting import forget_at_once  # noqa: E402
from support.loop import LoopThread  # noqa: E402
from support.place import FileBroker  # noqa: E402
from support.provider import Provider  # noqa: E402
from support.queues import Queues  # noqa: E402
from support.selection import order, select  # noqa: E402
from support.standing import Hosts, Template, is_wanted, stands  # noqa: E402
from support.store import Backend  # noqa: E402
from support.toxic import Toxic  # noqa: E402
from support.waiting import wait_until as wait  # noqa: E402

_serial = itertools.count(1)
forget_at_once()


def pytest_collection_modifyitems(config, items):
    select(config, items)
    if (workers := int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", 1))) > 1:
        order(items, workers)


# --- servers of the session ---------------------------------------------------------------------------


@pytest.fixture(scope="session")
def rabbitmq():
    """With the HTTP API, because it makes a virtual host in milliseconds, where rabbitmqctl takes a second. Its hundreds of queues
    look after themselves once a minute: every five seconds took four times the CPU that it takes idle."""
    with servers.RabbitMQ(management=True, tick_s=60) as server:
        yield server


@pytest.fixture(scope="session")
def postgres():
    with servers.PostgreSQL() as server:
        yield server


@pytest.fixture(scope="session")
def redis():
    with servers.Redis() as server:
        yield server


@pytest.fixture(scope="session")
def standing_hosts(rabbitmq):
    return Hosts(rabbitmq, lambda url: _asan({"CHARD_BROKER_URL": url}).run("topology", "apply", check=0))


@pytest.fixture(scope="session")
def standing_database(postgres):
    return Template(postgres, lambda url: _asan({"CHARD_STORE_URL": url}).run("migrate", check=0))


@pytest.fixture(scope="session")
def _loop():
    loop = LoopThread()
    yield loop
    loop.close()


# --- places of one's own, for as long as is wanted ------------------------------------------------------


@contextlib.contextmanager
def fresh_vhost(rabbitmq):
    name = f"test-{os.getpid()}-{next(_serial)}"
    yield rabbitmq.add_vhost(name)
    rabbitmq.delete_vhost(name)


@functools.cache
def administration(url):
    return Database(url)


@contextlib.contextmanager
def fresh_database(postgres, template=None):
    name = f"{'test_standing' if template else 'test'}_{os.getpid()}_{next(_serial)}"
    admin = administration(postgres.url)
    admin.run(f"create database {name} template {template.name if template else 'template1'}")
    yield postgres.url_for(name)
    admin.run(f"drop database {name} with (force)")


@contextlib.contextmanager
def fresh_place(request, place="servers", folder=None):
    """The settings of a virtual host and a database, or of a file."""
    if place == "file":
        yield {"CHARD_BROKER_URL": f"embedded:{folder}/chard.db", "CHARD_STORE_URL": f"sqlite:{folder}/chard.db"}
        return
    with fresh_vhost(request.getfixturevalue("rabbitmq")) as broker, fresh_database(request.getfixturevalue("postgres")) as store:
        yield {"CHARD_BROKER_URL": broker, "CHARD_STORE_URL": store}


# --- what each test has for itself ---------------------------------------------------------------------


@pytest.fixture
def place():
    """Where messages and rows are. A module that must hold in every place overrides it with
    `place = pytest.fixture(params=PLACES)(…)`; see test_faults.py."""
    return "servers"


@pytest.fixture
def broker_url(request, place, tmp_path):
    """A virtual host, or a file: fresh, or with the topology already if the test wants that."""
    if place == "file":
        yield f"embedded:{tmp_path}/chard.db"
        return
    with request.getfixturevalue("standing_hosts").one() if is_wanted(request) else fresh_vhost(request.getfixturevalue("rabbitmq")) as url:
        yield url


@pytest.fixture(scope="module")
def canvas_broker(rabbitmq):
    """A virtual host that the tests of a module share, with workers that take a while to start."""
    with fresh_vhost(rabbitmq) as url:
        yield url


@pytest.fixture
def store_url(request, place, tmp_path):
    """A fresh database, empty or with the tables already if the test wants that, or the broker's file."""
    if place == "file":
        yield f"sqlite:{tmp_path}/chard.db"
        return
    template = request.getfixturevalue("standing_database") if is_wanted(request) else None
    with fresh_database(request.getfixturevalue("postgres"), template) as url:
        yield url


@pytest.fixture(params=["postgresql", "sqlite"])
def backend(request, tmp_path):
    """Each kind of store in turn, fresh and empty: its URL, and what looks into it; see support/store.py."""
    if request.param == "sqlite":
        return Backend(f"sqlite:{tmp_path}/chard.db")
    return Backend(request.getfixturevalue("store_url"))


@pytest.fixture
def queues(broker_url, place):
    if place == "file":
        yield FileBroker(broker_url.removeprefix("embedded:"))
        return
    made = Queues(broker_url, keep=True)
    yield made
    made.close()


@pytest.fixture
def database(store_url):
    return Backend(store_url).database


@pytest.fixture
def private_rabbitmq():
    """Makes servers that the test may kill: `server = private_rabbitmq(tls=True)`, started already."""
    yield from _maker(servers.RabbitMQ)


@pytest.fixture
def private_postgres():
    yield from _maker(servers.PostgreSQL)


@pytest.fixture
def private_redis():
    yield from _maker(servers.Redis)


def _maker(kind):
    made = []

    def make(*arguments, **options):
        made.append(kind(*arguments, **options))
        made[-1].start()
        return made[-1]

    yield make
    for server in made:
        server.close()


# --- the program --------------------------------------------------------------------------------------


def _asan(settings):
    return Chard(ROOT / "build/asan/chard", settings, stands(settings))


def _settings(request):
    return {"CHARD_BROKER_URL": request.getfixturevalue("broker_url"),
            "CHARD_STORE_URL": request.getfixturevalue("store_url"),
            "CHARD_AI_PROVIDER": "offline"}


@pytest.fixture
def chard(request):
    """chard under AddressSanitizer and with fault points, on this test's virtual host and database, with the offline provider."""
    return _asan(_settings(request))


@pytest.fixture
def chard_release(request):
    """The build that is installed, for tests about speed and size."""
    return Chard(ROOT / "build/chard", _settings(request))


@pytest.fixture
def chard_bare():
    """No server and no setting: for help texts, mistakes and the like."""
    return Chard(ROOT / "build/asan/chard")


# --- Celery's client ----------------------------------------------------------------------------------


@pytest.fixture
def app(broker_url):
    """A client that asks for no results; tests of results have one of their own."""
    app = celery.Celery("client", broker=broker_url, backend="disabled://")
    app.conf.update(task_default_queue_type="quorum", task_default_exchange_type="topic")
    yield app
    app.close()


@pytest.fixture
def app_of(broker_url):
    """Makes clients that read results: `app_of(redis.url)`; more keywords are their configuration."""
    made = []

    def make(result_url, **settings):
        made.append(make_app(broker_url, result_url, **settings))
        return made[-1]

    yield make
    for app in made:
        app.close()


@pytest.fixture
def send(app):
    """send("chard.add", 1, 2) -> the task's id"""
    def sent(task, *args, queue="chard.tasks", **options):
        return app.send_task(task, args=args, exchange=queue, routing_key=queue, **options).id

    return sent


# --- AI providers -------------------------------------------------------------------------------------


@pytest.fixture
def provider(_loop):
    """A scriptable endpoint; see support/provider.py. `chard.settings |= provider.settings()` points there."""
    double = Provider(_loop)
    yield double
    double.stop()


@pytest.fixture
def reply():
    """The replies and behaviours of support/provider.py: reply.completion, reply.rate_limited, …"""
    return types.SimpleNamespace(**{name: getattr(replies, name) for name in (
        "Reply", "always", "completion", "example", "failure", "fitting", "hanging", "mixture", "rate_limited",
        "sequence")})


@pytest.fixture
def aimock(tmp_path):
    """Starts aimock: `mock = aimock([{"match": {}, "response": {"content": "hi"}}])`."""
    made = []

    def make(fixtures=(), **options):
        made.append(Aimock(tmp_path, free_port(), fixtures, **options))
        return made[-1]

    yield make
    for mock in made:
        mock.close()


# --- links and waiting --------------------------------------------------------------------------------


@pytest.fixture
def toxic(_loop):
    """Makes a link to `port` that can be broken: `link = toxic(rabbitmq.port); link.url(broker_url)`."""
    made = []

    def make(port, host="127.0.0.1"):
        made.append(Toxic(_loop, host, port))
        return made[-1]

    yield make
    for link in made:
        link.close()


@pytest.fixture
def wait_until():
    return wait
