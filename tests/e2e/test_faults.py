# SPDX-License-Identifier: Apache-2.0
"""SIGKILL between every two steps of the table: nothing lost, nothing doubled, nothing bought twice after it was committed.

Each case runs scans against a worker that dies at a fault point, one edge of the table, then lets another finish."""

import datetime
import json
import re

import pytest
from support import jobs
from support.place import PLACES
from support.program import ROOT
from support.provider import completion, failure, rate_limited

# Every edge of the table in worker/run/steps.c, and what must be sent in for a task to pass it.
GOOD = ["decode/decode", "decode/claim", "claim/call", "call/judge", "judge/commit", "commit/publish", "publish/ack", "ack/end",
        "call/commit"]
ENDINGS = {
    "call/retry": "failing", "retry/ack": "failing",
    "call/pause": "paused", "pause/ack": "paused", "pause/call": "held",
    "call/dead": "refused", "dead/bury": "refused", "bury/ack": "refused",
    "decode/dead": "unreadable", "decode/ack": "early",
}
STEP_NAMES = re.findall(r'\{ "(\w+)"', (ROOT / "worker/run/steps.c").read_text())


@pytest.fixture(params=PLACES)
def place(request):
    return request.param


def answer(request):
    """A reply that depends on what was asked alone, so that buying twice shows as the same request answered twice."""
    content = jobs.BOTTLE if "major" in request.json["response_format"]["json_schema"]["schema"]["properties"] else jobs.ADVICE
    return completion(content)


def run_through(chard, edge, tmp_path, env=None, nth=1):
    """A worker that dies at the edge, once; then one that does not."""
    fault = {"CHARD_FAULT": f"{edge}:{nth}", "CHARD_FAULT_ONCE": str(tmp_path / "died")} | (env or {})
    with chard.worker(name="chard@first", env=fault, ready=False) as worker:
        worker.expected = {-9}
        assert worker.wait(60) == -9, f"nothing passed {edge}"


def check_outbox(database, job_ids):
    for job_id in job_ids:
        types = [kind for kind, _ in jobs.outbox(database, job_id)]
        assert types == sorted(set(types), key=["ScanClassified", "ScanAnswered", "RewardGranted", "ScanFailed"].index), f"doubled: {types}"
    assert database.value("select count(*) from chard.outbox") == database.value("select count(*) from chard.event")


@pytest.mark.parametrize("edge", GOOD)
def test_killed_at(chard, database, provider, queues, tmp_path, edge):
    provider.behave = answer
    chard.settings |= provider.settings() | {"CHARD_LEASE_SLACK_MS": "1000", "CHARD_DEADLINE_MS": "4000"}
    chard.prepare()
    ids = jobs.submit_many(chard, "scan", [
        {"user_id": f"u{n}", "image_url": jobs.PICTURE, "text": f"bottle {n}", "lang": "en"} for n in range(5)])
    run_through(chard, edge, tmp_path)
    before = database.rows("select id from chard.task where state = 'SUCCESS' and provider is not null")
    answered_before = sum(provider.answered.values())
    with chard.worker(name="chard@second"):
        assert set(jobs.ended(database, ids).values()) == {"SUCCESS"}
    check_outbox(database, ids)
    for job_id in ids:
        assert len(jobs.outbox(database, job_id)) == 3
    assert database.value("select count(*) from chard.task") == 15
    assert sum(queues.depth(f"scan.{step}.dead") for step in ("vision", "answer", "reward")) == 0
    # Ten answers are needed; each committed before the kill must not be asked for again.
    assert sum(provider.answered.values()) - answered_before == 10 - len(before)


@pytest.mark.parametrize("edge", [edge for edge, way in ENDINGS.items() if way in ("failing", "paused", "held")])
def test_killed_while_a_task_waits(chard, database, provider, tmp_path, wait_until, edge):
    way = ENDINGS[edge]
    first = {"failing": failure(500), "paused": rate_limited(4), "held": rate_limited(1)}[way]
    provider.behave = lambda request: first if request.number == 1 else answer(request)
    chard.settings |= provider.settings() | {"CHARD_LEASE_SLACK_MS": "1000", "CHARD_DEADLINE_MS": "2000"}
    chard.prepare()
    job_id = jobs.submit_scan(chard)
    run_through(chard, edge, tmp_path, {"CHARD_LEASE_SLACK_MS": "20000"} if way == "held" else None)
    with chard.worker(name="chard@first"):
        assert jobs.ended(database, [job_id], 90) == {job_id: "SUCCESS"}
        # Killed between putting it away and the ack, it comes twice: the second finds the result there.
        wait_until(lambda: database.value("select count(*) from chard.scheduled") == 0)
    check_outbox(database, [job_id])
    assert provider.count <= 4, "a task that waits was asked for again"


