# SPDX-License-Identifier: Apache-2.0
"""More scenes: arguments, links and options that are given to canvases as a whole, and what else clients do with results."""

import datetime
import decimal
import uuid

from celery import chain, chord, group
from celery.result import ResultSet
from celery_scenes import known, scene, seen, sent, state, wait_for


def new_id(): return str(uuid.uuid4())


def with_link(app, t, canvas, kind="link"):
    """What a canvas gives, and what another task gets of it."""
    other = new_id()
    getattr(canvas, kind)(t.same().set(task_id=other))
    return canvas.apply_async(), lambda: known(app, other)


# ---- arguments ----

@scene
def values_of_all_types(app, t):
    now = datetime.datetime(2030, 1, 1, tzinfo=datetime.timezone.utc)
    return repr(sent(t.args(now, now.date(), datetime.time(1, 2), uuid.UUID(int=5), decimal.Decimal("1.50"), b"\xff\x00", b"abc", (1, 2))))


@scene
def chain_with_arguments(app, t): return seen((t.args(1) | t.args(2)).apply_async((10,), {"k": 1}))


@scene
def group_with_arguments(app, t): return seen(group(t.args(1), t.args(2)).apply_async((10,), {"k": 1}))


@scene
def chord_with_arguments(app, t): return seen(chord([t.add(1), t.args(2)], t.args(k=1)).apply_async((10,)))


@scene
def chain_with_countdown_within(app, t): return sent(t.add(1) | t.add(2).set(countdown=1) | t.args())


@scene
def group_with_countdown(app, t): return sent(t.add(1) | group(t.add(1), t.add(2)).set(countdown=1) | t.args())


@scene
def id_of_ones_own(app, t): return sent(t.add(1), task_id=f"weird id/☃ {new_id()}")


@scene
def by_the_default_exchange(app, t): return seen(app.send_task("chard.add", [1], exchange="", routing_key="chard.tasks"))


# ---- links ----

@scene
def link_of_a_group(app, t):
    """To its first task, and without that one's value."""
    other, canvas = new_id(), group(t.add(1), t.add(2))
    canvas.link(t.add(10).set(task_id=other))
    return [sent(canvas), known(app, other)]


@scene
def link_of_a_chord(app, t):
    result, linked = with_link(app, t, chord([t.add(1), t.add(2)], t.add()))
    return [seen(result), linked()]


@scene
def link_of_a_chain(app, t):
    result, linked = with_link(app, t, chain(t.add(1), t.add(2)))
    return [seen(result), linked()]


@scene
def errback_of_a_group(app, t):
    result, told = with_link(app, t, group(t.add(1), t.fail("x")), "link_error")
    return [[seen(one) for one in result.results], told() == result.results[1].id]


@scene
def errback_of_a_chain_with_a_chord(app, t):
    other = new_id()
    result = (t.add(1) | chord([t.add(1), t.fail("x")], t.add()) | t.args()).apply_async(link_error=t.same().set(task_id=other))
    return [seen(result), known(app, other) in (result.id, result.parent.id)]


@scene
def errback_of_a_chain_with_a_group(app, t):
    other = new_id()
    result = (t.add(1) | group(t.add(1), t.fail("x"))).apply_async(link_error=t.same().set(task_id=other))
    return [[seen(wait_for(one)) for one in result.results], known(app, other) == result.results[1].id]


@scene
def errback_that_is_a_group(app, t):
    others = [new_id(), new_id()]
    result = t.fail("x").apply_async(link_error=group(t.same().set(task_id=others[0]), t.args().set(task_id=others[1])))
    return [seen(result), *[str(known(app, one)).replace(result.id, "its id") for one in others]]


@scene
def errback_that_is_immutable(app, t):
    other = new_id()
    return [sent(t.fail("x"), link_error=t.same(7).set(task_id=other, immutable=True)), known(app, other)]


@scene
def link_that_fails(app, t):
    other = new_id()
    return [sent(t.add(1), link=t.fail("l").set(task_id=other)), known(app, other)]


@scene
def link_to_an_unknown_task(app, t):
    other = new_id()
    return [sent(t.add(1), link=app.signature("no.such", queue="chard.tasks", task_id=other)), known(app, other)]


# ---- canvases in canvases ----

@scene
def map_in_a_group(app, t): return sent(group(app.tasks["chard.add"].starmap([[1, 2]]), t.add(4)))


