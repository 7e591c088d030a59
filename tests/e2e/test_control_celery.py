# SPDX-License-Identifier: Apache-2.0
"""Every command of remote control, asked of chard and of a Python worker that does the same: the answers have one form, so whoever reads the one
reads the other. Both are called kit@here, each on a virtual host of its own, and have the same tasks in hand."""

import contextlib
import datetime
import json
import os
import signal
import subprocess

import pytest
from kombu import Connection, Exchange, Queue

from conftest import fresh_database, fresh_vhost, servers
from support.kit_app import QUEUE, make_app
from support.program import ROOT, Chard
from support.provider import Provider, always, hanging
from support.python_worker import python_worker
from support.waiting import wait_until

NAME = "kit@here"
CLASSIC = dict.fromkeys(["task_default_queue_type", "task_create_missing_queue_type"], "classic") | dict.fromkeys(
    ["task_default_exchange_type", "task_create_missing_queue_exchange_type"], "direct")  # else clients leave an ETA to the broker
CLASSIC_QUEUE = Queue(QUEUE, Exchange(QUEUE, "direct"), routing_key=QUEUE)
ETA = datetime.datetime(2199, 5, 6, 7, 8, 9, 123456, tzinfo=datetime.timezone.utc)
ROUND_ETA = ETA.replace(microsecond=0)


@pytest.fixture(scope="module")
def kit(tmp_path_factory):
    library = tmp_path_factory.mktemp("kit") / "kit_tasks.so"
    subprocess.run(["cc", "-std=gnu11", "-shared", "-fPIC", f"-I{ROOT}/include", "-o", library,
                    ROOT / "tests/e2e/support/kit_tasks.c"], check=True, timeout=60)
    return library


def kit_worker(*urls):
    """Killed at its end: it would wait for what is slow."""
    return python_worker(ROOT / "tests/e2e/support/kit_app.py", *urls, "-n", NAME, "--without-gossip", end=signal.SIGKILL,
                         env=os.environ | {"KIT_SETTINGS": json.dumps(CLASSIC)})


def asker(app):
    def ask(command, **arguments):
        replies = app.control.broadcast(command, arguments=arguments, reply=True, timeout=20, limit=1)
        assert [list(one) for one in replies] == [[NAME]], f"{command}: {replies}"
        return replies[0][NAME]

    return ask


def give_work(app, until):
    """One that runs, two that wait for their time."""
    app.signature("kit.slow", args=[until]).apply_async(task_id="slow", argsrepr="('shown',)", shadow="of Anna", priority=3)
    app.signature("kit.add", args=[1, 2]).apply_async(task_id="later", eta=ETA)
    app.signature("kit.told", kwargs={"x": 1}).apply_async(task_id="later still", eta=ROUND_ETA + datetime.timedelta(seconds=1))
    ask = asker(app)
    wait_until(lambda: len(ask("active")) == 1 and len(ask("scheduled")) == 2, 60)


@pytest.fixture(scope="module")
def asks(rabbitmq, postgres, kit, _loop, tmp_path_factory):
    """(ask chard, ask Python)"""
    provider = Provider(_loop)
    provider.behave = always(hanging())
    with contextlib.ExitStack() as stack:
        urls, store_url = [stack.enter_context(fresh_vhost(rabbitmq)) for _ in range(2)], stack.enter_context(fresh_database(postgres))
        stack.callback(provider.stop)
        redis = stack.enter_context(servers.Redis())
        results = [redis.url, redis.url[:-1] + "1"]
        stack.enter_context(kit_worker(urls[1], results[1]))
        program = Chard(ROOT / "build/asan/chard", provider.settings() | {
            "CHARD_BROKER_URL": urls[0], "CHARD_STORE_URL": store_url, "CHARD_RESULT_URL": results[0],
            "CHARD_TASKS": str(kit), "CHARD_GRACE_MS": "0", "CHARD_DECLARE_QUEUES": "no"})
        program.run("migrate", check=0)
        with Connection(urls[0]) as connection:
            CLASSIC_QUEUE.bind(connection.channel()).declare()
        stack.enter_context(program.worker(name=NAME, queues=QUEUE, slots=8))
        apps = [stack.enter_context(contextlib.closing(make_app(*pair, **CLASSIC))) for pair in zip(urls, results)]
        for app in apps:
            wait_until(lambda: app.control.ping(timeout=0.3, limit=1), 60)
            give_work(app, str(tmp_path_factory.mktemp("never") / "there"))
        yield [asker(app) for app in apps]


def by_id(tasks):
    """In an order; of what differs by its nature, the kind."""
    def known(task):
        kinds = {name: type(task[name]).__name__ for name in ("time_start", "worker_pid")}
        return task | kinds | {"args": task["args"] if task["id"] != "slow" else "a path"}

    return sorted((known(task) for task in tasks), key=lambda task: task["id"])


def scheduled(ask):
    waiting = sorted(ask("scheduled"), key=lambda one: one["eta"])
    return [[one["eta"], one["priority"], by_id([one["request"]])] for one in waiting]


def queried(ask):
    """Each with its state; who is not there is left out."""
    found = ask("query_task", ids=["slow", "later", "none"])
    return {one: [state, by_id([task])] for one, (state, task) in found.items()}


