# SPDX-License-Identifier: Apache-2.0
"""Whatever comes in: a dead letter that says what was wrong, and the worker goes on."""

import base64
import gzip
import json
import uuid

import pytest
from conftest import fresh_place
from support import jobs
from support.place import PLACES, FileBroker, everywhere
from support.program import ROOT, Chard
from support.queues import Queues
from support.store import Backend


def message(args=(), kwargs=None, embed=None):
    return json.dumps([list(args), kwargs or {}, embed]).encode()


def headers(task="scan.vision", **more):
    task_id = str(uuid.uuid4())
    return {"lang": "py", "task": task, "id": task_id, "root_id": task_id, "parent_id": None, "retries": 0} | more


SCAN = {"user_id": "u1", "image_url": jobs.PICTURE}
DOCUMENT = {"job": {"id": "j", "pipeline": "scan", "user_id": "u1", "lang": "en"}, "input": SCAN}

# queue, headers, body, properties, the error code, a word of the message
CASES = {
    "not JSON": ("scan.vision", headers(), b"{{{", {}, "bad_body", "JSON"),
    "empty body": ("scan.vision", headers(), b"", {}, "bad_body", ""),
    "no array": ("scan.vision", headers(), b"{}", {}, "bad_body", ""),
    "args is no array": ("scan.vision", headers(), b'["x", {}, {}]', {}, "bad_body", "args"),
    "kwargs is no object": ("scan.vision", headers(), b"[[], [], {}]", {}, "bad_body", "kwargs"),
    "not UTF-8": ("scan.vision", headers(), b'[[], {"text": "\xff\xfe"}, {}]', {}, "bad_body", ""),
    "no task header": ("scan.vision", {"id": "x"}, message(), {}, "not_a_task", ""),
    "no headers": ("scan.vision", {}, message(), {}, "not_a_task", ""),
    "unknown task": ("scan.vision", headers("scan.visoin"), message(kwargs=SCAN), {}, "unknown_task", "scan.visoin"),
    "pickle": ("scan.vision", headers(), b"\x80\x04.", {"content_type": "application/x-python-serialize"}, "bad_content_type", "json"),
    "unknown compression": ("scan.vision", headers(compression="application/x-brotli"), b"x", {}, "bad_compression", ""),
    "broken gzip": ("scan.vision", headers(compression="application/x-gzip"), b"\x1f\x8bnope", {}, "bad_compression", ""),
    "gzip bomb": ("scan.vision", headers(compression="application/x-gzip"), gzip.compress(b" " * (64 << 20)), {}, "body_too_large", ""),
    "deep JSON": ("scan.vision", headers(), b"[" * 100000 + b"]" * 100000, {}, "bad_body", "deep"),
    "wrong type": ("scan.vision", headers(), message(kwargs=SCAN | {"image_url": 7}), {}, None, "image_url"),
    "missing argument": ("scan.vision", headers(), message(kwargs={"user_id": "u1"}), {}, None, "image_url"),
    "unknown argument": ("scan.vision", headers(), message(kwargs=SCAN | {"image_ulr": "x"}), {}, None, "image_ulr"),
    "file URL": ("scan.vision", headers(), message(kwargs=SCAN | {"image_url": "file:///etc/passwd"}), {}, "bad_image_url", ""),
    "javascript URL": ("scan.vision", headers(), message(kwargs=SCAN | {"image_url": "javascript:alert(1)"}), {}, "bad_image_url", ""),
    "document without its section": ("scan.answer", headers("scan.answer"), message([DOCUMENT]), {}, "missing_section", "classification"),
    "document that is a list": ("scan.answer", headers("scan.answer"), message([[1, 2]]), {}, "bad_document", ""),
    "NUL in a text": ("chat.classify", headers("chat.classify"), message(kwargs={"user_id": "u1", "text": "a\0b"}), {}, None, ""),
    "bad eta": ("scan.vision", headers(eta="tomorrow"), message(kwargs=SCAN), {}, "bad_header", "eta"),
    "chain of nonsense": ("scan.vision", headers(), message(kwargs=SCAN, embed={"chain": [17]}), {}, "bad_signature", ""),
    "chain to nowhere": ("scan.vision", headers(), message(kwargs=SCAN, embed={"chain": [
        {"task": "no.such.task", "args": [], "kwargs": {}, "options": {}}]}), {}, "unroutable", "no.such.task"),
}


