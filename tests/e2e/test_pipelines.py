# SPDX-License-Identifier: Apache-2.0
"""The main job: a submitted pipeline runs step by step, and everything that it should leave is there."""

import json
import os
import subprocess
import sys

import pytest
from support import jobs
from support.place import everywhere
from support.program import ROOT, plain_environment

COLUMNS = "id, root_id, parent_id, name, state, starts, attempts, tokens_in, tokens_out, cost_nano, provider, model"


def expected_scan(job_id):
    return {
        "job": {"id": job_id, "pipeline": "scan", "user_id": "u1", "lang": "en"},
        "classification": jobs.BOTTLE,
        "answer": jobs.ADVICE,
    }


def check_scan(chard, database, job_id):
    """Every row that a scan of a clean bottle must leave, as the domain says."""
    tasks = database.rows(f"select {COLUMNS} from chard.task where root_id = %s order by created_at", job_id)
    assert [task["name"] for task in tasks] == ["scan.vision", "scan.answer", "scan.reward"]
    assert [task["state"] for task in tasks] == ["SUCCESS"] * 3
    assert [task["starts"] for task in tasks] == [1] * 3
    assert [task["attempts"] for task in tasks] == [0] * 3
    assert tasks[0]["id"] == job_id
    assert [task["parent_id"] for task in tasks] == [None, tasks[0]["id"], tasks[1]["id"]]
    assert [task["provider"] for task in tasks] == ["openai", "openai", None]
    assert all(task["tokens_in"] > 0 and task["tokens_out"] > 0 and task["cost_nano"] > 0 for task in tasks[:2])

    found = database.row("select pipeline, state, error, document from chard.job where root_id = %s", job_id)
    assert (found["pipeline"], found["state"], found["error"]) == ("scan", "SUCCESS", None)
    document = found["document"]
    for section, value in expected_scan(job_id).items():
        assert {key: document[section][key] for key in value} == value, section
    assert document["rules"] and document["rules"][0]["slug"] == "clear-pet"
    assert document["reward"]["received"] is True and document["reward"]["already_owned"] is False
    assert document["reward"]["character"]["code"] == "char-petty"

    events = database.rows("select type, version, aggregate_type, aggregate_id, payload from chard.event "
                           "where aggregate_id = %s order by version", job_id)
    assert [(e["type"], e["version"]) for e in events] == [("ScanClassified", 1), ("ScanAnswered", 2), ("RewardGranted", 3)]
    assert {e["aggregate_type"] for e in events} == {"scan"}
    classified, answered, granted = (e["payload"] for e in events)
    assert classified["category"] == "clear-pet" and classified["situation"] == ["내용물_없음"]
    assert answered["answer"] == jobs.ADVICE["user_answer"] and answered["disposal_rules"]
    assert (granted["character_id"], granted["reward_type"], granted["user_id"]) == ("char-petty", "character", "u1")

    rows = database.rows("select id, aggregatetype, aggregateid, type, payload from chard.outbox where aggregateid = %s", job_id)
    assert {row["type"]: row["payload"] for row in rows} == {e["type"]: e["payload"] for e in events}
    assert len(rows) == 3
    shown = jobs.job(chard, job_id)
    assert shown["state"] == "SUCCESS" and shown["document"] == document


@pytest.fixture
def mock(aimock):
    """aimock answering as the two models of a scan would: by the name of the schema that is asked for."""
    return aimock([
        {"match": {"userMessage": "water bottle", "responseFormat": "json_schema", "sequenceIndex": 0},
         "response": {"content": json.dumps(jobs.BOTTLE, ensure_ascii=False)}},
        {"match": {}, "response": {"content": json.dumps(jobs.ADVICE)}},
    ])


@everywhere
def test_a_scan_submitted_by_the_command_line(chard, database, mock):
    chard.settings |= mock.settings()
    chard.prepare()
    with chard.worker():
        job_id = jobs.submit_scan(chard)
        assert jobs.ended(database, [job_id]) == {job_id: "SUCCESS"}
        check_scan(chard, database, job_id)


@pytest.mark.parametrize("route", ["scan", "scan-by-exchange"])
def test_a_scan_submitted_by_the_python_producer(chard, database, mock, route):
    """The example application as it stands, with the real Celery client: no 406, the same rows."""
    chard.settings |= mock.settings()
    chard.prepare()
    with chard.worker():
        job_id = subprocess.run(
            [sys.executable, ROOT / "examples/python/producer.py", route, "u1", jobs.PICTURE, "a water bottle", "en"],
            env=plain_environment() | {"CHARD_BROKER_URL": chard.settings["CHARD_BROKER_URL"]},
            capture_output=True, text=True, timeout=60, check=True).stdout.strip()
        assert jobs.ended(database, [job_id]) == {job_id: "SUCCESS"}
        check_scan(chard, database, job_id)