@pytest.mark.parametrize("edge", ["call/dead", "dead/bury", "bury/ack"])
def test_killed_while_a_task_dies(chard, database, provider, queues, tmp_path, wait_until, edge):
    provider.behave = lambda _request: failure(400, "invalid_request", "no")
    chard.settings |= provider.settings() | {"CHARD_LEASE_SLACK_MS": "1000", "CHARD_DEADLINE_MS": "2000"}
    chard.prepare()
    job_id = jobs.submit_scan(chard)
    run_through(chard, edge, tmp_path)
    with chard.worker(name="chard@second"):
        assert jobs.ended(database, [job_id]) == {job_id: "FAILURE"}
        wait_until(lambda: queues.depth("scan.vision.dead") >= 1)
    assert {letter.properties["correlation_id"] for letter in queues.take("scan.vision.dead")} == {job_id}
    assert [kind for kind, _ in jobs.outbox(database, job_id)] == ["ScanFailed"]


@pytest.mark.parametrize("edge", ["decode/dead", "dead/bury", "bury/ack"])
def test_killed_over_an_unreadable_message(chard, queues, tmp_path, wait_until, edge):
    chard.prepare()
    queues.publish("scan.vision", "scan.vision", b"\x00 not json", {"id": "x-1", "task": "scan.vision", "lang": "py"})
    run_through(chard, edge, tmp_path)
    with chard.worker(name="chard@second"):
        wait_until(lambda: queues.depth("scan.vision.dead") >= 1 and queues.depth("scan.vision") == 0)
    assert {letter.body for letter in queues.take("scan.vision.dead")} == {b"\x00 not json"}


def test_killed_with_an_early_message(chard, database, queues, tmp_path):
    """A message whose eta is to come is put away; whoever dies in between loses nothing."""
    chard.prepare()
    eta = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=6)
    queues.publish("chat.commands", "chat.classify", json.dumps([[], {"user_id": "u1", "text": "a milk carton", "lang": "en"}, None]).encode(),
                   {"lang": "py", "task": "chat.classify", "id": "early", "root_id": "early", "retries": 0, "eta": eta.isoformat()})
    run_through(chard, "decode/ack", tmp_path)
    with chard.worker(name="chard@second"):
        assert jobs.ended(database, ["early"]) == {"early": "SUCCESS"}
    assert database.value("select starts from chard.task where id = %s", "early") == 1


def test_a_poison_message_stops(chard, database, queues):
    """A task that kills its worker each time dies after a bounded number of starts, counted in the store."""
    chard.settings |= {"CHARD_MAX_STARTS": "3"}
    chard.prepare()
    job_id = jobs.submit_scan(chard)
    for _ in range(3):
        with chard.worker(name="chard@poisoned", env={"CHARD_FAULT": "claim/call"}, ready=False) as worker:
            worker.expected = {-9}
            assert worker.wait(60) == -9
    with chard.worker(name="chard@poisoned"):
        assert jobs.ended(database, [job_id]) == {job_id: "FAILURE"}
    (letter,) = queues.take("scan.vision.dead")
    assert letter.headers["errorCode"] == "poison"


# What a redelivery meets: first a kill that sets the scene, then one at the edge itself.
REDELIVERED = {
    "claim/publish": ("commit/publish", None, "SUCCESS"),
    "claim/ack": ("retry/ack", failure(500), "SUCCESS"),
    "claim/bury": ("dead/bury", failure(400, "invalid_request", "no"), "FAILURE"),
    "claim/dead": ("claim/call", None, "FAILURE"),
}


@pytest.mark.parametrize("edge", REDELIVERED)
def test_killed_again_over_the_redelivery(chard, database, provider, queues, tmp_path, wait_until, edge):
    scene, first, end = REDELIVERED[edge]
    provider.behave = lambda request: first if first and request.number == 1 else answer(request)
    chard.settings |= provider.settings() | {"CHARD_MAX_STARTS": "1"} if edge == "claim/dead" else provider.settings()
    chard.prepare()
    job_id = jobs.submit_scan(chard)
    run_through(chard, scene, tmp_path)
    (tmp_path / "died").unlink()
    run_through(chard, edge, tmp_path)
    with chard.worker(name="chard@first"):
        assert jobs.ended(database, [job_id]) == {job_id: end}
        wait_until(lambda: queues.depth("scan.vision") == 0)
        letters = [letter for letter in queues.take("scan.vision.dead")]
    check_outbox(database, [job_id])
    assert bool(letters) == (end == "FAILURE")
    if end == "SUCCESS":
        assert provider.count == (3 if first else 2), "an answer was bought twice"


