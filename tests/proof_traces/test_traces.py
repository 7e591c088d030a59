# SPDX-License-Identifier: Apache-2.0
"""One trace from a Python producer's request to the last event, and the log beside it, with the real programs: OpenTelemetry Collector, Jaeger, VictoriaLogs, Kafka and
Debezium: `make proof-traces`."""

import collections
import json
import re
import subprocess
import sys
import urllib.parse

import pytest
import servers
from kafka import Connect, Kafka
from support import jobs
from support import provider as replies
from support.figures import Figures, Prometheus
from support.gateway import Gateway
from support.program import ROOT, Chard, die_with_parent
from support.provider import Provider
from support.store import PostgresTables
from support.toxic import Toxic
from support.waiting import wait_until
from telemetry import Collector, Jaeger, VictoriaLogs

API = ROOT / "tests/proof_traces/api.py"
PARENT = "00f067aa0ba902b7"
QUEUES = "scan.vision,scan.answer,scan.reward,chat.classify,chat.answer,my.profile"


@pytest.fixture(scope="module")
def telemetry():
    with Jaeger() as jaeger, VictoriaLogs() as logs, Collector(jaeger, logs) as collector:
        yield collector


@pytest.fixture(scope="module")
def world():
    with servers.RabbitMQ() as broker, servers.PostgreSQL(settings={"wal_level": "logical"}) as store, Kafka() as kafka:
        chard = Chard(ROOT / "build/chard", {"CHARD_BROKER_URL": broker.url, "CHARD_STORE_URL": store.url, "CHARD_KAFKA_SERVERS": kafka.servers,
                                             "CHARD_OTLP_LOGS": "yes"})
        chard.prepare()
        with Connect(kafka, store.url):
            yield chard, PostgresTables(store.url)


@pytest.fixture
def provider(_loop):
    double = Provider(_loop)
    yield double
    double.stop()


# --- what Jaeger says --------------------------------------------------------------------------------------


def tags(span):
    return {tag["key"]: tag["value"] for tag in span["tags"]}


def events(span):
    """[(name, attributes)]"""
    found = [{field["key"]: field["value"] for field in log["fields"]} for log in span["logs"]]
    return [(one.pop("event", ""), one) for one in found]


def parent_of(span):
    return next((reference["spanID"] for reference in span["references"] if reference["refType"] == "CHILD_OF"), "")


def end_of(span):
    return span["startTime"] + span["duration"]


def tree(spans):
    """{name: the names of its parents}; "" is the parent of the first, and "?" one that is not there."""
    known = {"": ""} | {span["spanID"]: span["operationName"] for span in spans}
    parents = collections.defaultdict(set)
    for span in spans:
        parents[span["operationName"]].add(known.get(parent_of(span), "?"))
    return dict(parents)


def named(spans, name):
    return sorted((span for span in spans if span["operationName"] == name), key=lambda span: span["startTime"])


def scanning(*failures):
    """The first requests of the vision model meet these; then a clean bottle, and what to do with it."""
    left = list(failures)

    def behave(request):
        if "major" not in request.json["response_format"]["json_schema"]["schema"]["properties"]:
            return replies.completion(jobs.ADVICE)
        return left.pop(0) if left else replies.completion(jobs.BOTTLE)

    return behave


def ask_api(chard, collector, *words):
    """(job, trace) of what a Python program has enqueued."""
    done = subprocess.run([sys.executable, API, collector.url, *words], env=chard.environment(), capture_output=True, text=True, timeout=60, preexec_fn=die_with_parent)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


SCAN = {  # of a scan by Python's Celery whose first call fails: a span's name, and those of its parents
    "POST /scan": {""},
    "apply_async/scan.vision": {"POST /scan"},
    "process scan.vision": {"apply_async/scan.vision", "schedule scan.vision"},
    "chat gpt-4o-mini": {"process scan.vision", "process scan.answer"},
    "schedule scan.vision": {"process scan.vision"},
    "publish scan.vision": {"schedule scan.vision"},
    "commit": {"process scan.vision", "process scan.answer", "process scan.reward"},
    "send scan.answer": {"process scan.vision"},
    "process scan.answer": {"send scan.answer"},
    "send scan.reward": {"process scan.answer"},
    "process scan.reward": {"send scan.reward"},
    "process consumer:character": {"commit"},
    "process consumer:my": {"process consumer:character"},
}


