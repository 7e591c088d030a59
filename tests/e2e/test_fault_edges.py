# SPDX-License-Identifier: Apache-2.0
"""SIGKILL at the edges that only trouble leads to; the others are in test_faults.py. Each scene says how a task gets there,
and what must be left of it once a worker that lives has been there."""

import json
import signal
import subprocess

import pytest
from support import jobs
from support.place import PLACES
from support.program import ROOT
from support.provider import failure, hanging, rate_limited
from test_faults import answer, check_outbox

SCAN = {"user_id": "u1", "image_url": jobs.PICTURE, "text": "a bottle", "lang": "en"}


@pytest.fixture(params=PLACES)
def place(request):
    return request.param


def dies(chard, edge, tmp_path, lead=None, **settings):
    """A worker that dies at the edge; `lead` brings it there."""
    fault = {"CHARD_FAULT": edge, "CHARD_FAULT_ONCE": str(tmp_path / "died")}
    with chard.worker(name="chard@first", env=fault, ready=lead is not None, **settings) as worker:
        worker.expected = {-9}
        if lead:
            lead(worker)
        assert worker.wait(60) == -9, f"nothing passed {edge}"


def ends(chard, database, job_ids, state):
    with chard.worker(name="chard@first"):
        assert set(jobs.ended(database, job_ids, 60).values()) == {state}


@pytest.fixture
def scene(chard, provider):
    chard.settings |= provider.settings() | {"CHARD_LEASE_SLACK_MS": "1000", "CHARD_DEADLINE_MS": "20000"}
    return chard.prepare()


def test_killed_as_a_task_gives_up(scene, database, provider, queues, tmp_path, wait_until):
    provider.behave = lambda request: failure(500) if b"disposal_steps" in request.body else answer(request)
    scene.settings["CHARD_OUTAGE_PATIENCE_S"] = "0"  # nobody else is served meanwhile
    job_id = jobs.submit_scan(scene)
    dies(scene, "retry/dead", tmp_path)
    ends(scene, database, [job_id], "FAILURE")
    wait_until(lambda: queues.depth("scan.answer.dead") >= 1)
    assert [kind for kind, _ in jobs.outbox(database, job_id)] == ["ScanClassified", "ScanFailed"]


@pytest.mark.parametrize("place", ["servers"])  # SQLite keeps that document
def test_killed_over_a_document_that_cannot_be_stored(chard, database, queues, tmp_path, wait_until):
    """jsonb takes no NUL: the commit refuses this one task, which dies."""
    chard.prepare()
    document = {"job": {"id": "nul", "pipeline": "scan", "user_id": "u1", "lang": "en"}, "input": SCAN | {"text": "a\0b"},
                "classification": jobs.BOTTLE, "rules": [], "answer": jobs.ADVICE}
    queues.publish("scan.reward", "scan.reward", json.dumps([[document], {}, None]).encode(),
                   {"lang": "py", "task": "scan.reward", "id": "nul", "root_id": "nul", "retries": 0})
    dies(chard, "commit/dead", tmp_path)
    ends(chard, database, ["nul"], "FAILURE")
    wait_until(lambda: queues.depth("scan.reward.dead") >= 1)
    assert [row["type"] for row in database.rows("select type from chard.outbox")] == ["ScanFailed"]


FIRST_ONE = """
#include <chard.h>
static int run(const struct chard_input *in, struct chard_outcome *out)
{
        const char *of = chard_text(in, "/input/of");
        if (chard_fact(in, "prize", of, "first"))
                return CHARD_DONE;
        return chard_fact_once(out, "prize", of, "first", "1") || chard_event(out, "prize", of, "PrizeGiven", "{}");
}
static const struct chard_task t = { .name = "prize.give", .queue = "prize.give", .deadline_ms = 5000, .sees = { { "prize", "/input/of" } }, .run = run };
CHARD_PLUGIN(&t);
"""


def test_killed_as_what_is_written_once_turns_out_stale(chard, database, queues, tmp_path, wait_until):
    """Ten tasks each want to be the first of ten, and come at once: some are claimed before one of theirs commits."""
    source, library = tmp_path / "prize.c", tmp_path / "prize.so"
    source.write_text(FIRST_ONE)
    subprocess.run(["cc", "-shared", "-fPIC", f"-I{ROOT / 'include'}", "-o", library, source], check=True, timeout=60)
    chard.settings["CHARD_TASKS"] = str(library)
    chard.prepare()
    ids = [f"prize-{n:02}" for n in range(100)]
    for id in ids:
        queues.publish("prize.give", "prize.give", json.dumps([[], {"of": id[-2]}, None]).encode(),
                       {"lang": "py", "task": "prize.give", "id": id, "root_id": id, "retries": 0})
    dies(chard, "commit/claim", tmp_path)
    ends(chard, database, ids, "SUCCESS")
    given = database.rows("select aggregateid, type from chard.outbox order by aggregateid")
    assert [tuple(row.values()) for row in given] == [(f"{n}", "PrizeGiven") for n in range(10)]


