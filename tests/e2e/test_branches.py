# SPDX-License-Identifier: Apache-2.0
"""A job that branches ends with its last branch (I11), whatever it branches by; one of which a branch is dead stays a FAILURE."""

import datetime
import json
import uuid

import pytest
from celery import chain, chord, group
from support.celery_app import QUEUE
from test_dlq import dlq, dlq_json, keeping, kept

LATER = "scan.vision"  # consumed by the second worker alone


@pytest.fixture
def store_url(backend):
    return backend.url


def two_links(add, last):
    first = add(1)
    first.link(add(2))
    first.link(last)
    return first


CANVASES = {
    "group": lambda add, last: chain(add(1), group(add(2), last)),
    "chains": lambda add, last: chain(add(1), group(chain(add(2), add(3)), chain(add(4), last))),
    "chord": lambda add, last: chain(add(1), chord([add(2), last], add.body)),
    "chord_beside": lambda add, last: chain(add(1), group(chord([add(2), add(3)], add.body), last)),
    "links": two_links,
}


@pytest.mark.parametrize("dies", [False, True])
def test_a_job_ends_with_its_last_branch(chard, app_of, redis, backend, wait_until, dies):
    app = app_of(redis.url)
    chard.prepare()

    def add(*args, queue=QUEUE):
        return app.signature("chard.add", args, queue=queue)
    add.body = app.signature("chard.args", queue=QUEUE)

    def states():
        found = {row["root_id"]: row["state"] for row in backend.database.rows("select root_id, state from chard.job")}
        return {name: found.get(id) for name, id in roots.items()}

    def branches():
        return {row["root_id"]: row["branches"] for row in backend.database.rows("select root_id, branches from chard.job")}

    roots = {}
    for name, make in CANVASES.items():
        last = app.signature("chard.fail", ["it had to"], queue=LATER, immutable=True) if dies else add(9, queue=LATER)
        sent = make(add, last).apply_async()
        while sent.parent:
            sent = sent.parent
        roots[name] = sent.id
    with chard.worker(queues=QUEUE, result_url=redis.url, name="first"):
        # All that can has run: what is left is the last branch, and the body of the chord that waits for it.
        wait_until(lambda: [branches().get(id) for id in roots.values()] == [1, 1, 2, 1, 1], 20)
        assert set(states().values()) == {"STARTED"}
        with chard.worker(queues=f"{QUEUE},{LATER}", result_url=redis.url, name="second"):
            wait_until(lambda: set(states().values()) == {"FAILURE" if dies else "SUCCESS"}, 20)


def test_what_keeps_no_state_holds_no_job_open(chard, app_of, redis, backend, wait_until):
    """The store never hears of such a task's end, wherever it stands: the job ends without it, but not before what follows it and does keep state."""
    app = app_of(redis.url)
    chard.prepare()

    def add(*args, queue=QUEUE):
        return app.signature("chard.add", args, queue=queue)

    def echo(queue=QUEUE):
        return app.signature("chard.echo", args=[{}], queue=queue, immutable=True)

    theirs = app.signature("theirs.next", queue=LATER)  # another program's
    linked = add(1)
    linked.link(echo())
    canvases = {"last": chain(add(1), echo()), "two": chain(add(1), echo(), echo()), "group": chain(add(1), group(echo(), echo())), "linked": linked,
                "theirs": chain(add(1), theirs), "between": chain(add(1), echo(), echo(), app.signature("chard.add", [2, 9], queue=LATER, immutable=True))}
    roots = {}
    for name, canvas in canvases.items():
        sent = canvas.apply_async()
        while sent.parent:
            sent = sent.parent
        roots[sent.id] = name

    def states():
        rows = backend.database.rows("select root_id, state, branches from chard.job")
        return {roots[row["root_id"]]: (row["state"], row["branches"]) for row in rows}

    with chard.worker(queues=QUEUE, result_url=redis.url, name="first"):
        wait_until(lambda: states() == dict.fromkeys(canvases, ("SUCCESS", 0)) | {"between": ("STARTED", 1)}, 20)
        with chard.worker(queues="scan.vision", result_url=redis.url, name="second"):
            wait_until(lambda: states()["between"] == ("SUCCESS", 0), 20)


