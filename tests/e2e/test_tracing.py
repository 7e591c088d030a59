# SPDX-License-Identifier: Apache-2.0
"""Spans: one job is one trace from its request to its last event, whose parents are right and whose figures are the store's; lines of the log beside them; and a collector that is of no
help harms nothing."""

import collections
import json
import re
import signal

import pytest
from support import jobs
from support.collector import Collector
from support.consumers import acting
from support.figures import Figures
from support.gateway import Gateway
from support.place import everywhere
from test_dlq import keeping
from test_webhooks import ALLOWED, Hook, hurry

SECRET = "geheim-7f3a"
INPUT = {"user_id": "u1", "lang": "en", "text": "two", "image_url": jobs.PICTURE}


@pytest.fixture
def collector(_loop):
    double = Collector(_loop)
    yield double
    double.stop()


def scripted(reply):
    """The first request of each model fails, and what it costs is known."""
    seen = set()

    def behave(request):
        wanted = request.json["response_format"]["json_schema"]["schema"]["properties"]
        vision = "major" in wanted
        if vision not in seen:
            seen.add(vision)
            return reply.failure(500, message=f"no luck with {SECRET}")
        return reply.completion(jobs.BOTTLE if vision else jobs.ADVICE, prompt_tokens=100 + vision, completion_tokens=20)

    return behave


def at_once(reply):
    """A clean bottle, and what to do with it."""
    return lambda request: reply.completion(jobs.BOTTLE if "major" in request.json["response_format"]["json_schema"]["schema"]["properties"] else jobs.ADVICE)


def by_name(spans):
    names = collections.defaultdict(list)
    for span in spans:
        names[span.name].append(span)
    return names


def assert_one_trace(spans, trace, parent, root="process scan.vision"):
    """All of it, and each span's parent is there and began before it."""
    by_id = {span.id: span for span in spans}
    assert len(by_id) == len(spans) and {span.trace for span in spans} == {trace}
    assert [span.name for span in spans if span.parent == parent] == [root]
    for span in spans:
        assert span.parent == parent or by_id[span.parent].begin <= span.begin, span
        assert span.begin <= span.end


PARENTS = {  # what a span does: what may be behind it
    "chat": {"process"}, "commit": {"process"}, "send": {"process"}, "schedule": {"process"}, "process": {"send", "schedule", "POST", "commit", "process"},
    "publish": {"schedule"}, "file": {"send"}, "POST": {"POST"},
}


def assert_parents(spans, parent):
    does = {span.id: span.name.split()[0] for span in spans}
    for span in spans:
        assert span.parent in ("", parent) or does[span.parent] in PARENTS[does[span.id]], span


