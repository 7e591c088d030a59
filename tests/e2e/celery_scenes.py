# SPDX-License-Identifier: Apache-2.0
"""Canvases, each a function of the app: it sends one and returns what a client then sees. Each is run against chard and against a Python
worker, and must come out the same."""

import contextlib
import json
import re
import uuid

from celery import chain, chord, group
from celery.exceptions import TimeoutError as NotInTime
from celery.result import GroupResult

from support.waiting import wait_until

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
SCENES = {}
PATIENCE = 15


def scene(function):
    SCENES[function.__name__] = function
    return function


class Tasks:
    def __init__(self, app):
        self.app = app

    def __getattr__(self, name):
        return lambda *args, **kwargs: self.app.signature(f"chard.{name}", args=args, kwargs=kwargs)


def caught(result):
    """The value, or the exception as a client would catch it."""
    try:
        return result.get(PATIENCE, interval=0.02)
    except NotInTime:
        return "not in time"
    except Exception as error:
        return {type(error).__name__: [UUID.sub("ID", str(argument)) for argument in error.args]}


def seen(result):
    """What a client catches once all that came before has ended: one that asks meanwhile catches the failure of a chord's part or of the chord itself,
    whichever it comes upon first."""
    first, before = caught(result), result.parent
    while isinstance(first, dict) and before:
        with contextlib.suppress(AssertionError):  # some never end
            wait_until(before.ready, 1, every=0.01)
        before = before.parent
    return caught(result) if isinstance(first, dict) and result.parent else first


def sent(canvas, **options):
    return seen(canvas.apply_async(**options))


def state(result):
    """Its last state: a client hears of a chain's failure as soon as one of its tasks has failed, before the others are told."""
    wait_for(result)
    return result.state


def wait_for(result):
    wait_until(result.ready, PATIENCE, f"{result.id} has ended", every=0.01)
    return result


def known(app, task_id):
    """What becomes of a task that the client did not send itself. It asks again and again: Celery's client subscribes on one connection and looks
    on another, and what is stored in between it never hears of."""
    return seen(wait_for(app.AsyncResult(task_id)))


# ---- one task ----

@scene
def one(app, t): return sent(t.add(2, 3))


@scene
def values(app, t): return sent(t.args(1, 2.5, None, True, "한글 \"x\"", [1, {"a": []}], key={"b": "c"}))


@scene
def failure(app, t): return sent(t.fail("boom"))


@scene
def wrong_arguments(app, t): return sent(t.add("x"))


@scene
def failure_is_known(app, t):
    result = t.fail("boom").apply_async()
    seen(result)
    return [result.state, type(result.info).__name__, result.failed(), "boom" in result.traceback, result.ready()]


@scene
def success_is_known(app, t):
    result = t.add(1).apply_async()
    seen(result)
    meta = result._get_task_meta()
    return [result.state, result.info, result.successful(), result.traceback, result.children, sorted(meta), result.date_done.tzinfo is not None]


@scene
def forgotten(app, t):
    result = t.add(1).apply_async()
    seen(result)
    result.forget()
    return app.AsyncResult(result.id).state


@scene
def ignored(app, t):
    first = t.add(1).apply_async(ignore_result=True)
    seen(t.add(2).apply_async())
    return app.AsyncResult(first.id).state


@scene
def expired(app, t):
    result = t.add(1).apply_async(expires=-1)
    return [seen(result), state(result)]


@scene
def countdown(app, t): return sent(t.add(1), countdown=1)


@scene
def eta_with_zone(app, t):
    from datetime import datetime, timedelta, timezone
    return sent(t.add(1), eta=datetime.now(timezone(timedelta(hours=9))) + timedelta(seconds=1.5))


@scene
def priority_and_shadow(app, t): return sent(t.add(4), priority=5, shadow="other.name")


@scene
def own_headers(app, t): return sent(t.add(4), headers={"tenant": "a"})


@scene
def compressed_gzip(app, t): return sent(t.same("x" * 2000), compression="gzip")


