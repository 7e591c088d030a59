# SPDX-License-Identifier: Apache-2.0
"""SIGTERM finishes what runs, or hands it back; a second one does so at once."""

from support import jobs
from support.place import everywhere


@everywhere
def test_what_runs_is_finished(chard, database, provider, queues, reply, wait_until):
    provider.behave = lambda _request: reply.completion(jobs.BOTTLE, delay=2)
    chard.settings |= provider.settings()
    chard.prepare()
    with chard.worker(queues="scan.vision") as worker:
        jobs.submit_many(chard, "scan", [{"user_id": f"u{n}", "image_url": jobs.PICTURE, "lang": "en"} for n in range(20)])
        wait_until(lambda: provider.in_flight == 20)
        worker.terminate()
        assert worker.wait(30) == 0
    assert database.value("select count(*) from chard.task where state = 'SUCCESS'") == 20
    assert queues.depth("scan.vision") == 0 and queues.depth("scan.answer") == 20


def hands_back(chard, database, provider, queues, reply, wait_until, end):
    provider.behave = lambda _request: reply.hanging()
    chard.settings |= provider.settings()
    chard.prepare()
    with chard.worker(queues="scan.vision", name="chard@one", grace_ms=500 if end == 1 else 60000) as worker:
        ids = jobs.submit_many(chard, "scan", [{"user_id": f"u{n}", "image_url": jobs.PICTURE, "lang": "en"} for n in range(20)])
        wait_until(lambda: provider.in_flight == 20)
        worker.terminate()
        if end == 2:
            worker.wait_log("stopping")
            worker.terminate()
        assert worker.wait(20) == 0
    wait_until(lambda: queues.depth("scan.vision") == 20)
    rows = database.rows("select state, starts, attempts, lease_until from chard.task")
    assert {(row["state"], row["starts"], row["attempts"], row["lease_until"]) for row in rows} == {("PENDING", 0, 0, None)}
    provider.behave = lambda request: reply.completion(
        jobs.BOTTLE if "major" in request.json["response_format"]["json_schema"]["schema"]["properties"] else jobs.ADVICE)
    with chard.worker(name="chard@two"):
        assert set(jobs.ended(database, ids).values()) == {"SUCCESS"}


@everywhere
def test_what_does_not_finish_is_handed_back(chard, database, provider, queues, reply, wait_until):
    hands_back(chard, database, provider, queues, reply, wait_until, 1)


@everywhere
def test_a_second_signal_hands_back_at_once(chard, database, provider, queues, reply, wait_until):
    hands_back(chard, database, provider, queues, reply, wait_until, 2)


def test_a_redelivered_task_that_still_runs_is_adopted(chard, database, provider, toxic, rabbitmq, reply, wait_until):
    """The connection breaks while the provider thinks: its answer is used, not bought twice."""
    provider.behave = lambda request: reply.completion(
        jobs.BOTTLE if "major" in request.json["response_format"]["json_schema"]["schema"]["properties"] else jobs.ADVICE,
        delay=4 if request.number == 1 else 0)
    link = toxic(rabbitmq.port)
    chard.settings |= provider.settings()
    chard.prepare()
    with chard.with_settings(broker_url=link.url(chard.settings["CHARD_BROKER_URL"])).worker() as worker:
        job_id = jobs.submit_scan(chard)
        wait_until(lambda: provider.in_flight == 1)
        link.cut()
        worker.wait_log("adopted")
        assert jobs.ended(database, [job_id]) == {job_id: "SUCCESS"}
    assert provider.count == 2
    assert database.value("select starts from chard.task where id = %s", job_id) == 1


def test_a_stopped_worker_does_not_pass_for_a_consuming_one(chard):
    chard.prepare()
    with chard.worker(name="chard@gone") as worker:
        worker.terminate()
        assert worker.wait(20) == 0
    done = chard.run("ping", "chard@gone", check=1)
    assert "stopping" in done.stdout