@everywhere
def test_a_scan_is_one_trace(chard, database, provider, reply, collector, wait_until):
    provider.behave = scripted(reply)
    trace, parent = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
    chard.settings |= provider.settings(key=f"sk-{SECRET}") | collector.settings() | {
        "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment = a%20test%2C%", "CHARD_OTLP_HEADERS": f"x-none=a%0D%0Ab, x-key = Basic%20{SECRET}"}
    chard.prepare()
    with chard.worker("--metrics", "0") as worker:
        job = jobs.submit_scan(chard, text=f"a bottle {SECRET}", image_url=f"https://pictures.example/{SECRET}.jpg", user_id=f"u-{SECRET}")
        assert jobs.ended(database, [job], 60) == {job: "SUCCESS"}
        with Gateway(chard) as gateway:
            given, unsampled = [gateway.post("/v1/scan", INPUT, headers={"traceparent": f"00-{one}-{parent}-0{flag}", "tracestate": "a=1"}).json["id"]
                                for one, flag in ((trace, 1), ("a" * 32, 0))]
        assert set(jobs.ended(database, [given, unsampled], 60).values()) == {"SUCCESS"}
        own = job.replace("-", "")

        def complete():
            spans = collector.spans()
            count = collections.Counter(span.trace for span in spans if span.name.startswith("process "))
            tasks = database.value("select count(*) from chard.task where root_id = %s", job)
            retries = database.value("select sum(attempts) from chard.task where root_id = %s", job)
            assert tasks > 2 and count[own] == tasks + retries and count[trace] == tasks
            return spans

        spans = wait_until(complete, 30)
        assert set(span.trace for span in spans) == {own, trace}
        figures = Figures(worker)
        wait_until(lambda: figures.value("chard_otlp_spans_total", outcome="sent") == sum(span.kind != "server" for span in collector.spans()))
        assert figures.value("chard_otlp_spans_total", outcome="dropped") == 0
    mine, theirs = [[span for span in spans if span.trace == which] for which in (own, trace)]
    assert_one_trace(mine, own, "")
    assert_one_trace(theirs, trace, parent, "POST /v1/scan")
    assert_parents(spans, parent)
    check_calls(mine, database, provider, job)
    check_waits(mine)
    contexts = [row["tracingspancontext"] for row in database.rows("select tracingspancontext from chard.outbox where aggregateid = %s", job)]
    commits = {span.id for span in mine if span.name == "commit"}
    assert contexts and {re.fullmatch(rf"traceparent=00-{own}-(\w{{16}})-01", text)[1] for text in contexts} <= commits
    assert {("chard", "a test,%")} == {(one["service.name"], one["deployment.environment"]) for one in collector.resources()}
    assert not [request for request in collector.requests if SECRET.encode() in request.body]
    assert all(request.headers["x-key"] == f"Basic {SECRET}" for request in collector.requests) and SECRET not in worker.stderr.replace(f"text={SECRET}", "")


def check_calls(spans, database, provider, job):
    """What the store and the provider say of the calls, their spans say, too."""
    calls = [span for span in spans if span.name.startswith("chat ")]
    assert {span.kind for span in calls} == {"client"} and {span.has["gen_ai.provider.name"] for span in calls} == {"openai"}
    assert {span.has["gen_ai.request.model"] for span in calls} == {request.json["model"] for request in provider.requests} == {span.name[5:] for span in calls}
    assert {span.has["gen_ai.response.model"] for span in calls if not span.failed} == {"gpt-test"}
    row = database.row("select sum(tokens_in) as i, sum(tokens_out) as o, sum(attempts) as a from chard.task where root_id = %s", job)
    assert sum(span.has["gen_ai.usage.input_tokens"] for span in calls) == row["i"] > 0
    assert sum(span.has["gen_ai.usage.output_tokens"] for span in calls) == row["o"] > 0
    assert sum(span.failed for span in calls) == row["a"] > 0
    asked = {request.headers["traceparent"] for request in provider.requests}
    assert {f"00-{span.trace}-{span.id}-01" for span in calls} <= asked


def check_waits(spans):
    """A retry is a gap whose reason stands behind it, and the failed try says why."""
    scheduled = by_name(spans)["schedule scan.vision"]
    assert [span.kind for span in scheduled] == ["producer"] and [name for name, _ in scheduled[0].events] == ["waiting"]
    assert scheduled[0].events[0][1]["chard.reason"] == "retry" and scheduled[0].events[0][1]["chard.wait_ms"] >= 0
    first, second = sorted(by_name(spans)["process scan.vision"], key=lambda span: span.begin)
    assert (first.failed, second.failed, second.parent) == (True, False, scheduled[0].id)
    assert first.has["error.type"] and second.has["chard.attempt"] == 2 and ("retrying" in [name for name, _ in first.events])


