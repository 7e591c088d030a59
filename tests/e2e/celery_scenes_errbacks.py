# SPDX-License-Identifier: Apache-2.0
"""Scenes of errbacks without ids of their own: each of them runs, whoever sends it, as a child of the task that it was told of."""

import json
import uuid

from celery import chain, chord, group
from celery_scenes import scene, seen, wait_for
from support.waiting import wait_until


class Errbacks:
    """Errbacks that leave a value, and what became of them."""

    def __init__(self, app, t):
        self.app, self.t, self.mark = app, t, f"errback {uuid.uuid4()} "

    def one(self, name):
        return self.t.same(self.mark + name).set(immutable=True)

    def metas(self):
        redis = self.app.backend.client
        stored = [json.loads(redis.get(key) or "{}") for key in redis.scan_iter("celery-task-meta-*")]
        return [m for m in stored if str(m.get("result")).startswith(self.mark)]

    def ran(self, count, **owners):
        """Who ran, and under which parent; `owners` names the results that may be such."""
        wait_until(lambda: len(self.metas()) >= count, 15, f"{count} errbacks have run", every=0.02)
        names = {result.id: name for name, result in owners.items()}
        return sorted([m["result"][len(self.mark):], names.get(m.get("parent_id"), "another"), bool(m.get("group_id"))] for m in self.metas())


def shape(result):
    """Its children, by what they are."""
    return [[type(one).__name__, len(getattr(one, "results", [])), [known for part in getattr(one, "results", [one]) for known in [seen(part) is not None]]]
            for one in wait_for(result).children or ()]


def header_of(result):
    return {f"header{i}": one for i, one in enumerate(result.parent.results)}


@scene
def errbacks_of_header_and_body(app, t):
    e = Errbacks(app, t)
    result = chord([t.fail("x").on_error(e.one("A")), t.add(1)], t.same().on_error(e.one("B"))).apply_async()
    return [seen(result), e.ran(2, body=result, **header_of(result)), shape(result)]


@scene
def errbacks_of_a_body_that_is_a_group(app, t):
    e = Errbacks(app, t)
    result = chord([t.fail("x"), t.add(1)], group(t.same().on_error(e.one("A")), t.same().on_error(e.one("B")))).apply_async()
    members = {f"member{i}": one for i, one in enumerate(result.results)}
    return [[seen(one) for one in result.results], e.ran(2, **members), [shape(one) for one in result.results]]


@scene
def group_that_is_a_body_is_known_to_fail(app, t):
    result = chord([t.fail("x")], group(t.same(), t.same())).apply_async()
    return seen(wait_for(app.AsyncResult(result.id)))


@scene
def one_errback_for_all_of_a_body(app, t):
    e = Errbacks(app, t)
    canvas = chord([t.fail("x"), t.add(1)], group(t.same(), t.same()))
    canvas.link_error(e.one("A"))
    result = canvas.apply_async()
    return [[seen(one) for one in result.results], e.ran(2, **{f"member{i}": one for i, one in enumerate(result.results)})]


@scene
def errbacks_of_groups_within_a_body(app, t):
    e = Errbacks(app, t)
    canvas = chord([t.fail("x"), t.add(1)], group(t.same().on_error(e.one("A")), chain(t.same().on_error(e.one("B")), t.same().on_error(e.one("C")))))
    result = canvas.apply_async()
    return [[seen(one) for one in result.results], e.ran(1, **{f"member{i}": one for i, one in enumerate(result.results)})]


@scene
def two_errbacks(app, t):
    e = Errbacks(app, t)
    result = t.fail("x").on_error(e.one("A")).on_error(e.one("B")).apply_async()
    return [seen(result), e.ran(2, own=result), shape(result)]


@scene
def an_errback_with_an_id_of_its_own(app, t):
    """Linked to two tasks that fail: what its id gives is the same, whether it runs for each of them, as with Celery, or once."""
    e = Errbacks(app, t)
    told = e.one("A").set(task_id=str(uuid.uuid4()))
    results = [t.fail("x").on_error(told).apply_async() for _ in range(2)]
    return [[seen(one) for one in results], str(seen(app.AsyncResult(told.options["task_id"]))).removeprefix(e.mark), len(e.metas())]


