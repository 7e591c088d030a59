# SPDX-License-Identifier: Apache-2.0
"""Scenes of chords: bodies that are chains, parts that come twice, links of chains that end in groups, chords in headers that fail."""

import contextlib

from celery import chain, chord, group
from celery.signals import before_task_publish
from celery_scenes import scene, seen, wait_for
from celery_scenes_errbacks import Errbacks, shape
from support.waiting import wait_until


def heard(app, e, count):
    with contextlib.suppress(AssertionError):
        wait_until(lambda: len(e.metas()) >= count, 4, every=0.02)
    return sorted(m["result"][len(e.mark):] for m in e.metas())


def after_a_while(app, t, e):
    """What is known once more than that would have run."""
    chain(t.add(1) for _ in range(10)).apply_async().get(15)
    return sorted(m["result"][len(e.mark):] for m in e.metas())


# ---- bodies that are chains ----


def failing_header(app, t, body, count, **options):
    """The header fails, and the body's errbacks hear of it."""
    e = Errbacks(app, t)
    result = chord([t.fail("x"), t.add(1)], body(e)).apply_async(**{name: e.one(label) for name, label in options.items()})
    ran = heard(app, e, count)
    return [seen(result), ran, after_a_while(app, t, e)]


@scene
def errbacks_of_a_body_that_is_a_chain(app, t):
    return failing_header(app, t, lambda e: chain(t.same().on_error(e.one("A")), t.same().on_error(e.one("B"))), 0)


@scene
def errbacks_of_a_whole_body_that_is_a_chain(app, t):
    return failing_header(app, t, lambda e: chain(t.same(), t.same()).on_error(e.one("A")), 1)


@scene
def errbacks_of_a_chord_whose_body_is_a_chain(app, t):
    return failing_header(app, t, lambda e: chain(t.same().on_error(e.one("A")), t.same().on_error(e.one("B"))), 1, link_error="C")


@scene
def errbacks_linked_to_a_chord_whose_body_is_a_chain(app, t):
    e = Errbacks(app, t)
    canvas = chord([t.fail("x"), t.add(1)], chain(t.same(), t.same(), t.same()))
    canvas.link_error(e.one("A"))
    result = canvas.apply_async()
    ran = heard(app, e, 1)
    return [seen(result), seen(result.parent), ran, after_a_while(app, t, e)]


@scene
def errbacks_of_a_body_that_is_a_chain_with_a_group(app, t):
    return failing_header(app, t, lambda e: chain(t.same().on_error(e.one("A")), group(t.same(), t.same()), t.same().on_error(e.one("B"))), 0)


@scene
def errbacks_of_a_body_that_is_a_chain_whose_first_task_fails(app, t):
    e = Errbacks(app, t)
    body = chain(t.fail("y").set(immutable=True).on_error(e.one("A")), t.same().on_error(e.one("B")))
    result = chord([t.add(1), t.add(2)], body).apply_async()
    ran = e.ran(1, first=result.parent, last=result)
    return [seen(result), ran, after_a_while(app, t, e)]


@scene
def errbacks_of_a_body_that_is_a_chain_whose_last_task_fails(app, t):
    e = Errbacks(app, t)
    body = chain(t.same().on_error(e.one("A")), t.fail("y").set(immutable=True).on_error(e.one("B")))
    result = chord([t.add(1), t.add(2)], body).apply_async(link_error=e.one("C"))
    ran = e.ran(1, first=result.parent, last=result)
    return [seen(result), ran, after_a_while(app, t, e)]


@scene
def tasks_of_a_body_that_is_a_chain_are_known_to_fail(app, t):
    result = chord([t.fail("x"), t.add(1)], chain(t.same(), t.same(), t.same())).apply_async()
    return [seen(result), shape(result)]


# ---- parts that come twice ----


@contextlib.contextmanager
def twice(app, task_id):
    """The message of this task is published twice, as a broker may deliver it."""
    copies = []

    def publish(sender=None, body=None, exchange=None, routing_key=None, headers=None, properties=None, **rest):
        if headers["id"] == task_id and not copies:
            copies.append((body, exchange, routing_key, dict(headers), dict(properties)))

    before_task_publish.connect(publish)
    try:
        yield lambda: send_copy(app, *copies[0])
    finally:
        before_task_publish.disconnect(publish)


def send_copy(app, body, exchange, routing_key, headers, properties):
    with app.producer_pool.acquire(block=True) as producer:
        producer.publish(body, exchange=exchange, routing_key=routing_key, headers=headers, serializer="json", **properties)


def doubled(app, t, part, others, body, wait=False):
    """A chord whose `part` comes twice: at once, or again once all is over."""
    frozen = part.freeze()
    with twice(app, frozen.id) as again:
        result = chord([part, *others], body).apply_async()
        if wait:
            wait_for(result)
        again()
    return result


