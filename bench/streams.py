#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Ten thousand open event streams at one gateway: what they take of its memory, and how long a step needs to be at all of them.

    build/venv/bin/python bench/streams.py [--streams 10000] [--jobs 1] [--rounds 5] [--out FILE]        after: make

Broker and store are one SQLite file. A step is a row that is committed to it; a round ends when the last stream has it. Beside it, as its raw ceiling: the same bytes
sent over as many sockets by a loop of send(2), to the same reader.
"""

import argparse
import contextlib
import json
import os
import pathlib
import re
import resource
import select
import signal
import socket
import sqlite3
import subprocess
import tempfile
import time

CHARD = pathlib.Path(__file__).resolve().parent.parent / "build/chard"


class Readers:
    """Sockets, and how many of them have had so many bytes more, or a text."""

    def __init__(self):
        self.poll, self.sockets = select.epoll(), {}

    def add(self, link):
        link.setblocking(False)
        self.sockets[link.fileno()] = link
        self.poll.register(link.fileno(), select.EPOLLIN)

    def until_all(self, text, deadline=60):
        """Seconds from now until each has been sent this text."""
        began, left = time.monotonic(), set(self.sockets)
        while left:
            if time.monotonic() - began > deadline:
                raise SystemExit(f"{len(left)} streams have not had {text} in {deadline} s")
            for fd, _ in self.poll.poll(1, 4096):
                got = self.sockets[fd].recv(65536)
                if not got:
                    raise SystemExit("a stream was ended")
                if text in got:
                    left.discard(fd)
        return time.monotonic() - began


def memory_mb(pid, what="VmRSS"):
    return int(re.search(rf"{what}:\s+(\d+) kB", pathlib.Path(f"/proc/{pid}/status").read_text())[1]) / 1024


def cpu_s(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def gateway(folder):
    environment = os.environ | {"CHARD_BROKER_URL": f"embedded:{folder}/c.db", "CHARD_STORE_URL": f"sqlite:{folder}/c.db", "CHARD_AI_PROVIDER": "offline"}
    for words in ("migrate",), ("topology", "apply"):
        subprocess.run([CHARD, *words], env=environment, check=True, capture_output=True)
    running = subprocess.Popen([CHARD, "gateway", "--listen", "127.0.0.1:0"], env=environment, stderr=subprocess.PIPE, text=True)
    port = next(int(found[1]) for line in running.stderr if (found := re.search(r"listens on .*, port (\d+)", line)))
    try:
        yield running.pid, port
    finally:
        running.send_signal(signal.SIGTERM)
        running.wait(60)


def open_streams(port, count, jobs):
    readers = Readers()
    for i in range(count):
        link = socket.create_connection(("127.0.0.1", port), 30)
        link.sendall(f"GET /v1/jobs/job-{i % jobs}/events HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
        readers.add(link)
    readers.until_all(b"retry: 2000")
    return readers


def step(file, jobs, number):
    """One more task of each job has begun."""
    with contextlib.closing(sqlite3.connect(file, timeout=30, isolation_level=None)) as database:
        now = int(time.time() * 1e6)
        database.execute("begin immediate")
        database.executemany("insert into task (id, root_id, name, state, created_at, started_at, starts) values (?, ?, 'bench', 'STARTED', ?, ?, 1)",
                             [(f"job-{i}-{number}", f"job-{i}", now, now) for i in range(jobs)])
        database.execute("commit")


def raw(count, rounds, size):
    """As many pairs of sockets, one send each."""
    listener, readers, ends = socket.create_server(("127.0.0.1", 0), backlog=1024), Readers(), []
    for _ in range(count):
        readers.add(socket.create_connection(listener.getsockname()))
        ends.append(listener.accept()[0])
    took = []
    for _ in range(rounds):
        began, text = time.monotonic(), b"x" * (size - 4) + b"last"
        for end in ends:
            end.send(text)
        readers.until_all(b"last")
        took.append(time.monotonic() - began)
    for link in [*ends, *readers.sockets.values()]:
        link.close()
    return took


def middle(values):
    return sorted(values)[len(values) // 2]


def measure(streams, jobs, rounds):
    with tempfile.TemporaryDirectory() as folder, gateway(folder) as (pid, port):
        before, began, cpu = memory_mb(pid), time.monotonic(), cpu_s(pid)
        readers = open_streams(port, streams, jobs)
        opened, opening = time.monotonic() - began, cpu_s(pid) - cpu
        took, cpu = [], cpu_s(pid)
        for number in range(rounds):
            began = time.monotonic()
            step(f"{folder}/c.db", jobs, number)
            readers.until_all(b'"bench"')
            took.append(time.monotonic() - began)
        spent = (cpu_s(pid) - cpu) / rounds / streams
        result = {"streams": streams, "jobs": jobs, "memory_mb": memory_mb(pid), "memory_before_mb": before, "memory_most_mb": memory_mb(pid, "VmHWM"),
                  "open_s": opened, "open_cpu_us": opening / streams * 1e6, "step_ms": [1000 * one for one in took], "step_cpu_us": spent * 1e6}
        for link in readers.sockets.values():
            link.close()
    result["raw_ms"] = [1000 * one for one in raw(streams, rounds, 300)]
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    for name, value in ("streams", 10000), ("jobs", 1), ("rounds", 5):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--out", help="a file that gets the figures as JSON")
    given = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 2 * given.streams + 200) if hard != resource.RLIM_INFINITY else 2 * given.streams + 200, hard))
    r = measure(given.streams, given.jobs, given.rounds)
    print(f"{r['streams']} streams of {r['jobs']} jobs, opened in {r['open_s']:.1f} s ({r['open_cpu_us']:.0f} us CPU each)\n"
          f"memory of the gateway: {r['memory_mb']:.0f} MB ({r['memory_most_mb']:.0f} at most, {r['memory_before_mb']:.0f} without streams)\n"
          f"a step at all of them: {middle(r['step_ms']):.0f} ms in the middle ({min(r['step_ms']):.0f}…{max(r['step_ms']):.0f}), {r['step_cpu_us']:.1f} us CPU each\n"
          f"raw, a loop of send(2): {middle(r['raw_ms']):.0f} ms ({min(r['raw_ms']):.0f}…{max(r['raw_ms']):.0f})")
    if given.out:
        pathlib.Path(given.out).write_text(json.dumps(r) + "\n")


if __name__ == "__main__":
    main()
