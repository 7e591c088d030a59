# SPDX-License-Identifier: Apache-2.0
"""What a client may do with tasks of one's own: each scene sends something and says what is seen of it. It must be the same of the plug-in
(support/kit_tasks.c) and of a Python worker (support/kit_app.py)."""

import datetime
import json
import re
import uuid

from celery import chain, chord, group
from celery.canvas import StampingVisitor

from support.waiting import wait_until

PATIENCE = 30
UUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"


class Kit:
    """t.add(1, 2) is a signature of kit.add."""

    def __init__(self, app):
        self.app = app

    def __getattr__(self, name):
        return lambda *args, **kwargs: self.app.signature(f"kit.{name}", args=args, kwargs=kwargs)


def value_of(result):
    """Asks again and again, so that many scenes may ask at once."""
    wait_until(result.ready, PATIENCE, f"{result.id} has ended", every=0.05)
    if hasattr(result, "results"):
        return [value_of(one) for one in result.results]
    value = result.result
    return {type(value).__module__ + "." + type(value).__name__: list(value.args)} if isinstance(value, Exception) else value


def sent(canvas, **options):
    return value_of(canvas.apply_async(**options))


def with_errback(t, canvas, errback):
    """What the errback of a canvas was told; the errback's id is one that both know."""
    key = uuid.uuid4().hex
    canvas.link_error(getattr(t, errback)(key).set(task_id=key))
    result = canvas.apply_async()
    return [value_of(result), value_of(t.app.AsyncResult(key))]


def with_link(t, canvas):
    key = uuid.uuid4().hex
    canvas.link(t.told("linked").set(task_id=key))
    result = canvas.apply_async()
    return [value_of(result), value_of(t.app.AsyncResult(key))]


def with_inner(t, canvas, kind, heir):
    """The canvas that replaces a task within a chain has a callback or an errback of its own."""
    key = uuid.uuid4().hex
    getattr(canvas, kind)(heir.set(task_id=key) if kind == "link" else t.failed(key).set(task_id=key))
    result = chain(t.replace(canvas=canvas), t.add(3)).apply_async()
    return [value_of(result), value_of(t.app.AsyncResult(key))]


def ids_in(canvas_of, t):
    """Who a task says it is, as seen from the canvas's own result."""
    result = canvas_of(t.about(at=["/id", "/root_id", "/parent_id", "/group"])).apply_async()
    said = value_of(result)
    return [said[0] == result.id, said[1] == (result.parent or result).id, said[2] is None, said[3] is None]


class Stamp(StampingVisitor):
    def __init__(self, **stamps):
        self.stamps = stamps

    def on_signature(self, sig, **headers):
        return {**self.stamps, "stamped_headers": list(self.stamps)}


def stamped(canvas, **stamps):
    canvas.stamp(Stamp(**stamps))
    return canvas


def revoked_by_stamp(t):
    mark = uuid.uuid4().hex
    answers = t.app.control.broadcast("revoke_by_stamped_headers", arguments={"headers": {"mark": [mark]}}, reply=True, timeout=2)
    said = [answer["ok"].replace(mark, "MARK") for by_worker in answers for answer in by_worker.values()]
    other = sent(stamped(t.add(1), mark=uuid.uuid4().hex))
    ended = [stamped(canvas, mark=mark).apply_async() for canvas in (t.add(1), t.add(2))]
    return [said, other, [value_of(one) for one in ended], [one.state for one in ended]]


def lineage(t, *canvases):
    """What Celery says of canvases that a task has sent, and returned: the ids in the order in which they come."""
    said = [sent(t.pass_on(canvas=canvas)) for canvas in canvases]
    ids = {}
    return json.loads(re.sub(UUID, lambda found: str(ids.setdefault(found[0], len(ids))), json.dumps(said)))


def gathered(canvas):
    """A chord's results, in an order."""
    return sorted(sent(canvas), key=str)


def children(t, canvas):
    result = canvas.apply_async()
    value_of(result)
    return [value_of(child) for child in result.children]


def same_group(result, header):
    """Which group its tasks say they are in, as seen from the client's own result."""
    return [said == [header(result).id] for said in value_of(result)]


def delayed(t):
    """Each waits as long as it asked for: the one that was sent first asked for more, and ends last."""
    began = datetime.datetime.now(datetime.timezone.utc)
    late, soon = [t.again(times=1, delay=delay).apply_async() for delay in (3, 0)]
    values = [value_of(one) for one in (late, soon)]
    return [values, (late.date_done - began).total_seconds() > 2.9, soon.date_done < late.date_done]