def test_a_scan_of_a_python_producer_is_one_trace(world, telemetry, provider):
    """Through Celery's headers, the task, its calls, its transaction, the outbox, Debezium, Kafka's headers, and consumers; a wait is a gap with a reason."""
    chard, tables = world
    provider.behave = scanning(replies.failure(500))
    chard = Chard(chard.binary, chard.settings | provider.settings() | telemetry.settings())
    with chard.worker(queues=QUEUES):
        consumer = chard.start("consume", "character", "my", "--from", "kafka")
        job, trace = ask_api(chard, telemetry, "scan", "u1", jobs.PICTURE, "a water bottle")
        assert jobs.ended(tables, [job], 90) == {job: "SUCCESS"}

        def complete():
            spans = telemetry.jaeger.trace(trace)
            assert tree(spans) == SCAN
            return spans

        spans = wait_until(complete, 90)
        consumer.terminate()
        assert consumer.wait(30) == 0
    assert {span["service"] for span in spans if "/scan" in span["operationName"]} == {"api"}
    assert {span["service"] for span in spans if "/scan" not in span["operationName"]} == {"chard"}
    check_wait(spans)
    check_calls(spans, tables, provider, job)
    contexts = [row["tracingspancontext"] for row in tables.rows("select tracingspancontext from chard.outbox where aggregateid = %s", job)]
    commits = {span["spanID"] for span in named(spans, "commit")}
    assert contexts and {re.fullmatch(rf"traceparent=00-{trace}-(\w{{16}})-01", text)[1] for text in contexts} <= commits
    # One id finds everything: rows, events, and the lines of the log.
    assert job in chard.run("events", "--trace", trace, "--json", check=0).stdout
    lines = wait_until(lambda: telemetry.logs.lines(f"trace_id:{trace}"), 30)
    failed, = [line for line in lines if line["messaging.message.id"] == job]
    assert failed["span_id"] in {span["spanID"] for span in spans}


def check_wait(spans):
    """Between the failed try and the next one: where nothing is under way, and why."""
    first, second = named(spans, "process scan.vision")
    put_away, = named(spans, "schedule scan.vision")
    due, = named(spans, "publish scan.vision")
    (name, why), = events(put_away)
    assert (name, why["chard.reason"]) == ("waiting", "retry") and why["chard.wait_ms"] > 0
    gap_ms = (due["startTime"] - end_of(put_away)) / 1000
    assert why["chard.wait_ms"] - 50 < gap_ms < why["chard.wait_ms"] + 5000
    assert not [span for span in spans if end_of(first) < span["startTime"] < due["startTime"] and span is not put_away]
    assert tags(first)["error.type"] and tags(second)["chard.attempt"] == 2


def check_calls(spans, tables, provider, job):
    """Spans of calls, the store's row and the provider's book say the same."""
    calls = [span for span in spans if span["operationName"].startswith("chat ")]
    row = tables.rows("select sum(tokens_in) as i, sum(tokens_out) as o, sum(attempts) as a from chard.task where root_id = %s", job)[0]
    assert sum(tags(span)["gen_ai.usage.input_tokens"] for span in calls) == row["i"] > 0
    assert sum(tags(span)["gen_ai.usage.output_tokens"] for span in calls) == row["o"] > 0
    assert sum("error" in tags(span) for span in calls) == row["a"] == 1
    assert {request.headers["traceparent"] for request in provider.requests} == {f"00-{span['traceID']}-{span['spanID']}-01" for span in calls}


