# SPDX-License-Identifier: Apache-2.0
"""A fault of the endpoint is no fault of a message: nothing dies of it, everything waits, one task now and then finds out whether it is over."""

import json
import re

import pytest
from support import jobs
from support.place import everywhere
from test_dlq import Receiver, keeping

FAULTS = {
    "key": lambda reply: reply.failure(401, "invalid_api_key", "Incorrect API key provided"),
    "quota": lambda reply: reply.failure(429, "insufficient_quota", "You exceeded your current quota", "insufficient_quota"),
    "model": lambda reply: reply.failure(404, "model_not_found", "The model does not exist"),
    "moved": lambda reply: reply.failure(301, headers={"Location": "http://127.0.0.1:1/"}),
}


def hurry(chard, database, wait_until, done):
    """Wait for it without waiting for back-offs: what is scheduled is due."""
    postgres = chard.settings["CHARD_STORE_URL"].startswith("postgres")
    now = "now()" if postgres else "0"

    def look():
        database.run(f"update chard.scheduled set due_at = {now} where due_at > {now}")
        if postgres:
            database.run("select pg_notify('chard_scheduled', '1')")
        return done()

    wait_until(look, 60, every=0.2)


def chats(chard, count):
    return jobs.submit_many(chard, "chat", [{"user_id": f"u{n}", "text": "a milk carton", "lang": "en"} for n in range(count)])


@everywhere
@pytest.mark.parametrize("fault", FAULTS)
def test_jobs_wait_while_the_endpoint_serves_nobody(chard, database, provider, queues, reply, wait_until, fault):
    provider.behave = reply.always(FAULTS[fault](reply))
    chard.settings |= provider.settings() | {"CHARD_HOLD_MS": "0"}
    chard.prepare()
    with chard.worker(name="w1") as worker:
        ids = chats(chard, 1)
        worker.wait_log(r"serves nobody|is paused, now for")
        ids += chats(chard, 100)
        wait_until(lambda: database.value("select count(*) from chard.scheduled where reason = 'paused'") >= 95)
        assert provider.count <= 5, "somebody asked while it was paused"
        wait_until(lambda: "paused: " in chard.run("ping", "w1", check=0).stdout)
        provider.behave = reply.fitting
        database.run("update chard.scheduled set due_at = now()" if chard.settings["CHARD_STORE_URL"].startswith("postgres")
                     else "update chard.scheduled set due_at = 0")
        worker.wait_log(r"serves us again|is called again")
        assert set(jobs.ended(database, ids, 60).values()) == {"SUCCESS"}
    assert database.value("select sum(attempts) from chard.task") == 0
    assert not queues.take("chat.classify.dead")
    told = [line for line in worker.log if " ai " in line]
    assert len(told) == 2, "one line for the loss and one for the return"


OUTAGES = {
    "503": lambda reply: reply.failure(503, message="no healthy upstream"),
    "broken off": lambda reply: reply.Reply(cut=0),
}


@everywhere
@pytest.mark.parametrize("outage", OUTAGES)
def test_nobody_dies_in_an_outage_that_meets_few_calls(chard, database, provider, queues, reply, outage):
    """A dozen jobs are too few for a share of calls to say anything; many failures in a row do."""
    failed = []
    provider.behave = lambda _request: failed.append(1) or OUTAGES[outage](reply)
    chard.settings |= provider.settings()
    chard.prepare()
    with chard.worker() as worker:
        ids = chats(chard, 12)
        worker.wait_log("is paused, now for")
        # Probes go on by themselves; to wait for a dozen of them would take minutes.
        provider.behave = reply.fitting
        assert set(jobs.ended(database, ids, 60).values()) == {"SUCCESS"}
    assert not queues.take("chat.classify.dead")
    assert database.value("select sum(attempts) from chard.task") == len(failed), \
        "each request is an attempt that is recorded"


