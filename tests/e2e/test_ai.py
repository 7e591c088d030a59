# SPDX-License-Identifier: Apache-2.0
"""The AI client against endpoints: a Python double that can be made to fail in every way, aimock, and an HTTP/2
server. Driven by tests/e2e/drivers/ai_driver.c, which puts ai.h on a command line."""

import gzip
import json
import os
import pathlib
import queue
import re
import subprocess
import threading

import pytest

from certificates import make_certificates
from support.aimock import node
from support.http import Reply
from support.loop import LoopThread
from support.program import OPTIONS, ROOT, die_with_parent, no_report, plain_environment
from support.provider import Provider

DRIVERS = ROOT / "tests/e2e/drivers"
BINARY = os.environ.get("CHARD_TEST_AI_DRIVER") or ROOT / "build/asan/tests/e2e/drivers/ai_driver"
KEY = "sk-test-0123456789abcdefghij"
SCHEMA = {"type": "object", "properties": {"x": {"type": "integer"}}, "required": ["x"], "additionalProperties": False}
PLENTY = 20


class Driver:
    """`ask(text="…")` returns the answer; `send` and `answer` do the two halves."""

    def __init__(self, settings):
        self._process = subprocess.Popen([BINARY], env=plain_environment() | OPTIONS | settings, text=True,
                                         stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                         preexec_fn=die_with_parent)
        self.pid = self._process.pid
        self._arrived = queue.Queue()
        self._known = {}
        self._serial = 0
        self.out, self.log = [], []
        self._readers = [threading.Thread(target=read, daemon=True) for read in (self._read_out, self._read_log)]
        for reader in self._readers:
            reader.start()

    def send(self, do="ask", **command):
        self._serial += 1
        command = {"do": do, "id": str(self._serial), "schema": SCHEMA} | command
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()
        return command["id"]

    def answer(self, name, deadline=PLENTY):
        while name not in self._known:
            try:
                line = self._arrived.get(timeout=deadline)
            except queue.Empty:
                raise AssertionError(f"no answer to {name} within {deadline} s\n{''.join(self.log)}") from None
            assert line is not None, f"the driver ended: {self._process.wait()}\n{''.join(self.log)}"
            self._known[line.get("id")] = line
        return self._known.pop(name)

    def ask(self, deadline=PLENTY, **command):
        return self.answer(self.send(**command), deadline)

    def batch(self, count, deadline=60, **command):
        return self.ask(do="batch", count=count, deadline=deadline, **command)

    def paused(self, **command):
        return self.ask(do="paused", **command)["paused_ms"]

    def close(self):
        """With everything that is under way; nothing may be left open and nothing leaked."""
        if self._process.poll() is None:
            self._process.stdin.close()
        status = self._process.wait(20)
        for reader in self._readers:
            reader.join(10)
        log = "".join(self.log)
        no_report(log)
        assert status == 0, f"exit {status}\n{log[-4000:]}"
        assert KEY not in log + "".join(self.out) and "0123456789abc" not in log + "".join(self.out)

    def _read_out(self):
        for line in self._process.stdout:
            self.out.append(line)
            self._arrived.put(json.loads(line))
        self._arrived.put(None)

    def _read_log(self):
        self.log.extend(self._process.stderr)


@pytest.fixture
def driver():
    """Starts drivers: `chat = driver(provider, CHARD_AI_CONNECTIONS=2)`."""
    made = []

    def make(double=None, **settings):
        base = {} if double is None else double.settings(KEY)
        made.append(Driver({"CHARD_OPENAI_MODEL": "gpt-4o", "CHARD_OPENAI_VISION_MODEL": "gpt-5"} | base |
                           {name: str(value) for name, value in settings.items()}))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def chat(driver, provider):
    return driver(provider)


class Raw(Reply):
    """Bytes as they are, then the connection is closed."""

    def __init__(self, data):
        super().__init__(cut=len(data))
        self._data = data

    def encode(self):
        return self._data


def body_of(content='{"x":1}'):
    return json.dumps({"choices": [{"finish_reason": "stop", "message": {"content": content}}]}).encode()


