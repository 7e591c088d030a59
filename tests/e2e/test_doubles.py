# SPDX-License-Identifier: Apache-2.0
"""What other tests rely on does what it says: the provider double, the breakable link, aimock."""

import contextlib
import http.client
import json
import socket
import threading
import time

import pytest

SCHEMA = {"type": "object", "additionalProperties": False, "required": ["kind", "notes", "sure", "count"], "properties": {
    "kind": {"type": "string", "enum": ["glass", "can"]},
    "notes": {"type": "array", "items": {"$ref": "#/$defs/note"}},
    "sure": {"type": "boolean"},
    "count": {"type": ["integer", "null"]}},
    "$defs": {"note": {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}}}


def ask(port, body=None, path="/v1/chat/completions", key="sk-test-key", timeout=10):
    """Status, headers and JSON of one request."""
    body = body or {"model": "m", "messages": [{"role": "user", "content": "hello"}]}
    link = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        link.request("POST", path, json.dumps(body), {"Content-Type": "application/json",
                                                      "Authorization": f"Bearer {key}"})
        answer = link.getresponse()
        text = answer.read()
        return answer.status, dict(answer.getheaders()), json.loads(text) if text else None
    finally:
        link.close()


def content(answer):
    return answer[2]["choices"][0]["message"]["content"]


def test_provider_answers_what_the_schema_asks_for(provider):
    body = {"model": "m", "messages": [], "response_format": {
        "type": "json_schema", "json_schema": {"name": "x", "strict": True, "schema": SCHEMA}}}
    answer = json.loads(content(ask(provider.port, body)))
    assert answer == {"kind": "glass", "notes": [{"text": "an answer"}], "sure": True, "count": 1}
    assert provider.requests[0].json["model"] == "m"
    assert provider.requests[0].headers["authorization"] == "Bearer sk-test-key"


def test_provider_follows_its_script_and_counts(provider, reply):
    provider.behave = reply.sequence(reply.rate_limited(retry_after=2), reply.failure(500), reply.Reply("{broken"),
                                     reply.completion("fine"))
    status, headers, body = ask(provider.port)
    assert (status, headers["Retry-After"], body["error"]["code"]) == (429, "2", "rate_limit_exceeded")
    assert ask(provider.port)[0] == 500
    with pytest.raises(json.JSONDecodeError):
        ask(provider.port)
    assert content(ask(provider.port)) == "fine"
    assert provider.count == 4
    assert dict(provider.statuses) == {429: 1, 500: 1, 200: 2}
    assert list(provider.bodies.values()) == [4]


def test_provider_can_be_late_hang_and_break_off(provider, reply):
    provider.behave = reply.sequence(reply.completion("late", delay=0.3), reply.hanging(),
                                     reply.completion("cut", cut=40))
    start = time.monotonic()
    assert content(ask(provider.port)) == "late"
    assert time.monotonic() - start >= 0.3
    with pytest.raises(TimeoutError):
        ask(provider.port, timeout=0.3)
    with pytest.raises((http.client.HTTPException, OSError)):
        ask(provider.port)


def test_provider_holds_thousands_of_calls_at_once(provider, reply, wait_until):
    provider.behave = reply.always(reply.hanging())
    provider.keep = False
    request = b"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}"
    links = []
    for _ in range(5000):
        links.append(socket.create_connection(("127.0.0.1", provider.port)))
        links[-1].sendall(request)
    wait_until(lambda: provider.in_flight == 5000)
    for link in links:
        link.close()
    wait_until(lambda: provider.in_flight == 0)
    assert provider.most_in_flight == 5000


@pytest.fixture
def echo():
    """A server that sends back what it gets; its port."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve(link):
        with contextlib.suppress(OSError):
            while data := link.recv(65536):
                link.sendall(data)

    def accept():
        while True:
            try:
                link = listener.accept()[0]
            except OSError:
                return
            threading.Thread(target=serve, args=(link,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    yield listener.getsockname()[1]
    listener.close()


def open_link(port):
    link = socket.create_connection(("127.0.0.1", port), 5)
    link.settimeout(5)
    return link


def echoes(link, text=b"hello"):
    link.sendall(text)
    return link.recv(100) == text


def has_ended(link):
    """Closed or reset by the other end, whichever of the two a client comes to see."""
    try:
        link.sendall(b"anybody?")
        return link.recv(100) == b""
    except ConnectionError:
        return True


def test_a_link_can_be_cut_and_refused(toxic, echo):
    between = toxic(echo)
    link = open_link(between.port)
    assert echoes(link)
    between.cut()
    with pytest.raises(ConnectionResetError):
        echoes(link)
    assert echoes(open_link(between.port))
    between.refuse()
    with pytest.raises(ConnectionRefusedError):
        open_link(between.port)
    between.heal()
    assert echoes(open_link(between.port))


def fallen_silent(toxic, echo, fault):
    """A link through a toxic one, which that fault has silenced while it was open and something was sent over it."""
    between = toxic(echo)
    link = open_link(between.port)
    assert echoes(link)
    getattr(between, fault)()
    link.settimeout(0.3)
    with pytest.raises(TimeoutError):
        echoes(link, b"lost?")
    link.settimeout(5)
    return between, link


def test_a_half_open_link_is_silent_and_closes_nothing(toxic, echo):
    between, link = fallen_silent(toxic, echo, "half_open")
    new = open_link(between.port)
    new.settimeout(0.3)
    with pytest.raises(TimeoutError):
        echoes(new)
    between.heal()
    assert link.recv(100) == b"lost?"


def test_a_link_can_be_mute(toxic, echo):
    """What is sent arrives: the answer to it comes once the link is healed."""
    between, link = fallen_silent(toxic, echo, "mute")
    between.heal()
    assert link.recv(100) == b"lost?"
    assert echoes(link)


def test_an_abandoned_link_is_silent_until_it_is_healed(toxic, echo):
    between, link = fallen_silent(toxic, echo, "abandon")
    assert echoes(open_link(between.port)), "a new one passes"
    between.heal()
    assert has_ended(link)


def test_a_link_can_be_slow(toxic, echo):
    between = toxic(echo)
    between.delay(0.2)
    link = open_link(between.port)
    start = time.monotonic()
    assert echoes(link)
    assert 0.4 <= time.monotonic() - start < 2


def test_a_link_rewrites_urls(toxic, echo):
    between = toxic(echo)
    assert between.url("amqp://u:p@127.0.0.1:1/v%2F") == f"amqp://u:p@127.0.0.1:{between.port}/v%2F"
    assert between.url("http://127.0.0.1:1/v1") == f"http://127.0.0.1:{between.port}/v1"


def test_aimock_answers_and_keeps_a_journal(aimock):
    mock = aimock([{"match": {"userMessage": "hello"}, "response": {"content": "hi there"}}])
    assert content(ask(mock.port, key=mock.key)) == "hi there"
    assert ask(mock.port, key="sk-wrong")[0] == 401
    mock.add({"match": {"userMessage": "busy"}, "response": {
        "error": {"message": "slow down", "type": "requests", "code": "rate_limit_exceeded"}, "status": 429}})
    busy = {"model": "m", "messages": [{"role": "user", "content": "busy"}]}
    assert ask(mock.port, busy, key=mock.key)[0] == 429
    statuses = [entry["response"]["status"] for entry in mock.journal()]
    assert statuses.count(200) == 1 and statuses.count(429) == 1
