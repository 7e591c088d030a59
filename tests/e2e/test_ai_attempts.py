# SPDX-License-Identifier: Apache-2.0
"""What may be paid for is one attempt, and is recorded: no request is sent again behind chard's back, no lease is spent after its end, and what
arrived while a process stood still counts."""

import contextlib
import json
import os
import signal
import time
import urllib.parse

import pytest
from support import jobs
from support.place import everywhere
from test_ai import Http2Server, certificates, chat, driver, judged  # noqa: F401 (fixtures)


@pytest.mark.parametrize("how", ["fin", "rst"])
def test_a_request_on_a_connection_that_dies_is_sent_once(chat, provider, reply, wait_until, how):  # noqa: F811
    """curl would send it again by itself, since the connection was used before."""
    assert chat.ask()["verdict"] == "ok"
    provider.behave = reply.always(reply.Reply(cut=0) if how == "fin" else reply.hanging())
    second = chat.send()
    wait_until(lambda: provider.count == 2)
    if how == "rst":
        provider.drop_connections()
    answer = chat.answer(second)
    assert judged(answer) == ("transient", "connection") and "after the request had been sent" in answer["text"]
    assert provider.count == 2
    provider.behave = reply.fitting
    assert chat.ask()["verdict"] == "ok"
    assert provider.count == 3


def test_nor_is_it_sent_again_on_another_kept_connection(chat, provider, reply, wait_until):  # noqa: F811
    """curl needs to open none for that."""
    provider.behave = reply.always(reply.hanging())
    many = [chat.send() for _ in range(40)]  # several in each of its pools
    wait_until(lambda: provider.count == 40)
    provider.let_go()
    assert {chat.answer(one)["verdict"] for one in many} == {"ok"} and provider.connections() == 40
    provider.behave = reply.always(reply.Reply(cut=0))
    assert judged(chat.ask()) == ("transient", "connection")
    assert provider.count == 41


@pytest.mark.parametrize("status, headers", [(307, {"Location": "/v1/chat/completions"}), (401, {"WWW-Authenticate": "Basic"}), (417, {}),
                                             (408, {"Connection": "close"}), (407, {"Proxy-Authenticate": "Basic"})])
def test_no_status_makes_it_go_out_again(chat, provider, reply, status, headers):  # noqa: F811
    provider.behave = reply.sequence(reply.fitting, reply.failure(status, headers=headers))
    assert chat.ask()["verdict"] == "ok"
    assert chat.ask()["verdict"] != "ok"
    assert provider.count == 2


def test_a_stream_that_is_refused_is_not_sent_again(driver, certificates):  # noqa: F811
    server = Http2Server(certificates.key, certificates.certificate, "refuse")
    chat = driver(OPENAI_BASE_URL=f"https://127.0.0.1:{server.port}/v1", SSL_CERT_FILE=certificates.authority)  # noqa: F811
    assert chat.ask()["verdict"] == "ok"
    assert judged(chat.ask()) == ("transient", "connection")
    assert server.seen()["requests"] == 2
    server.close()


def stopped_past(process, seconds, then):
    """It stands still for so long, and until `then` holds."""
    os.kill(process.pid, signal.SIGSTOP)
    until = time.monotonic() + seconds
    jobs.wait_until(lambda: then() and time.monotonic() > until)
    os.kill(process.pid, signal.SIGCONT)


def test_what_arrived_while_it_stood_still_is_read_before_time_is_looked_at(chat, provider, reply):  # noqa: F811
    provider.behave = lambda request: reply.fitting(request, delay=0.3)
    names = [chat.send(deadline_ms=1000) for _ in range(20)]
    jobs.wait_until(lambda: provider.count == 20)
    stopped_past(chat, 1.6, lambda: provider.in_flight == 0)
    assert [judged(chat.answer(name)) for name in names] == [("ok", "")] * 20
    assert provider.count == 20