def judged(answer):
    return answer["verdict"], answer["code"]


# --- the normal way -----------------------------------------------------------------------------------


def test_an_answer_comes_back(chat, provider, reply):
    provider.behave = reply.always(reply.completion({"x": 7}, prompt_tokens=1000, completion_tokens=10, model="gpt-4o-2024-08-06"))
    answer = chat.ask(text="what?", system="be short", image="https://example.org/a.jpg", max_tokens=50)
    assert judged(answer) == ("ok", "")
    assert answer["content"] == {"x": 7}
    assert answer["provider"] == "openai" and answer["model"] == "gpt-4o-2024-08-06"
    assert (answer["tokens_in"], answer["tokens_out"], answer["cost_nano"]) == (1000, 10, 1000 * 2500 + 10 * 10000)
    (request,) = provider.requests
    assert request.path == "/v1/chat/completions"
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert request.headers["content-type"] == "application/json"
    assert request.headers["user-agent"].startswith("chard/")
    assert "expect" not in request.headers
    assert request.json == {
        "model": "gpt-4o",
        "messages": [{"role": "system", "content": "be short"},
                     {"role": "user", "content": [{"type": "text", "text": "what?"},
                                                  {"type": "image_url", "image_url": {"url": "https://example.org/a.jpg"}}]}],
        "response_format": {"type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": SCHEMA}},
        "max_completion_tokens": 50}


@pytest.mark.parametrize("asked, sent", [(None, "gpt-4o"), ("vision", "gpt-5"), ("my-own", "my-own")])
def test_a_task_names_its_model(chat, provider, asked, sent):
    assert chat.ask(model=asked)["verdict"] == "ok"
    assert provider.requests[0].json["model"] == sent


@pytest.mark.parametrize("asked, verdict, paused", [(None, "wait", True), ("vision", "wait", True), ("my-own", "permanent", False)])
@pytest.mark.parametrize("status, code, message", [
    (404, "model_not_found", "The model does not exist"),
    (400, "unsupported_parameter", "Unsupported parameter: 'max_completion_tokens' is not supported with this model."),
])
def test_a_tasks_own_model_is_its_own_mistake(chat, provider, reply, asked, verdict, paused, status, code, message):
    """And nobody else waits for it; the model of the settings is everybody's."""
    provider.behave = lambda request: reply.failure(status, code, message) if request.number == 1 else reply.fitting(request)
    assert judged(chat.ask(model=asked)) == (verdict, code)
    assert (chat.paused(model=asked) > 0) == paused
    assert chat.ask(model="another")["verdict"] == "ok"


def test_a_large_image_goes_through(chat, provider):
    image = "data:image/png;base64," + "A" * (5 << 20)
    assert chat.ask(image=image, text="가나다 \"quoted\" \\ \n")["verdict"] == "ok"
    parts = provider.requests[0].json["messages"][0]["content"]
    assert parts[1]["image_url"]["url"] == image
    assert parts[0]["text"] == "가나다 \"quoted\" \\ \n"


def test_the_loop_is_never_held_up(driver, provider, reply):
    """Not by sending a thousand requests at once, nor by their answers."""
    provider.keep = False
    provider.behave = lambda request: reply.fitting(request, delay=1)
    result = driver(provider).batch(1000)
    assert result["verdicts"] == {"ok": 1000}
    assert result["longest_turn_ms"] < 1500  # under AddressSanitizer, on a machine that has other things to do


def test_connections_are_used_again(chat, provider):
    for _ in range(50):
        assert chat.ask()["verdict"] == "ok"
    assert provider.connections() == 1


def test_a_connection_that_was_closed_meanwhile_does_no_harm(chat, provider, wait_until):
    for _ in range(5):
        assert chat.ask()["verdict"] == "ok"
        provider.drop_connections()
        wait_until(lambda: provider.connections() == 0)
    assert provider.count == 5


