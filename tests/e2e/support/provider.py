# SPDX-License-Identifier: Apache-2.0
"""An OpenAI-compatible endpoint that a test scripts: what it answers, how late, and how wrongly.

    provider.behave = always(completion({"category": "glass"}))
    provider.behave = lambda request: rate_limited(retry_after=2) if request.number < 3 else fitting(request)

`behave` is called on the provider's thread with each request, in order of arrival, and gives the reply. By
default every request gets an answer that fits its JSON schema. What was asked is kept in `requests`.
"""

import asyncio
import collections
import json
import random
import resource

from .http import HttpProtocol, Reply, Request


# --- replies ------------------------------------------------------------------------------------------


def completion(content, *, prompt_tokens=100, completion_tokens=20, model="gpt-test", refusal=None,
               finish_reason="stop", **reply):
    """A chat completion. `content` is the assistant's text, or a value that becomes JSON text."""
    if content is not None and not isinstance(content, str):
        content = json.dumps(content, ensure_ascii=False)
    return Reply({
        "id": "chatcmpl-test", "object": "chat.completion", "created": 1700000000, "model": model,
        "choices": [{"index": 0, "finish_reason": finish_reason, "logprobs": None,
                     "message": {"role": "assistant", "content": content, "refusal": refusal}}],
        "usage": {"prompt_tokens": prompt_tokens, "completion_tokens": completion_tokens,
                  "total_tokens": prompt_tokens + completion_tokens},
    }, **reply)


def failure(status, code=None, message="scripted failure", type="server_error", **reply):
    """An error as the API words it."""
    return Reply({"error": {"message": message, "type": type, "param": None, "code": code}}, status=status, **reply)


def rate_limited(retry_after=None, code="rate_limit_exceeded", headers=None, **reply):
    headers = dict(headers or {})
    if retry_after is not None:
        headers["Retry-After"] = retry_after
    return failure(429, code, "Rate limit reached", "requests", headers=headers, **reply)


def hanging():
    return Reply(hang=True)


def fitting(request, **reply):
    """A completion whose JSON fits the schema that the request asks for; plain text if it asks for none."""
    wanted = request.json.get("response_format", {})
    if wanted.get("type") != "json_schema":
        return completion("an answer", **reply)
    schema = wanted["json_schema"]["schema"]
    return completion(example(schema, schema), model=request.json.get("model", ""), **reply)


def example(schema, root):
    """The plainest value that a JSON schema allows, of the keywords that structured outputs allow."""
    if "$ref" in schema:
        target = root
        for step in schema["$ref"].removeprefix("#/").split("/"):
            target = target[step]
        return example(target, root)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][0]
    if "anyOf" in schema:
        return example(schema["anyOf"][0], root)
    kind = schema.get("type", "object")
    kind = kind[0] if isinstance(kind, list) else kind
    if kind == "object":
        return {name: example(part, root) for name, part in schema.get("properties", {}).items()}
    if kind == "array":
        return [example(schema.get("items", {"type": "string"}), root)] * max(1, schema.get("minItems", 1))
    plain = {"string": "an answer", "boolean": True, "null": None}
    return plain[kind] if kind in plain else schema.get("minimum", 1)


# --- behaviours: what `provider.behave` may be ---------------------------------------------------------


def always(reply):
    return lambda _request: reply


def sequence(*behaviours, then=fitting):
    """The first for the first request, and so on; `then` for all after the last. Each a Reply or a callable."""
    left = collections.deque(behaviours)

    def behave(request):
        next_one = left.popleft() if left else then
        return next_one(request) if callable(next_one) else next_one

    return behave


def mixture(shares, then=fitting, seed=1):
    """[(0.10, rate_limited(1)), (0.05, failure(500))]: that share of the requests, drawn at random, gets that."""
    draw = random.Random(seed)

    def behave(request):
        point = draw.random()
        for share, reply in shares:
            if point < share:
                return reply(request) if callable(reply) else reply
            point -= share
        return then(request)

    return behave


# --- the endpoint -------------------------------------------------------------------------------------


class Provider:
    def __init__(self, loop, tls=None):
        self._loop = loop
        self._scheme = "https" if tls else "http"
        self.behave = fitting
        self.keep = True  # False: only count requests, for tests with very many
        self.requests = []
        self.count = 0
        self.statuses = collections.Counter()  # of the replies that were sent, after their delay
        self.bodies = collections.Counter()  # how often each request body came
        self.answered = collections.Counter()  # how often each request body was answered with 200
        self.in_flight = 0
        self.most_in_flight = 0
        self._protocols = set()
        self._timers = {}
        self._hanging = {}
        raise_file_limit(25000)
        loop.run(self._start(tls))

    @property
    def url(self):
        """For OPENAI_BASE_URL."""
        return f"{self._scheme}://127.0.0.1:{self.port}/v1"

    def settings(self, key="sk-test-key"):
        """The environment that sends chard here."""
        return {"CHARD_AI_PROVIDER": "openai", "OPENAI_BASE_URL": self.url, "OPENAI_API_KEY": key}

    def connections(self):
        return len(self._protocols)

    def drop_connections(self):
        """Resets all of them, in the middle of whatever they do."""
        self._loop.run(self._drop())

    def let_go(self, behave=fitting):
        """Answers what was left hanging."""
        self._loop.run(self._let_go(behave))

    def stop(self):
        """Connections are reset, and new ones refused until start()."""
        self._loop.run(self._stop())

    def start(self):
        self._loop.run(self._start(self._tls))

    # --- on the loop ----------------------------------------------------------------------------------

    async def _start(self, tls):
        self._tls = tls
        self._server = await asyncio.get_running_loop().create_server(
            lambda: HttpProtocol(self), "127.0.0.1", getattr(self, "port", 0), backlog=16384, ssl=tls)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _drop(self):
        for protocol in list(self._protocols):
            protocol.transport.abort()

    async def _let_go(self, behave):
        for protocol, request in list(self._hanging.items()):
            del self._hanging[protocol]
            self._send(protocol, behave(request), request.body)

    async def _stop(self):
        self._server.close()
        await self._drop()

    def connected(self, protocol):
        self._protocols.add(protocol)

    def lost(self, protocol):
        self._protocols.discard(protocol)
        self._hanging.pop(protocol, None)
        if self._timers.pop(protocol, None):
            self.in_flight -= 1

    def answer(self, protocol, head, body):
        self.count += 1
        request = Request(self.count, head, body)
        if self.keep:
            self.requests.append(request)
        self.bodies[body] += 1
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        reply = self._reply(request)
        if reply.hang:
            self._hanging[protocol] = request
        self._timers[protocol] = asyncio.get_running_loop().call_later(reply.delay, self._send, protocol, reply, body)

    def _reply(self, request):
        if request.method != "POST" or not request.path.endswith("/chat/completions"):
            return failure(404, "unknown_url", f"unknown request URL: {request.method} {request.path}")
        try:
            return self.behave(request)
        except Exception as error:  # the script's mistake must not look like a slow provider
            return failure(599, "script_error", f"{type(error).__name__}: {error}")

    def _send(self, protocol, reply, body):
        if reply.hang:
            return
        if self._timers.pop(protocol, None) is None:
            return
        self.in_flight -= 1
        self.statuses[reply.status] += 1
        if reply.status == 200 and reply.cut is None:
            self.answered[body] += 1
        protocol.send(reply)


def raise_file_limit(wanted):
    """As far as the system allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= wanted:
        return
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, max(hard, wanted)))
    except (ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, hard), hard))