@everywhere
def test_a_trace_goes_from_the_request_to_the_last_event(chard, database, provider, reply, collector, wait_until):
    """Through gateway, worker, consumers, and the keeper's webhooks and dead letters; two of the requests name a trace."""
    trace, other, parent, hook = "4bf92f3577b34da6a3ce929d0e0e4736", "5bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", Hook(500)
    chard.settings |= provider.settings() | collector.settings()
    provider.behave = at_once(reply)
    chard.prepare()
    queues = "scan.vision,scan.answer,scan.reward,my.profile,chard.tasks"
    with chard.worker(queues=queues), keeping(chard, **ALLOWED), acting(chard, "character", "my"), Gateway(chard, **ALLOWED) as gateway:
        def post(path, body, trace=None):
            return gateway.post(path, body, headers={"traceparent": f"00-{trace}-{parent}-01"} if trace else {}).json["id"]

        scan = post("/v1/jobs", {"pipeline": "scan", "input": INPUT, "webhook": hook.url("x")}, trace)
        own = post("/v1/scan", INPUT | {"user_id": "u2"}).replace("-", "")
        later = post("/v1/tasks", {"name": "chard.add", "args": [1, 2], "countdown": 1}).replace("-", "")
        post("/v1/tasks", {"name": "chard.fail", "args": [SECRET]}, other)
        assert gateway.get("/v1/jobs/nobody").status == 404
        wait_until(lambda: hook.posts, 60)
        wait_until(lambda: database.rows("select 1 as one from chard.webhook where state = 'owed' and attempts = 1"))
        hurry(database)
        wanted = {
            trace: {"POST /v1/jobs": 1, "process scan.vision": 1, "process scan.answer": 1, "process scan.reward": 1, "process consumer:character": 1,
                    "process consumer:my": 1, "POST webhook": 2},
            own: {"POST /v1/scan": 1, "process scan.vision": 1, "process scan.answer": 1, "process scan.reward": 1, "process consumer:my": 1},
            later: {"POST /v1/tasks": 1, "process chard.tasks": 2, "schedule chard.tasks": 1, "publish chard.tasks": 1},
            other: {"POST /v1/tasks": 1, "process chard.tasks": 1, "send chard.dead:chard.tasks": 1, "file chard.tasks.dead": 1},
        }

        def complete():
            spans = collector.spans()
            for which, names in wanted.items():
                found = collections.Counter(span.name for span in spans if span.trace == which)
                assert names.items() <= found.items(), (which, found)
            assert [span for span in spans if span.name == "GET /v1/jobs/{id}"]
            return spans

        spans = wait_until(complete, 60)
    for which, root in ((trace, "POST /v1/jobs"), (own, "POST /v1/scan"), (later, "POST /v1/tasks"), (other, "POST /v1/tasks")):
        mine = [span for span in spans if span.trace == which]
        assert_one_trace(mine, which, parent if which in (trace, other) else "", root)
        assert_parents(mine, parent)
    mine = by_name([span for span in spans if span.trace == trace])
    request, = mine["POST /v1/jobs"]
    assert (request.kind, request.failed) == ("server", False) and request.has == {
        "http.request.method": "POST", "http.route": "/v1/jobs", "http.response.status_code": 202, "messaging.message.conversation_id": scan}
    first, second = sorted(mine["POST webhook"], key=lambda span: span.begin)
    assert (first.kind, first.failed, first.has["error.type"], second.failed, second.has["chard.attempt"]) == ("client", True, "500", False, 2)
    assert [(name, has["chard.reason"]) for name, has in first.events] == [("waiting", "retry")] and first.events[0][1]["chard.wait_ms"] > 0
    assert [headers["traceparent"] for _, headers, _ in hook.posts] == [f"00-{trace}-{span.id}-01" for span in (first, second)]
    heard, = mine["process consumer:my"]
    assert (heard.kind, heard.parent, heard.has["chard.event"]) == ("consumer", mine["process consumer:character"][0].id, "CharacterAcquired")
    waited, = [span for span in spans if span.name == "schedule chard.tasks"]
    assert waited.events[0][1]["chard.reason"] == "eta" and waited.events[0][1]["chard.wait_ms"] > 0
    missing, = [span for span in spans if span.name == "GET /v1/jobs/{id}"]
    assert missing.has["http.response.status_code"] == 404 and not missing.failed and missing.parent == ""
    assert not [request for request in collector.requests if SECRET.encode() in request.body]


