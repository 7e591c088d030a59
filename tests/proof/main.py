# SPDX-License-Identifier: Apache-2.0
"""Jobs of both pipelines under random faults, then the auditor. See docs/proof.md."""

import argparse
import collections
import contextlib
import json
import pathlib
import shutil
import subprocess
import sys
import time

import psycopg

from . import auditor
from .faults import Faults
from .load import Load
from .world import DEADLINE_S, GRACE_S, LEASE_S, QUEUES, World

ROOT = pathlib.Path(__file__).resolve().parents[2]
REST_S = 420
OPEN_WORK = """
    select (select count(*) from chard.scheduled) + (select count(*) from chard.owed_result)
         + (select count(*) from chard.job where state not in ('SUCCESS', 'FAILURE', 'REVOKED'))
         + (select count(*) from chard.task where lease_owner is not null)
         + (select count(*) from chard.dead_letter where state = 'kept' and verdict = 'transient')"""


def arguments():
    parser = argparse.ArgumentParser(prog="scripts/proof", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30, help="how long there are faults (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1000000, help="of the faults and the jobs (default: another one each time)")
    parser.add_argument("--rate", type=float, default=5, help="submissions a second (default: %(default)s)")
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "build/proof", help="folder of logs and findings (default: %(default)s)")
    parser.add_argument("--rabbitmq4", action="store_true", help="RabbitMQ 4 (scripts/rabbitmq4) instead of the system's")
    return parser.parse_args()


def say(text):
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


def rest(world):
    """Waits until nothing is left to do, or nothing more happens; returns how much is left."""
    end, left = time.monotonic() + REST_S, None
    while time.monotonic() < end:
        with contextlib.suppress(psycopg.Error), psycopg.connect(world.postgres.url, connect_timeout=5) as link:
            left = link.execute(OPEN_WORK).fetchone()[0]
            if left == 0:
                return 0
        time.sleep(1)
    return left


def limits():
    return {"deadline_s": DEADLINE_S, "lease_s": LEASE_S, "grace_s": GRACE_S, "hold_s": 2, "beat_s": 2, "silent_s": 20, "queues": QUEUES.split(",")}


def run(options, folder):
    with contextlib.ExitStack() as stack:
        logs = {name: stack.enter_context(open(folder / f"{name}.jsonl", "w", encoding="utf-8")) for name in ("submitted", "faults")}
        world = stack.enter_context(World(folder, options.seed, options.rabbitmq4))
        load = Load(world, options.seed, logs["submitted"], options.rate)
        faults = Faults(world, options.seed, logs["faults"], load.pause)
        load.start()
        say(f"faults for {options.minutes:g} minutes, seed {options.seed}; logs in {folder}")
        faults.run(options.minutes * 60)
        load.finish()
        world.heal()
        say("all is well again; waiting until nothing is left to do")
        began = time.monotonic()
        left = rest(world)
        say(f"at rest after {time.monotonic() - began:.0f} s, {left} left")
        ended = [process.stop() for process in world.processes.values()]
        say(f"stopped: {ended}")
        world.book.write(folder / "calls.jsonl")
        (folder / "limits.json").write_text(json.dumps(limits()), encoding="utf-8")
        findings = auditor.read(folder, world.postgres.url, world.rabbitmq.url, world.redis.url)
        (folder / "findings.json").write_text(json.dumps(findings), encoding="utf-8")
        return findings, load.counts, faults.counts


def table(title, counts):
    print(f"\n{title}")
    for name, count in sorted(counts.items()):
        print(f"  {name:24} {count}")


def report(options, findings, jobs, faults, wrong):
    version = subprocess.run([ROOT / "build/chard", "version"], capture_output=True, text=True).stdout.strip()
    print(f"\n{time.strftime('%Y-%m-%d')}, {version}, seed {options.seed}, {options.minutes:g} minutes")
    table(f"faults: {sum(faults.values())}", faults)
    table(f"submissions: {sum(jobs.values())}", jobs)
    table(f"tasks: {len(findings['tasks'])}", collections.Counter(task["state"] for task in findings["tasks"]))
    table(f"events: {len(findings['events'])}", collections.Counter(event["type"] for event in findings["events"]))
    table(f"calls: {len(findings['calls'])}", collections.Counter(call["outcome"] for call in findings["calls"]))
    for title, counts in auditor.explain(findings).items():
        table(f"{title}: {sum(counts.values())}", counts)
    table(f"found wrong: {len(wrong)}", collections.Counter(one["what"] for one in wrong))
    for one in wrong[:40]:
        print(f"  {one['what']}: {one['about']}: {one['says']}")


def main():
    options = arguments()
    folder = options.out / str(options.seed)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    findings, jobs, faults = run(options, folder)
    wrong = auditor.judge(findings)
    (folder / "wrong.json").write_text(json.dumps(wrong, indent=1), encoding="utf-8")
    report(options, findings, jobs, faults, wrong)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