@scene
def compressed_bzip2(app, t): return sent(t.same("y" * 2000), compression="bzip2")


@scene
def compressed_zlib(app, t): return sent(t.same("z" * 2000), compression="zlib")


# ---- chains ----

@scene
def chain_of_three(app, t): return sent(t.add(1, 2) | t.add(4) | t.args())


@scene
def chain_with_immutable(app, t): return sent(t.add(1, 2) | t.args(9).set(immutable=True) | t.args())


@scene
def chain_values_on_the_way(app, t):
    result = (t.add(1) | t.add(2) | t.add(3)).apply_async()
    return [seen(result), seen(result.parent), seen(result.parent.parent)]


@scene
def chain_that_fails(app, t):
    result = (t.add(1) | t.fail("boom") | t.add(3) | t.add(4)).apply_async()
    return [seen(result), state(result), seen(result.parent), seen(result.parent.parent), result.parent.parent.parent.get(PATIENCE)]


@scene
def chain_of_fifty(app, t): return sent(chain(*[t.add(1) for _ in range(50)]))


@scene
def chain_children(app, t):
    result = (t.add(1) | t.add(2)).apply_async()
    seen(result)
    return [len(wait_for(result.parent).children), result.parent.children[0].get(PATIENCE), result.children]


@scene
def chain_stamped(app, t):
    canvas = t.add(1) | t.add(2)
    canvas.stamp(ticket="T1")
    return sent(canvas)


# ---- groups ----

@scene
def plain_group(app, t): return sent(group(t.add(i) for i in range(5)))


@scene
def group_of_one(app, t): return sent(group([t.add(7)]))


@scene
def group_of_groups(app, t): return sent(group(t.add(1), group(t.add(2), t.add(3)), t.add(4)))


@scene
def group_with_failure(app, t):
    result = group(t.add(1), t.fail("boom"), t.add(2)).apply_async()
    return [seen(one) for one in result.results]


@scene
def group_of_chains(app, t): return sent(group(t.add(1) | t.add(2), t.add(3) | t.add(4)))


@scene
def chain_ends_in_group(app, t): return sent(t.add(1) | group(t.add(1), t.add(2), t.args()))


@scene
def chain_ends_in_group_of_chains(app, t): return sent(t.add(1) | group(t.add(1) | t.add(10), t.add(2)))


@scene
def chain_with_group_in_the_middle(app, t): return sent(t.add(1) | group(t.add(1), t.add(2)) | t.args())


@scene
def chain_with_group_then_two(app, t): return sent(t.add(1) | group(t.add(1), t.add(2)) | t.add() | t.args(5))


@scene
def chain_with_two_groups(app, t):
    return sent(t.add(1) | group(t.add(1), t.add(2)) | t.add() | group(t.add(10), t.add(20)) | t.args())


@scene
def group_after_group(app, t): return sent(t.add(1) | group(t.add(1), t.add(2)) | group(t.add(), t.args()))


@scene
def chain_fails_before_group(app, t):
    result = (t.fail("boom") | t.add(1) | t.add(2)).apply_async()
    return [seen(result), state(result.parent)]


@scene
def chunks(app, t): return sent(app.tasks["chard.add"].chunks(zip(range(7), range(7)), 3).group())


@scene
def mapped(app, t): return sent(app.tasks["chard.add"].map([[1, 2], [3, 4]]).set(queue="chard.tasks"))


@scene
def starmapped(app, t): return sent(app.tasks["chard.add"].starmap([[1, 2], [3, 4]]).set(queue="chard.tasks"))


@scene
def map_in_a_chain(app, t): return sent(t.add(1) | app.tasks["chard.add"].starmap([[1, 2]]) | t.args())


# ---- chords ----

@scene
def plain_chord(app, t): return sent(chord([t.add(i, i) for i in range(6)], t.args()))


@scene
def chord_of_one(app, t): return sent(chord([t.add(1)], t.args()))


