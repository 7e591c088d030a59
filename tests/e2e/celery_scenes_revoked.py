# SPDX-License-Identifier: Apache-2.0
"""Scenes of tasks that are revoked before any worker has begun them: their clients are told at once, whether a message is there or not."""

import uuid

from celery import chain, chord
from celery_scenes import caught, scene, seen, state, wait_for


def revoke(app, *ids, **more):
    """What the worker answers, once it has done it."""
    replies = app.control.revoke(list(ids), reply=True, timeout=15, limit=1, **more)
    return [list(answer.values())[0].replace(one, "ID") for reply in replies for answer in reply.values() for one in ids]


def told(app, task_id):
    """What stands there now; nothing is waited for."""
    meta = app.backend.get_task_meta(task_id, cache=False)
    return {"status": meta["status"], "result": repr(meta["result"]), "traceback": meta.get("traceback"), "children": meta.get("children"),
            "ended": meta.get("date_done") is not None}


def after_revoking(app, status, result=None, **more):
    """What stands there of a task that another worker has told this of."""
    task_id = str(uuid.uuid4())
    app.backend.store_result(task_id, result, status)
    revoke(app, task_id, **more)
    return told(app, task_id)["status"]


@scene
def revoked_and_never_sent(app, t):
    task_id = str(uuid.uuid4())
    return [revoke(app, task_id), told(app, task_id), caught(app.AsyncResult(task_id))]


@scene
def several_revoked_and_never_sent(app, t):
    ids = [str(uuid.uuid4()) for _ in range(20)]
    revoke(app, *ids)
    return [told(app, one)["status"] for one in ids]


@scene
def revoked_in_a_queue_that_nobody_consumes(app, t):
    result = t.add(1).apply_async(queue=f"nobody-{uuid.uuid4()}")
    return [revoke(app, result.id), told(app, result.id), caught(result)]


@scene
def terminated_and_never_sent(app, t):
    task_id = str(uuid.uuid4())
    return [revoke(app, task_id, terminate=True, signal="SIGKILL"), told(app, task_id)]


@scene
def revoked_before_its_time(app, t):
    result = t.add(1).apply_async(countdown=2)
    revoke(app, result.id)
    first = told(app, result.id)
    t.add(1).apply_async(countdown=3).get(15)  # its own time has come and gone
    return [first, caught(result), told(app, result.id)["status"]]


@scene
def revoked_then_sent(app, t):
    task_id = str(uuid.uuid4())
    revoke(app, task_id)
    result = t.add(1).apply_async(task_id=task_id)
    t.add(1).apply_async().get(15)
    return [caught(result), state(result)]


@scene
def revoked_after_its_end(app, t):
    results = [t.add(1).apply_async(), t.fail("x").apply_async()]
    before = [seen(one) for one in results]
    for one in results:
        revoke(app, one.id)
    return [before, [told(app, one.id)["status"] for one in results]]


@scene
def revoked_where_another_worker_has_it(app, t):
    """It has begun, or has ended: this stays. It has not begun: it never will."""
    return [after_revoking(app, status) for status in ("STARTED", "PROGRESS", "SUCCESS", "REVOKED", "RECEIVED", "RETRY", "REJECTED", "PENDING")]


@scene
def terminated_where_another_worker_has_it(app, t):
    return [after_revoking(app, status, terminate=True) for status in ("STARTED", "RETRY")]


@scene
def revoked_in_a_chord(app, t):
    """The part is told of at once, the body once the part's message has come."""
    part = t.add(1).set(countdown=1)
    frozen = part.freeze()
    result = chord([part, t.add(2)], t.same()).apply_async()
    revoke(app, frozen.id)
    return [told(app, frozen.id)["status"], seen(result)]


@scene
def revoked_in_a_chain(app, t):
    """Its second task, while the first waits."""
    result = chain(t.add(1).set(countdown=1), t.add(2)).apply_async()
    revoke(app, result.id)
    return [told(app, result.id)["status"], seen(wait_for(result.parent)), caught(result)]