@scene
def errbacks_that_are_chains(app, t):
    e = Errbacks(app, t)
    result = chord([t.fail("x").on_error(chain(e.one("A"), e.one("B"))), t.add(1)],
                   t.same().on_error(chain(e.one("C"), e.one("D")))).apply_async()
    return [seen(result), [row[:1] for row in e.ran(4)]]


@scene
def errbacks_that_are_groups(app, t):
    e = Errbacks(app, t)
    result = chord([t.fail("x").on_error(group(e.one("A"), e.one("B"))), t.add(1)],
                   t.same().on_error(group(e.one("C"), e.one("D")))).apply_async()
    return [seen(result), e.ran(4, body=result, **header_of(result)), shape(result)]


@scene
def errbacks_of_a_body_that_is_a_chord(app, t):
    e = Errbacks(app, t)
    inner = chord([t.add(1), t.add(2)], t.same().on_error(e.one("B")))
    inner.link_error(e.one("A"))
    result = chord([t.fail("x"), t.add(1)], inner).apply_async()
    return [seen(result), [row[0] for row in e.ran(app.tells_all * 2)]]


@scene
def errbacks_of_two_chords_failed_by_one_task(app, t):
    """The inner body is a part of the outer header."""
    e = Errbacks(app, t)
    inner = chord([t.fail("x"), t.add(1)], t.same().on_error(e.one("A")))
    result = chord([inner, t.add(2)], t.same().on_error(e.one("B"))).apply_async()
    return [seen(result), [row[0] for row in e.ran(1 + app.tells_all)]]


@scene
def errback_on_the_header_too(app, t):
    e = Errbacks(app, t)
    app.conf.task_allow_error_cb_on_chord_header = True
    try:
        canvas = chord([t.fail("x"), t.add(1)], t.same())
        canvas.link_error(e.one("A"))
        result = canvas.apply_async()
    finally:
        app.conf.task_allow_error_cb_on_chord_header = False
    return [seen(result), e.ran(2, body=result, **header_of(result))]


def chain_of_chords(app, t, fails_in, adds_in):
    e = Errbacks(app, t)
    header = group(t.fail("x").set(countdown=fails_in), t.add(1).set(countdown=adds_in))
    canvas = header | t.same().on_error(e.one("A")) | group(t.same(), t.same()) | t.same().on_error(e.one("B"))
    result = canvas.apply_async()
    return [seen(result), [row[0] for row in e.ran(1)]]


@scene
def errbacks_in_a_chain_of_chords_that_fails_early(app, t):
    return chain_of_chords(app, t, fails_in=0, adds_in=1)


@scene
def errbacks_in_a_chain_of_chords_that_fails_late(app, t):
    return chain_of_chords(app, t, fails_in=1, adds_in=0)


@scene
def children_of_a_part_with_links(app, t):
    """It completes the header, and its own children are told first."""
    e = Errbacks(app, t)
    result = chord([t.fail("x").set(countdown=0), t.add(1).set(countdown=1, link=[t.add(5)])], t.same().on_error(e.one("A"))).apply_async()
    return [seen(result), e.ran(1, body=result), [row[:2] for row in shape(result)]]


@scene
def errback_of_a_chord_whose_header_has_a_chord(app, t):
    """The inner chord fails, and fails the outer one: once."""
    e = Errbacks(app, t)
    inner = chord([t.add(1), t.fail("x")], t.same().set(immutable=True))
    outer = chord(group([t.add(3), inner]), t.same())
    outer.link_error(e.one("A"))
    result = outer.apply_async()
    owners = header_of(result) | {"body": result}
    first = [seen(result), e.ran(1, **owners)]
    seen(t.add(1).apply_async(countdown=1))  # what came second has run by then
    return [*first, e.ran(1, **owners)]


@scene
def errback_that_is_a_chord(app, t):
    e = Errbacks(app, t)
    result = t.fail("x").on_error(chord([e.one("A"), e.one("B")], e.one("C"))).apply_async()
    return [seen(result), [row[0] for row in e.ran(3)]]


@scene
def errbacks_of_a_header_that_fails_twice(app, t):
    """The body's is called once."""
    e = Errbacks(app, t)
    result = chord([t.fail("x").on_error(e.one("A")), t.fail("x").on_error(e.one("B")), t.add(1)], t.same().on_error(e.one("C"))).apply_async()
    ran = e.ran(3, body=result, **header_of(result))
    return [seen(result), ran, len(e.metas())]


