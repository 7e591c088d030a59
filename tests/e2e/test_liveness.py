# SPDX-License-Identifier: Apache-2.0
"""Never alive but idle: each link is cut in turn, and both the report and the recovery are seen."""

import re
import signal

import pytest
from support import jobs
from test_dlq import keeping

HEARTBEAT_S = 2


@pytest.fixture
def links(chard, toxic, rabbitmq, postgres):
    """The worker's links to broker and store, each by way of a proxy that can break it."""
    broker, store = toxic(rabbitmq.port), toxic(postgres.port)
    direct = dict(chard.settings)
    chard.prepare()
    worker = chard.with_settings(broker_url=broker.url(direct["CHARD_BROKER_URL"]), store_url=store.url(direct["CHARD_STORE_URL"]),
                                 heartbeat_s=HEARTBEAT_S, connect_timeout_ms=2000)
    return {"broker": broker, "store": store, "worker": worker}


def goes_on(chard, database):
    """A job that is submitted now is done."""
    job_id = jobs.submit(chard, "chat", user_id="u1", text="a milk carton", lang="en")
    assert jobs.ended(database, [job_id], 30) == {job_id: "SUCCESS"}


@pytest.mark.parametrize("how", ["cut", "refuse", "half_open"])
@pytest.mark.parametrize("what", ["broker", "store"])
def test_a_link_breaks(chard, database, links, wait_until, what, how):
    with links["worker"].worker(name="chard@live") as worker:
        goes_on(chard, database)
        getattr(links[what], how)()
        # A cut alone may be mended faster than anybody looks: the log has it all the same.
        if how != "cut":
            wait_until(lambda: worker.health().startswith(f"not consuming: {what}"), 30, f"the file says that {what} is away")
            if what == "broker":
                wait_until(lambda: "not consuming: broker" in chard.run("ping", "chard@live").stdout, 10)
                assert chard.run("ping", "chard@live").returncode == 1
        links[what].heal()
        wait_until(worker.is_ready, 30, "it consumes again")
        goes_on(chard, database)
        wait_until(lambda: chard.run("ping", "chard@live").returncode == 0, 10)


def test_a_half_open_link_is_found_within_two_heartbeats(chard, links, wait_until):
    del chard
    with links["worker"].worker() as worker:
        links["broker"].half_open()
        # Two heartbeats, one look of the reporter and the lateness of a busy machine.
        wait_until(lambda: worker.health().startswith("not consuming: broker"), 2 * HEARTBEAT_S + 4)
        links["broker"].heal()
        wait_until(worker.is_ready, 30)


def test_a_queue_that_is_deleted_comes_back(chard, database, queues, wait_until):
    chard.prepare()
    with chard.worker():
        with queues.channel() as channel:
            channel.queue_delete("chat.classify")
        wait_until(lambda: queues.exists("chat.classify") and queues.consumers("chat.classify") == 1, 30)
        goes_on(chard, database)


def test_a_broker_that_restarts(chard, database, private_rabbitmq, wait_until):
    broker = private_rabbitmq()
    chard.settings["CHARD_BROKER_URL"] = broker.url
    chard.prepare()
    with chard.worker(heartbeat_s=HEARTBEAT_S) as worker:
        goes_on(chard, database)
        broker.kill()
        wait_until(lambda: worker.health().startswith("not consuming: broker"), 30)
        broker.start()
        wait_until(worker.is_ready, 60)
        goes_on(chard, database)


def test_a_broker_under_a_memory_alarm(chard, database, private_rabbitmq, wait_until):
    """Nothing can be published: the worker says so, keeps what it has, and goes on when the alarm is over."""
    broker = private_rabbitmq()
    chard.settings["CHARD_BROKER_URL"] = broker.url
    chard.prepare()
    job_id = jobs.submit_scan(chard, text="an empty clear PET bottle")
    with broker.memory_alarm():
        with chard.worker(ready=False) as worker:
            wait_until(lambda: worker.health().startswith("not consuming: broker"), 30)
            wait_until(lambda: database.value("select count(*) from chard.task where state = 'SUCCESS'") == 1, 30)
            assert database.value("select state from chard.job where root_id = %s", job_id) == "STARTED"
            worker.terminate()
    with chard.worker() as worker:
        assert jobs.ended(database, [job_id], 60) == {job_id: "SUCCESS"}


