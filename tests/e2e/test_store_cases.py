# SPDX-License-Identifier: Apache-2.0
"""What both stores decide in SQL, so that claims and commits cost one statement a group, as one table of cases: may a task start, and what does a
commit make of a task's and a job's rows? What they decide in C is in tests/unit/test_store_meaning.c."""

import datetime

import pytest

from test_store import database, now, opened, store  # noqa: F401: fixtures among them

MINUTE = datetime.timedelta(minutes=1)
THEIRS, MINE, NOBODYS = "w2", "w1", None
LIVE, OVER = MINUTE, -MINUTE

# The row: state, attempts, replaced, whose lease, how long from now; the message's retries and nesting; the verdict, and the row's state after it.
CLAIMS = [
    # a task that nobody runs
    ("PENDING", 0, 0, NOBODYS, None, 0, 0, "GRANTED", "STARTED"),
    ("RETRY", 1, 0, NOBODYS, None, 1, 0, "GRANTED", "STARTED"),
    ("RETRY", 1, 0, NOBODYS, None, 2, 0, "GRANTED", "STARTED"),
    ("RETRY", 1, 0, NOBODYS, None, 0, 0, "SUPERSEDED", "RETRY"),
    # a lease
    ("STARTED", 0, 0, NOBODYS, None, 0, 0, "GRANTED", "STARTED"),
    ("STARTED", 0, 0, MINE, LIVE, 0, 0, "GRANTED", "STARTED"),
    ("STARTED", 0, 0, MINE, OVER, 0, 0, "GRANTED", "STARTED"),
    ("STARTED", 0, 0, THEIRS, LIVE, 0, 0, "LEASED", "STARTED"),
    ("STARTED", 0, 0, THEIRS, OVER, 0, 0, "GRANTED", "STARTED"),
    ("STARTED", 2, 0, THEIRS, OVER, 1, 0, "SUPERSEDED", "STARTED"),
    ("STARTED", 2, 0, THEIRS, LIVE, 1, 0, "SUPERSEDED", "STARTED"),
    ("STARTED", 2, 0, MINE, LIVE, 1, 0, "SUPERSEDED", "STARTED"),
    ("STARTED", 1, 0, THEIRS, LIVE, 2, 0, "LEASED", "STARTED"),
    # a task that has ended
    ("SUCCESS", 0, 0, NOBODYS, None, 0, 0, "DONE", "SUCCESS"),
    ("SUCCESS", 3, 0, NOBODYS, None, 0, 0, "DONE", "SUCCESS"),
    ("FAILURE", 3, 0, NOBODYS, None, 5, 0, "DEAD", "FAILURE"),
    ("REVOKED", 0, 0, NOBODYS, None, 0, 0, "REVOKED", "REVOKED"),
    # a task that was replaced: only what is as new as its replacement counts, and its retries begin anew
    ("PENDING", 0, 1, NOBODYS, None, 0, 0, "SUPERSEDED", "PENDING"),
    ("PENDING", 0, 1, NOBODYS, None, 5, 0, "SUPERSEDED", "PENDING"),
    ("PENDING", 0, 1, NOBODYS, None, 0, 1, "GRANTED", "STARTED"),
    ("STARTED", 3, 1, NOBODYS, None, 0, 2, "GRANTED", "STARTED"),
    ("SUCCESS", 0, 1, NOBODYS, None, 0, 0, "SUPERSEDED", "SUCCESS"),
    ("SUCCESS", 0, 1, NOBODYS, None, 0, 1, "DONE", "SUCCESS"),
]

# A job: its state and open branches (None: no row); how many go on from a commit; the state and branches after it.
COMMITS = [
    (None, None, 0, "SUCCESS", 0),
    (None, None, 1, "STARTED", 1),
    (None, None, 3, "STARTED", 3),
    ("STARTED", 1, 0, "SUCCESS", 0),
    ("STARTED", 1, 1, "STARTED", 1),
    ("STARTED", 3, 0, "STARTED", 2),
    ("STARTED", 1, 2, "STARTED", 2),
    ("STARTED", 0, 0, "SUCCESS", 0),
    ("FAILURE", 2, 0, "FAILURE", 1),
    ("FAILURE", 1, 0, "FAILURE", 0),
    ("REVOKED", 1, 0, "REVOKED", 0),
    ("REVOKED", 1, 1, "REVOKED", 1),
]

# A request with a key: its row (done, its lease, how many hours old), whether the same is asked again; the verdict, and whose job's id. None: no row.
ONCE = [
    (None, True, "mine", "new"),
    ((False, LIVE, 0), True, "open", "old"),
    ((False, OVER, 0), True, "mine", "old"),
    ((False, LIVE, 0), False, "other", "old"),
    ((False, OVER, 0), False, "other", "old"),
    ((True, OVER, 0), True, "done", "old"),
    ((True, LIVE, 0), True, "done", "old"),
    ((True, OVER, 23), True, "done", "old"),
    ((True, OVER, 0), False, "other", "old"),
    ((True, OVER, 25), True, "mine", "new"),
    ((True, OVER, 25), False, "mine", "new"),
    ((False, LIVE, 25), True, "mine", "new"),
]