@everywhere
@pytest.mark.parametrize("outage", OUTAGES)
def test_nobody_dies_in_an_outage_that_meets_one_task(chard, database, provider, queues, reply, wait_until, outage):
    """One job alone uses up more attempts than it has, before and after a restart, and lives; nor is it poison for it."""
    provider.behave = reply.always(OUTAGES[outage](reply))
    chard.settings |= provider.settings() | {"CHARD_MAX_STARTS": "2"}
    chard.prepare()
    waits = {}
    for least in (4, 6):
        with chard.worker() as worker:
            ids = chats(chard, 1) if least == 4 else ids
            hurry(chard, database, wait_until, lambda: provider.count >= least)  # noqa: B023
        waits |= {int(attempt): int(ms) for attempt, ms in re.findall(r"attempt=(\d+) failed .*, again in (\d+) ms", worker.stderr)}
    assert len(waits) >= 5 and all(ms >= 500 * 2 ** min(attempt - 1, 6) for attempt, ms in waits.items()), f"longer and longer: {waits}"
    provider.behave = reply.fitting
    with chard.worker():
        hurry(chard, database, wait_until, lambda: set(jobs.ended(database, ids, 0.1).values()) == {"SUCCESS"})
    assert not queues.take("chat.classify.dead")


@everywhere
@pytest.mark.parametrize("count", [1, 3])
def test_who_breaks_the_endpoint_alone_ends(chard, database, provider, queues, reply, wait_until, count):
    """Nobody else was served, and yet there is an end: when the patience is over."""
    provider.behave = reply.always(reply.failure(500))
    chard.settings |= provider.settings() | {"CHARD_OUTAGE_PATIENCE_S": "3"}
    chard.prepare()
    with chard.worker():
        ids = chats(chard, count)
        hurry(chard, database, wait_until, lambda: set(jobs.ended(database, ids, 0.1).values()) == {"FAILURE"})
    letters = queues.take("chat.classify.dead")
    assert len(letters) == count and all(4 <= letter.headers["attempts"] <= 12 for letter in letters)
    assert sum(letter.headers["attempts"] for letter in letters) == provider.count
    assert {letter.headers["errorVerdict"] for letter in letters} == {"transient"}


@everywhere
def test_who_breaks_it_while_others_are_served_ends_as_ever(chard, database, provider, queues, reply, wait_until):
    provider.behave = lambda request: reply.failure(500) if b"cursed" in request.body else reply.fitting(request)
    chard.settings |= provider.settings()
    chard.prepare()
    with chard.worker():
        cursed = jobs.submit(chard, "chat", user_id="u1", text="cursed", lang="en")
        wait_until(lambda: provider.statuses[500] == 1)
        for _ in range(4):
            assert set(jobs.ended(database, chats(chard, 1), 30).values()) == {"SUCCESS"}
            hurry(chard, database, wait_until, lambda seen=provider.statuses[500]: provider.statuses[500] > seen)
        assert jobs.ended(database, [cursed], 30) == {cursed: "FAILURE"}
    (letter,) = queues.take("chat.classify.dead")
    assert letter.headers["attempts"] == provider.statuses[500] == letter.headers.get("chard_excused", 0) + 4


@everywhere
def test_five_that_break_it_end_among_many_that_are_served(chard, database, provider, queues, reply, wait_until):
    """Each after its four attempts, in the time of its own back-offs, and nobody else is the worse for them."""
    provider.behave = lambda request: reply.failure(500) if b"cursed" in request.body else reply.fitting(request, delay=0.05)
    chard.settings |= provider.settings()
    chard.prepare()
    with chard.worker(slots=10):
        cursed = jobs.submit_many(chard, "chat", [{"user_id": "u1", "text": f"cursed {n}", "lang": "en"} for n in range(5)])
        well = []

        def dead():
            well.extend(chats(chard, 5))
            return set(jobs.ended(database, cursed, 0.1).values()) == {"FAILURE"}

        hurry(chard, database, wait_until, dead)
        assert set(jobs.ended(database, well, 60).values()) == {"SUCCESS"}
    letters = queues.take("chat.classify.dead")
    assert sorted(letter.headers["root_id"] for letter in letters) == sorted(cursed)
    assert [letter.headers["attempts"] - letter.headers.get("chard_excused", 0) for letter in letters] == [4] * 5
    assert sum(letter.headers["attempts"] for letter in letters) == provider.statuses[500] <= 5 * 10