@scene
def chord_with_failure(app, t):
    result = chord([t.add(1), t.fail("boom"), t.add(2)], t.args()).apply_async()
    return [seen(result), state(result)]


@scene
def chord_with_immutable_body(app, t): return sent(chord([t.add(1), t.add(2)], t.args(3).set(immutable=True)))


@scene
def chord_whose_body_is_a_chain(app, t): return sent(chord([t.add(1), t.add(2)], t.add() | t.add(10) | t.args()))


@scene
def chord_whose_body_is_a_group(app, t): return sent(chord([t.add(1), t.add(2)], group(t.add(), t.args())))


@scene
def chord_of_chains(app, t): return sent(chord([t.add(1) | t.add(2), t.add(3) | t.add(4)], t.args()))


@scene
def chord_in_a_chord(app, t): return sent(chord([chord([t.add(1), t.add(2)], t.add()), t.add(5)], t.args()))


@scene
def chord_of_chain_ending_in_group(app, t): return sent(chord([t.add(1) | group(t.add(2), t.add(3)), t.add(9)], t.args()))


@scene
def chord_after_a_task(app, t): return sent(t.add(1) | chord([t.add(1), t.add(2)], t.args()))


@scene
def chord_in_the_middle(app, t): return sent(t.add(1) | chord([t.add(1), t.add(2)], t.add()) | t.args())


@scene
def chord_in_a_group(app, t): return sent(group(chord([t.add(1), t.add(2)], t.add()), t.add(5)))


@scene
def chord_then_chord(app, t): return sent(chord([t.add(1), t.add(2)], t.add()) | chord([t.add(1), t.add(2)], t.args()))


@scene
def deep_mixture(app, t):
    return sent(t.add(1) | group(t.add(1) | group(t.add(1), t.add(2)) | t.add(), t.add(3)) | t.args() | t.same())


@scene
def chord_fails_later(app, t):
    result = (t.add(1) | chord([t.add(1), t.fail("boom")], t.add()) | t.args()).apply_async()
    return [seen(result), state(result)]


@scene
def chord_whose_chain_fails(app, t): return sent(chord([t.fail("boom") | t.add(1), t.add(2)], t.args()))


@scene
def body_that_fails(app, t): return sent(chord([t.add(1), t.add(2)], t.fail("body")))


@scene
def wide_chord(app, t): return sent(chord([t.add(i) for i in range(100)], t.add()))


@scene
def empty_chord(app, t): return sent(t.add(1) | chord([], t.args()))


# ---- links ----

@scene
def linked(app, t):
    other = str(uuid.uuid4())
    first = sent(t.add(1), link=t.add(10).set(task_id=other))
    return [first, known(app, other)]


@scene
def linked_twice(app, t):
    ids = [str(uuid.uuid4()) for _ in range(2)]
    first = sent(t.add(1), link=[t.add(10).set(task_id=ids[0]), t.args().set(task_id=ids[1])])
    return [first, *[known(app, one) for one in ids]]


@scene
def linked_to_a_chain(app, t):
    other = str(uuid.uuid4())
    return [sent(t.add(1), link=t.add(10) | t.args().set(task_id=other)), known(app, other)]


@scene
def linked_to_a_chord(app, t):
    other = str(uuid.uuid4())
    return [sent(t.add(1), link=chord([t.add(10), t.add(20)], t.args().set(task_id=other))), known(app, other)]


@scene
def linked_errback(app, t):
    other, own = str(uuid.uuid4()), str(uuid.uuid4())
    first = sent(t.fail("boom"), task_id=own, link_error=t.same().set(task_id=other))
    return [first, known(app, other) == own]


@scene
def errback_of_a_chain(app, t):
    other = str(uuid.uuid4())
    result = (t.add(1) | t.fail("boom") | t.add(2)).apply_async(link_error=t.same().set(task_id=other))
    return [seen(result), known(app, other) == result.parent.id]


@scene
def errback_of_a_chord(app, t):
    other = str(uuid.uuid4())
    canvas = chord([t.add(1), t.fail("boom")], t.args().on_error(t.same().set(task_id=other)))
    result = canvas.apply_async()
    return [seen(result), known(app, other) == result.id]