@pytest.mark.bare
def test_celery_declares_a_queue_before_chard_does(chard, database):
    """A producer that starts first makes the queue; topology and worker then find it as they want it."""
    producer = [sys.executable, str(ROOT / "examples/python/producer.py"), "chat", "u1", "Where does a milk carton go?", "en"]
    environment = plain_environment() | {"CHARD_BROKER_URL": chard.settings["CHARD_BROKER_URL"]}
    job_id = subprocess.run(producer, env=environment, capture_output=True, text=True, timeout=60, check=True).stdout.strip()
    chard.prepare()
    with chard.worker():
        assert jobs.ended(database, [job_id]) == {job_id: "SUCCESS"}


@everywhere
@pytest.mark.parametrize("name", sorted(p.name for p in jobs.EXAMPLES.glob("*.json")))
def test_every_example_succeeds_offline(chard, database, name):
    chard.prepare()
    with chard.worker():
        done = chard.run("submit", "--input", jobs.EXAMPLES / name, "--wait", "30", "--json", check=0)
        found = json.loads(done.stdout)
        assert set(found) == {"id", "pipeline", "state", "document", "error"}
        assert (found["state"], found["error"]) == ("SUCCESS", None)
        assert found["pipeline"] == jobs.example(name)["pipeline"]


@everywhere
def test_ten_thousand_profile_updates_in_one_task(chard, database):
    updates = [{"user_id": f"u{n % 5000}", "field": "nickname" if n < 5000 else "lang", "value": f"v{n}"} for n in range(10000)]
    chard.prepare()
    with chard.worker():
        (job_id,) = jobs.submit_many(chard, "my", [{"updates": updates}])
        assert jobs.ended(database, [job_id]) == {job_id: "SUCCESS"}
    assert database.value("select count(*) from chard.outbox where type = 'ProfileUpdated'") == 5000
    assert database.value("select count(*) from chard.profile") == 5000


@everywhere
def test_one_bad_profile_update_fails_the_whole_task(chard, database, queues):
    updates = [{"user_id": "u1", "field": "nickname", "value": "a"}, {"user_id": "", "field": "lang", "value": "ko"}]
    chard.prepare()
    with chard.worker():
        (job_id,) = jobs.submit_many(chard, "my", [{"updates": updates}])
        assert jobs.ended(database, [job_id]) == {job_id: "FAILURE"}
    assert database.value("select count(*) from chard.profile") == 0
    (letter,) = queues.take("my.profile.dead")
    assert "updates[1]" in letter.headers["errorMessage"]


def test_the_key_is_nowhere(chard, database, provider, queues, reply):
    """Not in the log, not in an error, not in a dead letter: even when the provider repeats it."""
    key = "sk-very-secret-0123456789abcdef"
    provider.behave = reply.always(reply.failure(400, "bad_request", f"This goes not with your key: {key}"))
    chard.settings |= provider.settings(key)
    chard.prepare()
    with chard.worker(log_level="debug") as worker:
        job_id = jobs.submit_scan(chard)
        assert jobs.ended(database, [job_id]) == {job_id: "FAILURE"}
    (letter,) = queues.take("scan.vision.dead")
    everything = worker.stderr + worker.stdout + json.dumps(letter.headers, default=str) + str(letter.body)
    everything += json.dumps(jobs.job(chard, job_id)) + os.linesep
    assert key not in everything and key[3:] not in everything
    assert letter.headers["errorCode"] == "bad_request"


@pytest.mark.parametrize("route", [{"queue": "chat.classify"}, {"exchange": "chat.commands", "routing_key": "chat.classify"}])
def test_a_countdown_of_the_real_client(chard, database, route):
    """With queue= kombu's native delayed delivery holds it back; with exchange= it comes early, with an eta, and chard does."""
    from celery import Celery
    chard.settings["CHARD_NATIVE_DELAY"] = "yes"
    chard.prepare()
    app = Celery(broker=chard.settings["CHARD_BROKER_URL"])
    app.conf.update(task_create_missing_queue_type="quorum", task_create_missing_queue_exchange_type="topic")
    with chard.worker():
        sent = app.send_task("chat.classify", kwargs={"user_id": "u1", "text": "a milk carton", "lang": "en"}, countdown=3, **route)
        assert jobs.ended(database, [sent.id]) == {sent.id: "SUCCESS"}
    # Published three seconds ahead: the task's own row can only be younger than that.
    assert database.value("select count(*) from chard.scheduled") == 0
    assert database.value("select starts from chard.task where id = %s", sent.id) == 1


def test_a_job_enqueued_in_sql(chard, database):
    """In an application's own transaction: committed it runs to its end, rolled back it never was."""
    chard.prepare()
    enqueue = ("select chard.enqueue_chain(array['chat.classify', 'chat.answer'], "
               "kwargs => '{\"user_id\": \"u1\", \"text\": \"a milk carton\", \"lang\": \"en\"}')")
    with chard.worker():
        with database.connect(autocommit=False) as application:
            application.execute(enqueue)
            application.rollback()
            kept = next(iter(application.execute(enqueue).fetchone().values()))
            application.commit()
        assert jobs.ended(database, [kept]) == {kept: "SUCCESS"}
    assert database.value("select count(*) from chard.job") == 1
    assert [kind for kind, _ in jobs.outbox(database, kept)] == ["ChatClassified", "ChatAnswered"]