# Of each kind of edge that a branch passes: before what it does is stored, after, and between the message that it sends and its own ack.
@pytest.mark.parametrize("edge", ["claim/call", "commit/publish", "publish/result", "result/join", "ack/end"])
def test_killed_among_branches(chard, app_of, redis, backend, wait_until, edge):
    """A worker that dies again and again, each time one message later: every job ends, every task has run, and nothing has run beside it."""
    app = app_of(redis.url)
    chard.settings |= {"CHARD_LEASE_SLACK_MS": "1000", "CHARD_MAX_STARTS": "100"}
    chard.prepare()

    def add(*args):
        return app.signature("chard.add", args, queue=QUEUE)
    add.body = app.signature("chard.args", queue=QUEUE)
    sent = {name: make(add, add(9)).apply_async() for name, make in CANVASES.items()}
    for deaths in range(3):
        with chard.worker(queues=QUEUE, result_url=redis.url, name="first", env={"CHARD_FAULT": f"{edge}:{deaths + 1}"}, ready=False) as worker:
            worker.expected = {-9}
            assert worker.wait(60) == -9, f"nothing passed {edge} for the {deaths + 1}th time"
    with chard.worker(queues=QUEUE, result_url=redis.url, name="first"):
        wait_until(lambda: {(row["state"], row["branches"]) for row in backend.database.rows("select state, branches from chard.job")} == {("SUCCESS", 0)}, 40)
        assert sent["group"].get(20) == [3, 10] and sent["chains"].get(20) == [6, 14] and sent["chord"].get(20)["args"] == [[3, 10]]
    states = [row["state"] for row in backend.database.rows("select state from chard.task")]
    assert states == ["SUCCESS"] * 20


@pytest.mark.parametrize("by", ["worker", "client"])
def test_a_chord_whose_dead_parts_come_back(chard, app_of, redis, backend, wait_until, by):
    """It failed with them; once the last of them is mended its body runs, once, with all of them. Its errbacks were told once."""
    app = app_of(redis.url)
    chard.prepare()

    def add(*args):
        return app.signature("chard.add", args, queue=QUEUE)

    def state(task_id):
        return app.backend.get_task_meta(task_id)["status"]  # an AsyncResult keeps an end that it has seen

    errback = str(uuid.uuid4())
    body = app.signature("chard.args", queue=QUEUE).on_error(app.signature("chard.same", queue=QUEUE, task_id=errback))
    if by == "worker":
        sent = chain(add(1), chord([add(2), add("no number"), add("nor this")], body)).apply_async()
        wanted = [[3, 5, 5]]
    else:
        sent = chord([add(2, 0), add("no number", 1), add("nor this", 1)], body).apply_async()
        wanted = [[2, 5, 5]]
    with chard.worker(queues=QUEUE, result_url=redis.url), keeping(chard, dlq_queues=QUEUE):
        found = kept(chard, 2, wait_until)
        wait_until(lambda: state(sent.id) == "FAILURE" and state(errback) == "SUCCESS")
        told = backend.database.row("select starts, finished_at from chard.task where id = %s", errback)
        for letter in found:
            assert state(sent.id) == "FAILURE"
            dlq(chard, "edit", letter["entry"], "--file", "-", input=json.dumps({"args": [1, 4], "kwargs": {}}))
            dlq(chard, "requeue", letter["entry"])
            wait_until(lambda: state(letter["task_id"]) == "SUCCESS")  # noqa: B023
        wait_until(lambda: state(sent.id) == "SUCCESS")
        assert app.backend.get_task_meta(sent.id)["result"] == {"args": wanted, "kwargs": {}}
    rows = backend.database.rows("select id, state, starts, finished_at from chard.task")
    assert {row["state"] for row in rows} == {"SUCCESS"}
    assert [row["starts"] for row in rows if row["id"] == sent.id] == [1]
    assert [{"starts": row["starts"], "finished_at": row["finished_at"]} for row in rows if row["id"] == errback] == [told | {"starts": 1}]
    assert {row["state"] for row in backend.database.rows("select state from chard.job")} == {"SUCCESS"}