@scene
def a_part_that_comes_twice(app, t):
    e = Errbacks(app, t)
    result = doubled(app, t, t.add(1), [t.add(2), t.add(3).set(countdown=1)], t.args().set(link=[e.one("L")]))
    return [seen(result), heard(app, e, 1), after_a_while(app, t, e)]


@scene
def a_part_that_comes_again_when_all_is_over(app, t):
    e = Errbacks(app, t)
    result = doubled(app, t, t.add(1), [t.add(2)], t.args().set(link=[e.one("L")]), wait=True)
    return [seen(result), heard(app, e, 1), after_a_while(app, t, e)]


@scene
def a_part_that_fails_twice(app, t):
    e = Errbacks(app, t)
    result = doubled(app, t, t.fail("x"), [t.add(2), t.add(3).set(countdown=1)], t.same().on_error(e.one("A")))
    return [seen(result), heard(app, e, 1), after_a_while(app, t, e)]


@scene
def a_part_that_fails_again_when_all_is_over(app, t):
    e = Errbacks(app, t)
    result = doubled(app, t, t.fail("x"), [t.add(2)], t.same().on_error(e.one("A")), wait=True)
    return [seen(result), heard(app, e, 1), after_a_while(app, t, e)]


@scene
def a_task_that_comes_twice_before_a_chord(app, t):
    first = t.add(1)
    frozen = first.freeze()
    with twice(app, frozen.id) as again:
        result = chain(first, chord([t.add(2), t.add(3).set(countdown=1)], t.args())).apply_async()
        again()
    return [seen(result), [seen(one) for one in result.parent.results]]


# ---- links of chains that end in groups ----


def linked(app, t, canvas, count, how):
    e = Errbacks(app, t)
    sent = canvas(e)
    if how == "method":
        sent.link(e.one("L"))
    result = sent.apply_async(**({"link": e.one("L")} if how == "option" else {}))
    ran = heard(app, e, count)
    parts = getattr(result, "results", [result])
    return [[seen(one) for one in parts], ran, after_a_while(app, t, e)]


@scene
def a_link_of_a_chain_that_ends_in_a_group(app, t):
    return linked(app, t, lambda e: chain(t.add(1), group(t.add(2), t.add(3))), 1, "method")


@scene
def a_link_sent_with_a_chain_that_ends_in_a_group(app, t):
    return linked(app, t, lambda e: chain(t.add(1), group(t.add(2), t.add(3))), 1, "option")


@scene
def a_link_of_a_chain_that_ends_in_a_group_with_links(app, t):
    return linked(app, t, lambda e: chain(t.add(1), group(t.add(2).set(link=[e.one("own")]), t.add(3)).set(link=[e.one("group")])), 2, "method")


@scene
def a_link_of_a_chain_that_ends_in_a_group_of_chains(app, t):
    return linked(app, t, lambda e: chain(t.add(1), group(chain(t.add(2), t.add(3)), t.add(4))), 1, "method")


@scene
def a_link_of_a_chain_that_ends_in_a_group_of_groups(app, t):
    return linked(app, t, lambda e: chain(t.add(1), group(group(t.add(2), t.add(3)), t.add(4))), 1, "option")


@scene
def a_link_of_a_chain_that_ends_in_a_group_with_a_chord(app, t):
    return linked(app, t, lambda e: chain(t.add(1), group(chord([t.add(2), t.add(3)], t.args()), t.add(4))), 1, "method")


@scene
def a_link_of_a_chain_that_ends_in_a_chord_with_a_group(app, t):
    return linked(app, t, lambda e: chain(t.add(1), chord([t.add(2), t.add(3)], group(t.args(), t.args()))), 1, "method")


@scene
def a_link_of_a_chain_of_two_groups(app, t):
    return linked(app, t, lambda e: chain(group(t.add(1), t.add(2)), group(t.args(), t.args())), 1, "method")


@scene
def a_link_of_a_chain_within_a_chain(app, t):
    return linked(app, t, lambda e: chain(chain(t.add(1), group(t.add(2), t.add(3))).set(link=[e.one("inner")]), t.args()), 1, "method")


@scene
def a_link_that_is_a_chain_which_ends_in_a_group(app, t):
    e = Errbacks(app, t)
    first = t.add(1).set(link=[chain(e.one("A"), group(e.one("B"), e.one("C")))])
    result = first.apply_async()
    return [seen(result), heard(app, e, 3), after_a_while(app, t, e)]


@scene
def a_link_of_a_chain_as_a_body_that_ends_in_a_group(app, t):
    return linked(app, t, lambda e: chord([t.add(1), t.add(2)], chain(t.args(), group(t.args(), t.args()))), 2, "method")


