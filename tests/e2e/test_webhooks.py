# SPDX-License-Identifier: Apache-2.0
"""The end of a job told to a URL: signed, told again until it is taken, never to a private address unless that is allowed."""

import base64
import datetime
import hashlib
import hmac
import http.server
import json
import threading
import uuid

from support.gateway import Gateway
from support.place import everywhere
from test_dlq import keeping

KEYS = [bytes(range(32)), bytes(range(32, 64))]
SECRETS = " ".join("whsec_" + base64.b64encode(key).decode() for key in KEYS)
ALLOWED = {"webhook_secret": SECRETS, "webhook_private": "yes"}


class Hook:
    """Records what is posted. Answers with these statuses, then with 200; None: not at all until `go` is set."""

    def __init__(self, *statuses):
        statuses, self.posts, self.go = list(statuses), [], threading.Event()
        hook = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status = statuses.pop(0) if statuses else 200
                hook.posts.append((self.path, self.headers, body))
                if status is None:
                    hook.go.wait(60)
                    return
                self.send_response(status)
                self.send_header("Content-Length", "0")
                if 300 <= status < 400:
                    self.send_header("Location", hook.url("elsewhere"))
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def url(self, path, host="127.0.0.1"):
        return f"http://{host}:{self.server.server_port}/{path}"

    def of(self, path):
        return [(headers, body) for at, headers, body in self.posts if at == f"/{path}"]


def verified(headers, body):
    """As Standard Webhooks has it, by each secret."""
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    assert headers["webhook-signature"].split(" ") == ["v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode() for key in KEYS]
    assert abs(int(headers["webhook-timestamp"]) - datetime.datetime.now().timestamp()) < 300
    assert headers["Content-Type"] == "application/json"
    return json.loads(body)


def listed(chard, *which):
    return json.loads(chard.run("webhook", "ls", *which, "--json", check=0).stdout)


def hurry(database):
    """What is to be told later is told now."""
    database.run("update chard.webhook set due_at = %s where state = 'owed'", datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=1))


def ended(database, url, state="SUCCESS", job=None):
    """A job that has ended, and who is to hear of it."""
    job, now = job or str(uuid.uuid4()), datetime.datetime.now(datetime.timezone.utc)
    database.run("insert into chard.job (root_id, pipeline, state, created_at, updated_at, finished_at) values (%s, 'chat', %s, %s, %s, %s)", job, state, now, now, now)
    database.run("insert into chard.webhook (id, job_id, url, created_at) values (%s, %s, %s, %s)", str(uuid.uuid4()), job, url, now)
    return job


@everywhere
def test_the_end_of_a_job_is_told(chard, database, wait_until):
    chard.prepare()
    hook, job = Hook(), {"pipeline": "chat", "input": {"user_id": "u1", "lang": "en", "text": "Where does a milk carton go?"}}
    with Gateway(chard, **ALLOWED) as gateway, keeping(chard, **ALLOWED):
        cancelled = gateway.post("/v1/jobs", job | {"webhook": hook.url("cancelled")}).json["id"]
        assert gateway.ask("DELETE", f"/v1/jobs/{cancelled}").status == 200
        again = {"headers": {"Idempotency-Key": "k"}}
        one = [gateway.post("/v1/jobs", job | {"result_url": hook.url("one")}, **again) for _ in range(2)]
        assert {done.status for done in one} == {202} and len({done.json["id"] for done in one}) == 1
        lines = [job | {"webhook": hook.url("many/%d" % i)} for i in range(3)] + [job | {"webhook": "nowhere"}, job]
        many = gateway.post("/v1/jobs:batch", "\n".join(map(json.dumps, lines)).encode(), headers={"Content-Type": "application/jsonl"})
        many = [json.loads(line) for line in many.body.splitlines()]
        assert [line["status"] for line in many] == [202, 202, 202, 422, 202] and many[3]["code"] == "bad_webhook"
        assert gateway.post("/v1/chat", job["input"] | {"webhook": hook.url("short")}).status == 202
        task = {"name": "chat.classify", "kwargs": job["input"], "result_url": hook.url("task")}
        assert gateway.post("/v1/tasks", task).status == 202
        nobody = [gateway.post("/v1/tasks", task | {"name": name}) for name in ("celery.backend_cleanup", "somebody.elses")]
        nobody.append(gateway.post("/v1/tasks", task | {"id": cancelled}))  # the end of a job that may be somebody else's
        assert [(done.status, done.json["code"]) for done in nobody] == [(422, "bad_webhook")] * 3
        assert {row["state"] for row in listed(chard)} <= {"waiting", "owed", "delivered"} and len(listed(chard)) == 7
        with chard.worker():
            wait_until(lambda: len(hook.posts) == 7)
        wait_until(lambda: len(listed(chard, "delivered")) == 7)
    told = {path: verified(headers, body) for path, headers, body in hook.posts}
    assert told["/cancelled"]["type"] == "job.cancelled" and told["/cancelled"]["data"]["id"] == cancelled
    assert told["/one"]["type"] == "job.succeeded" and told["/one"]["data"]["document"]["answer"] and told["/one"]["data"]["state"] == "SUCCESS"
    assert [told[f"/many/{i}"]["data"]["id"] for i in range(3)] == [line["id"] for line in many[:3]]
    assert told["/short"]["data"]["pipeline"] == "chat" and told["/task"]["type"] == "job.succeeded"
    assert len({headers["webhook-id"] for _, headers, _ in hook.posts}) == 7


