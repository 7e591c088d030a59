# SPDX-License-Identifier: Apache-2.0
"""The same canvases, sent by the same Celery client, against chard and against a Celery worker in Python: both must look the same to
the client. Results and chord counters go through Redis, whose keys both share."""

import contextlib

import pytest

import celery_scenes_errbacks  # noqa: F401, these add to SCENES
import celery_scenes_chords  # noqa: F401
import celery_scenes_more  # noqa: F401
import celery_scenes_revoked  # noqa: F401
from celery_scenes import SCENES, Tasks
from conftest import fresh_place, servers
from support.celery_app import QUEUE, make_app
from support.program import ROOT, Chard
from support.python_worker import python_worker
from support.waiting import wait_until

# Where chard answers and Celery's own worker does not, or answers less: what chard gives, and why that is right.
BETTER = {
    # Celery can't write down the result of such a task as an argument: EncodeError.
    "task_that_sends_in_a_chain": "{'args': [[['ID', None], [[['ID', None], None]]], 5], 'kwargs': {}}",
    # The body's own body can't run either. Celery calls the errbacks of the chord that it stands in, and has none.
    "errbacks_of_a_body_that_is_a_chord": [{"ValueError": ["x"]}, ["A", "B"]],
    # The inner body fails as a part of the outer header. Celery leaves the outer body waiting for ever.
    "errbacks_of_two_chords_failed_by_one_task": [{"ChordError": ["Dependency ID raised ValueError('x')"]}, ["A", "B"]],
    # The same; an errback that the client linked to both bodies is called once, of the outer one.
    "errback_of_a_chord_whose_header_has_a_chord":
        [{"ChordError": ["Dependency ID raised ValueError('x')"]}, [["A", "body", True]], [["A", "body", True]]],
    # The same, wherever the inner one stands and whatever its body is; however deep it stands, the errbacks of all are called, each once.
    "a_chord_in_a_header_whose_header_fails": [{"ChordError": ["Dependency ID raised ValueError('x')"]}, ["A"], ["A"]],
    "a_chord_at_the_end_of_a_chain_in_a_header_whose_header_fails": [{"ChordError": ["Dependency ID raised ValueError('x')"]}, ["A", "I"], ["A", "I"]],
    "a_chord_in_a_header_fails_after_all_others": [{"ChordError": ["Dependency ID raised ValueError('x')"]}, ["A", "I"], ["A", "I"]],
    "a_chord_in_a_header_with_a_group_as_body_fails": [{"ValueError": ["x"]}, ["A", "I"], ["A", "I"]],
    "two_chords_in_a_header_fail": [["A", "I", "J"], ["A", "I", "J"]],
    "a_chord_in_a_header_in_a_header_fails":
        [{"ChordError": ["Dependency ID raised ChordError('Dependency ID raised ValueError(\"x\")')"]}, ["A", "I", "J"], ["A", "I", "J"]],
    # Celery calls the tasks of such a group without what the header gave.
    "a_link_of_a_chain_as_a_body_that_is_a_group": [[{"args": [[1, 2]], "kwargs": {}}] * 2, ["L", "L"], ["L", "L"]],
}


@contextlib.contextmanager
def fleet(request, redis_url, *, chard, python):
    """An app, and the workers behind it, in a virtual host of their own."""
    with fresh_place(request) as settings, contextlib.ExitStack() as stack:
        url = settings["CHARD_BROKER_URL"]
        if chard:
            program = Chard(ROOT / "build/asan/chard", settings | {
                "CHARD_NATIVE_DELAY": "yes", "CHARD_AI_PROVIDER": "offline", "CHARD_RESULT_URL": redis_url})
            program.run("migrate", check=0)
            stack.enter_context(program.worker(queues=QUEUE, slots=chard))
        if python:
            stack.enter_context(python_worker(ROOT / "tests/e2e/support/celery_app.py", url, redis_url))
        app = stack.enter_context(contextlib.closing(make_app(url, redis_url)))
        app.tells_all = not python
        yield app


@pytest.fixture(scope="module")
def apps(request):
    """One app whose worker is chard, one whose worker is Python."""
    with servers.Redis() as redis, contextlib.ExitStack() as stack:
        made = [stack.enter_context(fleet(request, redis.url, chard=100, python=False)),
                stack.enter_context(fleet(request, redis.url[:-1] + "1", chard=0, python=True))]
        assert made[1].signature("chard.add").apply_async().get(40) == 0
        yield made


@pytest.mark.parametrize("name", SCENES)
def test_same_as_python(apps, name):
    ours, theirs = (SCENES[name](app, Tasks(app)) for app in apps)
    print(f"chard:  {ours!r}\nCelery: {theirs!r}")
    if name in BETTER:
        assert ours == BETTER[name]
    else:
        assert ours == theirs


MIXED = ["chain_of_fifty", "chain_with_two_groups", "wide_chord", "chord_in_a_chord", "chord_of_chain_ending_in_group",
         "chord_then_chord", "deep_mixture", "chord_with_failure", "linked_to_a_chord", "chain_that_fails"]


def run_by(app):
    """Who runs the next task: its traceback tells."""
    result = app.signature("chard.fail").apply_async()
    result.get(20, propagate=False)
    return "chard" if "worker chard@" in result.traceback else "Python"


def test_side_by_side(request, apps):
    """chard and a Python worker on one queue: every canvas ends as with one of them alone, whoever ran which part."""
    with servers.Redis() as redis, fleet(request, redis.url, chard=4, python=True) as app:
        wait_until(lambda: {run_by(app) for _ in range(4)} == {"chard", "Python"}, 40)
        for name in MIXED:
            assert SCENES[name](app, Tasks(app)) == SCENES[name](apps[1], Tasks(apps[1])), name