def test_five_thousand_at_once(driver, provider, reply):
    provider.keep = False
    provider.behave = lambda request: reply.fitting(request, delay=8)  # the double takes a while to read 5,000
    chat = driver(provider)
    result = chat.batch(5000, deadline_ms=120000)
    assert result["verdicts"] == {"ok": 5000}
    assert provider.most_in_flight == 5000
    assert result["in_flight"] == 0


def test_without_a_key_none_is_sent(driver, provider):
    assert driver(provider, OPENAI_API_KEY="").ask()["verdict"] == "ok"
    assert "authorization" not in provider.requests[0].headers


def test_a_proxy_from_the_environment_is_used(driver, provider):
    chat = driver(provider, OPENAI_BASE_URL="http://api.example.org/v1", http_proxy=f"http://127.0.0.1:{provider.port}",
                  NO_PROXY="", no_proxy="")
    assert chat.ask()["verdict"] == "ok"
    assert provider.requests[0].path == "http://api.example.org/v1/chat/completions"


# --- what the provider says ----------------------------------------------------------------------------


def complaint(reply, status, code, type="error", **options):
    return reply.failure(status, code, type=type, **options)


@pytest.mark.parametrize("status, code, type, verdict", [
    (400, None, "invalid_request_error", ("permanent", "invalid_request_error")),
    (401, "invalid_api_key", "invalid_request_error", ("wait", "invalid_api_key")),
    (403, "unsupported_country_region_territory", "request_forbidden", ("wait", "unsupported_country_region_territory")),
    (404, "model_not_found", "invalid_request_error", ("wait", "model_not_found")),
    (408, None, "", ("transient", "http_408")),
    (409, None, "", ("transient", "http_409")),
    (429, "rate_limit_exceeded", "requests", ("wait", "rate_limit_exceeded")),
    (429, "insufficient_quota", "insufficient_quota", ("wait", "insufficient_quota")),
    (429, "credit_balance_exhausted", "insufficient_quota", ("wait", "credit_balance_exhausted")),
    (500, None, "server_error", ("transient", "server_error")),
    (502, None, "", ("transient", "http_502")),
    (503, "slow_down", "rate_limit_error", ("wait", "slow_down")),
    (503, "server_is_overloaded", "service_unavailable_error", ("transient", "server_is_overloaded")),
])
def test_errors_are_judged_by_status_and_code(chat, provider, reply, status, code, type, verdict):
    provider.behave = reply.always(complaint(reply, status, code, type))
    answer = chat.ask()
    assert judged(answer) == verdict
    assert answer["source"] == "provider" and answer["content"] is None
    assert answer["text"] == f"the provider answered {status}: scripted failure"


def test_the_key_is_not_repeated(chat, provider, reply):
    provider.behave = reply.always(reply.failure(
        401, "invalid_api_key", f"Incorrect API key provided: {KEY}. Or was it sk-test-*****ghij? You sent 'Bearer {KEY}'."))
    answer = chat.ask()
    assert judged(answer) == ("wait", "invalid_api_key")
    assert "***" in answer["text"] and KEY not in answer["text"] and "ghij" not in answer["text"]


def test_a_refusal_is_final(chat, provider, reply):
    provider.behave = reply.always(reply.completion(None, refusal="I can't help with that."))
    answer = chat.ask()
    assert judged(answer) == ("permanent", "refused")
    assert "I can't help" in answer["text"]


@pytest.mark.parametrize("finish, verdict", [("content_filter", ("permanent", "content_filter")),
                                             ("length", ("transient", "length"))])
def test_an_answer_cut_short_is_none(chat, provider, reply, finish, verdict):
    provider.behave = reply.always(reply.completion('{"x":', finish_reason=finish))
    assert judged(chat.ask()) == verdict


@pytest.mark.parametrize("content, code", [({"x": "one"}, "schema_mismatch"), ({}, "schema_mismatch"), ("{broken", "bad_json"),
                                           ({"x": 1, "y": 2}, "schema_mismatch"), ("", "empty"), (None, "no_content")])
def test_an_answer_that_breaks_its_schema_is_a_failed_attempt(chat, provider, reply, content, code):
    provider.behave = reply.always(reply.completion(content))
    answer = chat.ask()
    assert judged(answer) == ("transient", code)
    assert answer["tokens_in"] == 100  # paid all the same