@everywhere
def test_it_is_told_until_it_is_taken(chard, database, wait_until):
    """Refusals, a redirection, a keeper that is killed before it has the answer; who wants to hear no more; a job that ends a second time; and by hand."""
    chard.prepare()
    hook, gone, slow = Hook(500, 302), Hook(410), Hook(None)
    job = ended(database, hook.url("x"), "FAILURE")
    with keeping(chard, **ALLOWED):
        for count in 1, 2, 3:
            wait_until(lambda count=count: len(hook.posts) == count and (count == 3 or [row["status"] for row in listed(chard, job)] == [(500, 302)[count - 1]]))
            if count < 3:
                hurry(database)  # not what is under way: it would be told once more
        wait_until(lambda: [row["state"] for row in listed(chard, job)] == ["delivered"])
        assert len({(headers["webhook-id"], body) for _, headers, body in hook.posts}) == 1 and verified(*hook.of("x")[2])["type"] == "job.failed"
        # sent on by an operator, it ends once more
        later = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=1)
        database.run("update chard.job set state = 'SUCCESS', finished_at = %s where root_id = %s", later, job)
        wait_until(lambda: len(hook.posts) == 4)
        first, second = (hook.posts[i][1]["webhook-id"] for i in (0, 3))
        assert second == first + "_1" and verified(*hook.of("x")[3])["type"] == "job.succeeded"
        wait_until(lambda: listed(chard, job)[0]["state"] == "delivered")
        assert job in chard.run("webhook", "resend", job, check=0).stdout
        wait_until(lambda: len(hook.posts) == 5 and listed(chard, job)[0]["state"] == "delivered")
        assert hook.posts[4][1]["webhook-id"] == second and hook.posts[4][2] == hook.posts[3][2]
        # nobody there wants to hear of it
        other = ended(database, gone.url("x"))
        wait_until(lambda: [row["state"] for row in listed(chard, other)] == ["given_up"])
        assert "given_up" in chard.run("webhook", "ls", check=0).stdout and chard.run("webhook", "resend", "nothing").returncode == 1
    brief = ALLOWED | {"duties_lease_s": 1}
    killed = chard.with_settings(**brief).start("keep", "-n", "k1")
    last = ended(database, slow.url("x"))
    wait_until(lambda: slow.posts)
    killed.kill()
    killed.wait()
    hurry(database)
    with keeping(chard, "k2", **brief):
        wait_until(lambda: [row["state"] for row in listed(chard, last)] == ["delivered"])
    slow.go.set()
    assert len({(headers["webhook-id"], body) for _, headers, body in slow.posts}) == 1 and len(gone.posts) == 1


@everywhere
def test_private_addresses_are_refused(chard, database, wait_until):
    """Those that are written so when the job is submitted; what a name leads to when it is connected to."""
    chard.prepare()
    hook, body = Hook(), {"pipeline": "chat", "input": {"user_id": "u1", "lang": "en", "text": "a milk carton"}}
    with Gateway(chard, webhook_secret=SECRETS) as gateway:
        for url in hook.url("x"), "https://127.0.0.1/", "https://[::ffff:10.0.0.1]/", "https://localhost/", "https://u:p@example.com/", "x", 1, None, ["https://example.com"]:
            done = gateway.post("/v1/jobs", body | {"webhook": url})
            assert (done.status, done.json["code"]) == (422, "bad_webhook"), url
        assert gateway.post("/v1/jobs", body | {"webhook": "https://example.com", "result_url": "https://example.com"}).json["code"] == "bad_webhook"
    with Gateway(chard) as gateway:
        assert "CHARD_WEBHOOK_SECRET" in gateway.post("/v1/jobs", body | {"webhook": "https://example.com/"}).json["detail"]
    jobs = [ended(database, hook.url("x", host)) for host in ("127.0.0.1", "localhost", "2130706433", "0x7f.1")]
    with keeping(chard, webhook_secret=SECRETS) as keeper:
        wait_until(lambda: all("private network" in row["why"] for row in listed(chard)), 30)
    assert sorted(row["job"] for row in listed(chard)) == sorted(jobs)
    assert not hook.posts and SECRETS.split()[0][6:] not in keeper.stderr
    for bad in "whsec_AAAA", KEYS[0].hex():
        refused = chard.with_settings(webhook_secret=bad).run("keep")
        assert refused.returncode == 2 and bad not in refused.stderr and "CHARD_WEBHOOK_SECRET" in refused.stderr