@scene
def chord_of_maps(app, t): return sent(chord([app.tasks["chard.add"].starmap([[1, 2]]), app.tasks["chard.same"].map([1, 2])], t.args()))


@scene
def chunks_then_a_task(app, t): return sent(app.tasks["chard.add"].chunks([[1, 2], [3, 4]], 1).group() | t.args())


@scene
def chord_of_groups(app, t): return sent(chord([group(t.add(1), t.add(2)), t.add(3)], t.args()))


@scene
def group_then_group(app, t): return sent(group(t.add(1), t.add(2)) | group(t.add(3), t.args()))


@scene
def empty_group_in_a_chain(app, t): return sent(t.add(1) | group([]) | t.args())


@scene
def body_that_is_a_chain_that_fails(app, t):
    result = chord([t.add(1)], t.fail("b") | t.add(1)).apply_async()
    return [seen(result), state(result)]


@scene
def chain_with_an_ignored_result(app, t):
    result = (t.add(1).set(ignore_result=True) | t.add(2)).apply_async()
    return [seen(result), result.parent.state]


@scene
def chord_with_an_ignored_result(app, t): return sent(chord([t.add(1).set(ignore_result=True), t.add(2)], t.args()))


@scene
def stamped_chord(app, t):
    canvas = group(t.add(1), t.add(2)) | t.args()
    canvas.stamp(ticket="T1", other=2)
    return sent(canvas)


# ---- what clients do with results ----

@scene
def failure_is_not_raised(app, t):
    error = t.fail("b").apply_async().get(20, propagate=False)
    return [type(error).__name__, error.args]


@scene
def collected(app, t):
    result = (t.add(1) | group(t.add(2), t.add(3))).apply_async()
    seen(result)
    return sorted(str(value) for _, value in wait_for(result.parent).collect(timeout=20))


@scene
def set_of_results(app, t): return sorted(ResultSet([t.add(n).apply_async() for n in range(3)]).get(20))


@scene
def as_they_come(app, t):
    results = group(t.add(n) for n in range(3)).apply_async().iter_native(timeout=20)
    return sorted(meta["result"] for _, meta in results)


@scene
def failed_group(app, t):
    result = group(t.add(1), t.fail("x")).apply_async()
    return [seen(result), state(result.results[1]), state(result.results[0]), result.failed(), result.successful(), result.completed_count()]


@scene
def forgotten_group(app, t):
    result = group(t.add(1), t.add(2)).apply_async()
    seen(result)
    result.forget()
    return [app.AsyncResult(one.id).state for one in result.results]


# ---- children of tasks with links; bodies that are groups ----

def children_of(result):
    wait_for(result)
    return sorted([type(one).__name__, [type(part).__name__ for part in getattr(one, "results", [])], str(known_children(one))]
                  for one in result.children)


def known_children(result):
    return [seen(one) for one in getattr(result, "results", [result])]


@scene
def children_of_one_link(app, t): return children_of(t.add(1).apply_async(link=t.args(2)))


@scene
def children_of_two_links(app, t): return children_of(t.add(1).apply_async(link=[t.args(2), t.add(3) | t.add(4)]))


@scene
def children_of_links_with_groups(app, t):
    return children_of(t.add(1).apply_async(link=[t.args(2), group(t.args(3), t.args(4)), t.args(5)]))


@scene
def children_of_a_link_and_a_group(app, t): return children_of(t.add(1).apply_async(link=[group(t.args(3), t.args(4)), t.args(5)]))


@scene
def children_of_links_in_a_chain(app, t):
    first = t.add(1)
    first.link(t.args(2))
    first.link(t.args(3).set(immutable=True))
    result = (first | t.add(5)).apply_async()
    return [seen(result), children_of(result.parent)]


@scene
def chord_with_failure_before_a_group(app, t):
    """Its tasks get the exception itself."""
    result = chord([t.add(1), t.fail("it's\n\"boom\"")], group(t.args(), t.args(1) | t.args(2))).apply_async()
    return [[known(app, one.id), state(one)] for one in result.results]


@scene
def chord_with_failure_before_a_group_and_more(app, t):
    """The chord that it becomes is a part of the next one."""
    result = (group(t.add(1), t.fail("boom")) | group(t.args(), t.args()) | t.args()).apply_async()
    return seen(result)
