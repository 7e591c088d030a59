# SPDX-License-Identifier: Apache-2.0
"""Pictures that are sent to the gateway: freed of what they tell besides themselves, kept once, named by messages, given to the model."""

import base64
import datetime
import hashlib
import json

import pytest
from support import jobs
from support.gateway import Gateway
from support.place import everywhere
from test_dlq import keeping

PLACE = b"\xff\xe1\x00\x38Exif\0\0MM\0*\0\0\0\x08\0\2\x01\x12\0\3\0\0\0\1\0\1\0\0\x88\x25\0\4\0\0\0\1\0\0\0\x26\0\0\0\0N37-E127--"
BARE = b"\xff\xd8\xff\xc0\x00\x03f\xff\xda\x00\x03s" + bytes(range(255)) * 20 + b"\xff\xd9"
PHOTO = BARE[:2] + PLACE + BARE[2:]
URL = "blob:sha256:" + hashlib.sha256(BARE).hexdigest()
HEIC = b"\0\0\0\x18ftypheic" + bytes(64)
FIELDS = {"user_id": "u1", "lang": "en", "text": "a water bottle"}


def form(*files, boundary="one", **fields):
    """As curl -F sends it: what posts it."""
    parts = [f'Content-Disposition: form-data; name="{name}"\r\n\r\n{value}'.encode() for name, value in fields.items()]
    parts += [f'Content-Disposition: form-data; name="{name}"; filename="photo.jpg"\r\nContent-Type: image/jpeg\r\n\r\n'.encode() + content for name, content in files]
    body = b"".join(b"--%s\r\n%s\r\n" % (boundary.encode(), part) for part in parts) + b"--%s--\r\n" % boundary.encode()
    return body, {"Content-Type": f"multipart/form-data; boundary={boundary}"}


def post(gateway, path, body, headers):
    return gateway.post(path, body, headers=headers)


def blobs(database):
    return {row["digest"]: row["size"] for row in database.rows("select digest, size from chard.blob")}


@everywhere
def test_a_picture_from_its_upload_to_the_model(chard, database, provider, reply):
    chard.settings |= provider.settings()
    chard.prepare()
    provider.behave = lambda request: reply.completion(jobs.BOTTLE if b"image_url" in request.body else jobs.ADVICE)
    with Gateway(chard) as gateway:
        kept = post(gateway, "/v1/blobs", PHOTO, {"Content-Type": "image/jpeg"})
        assert (kept.status, kept.json) == (201, {"url": URL, "type": "image/jpeg", "size": len(BARE)})
        assert post(gateway, "/v1/blobs", *form(("file", PHOTO))).json == kept.json
        named = gateway.post("/v1/scan", FIELDS | {"image_url": URL})
        tries = [form(("image_url", PHOTO), boundary=boundary, **FIELDS) for boundary in ("one", "another")]
        sent = [post(gateway, "/v1/scan", body, headers | {"Idempotency-Key": "k"}) for body, headers in tries]
        assert [done.status for done in (named, *sent)] == [202] * 3 and sent[0].json["id"] == sent[1].json["id"]
        assert blobs(database) == {URL[12:]: len(BARE)}
        with chard.worker():
            for done in named, sent[0]:
                job = gateway.get(f"/v1/jobs/{done.json['id']}?wait=60").json
                assert job["state"] == "SUCCESS" and job["document"]["input"]["image_url"] == URL
    seen = [part["image_url"]["url"] for request in provider.requests for turn in request.json["messages"] if isinstance(turn["content"], list)
            for part in turn["content"] if part["type"] == "image_url"]
    assert seen == ["data:image/jpeg;base64," + base64.b64encode(BARE).decode()] * 2


@everywhere
def test_a_picture_that_is_gone_ends_its_job(chard, database, provider):
    chard.settings |= provider.settings()
    chard.prepare()
    with Gateway(chard) as gateway:
        unknown = gateway.post("/v1/scan", FIELDS | {"image_url": "blob:sha256:" + "0" * 64})
        none = gateway.post("/v1/jobs", {"pipeline": "scan", "input": FIELDS | {"image_url": "blob:sha256:0"}})
        assert [(done.status, done.json.get("code")) for done in (unknown, none)] == [(422, "no_blob"), (422, "bad_input")]
        id = post(gateway, "/v1/scan", *form(("image_url", PHOTO), **FIELDS)).json["id"]
        database.run("delete from chard.blob")
        with chard.worker():
            job = gateway.get(f"/v1/jobs/{id}?wait=60").json
        assert (job["state"], job["error"]["code"]) == ("FAILURE", "no_blob") and job["tasks"][0]["attempts"] <= 1, job
    assert provider.count == 0


def test_a_task_that_is_revoked_while_its_picture_is_read_is_not_called(chard, database, provider, wait_until):
    chard.settings |= provider.settings()
    chard.prepare()
    with Gateway(chard) as gateway:
        id = post(gateway, "/v1/scan", *form(("image_url", PHOTO), **FIELDS)).json["id"]
        with database.connect(autocommit=False) as other:
            other.execute("lock table chard.blob in access exclusive mode")
            with chard.worker() as worker:
                wait_until(lambda: database.value("select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'") > 0)
                assert gateway.ask("DELETE", f"/v1/jobs/{id}").status == 200
                worker.wait_log("revoked: ")
                other.rollback()
                worker.wait_log(f"task={id} .*is revoked")
    assert provider.count == 0
    assert database.rows("select state from chard.job where root_id = %s", id) == [{"state": "REVOKED"}]


