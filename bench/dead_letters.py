#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A hundred thousand dead letters of forty causes: filed, grouped, requeued in bulk, run. Each figure stands beside its
raw ceiling from the same run:

    build/venv/bin/python bench/dead_letters.py [--count N] [--out FILE]        after: make all benches

Every letter is a task with its rows in the store, as a worker leaves it; at the end each must have run exactly once.
"""

import argparse
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "deploy/local"), str(ROOT / "tests/e2e")]

import servers  # noqa: E402
from support.database import Database  # noqa: E402
from support.letters import leave_rows, letters, publish  # noqa: E402
from support.queues import Queues  # noqa: E402

CHARD = ROOT / "build/chard"
RAW = ROOT / "build/release/bench"
CAUSES = 40
FILLER = "x" * 700


def wait(condition, seconds, every=0.05):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise SystemExit("the bench waits in vain")
        time.sleep(every)


class Program:
    """chard in the background."""

    def __init__(self, environment, *words):
        self.process = subprocess.Popen([CHARD, *words], env=environment, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)


def run(environment, *words):
    done = subprocess.run([CHARD, *map(str, words)], env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode:
        raise SystemExit(f"{words}: {done.stderr}")
    return done.stdout


def raw(program, *words):
    done = subprocess.run([RAW / program, *map(str, words)], capture_output=True, text=True, check=True)
    figures = json.loads(done.stdout)
    return figures["count"] / figures["seconds"]


def measure(count, rabbitmq, postgres):
    url = rabbitmq.add_vhost("letters")
    Database(postgres.url).run("create database letters")
    database, queues = Database(postgres.url_for("letters")), Queues(url)
    environment = os.environ | {"CHARD_BROKER_URL": url, "CHARD_STORE_URL": database.url, "CHARD_AI_PROVIDER": "offline"}
    rows = []

    def row(what, seconds, ceiling=None, to_reach=None):
        rate = count / seconds
        rows.append({"what": what, "seconds": round(seconds, 3), "rate": round(rate), "raw": round(ceiling) if ceiling else None,
                     "ratio": round(rate / ceiling, 3) if ceiling else None, "holds": to_reach(rate, seconds) if to_reach else None})
        print(json.dumps(rows[-1]), flush=True)

    run(environment, "migrate")
    run(environment, "topology", "apply")
    made = letters(count, CAUSES, filler=FILLER)
    leave_rows(database, made)
    database.run("analyze chard.task")
    database.run("analyze chard.job")
    with queues.channel() as channel:
        channel.queue_declare("raw", durable=True, auto_delete=False, arguments={"x-queue-type": "quorum"})
    publish(url, [("chard.dead", "chard.note"), ("", "raw")], made)

    pairs = raw("raw_pairs", "--url", database.url, "--count", count)
    consume = raw("raw_consume", "--url", url, "--queue", "raw", "--count", count)
    started = time.monotonic()
    with Program(environment, "dlq", "keep", "--dlq-policies", ""):
        wait(lambda: queues.depth("chard.note.dead") == 0 and database.value("select count(*) from chard.dead_letter") == count, 300)
        filed = time.monotonic() - started
    row("filed, beside raw consume + ack", filed, consume, lambda rate, _: rate >= 5000)
    row("filed, beside raw group-committed pairs", filed, pairs)

    started = time.monotonic()
    groups = json.loads(run(environment, "dlq", "groups", "--json"))["groups"]
    assert len(groups) == CAUSES and sum(g["count"] for g in groups) == count, len(groups)
    row("groups", time.monotonic() - started, None, lambda _, seconds: seconds < 1)

    publishing = raw("raw_publish", "--url", url, "--count", count, "--plain", "", "--queue", "raw")
    with Program(environment, "worker", "-Q", "chard.echo"):
        time.sleep(1)  # it consumes; nothing is measured of its start
        started = time.monotonic()
        done = json.loads(run(environment, "dlq", "requeue", "--all", "--yes", "--json", "--reason", "bench"))
        committed = time.monotonic() - started
        assert done["requeued"] == count, done
        wait(lambda: database.value("select count(*) from chard.scheduled") == 0, 300)
        confirmed = time.monotonic() - started
    assert queues.depth("chard.note") == count
    row("requeued: in the store, to the last commit", committed, pairs)
    row("requeued: published and confirmed", confirmed, publishing, lambda rate, _: rate >= 5000)

    started = time.monotonic()
    with Program(environment, "worker", "-Q", "chard.note"):
        wait(lambda: database.value("select count(*) from chard.job where state = 'SUCCESS'") == count, 300)
        row("run", time.monotonic() - started)
    assert database.value("select count(*) from chard.task where state = 'SUCCESS' and starts = 1") == count, "each once"
    assert queues.depth("chard.note.dead") == 0 and database.value("select count(*) from chard.dead_letter where state = 'requeued'") == count
    return rows


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--count", type=int, default=100_000)
    options.add_argument("--out", default=str(ROOT / "build/dead_letters.json"))
    words = options.parse_args()
    with servers.RabbitMQ(management=True) as rabbitmq, servers.PostgreSQL() as postgres:
        rows = measure(words.count, rabbitmq, postgres)
    pathlib.Path(words.out).write_text(json.dumps(rows, indent=1) + "\n")
    print(f"\n{'':45} {'a second':>9} {'raw':>9} {'ratio':>6}")
    for one in rows:
        print(f"{one['what']:45} {one['rate']:9} {one['raw'] or '':>9} {one['ratio'] or '':>6} {'' if one['holds'] is None else 'holds' if one['holds'] else 'MISSED'}")
    return 0 if all(one["holds"] is not False for one in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
