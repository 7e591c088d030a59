# SPDX-License-Identifier: Apache-2.0
"""The store's inbox, the same for each kind of store: an event's effects, once, whatever is delivered again."""

import datetime

from test_store import database, event, facts, merge, now, once, opened, store  # noqa: F401: fixtures among them


def item(id, consumer="points", **fields):
    return {"consumer": consumer, "event": id} | fields


def apply(store, *items):
    return store.one("inbox", items=list(items))["results"]


def events(database):
    return [(row["aggregate_id"], row["version"], row["type"], row["task_id"])
            for row in database.rows("select * from chard.event order by aggregate_id, version")]


def test_effects_are_stored_once(store, database):
    full = item("e1", root_id="job", events=[event("a"), event("a", "More")], facts=[once("u", "k", 1), merge("u", "m", 2)],
                messages=[{"routing_key": "one", "body": "1"}, {"routing_key": "two", "in_ms": 60000}])
    assert [apply(store, full), apply(store, full)] == [["DONE"], ["ALREADY"]]
    assert events(database) == [("a", 1, "Tested", "points/e1"), ("a", 2, "More", "points/e1")]
    assert database.value("select count(*) from chard.outbox") == 2
    assert facts(database) == {("badge", "u", "k"): (1, "points/e1"), ("setting", "u", "m"): (2, "points/e1")}
    assert [r["routing_key"] for r in database.rows("select routing_key from chard.scheduled order by due_at")] == ["one", "two"]
    row = database.row("select consumer, event_id, at from chard.inbox")
    assert (row["consumer"], row["event_id"]) == ("points", "e1") and abs((now() - row["at"]).total_seconds()) < 60


def test_each_consumer_acts_for_itself(store, database):
    assert apply(store, item("e", "points", events=[event("a")]), item("e", "mail", events=[event("a")])) == ["DONE", "DONE"]
    assert apply(store, item("e", "points", events=[event("a")]), item("e", "other")) == ["ALREADY", "DONE"]
    assert len(events(database)) == 2


def test_one_event_twice_in_a_call_counts_once(store, database):
    assert sorted(apply(store, *[item("e", events=[event("a")]) for _ in range(5)])) == ["ALREADY"] * 4 + ["DONE"]
    assert len(events(database)) == 1


def test_items_are_applied_in_their_order(store, database):
    """Their ids say nothing of it."""
    ids = [f"e{(n * 7919) % 1000}" for n in range(100)]
    assert apply(store, *[item(id, events=[event("a")]) for id in ids]) == ["DONE"] * 100
    assert [row[3] for row in events(database)] == [f"points/{id}" for id in ids]


def test_a_fact_of_somebody_else_makes_it_stale(store, database):
    """Nothing of it is stored, the facts that came before it in the item neither; what was applied before is that, whatever others wrote since."""
    assert store.one("commit", id="t", facts=[once("u", "taken")])["result"] == "DONE"
    stale = item("e1", events=[event("a")], facts=[once("u", "free"), once("u", "taken"), merge("u", "m", 1)], messages=[{}])
    assert apply(store, stale, item("e2", facts=[once("u", "mine")]), item("e3", events=[event("b")])) == ["STALE", "DONE", "DONE"]
    assert facts(database) == {("badge", "u", "taken"): (None, "t"), ("badge", "u", "mine"): (None, "points/e2")}
    assert [row[0] for row in events(database)] == ["b"] and database.value("select count(*) from chard.scheduled") == 0
    assert apply(store, item("e1", events=[event("a")]), item("e3", facts=[once("u", "taken")])) == ["DONE", "ALREADY"]


def test_an_item_that_is_refused_harms_no_other(store, database, backend):
    if not backend.database.refuses_nul:  # SQLite stores what PostgreSQL's jsonb refuses
        database.run("create unique index one_bad on event (type) where type = 'Bad'")
        database.run("insert into event (id, aggregate_type, aggregate_id, version, type, root_id, task_id, payload, created_at)"
                     " values ('x', 'x', 'x', 1, 'Bad', 'x', 'x', '{}', 0)")
    bad = item("bad", events=[event("a"), event("a", "Bad") | {"payload": {"nul": "\0"}}], facts=[once("u", "k"), merge("u", "m", 1)], messages=[{}])
    answer = store.one("inbox", items=[item("e1"), bad, item("e2", events=[event("a")])])
    assert answer["results"] == ["DONE", "REFUSED", "DONE"] and answer["why"]["code"] == "refused"
    assert [row["event_id"] for row in database.rows("select event_id from chard.inbox order by event_id")] == ["e1", "e2"]
    assert [row[3] for row in events(database) if row[0] == "a"] == ["points/e2"]
    assert facts(database) == {} and database.value("select count(*) from chard.scheduled") == 0