def test_may_a_task_start(store, database):
    for n, (state, attempts, replaced, owner, lease, *_rest) in enumerate(CLAIMS):
        database.run("insert into chard.task (id, root_id, name, state, attempts, replaced, lease_owner, lease_until, starts, started_at)"
                     " values (%s, %s, 'n', %s, %s, %s, %s, %s, 1, %s)", f"t{n}", f"t{n}", state, attempts, replaced, owner,
                     lease and now() + lease, now() if state == "STARTED" else None)
    answers = store.ask(*[{"do": "claim", "id": f"t{n}", "retries": case[5], "nesting": case[6]} for n, case in enumerate(CLAIMS)])
    states = {row["id"]: row for row in database.rows("select id, state, starts, lease_owner from chard.task")}
    found = [(answer["verdict"], states[f"t{n}"]["state"]) for n, answer in enumerate(answers)]
    assert found == [case[7:] for case in CLAIMS]
    for n, case in enumerate(CLAIMS):
        granted = case[7] == "GRANTED"
        assert states[f"t{n}"]["starts"] == 1 + granted and states[f"t{n}"]["lease_owner"] == (MINE if granted else case[3]), case


@pytest.mark.parametrize("together", [True, False])
def test_what_a_commit_makes_of_a_job(store, database, together):
    """One by one, and as a group."""
    for n, (state, branches, *_rest) in enumerate(COMMITS):
        if state:
            database.run("insert into chard.job (root_id, state, branches) values (%s, %s, %s)", f"j{n}", state, branches)
    calls = [{"do": "commit", "id": f"t{n}", "root_id": f"j{n}", "result": {"n": n}, "has_job": True, "branches": case[2]} for n, case in enumerate(COMMITS)]
    answers = store.ask(*calls) if together else [store.ask(call)[0] for call in calls]
    assert [answer["result"] for answer in answers] == ["DONE"] * len(COMMITS)
    rows = {row["root_id"]: row for row in database.rows("select root_id, state, branches, document, finished_at from chard.job")}
    assert [(rows[f"j{n}"]["state"], rows[f"j{n}"]["branches"]) for n in range(len(COMMITS))] == [case[3:] for case in COMMITS]
    assert [rows[f"j{n}"]["document"] for n in range(len(COMMITS))] == [{"n": n} for n in range(len(COMMITS))]


@pytest.mark.parametrize("together", [True, False])
def test_is_a_request_with_a_key_new(store, database, together):
    for n, (row, same, *_rest) in enumerate(ONCE):
        if row:
            database.run("insert into chard.once (key, fingerprint, job_id, token, until, created_at, done) values (%s, %s, %s, 'first', %s, %s, %s)",
                         f"k{n}", "f" if same else "g", f"old{n}", now() + row[1], now() - datetime.timedelta(hours=row[2]), row[0])
    calls = [{"do": "once_begin", "key": f"k{n}", "fingerprint": "f", "job_id": f"new{n}", "token": "second"} for n in range(len(ONCE))]
    answers = [answer["value"] for answer in (store.ask(*calls) if together else [store.ask(call)[0] for call in calls])]
    assert [(answer["verdict"], answer["id"]) for answer in answers] == [(verdict, f"{whose}{n}") for n, (*_row, verdict, whose) in enumerate(ONCE)]
    assert all(0 < answer["wait_ms"] <= 60000 for answer in answers if answer["verdict"] == "open")
    # asked again, as after a connection that broke before the answer came: the same; but not for who comes later
    assert [answer["value"]["verdict"] for answer in store.ask(*calls)] == [verdict for *_row, verdict, _whose in ONCE]
    later = [answer["value"]["verdict"] for answer in store.ask(*[call | {"token": "third"} for call in calls])]
    assert later == [{"mine": "open"}.get(verdict, verdict) for *_row, verdict, _whose in ONCE]


def test_who_may_say_that_a_request_is_done(store, database):
    """An attempt that is over may still say that the job is safe, since it is the same job; only the attempt of now may say that it is not."""
    asks = [{"do": "once_begin", "key": key, "fingerprint": "f", "job_id": "j", "token": "t"} for key in "abcde"]
    store.ask(*asks)
    ends = [("a", "j", "t", True), ("b", "j", "t", False), ("c", "j", "late", True), ("d", "j", "late", False), ("e", "other", "t", True)]
    answers = store.ask(*[{"do": "once_settle", "key": key, "job_id": job, "token": token, "done": done} for key, job, token, done in ends])
    assert [answer["result"] for answer in answers] == ["DONE"] * 5
    later = store.ask(*[ask | {"token": "t2", "job_id": "j2"} for ask in asks])
    assert [(answer["value"]["verdict"], answer["value"]["id"]) for answer in later] == [("done", "j"), ("mine", "j"), ("done", "j"), ("open", "j"), ("open", "j")]
