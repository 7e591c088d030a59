# SPDX-License-Identifier: Apache-2.0
"""The HTTP gateway: many jobs in one request, any task, and what it says of itself; jobs while the broker is away; a gateway that is killed."""

import concurrent.futures
import json
import time

import pytest
from support import jobs
from support.gateway import Gateway, send_many
from support.place import everywhere

CHAT = {"user_id": "u1", "lang": "en", "text": "Where does a milk carton go?"}


@pytest.fixture
def gateway(chard):
    chard.prepare()
    with Gateway(chard) as one:
        yield one


def lines(*values):
    return "".join((value if isinstance(value, str) else json.dumps(value)) + "\n" for value in values).encode()


@everywhere
def test_a_line_a_job_and_an_answer_a_line(chard, gateway, database):
    good = [{"pipeline": "chat", "input": CHAT}] * 200
    body = lines(*good[:100], "{", {"pipeline": "chart", "input": {}}, "", *good[100:])
    done = gateway.post("/v1/jobs:batch", body, headers={"Content-Type": "application/jsonl"})
    answers = [json.loads(line) for line in done.body.splitlines()]
    assert done.status == 200 and len(answers) == 202
    assert [answer["status"] for answer in answers] == [202] * 100 + [400, 422] + [202] * 100
    ids = [answer["id"] for answer in answers if answer["status"] == 202]
    assert len(set(ids)) == 200
    waiting = gateway.get(f"/v1/jobs/{ids[-1]}").json
    assert (waiting["pipeline"], waiting["state"]) == ("chat", "PENDING")
    with chard.worker():
        assert set(jobs.ended(database, ids).values()) == {"SUCCESS"}
    for body in b"", b"\n\n", b"{}\n" * 10001:
        assert gateway.post("/v1/jobs:batch", body, headers={"Content-Type": "application/jsonl"}).status in (413, 422)


@everywhere
def test_any_task_is_sent(chard, gateway, database):
    done = gateway.post("/v1/tasks", {"name": "chat.classify", "kwargs": CHAT, "id": "my/own id", "priority": 3})
    assert done.status == 202 and done.json["id"] == "my/own id" and done.headers["Location"] == "/v1/jobs/my%2Fown%20id"
    later = gateway.post("/v1/tasks", {"name": "chat.classify", "kwargs": CHAT, "countdown": 0.5}).json["id"]
    with chard.worker():
        assert gateway.get(f"{done.headers['Location']}?wait=30").json["id"] == "my/own id"
        assert gateway.get(f"/v1/jobs/{later}?wait=30").json["state"] == "SUCCESS"


def test_what_is_no_task_is_refused(gateway):
    for body, code in (({}, "bad_request"), ({"name": "x", "arg": []}, "bad_request"), ({"name": "x", "args": {}}, "bad_request"),
                       ({"name": ""}, "bad_task"), ({"name": "x" * 300}, "bad_task"), ({"name": "x", "priority": 256}, "bad_request"),
                       ({"name": "x", "eta": "soon"}, "bad_request"), ({"name": "x", "eta": "2030-01-01", "countdown": 1}, "bad_request"),
                       ({"name": "x", "countdown": -1}, "bad_request"),
                       ({"name": "x", "priority": -1}, "bad_request"), ({"name": "x", "priority": 2**32 + 1}, "bad_request"), ([], "bad_request")):
        done = gateway.post("/v1/tasks", body)
        assert (done.status, done.json["code"]) == (422, code), body
    nowhere = gateway.post("/v1/tasks", {"name": "no.such.task"})
    assert (nowhere.status, nowhere.json["code"]) in ((422, "returned"), (422, "refused")) and "Retry-After" not in nowhere.headers


def test_it_describes_itself(gateway):
    described = gateway.get("/openapi.json").json
    assert described["openapi"] == "3.1.0"
    paths = {(method, path) for path, methods in described["paths"].items() for method in methods}
    assert {("post", "/v1/jobs"), ("get", "/v1/jobs/{id}"), ("delete", "/v1/jobs/{id}"), ("get", "/v1/jobs/{id}/events"),
            ("post", "/v1/profiles"), ("post", "/v1/chat"), ("post", "/v1/tasks"), ("get", "/readyz")} <= paths
    chat = described["paths"]["/v1/chat"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert set(chat["required"]) == {"text", "user_id"}
    assert all("431" in operation["responses"] for methods in described["paths"].values() for operation in methods.values())
    assert chat["additionalProperties"] is False and "en" in chat["properties"]["lang"]["enum"]


def test_jobs_are_safe_while_the_broker_is_away(chard, private_rabbitmq, database, wait_until):
    rabbitmq = private_rabbitmq()
    chard.settings |= {"CHARD_BROKER_URL": rabbitmq.url, "CHARD_HEARTBEAT_S": "1"}
    chard.prepare()
    with Gateway(chard) as gateway:
        rabbitmq.kill()
        wait_until(lambda: gateway.get("/readyz").json["status"] == "degraded", 30)
        with concurrent.futures.ThreadPoolExecutor() as pool:
            ids = list(pool.map(lambda n: gateway.submit(text=f"a milk carton {n}"), range(20)))
        assert database.value("select count(*) from chard.scheduled where reason = 'enqueue'") == 20
        begun = time.monotonic()
        assert gateway.ask("DELETE", f"/v1/jobs/{gateway.submit()}").json["state"] == "REVOKED"
        assert time.monotonic() - begun < 10
        rabbitmq.start()
        wait_until(lambda: gateway.get("/readyz").json["status"] == "ready", 60)
        chard.prepare()
        with chard.worker():
            assert set(jobs.ended(database, ids).values()) == {"SUCCESS"}


def test_what_nobody_can_keep_is_refused_at_once(chard, private_rabbitmq, private_postgres, wait_until):
    rabbitmq, postgres = private_rabbitmq(), private_postgres()
    chard.settings |= {"CHARD_BROKER_URL": rabbitmq.url, "CHARD_STORE_URL": postgres.url, "CHARD_HEARTBEAT_S": "1"}
    chard.prepare()
    with Gateway(chard) as gateway:
        rabbitmq.kill()
        postgres.kill()
        wait_until(lambda: gateway.get("/readyz").status == 503, 30)
        done = gateway.post("/v1/chat", CHAT, timeout=10)
        assert (done.status, done.json["code"]) == (503, "away") and done.headers["Retry-After"]


@everywhere
def test_no_accepted_job_is_lost_when_the_gateway_is_killed(chard, database):
    chard.prepare()
    gateway = Gateway(chard)
    accepted = send_many(gateway, lambda n: gateway.submit(text=f"a milk carton {n}"), range(300), kill_at=100)
    assert 100 <= len(accepted) < 300
    with chard.worker():
        assert set(jobs.ended(database, accepted.values()).values()) == {"SUCCESS"}