def test_an_errback_with_an_id_of_its_own_runs_once(chard, app_of, redis, backend, queues, wait_until):
    """It is one task, however many tasks it is linked to; without an id it runs for each."""
    app = app_of(redis.url)
    chard.prepare()
    for errback in (app.signature("chard.args", queue=QUEUE, task_id="told"), app.signature("chard.args", queue=QUEUE)):
        for word in ("one", "other"):
            app.signature("chard.fail", [word], queue=QUEUE).on_error(errback).apply_async()
    with chard.worker(queues=QUEUE, result_url=redis.url):
        wait_until(lambda: queues.depth(f"{QUEUE}.dead") == 4 and queues.depth(QUEUE) == 0)
        wait_until(lambda: len(backend.database.rows("select id from chard.task where name = %s and state = 'SUCCESS'", "chard.args")) == 3)
    assert queues.depth(QUEUE) == 0
    rows = backend.database.rows("select id, starts, result from chard.task where name = %s", "chard.args")
    assert [row["starts"] for row in rows] == [1] * 3
    failed = {row["id"] for row in backend.database.rows("select id from chard.task where name = %s", "chard.fail")}
    told = {row["id"]: row["result"]["args"][0] for row in rows}
    assert set(told.values()) <= failed and len(set(told[id] for id in told if id != "told")) == 2 and told["told"] in failed


def test_a_step_with_a_countdown_longer_than_its_jobs_limit(chard, app_of, redis, backend, wait_until):
    """It waits in the store before its first claim: the sweeper leaves its job alone, be it the next step, or one of several."""
    app = app_of(redis.url)
    chard.prepare()

    def add(*args, **options):
        return app.signature("chard.add", args, queue=QUEUE, **options)

    roots = []
    for canvas in (chain(add(1), add(2, countdown=3600)), chain(add(1), group(add(2), add(3, countdown=3600)))):
        sent = canvas.apply_async()
        while sent.parent:
            sent = sent.parent
        roots.append(sent.id)
    with chard.worker(queues=QUEUE, result_url=redis.url):
        wait_until(lambda: len(backend.database.rows("select id from chard.scheduled where reason = 'eta'")) == 2)
    then = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=1)
    backend.database.run("insert into chard.job (root_id) values ('stuck')")
    backend.database.run("update chard.job set updated_at = %s", then)
    backend.database.run("update chard.task set started_at = %s", then)
    with keeping(chard, stale_every_s=1):
        wait_until(lambda: backend.database.value("select state from chard.job where root_id = 'stuck'") == "FAILURE")
    states = {row["root_id"]: row["state"] for row in backend.database.rows("select root_id, state from chard.job")}
    assert states == dict.fromkeys(roots, "STARTED") | {"stuck": "FAILURE"}
    assert {row["reason"] for row in backend.database.rows("select reason from chard.scheduled")} == {"eta"}
    waiting = [row["task_id"] for row in backend.database.rows("select task_id from chard.scheduled where reason = 'eta'")]
    found = [json.loads(chard.run("job", task, "--json", check=0).stdout)["id"] for task in waiting]
    assert len(waiting) == 2 and set(found) == set(roots), "a scheduled task's id leads to its job"


def test_dead_branches_requeued_one_by_one(chard, app_of, redis, backend, wait_until):
    """Each mended by its operator; the job is no success before the last of them is."""
    app = app_of(redis.url)
    chard.prepare()

    def add(*args):
        return app.signature("chard.add", args, queue=QUEUE)
    sent = chain(add(1), group(add(2), add("no number"), chain(add("nor this"), add(5)))).apply_async()
    root = sent.parent.id

    def job():
        (row,) = backend.database.rows("select state, branches from chard.job where root_id = %s", root)
        return row["state"], row["branches"]

    with chard.worker(queues=QUEUE, result_url=redis.url), keeping(chard, dlq_queues=QUEUE):
        found = kept(chard, 2, wait_until)
        assert {letter["job"] for letter in found} == {root} and job() == ("FAILURE", 2)
        for letter, left in zip(found, (("FAILURE", 1), ("SUCCESS", 0))):
            shown = dlq_json(chard, "show", letter["entry"])
            dlq(chard, "edit", letter["entry"], "--file", "-", input=json.dumps({"args": [shown["args"][0], 4], "kwargs": {}}))
            dlq(chard, "requeue", letter["entry"])
            wait_until(lambda: job() == left, 20)  # noqa: B023
    assert {row["state"] for row in backend.database.rows("select state from chard.task")} == {"SUCCESS"}