def test_a_request_to_the_gateway_is_one_trace(world, telemetry, provider):
    """With the caller's traceparent, up to the webhook that tells the end."""
    chard, tables = world
    provider.behave = scanning()
    chard = Chard(chard.binary, chard.settings | provider.settings() | telemetry.settings())
    trace = "5bf92f3577b34da6a3ce929d0e0e4736"
    with chard.worker(queues=QUEUES), Gateway(chard) as gateway:
        consumer = chard.start("consume", "character", "my", "--from", "kafka")
        job = gateway.post("/v1/scan", {"user_id": "u2", "lang": "en", "text": "two", "image_url": jobs.PICTURE},
                           headers={"traceparent": f"00-{trace}-{PARENT}-01"}).json["id"]
        assert jobs.ended(tables, [job], 90) == {job: "SUCCESS"}
        wanted = {"POST /v1/scan": {"?"}, "process scan.vision": {"POST /v1/scan"}, "process consumer:character": {"commit"}, "process consumer:my": {"process consumer:character"}}
        found = wait_until(lambda: (spans := telemetry.jaeger.trace(trace)) and wanted.items() <= tree(spans).items() and spans, 90)
        consumer.terminate()
        assert consumer.wait(30) == 0
    assert {parent_of(span) for span in named(found, "POST /v1/scan")} == {PARENT}
    assert [name for name, parents in tree(found).items() if "?" in parents] == ["POST /v1/scan"]


# --- many of all pipelines, in bad weather ------------------------------------------------------------------

SCANS, CHATS, PROFILES = 60, 40, 10


def weather(tried):
    """Of requests that come for the first time a tenth fails and a twentieth is asked to wait; what is cursed is refused. `tried` counts them by their bodies."""
    def behave(request):
        first = tried[request.body] == 1
        if b"cursed" in request.body:
            return replies.failure(400, "bad_image", "no such picture")
        if first and request.number % 10 == 3:
            return replies.failure(500)
        if first and request.number % 20 == 7:
            return replies.rate_limited(retry_after=1)
        wanted = request.json["response_format"]["json_schema"]["schema"]["properties"]
        if "major" in wanted:
            return replies.completion(jobs.BOTTLE | ({"about_waste": True} if "about_waste" in wanted else {}))
        return replies.completion(jobs.ADVICE) if "insufficiencies" in wanted else replies.fitting(request)

    return behave


def submit_all(chard):
    """Ids of all jobs; three of the scans are cursed."""
    scans = [{"user_id": f"f{n}", "image_url": jobs.PICTURE, "text": f"{'cursed' if n % 20 == 5 else 'clean'} bottle {n}", "lang": "en"} for n in range(SCANS)]
    chats = [{"user_id": f"f{n}", "text": f"carton {n}", "lang": "en"} for n in range(CHATS)]
    profiles = [{"updates": [{"user_id": f"f{n}", "field": "nickname", "value": f"n{n}"}]} for n in range(PROFILES)]
    return [job for pipeline, inputs in (("scan", scans), ("chat", chats), ("my", profiles)) for job in jobs.submit_many(chard, pipeline, inputs)]


def stored(tables, ids):
    """What the store says of these jobs."""
    row = tables.rows("select count(*) as tasks, count(*) filter (where state = 'SUCCESS') as done, sum(attempts) as attempts, sum(tokens_in) as tokens_in,"
                      " sum(tokens_out) as tokens_out, sum(cost_nano) as cost_nano from chard.task where root_id = any(%s)", ids)[0]
    return row | {"dead": tables.value("select count(*) from chard.dead_letter d join chard.task t on t.id = d.task_id where t.root_id = any(%s)", ids)}


def seen(telemetry):
    """What Jaeger says of the fleet."""
    spans = telemetry.jaeger.spans("fleet")
    does = collections.defaultdict(list)
    for span in spans:
        does[span["operationName"].split()[0]].append(span)
    own = [span for span in does["process"] if "chard.task" in tags(span)]
    return {"done": len(does["commit"]), "dead": len([span for span in does["send"] if "chard.dead:" in span["operationName"]]),
            "tasks": len({tags(span)["messaging.message.id"] for span in own}), "attempts": len([span for span in own if "error.type" in tags(span)]),
            "tokens_in": sum(tags(span)["gen_ai.usage.input_tokens"] for span in does["chat"]), "tokens_out": sum(tags(span)["gen_ai.usage.output_tokens"] for span in does["chat"]),
            "cost_nano": round(sum(tags(span)["chard.cost_dollars"] for span in does["chat"]) * 1e9)}, does, spans


