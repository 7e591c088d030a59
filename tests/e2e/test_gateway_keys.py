# SPDX-License-Identifier: Apache-2.0
"""Keys by which the gateway knows who asks: made, listed and revoked by `chard key`; what each may do, and how often."""

import datetime
import http.client
import json

import pytest
from support.gateway import Gateway
from support.place import everywhere

CHAT = {"user_id": "u1", "lang": "en", "text": "Where does a milk carton go?"}
EVERYBODY = "0.0.0.0:0"


def add(chard, name, *flags):
    return chard.run("key", "add", name, *flags, check=0).stdout.strip()


def bearer(key, **more):
    return {"headers": {"Authorization": f"Bearer {key}"} | more}


def listed(chard):
    return {row["name"]: row for row in json.loads(chard.run("key", "ls", "--json", check=0).stdout)}


@everywhere
def test_who_may_do_what(chard, database, tmp_path, wait_until):
    chard.prepare()
    refused = chard.run("gateway", "--listen", EVERYBODY)
    assert refused.returncode == 2 and "chard key add" in refused.stderr
    keys = {name: add(chard, name, "--scopes", name) for name in ("submit", "read", "operate", "admin")} | {"default": add(chard, "default")}
    rows = listed(chard)
    assert {name: row["scopes"] for name, row in rows.items()} == {name: name for name in list(keys)[:4]} | {"default": "submit,read"}
    kept = json.dumps(database.rows("select id, name, digest, scopes, rate from chard.api_key"))
    assert all(key.startswith(f"chard_{rows[name]['id']}_") and key.split("_")[2] not in kept for name, key in keys.items())
    log = tmp_path / "access.log"
    with Gateway(chard, "--access-log", log, listen=EVERYBODY) as gateway:
        # nobody, and those who are none
        for headers in {}, {"Authorization": "Basic x"}, bearer("nonsense")["headers"], bearer(keys["submit"][:-1] + "x")["headers"], \
                bearer(keys["submit"][:17] + keys["read"][17:])["headers"]:
            done = gateway.post("/v1/chat", CHAT, headers=headers)
            assert (done.status, done.json["code"]) == (401, "wrong_key" if headers else "no_key"), headers
            assert done.headers["WWW-Authenticate"].startswith("Bearer")
        for path in "/healthz", "/readyz", "/openapi.json":
            assert gateway.get(path).status == 200
        id = gateway.post("/v1/chat", CHAT, **bearer(keys["submit"])).json["id"]
        # method, target -> who may
        for method, target, may in (("POST", "/v1/chat", "submit"), ("GET", f"/v1/jobs/{id}", "read"), ("GET", "/v1/jobs", "read"), ("GET", "/metrics", "read"), ("GET", "/v1/workers", "read"), ("GET", "/v1/dead-letters", "read"),
                                    ("DELETE", f"/v1/jobs/{id}", "operate")):
            for name, key in keys.items():
                done = gateway.ask(method, target, CHAT if method == "POST" else None, **bearer(key))
                allowed = name in (may, "admin") or (name == "default" and may in ("submit", "read"))
                assert (done.status in (200, 202)) if allowed else (done.status, done.json["code"]) == (403, "no_scope"), (method, target, name, done.body)
                assert allowed or f'scope="{may}"' in done.headers["WWW-Authenticate"]
        steered = {name: gateway.post("/v1/dead-letters/actions/requeue", {"filter": {}}, **bearer(key)).status for name, key in keys.items()}
        assert steered == {"submit": 403, "read": 403, "operate": 200, "admin": 200, "default": 403}
        # each has Idempotency-Keys of its own
        mine = [gateway.post("/v1/chat", CHAT, **bearer(keys[name], **{"Idempotency-Key": "k"})).json["id"] for name in ("submit", "admin", "submit")]
        assert mine[0] == mine[2] != mine[1]
        # what was revoked is refused, whether by its name or its id; what is new is known
        chard.run("key", "revoke", "submit", check=0)
        chard.run("key", "revoke", rows["admin"]["id"], check=0)
        wait_until(lambda: [gateway.get("/v1/jobs", **bearer(keys[name])).status for name in ("submit", "admin", "read")] == [401, 401, 200])
        new = add(chard, "new")
        wait_until(lambda: gateway.get("/v1/jobs", **bearer(new)).status == 200)
    rows = listed(chard)
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert {line.get("key") for line in lines} == {None, *(row["id"] for row in rows.values())}
    assert not any(key.split("_")[2] in log.read_text() for key in keys.values())
    # that there were keys is not forgotten
    database.run("update chard.api_key set revoked_at = %s where revoked_at is null", datetime.datetime.now(datetime.timezone.utc))
    assert chard.run("gateway", "--listen", EVERYBODY).returncode == 2
    with Gateway(chard) as gateway:
        assert gateway.get("/v1/jobs").status == 401


