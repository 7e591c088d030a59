# SPDX-License-Identifier: Apache-2.0
"""Requests with an `Idempotency-Key`: sent again, to whichever gateway, they make no second job, even where the first gateway was killed in between."""

import concurrent.futures
import datetime
import json
import uuid

import pytest
from support import jobs
from support.gateway import Gateway, send_many
from support.place import PLACES

place = pytest.fixture(params=PLACES)(lambda request: request.param)
CHAT = {"user_id": "u1", "lang": "en", "text": "Where does a milk carton go?"}
HOUR = datetime.timedelta(hours=1)

# Writing down that a job is safe takes for ever: the gateway has published it, and has not answered.
HANG = {
    "servers": ("create function public.hang() returns trigger language plpgsql as $$ begin perform pg_sleep(600); return new; end $$",
                "create trigger hang before update on chard.once for each row when (new.done) execute function public.hang()"),
    "file": ("create view for_ever as with recursive n (i) as (select 1 union all select i + 1 from n where i < 1000000000000) select i from n",
             "create trigger hang before update on chard.once when new.done begin select count(*) from for_ever; end"),
}
GO_ON = {
    "servers": ("select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
                " and query like '%%chard.once%%'", "drop trigger if exists hang on chard.once"),
    "file": ("drop trigger hang",),
}


def now():
    return datetime.datetime.now(datetime.timezone.utc)


def keyed(key, **more):
    return {"headers": {"Idempotency-Key": key} | more}


def batch(*values):
    return "".join((value if isinstance(value, str) else json.dumps(value)) + "\n" for value in values).encode()


def ran(database, ids):
    """How often each step of these jobs committed."""
    rows = database.rows("select root_id, name, count(*) as n from chard.task where state = 'SUCCESS' group by root_id, name")
    return {(row["root_id"], row["name"]): row["n"] for row in rows if row["root_id"] in ids}


def test_the_same_key_is_the_same_job_at_every_gateway(chard, database):
    chard.prepare()
    with Gateway(chard) as first, Gateway(chard) as second:
        key = str(uuid.uuid4())
        done = [gateway.post("/v1/chat", CHAT, **keyed(text)) for gateway, text in
                ((first, key), (second, f'"{key}"'), (first, key), (second, f"  {key} "))]
        assert {(one.status, one.headers["Location"], one.body) for one in done} == {(202, done[0].headers["Location"], done[0].body)}
        assert done[0].json["pipeline"] == "chat" and done[0].json["state"] == "PENDING"
        # another request under it, another key, and none
        for target, body in ("/v1/chat", CHAT | {"lang": "ko"}), ("/v1/jobs", {"pipeline": "chat", "input": CHAT}):
            other = second.post(target, body, **keyed(key))
            assert (other.status, other.json["code"]) == (422, "key_reused")
        others = [first.post("/v1/chat", CHAT, **more).json["id"] for more in (keyed("other"), {}, {})]
        assert len({done[0].json["id"], *others}) == 4
        # what is not taken uses up no key
        assert first.post("/v1/chat", {"text": 1}, **keyed("later")).json["code"] == "bad_input"
        assert second.post("/v1/chat", CHAT, **keyed("later")).status == 202
        for bad in "", "a b", '"open', "a,b", "x" * 256:
            refused = first.post("/v1/chat", CHAT, **keyed(bad))
            assert (refused.status, refused.json["code"]) == (400, "bad_key"), bad
        twice = first.statuses(b"POST /v1/chat HTTP/1.1\r\nHost: localhost\r\nIdempotency-Key: a\r\nIdempotency-Key: b\r\nContent-Type: application/json\r\n"
                               b"Content-Length: 2\r\nConnection: close\r\n\r\n{}")
        assert twice == [400]
        # any task, under an id of its client's or of ours
        for task in {"name": "chat.classify", "kwargs": CHAT, "id": "my/own id"}, {"name": "chat.classify", "kwargs": CHAT}:
            sent = [gateway.post("/v1/tasks", task, **keyed(f"task {task.get('id')}".replace(" ", "-"))) for gateway in (first, second)]
            assert [one.status for one in sent] == [202, 202] and sent[0].body == sent[1].body
            assert sent[0].json["id"] == task.get("id", sent[0].json["id"])
        with chard.worker():
            ids = [done[0].json["id"], *others]
            assert set(jobs.ended(database, ids).values()) == {"SUCCESS"}
        assert set(ran(database, ids).values()) == {1}


