# SPDX-License-Identifier: Apache-2.0
"""What a service manager and a probe are told: sd_notify's datagrams, and `chard ping --file --alive`."""

import os
import pathlib
import signal
import socket
import time

import pytest


class Manager:
    """The end that systemd would hold."""

    def __init__(self, address):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address)
        self.socket.settimeout(30)

    def next(self):
        return self.socket.recv(4096).decode()


@pytest.fixture(params=["path", "abstract"])
def manager(request, tmp_path):
    name = f"{tmp_path}/notify" if request.param == "path" else f"@chard-test-{os.getpid()}"
    made = Manager(name.replace("@", "\0"))
    made.name = name
    yield made
    made.socket.close()


@pytest.mark.parametrize("command", [["worker"], ["keep"], ["gateway", "--listen", "127.0.0.1:0"]], ids=lambda words: words[0])
@pytest.mark.parametrize("place", ["file"])
def test_systemd_is_told(chard, manager, command, place):
    """It serves; its loop turns, twice in the time that the watchdog waits; it ends."""
    chard.prepare()
    process = chard.start(*command, env={"NOTIFY_SOCKET": manager.name, "WATCHDOG_USEC": 200_000})
    try:
        assert manager.next() == "READY=1"
        assert [manager.next() for _ in range(3)] == ["WATCHDOG=1"] * 3
        process.terminate()
        told = manager.next()
        while told == "WATCHDOG=1":
            told = manager.next()
        assert told == "STOPPING=1"
        assert process.wait() == 0
    finally:
        process.kill()


@pytest.mark.parametrize("place", ["file"])
@pytest.mark.parametrize("manager", ["path"], indirect=True)
def test_a_loop_that_stands_still_gives_no_sign_of_life(chard, manager, place):
    """Else systemd would never start it anew."""
    chard.prepare()
    process = chard.start("worker", env={"NOTIFY_SOCKET": manager.name, "WATCHDOG_USEC": 200_000})
    try:
        assert [manager.next() for _ in range(2)] == ["READY=1", "WATCHDOG=1"]
        process.signal(signal.SIGSTOP)
        manager.socket.settimeout(0.5)  # it should come five times
        with pytest.raises(TimeoutError):
            for _ in range(3):  # one may have been under way
                manager.next()
        process.signal(signal.SIGCONT)
        manager.socket.settimeout(30)
        assert manager.next() == "WATCHDOG=1"
        process.terminate()
        assert process.wait() == 0
    finally:
        process.kill()


@pytest.mark.parametrize("place", ["file"])
@pytest.mark.parametrize("env", [{"WATCHDOG_USEC": 100_000, "WATCHDOG_PID": 1}, {}, {"WATCHDOG_USEC": "soon"}], ids=["not-for-it", "none", "nonsense"])
def test_no_watchdog_no_sign_of_life(chard, manager, env, place):
    chard.prepare()
    process = chard.start("worker", env={"NOTIFY_SOCKET": manager.name} | env)
    try:
        assert manager.next() == "READY=1"
        process.wait_log("consum")
        process.terminate()
        assert manager.next() == "STOPPING=1"
        assert process.wait() == 0
    finally:
        process.kill()


@pytest.mark.parametrize("place", ["file"])
@pytest.mark.parametrize("name", ["/nowhere/at/all", "notify", "/" + "x" * 200], ids=["away", "relative", "long"])
def test_a_manager_that_can_not_be_reached_stops_nobody(chard, name, place):
    chard.prepare()
    with chard.worker(env={"NOTIFY_SOCKET": name}) as worker:
        worker.wait_log("NOTIFY_SOCKET: ")


def test_alive_is_less_than_consuming(chard_bare, tmp_path):
    """A worker whose broker is away is alive: a probe must not restart it."""
    file = pathlib.Path(tmp_path, "health")
    file.write_text("not consuming: broker: not connected\n")
    assert chard_bare.run("ping", "--file", file).returncode == 1
    assert chard_bare.run("ping", "--file", file, "--alive").returncode == 0
    old = time.time() - 60
    os.utime(file, (old, old))
    assert chard_bare.run("ping", "--file", file, "--alive").returncode == 1
    assert chard_bare.run("ping", "--file", tmp_path / "none", "--alive").returncode == 1
    assert chard_bare.run("ping", "w1", "--alive").returncode == 2