@pytest.mark.parametrize("place", ["file"])
def test_lines_of_the_log_go_to_the_collector(chard, queues, collector, wait_until):
    """As they are written, with the ids of the trace that the spans have."""
    chard.settings |= collector.settings() | {"CHARD_OTLP_LOGS": "yes", "CHARD_OTLP_HEADERS": "x-key=k%20k"}
    chard.prepare()
    with chard.worker("--metrics", "0", queues="chard.tasks") as worker:
        queues.publish("", "chard.tasks", json.dumps([[SECRET], {}, {}]).encode(), {"lang": "py", "task": "chard.fail", "id": "t1", "root_id": "j1"})
        wait_until(lambda: [line for line in collector.lines() if line.has.get("messaging.message.id") == "t1" and "dead" in line.text]
                   and [span for span in collector.spans() if span.name == "process chard.tasks"], 30)
        figures = Figures(worker)
        wait_until(lambda: figures.value("chard_otlp_log_lines_total", outcome="sent") == len(collector.lines()))
        assert figures.value("chard_otlp_log_lines_total", outcome="dropped") == 0
        dead, = [line for line in collector.lines() if line.has.get("messaging.message.id") == "t1" and "dead" in line.text]
    span, = [span for span in collector.spans() if span.name == "process chard.tasks"]
    assert (dead.level, dead.severity, dead.trace, dead.span) == ("warn", 13, span.trace, span.id)
    assert dead.has["chard.area"] == "worker" and dead.has["chard.name"] == "chard.fail" and dead.has["messaging.message.conversation_id"] == "j1"
    assert re.search(rf"warn +worker +task=t1 name=chard.fail {re.escape(dead.text)}", worker.stderr)
    assert any("consuming" in line.text and line.level == "info" for line in collector.lines())
    assert {request.headers["x-key"] for request in collector.requests} == {"k k"}


@pytest.mark.parametrize("place", ["file"])
def test_what_is_planted_is_told_nobody(chard, database, provider, reply, collector, wait_until):
    """In inputs, keys, URLs, headers, and in what provider and receivers say: in no line of the log, no span and no figure of worker, gateway, keeper and consumers."""
    key, hook = f"sk-{SECRET}", Hook(500)
    chard.settings |= provider.settings(key=key) | collector.settings() | {"CHARD_OTLP_LOGS": "yes", "CHARD_OTLP_HEADERS": f"authorization=Bearer%20{SECRET}"}
    provider.behave = reply.sequence(reply.failure(500, "oops", f"your prompt was: {SECRET} with {key}"), then=at_once(reply))
    chard.prepare()
    headers = {"baggage": f"customer={SECRET}", "tracestate": f"v={SECRET}", "Idempotency-Key": SECRET, "Authorization": f"Bearer {SECRET}", "User-Agent": SECRET}
    scan = {"pipeline": "scan", "webhook": hook.url(f"{SECRET}?key={SECRET}"),
            "input": {"user_id": f"u-{SECRET}", "lang": "en", "text": f"a bottle of {SECRET}", "image_url": f"https://pictures.example/{SECRET}.jpg?signature={SECRET}"}}
    with Gateway(chard, command=("dev", "--port", "0", "--db", chard.settings["CHARD_STORE_URL"].removeprefix("sqlite:")), **ALLOWED) as dev:
        job = dev.post("/v1/jobs", scan, headers=headers).json["id"]
        for body in scan | {"pipeline": SECRET}, scan | {"webhook": f"ftp://{SECRET}"}, scan | {"input": {"text": SECRET}}, SECRET.encode():
            assert dev.post("/v1/jobs", body).status in (400, 422)
        for path in f"/v1/jobs/{SECRET}", f"/v1/{SECRET}?{SECRET}={SECRET}", f"/v1/jobs?{SECRET}={SECRET}":
            assert dev.get(path, headers=headers).status in (400, 404)
        failed = dev.post("/v1/tasks", {"name": "chard.fail", "args": [SECRET], "kwargs": {SECRET: SECRET}, "queue": "my.profile"}).json["id"]
        assert jobs.ended(database, [job, failed]) == {job: "SUCCESS", failed: "FAILURE"}
        wait_until(lambda: hook.posts, 30)
        wanted = {"POST /v1/jobs", "chat", "process consumer:character", "process consumer:my", "POST webhook", "file my.profile.dead", "GET /v1/jobs/{id}"}

        def complete():
            missing = wanted - {re.sub("^chat .*", "chat", span.name) for span in collector.spans()}
            assert not missing, missing
            assert [line for line in collector.lines() if "dead" in line.text]
            return True

        wait_until(complete, 30)
        figures = [dev.get(path).body for path in ("/metrics", "/stats/queues")]
    assert b"chard_tasks" in figures[0] and SECRET.encode() not in b"".join(figures)
    assert not [request.path for request in collector.requests if SECRET.encode() in request.body]
    assert SECRET not in dev.process.stderr and SECRET not in dev.process.stdout


