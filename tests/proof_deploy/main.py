# SPDX-License-Identifier: Apache-2.0
"""Holds what is deployed against the real programs, and writes which of them accepted it into docs/production.md."""

import argparse
import datetime
import re
import sys
import time

from . import chart, cluster, delivery, image, keda, packages, rabbitmq, rollouts, terraform, tools, wave

PAGE = tools.ROOT / "docs/production.md"
STEPS = [step for part in (packages, image, chart, rollouts, delivery, terraform, cluster, keda, wave, rabbitmq) for step in part.STEPS]
BEGIN, END = "<!-- make proof-deploy writes this table -->\n", "<!-- to here -->\n"


def name_of(step):
    part = step.__module__.rpartition(".")[2]
    return f"{part}.{step.__name__}"


def table_of(page):
    """{step: its row} as it stands."""
    inside = page.partition(BEGIN)[2].partition(END)[0]
    return {found[1]: line for line in inside.splitlines() if (found := re.search(r"`make proof-deploy STEP=(\S+)`", line))}


def written(page, rows):
    head = "| item | what | real program | date | command |\n| --- | --- | --- | --- | --- |\n"
    body = "".join(rows[name] + "\n" for _, _, step in STEPS if (name := name_of(step)) in rows)
    before, _, rest = page.partition(BEGIN)
    return before + BEGIN + head + body + END + rest.partition(END)[2]


def main():
    parser = argparse.ArgumentParser(description="Holds what is deployed against the real programs.")
    parser.add_argument("--step", action="append", help=f"of {' '.join(name_of(step) for _, _, step in STEPS)}")
    options = parser.parse_args()
    rows, failed = {}, []
    today = datetime.date.today().isoformat()
    for item, what, step in STEPS:
        name = name_of(step)
        if options.step and name not in options.step:
            continue
        began = time.monotonic()
        try:
            program = step()
            rows[name] = f"| {item} | {what} | {program} | {today} | `make proof-deploy STEP={name}` |"
            print(f"ok      {name}: {program}, {time.monotonic() - began:.0f} s", flush=True)
        except (AssertionError, OSError, tools.Missing) as wrong:
            rows[name] = None
            failed.append(name)
            print(f"FAILED  {name}: {wrong}", flush=True)
    page = PAGE.read_text()  # now: somebody else may have written rows of other steps meanwhile
    PAGE.write_text(written(page, {name: row for name, row in (table_of(page) | rows).items() if row}))
    print(f"{len(options.step or STEPS) - len(failed)} passed, {len(failed)} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
