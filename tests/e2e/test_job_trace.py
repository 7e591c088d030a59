# SPDX-License-Identifier: Apache-2.0
"""`chard trace`: a job's whole life from the store alone, on servers and on one file."""

import json

import pytest
from support import jobs
from support.place import PLACES
from test_dlq import dlq_json, keeping, kept

place = pytest.fixture(params=PLACES)(lambda request: request.param)


def traced(chard, job, *flags):
    return json.loads(chard.run("trace", job, "--json", *flags, check=0).stdout)


def rows(timeline, *kinds):
    return [(row["kind"], row["name"]) for row in timeline["timeline"] if row["kind"] in kinds]


def has_text(timeline, *parts):
    """Is there a row of all of these words?"""
    return any(all(part in row["text"] for part in parts) for row in timeline["timeline"])


def test_a_life_that_went_well(chard, database):
    chard.prepare()
    with chard.worker():
        job = jobs.submit(chard, "chat", user_id="u1", text="PLANTED words of a user", lang="en")
        jobs.ended(database, [job])
    last = database.value("select id from chard.task where root_id = %s and id <> root_id", job)
    database.run("update chard.task set chord_part = 'g1:7' where id = %s", last)
    timeline = traced(chard, last[:12])
    assert rows(timeline, "begun", "claim", "commit", "event", "end") == [
        ("begun", ""), ("claim", "chat.classify"), ("commit", "chat.classify"), ("event", ""),
        ("claim", "chat.answer"), ("commit", "chat.answer"), ("event", ""), ("end", "")]
    assert timeline["id"] == job and timeline["state"] == "SUCCESS" and timeline["to_ms"] >= timeline["from_ms"]
    assert [row["at_ms"] for row in timeline["timeline"]] == sorted(row["at_ms"] for row in timeline["timeline"])
    assert has_text(timeline, "part 7 of chord g1")
    sums = database.row("select sum(tokens_in) as t_in, sum(tokens_out) as t_out, sum(cost_nano) as nano from chard.task where root_id = %s", job)
    assert (timeline["tokens_in"], timeline["tokens_out"]) == (sums["t_in"], sums["t_out"])
    assert timeline["cost_usd"] == pytest.approx(float(sums["nano"]) / 1e9)

    shown = chard.run("trace", job, check=0).stdout
    assert shown.startswith(f"job {job}\nchat SUCCESS, ") and max(map(len, shown.splitlines())) <= 80
    assert "payload" not in shown and '"payload"' in json.dumps(traced(chard, job, "--texts"))
    assert not any("payload" in row for row in timeline["timeline"])
    assert "PLANTED" not in json.dumps(timeline) + shown
    assert chard.run("trace", "0000-no-such", check=1).stdout == ""
    assert "name one job" in chard.run("trace", check=2).stderr


def test_dead_requeued_and_well_again(chard, database, provider, reply, wait_until):
    chard.settings |= provider.settings()
    chard.prepare()
    provider.behave = reply.always(reply.failure(400, "bad_picture", "PLANTED words of a provider"))
    with chard.worker(name="w1"), keeping(chard):
        job = jobs.submit_scan(chard)
        assert jobs.ended(database, [job]) == {job: "FAILURE"}
        (entry,) = kept(chard, 1, wait_until)
        timeline = traced(chard, job)
        assert sorted(rows(timeline, "failed", "dead", "filed", "end")) == [("dead", "scan.vision"), ("end", ""), ("failed", "scan.vision"),
                                                                            ("filed", "scan.vision")]
        assert has_text(timeline, "failed after", "bad_picture") and has_text(timeline, f"filed as entry {entry['entry']}", "kept")
        provider.behave = reply.fitting
        dlq_json(chard, "requeue", entry["entry"], "--reason", "a new key", "--yes")
        wait_until(lambda: jobs.ended(database, [job]) == {job: "SUCCESS"})
    timeline = traced(chard, job)
    assert has_text(timeline, "requeue by os:", "a new key") and has_text(timeline, "which is requeued now")
    assert rows(timeline, "act", "end") == [("act", "scan.vision"), ("end", "")]
    assert "PLANTED" not in json.dumps(timeline)


def test_what_waits_is_told_with_its_reason(chard, place, wait_until):
    chard.prepare()
    task = chard.run("send", "my.profile", "updates:=[]", "--countdown", "3600", check=0).stdout.split()[-1]
    with chard.worker():
        wait_until(lambda: chard.run("trace", task).returncode == 0, what="the message waits in the store")
    timeline = traced(chard, task)
    (row,) = [row for row in timeline["timeline"] if row["kind"] == "waits"]
    assert row["reason"] == "eta" and row["due_ms"] - row["at_ms"] > 3000000 and timeline["state"] == "PENDING"
    assert "waits in the store until" in chard.run("trace", task, check=0).stdout