def test_killed_as_a_successor_finds_no_queue(scene, database, provider, queues, tmp_path):
    provider.behave = answer

    def lead(_worker):
        queues.delete_exchange("scan.answer")
        lead.job = jobs.submit_scan(scene)

    dies(scene, "publish/retry", tmp_path, lead)
    ends(scene, database, [lead.job], "SUCCESS")
    check_outbox(database, [lead.job])


def test_killed_as_a_dead_letter_finds_no_queue(scene, database, provider, queues, tmp_path, wait_until):
    provider.behave = lambda _request: failure(400, "invalid_request", "no")

    def lead(_worker):
        queues.delete_queue("scan.vision.dead")
        lead.job = jobs.submit_scan(scene)

    dies(scene, "bury/bury", tmp_path, lead)
    ends(scene, database, [lead.job], "FAILURE")
    wait_until(lambda: queues.exists("scan.vision.dead") and queues.depth("scan.vision.dead") == 1)


@pytest.mark.parametrize("edge", ["decode/end"])
def test_killed_over_a_second_copy(scene, database, provider, queues, tmp_path, edge):
    provider.behave = answer
    head = {"lang": "py", "task": "scan.vision", "id": "copy", "root_id": "copy", "retries": 0}
    for _ in range(2):
        queues.publish("scan.vision", "scan.vision", json.dumps([[], SCAN, None]).encode(), head)
    dies(scene, edge, tmp_path)
    ends(scene, database, ["copy"], "SUCCESS")


@pytest.mark.parametrize("edge", ["decode/call", "call/publish"])
def test_killed_over_a_stateless_task(chard, queues, tmp_path, wait_until, edge):
    chard.prepare()
    queues.publish("chard.echo", "chard.echo", b"[[], {}, null]", {"lang": "py", "task": "chard.echo", "id": "e", "root_id": "e"})
    dies(chard, edge, tmp_path, queues="chard.echo")
    wait_until(lambda: queues.depth("chard.echo") == 1)
    with chard.worker(queues="chard.echo") as worker:
        wait_until(lambda: queues.depth("chard.echo") == 0)
        worker.terminate()
        assert worker.wait() == 0
    assert queues.depth("chard.echo") == 0


@pytest.mark.parametrize("edge, trouble", [
    ("call/hand_back", hanging()), ("hand_back/hand_back", hanging()), ("hand_back/end", hanging()),
    ("pause/hand_back", rate_limited(2)),
])
def test_killed_while_it_hands_back(scene, database, provider, tmp_path, edge, trouble):
    """SIGTERM, no time to finish, and death on the way."""
    provider.behave = lambda _request: trouble

    def lead(worker):
        lead.job = jobs.submit_scan(scene)
        if edge == "pause/hand_back":
            worker.wait_log("call -> pause")
        else:
            jobs.wait_until(lambda: provider.in_flight == 1)
        worker.signal(signal.SIGTERM)

    # A pause is held only while the lease lasts for it and for the call after it.
    dies(scene, edge, tmp_path, lead, grace_ms=0, log_level="debug", lease_slack_ms=20000 if edge == "pause/hand_back" else 1000)
    provider.behave = answer
    ends(scene, database, [lead.job], "SUCCESS")
    check_outbox(database, [lead.job])
    assert database.value("select attempts from chard.task where id = %s", lead.job) == 0


@pytest.mark.parametrize("place", ["servers"])  # in one file whoever holds a row holds up the broker too
def test_killed_as_a_claim_is_handed_back(scene, database, provider, tmp_path):
    provider.behave = answer

    def lead(worker):
        with database.connect(autocommit=False) as other:
            other.execute("lock table chard.task in exclusive mode")
            lead.job = jobs.submit_scan(scene)
            worker.wait_log("decode -> claim")
            worker.signal(signal.SIGTERM)
            worker.wait_log("stopping")
            worker.signal(signal.SIGTERM)
            worker.wait_log("handing back")
            other.commit()

    dies(scene, "claim/hand_back", tmp_path, lead, log_level="debug")
    ends(scene, database, [lead.job], "SUCCESS")
    check_outbox(database, [lead.job])