def registered(ask, **arguments):
    return [line for line in ask("registered", **arguments) if line.startswith("kit.")]


def kinds_of(value, names):
    return {name: type(value[name]).__name__ for name in names}


BROKER = ["hostname", "userid", "virtual_host", "port", "insist", "ssl", "transport_options", "login_method", "uri_prefix",
          "failover_strategy", "alternates"]
RUSAGE = ["utime", "stime", "maxrss", "ixrss", "idrss", "isrss", "minflt", "majflt", "nswap", "inblock", "oublock", "msgsnd", "msgrcv",
          "nsignals", "nvcsw", "nivcsw"]
CONF = ["broker_url", "result_backend", "accept_content", "enable_utc", "timezone", "include", "task_serializer", "result_serializer",
        "task_acks_late", "task_default_queue", "worker_hijack_root_logger", "worker_log_color"]


def stats(ask):
    said = ask("stats")
    return [kinds_of(said, ["pid", "clock", "uptime", "prefetch_count"]), list(said["total"].values()), kinds_of(said["broker"], BROKER),
            kinds_of(said["rusage"], RUSAGE), said["pool"]["max-concurrency"], type(said["pool"]["implementation"]).__name__]


def conf(ask):
    """Which of Celery's settings are there, and what they say where both must say the same."""
    said = ask("conf", with_defaults=True)
    return [[name for name in CONF if name not in said],
            {name: said.get(name) for name in ("accept_content", "enable_utc", "task_serializer", "task_acks_late")}]


def in_turn(*commands):
    return lambda ask: [ask(command, **arguments) for command, arguments in commands]


def kind(command, *names, **arguments):
    return lambda ask: kinds_of(ask(command, **arguments), names)


LOOKED_AT = {
    "active": lambda ask: by_id(ask("active")),
    "active_safe": lambda ask: ask("active", safe=True)[0]["args"],
    "dump_active": lambda ask: by_id(ask("dump_active")),
    "reserved": lambda ask: [ask("reserved"), ask("dump_reserved")],
    "scheduled": scheduled,
    "query_task": queried,
    "query_one": lambda ask: [list(ask("query_task", ids="slow")), ask("query_task", ids="none"), ask("query_task", ids=[])],
    "active_queues": lambda ask: ask("active_queues"),
    "registered": lambda ask: [registered(ask), registered(ask, taskinfoitems=["name", "serializer", "time_limit", "soft_time_limit", "none"])],
    "stats": stats,
    "conf": conf,
    "clock": kind("clock", "clock"),
    "hello": kind("hello", "revoked", "clock", from_node="kit@elsewhere"),
    "hello_to_itself": in_turn(("hello", {"from_node": NAME})),
    "ping": in_turn(("ping", {})),
    "report": kind("report", "ok"),
    "objgraph": in_turn(("objgraph", {})),
}
CHANGED = {
    "revoke": in_turn(("revoke", {"task_id": "one"}), ("revoked", {})),
    "terminate": in_turn(("terminate", {"task_id": ["unknown"], "signal": "SIGTERM"}), ("revoke", {"task_id": "unknown", "terminate": True})),
    "revoke_by_stamped_headers": in_turn(("revoke_by_stamped_headers", {"headers": {"a": ["1"]}}),
                                         ("revoke_by_stamped_headers", {"headers": ["b=2"], "terminate": True})),
    "rate_limit": in_turn(("rate_limit", {"task_name": "kit.same", "rate_limit": "100/s"}),
                          ("rate_limit", {"task_name": "kit.same", "rate_limit": None}),
                          ("rate_limit", {"task_name": "none", "rate_limit": "1/s"}),
                          ("rate_limit", {"task_name": "kit.same", "rate_limit": "much"})),
    "time_limit": in_turn(("time_limit", {"task_name": "kit.same", "soft": 5, "hard": 9}), ("time_limit", {"task_name": "none"}), ("time_limit", {})),
    "events": in_turn(("disable_events", {}), ("enable_events", {}), ("enable_events", {}), ("disable_events", {}), ("heartbeat", {})),
    "pool_restart": in_turn(("pool_restart", {})),
    "consumers": in_turn(("add_consumer", {"queue": "another"}), ("cancel_consumer", {"queue": "another"}), ("cancel_consumer", {"queue": "none"})),
    "what_lacks": in_turn(*((command, {}) for command in ("revoke", "terminate", "rate_limit", "query_task", "add_consumer", "election", "hello"))),
    "unknown": in_turn(("nonsense", {})),
}
SCENES = LOOKED_AT | CHANGED  # in this order


@pytest.mark.parametrize("name", SCENES)
def test_same_form_as_python(asks, name):
    ours, theirs = (SCENES[name](ask) for ask in asks)
    print(f"chard:  {ours!r}\nCelery: {theirs!r}")
    assert ours == theirs


def test_a_queue_that_it_declares(chard, app, wait_until):
    """As kombu describes such a one."""
    chard.prepare()
    with chard.worker(name=NAME, queues="my.profile"):
        wait_until(lambda: app.control.ping(timeout=0.3, limit=1), 20)
        theirs = Queue("my.profile", Exchange("my.profile", "topic"), routing_key="my.profile", queue_arguments={"x-queue-type": "quorum"})
        assert asker(app)("active_queues") == [dict(theirs.as_dict(recurse=True))]