@pytest.fixture(scope="module", params=PLACES)
def standing(request, tmp_path_factory):
    """One worker that meets all of these, and must go on."""
    with fresh_place(request, request.param, tmp_path_factory.mktemp("standing")) as settings:
        chard = Chard(ROOT / "build/asan/chard", settings | {"CHARD_AI_PROVIDER": "offline"}).prepare()
        url = settings["CHARD_BROKER_URL"]
        queues = FileBroker(url.removeprefix("embedded:")) if request.param == "file" else Queues(url)
        with chard.worker() as worker:
            yield chard, Backend(settings["CHARD_STORE_URL"]).database, queues, worker


@pytest.mark.parametrize("name", CASES)
def test_becomes_a_dead_letter(standing, wait_until, name):
    chard, database, queues, worker = standing
    queue, head, body, properties, code, word = CASES[name]
    queues.publish(queue, queue, body, head, **properties)
    wait_until(lambda: queues.depth(f"{queue}.dead") == 1)
    (letter,) = queues.take(f"{queue}.dead")
    wait_until(lambda: queues.depth(queue) == 0)
    good = jobs.submit(chard, "chat", user_id="u1", text="a milk carton", lang="en")
    assert jobs.ended(database, [good]) == {good: "SUCCESS"}
    assert worker.running()
    record = letter.headers
    assert (letter.body or b"") == body, "the body must be as it came"
    assert {"errorSource", "errorCode", "errorMessage", "timestamp", "attempts"} <= set(record)
    assert all(record[key] == value for key, value in head.items()), "the headers must be as they came"
    assert word.lower() in record["errorMessage"].lower()
    if code:
        assert record["errorCode"] == code
    if head.get("task", "").startswith(("scan.v", "scan.a", "chat")) and head["task"] != "scan.visoin" and "root_id" in head:
        assert database.value("select state from chard.job where root_id = %s", head["root_id"]) == "FAILURE"


@everywhere
def test_a_task_with_a_bug_comes_to_an_end(chard, database, queues, wait_until):
    """Its function answers with an error code, each time: that is a failed attempt, as any other."""
    chard.prepare()
    queues.publish("chard.tasks", "chard.tasks", message(kwargs={"broken": True}),
                   {"lang": "py", "task": "chard.fail", "id": "buggy", "root_id": "buggy", "retries": 0})
    with chard.worker(queues="chard.tasks"):
        wait_until(lambda: queues.depth("chard.tasks.dead") == 1, 40)
    (letter,) = queues.take("chard.tasks.dead")
    assert (letter.headers["errorCode"], letter.headers["attempts"]) == ("broken", 4)
    row = database.row("select state, starts, attempts from chard.task where id = 'buggy'")
    assert (row["state"], row["starts"], row["attempts"]) == ("FAILURE", 4, 4)


@everywhere
def test_a_body_of_20_megabytes(chard, database, queues, wait_until):
    body = message(kwargs=SCAN | {"text": "x" * (20 << 20)})
    chard.prepare()
    with chard.worker():
        queues.publish("scan.vision", "scan.vision", body, headers())
        wait_until(lambda: queues.depth("scan.vision.dead") == 1, 60)
        good = jobs.submit(chard, "chat", user_id="u1", text="a milk carton", lang="en")
        assert jobs.ended(database, [good]) == {good: "SUCCESS"}
    (letter,) = queues.take("scan.vision.dead")
    assert letter.headers["errorCode"] == "body_too_large" and len(letter.body) == len(body)


def test_a_real_picture_of_some_megabytes(chard, database, provider, reply):
    """A data: URL goes to the provider whole, and does not travel on."""
    picture = "data:image/png;base64," + base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(6 << 20)).decode()
    provider.behave = lambda request: reply.completion(jobs.BOTTLE if request.number == 1 else jobs.ADVICE)
    chard.settings |= provider.settings()
    chard.prepare()
    with chard.worker():
        (job_id,) = jobs.submit_many(chard, "scan", [{"user_id": "u1", "image_url": picture, "lang": "en"}])
        assert jobs.ended(database, [job_id]) == {job_id: "SUCCESS"}
    assert picture in json.dumps(provider.requests[0].json)
    assert len(provider.requests[1].body) < 100_000
    assert database.value("select length(document::text) from chard.job") < 10_000


def test_a_compressed_message_of_the_real_client(chard, database):
    from celery import Celery
    chard.prepare()
    app = Celery(broker=chard.settings["CHARD_BROKER_URL"])
    with chard.worker():
        sent = app.send_task("chat.classify", kwargs={"user_id": "u1", "text": "a milk carton", "lang": "en"}, compression="gzip",
                             headers={"x-tenant": "t1"}, exchange="chat.commands", routing_key="chat.classify")
        assert jobs.ended(database, [sent.id]) == {sent.id: "SUCCESS"}
