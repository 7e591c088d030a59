# SPDX-License-Identifier: Apache-2.0
"""The HTTP gateway: jobs submitted, read, waited for, listed and cancelled, on servers and on one file."""

import concurrent.futures
import json

import pytest
from support import jobs
from support.gateway import Gateway
from support.place import PLACES

place = pytest.fixture(params=PLACES)(lambda request: request.param)
CHAT = {"user_id": "u1", "lang": "en", "text": "Where does a milk carton go?"}


@pytest.fixture
def gateway(chard, place):
    chard.prepare()
    with Gateway(chard) as one:
        yield one


def test_a_job_from_its_submit_to_its_end(chard, gateway):
    done = gateway.post("/v1/jobs", {"pipeline": "chat", "input": CHAT})
    job = done.json
    assert done.status == 202 and done.headers["Location"] == job["links"]["self"] == f"/v1/jobs/{job['id']}"
    assert (job["pipeline"], job["state"]) == ("chat", "PENDING")
    waits = gateway.get(f"/v1/jobs/{job['id']}")
    assert (waits.status, waits.json["state"], waits.json["pipeline"]) == (200, "PENDING", "chat")  # nobody has begun it
    with concurrent.futures.ThreadPoolExecutor() as pool:
        waiting = pool.submit(gateway.get, f"/v1/jobs/{job['id']}?wait=60")
        with chard.worker():
            read = waiting.result().json
    assert read["state"] == "SUCCESS" and "carton" in json.dumps(read["document"])
    assert [task["name"] for task in read["tasks"]] == ["chat.classify", "chat.answer"]
    assert read["links"] == job["links"] and read == gateway.get(f"/v1/jobs/{job['id']}").json


def test_shorthands_are_named_by_the_pipelines(chard, gateway, database):
    with chard.worker():
        made = [gateway.post("/v1/chat", CHAT), gateway.post("/v1/scan", CHAT | {"image_url": jobs.PICTURE})]
        assert [(one.status, one.json["pipeline"]) for one in made] == [(202, "chat"), (202, "scan")]
        assert set(jobs.ended(database, [one.json["id"] for one in made]).values()) == {"SUCCESS"}
    missing = gateway.post("/v1/profiles", {})
    assert (missing.status, missing.json["code"]) == (422, "bad_input")
    assert gateway.post("/v1/my", {}).status == 404


def test_waiting_for_a_job_that_was_opened_again_ends_with_its_time(chard, gateway, database):
    id = gateway.submit()
    with chard.worker():
        jobs.ended(database, [id])
    database.run("update chard.job set state = 'STARTED' where root_id = %s", id)
    assert gateway.get(f"/v1/jobs/{id}?wait=1", timeout=15).json["state"] == "STARTED"


def test_lists_go_on_where_a_page_ended(chard, gateway, database):
    ids = [gateway.submit(user_id=f"u{n % 2}") for n in range(6)]
    with chard.worker():
        jobs.ended(database, ids)
    found, cursor = [], ""
    while cursor is not None:
        page = gateway.get(f"/v1/jobs?pipeline=chat&state=SUCCESS&user=u1&limit=2{'&cursor=' + cursor if cursor else ''}").json
        found, cursor = found + [job["id"] for job in page["jobs"]], page["cursor"]
    assert sorted(found) == sorted(ids[1::2])
    assert gateway.get("/v1/jobs?since=2999-01-01T00:00:00Z").json["jobs"] == []


def test_a_cancelled_job_never_runs(chard, gateway, database):
    id = gateway.submit()
    gone = gateway.ask("DELETE", f"/v1/jobs/{id}")
    assert (gone.status, gone.json["state"]) == (200, "REVOKED")
    other = gateway.submit()
    with chard.worker():
        jobs.ended(database, [other])
        assert gateway.get(f"/v1/jobs/{id}?wait=20").json["state"] == "REVOKED"
    assert jobs.outbox(database, id) == []


def test_a_wait_ends_with_its_time_and_with_the_server(gateway, wait_until):
    assert gateway.get("/v1/jobs/none?wait=1").status == 404
    with concurrent.futures.ThreadPoolExecutor() as pool:
        waiting = pool.submit(gateway.get, "/v1/jobs/none?wait=60")
        wait_until(lambda: waiting.running())
        assert gateway.get("/healthz").status == 200  # the other request is there by now, or its connection is
        gateway.terminate()
        try:
            assert waiting.result(20).status == 404
        except ConnectionError:
            pass  # it came after the end


PROBLEMS = {  # request -> status, code
    "no JSON": (("POST", "/v1/jobs", b"{"), 400, "bad_json"),
    "no object": (("POST", "/v1/jobs", []), 422, "bad_request"),
    "another member": (("POST", "/v1/jobs", {"pipeline": "chat", "input": {}, "more": 1}), 422, "bad_request"),
    "no such pipeline": (("POST", "/v1/jobs", {"pipeline": "chart", "input": {}}), 422, "no_pipeline"),
    "bad input": (("POST", "/v1/jobs", {"pipeline": "chat", "input": {"text": 1}}), 422, "bad_input"),
    "shorthand without object": (("POST", "/v1/chat", "text"), 422, "bad_request"),
    "no such path": (("GET", "/v2/jobs"), 404, "not_found"),
    "no such method": (("PUT", "/v1/jobs", {}), 405, "bad_method"),
    "no such parameter": (("GET", "/v1/jobs?limt=1"), 400, "bad_parameter"),
    "out of range": (("GET", "/v1/jobs?limit=0"), 400, "bad_parameter"),
    "no time": (("GET", "/v1/jobs?since=yesterday"), 400, "bad_parameter"),
    "no cursor": (("GET", "/v1/jobs?cursor=%20x"), 400, "bad_cursor"),
    "twice": (("GET", "/v1/jobs?limit=1&limit=2"), 400, "bad_target"),
    "no job": (("GET", "/v1/jobs/none"), 404, "no_job"),
}


def test_what_is_refused_says_why(gateway):
    for name, (request, status, code) in PROBLEMS.items():
        done = gateway.ask(*request)
        assert (done.status, done.json["code"]) == (status, code), name
        assert done.headers["Content-Type"] == "application/problem+json", name
        assert done.json["status"] == status and done.json["title"] and done.json["detail"], name
    assert gateway.ask("PUT", "/v1/jobs", {}).headers["Allow"] == "POST, GET"


def test_probes_and_the_access_log(chard, tmp_path, place):
    chard.prepare()
    log = tmp_path / "access.log"
    with Gateway(chard, "--access-log", log) as gateway:
        assert gateway.get("/healthz").json == {"status": "alive"}
        ready = gateway.get("/readyz")
        assert (ready.status, ready.json["status"]) == (200, "ready")
        gateway.get("/v1/jobs/%0a")
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    lines = [line for line in lines if line["target"] != "/readyz"] + [line for line in lines if line["target"] == "/readyz"][:1]
    assert [(line["method"], line["target"], line["status"], line.get("code")) for line in lines] == [
        ("GET", "/healthz", 200, None), ("GET", "/v1/jobs/%0a", 400, "bad_target"), ("GET", "/readyz", 200, None)]
    assert all(line["peer"] == "127.0.0.1" and line["bytes"] > 0 for line in lines)