@pytest.mark.parametrize("sampler", [{"CHARD_TRACE_SAMPLE": "0"}, {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0"}])
def test_of_traces_that_are_not_recorded_failures_are_kept(chard, sampler, queues, collector):
    chard.settings |= collector.settings() | sampler
    chard.prepare()
    with chard.worker(queues="chard.tasks"):
        for n, task in enumerate(["chard.add", "chard.fail", "chard.add"]):
            body = json.dumps([[1, 2] if task == "chard.add" else [SECRET], {}, {}]).encode()
            queues.publish("", "chard.tasks", body, {"lang": "py", "task": task, "id": f"t{n}"})
        jobs.wait_until(lambda: collector.requests, 30)
    span, = [one for one in collector.spans() if one.has["chard.task"] != "chard.add"]
    assert (span.name, span.failed, span.parent, span.has["messaging.message.id"]) == ("process chard.tasks", True, "", "t1")
    assert len(collector.spans()) == 1 and SECRET.encode() not in collector.requests[0].body


TROUBLE = {  # what the collector answers; whether spans are dropped while the worker runs, or at its end
    "garbage": (lambda reply: reply.Reply(b"\0garbage" * 1000, status=400), "answers 400", True),
    "busy": (lambda reply: reply.Reply(status=429, headers={"Retry-After": "30"}), "answers 429", False),
    "slow": (lambda reply: reply.hanging(), "(has not answered in time|Timeout was reached)", False),
    "away": (None, "connect", False),
}


@pytest.mark.parametrize("place", ["file"])
def test_a_collector_that_is_of_no_help_harms_nothing(chard, database, reply, collector, wait_until):
    chard.settings |= collector.settings() | {"CHARD_OTLP_LOGS": "yes"}
    chard.prepare()
    for name, (answer, reason, dropped_at_once) in TROUBLE.items():
        collector.requests.clear()
        if answer:
            collector.answer_with = lambda request, answer=answer: answer(reply)
        else:
            collector.stop()
        with chard.worker("--metrics", "0") as worker:
            job = jobs.submit_scan(chard)
            assert jobs.ended(database, [job]) == {job: "SUCCESS"}
            if answer:
                wait_until(lambda: collector.requests, 30)
            for what in ("spans", "log_lines") if dropped_at_once else ():
                wait_until(lambda what=what: Figures(worker).value(f"chard_otlp_{what}_total", outcome="dropped"), 30)
            worker.signal(signal.SIGTERM)
            assert worker.wait(30) == 0, name
        for what in "spans", "log lines":
            told = [line for line in worker.stderr.splitlines() if f"{what} are dropped" in line]
            assert len(told) == 1 and re.search(reason, told[0]), (name, worker.stderr)
            assert re.search(rf"otlp .*\b[1-9]\d* {what} were dropped", worker.stderr), name
