# SPDX-License-Identifier: Apache-2.0
"""What processes show of themselves: figures that equal what ran, by chard's own count and by a real Prometheus; queues; probes; and what hostile readers get."""

import collections
import contextlib
import json
import re
import signal
import socket
import time
import urllib.parse

import pytest
from support import jobs
from support.consumers import insert
from support.figures import OPENMETRICS, Figures, Prometheus, dashboards, names_in, promtool, rule_files
from support.gateway import Gateway
from support.place import everywhere
from support.program import ROOT, no_report

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
METRICS = ("--metrics", "0")


def chat(queues, number, **properties):
    """A message of chat.classify."""
    body = json.dumps([[], {"user_id": "u1", "lang": "en", "text": f"carton {number}"}, {}]).encode()
    queues.publish("", "chat.classify", body, {"lang": "py", "task": "chat.classify", "id": f"chat-{number}"} | properties.pop("headers", {}), **properties)


def weather(reply):
    """The first try of each stormy request fails, cursed ones are refused for good."""
    tried = collections.Counter()

    def behave(request):
        tried[request.body] += 1
        if b"cursed" in request.body:
            return reply.failure(400, "bad_image", "no such picture")
        if b"stormy" in request.body and tried[request.body] == 1:
            return reply.failure(500)
        wanted = request.json["response_format"]["json_schema"]["schema"]["properties"]
        return reply.completion(jobs.BOTTLE if "major" in wanted else jobs.ADVICE)

    return behave


def run_scans(chard, database, provider, reply):
    """Twelve scans, three of them stormy, one cursed."""
    provider.behave = weather(reply)
    words = {n: "cursed" if n == 5 else "stormy" if n % 4 == 0 else "fine" for n in range(12)}
    ids = jobs.submit_many(chard, "scan", [{"user_id": f"u{n}", "image_url": jobs.PICTURE, "text": f"{word} bottle {n}", "lang": "en"}
                                           for n, word in words.items()])
    assert collections.Counter(jobs.ended(database, ids).values()) == {"SUCCESS": 11, "FAILURE": 1}


def stored(database):
    """What the store says of all tasks, by their names."""
    counts = collections.defaultdict(collections.Counter)
    for row in database.rows("select name, state, attempts, tokens_in, tokens_out, cost_nano from chard.task"):
        counts["state " + row["state"]][row["name"]] += 1
        counts["runs"][row["name"]] += row["attempts"] + (row["state"] == "SUCCESS")  # each a message of its own
        for column in "attempts", "tokens_in", "tokens_out", "cost_nano":
            counts[column][row["name"]] += row[column]
    return {key: dict(+value) for key, value in counts.items()}


# --- figures ---------------------------------------------------------------------------------------------


@everywhere
def test_figures_equal_store_and_ledger(chard, database, provider, reply, wait_until):
    chard.settings |= provider.settings()
    chard.prepare()
    with chard.worker(*METRICS) as worker:
        figures = Figures(worker)
        promtool("check", "metrics", input=figures.text())
        run_scans(chard, database, provider, reply)
        was = stored(database)

        def same():
            assert figures.by("task", "chard_tasks_succeeded_total") == was["state SUCCESS"]
            assert figures.by("task", "chard_tasks_dead_total", code="bad_image") == was["state FAILURE"] == {"scan.vision": 1}
            assert figures.by("task", "chard_tasks_failed_total") == was["attempts"]
            assert figures.by("task", "chard_tasks_started_total") == was["runs"]
            assert figures.value("chard_task_seconds_count") == figures.value("chard_tasks_received_total") == sum(was["runs"].values())
            assert figures.value("chard_tasks_in_flight") == figures.value("chard_ai_in_flight") == 0
            return True

        wait_until(same)
        assert figures.value("chard_tasks_retried_total") == figures.value("chard_tasks_failed_total") - 1 == 6
        assert figures.by("outcome", "chard_ai_requests_total") == {"ok": provider.statuses[200], "failed": provider.statuses[500], "refused": 1}
        assert figures.value("chard_ai_requests_total") == figures.value("chard_ai_request_seconds_count") == provider.count
        for kind, column in ("input", "tokens_in"), ("output", "tokens_out"):
            assert figures.value("chard_ai_tokens_total", type=kind) == sum(was[column].values()) > 0
        assert round(figures.value("chard_ai_cost_dollars_total") * 1e9) == sum(was["cost_nano"].values()) > 0
        assert figures.by("task", "chard_task_commit_seconds_count") == was["state SUCCESS"]
        assert figures.by("task", "chard_task_wait_seconds_count") == was["runs"]
        assert figures.value("chard_task_slots", queue="scan.vision") == 1000 and figures.value("chard_ready") == 1
        assert figures.value("chard_broker_unconfirmed") == 0
        now = collections.Counter()
        for name, _, value in figures.samples():
            now[name] += value
        for door in "chard_store", "chard_broker":  # each counts and times its own calls, and in the same way
            calls, groups, sizes = now[f"{door}_calls_total"], now[f"{door}_group_seconds_count"], now[f"{door}_group_size_count"]
            assert calls >= now[f"{door}_group_size_sum"] >= sizes > 0 and groups >= sizes and now[f"{door}_group_seconds_sum"] > 0, door
            assert now[f"{door}_refusals_total"] == now[f"{door}_connection_losses_total"] == 0, door
        promtool("check", "metrics", input=figures.text())
        figures.exemplars()  # what OpenMetrics' own parser takes