# --- what the network does ------------------------------------------------------------------------------


def head(status="200 OK", version="HTTP/1.1", **headers):
    lines = [f"{version} {status}"] + [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


PACKED = gzip.compress(body_of(), mtime=0)


def packed(data, **headers):
    """An answer that was not asked for so (no Accept-Encoding goes out)."""
    if headers:
        return head(Content_Encoding="gzip", **headers) + b"%x\r\n%s\r\n0\r\n\r\n" % (len(data), data)
    return head(Content_Encoding="gzip", Content_Length=len(data)) + data


@pytest.mark.parametrize("data, verdict", [
    (head(version="HTTP/1.0") + body_of(), ("ok", "")),
    (head(Content_Length=len(body_of())) + body_of(), ("ok", "")),
    (head(Transfer_Encoding="chunked") + b"%x\r\n%s\r\n0\r\n\r\n" % (len(body_of()), body_of()), ("ok", "")),
    (b"HTTP/1.1 100 Continue\r\n\r\n" + head(Content_Length=len(body_of())) + body_of(), ("ok", "")),
    (head(Content_Length=len(body_of()) + 10) + body_of(), ("transient", "connection")),
    (head(Content_Length=len(body_of()) - 10) + body_of(), ("transient", "bad_json")),
    (head(Content_Length=100), ("transient", "connection")),
    (head(Transfer_Encoding="chunked") + b"ffff\r\n" + body_of(), ("transient", "connection")),
    (head(Content_Length=0), ("transient", "empty")),
    (b"", ("transient", "connection")),
    (b"HTTP/1.1 200", ("transient", "connection")),
    (b"SSH-2.0-OpenSSH_9.2\r\n", ("transient", "connection")),
    (b"\x00\xff" * 1000, ("transient", "connection")),
    (head(Content_Length=len(body_of('{"x": "\\ud800"}'))) + body_of('{"x": "\\ud800"}'), ("transient", "bad_json")),
    (head(Content_Length=4) + b"\xff\xfe{}", ("transient", "bad_json")),
    (packed(PACKED), ("ok", "")),
    (packed(PACKED, Transfer_Encoding="chunked"), ("ok", "")),
    (packed(PACKED[:-12]), ("transient", "bad_json")),
    (packed(PACKED[:12] + b"\xff" * 20 + PACKED[32:]), ("transient", "connection")),
    (packed(body_of()), ("transient", "connection")),
    (head(Content_Length=len(PACKED)) + PACKED, ("transient", "compressed")),
    (head(status="301 Moved", Location="http://127.0.0.1:1/", Content_Length=0), ("wait", "http_301")),
    (head(status="307 Temporary", Location="/v1/chat/completions", Content_Length=0), ("wait", "http_307")),
    (head(status="429 Slow", Content_Length=5) + b"<htm>", ("wait", "http_429")),
])
def test_whatever_comes_over_the_wire(chat, provider, reply, wait_until, data, verdict):
    provider.behave = reply.sequence(Raw(data))
    answer = chat.ask()
    assert judged(answer) == verdict
    assert provider.count == 1
    if verdict[0] != "wait":
        wait_until(lambda: provider.connections() == 0)  # or the next request may go into a connection that is about to close
        assert chat.ask()["verdict"] == "ok"


def test_a_reply_cut_in_the_middle(chat, provider, reply):
    provider.behave = reply.sequence(reply.completion({"x": 1}, cut=200))
    assert judged(chat.ask()) == ("transient", "connection")


def test_a_reply_of_nine_megabytes_is_refused(chat, provider, reply):
    huge, large = b" " * (9 << 20) + body_of(), b" " * (7 << 20) + body_of()
    provider.behave = reply.sequence(Raw(head(Content_Length=len(huge)) + huge), Raw(head(version="HTTP/1.0") + huge),
                                     Raw(head(Content_Length=len(large)) + large))
    for _ in range(2):
        answer = chat.ask()
        assert judged(answer) == ("transient", "reply_too_large") and "8 MiB" in answer["text"]
    assert chat.ask()["verdict"] == "ok"


def test_a_slow_answer_is_waited_for(chat, provider, reply):
    provider.behave = lambda request: reply.completion({"x": 1}, delay=0.8)
    answer = chat.ask(deadline_ms=10000)
    assert answer["verdict"] == "ok" and answer["elapsed_ms"] >= 780


def test_an_answer_that_never_comes_ends_at_the_deadline(chat, provider, reply):
    provider.behave = reply.always(reply.hanging())
    answer = chat.ask(deadline_ms=400)
    assert judged(answer) == ("transient", "timeout")
    assert 380 <= answer["elapsed_ms"] < 3000


def test_a_reply_that_trickles_ends_at_the_deadline_too(chat, provider, reply):
    provider.behave = reply.always(Reply(body_of(), delay=0.2, cut=None, hang=False, headers={"X": "y"}))
    assert chat.ask(deadline_ms=10000)["verdict"] == "ok"
    provider.behave = reply.always(Trickle(body_of()))
    assert judged(chat.ask(deadline_ms=600)) == ("transient", "timeout")


class Trickle(Reply):
    """Promises more than it sends, and keeps the connection open."""

    def encode(self):
        return head(Content_Length=len(self.body) + 1) + self.body


def test_nobody_listens(chat, provider):
    provider.stop()
    answer = chat.ask()
    assert judged(answer) == ("transient", "connection")
    provider.start()
    assert chat.ask()["verdict"] == "ok"


def test_a_name_that_does_not_exist(driver, provider):
    chat = driver(provider, OPENAI_BASE_URL="http://nowhere.invalid/v1", no_proxy="*")
    for _ in range(3):
        assert judged(chat.ask()) == ("transient", "connection")


def a_name_of_this_machine():
    """One that has to be looked up: /etc/hosts usually has the machine's own, at a loopback address."""
    for line in pathlib.Path("/etc/hosts").read_text().splitlines():
        address, *names = line.split("#")[0].split() or [""]
        if address == "127.0.0.1":
            yield from (name for name in names if not name.startswith("localhost"))


def test_a_name_is_not_looked_up_by_a_thousand_threads(driver, provider, reply):
    provider.behave = lambda request: reply.fitting(request, delay=2)
    name = next(a_name_of_this_machine(), "localhost")  # which curl knows by itself: no thread then, and all the same 1,000 calls
    chat = driver(provider, OPENAI_BASE_URL=f"http://{name}:{provider.port}/v1", no_proxy="*")
    batch, most = chat.send(do="batch", count=1000), 0
    while provider.count < 1000:
        most = max(most, len(list(pathlib.Path(f"/proc/{chat.pid}/task").iterdir())))
    assert chat.answer(batch)["verdicts"] == {"ok": 1000}
    assert most <= 1 + 16


def test_a_host_that_swallows_packets(driver, provider, toxic):
    link = toxic(provider.port)
    link.half_open()
    chat = driver(provider, OPENAI_BASE_URL=f"http://127.0.0.1:{link.port}/v1")
    assert judged(chat.ask(deadline_ms=500)) == ("transient", "timeout")


@pytest.fixture
def certificates(tmp_path):
    return make_certificates(tmp_path)


@pytest.fixture
def tls_provider(certificates):
    import ssl
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.certificate, certificates.key)
    loop = LoopThread()
    double = Provider(loop, tls=context)
    yield double
    double.stop()
    loop.close()


