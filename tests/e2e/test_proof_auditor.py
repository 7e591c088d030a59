# SPDX-License-Identifier: Apache-2.0
"""The auditor of `make proof` finds what it is there to find: what it has read is falsified, one thing at a time."""

import copy
import sys

import pytest
from support.program import ROOT

sys.path.insert(0, str(ROOT / "tests"))

from proof import auditor  # noqa: E402

LIMITS = {"deadline_s": 6, "lease_s": 10, "grace_s": 8, "hold_s": 2, "beat_s": 2, "silent_s": 20, "queues": []}
STEPS = [("a", "chat.classify", "ChatClassified"), ("b", "chat.answer", "ChatAnswered")]


def call(step, number, at, worker="w1", outcome="whole", end=None):
    return {"n": number, "worker": worker, "tag": "T1", "step": step, "at": at, "end": at + 1 if end is None else end, "outcome": outcome, "why": ""}


@pytest.fixture
def findings():
    """A chat that went well, killed once between its answer and its commit."""
    return {
        "limits": LIMITS, "queues": {"chat.classify": 0, "chat.classify.dead": 0}, "results": {"a": "SUCCESS", "b": "SUCCESS"},
        "scheduled": [], "owed": [], "letters": [],
        "submitted": [{"shape": "plain", "at": 0, "sure": True, "revoked": False, "tasks": [
            {"name": name, "tag": "T1", "id": task, "root": None, "told": True, "events": [event]} for task, name, event in STEPS]}],
        "faults": [{"kind": "kill", "target": "w1", "what": what, "at": 12, "now": 12} for what in ("begins", "ends")],
        "calls": [call("chat.classify", 0, 10), call("chat.classify", 1, 22, "w2"), call("chat.answer", 2, 24, "w2")],
        "jobs": [{"root_id": "a", "state": "SUCCESS", "pipeline": "chat", "restarts": 0, "branches": 0, "text": "a bottle [T1]"}],
        "tasks": [{"id": task, "root_id": "a", "name": name, "state": "SUCCESS", "starts": 1, "attempts": 0, "lease_owner": None, "result": "{}",
                   "finished": end} for (task, name, _), end in zip(STEPS, (23.5, 25.5))],
        "events": [{"id": f"e{task}", "aggregate_type": "chat", "aggregate_id": "a", "version": version, "type": event, "root_id": "a", "task_id": task}
                   for version, (task, _, event) in enumerate(STEPS, 1)],
        "outbox": [{"id": f"e{task}", "aggregate_type": "chat", "aggregate_id": "a", "type": event} for task, _, event in STEPS],
    }


def test_what_is_well_passes(findings):
    assert auditor.judge(findings) == []
    assert auditor.explain(findings)["answers bought again"] == {"kill": 1}


def swap_versions(f):
    f["events"][0]["version"], f["events"][1]["version"] = 2, 1


def doubled_event(f):
    f["events"].append(f["events"][1] | {"id": "another", "version": 3})
    f["outbox"].append(f["outbox"][1] | {"id": "another"})


def dead(f, **more):
    f["letters"].append({"entry": 1, "task_id": "b", "root_id": "a", "name": "chat.answer", "state": "kept", "attempts": 4, "error_code": "timeout",
                         "error_message": "", "verdict": "transient", "automatic": False, "died": 24} | more)


def fault(f, kind, target, begin, end, before=()):
    f["faults"] = [*before, *({"kind": kind, "target": target, "what": what, "at": begin, "now": now} for what, now in (("begins", begin), ("ends", end)))]


def stopped_behind_a_lock(f, lock, wakes, calls=35):
    """The answer of 10.5 s waits behind a lock; its worker stands still from 16 s on; another one asks again."""
    fault(f, "row lock job", "lock", 10.5, lock)
    fault(f, "stop", "w1", 16, wakes, f["faults"])
    for number, begin in enumerate((calls, calls + 2)):
        f["calls"][number + 1] |= {"at": begin, "end": begin + 1}
        f["tasks"][number]["finished"] = begin + 1.5