def test_what_did_not_arrive_is_a_time_out_soon_after(chat, provider, reply):  # noqa: F811
    provider.behave = reply.sequence(reply.hanging(), reply.fitting)
    first = chat.send(deadline_ms=1000)
    jobs.wait_until(lambda: provider.count == 1)
    stopped_past(chat, 1.6, lambda: True)
    assert judged(chat.answer(first, 5)) == ("transient", "timeout")
    assert chat.ask()["verdict"] == "ok"


@everywhere
def test_a_lease_that_ran_out_is_not_spent(chard, database, provider, reply, place):
    """A worker holds a task through a pause and stands still for longer than its lease. With servers another one does the task meanwhile."""
    provider.behave = reply.sequence(reply.rate_limited(1), then=reply.fitting)
    chard.settings |= provider.settings() | {"CHARD_DEADLINE_MS": "1000", "CHARD_LEASE_SLACK_MS": "1500", "CHARD_HEARTBEAT_S": "1"}
    chard.prepare()
    with chard.worker(name="stopped") as first:
        job_id = jobs.submit(chard, "chat", user_id="u1", text="a milk carton", lang="en")
        jobs.wait_until(lambda: provider.count == 1 and provider.in_flight == 0)
        if place == "servers":
            first.signal(signal.SIGSTOP)
            with chard.worker(name="other"):
                assert jobs.ended(database, [job_id], 30) == {job_id: "SUCCESS"}
                first.signal(signal.SIGCONT)
                first.wait_ready()
        else:
            stopped_past(first, 3, lambda: True)
            assert jobs.ended(database, [job_id], 30) == {job_id: "SUCCESS"}
    assert provider.count == 3
    assert database.value("select sum(attempts) from chard.task") == 0
    if place == "file":
        assert database.value("select max(starts) from chard.task") == 1, "claiming again is no start"


def test_an_answer_that_waits_for_the_store_is_not_bought_again(chard, database, provider, toxic, broker_url, wait_until):
    """Its worker can't commit, has lost its delivery, and its lease runs out: another one has the task, and waits too."""
    links = {name: toxic(urllib.parse.urlsplit(broker_url).port) for name in ("one", "other")}
    chard.settings |= provider.settings() | {"CHARD_DEADLINE_MS": "1000", "CHARD_LEASE_SLACK_MS": "1500", "CHARD_HEARTBEAT_S": "1"}
    chard.prepare()
    with contextlib.ExitStack() as stack:
        for name, link in links.items():
            stack.enter_context(chard.worker(name=name, broker_url=link.url(broker_url)))
        with database.connect(autocommit=False) as locker:
            locker.execute("lock table chard.event in access exclusive mode")
            job_id = jobs.submit(chard, "chat", user_id="u1", text="a milk carton", lang="en")
            wait_until(lambda: provider.count == 1 and provider.in_flight == 0)
            link = links[database.value("select lease_owner from chard.task")]
            link.refuse()
            wait_until(lambda: database.value("select now() > lease_until + interval '3 s' from chard.task"))
            assert provider.count == 1
        assert jobs.ended(database, [job_id], 30) == {job_id: "SUCCESS"}
        link.heal()
    assert provider.count == 2
    assert database.value("select max(starts) from chard.task") == 1


def test_the_pause_of_each_model_is_told(chard, provider, reply, wait_until):
    """Of the tasks that name no model of their own too: policies for dead letters look at it."""
    provider.behave = reply.always(reply.rate_limited(60))
    chard.settings |= provider.settings() | {"CHARD_OPENAI_MODEL": "texts", "CHARD_OPENAI_VISION_MODEL": "pictures"}
    chard.prepare()
    with chard.worker(name="w1"):
        jobs.submit(chard, "chat", user_id="u1", text="a milk carton", lang="en")

        def paused():
            tasks = json.loads(chard.run("ping", "w1", "--json").stdout)["state"]["tasks"]
            return {name for name, task in tasks.items() if task["paused_ms"] > 0}

        wait_until(lambda: paused() == {"chat.classify", "chat.answer", "scan.answer"})