def test_a_batch_that_is_sent_again_makes_no_second_jobs(chard, database):
    chard.prepare()
    body = batch(*[{"pipeline": "chat", "input": CHAT}] * 20, "{", {"pipeline": "chat", "input": {}}, {"pipeline": "chat", "input": CHAT})
    with Gateway(chard) as first, Gateway(chard) as second:
        done = [gateway.post("/v1/jobs:batch", body, **keyed("all", **{"Content-Type": "application/jsonl"})) for gateway in (first, second)]
        assert [one.status for one in done] == [200, 200] and done[0].body == done[1].body
        answers = [json.loads(line) for line in done[0].body.splitlines()]
        assert [answer["status"] for answer in answers] == [202] * 20 + [400, 422, 202]
        ids = {answer["id"] for answer in answers if answer["status"] == 202}
        # what was begun and not heard of again is sent whole, under the same ids
        database.run("update chard.once set done = (1 = 0), until = %s", now() - HOUR)
        again = second.post("/v1/jobs:batch", body, **keyed("all", **{"Content-Type": "application/jsonl"}))
        assert again.body == done[0].body and len(ids) == 21
        with chard.worker():
            assert set(jobs.ended(database, ids).values()) == {"SUCCESS"}
            last = first.submit()  # behind all others
            jobs.ended(database, [last])
        assert database.value("select count(*) from chard.job") == 22 and set(ran(database, ids).values()) == {1}
        assert database.value("select count(*) from chard.task") == 44


def test_a_gateway_killed_between_publish_and_answer(chard, database, queues, place, wait_until):
    chard.prepare()
    for statement in HANG[place]:
        database.run(statement)
    first = Gateway(chard)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        waiting = pool.submit(first.post, "/v1/chat", CHAT, **keyed("k"))
        wait_until(lambda: queues.depth("chat.classify") == 1, what="the job is published")
        assert not waiting.done()
        first.process.kill()
        with pytest.raises(OSError):
            waiting.result(20)
    for statement in GO_ON[place]:
        database.run(statement)
    id = database.value("select job_id from chard.once")
    with Gateway(chard) as second:
        # somebody may still be at it; then nobody is any more; then it was done
        database.run("update chard.once set until = %s", now() + HOUR)
        busy = second.post("/v1/chat", CHAT, **keyed("k"))
        assert (busy.status, busy.json["code"]) == (409, "key_in_use") and 3500 < int(busy.headers["Retry-After"]) <= 3600
        database.run("update chard.once set until = %s", now() - HOUR)
        done = [second.post("/v1/chat", CHAT, **keyed("k")) for _ in range(2)]
        assert [(one.status, one.json["id"]) for one in done] == [(202, id)] * 2
        assert queues.depth("chat.classify") == 2  # published twice, under the same ids
        with chard.worker():
            last = second.submit()
            assert set(jobs.ended(database, [id, last]).values()) == {"SUCCESS"}
            wait_until(lambda: queues.depth("chat.classify") == 0)
    assert database.value("select count(*) from chard.job") == 2
    assert ran(database, {id}) == {(id, "chat.classify"): 1, (id, "chat.answer"): 1}
    assert database.value("select count(*) from chard.task") == 4


def test_a_gateway_killed_among_many_submits(chard, database):
    chard.prepare()

    def submit(gateway):
        return lambda n: gateway.post("/v1/chat", CHAT | {"text": f"a milk carton {n}"}, **keyed(f"k{n}")).json["id"]

    first = Gateway(chard)
    before = send_many(first, submit(first), range(150), kill_at=40)
    assert 40 <= len(before) < 150
    database.run("update chard.once set until = %s", now() - HOUR)  # so long nobody waits here
    with Gateway(chard) as second:
        again = send_many(second, submit(second), [n for n in range(150) if n not in before] + list(before)[:20])
    heard = before | again
    assert len(heard) == len(set(heard.values())) == 150 and before.items() <= heard.items()
    with chard.worker():
        assert set(jobs.ended(database, heard.values()).values()) == {"SUCCESS"}
    assert database.value("select count(*) from chard.job") == 150 and set(ran(database, set(heard.values())).values()) == {1}


def test_a_key_is_known_for_a_day(chard, database):
    chard.prepare()
    with Gateway(chard) as gateway:
        first = gateway.post("/v1/chat", CHAT, **keyed("k")).json["id"]
        database.run("update chard.once set created_at = %s", now() - 23 * HOUR)
        assert gateway.post("/v1/chat", CHAT, **keyed("k")).json["id"] == first
        database.run("update chard.once set created_at = %s", now() - 25 * HOUR)
        assert gateway.post("/v1/chat", CHAT | {"lang": "ko"}, **keyed("k")).json["id"] != first