def test_a_store_that_restarts(chard, private_postgres, wait_until):
    store = private_postgres()
    chard.settings["CHARD_STORE_URL"] = store.url
    chard.prepare()
    with chard.worker() as worker:
        store.kill()
        wait_until(lambda: worker.health().startswith("not consuming: store"), 30)
        store.start()
        wait_until(worker.is_ready, 60)
        done = chard.run("submit", "chat", "user_id=u1", "text=a milk carton", "lang=en", "--wait", "30")
        assert done.returncode == 0, done.stderr


def troubles(process, since):
    """What it said above "debug" of what it depends on: {"broker away": 1, …}; and every warning that is none of these."""
    told, others = {}, []
    for line in process.stderr.splitlines()[since:]:
        _, level, _, text = line.split(maxsplit=3)
        known = re.match(r"(broker|store|Redis) (away|is back)", text)
        if known:
            told[known[0]] = told.get(known[0], 0) + 1
        elif level in ("warn", "error") or "consum" in text or "connect" in text:
            others.append(line)
    return told, others


def test_a_restart_of_everything_is_two_lines_each(chard, private_rabbitmq, private_postgres, private_redis, wait_until):
    """23 lines were seen where one for each loss and each return is promised."""
    servers = broker, store, redis = private_rabbitmq(), private_postgres(), private_redis()
    chard.settings |= {"CHARD_BROKER_URL": broker.url, "CHARD_STORE_URL": store.url, "CHARD_RESULT_URL": redis.url}
    chard.prepare()
    names = "broker", "store", "Redis"
    with keeping(chard) as keeper, chard.worker(heartbeat_s=HEARTBEAT_S) as worker:
        chard.run("submit", "chat", "user_id=u1", "text=a milk carton", "lang=en", "--wait", "60", check=0)  # all that begins has begun
        begun = {process: len(process.stderr.splitlines()) for process in (worker, keeper)}
        broker.stop()  # in order: one that is killed may forget an exchange that it has just declared
        store.kill()
        redis.kill()
        for process in begun:
            wait_until(lambda: all(f"{name} away" in process.stderr for name in names), 30)  # noqa: B023
        for server in servers:
            server.start()
        for process in begun:
            wait_until(lambda: all(f"{name} is back" in process.stderr for name in names), 60)  # noqa: B023
        wait_until(worker.is_ready, 60)
        for process, since in begun.items():
            told, others = troubles(process, since)
            assert told == dict.fromkeys([f"{name} {what}" for name in names for what in ("away", "is back")], 1), process.stderr
            assert others == [], process.stderr


def test_a_loop_that_stands_still(chard, wait_until):
    """A stopped process writes nothing: the probe sees the file's age, the ping the row's."""
    chard.prepare()
    with chard.worker(name="chard@still") as worker:
        assert chard.run("ping", "--file", worker.health_file).returncode == 0
        worker.signal(signal.SIGSTOP)
        wait_until(lambda: "no sign of life" in chard.run("ping", "chard@still").stdout, 30)
        wait_until(lambda: "no sign of life" in chard.run("ping", "--file", worker.health_file).stdout, 30)
        worker.signal(signal.SIGCONT)
        wait_until(lambda: chard.run("ping", "chard@still").returncode == 0, 30)


def test_a_worker_that_nobody_knows(chard):
    chard.prepare()
    done = chard.run("ping", "chard@nowhere", check=1)
    assert "no worker of that name" in done.stdout


def test_only_a_live_namesake_is_warned_of(chard, wait_until):
    warned = "gave a sign of life just now"
    chard.prepare()
    with chard.worker(name="chard@twin") as first:
        assert warned not in first.stderr
        with chard.worker(name="chard@twin") as second:
            wait_until(lambda: warned in second.stderr)
    with chard.worker(name="chard@twin") as third:
        pass
    assert warned not in third.stderr
