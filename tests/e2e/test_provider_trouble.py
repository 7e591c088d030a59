# SPDX-License-Identifier: Apache-2.0
"""Providers that limit, fail, babble and hang, from one task to thousands at once."""

import collections
import gzip
import json
import threading
import time

import pytest
from support import jobs
from support.place import everywhere
from support.provider import Reply, failure
from support.volume import volume


def answer(request):
    from support.provider import completion
    wanted = request.json["response_format"]["json_schema"]["schema"]["properties"]
    return completion(jobs.BOTTLE if "major" in wanted else jobs.ADVICE)


@everywhere
@pytest.mark.volume
def test_scans_through_a_bad_day(chard, database, provider, queues, reply):
    """10 % rate-limited, 5 % failing, 2 % broken JSON, 1 % never answering: every job ends, each dead one with its reason."""
    weather = reply.mixture([(0.10, reply.rate_limited(1)), (0.05, reply.failure(500)),
                             (0.02, reply.completion('{"major": ')), (0.01, reply.hanging())], answer)
    provider.behave = lambda request: reply.failure(400, "bad_image", "no such picture") if b"cursed" in request.body else weather(request)
    chard.settings |= provider.settings() | {"CHARD_DEADLINE_MS": "3000"}
    chard.prepare()
    count = volume(80, 200)
    with chard.worker():
        ids = jobs.submit_many(chard, "scan", [
            {"user_id": f"u{n}", "image_url": jobs.PICTURE, "text": f"{'cursed ' if n % 40 == 0 else ''}bottle {n}", "lang": "en"}
            for n in range(count)])
        states = jobs.ended(database, ids, 110)
    failed = [job_id for job_id, state in states.items() if state == "FAILURE"]
    letters = [letter for step in ("vision", "answer", "reward") for letter in queues.take(f"scan.{step}.dead")]
    assert {ids[n] for n in range(0, count, 40)} <= set(failed)
    assert len(letters) == len(failed)
    for letter in letters:
        head, code = letter.headers, letter.headers["errorCode"]
        assert head["errorMessage"] and head["attempts"] - head.get("chard_excused", 0) == (1 if code == "bad_image" else 4)
        error = database.value("select error from chard.job where root_id = %s", head["root_id"])
        assert (error["code"], error["text"]) == (code, head["errorMessage"])
    succeeded = len(ids) - len(failed)
    assert succeeded >= 0.925 * count, f"only {succeeded} of {count}"
    kinds = collections.Counter(kind for kind, _ in jobs.outbox(database))
    assert kinds["RewardGranted"] == succeeded
    # A rate-limited attempt is no attempt: attempts come from the other troubles alone.
    troubled = database.value("select coalesce(sum(attempts), 0) from chard.task")
    assert troubled < count * 2 * 0.08 * 3


@everywhere
@pytest.mark.parametrize("headers, least_s", [
    ({"Retry-After": "3"}, 3),
    ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "3s"}, 3),
    ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "3500ms"}, 3.5),
])
def test_a_429_pauses_the_whole_model(chard, database, provider, reply, headers, least_s):
    times = []

    def behave(request):
        times.append(time.monotonic())
        return reply.failure(429, "rate_limit_exceeded", headers=headers) if request.number == 1 else answer(request)

    provider.behave = behave
    chard.settings |= provider.settings()
    chard.prepare()
    with chard.worker(queues="scan.vision,scan.answer,scan.reward"):
        first = jobs.submit_scan(chard)
        jobs.wait_until(lambda: provider.count == 1)
        ids = [first, *jobs.submit_many(chard, "scan", [
            {"user_id": f"u{n}", "image_url": jobs.PICTURE, "lang": "en"} for n in range(10)])]
        assert set(jobs.ended(database, ids).values()) == {"SUCCESS"}
    assert times[1] - times[0] >= least_s - 0.05, "somebody asked while the model was paused"
    assert database.value("select sum(attempts) from chard.task") == 0