def test_tls_with_a_known_authority(driver, tls_provider, certificates):
    assert driver(tls_provider, SSL_CERT_FILE=certificates.authority).ask()["verdict"] == "ok"


def test_tls_with_an_unknown_authority_is_refused(driver, tls_provider):
    answer = driver(tls_provider).ask()
    assert judged(answer) == ("transient", "connection")
    assert "certificate" in answer["text"]
    assert tls_provider.count == 0


def test_tls_for_another_name_is_refused(driver, tls_provider, certificates):
    chat = driver(tls_provider, SSL_CERT_FILE=certificates.authority,
                  OPENAI_BASE_URL=f"https://127.0.0.2:{tls_provider.port}/v1")
    assert judged(chat.ask()) == ("transient", "connection")


# --- HTTP/2 ---------------------------------------------------------------------------------------------


class Http2Server:
    def __init__(self, *files):
        self._process = subprocess.Popen([node(), DRIVERS / "http2_server.mjs", *files], text=True,
                                         stdin=subprocess.PIPE, stdout=subprocess.PIPE, preexec_fn=die_with_parent)
        self.port = int(self._process.stdout.readline())

    def seen(self):
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def close(self):
        self._process.stdin.close()
        assert self._process.wait(10) == 0


def test_http2_without_tls(driver):
    """libcurl before 8.0 can't, and says so before it is too late."""
    server = Http2Server()
    settings = {"OPENAI_BASE_URL": f"http://127.0.0.1:{server.port}/v1", "CHARD_AI_HTTP2_PLAIN": "yes", "CHARD_AI_CONNECTIONS": "10"}
    version = re.search(r"libcurl (\d+)", subprocess.run(["curl", "--version"], capture_output=True, text=True).stdout.replace("/", " "))
    if int(version[1]) < 8:
        refused(settings, "needs libcurl 8.0")
    else:
        assert driver(**settings).batch(1000)["verdicts"] == {"ok": 1000}
        seen = server.seen()
        assert seen["requests"] == 1000 and seen["sessions"] <= 10 and seen["most_at_once"] > 500
    server.close()


