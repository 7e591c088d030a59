# SPDX-License-Identifier: Apache-2.0
"""The doors of broker and store count and time their own calls; a worker's row shows it."""

import json

from support import jobs
from support.place import everywhere

COUNTS = {"calls", "errors", "groups", "total_us", "last_us"}


@everywhere
def test_a_worker_says_how_its_doors_fare(chard, database, wait_until):
    chard.prepare()

    def doors():
        state = database.value("select state from chard.worker where name = 'chard@counted'") or {}
        state = json.loads(state) if isinstance(state, str) else state
        return state.get("store"), state.get("broker")

    with chard.worker(name="chard@counted"):
        wait_until(lambda: all(doors()), 20, "the first report")
        before = doors()
        ids = jobs.submit_many(chard, "chat", [{"user_id": f"u{n}", "text": "a milk carton", "lang": "en"} for n in range(20)])
        assert set(jobs.ended(database, ids).values()) == {"SUCCESS"}
        # Twenty jobs of two tasks: a claim and a commit of each, and twenty second messages.
        wait_until(lambda: doors()[0]["calls"] - before[0]["calls"] >= 80 and doors()[1]["calls"] - before[1]["calls"] >= 20, 20, doors)
        after = doors()
    for old, new in zip(before, after):
        assert new.keys() == COUNTS and new["errors"] == 0, new
        assert new["groups"] > old["groups"] and new["total_us"] > old["total_us"] and new["last_us"] > 0, (old, new)
        assert new["groups"] <= new["calls"], new
