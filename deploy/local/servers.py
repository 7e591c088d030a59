#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Private RabbitMQ, PostgreSQL and Redis servers for tests, benchmarks and `make run`.

Each has its own ports on 127.0.0.1, its own folder and password, needs no privileges (as root it runs as
`nobody`), and ends with the process that started it, even if that is killed. As a module:

    with RabbitMQ() as broker, PostgreSQL() as store:
        print(broker.url, store.url)
        broker.kill()
        broker.start()              # the same port, the same data

As a command, running until Ctrl-C:

    servers.py up [--dir DIR] [--only rabbitmq,postgresql,redis] [--write FILE]

It prints the addresses as shell assignments (CHARD_BROKER_URL=… CHARD_STORE_URL=… CHARD_REDIS_URL=…) once
all of them serve. With --dir the data stays there and the next run continues with it.
"""

import argparse
import contextlib
import os
import pathlib
import shlex
import signal
import sys
from concurrent.futures import ThreadPoolExecutor

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from certificates import Certificates, make_certificates  # noqa: E402
from guarded import ServerError, free_port, wait_until  # noqa: E402
from postgresql import PostgreSQL  # noqa: E402
from rabbitmq import RabbitMQ  # noqa: E402
from redis_server import Redis, Sentinel  # noqa: E402

__all__ = ["Certificates", "PostgreSQL", "RabbitMQ", "Redis", "Sentinel", "ServerError", "make_certificates",
           "free_port", "start_all", "wait_until"]

KINDS = {
    "rabbitmq": (RabbitMQ, "CHARD_BROKER_URL"),
    "postgresql": (PostgreSQL, "CHARD_STORE_URL"),
    "redis": (Redis, "CHARD_REDIS_URL"),
}


def start_all(servers):
    """Starts several at the same time; if one fails, raises its error after all have been tried."""
    with ThreadPoolExecutor() as pool:
        for started in [pool.submit(server.start) for server in servers]:
            started.result()


def stop_on(_number, _frame):
    raise KeyboardInterrupt


def up(options):
    names = options.only.split(",")
    signal.signal(signal.SIGTERM, stop_on)
    signal.signal(signal.SIGHUP, stop_on)
    signal.signal(signal.SIGINT, stop_on)  # even where a shell started this in the background
    with contextlib.ExitStack() as stack:
        servers = {}
        for name in names:
            servers[name] = KINDS[name][0](pathlib.Path(options.dir, name) if options.dir else None)
            stack.callback(servers[name].close)
        start_all(servers.values())
        lines = "".join(f"{KINDS[name][1]}={shlex.quote(server.url)}\n" for name, server in servers.items())
        if options.write:
            part = pathlib.Path(options.write + ".part")
            part.write_text(lines)
            part.rename(options.write)
        print(lines, end="", flush=True)
        signal.pause()


def main():
    parser = argparse.ArgumentParser(description="Private servers for chard.")
    command = parser.add_subparsers(required=True).add_parser("up", help="start servers and keep them until Ctrl-C")
    command.add_argument("--dir", help="keep data here (default: a temporary folder)")
    command.add_argument("--only", default="rabbitmq,postgresql", help="which: %(default)s")
    command.add_argument("--write", metavar="FILE", help="write the assignments to FILE as well")
    try:
        up(parser.parse_args())
    except KeyboardInterrupt:
        pass
    except ServerError as error:
        print(f"servers: {error}", file=sys.stderr)
        sys.exit(3)


if __name__ == "__main__":
    main()