def test_http2_where_tls_agrees_on_it(driver, certificates):
    server = Http2Server(certificates.key, certificates.certificate)
    chat = driver(OPENAI_BASE_URL=f"https://127.0.0.1:{server.port}/v1", SSL_CERT_FILE=certificates.authority)
    assert chat.ask()["verdict"] == "ok"
    assert chat.batch(1000)["verdicts"] == {"ok": 1000}
    # A hundred calls each, so ten are needed. While n of them are full, up to n more are made at once (ai/http/admission.c), of which not all
    # may be needed in the end: it doubles at most.
    seen = server.seen()
    assert seen["requests"] == 1001 and seen["sessions"] < 20
    server.close()


# --- pauses ---------------------------------------------------------------------------------------------


RESETS = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "3s",
          "x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "1m2s"}


@pytest.mark.parametrize("headers, least, most", [
    ({"Retry-After": "7"}, 7000, 7000),
    ({"retry-after-ms": "1500"}, 1500, 1500),
    ({"Retry-After": "Fri, 31 Dec 9999 23:59:59 GMT"}, 3600000, 3600000),
    ({"Retry-After": "Mon, 01 Jan 2001 00:00:00 GMT"}, 1000, 20000),
    ({"Retry-After": "-7"}, 1000, 20000),
    ({"Retry-After": "whenever"}, 1000, 20000),
    ({}, 1000, 20000),
    (RESETS, 62000, 62000),
    (RESETS | {"x-ratelimit-remaining-tokens": "12"}, 3000, 3000),
    (RESETS | {"Retry-After": "2"}, 2000, 2000),
])
def test_a_429_pauses_the_whole_model(chat, provider, reply, headers, least, most):
    provider.behave = reply.sequence(reply.rate_limited(headers=headers))
    answer = chat.ask()
    assert judged(answer) == ("wait", "rate_limit_exceeded")
    assert least <= answer["wait_ms"] <= most
    assert least - 2000 <= chat.paused() <= most
    again = chat.ask()
    assert judged(again) == ("wait", "paused") and 0 < again["wait_ms"] <= most
    assert provider.count == 1
    assert chat.paused(model="vision") == 0
    assert chat.ask(model="vision")["verdict"] == "ok"


def test_after_the_pause_it_goes_on(chat, provider, reply):
    provider.behave = reply.sequence(reply.rate_limited(headers={"retry-after-ms": "300"}))
    assert chat.ask()["wait_ms"] == 300
    result = chat.batch(200, patient=True)
    assert result["verdicts"]["ok"] == 200
    assert result["seconds"] >= 0.28


