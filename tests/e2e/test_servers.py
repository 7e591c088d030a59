# SPDX-License-Identifier: Apache-2.0
"""The private servers: they serve, survive what tests do to them, and never outlive their starter."""

import os
import pathlib
import re
import signal
import subprocess
import sys
import textwrap

import amqp
import psycopg
import pytest
import redis as redis_client
import servers
from support.database import Database
from support.queues import Queues
from support.waiting import wait_until

LOCAL = pathlib.Path(servers.__file__).parent


def processes_in(folder):
    """Command lines of the processes that have `folder` in their command line, environment or working folder."""
    found = {}
    for proc in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            command = (proc / "cmdline").read_bytes()
            text = command + (proc / "environ").read_bytes() + os.fsencode(os.readlink(proc / "cwd"))
        except OSError:
            continue
        if os.fsencode(folder) in text:
            found[int(proc.name)] = command.replace(b"\0", b" ").decode(errors="replace")
    return found


def quorum_queue(url, name):
    with Queues(url).channel() as channel:
        channel.queue_declare(name, durable=True, auto_delete=False, arguments={"x-queue-type": "quorum"})


def test_rabbitmq_keeps_quorum_messages_over_restarts(private_rabbitmq):
    """Stopped in order, and killed."""
    server = private_rabbitmq()
    quorum_queue(server.url, "kept")
    port = server.port
    for count, end in enumerate((server.stop, server.kill), 1):
        server.settle()
        Queues(server.url).publish("", "kept", b"a message")
        end()
        with pytest.raises(OSError):
            Queues(server.url).depth("kept")
        server.start()
        assert server.port == port
        wait_until(lambda count=count: Queues(server.url).depth("kept") == count)


def test_rabbitmq_with_tls_and_under_a_memory_alarm(private_rabbitmq):
    server = private_rabbitmq(tls=True)
    with amqp.Connection(host=f"127.0.0.1:{server.tls_port}", userid="chard", password=server.password(),
                         ssl={"ca_certs": str(server.tls.authority)}) as connection:
        assert connection.server_properties["version"]
    quorum_queue(server.url, "q")
    with server.memory_alarm():
        assert "memory" in server.ctl("eval", "rabbit_alarm:get_alarms().")
        with pytest.raises((TimeoutError, OSError)):
            with Queues(server.url).channel() as channel:
                channel.basic_publish(amqp.Message(b"x"), routing_key="q", timeout=1)
    Queues(server.url).publish("", "q", b"x")


def test_virtual_hosts_and_databases_are_each_tests_own(broker_url, store_url, rabbitmq, postgres):
    assert broker_url != rabbitmq.url and store_url != postgres.url
    quorum_queue(broker_url, "mine")
    assert not Queues(rabbitmq.url).exists("mine")
    assert Database(store_url).value("select current_database()") in store_url


def test_postgresql_is_as_durable_as_any(postgres):
    for setting in ("fsync", "full_page_writes", "synchronous_commit"):
        assert Database(postgres.url).value(f"show {setting}") == "on"


@pytest.mark.parametrize("mode", ["fast", "immediate", "kill"])
def test_postgresql_keeps_commits_over_a_restart(private_postgres, mode):
    server = private_postgres(settings={"max_connections": 50})
    store = Database(server.url)
    store.run("create table t as select 1 as n")
    server.kill() if mode == "kill" else server.stop(mode)
    with pytest.raises(psycopg.OperationalError):
        store.rows("select 1")
    server.start()
    assert store.value("select n from t") == 1
    assert store.value("show max_connections") == "50"


def test_redis_keeps_writes_over_a_kill(private_redis):
    server = private_redis()
    redis_client.from_url(server.url).set("name", "chard")
    server.kill()
    server.start()
    assert redis_client.from_url(server.url).get("name") == b"chard"


def test_the_same_folder_continues_with_port_password_and_data():
    outer = servers.PostgreSQL()  # never started: a folder where the servers' user can go
    folder = outer.folder / "kept"
    with servers.PostgreSQL(folder) as first:
        Database(first.url).run("create table t as select 1 as n")
        url = first.url
    with servers.PostgreSQL(folder) as second:
        assert second.url == url
        assert Database(url).value("select n from t") == 1
    outer.close()
    assert not folder.exists()


STARTER = f"""
import sys, signal
sys.path.insert(0, {str(LOCAL)!r})
import servers
made = [servers.RabbitMQ(), servers.PostgreSQL(), servers.Redis()]
servers.start_all(made)
print(*[server.folder for server in made], flush=True)
signal.pause()
"""


@pytest.mark.parametrize("victims", ["starter", "guards"])
def test_nothing_is_left_when_the_starter_is_killed(victims):
    starter = subprocess.Popen([sys.executable, "-c", textwrap.dedent(STARTER)], stdout=subprocess.PIPE, text=True,
                               start_new_session=True)
    folders = starter.stdout.readline().split()
    assert len(folders) == 3
    running = {pid: line for folder in folders for pid, line in processes_in(folder).items()}
    for program in ("beam.smp", "epmd", "postgres", "redis-server"):
        assert any(program in line for line in running.values()), f"{program} is not running"
    guards = [pid for pid, line in running.items() if "guard.py" in line]
    for pid in guards if victims == "guards" else [starter.pid]:
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not any(processes_in(folder) for folder in folders), 15, "all of them gone")
    starter.kill()
    starter.wait()
    if victims == "starter":
        wait_until(lambda: not any(pathlib.Path(folder).exists() for folder in folders), 10, "folders removed")
    for folder in folders:
        subprocess.run(["rm", "-rf", folder], check=True)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_command_prints_addresses_and_ends_cleanly(number, tmp_path):
    file = tmp_path / "servers.env"
    command = subprocess.Popen([LOCAL / "servers.py", "up", "--only", "postgresql,redis", "--write", file],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    lines = [command.stdout.readline(), command.stdout.readline()]
    assert file.read_text() == "".join(lines)
    values = dict(re.fullmatch(r"(\w+)='?(.*?)'?\n", line).groups() for line in lines)
    assert Database(values["CHARD_STORE_URL"]).value("select 1") == 1
    redis_client.from_url(values["CHARD_REDIS_URL"]).ping()
    command.send_signal(number)
    assert command.wait(20) == 0
    assert command.stderr.read() == ""
    with pytest.raises(psycopg.OperationalError):
        Database(values["CHARD_STORE_URL"]).rows("select 1")