def test_many_of_all_pipelines_in_bad_weather(world, telemetry, provider, _loop, tmp_path):
    """Failures and waits of the provider, links that are cut, a collector that is away for a while: Jaeger, Prometheus, VictoriaLogs, the store and the provider's book say the same."""
    chard, tables = world
    provider.behave = weather(provider.bodies)
    links = {name: Toxic(_loop, "127.0.0.1", urllib.parse.urlsplit(chard.settings[name]).port) for name in ("CHARD_BROKER_URL", "CHARD_STORE_URL")}
    fleet = Chard(chard.binary, chard.settings | provider.settings() | telemetry.settings() | {"OTEL_SERVICE_NAME": "fleet"})
    weak = Chard(chard.binary, fleet.settings | {name: link.url(chard.settings[name]) for name, link in links.items()})
    with weak.worker("--metrics", "0", queues=QUEUES, slots=20) as worker:
        consumer, keeper = fleet.start("consume", "character", "my", "--from", "kafka", "--metrics", "0"), fleet.start("keep", "--metrics", "0")
        figures = [Figures(process) for process in (worker, consumer, keeper)]
        with Prometheus(tmp_path, [one.port for one in figures]) as prometheus:
            ids = submit_all(fleet)

            def over(share):
                return tables.value("select count(*) from chard.job where root_id = any(%s) and state in ('SUCCESS', 'FAILURE')", ids) >= share * len(ids)

            wait_until(lambda: over(0.1), 60)
            links["CHARD_BROKER_URL"].cut()
            wait_until(lambda: over(0.3), 60)
            telemetry.stop()
            links["CHARD_STORE_URL"].cut()
            wait_until(lambda: over(0.6), 60)
            telemetry.start()
            states = collections.Counter(jobs.ended(tables, ids, 120).values())
            assert states["FAILURE"] == 3
            was = wait_until(lambda: (row := stored(tables, ids))["dead"] == 3 and row, 60)

            def same():
                now, does, spans = seen(telemetry)
                assert now == was, (now, was)
                assert len(does["chat"]) == provider.count and not set(tree(spans).get("commit")) - {span["operationName"] for span in does["process"]}
                assert collections.Counter("error" in tags(span) for span in does["chat"]) == {False: provider.statuses[200], True: provider.count - provider.statuses[200]}
                query = prometheus.query
                assert query("sum(chard_ai_requests_total)") == {(): provider.count} and query('sum(chard_ai_requests_total{outcome="ok"})') == {(): provider.statuses[200]}
                assert query("sum(chard_tasks_succeeded_total)") == {(): was["done"]} and query("sum(chard_tasks_dead_total)") == {(): 3}
                assert query("sum(chard_tasks_failed_total)") == {(): was["attempts"]}
                assert query("sum by (type) (chard_ai_tokens_total)") == {("input",): was["tokens_in"], ("output",): was["tokens_out"]}
                assert round(query("sum(chard_ai_cost_dollars_total)")[()] * 1e9) == was["cost_nano"]
                acted = query('sum(chard_consumer_events_total{outcome="acted"})')[()]
                assert acted == len([span for span in does["process"] if "consumer:" in span["operationName"]]) > 0
                assert query('sum(chard_otlp_spans_total{outcome="sent"})') == {(): len(spans)} and query('sum(chard_otlp_spans_total{outcome="dropped"})') == {(): 0}
                lines = telemetry.logs.lines('service.name:="fleet"')
                assert query('sum(chard_otlp_log_lines_total{outcome="sent"})') == {(): len(lines)} and query('sum(chard_otlp_log_lines_total{outcome="dropped"})') == {(): 0}
                assert len([line for line in lines if re.search("dead source", line["_msg"])]) == 3
                return True

            wait_until(same, 90, every=0.5)
        for process in consumer, keeper:
            process.terminate()
            assert process.wait(30) == 0, process.stderr[-2000:]
    for link in links.values():
        link.close()
    assert sum(provider.statuses[status] for status in (400, 429, 500)) > 10