FALSE = {
    "a task's row is gone": (lambda f: f["tasks"].pop(), "lost"),
    "a job's row is gone": (lambda f: f["jobs"].pop(), "not done"),
    "a job that nobody sent": (lambda f: f["jobs"].append(f["jobs"][0] | {"root_id": "x", "text": ""}), "doubled"),
    "a task that nobody sent": (lambda f: f["tasks"].append(f["tasks"][0] | {"id": "x"}), "doubled"),
    "a job that failed": (lambda f: f["jobs"][0].update(state="FAILURE"), "not done"),
    "a job that is open": (lambda f: f["jobs"][0].update(state="STARTED"), "left"),
    "a task that failed": (lambda f: f["tasks"][0].update(state="FAILURE"), "not done"),
    "a task that somebody holds": (lambda f: f["tasks"][0].update(lease_owner="w1"), "not done"),
    "a job that was started again": (lambda f: f["jobs"][0].update(restarts=1), "lost"),
    "a message that is left": (lambda f: f["queues"].update({"chat.answer": 1}), "left"),
    "a scheduled message that is left": (lambda f: f["scheduled"].append({"task_id": "b", "reason": "retry", "routing_key": "", "due": ""}), "left"),
    "a result that is owed": (lambda f: f["owed"].append({"task_id": "b"}), "left"),
    "a result that Redis does not have": (lambda f: f["results"].pop("b"), "result"),
    "another result in Redis": (lambda f: f["results"].update(b="FAILURE"), "result"),
    "an event and its outbox row are gone": (lambda f: (f["events"].pop(), f["outbox"].pop()), "events"),
    "an outbox row is gone": (lambda f: f["outbox"].pop(), "events"),
    "an outbox row is doubled": (lambda f: f["outbox"].append(f["outbox"][1]), "events"),
    "an outbox row of no event": (lambda f: f["outbox"].append(f["outbox"][1] | {"id": "x"}), "events"),
    "an outbox row of another type": (lambda f: f["outbox"][0].update(type="ChatAnswered"), "events"),
    "an event is doubled": (doubled_event, "events"),
    "a version is left out": (lambda f: f["events"][1].update(version=3), "events"),
    "versions are swapped": (swap_versions, "order"),
    "the outbox is in another order": (lambda f: f["outbox"].reverse(), "order"),
    "a dead letter": (dead, "dead"),
    "an event of a failure that was none": (lambda f: f["events"].append(f["events"][1] | {"id": "x", "version": 3, "type": "ChatFailed"}), "events"),
    "a worker that fell over": (lambda f: f["faults"].append({"kind": "exit", "target": "w2", "status": -11, "what": "begins", "at": 5, "now": 5}), "fell"),
    "a call after the end": (lambda f: f["calls"].append(call("chat.answer", 3, 30)), "paid"),
    "a call after the end, of one that was taken over long before": (
        lambda f: (fault(f, "stop", "w1", 10.5, 30), f["tasks"][0].update(finished=18), f["calls"][1].update(at=22)), "paid"),
    "a call while another is under way": (lambda f: f["calls"].append(call("chat.answer", 3, 24.5, "w3")), "paid"),
    "an answer that was had is bought again": (lambda f: f["calls"].append(call("chat.answer", 3, 25.1, "w3")), "paid"),
    "there was no kill": (lambda f: f["faults"].clear(), "paid"),
    "another worker was killed": (lambda f: [entry.update(target="w3") for entry in f["faults"]], "paid"),
    "the kill was before the call": (lambda f: [entry.update(at=9, now=9) for entry in f["faults"]], "paid"),
    "a stop was short": (lambda f: fault(f, "stop", "w1", 21.5, 22.5), "paid"),
    "it was stopped long after its answer": (lambda f: (fault(f, "stop", "w1", 15.5, 40), f["calls"].append(call("chat.classify", 9, 38, "w2"))), "paid"),
    "a lock was gone when it was stopped": (
        lambda f: (fault(f, "row lock job", "lock", 10.5, 15), fault(f, "stop", "w1", 16, 40, f["faults"]), f["calls"][1].update(at=35, end=36),
                   f["tasks"][0].update(finished=36.5), f["calls"][2].update(at=37, end=38), f["tasks"][1].update(finished=38.5)), "paid"),
    "a lock was gone when it woke": (lambda f: stopped_behind_a_lock(f, lock=30, wakes=34.5), "paid"),
    "it had time to sign when it woke": (lambda f: stopped_behind_a_lock(f, lock=60, wakes=35, calls=48), "paid"),
    "another worker was stopped": (lambda f: fault(f, "stop", "w2", 10.5, 30), "paid"),
    "its way to the store was closed later": (lambda f: fault(f, "refuse store", "w1/store", 14, 21), "paid"),
    "its way to the store was open again in time": (lambda f: fault(f, "refuse store", "w1/store", 10.5, 15), "paid"),
    "a worker ended within its grace time": (lambda f: fault(f, "terminate", "w1", 11, 15), "paid"),
    "PostgreSQL was killed long after the claim": (lambda f: fault(f, "kill postgresql", "postgresql", 13, 14), "paid"),
    "a call is missing in the book": (lambda f: f["calls"].pop(), "paid"),
    "a call for nobody": (lambda f: f["calls"].append(call("chat.answer", 3, 30) | {"tag": "T9"}), "paid"),
}