def test_a_revoked_key_is_replaced_in_its_file(chard, database, provider, reply, tmp_path):
    """The new key counts at once, whoever was refused before is asked again, and no job is the worse for it."""
    key = tmp_path / "key"
    key.write_text("sk-first\n")
    good = {"Bearer sk-first"}
    provider.behave = lambda request: (reply.fitting(request) if request.headers["authorization"] in good else
                                       FAULTS["key"](reply))
    chard.settings |= {name: value for name, value in provider.settings().items() if name != "OPENAI_API_KEY"}
    chard.settings |= {"OPENAI_API_KEY_FILE": str(key)}
    chard.prepare()
    with chard.worker() as worker:
        assert set(jobs.ended(database, chats(chard, 5), 30).values()) == {"SUCCESS"}
        good.clear()
        ids = chats(chard, 1)
        worker.wait_log("serves nobody")
        good.add("Bearer sk-second")
        key.write_text("sk-second\n")
        worker.wait_log("another key is in")
        assert set(jobs.ended(database, [*ids, *chats(chard, 5)], 30).values()) == {"SUCCESS"}
    assert "sk-second" not in worker.stderr


def test_a_restart_asks_at_once(chard, database, provider, reply):
    provider.behave = reply.always(FAULTS["key"](reply))
    chard.settings |= provider.settings()
    chard.prepare()
    with chard.worker(name="w1") as worker:
        ids = chats(chard, 3)
        worker.wait_log("serves nobody")
    provider.behave = reply.fitting
    with chard.worker(name="w1"):
        assert set(jobs.ended(database, [*ids, *chats(chard, 3)], 60).values()) == {"SUCCESS"}


@everywhere
@pytest.mark.parametrize("status, code, message", [
    (413, "rate_limit_exceeded", "Request too large for model on tokens per minute (TPM): Limit 6000, Requested 7000"),
    (429, "rate_limit_exceeded", "Request too large for gpt: Limit 30000, Requested 50000"),
    (400, "context_length_exceeded", "maximum context length is 8192 tokens"),
])
def test_what_never_passes_is_final_and_nobody_else_waits(chard, database, provider, queues, reply, status, code, message):
    provider.behave = lambda request: (reply.failure(status, code, message, "tokens", headers={"Retry-After": "60"}) if b"huge" in request.body
                                       else reply.fitting(request))
    chard.settings |= provider.settings()
    chard.prepare()
    with chard.worker():
        huge = jobs.submit(chard, "chat", user_id="u1", text="huge", lang="en")
        assert jobs.ended(database, [huge], 30) == {huge: "FAILURE"}
        assert set(jobs.ended(database, chats(chard, 3), 30).values()) == {"SUCCESS"}
    assert [letter.headers["errorCode"] for letter in queues.take("chat.classify.dead")] == [code]
    assert provider.count == 7


@everywhere
def test_the_keeper_tells_the_room_of_an_outage_and_of_its_end(chard, database, provider, reply, wait_until):
    """Once each, of two keepers, and after a refusal; a model that rests because of a limit is nobody's to mend."""
    provider.behave = reply.always(reply.rate_limited(retry_after="2"))
    chard.settings |= provider.settings() | {"CHARD_HOLD_MS": "0"}
    chard.prepare()
    room = Receiver([503])
    hook = {"dlq_webhook_url": room.url("services/T0/B0/secret"), "dlq_webhook_every_s": 0}
    with chard.worker(name="w1") as worker, keeping(chard, "k1", **hook) as one, keeping(chard, "k2", **hook) as two:
        ids = chats(chard, 1)
        worker.wait_log("is paused, now for")
        provider.behave = reply.always(FAULTS["key"](reply))
        ids += chats(chard, 1)
        wait_until(lambda: len(room.posts) >= 2, 60)
        provider.behave = reply.fitting
        wait_until(lambda: len(room.posts) >= 3, 90)
        assert set(jobs.ended(database, ids, 60).values()) == {"SUCCESS"}
    told = [post["text"] for post in room.posts]
    assert told[0] == told[1] and "The AI endpoint takes no requests" in told[0] and "Incorrect API key" in told[0]
    assert told[2:] == ["chard: The AI endpoint takes requests again."]
    assert not any("Model" in text for text in told)
    assert "secret" not in one.stderr + two.stderr