def test_thousands_that_waited_come_back_by_and_by(chat, provider, reply):
    """The provider is still limiting when the pause ends: it must not meet all of them at once."""
    provider.keep = False
    provider.behave = reply.sequence(*[reply.rate_limited(headers={"retry-after-ms": "500"})] * 40)
    result = chat.batch(3000, patient=True, window=3000)
    assert result["verdicts"]["ok"] == 3000
    assert provider.statuses[429] <= 40
    assert provider.count == 3000 + provider.statuses[429]


def test_a_herd_in_flight_counts_as_one_pause(chat, provider, reply):
    provider.behave = lambda request: reply.rate_limited(delay=0.3)
    result = chat.batch(500)
    assert result["verdicts"] == {"wait": 500}
    assert chat.paused() <= 2000  # the first of the growing lengths, not the fifth


# --- outages --------------------------------------------------------------------------------------------


def test_an_outage_opens_the_breaker_and_its_end_closes_it(chat, provider, reply):
    provider.keep = False
    provider.behave = reply.always(reply.failure(500))
    result = chat.batch(2000, window=50)
    assert result["verdicts"]["wait"] > 1900
    assert result["codes"]["server_error"] < 100
    assert judged(chat.ask()) == ("wait", "paused")
    provider.behave = reply.fitting
    result = chat.batch(2000, patient=True)
    assert result["verdicts"]["ok"] == 2000


def test_an_outage_with_thousands_in_flight(driver, provider, reply, wait_until):
    """They fail, the next ones are held back, little is sent meanwhile, and all succeed in the end."""
    provider.keep = False
    provider.behave = lambda request: reply.fitting(request, delay=30)
    chat = driver(provider)
    lost = chat.send(do="batch", count=5000, deadline_ms=60000)
    wait_until(lambda: provider.in_flight == 5000, 30)
    provider.stop()
    result = chat.answer(lost, 30)
    assert result["verdicts"] == {"transient": 5000}, "each may have been paid for, and is an attempt that is recorded"
    waiting = chat.send(do="batch", count=5000, patient=True)
    assert judged(chat.ask()) == ("wait", "paused")
    before = provider.count
    provider.behave = reply.fitting
    provider.start()
    result = chat.answer(waiting, 60)
    probes = result["verdicts"].get("transient", 0)  # those sent before its end to see whether it is over
    assert probes <= 5 and result["verdicts"]["ok"] == 5000 - probes
    assert provider.count - before == 5000 - probes


# --- room -----------------------------------------------------------------------------------------------


def test_no_more_connections_than_allowed(driver, provider, reply):
    provider.behave = lambda request: reply.fitting(request, delay=0.1)
    chat = driver(provider, CHARD_AI_CONNECTIONS=5)
    assert chat.batch(50)["verdicts"] == {"ok": 50}
    assert provider.most_in_flight == 5


def test_who_finds_no_room_is_told_to_come_again(driver, provider, reply):
    provider.behave = lambda request: reply.fitting(request, delay=3)
    chat = driver(provider, CHARD_AI_CONNECTIONS=1)
    first, second = chat.send(), chat.send(deadline_ms=800)
    answer = chat.answer(second)
    assert judged(answer) == ("wait", "no_room") and 1000 <= answer["wait_ms"] <= 2000
    assert 150 <= answer["elapsed_ms"] < 2000
    assert chat.answer(first)["verdict"] == "ok"
    assert chat.paused() == 0


def test_time_spent_waiting_for_room_is_no_time_out(driver, provider, reply):
    """Sixteen calls of 0.2 s over two connections, with deadlines of 8 s: all are answered."""
    provider.behave = lambda request: reply.fitting(request, delay=0.2)
    chat = driver(provider, CHARD_AI_CONNECTIONS=2)
    assert chat.batch(16, deadline_ms=8000)["verdicts"] == {"ok": 16}


# --- taking back ----------------------------------------------------------------------------------------


