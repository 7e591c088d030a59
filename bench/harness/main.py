# SPDX-License-Identifier: Apache-2.0
"""Runs the rows, one after the other, their rounds interleaved: chard, raw, peer, chard, raw, peer, …"""

import argparse
import json
import os
import pathlib
import platform
import sys
import time
import traceback

from .chart import write_chart
from .figures import print_table, write_markdown
from .rows_ai import B2, B3, B4
from .rows_embedded import E1
from .rows_follow import F1
from .rows_growth import B9
from .rows_queue import B1, B7, B1s
from .rows_results import M1, R1, R2, V1
from .rows_schedule import B10
from .rows_size import B8
from .rows_time import B5, B6
from .rows_tracing import T1
from .stage import ROOT, Stage

ROWS = {"B1": B1, "B1s": B1s, "B2": B2, "B3": B3, "B4": B4, "B5": B5, "B6": B6, "B7": B7, "B8": B8, "B9": B9, "B10": B10,
        "R1": R1, "R2": R2, "V1": V1, "M1": M1, "T1": T1, "E1": E1, "F1": F1}


class Plan:
    """How much is measured."""

    def __init__(self, options):
        self.quick = options.quick
        self.rounds = options.rounds or (1 if options.quick else 5)

    def size(self, full, quick):
        return quick if self.quick else full


def machine_cpu():
    """Jiffies of all processors: in use, and altogether."""
    fields = list(map(int, pathlib.Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]))
    return sum(fields) - fields[3] - fields[4], sum(fields)


def noise(seconds=1.0):
    """The share of the machine that others use now, before anything is started; stolen time included."""
    before = machine_cpu()
    time.sleep(seconds)
    used, total = (after - earlier for after, earlier in zip(machine_cpu(), before))
    return used / max(1, total)


def processor():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def say(text):
    print(text, file=sys.stderr, flush=True)


def run_row(name, row, stage, rounds):
    """All rounds of a row; what fails is said in its figures, and the other rows go on."""
    for number in range(rounds):
        start = time.monotonic()
        try:
            row.round(stage)
        except Exception as failure:  # whatever a round dies of, the other figures are not lost
            why = str(failure) or traceback.format_exc(limit=-1)
            say(f"{name} round {number + 1}: {why}")
            for figure in row.figures:
                figure.failed.append(why.splitlines()[0][:200])
            recover(stage)
        say(f"{name}: round {number + 1} of {rounds}, {time.monotonic() - start:.0f} s")


def recover(stage):
    try:
        stage.recover()
    except Exception as failure:
        say(f"the servers' queues could not be emptied: {failure}")


def on_two_cores():
    """The figures are about two cores, so more are left alone."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])
    return len(os.sched_getaffinity(0))


def main():
    parser = argparse.ArgumentParser(prog="scripts/bench", description="Measures chard beside the raw ceiling and Celery.")
    parser.add_argument("--only", help=f"rows, comma-separated, of {','.join(ROWS)}")
    parser.add_argument("--rounds", type=int, help="rounds of each row (default 5)")
    parser.add_argument("--quick", action="store_true", help="few operations, one round: shows that it works, no more")
    parser.add_argument("--out", default=str(ROOT / "build"), help="where bench.json and bench.svg go")
    options = parser.parse_args()
    names = options.only.split(",") if options.only else list(ROWS)
    if unknown := [name for name in names if name not in ROWS]:
        parser.error(f"no such row: {', '.join(unknown)}")
    plan = Plan(options)
    others = noise()
    about = {"cores": on_two_cores(), "processor": processor(), "rounds": plan.rounds, "quick": plan.quick,
             "others_before": round(others, 3), "started": time.strftime("%Y-%m-%dT%H:%M:%S%z")}
    if others > 0.1:
        say(f"others use {others:.0%} of this machine: the figures will be worse than they could be")
    start = time.monotonic()
    rows = {name: ROWS[name](plan) for name in names}
    with Stage() as stage:
        say(f"servers up after {time.monotonic() - start:.1f} s")
        for name, row in rows.items():
            run_row(name, row, stage, plan.rounds)
    figures = [figure for row in rows.values() for figure in row.figures]
    about["seconds"] = round(time.monotonic() - start)
    finish(figures, about, pathlib.Path(options.out))
    return 0


def finish(figures, about, folder):
    folder.mkdir(parents=True, exist_ok=True)
    title = f"{about['cores']} cores, {about['rounds']} rounds, median (min…max), {about['seconds']} s"
    if about["quick"]:
        title += "; a quick run: few operations, figures say little"
    print(title)
    print_table(figures, sys.stdout)
    (folder / "bench.json").write_text(json.dumps([figure.as_json() for figure in figures], indent=1) + "\n")
    (folder / "bench-detail.json").write_text(json.dumps([figure.as_detail() for figure in figures], indent=1) + "\n")
    (folder / "bench-about.json").write_text(json.dumps(about, indent=1) + "\n")
    write_markdown(folder / "bench.md", figures)
    write_chart(folder / "bench.svg", figures, "chard beside the raw ceiling and Celery", title)
    say(f"written: {folder / 'bench.json'}, {folder / 'bench.svg'}")
