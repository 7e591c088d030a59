# SPDX-License-Identifier: Apache-2.0
"""Submitting jobs and looking at what became of them."""

import json
import pathlib

from .program import ROOT
from .waiting import wait_until

EXAMPLES = ROOT / "examples"
PICTURE = "https://pictures.example/clear-bottle.jpg"

# What a vision model and an answer model say of a clean, empty water bottle.
BOTTLE = {"major": "recyclable", "middle": "clear-pet", "item": "먹는샘물PET병", "situation": ["내용물_없음"]}
ADVICE = {"disposal_steps": ["Rinse it", "Flatten it"], "insufficiencies": [], "user_answer": "Put it with clear PET."}


def submit(chard, pipeline, **values):
    """Submits by the command line; returns the job's id."""
    words = [f"{key}={value}" if isinstance(value, str) else f"{key}:={json.dumps(value)}"
             for key, value in values.items()]
    return chard.run("submit", pipeline, *words, check=0).stdout.strip()


def submit_scan(chard, **values):
    return submit(chard, "scan", **({"user_id": "u1", "image_url": PICTURE, "text": "a water bottle", "lang": "en"} | values))


def submit_many(chard, pipeline, inputs):
    """Submits by --lines; returns the jobs' ids."""
    lines = "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in inputs)
    return chard.run("submit", pipeline, "--lines", input=lines, check=0, timeout=300).stdout.split()


def job(chard, job_id):
    """What `chard job` knows, or None."""
    done = chard.run("job", job_id, "--json")
    return json.loads(done.stdout) if done.stdout else None


def ended(database, job_ids, deadline=60):
    """Waits until all of these jobs have ended; returns {id: state}."""
    ids = list(job_ids)
    wanted = set(ids)

    def states():
        found = {row["root_id"]: row["state"] for row in database.rows(
            "select root_id, state from chard.job where state in ('SUCCESS', 'FAILURE')") if row["root_id"] in wanted}
        assert len(found) == len(ids), f"{len(found)} of {len(ids)} jobs have ended"
        return found

    return wait_until(states, deadline, every=0.1)


def outbox(database, aggregate_id=None):
    """[(type, payload)] in the order in which they were written."""
    of_one, values = ("where o.aggregateid = %s", [aggregate_id]) if aggregate_id else ("", [])
    rows = database.rows("select o.type, o.payload from chard.outbox o join chard.event e on e.id = o.id "
                         f"{of_one} order by e.version, o.id", *values)
    return [(row["type"], row["payload"]) for row in rows]


def example(name):
    return json.loads(pathlib.Path(EXAMPLES, name).read_text(encoding="utf-8"))