def test_nothing_is_an_answer_too(store):
    assert apply(store) == []


def test_two_processes_apply_each_of_1000_events_once(opened, database):
    workers = [opened("w1"), opened("w2")]
    ids = [f"e{n}" for n in range(1000)]
    calls = [worker.send(*[{"do": "inbox", "items": [item(id, events=[event(f"a{id[-1]}")], facts=[once("u", id)]) for id in part]}
                           for part in (order[:500], order[500:])])
             for worker, order in ((workers[0], ids), (workers[1], ids[::-1]))]
    answers = [r for worker, numbers in zip(workers, calls) for answer in worker.wait(numbers, 60) for r in answer["results"]]
    assert sorted(answers) == ["ALREADY"] * 1000 + ["DONE"] * 1000
    assert len(events(database)) == 1000 and len(facts(database)) == 1000


def test_killed_it_goes_on_where_it_stopped(opened, database, wait_until):
    """Whatever it had answered is there; what it had not is applied by whoever is given the events again, and each once."""
    first, second = opened("w1"), opened("w2")
    items = [[item(f"e{n}-{k}", events=[event(f"a{k}")], messages=[{}]) for k in range(20)] for n in range(50)]
    first.send(*[{"do": "inbox", "items": part} for part in items])
    wait_until(lambda: first.answers)
    first.kill()
    answers = second.ask(*[{"do": "inbox", "items": part} for part in items], deadline=60)
    results = [r for answer in answers for r in answer["results"]]
    assert set(results) <= {"DONE", "ALREADY"} and results.count("ALREADY") >= 20 * len(first.answers)
    assert len(events(database)) == 1000 == database.value("select count(*) from chard.outbox")
    assert database.value("select count(*) from chard.scheduled") == 1000 == database.value("select count(*) from chard.inbox")
    first.end = lambda: (0, "")


def test_what_was_applied_long_ago_is_forgotten(store, database, backend):
    apply(store, item("old"), item("kept"), item("new"))
    for event_id, days in (("old", 32), ("kept", 29)):
        database.run("update chard.inbox set at = %s where event_id = %s", now() - datetime.timedelta(days=days), event_id)
    if backend.name == "postgresql":
        database.run("select chard.maintain()")  # locks the outbox: it has no time for this
        assert database.value("select count(*) from chard.inbox") == 3
        database.run("insert into chard.inbox (consumer, event_id, at) select 'many', n::text, now() - interval '31 days' from generate_series(1, 200001) n")
    assert store.one("maintain")["result"] == "DONE"
    assert database.value("select count(*) from chard.inbox") == 2
    assert apply(store, item("old"), item("kept"), item("new")) == ["DONE", "ALREADY", "ALREADY"]


def test_who_is_overtaken_leaves_nothing(store, database):
    """Two processes act on one event at once and decide otherwise: what the second one wrote before it heard of the first is taken back, and the rest
    it does not write."""
    first = [("insert into chard.fact (once, task_id, kind, owner, key, value) values (true, 'points/e1', 'badge', 'u', 'first', '1')",),
             ("insert into chard.inbox (consumer, event_id, at) values ('points', 'e1', %s)", now())]
    second = {"do": "inbox", "items": [
        item("e1", facts=[once("u", "second"), merge("u", "setting", 1)], events=[event("a")], messages=[{"routing_key": "lost"}]),
        item("e2", facts=[once("u", "own"), merge("u", "other", 2)], events=[event("a")], messages=[{"routing_key": "sent"}])]}
    answer, = store.wait(database.overtake(first, lambda: store.send(second)))
    assert answer["results"] == ["ALREADY", "DONE"]
    assert {key for _, _, key in facts(database)} == {"first", "own", "other"}
    assert events(database) == [("a", 1, "Tested", "points/e2")] and database.value("select count(*) from chard.outbox") == 1
    assert database.rows("select routing_key from chard.scheduled") == [{"routing_key": "sent"}]