@everywhere
def test_a_stream_ends_with_its_key(chard, database, wait_until):
    """Also one that was opened before there were keys; another's goes on. Who waits for a job's end under it is told, too."""
    chard.prepare()

    def listen(gateway, *key):
        connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=60)
        connection.request("GET", "/v1/jobs/some/events", **(bearer(*key) if key else {}))
        reply = connection.getresponse()
        assert reply.status == 200 and reply.readline().startswith(b"retry")
        return connection, reply

    with Gateway(chard) as gateway:
        nobody, one = listen(gateway), add(chard, "one")
        assert b"data" not in nobody[1].read()
        other = add(chard, "other")
        wait_until(lambda: gateway.get("/v1/jobs", **bearer(other)).status == 200)
        ended, goes_on = listen(gateway, one), listen(gateway, other)
        waiting = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=50)  # it would be answered after 60
        waiting.request("GET", "/v1/jobs/some?wait=60", **bearer(one))
        chard.run("key", "revoke", "one", check=0)
        assert b"data" not in ended[1].read()
        told = waiting.getresponse()
        assert (told.status, json.loads(told.read())["code"]) == (401, "wrong_key") and "invalid_token" in told.headers["WWW-Authenticate"]
        assert gateway.get("/v1/jobs/some/events", **bearer(one)).status == 401
        assert not goes_on[1].isclosed()
        for connection in nobody[0], ended[0], goes_on[0], waiting:
            connection.close()


def test_keys_behind_a_lock_are_those_that_were_known(chard, database, wait_until):
    chard.prepare()
    key = add(chard, "one")
    with Gateway(chard) as gateway:
        with database.connect(autocommit=False) as other:
            other.execute("lock table chard.api_key in access exclusive mode")
            wait_until(lambda: database.value("select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'") > 0)
            assert gateway.ask("POST", "/v1/chat", CHAT, **bearer(key)).status == 202
            assert gateway.ask("POST", "/v1/chat", CHAT).status == 401
            other.rollback()
        chard.run("key", "revoke", "one", check=0)
        wait_until(lambda: gateway.ask("POST", "/v1/chat", CHAT, **bearer(key)).status == 401)


def test_how_often_a_key_may_ask(chard):
    chard.prepare()
    keys = [add(chard, "three", "--rate", "3"), add(chard, "other", "--rate", "5"), add(chard, "any")]
    with Gateway(chard) as gateway:
        done = [gateway.get("/v1/jobs", **bearer(keys[0])) for _ in range(5)]
        assert [one.status for one in done] == [200, 200, 200, 429, 429]
        assert [one.headers["RateLimit-Policy"] for one in done] == ['"key";q=3;w=60'] * 5
        assert [one.headers["RateLimit"].split(";")[:2] for one in done] == [['"key"', f"r={left}"] for left in (2, 1, 0, 0, 0)]
        assert all(0 < int(one.headers["RateLimit"].split(";t=")[1]) <= 60 for one in done)
        assert done[3].json["code"] == "too_many" and 0 < int(done[3].headers["Retry-After"]) <= 60
        assert [gateway.get("/v1/jobs", **bearer(key)).status for key in keys[1:]] == [200, 200]
        assert "RateLimit" not in gateway.get("/v1/jobs", **bearer(keys[2])).headers
    assert chard.run("key", "revoke", "nobody").returncode == 1


@pytest.mark.parametrize("words, told", [
    (["add"], "one name"), (["add", ""], "name"), (["add", "x" * 101], "name"), (["add", "x", "--scopes", "write"], "submit"), (["add", "x", "--rate", "-1"], "--rate"),
    (["revoke"], "one name"), (["ls", "x"], "words"), (["make"], "add, ls and revoke"),
])
def test_a_mistake_is_named(chard_bare, words, told):
    done = chard_bare.run("key", *words)
    assert done.returncode == 2 and told in done.stderr, done.stderr