@scene
def errback_at_the_end_of_a_chain_in_a_header(app, t):
    e = Errbacks(app, t)
    result = chord([chain(t.add(1), t.same(), t.fail("x").set(immutable=True).on_error(e.one("A"))), t.add(2)], t.same().on_error(e.one("B"))).apply_async()
    return [seen(result), e.ran(2, body=result, **header_of(result))]


@scene
def errbacks_of_chains_in_a_group(app, t):
    """Of those behind a task that fails none is called."""
    e = Errbacks(app, t)
    result = group(chain(t.fail("x").on_error(e.one("A")), t.same().on_error(e.one("B"))),
                   chain(t.add(1), t.fail("y").set(immutable=True).on_error(e.one("C")))).apply_async()
    ran = e.ran(2)
    return [[seen(one) for one in result.results], [row[0] for row in ran]]


def failing_members(app, t, errbacks, count, body):
    """The chord's header ends well and `body` runs: who is told of what fails in it."""
    e = Errbacks(app, t)
    result = chord([t.add(1), t.add(2)], body(e)).apply_async(**errbacks(e))
    members = {f"member{i}": one for i, one in enumerate(result.results)}
    return [[seen(one) for one in result.results], e.ran(count, **members)]


@scene
def errbacks_of_a_group_that_runs_as_a_body(app, t):
    """The group's own errbacks take the place of its tasks'; those that the chord is sent with join them."""
    return failing_members(app, t, lambda e: {"link_error": e.one("B")}, 2, lambda e: group(
        t.fail("x").set(immutable=True).on_error(e.one("C")), t.same()).set(link_error=e.one("A")))


@scene
def errbacks_of_a_group_with_a_chain_that_runs_as_a_body(app, t):
    return failing_members(app, t, lambda e: {}, 2, lambda e: group(
        chain(t.same(), t.fail("x").set(immutable=True).on_error(e.one("C"))), t.same()).set(link_error=e.one("A")))


@scene
def errbacks_of_a_group_with_a_group_that_runs_as_a_body(app, t):
    return failing_members(app, t, lambda e: {}, 2, lambda e: group(
        group(t.fail("x").set(immutable=True), t.same()).set(link_error=e.one("C")),
        t.fail("y").set(immutable=True)).set(link_error=[e.one("A")]))


@scene
def errbacks_of_a_group_at_the_end_of_a_chain(app, t):
    e = Errbacks(app, t)
    members = group(t.fail("x").set(immutable=True), t.same()).set(link_error=e.one("A"))
    result = chain(t.add(1), t.add(2), members).apply_async()
    return [[seen(one) for one in result.results], e.ran(1, **{f"member{i}": one for i, one in enumerate(result.results)})]


@scene
def links_of_a_group_at_the_end_of_a_chain(app, t):
    e = Errbacks(app, t)
    result = chain(t.add(1), t.add(2), group(t.add(3), t.add(4))).apply_async(link=e.one("A"))
    return [[seen(one) for one in result.results], e.ran(2, **{f"member{i}": one for i, one in enumerate(result.results)})]


@scene
def errbacks_of_a_chain_that_ends_in_a_group_as_a_body(app, t):
    e = Errbacks(app, t)
    body = chain(t.same(), group(t.fail("x").set(immutable=True), t.same()).set(link_error=e.one("A")))
    result = chord([t.add(1), t.add(2)], body).apply_async(link_error=e.one("B"))
    return [[seen(one) for one in result.results], e.ran(1, **{f"member{i}": one for i, one in enumerate(result.results)})]


@scene
def errbacks_of_a_chord_that_follows_with_a_group_as_body(app, t):
    """It is the worker that sends the chord on, and links the chord's errbacks to the group."""
    e = Errbacks(app, t)
    inner = chord([t.add(1), t.add(2)], group(t.fail("x").set(immutable=True).on_error(e.one("C")), t.same()).set(link_error=e.one("A")))
    result = chain(t.add(1), t.add(2), inner.set(link_error=e.one("B"))).apply_async()
    return [[seen(one) for one in result.results], e.ran(2, **{f"member{i}": one for i, one in enumerate(result.results)})]