def test_a_call_can_be_taken_back(chat, provider, reply, wait_until):
    provider.behave = reply.sequence(reply.hanging())
    name = chat.send()
    wait_until(lambda: provider.count == 1)
    chat.send(do="cancel", id=name)
    assert chat.answer(name)["verdict"] == "cancelled"
    wait_until(lambda: provider.connections() == 0)
    assert chat.ask()["verdict"] == "ok"


def test_closing_takes_back_what_is_under_way(driver, provider, reply, wait_until):
    provider.behave = reply.always(reply.hanging())
    chat = driver(provider, CHARD_AI_CONNECTIONS=50)
    chat.send(do="batch", count=100)
    wait_until(lambda: provider.count == 50)
    chat.close()
    assert json.loads(chat.out[-1])["verdicts"] == {"cancelled": 100}


# --- offline, and settings ------------------------------------------------------------------------------


def test_offline_answers_without_any_endpoint(driver):
    chat = driver()
    answer = chat.ask(facts={"answer": {"x": 3}})
    assert judged(answer) == ("ok", "") and answer["content"] == {"x": 3}
    assert (answer["provider"], answer["model"], answer["cost_nano"]) == ("offline", "offline", 0)
    assert judged(chat.ask(facts={"answer": {"x": "no"}})) == ("permanent", "schema_mismatch")
    assert judged(chat.ask(facts={})) == ("permanent", "no_facts")


@pytest.mark.parametrize("settings, text", [
    ({"CHARD_AI_PROVIDER": "openai"}, "needs OPENAI_API_KEY"),
    ({"OPENAI_BASE_URL": "gopher://x"}, "no http or https URL"),
    ({"OPENAI_API_KEY": "two words"}, "OPENAI_API_KEY has a space"),
])
def test_a_wrong_setting_stops_the_start(settings, text):
    refused(settings, text)


def refused(settings, text):
    done = subprocess.run([BINARY], env=plain_environment() | OPTIONS | settings, stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=20)
    assert done.returncode == 2
    complaint = json.loads(done.stdout)
    assert (complaint["source"], complaint["code"]) == ("settings", "bad_setting") and text in complaint["text"]
    no_report(done.stderr)


# --- a judge that was not written here --------------------------------------------------------------------


def test_aimock_understands_and_is_understood(driver, aimock):
    mock = aimock([{"match": {"userMessage": "bottle"}, "response": {"content": '{"x": 12}'}},
                   {"match": {"userMessage": "limited"},
                    "response": {"error": {"message": "slow down", "type": "requests", "code": "rate_limit_exceeded"}, "status": 429}},
                   {"match": {"userMessage": "broke"},
                    "response": {"error": {"message": "pay", "type": "insufficient_quota", "code": "insufficient_quota"}, "status": 429}},
                   {"match": {"userMessage": "down"},
                    "response": {"error": {"message": "oops", "type": "server_error"}, "status": 500}}])
    chat = driver(**mock.settings())
    answer = chat.ask(text="a bottle", system="be short")
    assert judged(answer) == ("ok", "") and answer["content"] == {"x": 12}
    assert chat.ask(text="a bottle", image="https://example.org/a.jpg")["verdict"] == "ok"
    assert judged(chat.ask(text="down")) == ("transient", "server_error")
    assert judged(chat.ask(text="broke")) == ("wait", "insufficient_quota")
    chat = driver(**mock.settings())
    assert judged(chat.ask(text="limited")) == ("wait", "rate_limit_exceeded")
    paths = {entry["path"] for entry in mock.journal()}
    assert paths == {"/v1/chat/completions"}


def test_aimock_refuses_a_wrong_key(driver, aimock):
    mock = aimock([{"match": {}, "response": {"content": "{}"}}])
    answer = driver(**mock.settings() | {"OPENAI_API_KEY": KEY}).ask()
    assert answer["verdict"] == "wait"


def test_aimock_with_a_thousand_at_once(driver, aimock):
    mock = aimock([{"match": {}, "response": {"content": '{"x": 1}'}}])
    assert driver(**mock.settings()).batch(1000)["verdicts"] == {"ok": 1000}