@pytest.mark.parametrize("change, what", FALSE.values(), ids=FALSE)
def test_what_is_false_is_found(findings, change, what):
    falsified = copy.deepcopy(findings)
    change(falsified)
    found = auditor.judge(falsified)
    assert what in {one["what"] for one in found}, found


@pytest.mark.parametrize("kind, target, begin, end, why", [
    ("stop", "w1", 10.5, 30, "stop"),
    ("refuse store", "w1/store", 10.5, 21, "cut off"),
    ("terminate", "w1", 11, 20, "grace time over"),
    ("kill postgresql", "postgresql", 10.2, 12, "claim lost with PostgreSQL"),
])
def test_what_explains_a_second_call(findings, kind, target, begin, end, why):
    fault(findings, kind, target, begin, end)
    assert auditor.judge(findings) == []
    assert auditor.explain(findings)["answers bought again"] == {why: 1}


@pytest.mark.parametrize("lock, wakes", [(20, 40), (34.9, 34.5)], ids=["is asleep", "has just woken"])
def test_what_waits_behind_a_lock_is_lost_to_who_takes_over_from_a_worker_that_was_stopped(findings, lock, wakes):
    stopped_behind_a_lock(findings, lock, wakes)
    assert auditor.judge(findings) == []
    assert auditor.explain(findings)["answers bought again"] == {"stop": 1}


def test_who_took_it_over_may_call_a_moment_after_its_first_owner_came_back(findings):
    fault(findings, "stop", "w1", 10.5, 21)
    findings["tasks"][0]["finished"] = 21.2
    assert auditor.judge(findings) == []


@pytest.mark.parametrize("broken", ["broken", "unfit", "refused"])
def test_what_was_not_answered_may_be_asked_again(findings, broken):
    findings["faults"].clear()
    findings["calls"][0]["outcome"] = broken
    assert auditor.judge(findings) == []


def test_nobody_dies_in_an_outage(findings):
    """Not even who was sent back, and is done."""
    dead(findings, state="resolved", attempts=4)
    findings["events"].append(findings["events"][1] | {"id": "x", "version": 3})
    findings["events"][1] |= {"id": "f", "type": "ChatFailed"}
    findings["outbox"] = [{key: event[key] for key in ("id", "aggregate_type", "aggregate_id", "type")} for event in findings["events"]]
    findings["calls"][2]["at"], findings["calls"][2]["end"] = 24.1, 25.1
    findings["calls"] += [call("chat.answer", 3 + n, 23.6 + n / 20, outcome="broken", end=23.61 + n / 20) for n in range(4)]
    assert {one["what"] for one in auditor.judge(findings)} == {"dead"}


def revoked(findings):
    findings["submitted"][0]["revoked"] = True
    for task in findings["tasks"]:
        task["state"] = "REVOKED"
    findings["jobs"][0]["state"] = "REVOKED"
    findings |= {"events": [], "outbox": [], "calls": []}
    return findings


def test_what_was_revoked_does_nothing(findings):
    """But may come too late: then all of it happens."""
    findings["submitted"][0]["revoked"] = True
    assert auditor.judge(findings) == []
    events = findings["events"][1:]
    assert auditor.judge(revoked(findings)) == []
    findings["events"] = events
    assert auditor.judge(findings)


@pytest.mark.parametrize("there", [True, False])
def test_what_failed_while_it_was_sent_is_there_whole_or_not_at_all(findings, there):
    findings["submitted"][0]["sure"] = False
    if there:
        assert auditor.judge(findings) == []
        findings["tasks"].pop()
        assert auditor.judge(findings)
    else:
        findings |= {"tasks": [], "jobs": [], "events": [], "outbox": [], "calls": [], "results": {}}
        assert auditor.judge(findings) == []