@everywhere
def test_pictures_that_nobody_uses_are_forgotten(chard, database, wait_until):
    chard.prepare()
    with Gateway(chard) as gateway:
        urls = [post(gateway, "/v1/blobs", BARE[:-2] + bytes([n]) + b"\xff\xd9", {"Content-Type": "application/octet-stream"}).json["url"] for n in range(3)]
        old = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(hours=2)
        database.run("update chard.blob set used_at = %s", old)
        assert gateway.post("/v1/scan", FIELDS | {"image_url": urls[1]}).status == 202  # used again
        assert post(gateway, "/v1/blobs", BARE[:-2] + bytes([2]) + b"\xff\xd9", {"Content-Type": "image/jpeg"}).json["url"] == urls[2]
        with keeping(chard, blob_keep_s=3600):
            wait_until(lambda: urls[0][12:] not in blobs(database))
        assert set(blobs(database)) == {url[12:] for url in urls[1:]}


REFUSED = {  # what is posted -> status, code
    "a HEIC picture": (("/v1/blobs", HEIC, {"Content-Type": "image/heic"}), 415, "bad_type"),
    "one that lies": (("/v1/blobs", b"%PDF-1.7", {"Content-Type": "image/jpeg"}), 415, "bad_type"),
    "one in a form": (("/v1/scan", *form(("image_url", HEIC), **FIELDS)), 415, "bad_type"),
    "half a picture": (("/v1/blobs", PHOTO[:-100], {"Content-Type": "image/jpeg"}), 422, "bad_picture"),
    "no picture": (("/v1/blobs", b"", {"Content-Type": "image/jpeg"}), 415, "bad_type"),
    "another body": (("/v1/blobs", b"{}", {"Content-Type": "application/json"}), 415, "bad_type"),
    "too large": (("/v1/blobs", BARE[:-2] + bytes(8192) + b"\xff\xd9", {"Content-Type": "image/jpeg"}), 413, "too_large"),
    "far too large": (("/v1/blobs", bytes(100000), {"Content-Type": "image/jpeg"}), 413, "too_large"),
    "half a form": (("/v1/scan", form(("image_url", PHOTO), **FIELDS)[0][:-10], form()[1]), 400, "bad_form"),
    "a form of other boundaries": (("/v1/scan", form(("image_url", PHOTO), **FIELDS)[0], form(boundary="two")[1]), 400, "bad_form"),
    "a form without boundaries": (("/v1/scan", b"x", {"Content-Type": "multipart/form-data"}), 400, "bad_form"),
    "a file for a text": (("/v1/scan", *form(("text", PHOTO), ("image_url", PHOTO), user_id="u")), 400, "bad_form"),
    "two files for one": (("/v1/scan", *form(("image_url", PHOTO), ("image_url", BARE), **FIELDS)), 400, "bad_form"),
    "a text that is none": (("/v1/scan", form(("image_url", PHOTO), **FIELDS)[0].replace(b"water", b"\xff\xff"), form()[1]), 400, "bad_form"),
    "two files": (("/v1/blobs", *form(("a", PHOTO), ("b", BARE))), 400, "bad_form"),
    "a form where none is taken": (("/v1/chat", *form(**FIELDS)), 415, "bad_type"),
    "a misspelt key": (("/v1/scan", *form(("image_url", BARE), users="u1")), 422, "bad_input"),
}


@pytest.mark.parametrize("place", ["file"])
def test_what_is_no_picture_is_refused(chard, database, place):
    chard.prepare()
    with Gateway(chard, upload_max_bytes=8192, max_body_bytes=16384) as gateway:
        for name, ((path, body, headers), status, code) in REFUSED.items():
            done = post(gateway, path, body, headers)
            assert (done.status, done.json["code"]) == (status, code), (name, done.body)
        assert "JPEG" in post(gateway, *REFUSED["a HEIC picture"][0]).json["detail"]
        assert set(blobs(database)) <= {URL[12:]}  # of the form whose key was misspelt
        described = gateway.get("/openapi.json").json, gateway.get("/openapi-3.2.json").json
        assert [one["openapi"] for one in described] == ["3.1.0", "3.2.0"]
        for one in described:
            content = one["paths"]["/v1/scan"]["post"]["requestBody"]["content"]
            assert content["multipart/form-data"]["schema"]["properties"]["image_url"]["contentMediaType"] == "image/*"
            assert {"image/*", "multipart/form-data"} < set(one["paths"]["/v1/blobs"]["post"]["requestBody"]["content"])
        stream = [one["paths"]["/v1/jobs/{id}/events"]["get"]["responses"]["200"]["content"]["text/event-stream"] for one in described]
        assert stream == [{"schema": {}}, {"itemSchema": {"$ref": "#/components/schemas/Event"}}]
        assert json.dumps(described[0]).count("itemSchema") == 0


@pytest.mark.parametrize("place", ["file"])
def test_the_limit_of_pictures_is_none_of_json(chard, database, place):
    """A route that takes pictures takes as much JSON as any other, and no more."""
    chard.prepare()
    with Gateway(chard, max_body_bytes=4096, upload_max_bytes=65536) as gateway:
        large = gateway.post("/v1/scan", FIELDS | {"image_url": "https://example.com/a.jpg", "text": "x" * 20000})
        assert (large.status, large.json["code"]) == (413, "too_large")
        picture = BARE[:-2] + bytes(20000) + b"\xff\xd9"
        assert post(gateway, "/v1/scan", *form(("image_url", picture), **FIELDS)).status == 202