@everywhere
@pytest.mark.parametrize("trouble, code", [
    (lambda reply: reply.failure(400, "context_length_exceeded"), "context_length_exceeded"),
    (lambda reply: reply.failure(413, None, type=None), "http_413"),
    (lambda reply: reply.completion(None, refusal="I can't help with that."), None),
])
def test_what_never_succeeds_is_not_tried_again(chard, database, provider, queues, reply, trouble, code):
    provider.behave = reply.always(trouble(reply))
    chard.settings |= provider.settings()
    chard.prepare()
    with chard.worker():
        job_id = jobs.submit_scan(chard)
        assert jobs.ended(database, [job_id]) == {job_id: "FAILURE"}
    assert provider.count == 1
    (letter,) = queues.take("scan.vision.dead")
    assert code is None or letter.headers["errorCode"] == code
    assert letter.headers["errorVerdict"] == "permanent"


def answered(content, **more):
    return {"model": "m", "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": content}}],
            "usage": {"prompt_tokens": 10, "completion_tokens": 5}} | more


# Replies to a job's first request, given the text that would fit; how the job ends, and after how many requests: its two steps take one each.
ODD = {
    "NaN beside it": (lambda text: Reply('{"timings": {"speed": NaN}, ' + json.dumps(answered(text))[1:]), "SUCCESS", 2),
    "a fence": (lambda text: Reply(answered(f"```json\n{text}\n```")), "SUCCESS", 2),
    "parts": (lambda text: Reply(answered([{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": text}])), "SUCCESS", 2),
    "thoughts": (lambda text: Reply(answered("[hm] {\"x\": 1}? [/hm] " + text)), "SUCCESS", 2),
    "a list": (lambda text: Reply([answered(text)]), "SUCCESS", 2),
    "packed": (lambda text: Reply(gzip.compress(json.dumps(answered(text)).encode()), headers={"Content-Encoding": "gzip"}), "SUCCESS", 2),
    "a picture's server": (lambda text: failure(400, "invalid_image_url", "Timeout while downloading https://p.example/a.jpg."), "SUCCESS", 3),
    "somebody else's picture": (lambda text: Reply({"error": {"message": "Provider returned error", "code": 400, "metadata": {
        "raw": "Timeout while downloading https://p.example/a.jpg."}}}, status=400), "SUCCESS", 3),
    "nothing": (lambda text: Reply(), "SUCCESS", 3),
    "a limit under 200": (lambda text: Reply({"id": None, "choices": [], "error": {"message": "Upstream rate limited", "code": 429}}), "SUCCESS", 3),
    "safety": (lambda text: Reply({"choices": [{"index": 0, "finish_reason": "SAFETY", "message": {"role": "assistant"}}]}), "FAILURE", 1),
}


@pytest.mark.parametrize("place", ["file"])  # what a reply means has nothing to do with it
def test_odd_replies_as_jobs_see_them(chard, database, provider, reply):
    seen = collections.Counter()

    def behave(request):
        name = next(name for name in ODD if f"about {name}" in request.body.decode())
        seen[name] += 1
        fits = reply.fitting(request)
        return ODD[name][0](fits.body["choices"][0]["message"]["content"]) if seen[name] == 1 else fits

    provider.behave = behave
    chard.settings |= provider.settings()
    chard.prepare()
    with chard.worker():
        ids = dict(zip(ODD, jobs.submit_many(chard, "chat", [{"user_id": "u1", "text": f"about {name}", "lang": "en"} for name in ODD])))
        states = jobs.ended(database, ids.values())
    assert {name: (states[job], seen[name]) for name, job in ids.items()} == {name: row[1:] for name, row in ODD.items()}
    assert database.value("select attempts from chard.task where id = %s", ids["a limit under 200"]) == 0
    assert database.row("select error from chard.job where root_id = %s", ids["safety"])["error"]["code"] == "content_filter"


@everywhere
def test_three_retries_then_dead(chard, database, provider, queues, reply):
    provider.behave = reply.always(reply.completion({"major": "not in the taxonomy"}))
    chard.settings |= provider.settings()
    chard.prepare()
    with chard.worker():
        job_id = jobs.submit_scan(chard)
        assert jobs.ended(database, [job_id], 60) == {job_id: "FAILURE"}
    assert provider.count == 4
    (letter,) = queues.take("scan.vision.dead")
    assert letter.headers["attempts"] == 4 and letter.headers["errorCode"] == "schema_mismatch" and letter.headers["errorVerdict"] == "transient"
    assert database.row("select attempts, state from chard.task") == {"attempts": 4, "state": "FAILURE"}


class RoundTrips:
    """Publishes and consumes a message over and over, and keeps how long the slowest took."""

    def __init__(self, queues):
        self.queues, self.slowest, self.count = queues, 0.0, 0
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self._run)

    def _run(self):
        import amqp
        with self.queues.channel() as channel:
            channel.queue_declare("round-trip", durable=True, auto_delete=False, arguments={"x-queue-type": "quorum"})
            while not self.stopping.wait(0.05):
                start = time.monotonic()
                channel.basic_publish(amqp.Message(b"x", delivery_mode=2), exchange="", routing_key="round-trip", timeout=30)
                jobs.wait_until(lambda: channel.basic_get("round-trip", no_ack=True), 30, every=0.005)
                self.slowest = max(self.slowest, time.monotonic() - start)
                self.count += 1

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        self.thread.join(60)


@pytest.mark.timeout(600)
@pytest.mark.volume
def test_an_outage_with_many_in_flight(chard_release, database, provider, queues, rabbitmq, reply, wait_until):
    """All are put away within seconds, nothing waits unacked, the broker stays responsive, and all finish after it ends."""
    count = volume(1000, 4000)
    chard = chard_release
    provider.keep = False
    provider.behave = lambda _request: reply.hanging()
    chard.settings |= provider.settings() | {"CHARD_SLOTS": str(count), "CHARD_DEADLINE_MS": "300000", "CHARD_CONNECT_TIMEOUT_MS": "60000", "CHARD_GRACE_MS": "1000"}
    chard.prepare()
    vhost = chard.settings["CHARD_BROKER_URL"].rpartition("/")[2]
    inputs = [{"user_id": f"u{n}", "text": "Where does a milk carton go?", "lang": "en"} for n in range(count)]

    def unacked():
        rows = rabbitmq.ctl("-q", "list_queues", "-p", vhost, "name", "messages_unacknowledged").splitlines()
        return next(int(row.split()[1]) for row in rows if row.startswith("chat.classify\t"))

    with chard.worker(queues="chat.classify", name="chard@outage"), RoundTrips(queues) as trips:
        jobs.submit_many(chard, "chat", inputs)
        wait_until(lambda: provider.in_flight == count, 400, f"{count} calls in flight", every=0.2)

        provider.stop()  # every connection is reset, new ones are refused
        began = time.monotonic()
        # Those whose time comes find the model paused, and are put away again: hardly any is in a worker's hand.
        wait_until(lambda: database.value("select count(*) from chard.scheduled") > 0.9 * count, 60, "all are put away")
        took = time.monotonic() - began
        wait_until(lambda: unacked() == 0, 60, every=0.5)
        assert database.value("select sum(attempts) from chard.task") <= 1.1 * count, "hardly anybody asks while it is out"

        provider.behave = lambda _request: reply.completion(
            {"about_waste": True, "major": "recyclable", "middle": "carton", "item": None, "situation": []})
        provider.start()
        done = "select count(*) from chard.task where name = 'chat.classify' and state = 'SUCCESS'"
        wait_until(lambda: database.value(done) == count, 240, "all have finished", every=0.5)
        assert queues.depth("chat.classify.dead") == 0
    print(f"\n{count} tasks put away in {took:.1f} s; slowest of {trips.count} round trips {trips.slowest * 1000:.0f} ms")
    assert took < 30
    assert trips.slowest < 5
