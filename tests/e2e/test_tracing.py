# SPDX-License-Identifier: Apache-2.0
"""Spans: one job is one trace, whose parents are right and whose figures are the store's; and a collector that is of no help harms nothing."""

import collections
import json
import re
import signal

import pytest
from support import jobs
from support.collector import Collector
from support.figures import Figures
from support.gateway import Gateway
from support.place import everywhere

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


def by_name(spans):
    names = collections.defaultdict(list)
    for span in spans:
        names[span.name].append(span)
    return names


def assert_one_trace(spans, trace, parent):
    """All of it, and each span's parent is there and began before it."""
    by_id = {span.id: span for span in spans}
    assert len(by_id) == len(spans) and {span.trace for span in spans} == {trace}
    assert [span.name for span in spans if span.parent == parent] == ["process scan.vision"]
    for span in spans:
        assert span.parent == parent or by_id[span.parent].begin <= span.begin, span
        assert span.begin <= span.end


PARENTS = {  # kind of span: the names of what may be behind it
    "chat": {"process"}, "commit": {"process"}, "send": {"process"}, "schedule": {"process"}, "process": {"send", "schedule"},
}


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
        wait_until(lambda: figures.value("chard_otlp_spans_total", outcome="sent") == len(collector.spans()))
        assert figures.value("chard_otlp_spans_total", outcome="dropped") == 0
    mine, theirs = [[span for span in spans if span.trace == which] for which in (own, trace)]
    assert_one_trace(mine, own, "")
    assert_one_trace(theirs, trace, parent)
    names = {span.id: span.name.split()[0] for span in spans}
    for span in spans:
        assert span.parent in ("", parent) or names[span.parent] in PARENTS[span.name.split()[0]], span
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


def test_of_traces_that_are_not_recorded_failures_are_kept(chard, queues, collector):
    chard.settings |= collector.settings() | {"CHARD_TRACE_SAMPLE": "0"}
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
    chard.settings |= collector.settings()
    chard.prepare()
    for name, (answer, reason, at_once) in TROUBLE.items():
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
            if at_once:
                wait_until(lambda: Figures(worker).value("chard_otlp_spans_total", outcome="dropped"), 30)
            worker.signal(signal.SIGTERM)
            assert worker.wait(30) == 0, name
        told = [line for line in worker.stderr.splitlines() if "spans are dropped" in line]
        assert len(told) == 1 and re.search(reason, told[0]), (name, worker.stderr)
        assert re.search(r"otlp .*\b[1-9]\d* spans were dropped", worker.stderr), name