@scene
def success_calls_no_errback(app, t):
    other = str(uuid.uuid4())
    first = sent(t.add(1), link_error=t.same().set(task_id=other))
    return [first, app.AsyncResult(other).state]


def told(app, errback_id, failed_id):
    """What an errback of the new style heard of a failed task."""
    heard = known(app, errback_id)
    return [heard.pop("id") == failed_id, heard.pop("rest") == [errback_id], UUID.sub("ID", str(heard))]


def new_errback(t):
    """With an id, under which it leaves what it was told."""
    errback_id = str(uuid.uuid4())
    return errback_id, t.failed(errback_id).set(task_id=errback_id)


@scene
def new_errback_of_a_task(app, t):
    errback_id, errback = new_errback(t)
    result = t.fail("boom").apply_async(link_error=errback)
    return [seen(result), told(app, errback_id, result.id)]


@scene
def new_errback_beside_an_old_one(app, t):
    other = str(uuid.uuid4())
    errback_id, errback = new_errback(t)
    result = t.fail("boom").apply_async(link_error=[t.same().set(task_id=other), errback])
    return [seen(result), told(app, errback_id, result.id), known(app, other) == result.id]


@scene
def new_errback_of_a_chain(app, t):
    errback_id, errback = new_errback(t)
    result = (t.add(1) | t.fail("boom") | t.add(2)).apply_async(link_error=errback)
    return [seen(result), told(app, errback_id, result.parent.id)]


@scene
def new_errback_of_a_chord(app, t):
    errback_id, errback = new_errback(t)
    result = chord([t.add(1), t.fail("boom")], t.args("own").on_error(errback)).apply_async()
    return [seen(result), told(app, errback_id, result.id)]


# ---- Celery's own tasks ----

def sent_as_task(app, name, **kwargs):
    """What such a task gives, its ids left out, and the values of what it has sent."""
    result = app.send_task(name, kwargs=json.loads(json.dumps(kwargs)), queue="chard.tasks")
    return [UUID.sub("ID", str(seen(result))), [seen(wait_for(child)) for child in result.children or ()]]


@scene
def chunks_as_a_task(app, t): return sent_as_task(app, "celery.chunks", task=t.add(), it=[[1, 2], [3, 4], [5, 6]], n=2)


@scene
def chunks_in_a_chain(app, t):
    result = (t.add(1) | app.tasks["chard.add"].chunks([[1, 2], [3, 4], [5, 6]], 2)).apply_async()
    return [UUID.sub("ID", str(seen(result))), [seen(wait_for(child)) for child in result.children]]


@scene
def group_as_a_task(app, t):
    parts = group(t.add(1), t.add(2))
    result = parts.freeze()
    return sent_as_task(app, "celery.group", tasks=parts.tasks, result=result.as_tuple(), group_id=parts.id, partial_args=[10])


@scene
def chord_as_a_task(app, t):
    body = t.args(5).set(task_id=str(uuid.uuid4()))
    return [sent_as_task(app, "celery.chord", header=[t.add(1), t.add(2)], body=body), known(app, body.id)]


@scene
def task_that_sends_in_a_chain(app, t):
    chunks = app.signature("celery.chunks", kwargs={"task": t.add(), "it": [[1, 2]], "n": 1}, queue="chard.tasks", immutable=True)
    return UUID.sub("ID", str(sent(t.add(1) | chunks | t.args(5))))


@scene
def chain_as_a_task(app, t): return list(sent(app.signature("celery.chain", queue="chard.tasks")))


# ---- group results as a client keeps them ----

@scene
def saved_group(app, t):
    result = group(t.add(1), t.add(2)).apply_async()
    result.save()
    restored = GroupResult.restore(result.id, app=app)
    return [seen(restored), restored.completed_count(), restored.successful()]


@scene
def unknown_task(app, t): return sent(app.signature("no.such.task", queue="chard.tasks"))