@everywhere
def test_whom_a_slow_one_belonged_to_and_how_long_it_lay_there(chard, queues, place, wait_until):
    chard.prepare()
    old = {"timestamp": int(time.time()) - 100}
    chat(queues, 1, headers={"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}, **old)
    chat(queues, 2, headers={"traceparent": f"00-{'a' * 32}-00f067aa0ba902b7-00"}, **old)
    chat(queues, 3, headers={"traceparent": "of another kind"}, **old)
    with chard.worker(*METRICS, queues="chat.classify") as worker:
        figures = Figures(worker)
        wait_until(lambda: figures.value("chard_task_seconds_count", task="chat.classify") == 3)
        found = figures.exemplars()
        assert set(found.values()) == {TRACE}
        assert {"chard_task_seconds_bucket", "chard_task_wait_seconds_bucket", "chard_task_commit_seconds_bucket",
                "chard_ai_request_seconds_bucket"} <= {name for name, _ in found}
        assert figures.value("chard_task_queued_seconds_count") == 3
        assert figures.value("chard_task_queued_seconds_sum") > 290 or place == "file"


EACH = {"process_cpu_seconds_total", "process_resident_memory_bytes", "process_open_fds", "chard_loop_lag_seconds", "chard_ready", "chard_build_info", "chard_store_up",
        "chard_store_group_size", "chard_store_connection_losses_total", "chard_broker_up", "chard_broker_unconfirmed", "chard_broker_connection_losses_total"}
FLEET = {"chard_queue_ready", "chard_queue_in_flight", "chard_queue_slots_free", "chard_scheduled_messages", "chard_scheduled_due_messages", "chard_scheduled_late_seconds",
         "chard_dead_letters", "chard_fleet_processes"}
SHOWN = {  # what each kind of process shows at least, after a run with failures
    "worker": EACH | {"chard_tasks_received_total", "chard_tasks_started_total", "chard_tasks_succeeded_total", "chard_tasks_failed_total", "chard_tasks_retried_total",
                      "chard_tasks_dead_total", "chard_tasks_in_flight", "chard_task_wait_seconds", "chard_task_call_seconds", "chard_task_commit_seconds", "chard_task_seconds",
                      "chard_ai_tokens_total", "chard_ai_cost_dollars_total", "chard_ai_requests_total", "chard_ai_model_paused_seconds", "chard_ai_limiter_state", "chard_ai_breaker_state"},
    "keeper": EACH | FLEET | {"chard_dead_letters_filed_total", "chard_duties_leader"},
    "gateway": EACH | FLEET | {"chard_http_requests_total", "chard_http_request_seconds", "chard_http_connections"},
    "consumer": EACH | {"chard_consumer_events_total", "chard_consumer_step_seconds", "chard_consumer_acts", "chard_consumer_behind_events"},
}


def test_a_real_prometheus_sees_what_ran(chard, database, provider, reply, queues, tmp_path, wait_until):
    chard.settings |= provider.settings()
    chard.prepare()
    keeper, consumer = chard.start("keep", *METRICS), chard.start("consume", "--all", *METRICS)
    with chard.worker(*METRICS) as worker, Gateway(chard, *METRICS) as gateway:
        ports = {name: Figures(process).port for name, process in (("worker", worker), ("keeper", keeper), ("gateway", gateway.process), ("consumer", consumer))}
        with Prometheus(tmp_path, ports.values()) as prometheus:
            run_scans(chard, database, provider, reply)
            gateway.get("/v1/jobs?limit=1")
            chard.run("send", "chat.classify", "user_id=u1", "lang=en", "text=later", "--countdown", "600", check=0)
            was = stored(database)

            def same():
                query = prometheus.query
                assert query("sum(up)") == {(): 4}
                assert query("sum by (task) (chard_tasks_succeeded_total) > 0") == {(k,): v for k, v in was["state SUCCESS"].items()}
                assert query("sum by (task) (chard_tasks_failed_total)") == {(k,): v for k, v in was["attempts"].items()}
                assert query("sum(chard_tasks_dead_total)") == {(): database.value("select count(*) from chard.dead_letter where state = 'kept'")}
                assert query("sum(chard_ai_tokens_total)") == {(): sum(was["tokens_in"].values()) + sum(was["tokens_out"].values())}
                assert query("sum(chard_ai_requests_total)") == {(): provider.count}
                assert query("max(chard_dead_letters)") == query("sum(chard_dead_letters_filed_total)") == {(): 1}
                assert query("max by (reason) (chard_scheduled_messages)") == {("eta",): 1}
                assert query('max by (queue) (chard_queue_ready{queue=~"scan.*"})') == {(q,): 0 for q in ("scan.vision", "scan.answer", "scan.reward")}
                assert query('max(chard_queue_slots_free{queue="scan.vision"})') == {(): 1000}
                assert query('max by (role) (chard_fleet_processes{state="consuming"})') == {("keeper",): 1, ("worker",): 1}
                assert query("sum(chard_duties_leader)") == {(): 1}
                assert query('sum by (status) (chard_http_requests_total{route="/v1/jobs"})') == {("200",): 1}
                assert query("sum(chard_ready)") == {(): 4}
                assert query("sum by (consumer) (chard_consumer_events_total)") == {(row["consumer"],): row["count"] for row in database.rows(
                    "select consumer, count(*) as count from chard.inbox group by consumer")}
                return True

            wait_until(same, 60)
            for name, process in (("worker", worker), ("keeper", keeper), ("gateway", gateway.process), ("consumer", consumer)):
                def lacks(name=name, process=process):
                    return SHOWN[name] - {re.sub("_(bucket|sum|count)$", "", sample) for sample, *_ in Figures(process).samples()}

                wait_until(lambda: not lacks(), what=f"{name} shows all of its figures")  # each looks at the store in its own time
            wait_until(lambda: has_answered(prometheus, dashboards()), 30)
            rules = [rule for group in prometheus.ask("rules")["groups"] for rule in group["rules"]]
            assert len(rules) > 10 and {rule["health"] for rule in rules} == {"ok"}, rules
            wait_until(lambda: replay(tmp_path, prometheus) or True, 60, every=1)  # the last sample of each may be of a bad moment
    for process in keeper, consumer:
        process.terminate()
        assert process.wait() == 0
        no_report(process.stderr)


# Panels of what this run has none of: messages that say when they came, a replication slot, tasks that wait, spans, what was lost.
EMPTY = {"Age of the oldest ready message", "In their queue before that (p95)", "Replication slots: behind", "Replication slots: oldest event undelivered",
         "Spans to the collector", "Revoked, handed back", "Retried, paused, put away", "Dead letters filed and refused", "Dollars in an hour"}


def has_answered(prometheus, queries):
    """A real Prometheus answers every query of every dashboard, most with figures; a wrong one is an error of it."""
    answers = [(panel, query, prometheus.ask("query", query=query)["result"]) for _, panel, query in queries]
    lacks = [(panel, query) for panel, query, answer in answers if not answer and panel not in EMPTY]
    assert not lacks, lacks
    return len(answers) > 50


def replay(folder, prometheus):
    """The rules on what was scraped, by promtool, a sample a minute and then an hour of the last ones: what is recorded, and that nothing fires of what is well."""
    names = set.union(*(names_in(path.read_text()) for path in rule_files()))
    series = prometheus.stored({name for name in names if ":" not in name})
    longest = max(map(len, series.values()))
    test = {"interval": "1m", "input_series": [{"series": name, "values": " ".join(["_"] * (longest - len(values)) + values + [f"{values[-1]}x60"])}
                                               for name, values in series.items()],
            "promql_expr_test": [
                {"expr": 'count by (alertname) (ALERTS{alertstate="firing"})', "eval_time": f"{longest + 50}m", "exp_samples": []},
                {"expr": 'job_queue:chard_queue_slots_free:max{queue="scan.vision"}', "eval_time": f"{longest + 50}m",
                 "exp_samples": [{"labels": 'job_queue:chard_queue_slots_free:max{job="chard", queue="scan.vision"}', "value": 1000}]},
                {"expr": 'count(job_task:chard_task_seconds:p95_5m{task="scan.vision"})', "eval_time": f"{longest + 50}m", "exp_samples": [{"labels": "{}", "value": 1}]}]}
    (folder / "replay.yml").write_text(json.dumps({"rule_files": list(map(str, rule_files())), "evaluation_interval": "1m", "tests": [test]}))
    promtool("test", "rules", folder / "replay.yml")


@everywhere
def test_a_consumer_shows_what_it_deals_with(chard, database, place, wait_until):
    chard.prepare()
    insert(database, [{"type": "RewardGranted", "of": ("scan", f"j{n}"), "payload": {"job_id": f"j{n}", "user_id": f"u{n}", "reward_type": "character",
                       "character_id": "pet" if n else ""}} for n in range(21)])
    consumer = chard.start("consume", "character", *METRICS)
    figures = Figures(consumer)

    def shown():
        assert figures.by("outcome", "chard_consumer_events_total", consumer="character") == {"acted": 20, "dead": 1}
        assert figures.value("chard_consumer_step_seconds_count") >= 1
        assert (figures.value("chard_consumer_acts"), figures.value("chard_consumer_behind_events"), figures.value("chard_consumer_waiting_events")) == (1, 0, 0)
        assert figures.value("chard_build_info", role="consumer") == figures.value("chard_ready") == figures.value("chard_store_up") == 1
        assert figures.queues()["scan.vision"]["ready"] == 0
        return True

    wait_until(shown, 40)
    promtool("check", "metrics", input=figures.text())
    assert figures.get("/healthz").status == figures.get("/readyz").status == 200
    consumer.terminate()
    assert consumer.wait() == 0
    no_report(consumer.stderr)


def test_a_consumer_acts_without_a_broker_and_shows_queues_when_it_is_there(chard, broker_url, toxic, wait_until):
    chard.prepare()
    link = toxic(urllib.parse.urlsplit(broker_url).port)
    chard.settings["CHARD_BROKER_URL"] = link.url(broker_url)
    link.refuse()
    consumer = chard.start("consume", "--all", *METRICS)
    figures = Figures(consumer)
    wait_until(lambda: figures.value("chard_consumer_acts", consumer="character") == 1)
    assert figures.get("/stats/queues").status == 503 and figures.get("/readyz").status == 200 and figures.value("chard_broker_up") is None
    link.heal()
    wait_until(lambda: figures.get("/stats/queues").status == 200, 40)
    assert figures.queues()["scan.vision"]["ready"] == 0 and figures.value("chard_broker_up") is not None
    consumer.terminate()
    assert consumer.wait() == 0
    no_report(consumer.stderr)


# --- queues ----------------------------------------------------------------------------------------------


@everywhere
def test_queues_say_what_waits_and_who_works(chard, queues, provider, reply, place, wait_until):
    provider.behave = reply.always(reply.hanging())
    chard.settings |= provider.settings() | {"CHARD_GRACE_MS": "0"}
    chard.prepare()
    chard.run("send", "chat.classify", "user_id=u1", "lang=en", "text=later", "--countdown", "600", check=0)  # somebody must take it to the store
    for number in range(5):
        chat(queues, number, timestamp=int(time.time()) - 100)
    with Gateway(chard) as gateway:
        alone = gateway.get("/stats/queues?queue=chat.classify").json["queues"]["chat.classify"]
        assert (alone["ready"], alone["in_flight"], alone["slots_free"]) == (6, 0, 0)
        assert alone["oldest_age_s"] is None or place == "file"
        with chard.worker(*METRICS, queues="chat.classify", slots=3) as worker:
            figures = Figures(worker)

            def seen():
                for all_queues in figures.queues(), gateway.get("/stats/queues").json["queues"]:
                    one = all_queues["chat.classify"]
                    assert (one["ready"], one["in_flight"], one["slots_free"]) == (2, 3, 0)
                    assert one["oldest_age_s"] >= 100 or place == "file" and 0 < one["oldest_age_s"] < 100
                    assert all_queues["scan.vision"] == {"ready": 0, "in_flight": 0, "oldest_age_s": 0.0, "slots_free": 0}
                return True

            wait_until(seen)
            assert figures.queues("chat.classify").keys() == {"chat.classify"}
            assert figures.get("/stats/queues?queue=no.such").status == 404
            assert figures.value("chard_tasks_in_flight", queue="chat.classify") == 3


def test_a_queue_that_the_broker_does_not_have_is_left_out(chard, queues):
    chard.prepare()
    queues.delete_queue("my.profile")
    with Gateway(chard) as gateway:
        assert "my.profile" not in gateway.get("/stats/queues").json["queues"]
        assert gateway.get("/stats/queues?queue=my.profile").status == 404


@pytest.mark.parametrize("away", ["store", "broker"])
def test_an_unknown_number_is_an_error_and_no_zero(chard, away, toxic, rabbitmq, postgres, broker_url, store_url, wait_until):
    chard.prepare()
    link = toxic(urllib.parse.urlsplit({"store": store_url, "broker": broker_url}[away]).port)
    chard.settings[f"CHARD_{away.upper()}_URL"] = link.url({"store": store_url, "broker": broker_url}[away])
    keeper = chard.start("keep", *METRICS)
    figures = Figures(keeper)
    wait_until(lambda: figures.get("/readyz").status == 200 and figures.queues())
    assert figures.value("chard_queue_ready", queue="scan.vision") == 0
    link.refuse()

    def unknown():
        done = figures.get("/stats/queues")
        assert done.status == 503, done.body
        assert (done.json["code"], done.headers["Content-Type"]) == ("unknown", "application/problem+json")
        assert figures.get("/readyz").status == 503 and figures.get("/healthz").status == 200
        assert figures.value("chard_ready") == figures.value(f"chard_{away}_up") == 0
        gone = "chard_queue_in_flight" if away == "store" else "chard_queue_ready"
        assert figures.value(gone) is None and figures.value(f"chard_{away}_connection_losses_total") >= 1
        return True

    wait_until(unknown, 30)
    link.heal()
    wait_until(lambda: figures.get("/readyz").status == 200 and figures.get("/stats/queues").status == 200, 30)
    keeper.terminate()
    assert keeper.wait() == 0
    no_report(keeper.stderr)


def test_a_store_behind_a_lock_is_unknown_as_well(chard, database, wait_until):
    """It is up and does not answer: whoever asks hears so after two seconds, and all else goes on."""
    chard.prepare()
    keeper = chard.start("keep", *METRICS)
    figures = Figures(keeper)
    wait_until(lambda: figures.get("/readyz").status == 200)
    with database.connect(autocommit=False) as other:
        other.execute("lock table chard.scheduled in access exclusive mode")
        begun = time.monotonic()
        done = figures.get("/stats/queues")
        assert (done.status, done.json["code"]) == (503, "unknown") and 1.5 < time.monotonic() - begun < 10
        assert figures.get("/healthz").status == 200
        assert figures.value("chard_queue_in_flight") is None and figures.value("chard_scheduled_messages") is None
        other.rollback()
    wait_until(lambda: figures.get("/stats/queues").status == 200)
    assert figures.value("chard_queue_in_flight", queue="scan.vision") == 0
    keeper.terminate()
    assert keeper.wait() == 0
    no_report(keeper.stderr)


# --- who reads it ----------------------------------------------------------------------------------------


def ask(target, *headers, method="GET", host="localhost"):
    return "\r\n".join([f"{method} {target} HTTP/1.1", f"Host: {host}", "Connection: close", *headers]).encode() + b"\r\n\r\n"


HOSTILE = {  # request -> status
    "another method": (ask("/metrics", "Content-Length: 0", method="POST"), 405),
    "a body": (ask("/metrics", "Content-Length: 2") + b"{}", 400),
    "a parameter": (ask("/metrics?name[]=up"), 400),
    "an unknown parameter": (ask("/stats/queues?q=scan.vision"), 400),
    "dots": (ask("/metrics/../../etc/passwd"), 400),
    "escaped dots": (ask("/%2e%2e/etc/passwd"), 400),
    "deeper": (ask("/metrics/1"), 404),
    "the root": (ask("/"), 404),
    "debug": (ask("/debug/pprof/heap"), 404),
    "another name": (ask("/metrics", host="evil.example"), 421),
    "another page": (ask("/metrics", "Origin: http://evil.example"), 403),
    "no such queue": (ask("/stats/queues?queue=%27%3B--"), 404),
    "a NUL": (ask("/stats/queues?queue=%00"), 400),
    "two lengths": (ask("/metrics", "Content-Length: 0", "Content-Length: 1"), 400),
    "a strange Accept": (ask("/metrics", "Accept: " + ",;q=\"" * 2000), 200),
    "a large header": (ask("/metrics", "X: " + "x" * 100000), 431),
    "HEAD": (ask("/metrics", method="HEAD"), 200),
}


@pytest.fixture
def watched(chard):
    chard.prepare()
    with chard.worker(*METRICS) as worker:
        yield Figures(worker)


@pytest.mark.parametrize("place", ["file"])
def test_hostile_readers_get_nothing(watched, place):
    for name, (data, status) in HOSTILE.items():
        statuses = watched.statuses(data, end=False, timeout=10)
        assert statuses == [status] or (not statuses and status == 431), (name, statuses)
    for _ in range(3):
        watched.raw(b"GET /metrics HTTP/1.1\r\nHost: loc", timeout=1)
    assert watched.value("chard_ready") == 1


@pytest.mark.parametrize("place", ["file"])
def test_a_loop_that_stands_still_is_not_alive_and_says_afterwards_how_long(watched, place, wait_until):
    lag = watched.value("chard_loop_lag_seconds_sum")
    watched.process.signal(signal.SIGSTOP)
    assert watched.statuses(ask("/healthz"), end=False, timeout=1) == []
    watched.process.signal(signal.SIGCONT)
    wait_until(lambda: watched.value("chard_loop_lag_seconds_sum") > lag + 0.7)
    assert watched.get("/healthz").status == 200


@pytest.mark.parametrize("place", ["file"])
def test_planted_texts_are_in_no_label(chard, queues, place, wait_until):
    chard.prepare()
    planted = "sk-planted"
    queues.publish("", "chard.tasks", b"[[],{},{}]", {"lang": "py", "task": f"no.{planted}", "id": planted, "root_id": planted, "origin": planted})
    queues.publish("", "chard.tasks", json.dumps([[planted], {"user_id": planted}, {}]).encode(), {"lang": "py", "task": "chard.fail", "id": "f"})
    with chard.worker(*METRICS, queues="chard.tasks") as worker:
        figures = Figures(worker)
        wait_until(lambda: figures.value("chard_tasks_dead_total") == 2)
        assert figures.by("task", "chard_tasks_dead_total") == {"unknown": 1, "chard.fail": 1}
        for text in figures.text(), figures.text(OPENMETRICS), json.dumps(figures.queues()):
            assert planted not in text


@pytest.mark.parametrize("place", ["file"])
def test_only_an_address_that_is_named_is_for_others(chard, place):
    chard.prepare()
    with chard.worker("--metrics", "0.0.0.0:0") as worker:
        assert "http://0.0.0.0" in worker.stderr
        assert Figures(worker).get("/metrics", headers={"Host": "worker-7.chard.svc"}).status == 200
        port = Figures(worker).port
        done = chard.run("worker", "--metrics", str(port))
        assert done.returncode != 0 and "in use" in done.stderr
    for wrong in "nowhere", "127.0.0.1", "127.0.0.1:99999":
        for command in "worker", "keep", "gateway":
            done = chard.run(command, "--metrics", wrong, *(("--listen", "127.0.0.1:0") if command == "gateway" else ()))
            assert done.returncode == 2 and "--metrics" in done.stderr, (command, wrong)


@pytest.mark.parametrize("place", ["file"])
def test_dev_shows_all_at_its_port(chard_bare, tmp_path, place, wait_until):
    dev = chard_bare.with_settings(ai_provider="offline").start("dev", "--db", tmp_path / "dev.db", "--port", "0")
    client = Gateway.__new__(Gateway)
    client.port = int(dev.wait_log(r"listens on .*, port (\d+)")[1])
    wait_until(lambda: client.get("/readyz").status == 200)
    client.submit()

    def shown():
        text = client.get("/metrics").body.decode()
        promtool("check", "metrics", input=text)
        for line in ('chard_tasks_succeeded_total{task="chat.answer",queue="chat.answer"} 1', 'chard_queue_ready{queue="chat.answer"} 0',
                     "chard_duties_leader 1", 'role="dev"', 'route="/v1/jobs",status="202"'):
            assert line in text, line
        return True

    wait_until(shown)
    assert client.get("/stats/queues").json["queues"]["chat.answer"]["slots_free"] == 1000
    dev.terminate()
    assert dev.wait() == 0
    no_report(dev.stderr)


@pytest.mark.parametrize("place", ["file"])
def test_dev_whose_port_is_taken_shows_the_rest(chard_bare, tmp_path, place, wait_until):
    """A gateway that could not listen is none, and is not looked at."""
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)

        def taken():
            with contextlib.suppress(OSError):  # another test's has it for now
                other.bind(("127.0.0.1", 8780))
                other.listen()
                return True

        wait_until(taken, 60)
        dev = chard_bare.with_settings(ai_provider="offline").start("dev", "--db", tmp_path / "dev.db", *METRICS)
        dev.wait_log("no HTTP here")
        figures = Figures(dev)
        wait_until(lambda: figures.value("chard_ready") == 1)
        assert figures.value("chard_http_connections") is None
        dev.terminate()
        assert dev.wait() == 0
        no_report(dev.stderr)


# --- words -----------------------------------------------------------------------------------------------


def names():
    """{name as Prometheus shows it: kind} of all metrics."""
    suffix = {"COUNT": "_total", "METRIC_COUNTER": "_total", "METRIC_INFO": "_info"}
    source = (ROOT / "observe/table.c").read_text()
    found = re.findall(r'\[METER_\w+\]\s*=\s*\{\s*"(\w+)",\s*(\w+)', source)
    return {name + suffix.get(kind, ""): kind for name, kind in found}


def test_every_name_is_in_the_docs_and_no_other():
    text = (ROOT / "docs/metrics.md").read_text()
    rows = re.findall(r"^\| (`(?:chard|process)_.*?) \| ", text, re.M)
    documented = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
    assert sorted(documented) == sorted(names()) and len(names()) > 60


def test_alert_rules():
    folder = ROOT / "deploy/prometheus"
    rules, docs = (folder / "alerts.yml").read_text(), (ROOT / "docs/metrics.md").read_text()
    for path in rule_files():
        assert "rules found" in promtool("check", "rules", path)
    promtool("test", "rules", "alerts_test.yml", cwd=folder)
    anchors = {re.sub(r"[^a-z0-9 _-]", "", title.lower()).replace(" ", "-") for title in re.findall(r"^#+ (.*)$", docs, re.M)}
    links = re.findall(r"runbook_url: docs/metrics.md#(\S+)", rules)
    assert len(links) == rules.count("- alert:") and set(links) <= anchors, set(links) - anchors
    recorded = (folder / "recording.yml").read_text()
    made = set(re.findall(r"record: (\S+)", recorded))
    known = set(names()) | made
    assert names_in(rules) | names_in(recorded) <= known, (names_in(rules) | names_in(recorded)) - known
    asked = set.union(*(names_in(query) for *_, query in dashboards()))
    assert asked <= known and made <= asked and len(asked) > 60, (asked - known, made - asked)
