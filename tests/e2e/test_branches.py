# SPDX-License-Identifier: Apache-2.0
"""A job that branches ends with its last branch (I11), whatever it branches by; one of which a branch is dead stays a FAILURE."""

import pytest
from celery import chain, chord, group
from support.celery_app import QUEUE

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