def retried(t):
    """Its own exception is the reason, and the state on the way."""
    result = t.again(times=1, limit=0).apply_async()
    return [value_of(result), result.state, "KitError" in result.traceback]


SCENES = {
    # values and arguments
    "a_number": lambda t: sent(t.add(1, 2)),
    "numbers_in_lists": lambda t: sent(t.add([1, [2, 3]], 4)),
    "any_value": lambda t: [sent(t.same(value)) for value in (None, False, 0, "", "한글 \"x\"", [1, {"a": []}], {"b": None}, 1.5)],
    "arguments_of_both_kinds": lambda t: sent(t.told(1, "two", None, key={"deep": [1]}, other=[])),
    "no_arguments": lambda t: sent(t.told()),
    "a_wrong_argument": lambda t: sent(t.add("x")),
    # exceptions
    "own_exception": lambda t: sent(t.fail("why", 7, {"more": [None]})),
    "own_exception_without_arguments": lambda t: sent(t.fail()),
    "own_exception_of_one": lambda t: sent(t.fail([1])),
    "in_a_chain": lambda t: sent(chain(t.fail("first"), t.add(1))),
    "in_a_group": lambda t: sent(group(t.add(1), t.fail("second", 2))),
    "in_a_chord": lambda t: list(sent(chord([t.add(1), t.fail("x", 2)], t.told()))),
    # retries
    "again_and_well": lambda t: sent(t.again(times=2)),
    "again_when_it_asked_for": delayed,
    "again_too_often": lambda t: sent(t.again(times=9, limit=2)),
    "again_without_a_reason": lambda t: list(sent(t.again(times=9, limit=1, reason=False))),
    "not_again": retried,
    "again_in_a_chain": lambda t: sent(chain(t.add(1), t.again(times=1), t.told())),
    "again_in_a_chord": lambda t: sent(chord([t.again(times=1), t.again(times=2)], t.add())),
    "elsewhere": lambda t: sent(t.elsewhere()),
    "elsewhere_in_a_chain": lambda t: sent(chain(t.elsewhere(), t.told())),
    "elsewhere_in_a_chord": lambda t: sent(chord([t.elsewhere(), t.add(1)], t.told())),
    # the request
    "alone_it_is_its_own_root": lambda t: ids_in(lambda task: task, t),
    "name_and_retries": lambda t: sent(t.about(at=["/task", "/retries", "/replaced_task_nesting", "/group_index"])),
    "its_arguments": lambda t: sent(t.about(1, at=["/args/0", "/kwargs"])) and sent(t.about(at=["/kwargs"])),
    "priority": lambda t: sent(t.about(at=["/delivery_info/priority", "/properties/priority"]), priority=3),
    "its_headers": lambda t: sent(t.about(at=["/headers/x-own"]), headers={"x-own": "value"}),
    "its_time": lambda t: (lambda said: [said[:19], len(said), said[-6:]])(sent(t.about(at=["/eta"]), eta="2020-03-04T05:06:07.500000+00:00")[0]),
    "its_limits": lambda t: sent(t.about(at=["/timelimit", "/ignore_result"]), time_limit=60, soft_time_limit=50),
    "one_limit": lambda t: [sent(t.about(at=["/timelimit"]), **{name: 45}) for name in ("time_limit", "soft_time_limit")],
    "no_limits": lambda t: sent(t.about(at=["/timelimit"])),
    "its_properties": lambda t: sent(t.about(at=["/properties/app_id"]), app_id="the-app"),
    "its_shadow_its_origin_and_its_way": lambda t: sent(
        t.about(at=["/shadow", "/origin", "/delivery_info/exchange", "/delivery_info/routing_key"]), shadow="another name"),
    "its_stamps": lambda t: sent(stamped(t.about(at=["/stamps", "/stamped_headers"]), color="red")),
    "place_in_a_group": lambda t: sent(group(t.about(at=["/group_index"]) for _ in range(3))),
    "its_group": lambda t: same_group(group(t.about(at=["/group"]) for _ in range(3)).apply_async(), lambda result: result),
    "its_group_in_a_header": lambda t: same_group(chord([t.about(at=["/group"])] * 2, t.same()).apply_async(), lambda result: result.parent),
    "correlation": lambda t: (lambda r: value_of(r)[0] == r.id)(t.about(at=["/correlation_id"]).apply_async()),
    # canvases sent beside the result
    "sends_a_task": lambda t: [sent(t.send(canvas=t.add(1))), children(t, t.send(canvas=t.add(2)))],
    "sends_a_chain": lambda t: children(t, t.send(canvas=chain(t.add(1), t.add(2)))),
    "sends_a_group": lambda t: children(t, t.send(canvas=group(t.add(1), t.add(2)))),
    "sends_in_a_chain": lambda t: sent(chain(t.send(canvas=t.add(1)), t.told())),
    "sent_has_a_parent": lambda t: (lambda r: value_of(r) and [value_of(c) == [r.id, r.id] for c in r.children])(
        t.send(canvas=t.about(at=["/root_id", "/parent_id"])).apply_async()),
    "result_of_a_canvas": lambda t: value_of(t.app.AsyncResult(sent(t.pass_on(canvas=t.add(4)))[0][0])),
    "result_of_a_chain": lambda t: lineage(t, chain(t.add(1), t.add(2), t.add(3)), chain(t.add(1), t.add(2))),
    "result_of_a_group": lambda t: lineage(t, group(t.add(1), t.add(2))),
    "result_of_a_chord": lambda t: lineage(t, chord([t.add(1), t.add(2)], t.add())),
    "result_of_a_chain_with_a_group": lambda t: lineage(t, chain(t.add(1), group(t.add(2), t.add(3)), t.add(4))),
    "result_of_a_chain_that_ends_in_a_group": lambda t: lineage(t, chain(t.add(1), t.add(1), group(t.add(2), t.add(3)))),
    "result_of_chains_in_a_group": lambda t: lineage(t, group(chain(t.add(1), t.add(2)), t.add(3))),
    "result_of_chains_in_a_chord": lambda t: lineage(t, chord([chain(t.add(1), t.add(2)), t.add(3)], chain(t.add(), t.add(1)))),
    "result_of_a_chain_with_two_groups": lambda t: lineage(
        t, chain(t.add(1), group(t.add(2), t.add(3)), t.add(4), group(t.add(2), t.add(3)), t.add(4))),
    # parts added to a chord
    "added_to_a_chord": lambda t: gathered(chord([t.grow(canvases=[t.add(1), t.add(2)]), t.add(5)], t.same())),
    "added_to_a_chord_of_one": lambda t: gathered(chain(group([t.grow(canvases=[t.add(i) for i in range(9)])]), t.same())),
    "a_chain_added": lambda t: gathered(chord([t.grow(canvases=[chain(t.add(1), t.add(2))]), t.add(5)], t.same())),
    "a_chord_added": lambda t: gathered(chord([t.grow(canvases=[chord([t.add(1), t.add(2)], t.add())]), t.add(5)], t.same())),
    "added_by_two": lambda t: gathered(chord([t.grow(canvases=[t.add(i)]) for i in range(4)], t.same())),
    "added_by_one_that_was_added": lambda t: gathered(chord([t.grow(canvases=[t.grow(canvases=[t.add(7)])])] * 2, t.same())),
    "what_is_added_fails": lambda t: list(sent(chord([t.grow(canvases=[t.fail("x")]), t.add(5)], t.same()))),
    "added_to_no_chord": lambda t: sent(t.grow(canvases=[t.add(1)])),
    # replaced
    "by_a_task": lambda t: sent(t.replace(canvas=t.add(1, 2))),
    "by_a_chain": lambda t: sent(t.replace(canvas=chain(t.add(1), t.add(2), t.add(3)))),
    "by_a_group": lambda t: sent(t.replace(canvas=group(t.add(1), t.add(2)))),
    "by_a_group_of_chains": lambda t: sent(t.replace(canvas=group(chain(t.add(1), t.add(1)), t.add(5)))),
    "by_a_chain_that_ends_in_a_group": lambda t: sent(t.replace(canvas=chain(t.add(1), group(t.add(2), t.add(3))))),
    "by_a_chain_that_ends_in_a_group_in_a_chain": lambda t: sent(chain(t.replace(canvas=chain(t.add(1), group(t.add(2), t.add(3)))), t.told())),
    "by_a_chain_that_ends_in_a_group_in_a_header": lambda t: sent(
        chord([t.replace(canvas=chain(t.add(1), group(t.add(2), t.add(3)))), t.add(4)], t.told())),
    "by_a_chord": lambda t: sent(t.replace(canvas=chord([t.add(1), t.add(2)], t.add(10)))),
    "by_one_that_fails": lambda t: sent(t.replace(canvas=t.fail("replaced", 1))),
    "by_a_chain_that_fails": lambda t: sent(t.replace(canvas=chain(t.add(1), t.fail("later")))),
    "by_an_empty_chain": lambda t: sent(t.replace(canvas=chain(app=t.app))),
    "by_one_that_is_tried_again": lambda t: sent(t.replace(canvas=t.again(times=1))),
    "keeps_no_state": lambda t: sent(chain(t.volatile(canvas=t.add(1)), t.add(2))),
    "at_the_head_of_a_chain": lambda t: sent(chain(t.replace(canvas=t.add(1)), t.add(2), t.add(3))),
    "within_a_chain": lambda t: sent(chain(t.add(1), t.replace(canvas=chain(t.add(5), t.add(6))), t.add(2))),
    "at_the_end_of_a_chain": lambda t: sent(chain(t.add(1), t.replace(canvas=t.add(5)))),
    "by_a_group_in_a_chain": lambda t: sent(chain(t.replace(canvas=group(t.add(1), t.add(2))), t.add(3))),
    "before_a_group": lambda t: sent(chain(t.replace(canvas=t.same(4)), group(t.add(1), t.add(2)))),
    "in_a_group_of_many": lambda t: sent(group(t.replace(canvas=t.add(i)) for i in range(5))),
    "in_a_header": lambda t: sent(chord([t.replace(canvas=t.add(1)), t.replace(canvas=chain(t.add(2), t.add(3))), t.add(4)], t.told())),
    "by_a_chord_in_a_header": lambda t: sent(chord([t.replace(canvas=chord([t.add(1), t.add(2)], t.add())), t.add(4)], t.told())),
    "by_a_group_in_a_header": lambda t: sent(chord([t.replace(canvas=group(t.add(1), t.add(2))), t.add(4)], t.told())),
    "of_a_body": lambda t: sent(chord([t.add(1), t.add(2)], t.replace(canvas=chain(t.add(7), t.add(1))))),
    "of_a_body_in_a_chain": lambda t: sent(chain(group(t.add(1), t.add(2)), t.replace(canvas=t.add(7)), t.add(1))),
    "again_and_again": lambda t: sent(t.deeper(4)),
    "again_and_again_in_a_chain": lambda t: sent(chain(t.deeper(2), t.told())),
    "again_and_again_in_a_header": lambda t: sent(chord([t.deeper(2), t.deeper(1)], t.told())),
    "replaced_by_one_that_replaces": lambda t: sent(t.replace(canvas=chain(t.replace(canvas=t.add(1)), t.add(2)))),
    "a_failure_in_a_header": lambda t: list(sent(chord([t.replace(canvas=t.fail("x")), t.add(1)], t.told()))),
    "its_link": lambda t: with_link(t, t.replace(canvas=t.add(1, 2))),
    "its_link_by_a_chain": lambda t: with_link(t, t.replace(canvas=chain(t.add(1), t.add(2)))),
    "its_link_by_a_chord": lambda t: with_link(t, t.replace(canvas=chord([t.add(1), t.add(2)], t.add()))),
    "a_chain_with_its_own_link": lambda t: with_inner(t, chain(t.add(1), t.add(2)), "link", t.told("linked")),
    "a_chord_with_its_own_link": lambda t: with_inner(t, chord([t.add(1), t.add(2)], t.add()), "link", t.told("linked")),
    "a_chain_with_its_own_errback": lambda t: with_inner(t, chain(t.add(1), t.fail("why")), "link_error", None),
    "its_id_stays": lambda t: (lambda r: value_of(r)[0] == r.id)(t.replace(canvas=t.about(at=["/id"])).apply_async()),
    "its_stamps_stay": lambda t: sent(stamped(t.replace(canvas=t.about(at=["/stamps/color"])), color="blue")),
    # errbacks of the new style
    "told_of_a_failure": lambda t: with_errback(t, t.fail("why", 2), "failed"),
    "told_of_a_replacement": lambda t: with_errback(t, t.replace(canvas=t.fail("why", 3)), "failed"),
    "told_of_a_replacing_chain": lambda t: with_errback(t, t.replace(canvas=chain(t.add(1), t.fail("why"))), "failed"),
    "told_after_retries": lambda t: with_errback(t, t.again(times=9, limit=1), "failed"),
    # revoked
    "revoked_by_stamp": revoked_by_stamp,
}