@scene
def a_link_of_a_chain_as_a_body_that_is_a_group(app, t):
    return linked(app, t, lambda e: chord([t.add(1), t.add(2)], chain(group(t.args().set(link=[e.one("own")]), t.args()))), 2, "method")


@scene
def a_link_of_a_chain_as_a_link_that_ends_in_a_group(app, t):
    e = Errbacks(app, t)
    follows = chain(t.args(), group(t.args().set(link=[e.one("own")]), t.args()))
    follows.link(e.one("L"))
    result = t.add(1).set(link=[follows]).apply_async()
    return [seen(result), heard(app, e, 2), after_a_while(app, t, e)]


@scene
def a_link_of_a_chain_as_a_body_that_ends_in_a_chord_with_a_group(app, t):
    return linked(app, t, lambda e: chord([t.add(1), t.add(2)], chain(t.args(), chord([t.args(), t.args()], group(t.args(), t.args())))), 1, "method")


# ---- chords in headers that fail ----


def failing(app, t, canvas, inner, outer=1, told=True):
    """What the outer body gives, who heard of it, and no more than that. Celery calls the errbacks of the chord that fails first and no others, and its
    client waits for ever where that is not a part of the outermost header (`told`)."""
    e = Errbacks(app, t)
    result = canvas(e).apply_async()
    caught = seen(result) if told or app.tells_all else "nothing"
    return [caught, heard(app, e, inner + app.tells_all * outer), after_a_while(app, t, e)]


@scene
def a_chord_in_a_header_whose_header_fails(app, t):
    return failing(app, t, lambda e: chord([chord([t.fail("x"), t.add(1)], t.same()), t.add(2)], t.same().on_error(e.one("A"))), 0)


@scene
def a_chord_in_a_header_whose_body_fails(app, t):
    inner = lambda e: chord([t.add(1), t.add(2)], t.fail("x").set(immutable=True).on_error(e.one("I")))
    return failing(app, t, lambda e: chord([inner(e), t.add(2)], t.same().on_error(e.one("A"))), 2, outer=0)


@scene
def a_chord_in_a_header_whose_body_is_a_chain_that_fails(app, t):
    inner = lambda e: chord([t.add(1), t.add(2)], chain(t.same(), t.fail("x").set(immutable=True).on_error(e.one("I")), t.same()))
    return failing(app, t, lambda e: chord([inner(e), t.add(2)], t.same().on_error(e.one("A"))), 2, outer=0)


@scene
def a_chord_at_the_end_of_a_chain_in_a_header_whose_header_fails(app, t):
    part = lambda e: chain(t.add(1), chord([t.fail("x").set(immutable=True), t.add(1)], t.same().on_error(e.one("I"))))
    return failing(app, t, lambda e: chord([part(e), t.add(2)], t.same().on_error(e.one("A"))), 1)


@scene
def a_chord_in_a_header_fails_after_all_others(app, t):
    inner = lambda e: chord([t.fail("x").set(countdown=1), t.add(1)], t.same().on_error(e.one("I")))
    return failing(app, t, lambda e: chord([inner(e), t.add(2)], t.same().on_error(e.one("A"))), 1)


@scene
def a_chord_in_a_header_with_a_group_as_body_fails(app, t):
    inner = lambda e: chord([t.fail("x"), t.add(1)], group(t.same().on_error(e.one("I")), t.same()))
    return failing(app, t, lambda e: chord([inner(e), t.add(2)], t.same().on_error(e.one("A"))), 1)


@scene
def two_chords_in_a_header_fail(app, t):
    inner = lambda e, name: chord([t.fail(name), t.add(1)], t.same().on_error(e.one(name)))
    return failing(app, t, lambda e: chord([inner(e, "I"), inner(e, "J")], t.same().on_error(e.one("A"))), 2)[1:]


@scene
def a_chord_in_a_header_in_a_header_fails(app, t):
    inmost = lambda e: chord([t.fail("x"), t.add(1)], t.same().on_error(e.one("I")))
    inner = lambda e: chord([inmost(e), t.add(1)], t.same().on_error(e.one("J")))
    return failing(app, t, lambda e: chord([inner(e), t.add(2)], t.same().on_error(e.one("A"))), 1, outer=2, told=False)


@scene
def a_chord_in_a_header_fails_and_a_chain_follows(app, t):
    inner = lambda e: chord([t.fail("x"), t.add(1)], t.same().on_error(e.one("I")))
    return failing(app, t, lambda e: chain(group(inner(e), t.add(2)), t.same().on_error(e.one("A")), t.same().on_error(e.one("B"))), 1, outer=0)