def test_every_step_is_tried():
    """A step that is added to the table needs its place here."""
    tried = {step for edge in [*GOOD, *ENDINGS, *REDELIVERED] for step in edge.split("/")}
    elsewhere = {"hand_back": "test_shutdown.py", "result": "test_celery_results.py", "join": "test_celery_results.py",
                 "owe": "test_owed_results.py", "revoke": "test_control.py"}
    assert set(STEP_NAMES) - tried == set(elsewhere), f"see {elsewhere}"


@pytest.mark.parametrize("place", ["servers"])  # in one file whoever holds a row holds up the broker too
def test_a_retry_that_comes_back_before_it_is_confirmed(chard, database, provider, queues, wait_until):
    """The scheduled message may be delivered here while the run that scheduled it still waits for the store: it must not
    pass for a second copy and be dropped, for then nothing would be left of the task."""
    provider.behave = lambda request: failure(500, delay=2) if request.number == 1 else answer(request)
    chard.settings |= provider.settings()
    chard.prepare()
    job_id = jobs.submit_scan(chard)
    with chard.worker(log_level="debug") as worker, database.connect(autocommit=False) as other:
        wait_until(lambda: provider.in_flight == 1)
        other.execute("select * from chard.task where id = %s for update", [job_id])  # the store's answer has to wait
        worker.wait_log("attempt=1 failed")
        queues.publish("scan.vision", "scan.vision", json.dumps([[], {"user_id": "u1", "image_url": jobs.PICTURE}, None]).encode(),
                       {"lang": "py", "task": "scan.vision", "id": job_id, "root_id": job_id, "retries": 1})
        worker.wait_log("waits behind")
        other.commit()
        database.run("delete from chard.scheduled where task_id = %s", job_id)  # as if that message had been the scheduled one
        assert jobs.ended(database, [job_id]) == {job_id: "SUCCESS"}


@pytest.mark.parametrize("place", ["servers"])  # in one file whoever holds a row holds up the broker too
def test_a_retry_that_meets_the_message_before_it(chard, database, queues, wait_until):
    """The first attempt's ack was lost with its connection: it comes again, and waits for its claim when its retry comes due.
    The retry is what is left of the task: taken for a second copy it would be lost, for the old message is superseded."""
    chard.prepare()
    scan = json.dumps([[], {"user_id": "u1", "image_url": jobs.PICTURE, "text": "a bottle"}, None]).encode()
    head = {"lang": "py", "task": "scan.vision", "id": "meets", "root_id": "meets"}
    database.run("insert into chard.job (root_id, pipeline) values ('meets', 'scan')")
    database.run("insert into chard.task (id, root_id, name, state, starts, attempts) values ('meets', 'meets', 'scan.vision', 'RETRY', 1, 1)")
    with chard.worker(log_level="debug") as worker, database.connect(autocommit=False) as other:
        other.execute("lock table chard.task in exclusive mode")
        queues.publish("scan.vision", "scan.vision", scan, head | {"retries": 0})
        worker.wait_log("task=meets decode -> claim")
        queues.publish("scan.vision", "scan.vision", scan, head | {"retries": 1})
        worker.wait_log("waits behind")
        other.commit()
        assert jobs.ended(database, ["meets"]) == {"meets": "SUCCESS"}
        wait_until(lambda: queues.depth("scan.vision") == 0)


@pytest.mark.parametrize("place", ["servers"])  # in one file whoever holds a row holds up the broker too
def test_one_task_on_two_queues(chard, database, queues, wait_until):
    """Both messages are settled, though their queues count deliveries apart."""
    chard.prepare()
    text = json.dumps([[], {"user_id": "u1", "text": "a milk carton"}, None]).encode()
    head = {"lang": "py", "task": "chat.classify", "id": "twice", "root_id": "twice", "retries": 0}
    with chard.worker(log_level="debug") as worker, database.connect(autocommit=False) as other:
        other.execute("lock table chard.task in exclusive mode")
        queues.publish("chat.classify", "chat.classify", text, head)
        worker.wait_log("task=twice decode -> claim")
        queues.publish("chat.answer", "chat.answer", text, head)
        worker.wait_log("came twice")
        other.commit()
        assert jobs.ended(database, ["twice"]) == {"twice": "SUCCESS"}
        worker.terminate()
        assert worker.wait() == 0
    wait_until(lambda: queues.depth("chat.classify") == 0 and queues.depth("chat.answer") == 0)
