# SPDX-License-Identifier: Apache-2.0
"""Clients of the gateway that mean no good, or break: what they send costs nothing but their own connection."""

import contextlib
import re
import socket
import time

import pytest
from support.gateway import Gateway


@pytest.fixture
def place():
    return "file"  # nothing here gets as far as broker or store


@pytest.fixture
def gateway(chard):
    chard.prepare()
    with Gateway(chard) as one:
        yield one


BODY = b'{"pipeline":"chat","input":{"user_id":"u","lang":"en","text":"x"}}'
NEXT = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"


def post(*headers, body=BODY, host=b"localhost"):
    lines = [b"POST /v1/jobs HTTP/1.1", b"Host: " + host, b"Content-Type: application/json", *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


LENGTH = b"Content-Length: %d" % len(BODY)
SMUGGLED = {  # requests whose end two servers may see at different places: one refusal, and nothing of what follows is answered
    "both": post(LENGTH, b"Transfer-Encoding: chunked", body=b"0\r\n\r\n"),
    "two lengths": post(LENGTH, b"Content-Length: 0"),
    "the same length twice": post(LENGTH, LENGTH),
    "a list of lengths": post(b"Content-Length: 0, %d" % len(BODY)),
    "a signed length": post(b"Content-Length: +%d" % len(BODY)),
    "hexadecimal": post(b"Content-Length: 0x10"),
    "a space before the colon": post(b"Content-Length : %d" % len(BODY)),
    "an unknown coding": post(b"Transfer-Encoding: gzip, chunked", body=b"0\r\n\r\n"),
    "a coding in disguise": post(b"Transfer-Encoding: xchunked", body=b"0\r\n\r\n"),
    "two hosts": post(LENGTH, b"Host: other"),
}


@pytest.mark.parametrize("how", SMUGGLED)
def test_nothing_is_smuggled(gateway, how):
    got = gateway.raw(SMUGGLED[how] + NEXT, end=False, timeout=10, closes=True)  # all of it is here
    statuses = set(re.findall(rb"^HTTP/1\.1 (\d+)", got, re.M))  # (libmicrohttpd 0.9 writes the head of its own refusals twice)
    assert statuses == {b"400"} and b"alive" not in got, got


STRANGE = {  # one request -> its status
    "another's name": (b"GET /healthz HTTP/1.1\r\nHost: evil.example\r\n\r\n", 421),
    "another's page": (b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nOrigin: http://evil.example\r\n\r\n", 403),
    "no page": (b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nOrigin: null\r\n\r\n", 403),
    "no host": (b"GET /healthz HTTP/1.1\r\n\r\n", 400),
    "a space": (b"GET /healthz /x HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
    "dots": (b"GET /v1/jobs/../../etc/passwd HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
    "escaped dots": (b"GET /v1/jobs/%2e%2e HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
    "a NUL": (b"GET /v1/jobs/%00 HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
    "no escape": (b"GET /v1/jobs/%zz HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
    "no UTF-8": (b"GET /v1/jobs/%ff HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
    "a whole URL": (b"GET http://localhost/healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
    "a form": (b"POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}", 415),
    "a compressed body": (post(LENGTH, b"Content-Encoding: gzip"), 415),
    "a body where none is taken": (b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}", 400),
    "too large a body": (post(b"Content-Length: 99999999999", body=b""), 413),
    "deep JSON": (post(b"Content-Length: 1000", body=b"[" * 1000), 400),
    "a large header": (b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 100000 + b"\r\n\r\n", 431),
    "a long target": (b"GET /" + b"x" * 100000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 414),
    "no HTTP": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", None),
}


def test_strange_requests_are_refused(gateway):
    for name, (data, status) in STRANGE.items():
        statuses = gateway.statuses(data.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1), end=False, timeout=10, closes=True)
        assert statuses == [status] or (not statuses and status in (None, 431, 414)), (name, statuses)
    assert gateway.get("/healthz").status == 200


def test_every_head_up_to_the_limit_has_an_answer(gateway):
    for line, counts in (b"x", range(14000, 18000, 250)), (b"a:b\r\n", range(100, 280, 10)):
        seen = set()
        for count in counts:
            filling = line * count if b":" in line else b"X: " + line * count + b"\r\n"
            statuses = gateway.statuses(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" + filling + b"\r\n", end=False, timeout=10)
            assert len(set(statuses)) == 1, (line, count, statuses)
            seen |= set(statuses)
        assert seen == {200, 431}, line


def test_who_leaves_while_waiting_is_let_go(chard, tmp_path, wait_until):
    chard.prepare()
    log = tmp_path / "access.log"
    with Gateway(chard, "--access-log", log) as gateway:
        with socket.create_connection(("127.0.0.1", gateway.port)) as link:
            link.sendall(b"GET /v1/jobs/none?wait=60 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        wait_until(lambda: "wait=60" in log.read_text(), 10, "it is let go")


def test_names_that_are_ours_are_answered(chard):
    chard.prepare()
    with Gateway(chard, "--gateway-hosts", "api.example.com, *.inside.example") as gateway:
        for host, status in (("api.example.com", 200), ("API.example.com:8780", 200), ("a.inside.example", 200), ("inside.example", 421),
                             ("127.0.0.1:9", 200), ("[::1]:9", 200), ("localhost", 200), ("example.com", 421), ("localhost.evil.example", 421)):
            assert gateway.get("/healthz", headers={"Host": host}).status == status, host
        assert gateway.get("/healthz", headers={"Host": "api.example.com", "Origin": "https://api.example.com"}).status == 200


def test_a_body_that_grows_beyond_its_limit_ends(chard):
    chard.prepare()
    with Gateway(chard, max_body_bytes=4096) as gateway:
        head = post(b"Transfer-Encoding: chunked", body=b"")
        assert gateway.statuses(head + (b"1000\r\n" + b" " * 4096 + b"\r\n") * 2 + b"0\r\n\r\n", timeout=5) == [413]
        endless = head + (b"1000\r\n" + b" " * 4096 + b"\r\n") * 40
        with contextlib.suppress(ConnectionError):
            assert gateway.statuses(endless, end=False, timeout=5) == []
        assert gateway.get("/healthz").status == 200


def test_idle_connections_make_room_for_others(chard, wait_until):
    chard.prepare()
    with Gateway(chard, "--gateway-connections", 32) as gateway, contextlib.ExitStack() as stack:
        idle = [stack.enter_context(socket.create_connection(("127.0.0.1", gateway.port))) for _ in range(200)]
        for link in idle[::2]:
            with contextlib.suppress(ConnectionError):
                link.sendall(b"GET /healthz HTTP/1.1\r\nX: ")  # and no more
        begun = time.monotonic()
        assert gateway.get("/healthz").status == 200
        assert time.monotonic() - begun < 5
        assert wait_until(lambda: gateway.get("/healthz").status == 200)


def test_pages_of_other_origins_are_let_in_by_name(chard):
    """A browser asks first, and is told to whom the answer may be shown; nobody else is answered."""
    chard.prepare()
    app = "https://app.example.com"
    with Gateway(chard, "--gateway-origins", f"https://other.example, {app}") as gateway:
        asks = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,idempotency-key"}
        before = gateway.ask("OPTIONS", "/v1/jobs", headers={"Origin": app} | asks)
        assert (before.status, before.body, before.headers["Access-Control-Allow-Methods"]) == (204, b"", "POST, GET")
        assert {"Authorization", "Content-Type", "Idempotency-Key", "Last-Event-ID"} <= set(before.headers["Access-Control-Allow-Headers"].split(", "))
        done = [before, gateway.post("/v1/chat", {"text": 1}, headers={"Origin": app}), gateway.get("/healthz", headers={"Origin": app}),
                gateway.get("/v1/nothing", headers={"Origin": app})]
        assert [one.status for one in done] == [204, 422, 200, 404]
        assert all((one.headers["Access-Control-Allow-Origin"], one.headers["Vary"]) == (app, "Origin") for one in done)
        for origin in "https://evil.example", "http://app.example.com", "https://app.example.com.evil", "null":
            refused = [gateway.get("/healthz", headers={"Origin": origin}), gateway.ask("OPTIONS", "/v1/jobs", headers={"Origin": origin} | asks)]
            assert [one.json["code"] for one in refused] == ["bad_origin", "bad_method"], origin
            assert not any("Access-Control-Allow-Origin" in one.headers for one in refused), origin
        own = gateway.get("/healthz", headers={"Origin": f"http://127.0.0.1:{gateway.port}"})
        assert own.status == 200 and "Access-Control-Allow-Origin" not in own.headers
        assert gateway.ask("OPTIONS", "/v1/jobs", headers={"Origin": app}).status == 405
        assert gateway.ask("OPTIONS", "/v1/nothing", headers={"Origin": app} | asks).status == 404


def test_it_listens_for_others_only_with_keys(chard):
    chard.prepare()
    for address in "0.0.0.0:0", "[::]:0", ":0":
        done = chard.run("gateway", "--listen", address)
        assert done.returncode == 2 and "chard key add" in done.stderr, address
    assert chard.run("gateway", "--listen", "nowhere").returncode == 2


def test_a_port_in_use_is_said(chard, gateway):
    done = chard.run("gateway", "--listen", f"127.0.0.1:{gateway.port}")
    assert done.returncode != 0 and "in use" in done.stderr
