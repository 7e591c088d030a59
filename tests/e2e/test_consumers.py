# SPDX-License-Identifier: Apache-2.0
"""Consumers on the store's outbox: each event once in effect and in order, whatever fails, waits or is killed; the same on both stores."""

import collections
import json
import random

import pytest
from support import jobs
from support.consumers import Consuming, acting, consuming, insert, thing
from support.place import everywhere
from support.program import ROOT, Chard
from support.store import Backend, migrate


TRACE = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "tracestate": "vendor=t61rcWkgMzE", "baggage": "shop=a,k=v"}
TRACED = "\n".join(f"{name}={value}" for name, value in TRACE.items())


@pytest.fixture
def tables(backend):
    migrate(backend.url)
    return backend.database


def counted(tables):
    """{aggregate: numbers in the order in which they were acted on}"""
    return {row["owner"]: row["value"] for row in tables.rows("select owner, value from chard.fact where kind = 'counted'")}


def position(tables, name="ledger"):
    return [row["position"] for row in tables.rows("select position from chard.consumer where name = %s", name)]


def letters(tables):
    return tables.rows("select name, queue, task_id, error_source, error_code, state, attempts, verdict from chard.dead_letter order by entry")


def at_its_end(tables, name="ledger"):
    """Nothing is left of the outbox for it, and nothing waits."""
    last = tables.value("select max(xact || '.' || number) from chard.outbox where (xact, number) = (select xact, number from chard.outbox order by xact desc, number desc limit 1)"
                        if tables.name == "postgresql" else "select cast(max(position) as text) from outbox")
    return position(tables, name) == [last] and tables.value("select count(*) from chard.consumer_waiting") == 0


def test_each_event_once_in_its_order(tables, backend, wait_until):
    insert(tables, [thing(n, of="ab"[n % 2], **({"user_id": "u"} if n else {})) | {"trace": TRACED}
                    for n in range(10)])
    insert(tables, [thing(0) | {"type": "Other"}, thing(0) | {"of": ("other", "a")}])
    with consuming(backend.url, "ledger"):
        wait_until(lambda: at_its_end(tables))
        insert(tables, [thing(10, of="a")])
        wait_until(lambda: at_its_end(tables))
    assert counted(tables) == {"a": [0, 2, 4, 6, 8, 10], "b": [1, 3, 5, 7, 9]}
    rows = tables.rows("select aggregate_id, version, payload, task_id from chard.event where type = 'Counted' order by aggregate_id, version")
    assert [(r["aggregate_id"], r["version"], r["payload"]["count"]) for r in rows] == (
        [("a", n, n) for n in range(1, 7)] + [("b", n, n) for n in range(1, 6)])
    assert all(r["task_id"].startswith("ledger/") for r in rows)
    assert {r["tracingspancontext"] for r in tables.rows("select tracingspancontext from chard.outbox where type = 'Counted' and aggregateid = 'b'")} == {TRACED}
    traced = [{name for name, value in TRACE.items() if f"{name}S\0\0\0{chr(len(value))}{value}".encode() in bytes(row["properties"])}
              for row in tables.rows("select properties from chard.scheduled")]
    assert sorted(map(len, traced)) == [0] + [len(TRACE)] * 10
    messages = tables.rows("select reason, routing_key, exchange from chard.scheduled")
    assert len(messages) == 11 and {tuple(m.values()) for m in messages} == {("event", "notes", "")}


def test_what_is_delivered_again_has_no_second_effect(tables, backend, wait_until):
    """The outbox read from its first row once more; an event that stands in it twice."""
    ids = insert(tables, [thing(n) for n in range(5)])
    insert(tables, [thing(7) | {"id": ids[0]}])
    with consuming(backend.url, "ledger"):
        wait_until(lambda: at_its_end(tables))
    tables.run("update chard.consumer set position = ''")
    with consuming(backend.url, "ledger"):
        wait_until(lambda: at_its_end(tables))
    assert counted(tables) == {"a": [0, 1, 2, 3, 4]} and tables.value("select count(*) from chard.scheduled") == 5


def test_a_poisoned_event_is_a_dead_letter_and_holds_nobody_up(tables, backend, wait_until):
    poison = [thing(1, refuse=True), thing(2, schema_version=2), thing(3, schema_version="x") , thing(0) | {"payload": [1]}]
    if tables.name == "sqlite":
        poison += [thing(0) | {"payload": "{no json"}, thing(0) | {"payload": '{"deep": ' + "[" * 300 + "]" * 300 + "}"}]
    ids = insert(tables, [thing(0), *poison, thing(9), thing(5, of="b")])
    with consuming(backend.url, "ledger"):
        wait_until(lambda: at_its_end(tables))
    assert counted(tables) == {"a": [0, 9], "b": [5]}
    filed = letters(tables)
    assert [row["task_id"] for row in filed] == [f"ledger/{id}" for id in ids[1:1 + len(poison)]]
    assert [(row["error_source"], row["error_code"]) for row in filed] == [
        ("consumer_logic", "refused_here"), ("consumer", "unknown_version"), ("consumer", "unknown_version"),
        *[("consumer", "bad_event")] * (len(poison) - 3)]
    assert {(row["name"], row["queue"], row["state"], row["attempts"], row["verdict"]) for row in filed} == {
        ("ledger", "consumer:ledger", "kept", 1, "permanent")}


def test_what_can_not_be_done_yet_waits_and_only_its_aggregate_with_it(tables, backend, wait_until):
    insert(tables, [thing(0, gate=True), thing(1), thing(2, of="b"), thing(3)])
    with consuming(backend.url, "patient"):
        wait_until(lambda: counted(tables) == {"b": [2]})
        insert(tables, [thing(4), thing(5, of="b")])
        wait_until(lambda: counted(tables) == {"b": [2, 5]})
        tables.run("insert into chard.fact (kind, owner, key, task_id, value) values ('gate', 'a', 'open', 't', 'true')")
        wait_until(lambda: at_its_end(tables, "patient"))
    assert counted(tables) == {"a": [0, 1, 3, 4], "b": [2, 5]} and letters(tables) == []


def test_what_waits_too_often_is_a_dead_letter_and_those_behind_it_go_on(tables, backend, wait_until):
    insert(tables, [thing(0, gate=True), thing(1)])
    with consuming(backend.url, "ledger"):
        wait_until(lambda: at_its_end(tables))
    assert counted(tables) == {"a": [1]}
    row, = letters(tables)
    assert (row["error_code"], row["attempts"], row["verdict"]) == ("gate_closed", 4, "transient")


def test_what_waits_is_known_after_a_kill(tables, backend, wait_until):
    insert(tables, [thing(0, gate=True), thing(1)])
    first = Consuming(backend.url, "patient", lease_ms=500)
    wait_until(lambda: tables.value("select count(*) from chard.consumer_waiting") == 2)
    first.kill()
    insert(tables, [thing(2)])
    tables.run("insert into chard.fact (kind, owner, key, task_id, value) values ('gate', 'a', 'open', 't', 'true')")
    with consuming(backend.url, "patient", lease_ms=500):
        wait_until(lambda: at_its_end(tables, "patient"))
    assert counted(tables) == {"a": [0, 1, 2]}


def test_killed_at_any_moment_nothing_is_lost_or_doubled(tables, backend, wait_until):
    """1,000 events of 20 aggregates, some of which wait or are refused, while the process is killed and another one goes on."""
    dice = random.Random(15)
    events = [thing(n, of=f"t{n % 20}", **({"refuse": True} if n % 97 == 5 else {"gate": True} if n % 89 == 3 else {})) for n in range(1000)]
    tables.run("insert into chard.fact (kind, owner, key, task_id, value) values ('gate', 't3', 'open', 't', 'true')")
    insert(tables, events[:500])
    kills = 0
    while kills < 4:
        one = Consuming(backend.url, "ledger", process=f"c{kills}", lease_ms=300)
        before = len(tables.rows("select 1 from chard.inbox"))
        wait_until(lambda: len(tables.rows("select 1 from chard.inbox")) > before + dice.randrange(80))
        one.kill()
        kills += 1
        if kills == 2:
            insert(tables, events[500:])
    with consuming(backend.url, "ledger", lease_ms=300):
        wait_until(lambda: at_its_end(tables), 60)
    dead = {row["task_id"] for row in letters(tables)}
    wanted = collections.defaultdict(list)
    for event in events:
        p = event["payload"]
        if not p.get("refuse") and (not p.get("gate") or event["of"][1] == "t3"):
            wanted[event["of"][1]].append(p["n"])
    assert counted(tables) == wanted
    total = sum(map(len, wanted.values()))
    assert len(dead) == 1000 - total and tables.value("select count(*) from chard.inbox") == total
    assert tables.value("select count(*) from chard.event where type = 'Counted'") == total == tables.value("select count(*) from chard.scheduled")


def test_two_processes_share_nothing_and_one_follows_the_other(tables, backend, wait_until):
    first, second = [Consuming(backend.url, "ledger", process=name, lease_ms=1000) for name in ("c1", "c2")]
    insert(tables, [thing(n) for n in range(50)])
    wait_until(lambda: at_its_end(tables))
    leader = first if tables.value("select taken_by from chard.consumer") == "c1" else second
    leader.kill()
    insert(tables, [thing(n) for n in range(50, 100)])
    wait_until(lambda: at_its_end(tables))
    assert counted(tables) == {"a": list(range(100))}
    (first if leader is second else second).end()


def test_who_was_overtaken_makes_no_step(tables, backend, wait_until):
    with consuming(backend.url, "ledger") as one:
        insert(tables, [thing(0)])
        wait_until(lambda: at_its_end(tables))
        tables.run("update chard.consumer set epoch = epoch + 1")
        insert(tables, [thing(1)])
        one.wait_log("another process has taken it")
        wait_until(lambda: at_its_end(tables))
    assert counted(tables) == {"a": [0, 1]}


def test_facts_written_once_by_several_events_at_a_time(tables, backend, wait_until):
    insert(tables, [{"type": "Wanted", "of": ("wish", str(n)), "payload": {"what": f"w{n % 7}", "from": "all"}} for n in range(50)])
    insert(tables, [{"type": "Wanted", "of": ("wish", str(n)), "payload": {"what": "unseen"}} for n in range(3)])
    with consuming(backend.url, "greedy"):
        wait_until(lambda: at_its_end(tables, "greedy"))
    assert {row["key"] for row in tables.rows("select key from chard.fact where kind = 'prize'")} == {*(f"w{n}" for n in range(7)), "unseen"}
    assert [(row["error_source"], row["error_code"]) for row in letters(tables)] == [("store", "stale")] * 2


def test_nothing_is_passed_over_beside_a_long_transaction(tables, backend, wait_until):
    if tables.name != "postgresql":
        return  # there one writes at a time
    with tables.connect(autocommit=False) as slow, consuming(backend.url, "ledger"):
        slow.execute("insert into chard.outbox (id, aggregatetype, aggregateid, type, payload)"
                     " values (gen_random_uuid(), 'thing', 'slow', 'Tested', '{\"n\": 1}')")
        insert(tables, [thing(2, of="quick")])
        with consuming(backend.url, "greedy"):
            wait_until(lambda: position(tables, "greedy"))
        assert counted(tables) == {}
        slow.commit()
        wait_until(lambda: at_its_end(tables))
    assert counted(tables) == {"slow": [1], "quick": [2]}


def test_data_that_the_store_refuses_is_a_dead_letter(tables, backend, wait_until):
    """PostgreSQL's index takes no key of any length; each event of its step but that one has its effects."""
    if tables.name != "postgresql":
        return
    long = "".join(random.Random(1).choices("0123456789abcdef", k=9000))
    insert(tables, [{"type": "Wanted", "of": ("wish", str(n)), "payload": {"what": what, "from": f"f{n}"}} for n, what in enumerate(["one", long, "two"])])
    with consuming(backend.url, "greedy"):
        wait_until(lambda: at_its_end(tables, "greedy"))
    assert {row["key"] for row in tables.rows("select key from chard.fact")} == {"one", "two"}
    row, = letters(tables)
    assert (row["error_source"], row["error_code"]) == ("store", "refused")


def test_a_server_that_goes_and_comes_back(private_postgres, wait_until):
    """What was under way is done once; and who is told to end meanwhile ends."""
    server = private_postgres()
    backend = Backend(server.url)
    migrate(backend.url)
    insert(backend.database, [thing(n, of=f"t{n % 5}") for n in range(500)])
    with consuming(backend.url, "ledger", lease_ms=500):
        wait_until(lambda: backend.database.value("select count(*) from chard.inbox") > 50)
        server.kill()
        server.start()
        insert(backend.database, [thing(n, of=f"t{n % 5}") for n in range(500, 600)])
        wait_until(lambda: at_its_end(backend.database), 60)
        server.kill()
    assert server.start() is None
    assert counted(backend.database) == {f"t{k}": list(range(k, 600, 5)) for k in range(5)}


def test_an_unknown_consumer_is_said_to_be_one(tables, backend):
    one = Consuming(backend.url, "leger")
    assert one.wait() == 1 and 'did you mean "ledger"?' in one.stderr


# --- by the command line ---------------------------------------------------------------------------------


@everywhere
def test_dead_letters_of_events_are_listed_shown_edited_and_requeued(chard, database, place, wait_until):
    chard.run("migrate", check=0)
    rewards = [{"type": "RewardGranted", "of": ("scan", f"j{n}"), "payload": {"job_id": f"j{n}", "user_id": "u1", "reward_type": "character"}
                | ({"character_id": "pet"} if n == 2 else {})} for n in range(3)]
    ids = insert(database, rewards)
    consumer = chard.start("consume", "character")
    listed = wait_until(lambda: (found := json.loads(chard.run("dlq", "ls", "--json", check=0).stdout)["entries"]) and len(found) == 2 and found)
    assert [(one["task"], one["queue"], one["source"], one["code"], one["user"]) for one in listed] == [
        ("character", "consumer:character", "consumer_logic", "bad_payload", "u1")] * 2
    group, = json.loads(chard.run("dlq", "groups", "--json", check=0).stdout)["groups"]
    assert group["count"] == 2
    entry = next(str(one["entry"]) for one in listed if ids[0] in one["task_id"])
    shown = json.loads(chard.run("dlq", "show", entry, "--json", check=0).stdout)
    event = shown["kwargs"]["event"]
    assert (event["id"], event["type"], event["payload"]["job_id"]) == (ids[0], "RewardGranted", "j0")
    assert shown["headers"]["errorSource"] == "consumer_logic" and shown["headers"]["errorCode"] == "bad_payload"
    assert shown["headers"]["errorMessage"] and shown["headers"]["timestamp"]
    event["payload"]["character_id"] = "can"
    chard.run("dlq", "edit", entry, "--file", "-", input=json.dumps({"args": [], "kwargs": shown["kwargs"] | {"event": event}}), check=0)
    chard.run("dlq", "requeue", "--all", "--yes", check=0)
    wait_until(lambda: {row["key"] for row in database.rows("select key from chard.fact where kind = 'character'")} == {"pet", "can"})
    states = wait_until(lambda: (rows := database.rows("select state from chard.dead_letter order by entry")) and len(rows) == 3 and rows)
    assert sorted(row["state"] for row in states) == ["kept", "requeued", "requeued"]  # one died again
    assert database.value("select count(*) from chard.scheduled") == 0
    consumer.terminate()
    assert consumer.wait() == 0


@everywhere
def test_from_a_reward_to_the_notification(chard, database, place, wait_until):
    """One scan: its reward is granted, once, the profile knows it, and the notice waits for whoever takes the queue."""
    def left():
        listed = json.loads(chard.run("consume", "--list", "--json", check=0).stdout)
        return {one["name"]: (one.get("waiting"), one.get("behind")) for one in listed if one["name"] in names}

    names = "character", "owned", "my", "notification"
    chard.prepare()
    with chard.worker():
        job = jobs.submit_scan(chard)
        assert jobs.ended(database, [job]) == {job: "SUCCESS"}
    granted = dict(jobs.outbox(database, job))["RewardGranted"]
    consumer = chard.start("consume", *names)
    notice, = wait_until(lambda: database.rows("select * from chard.scheduled where routing_key = 'my.notify'"))
    wait_until(lambda: left() == {name: (0, 0) for name in names})
    consumer.terminate()
    assert consumer.wait() == 0
    code = granted["character_id"]
    events = database.rows("select type, aggregate_type, aggregate_id, payload from chard.event where type in ('CharacterAcquired', 'ProfileUpdated') order by type")
    assert [tuple(row.values()) for row in events] == [
        ("CharacterAcquired", "character", "u1", {"job_id": job, "user_id": "u1", "character_id": code}),
        ("ProfileUpdated", "profile", "u1", {"job_id": job, "user_id": "u1", "fields": {"characters": [code]}})]
    assert database.row("select user_id, fields from chard.profile")["fields"]["characters"] == [code]
    assert json.loads(bytes(notice["body"]))[1]["fields"] == {"characters": [code]}
    assert "CharacterAcquired" in chard.run("consume", "--list", check=0).stdout


PET = {"user_id": "u1", "image_url": jobs.PICTURE, "text": "an empty clear PET water bottle", "lang": "en"}


def rewards(database, ids):
    return collections.Counter(row["document"]["reward"]["reason"] for row in database.rows("select root_id, document from chard.job") if row["root_id"] in ids)


@everywhere
def test_a_second_scan_grants_nothing_twice(chard, database, place, wait_until):
    """Each asks for the character, as long as scans don't know that the user has it; granted it is once, whoever asks how often."""
    chard.prepare()
    with chard.worker():
        ids = jobs.submit_many(chard, "scan", [PET] * 10)
        assert set(jobs.ended(database, ids).values()) == {"SUCCESS"}
        with acting(chard, "character", "owned"):
            wait_until(lambda: database.value("select count(*) from chard.fact where kind = 'owned'"))
            wait_until(lambda: database.value("select count(*) from chard.inbox where consumer = 'character'") == 10)
        later = [jobs.submit(chard, "scan", **PET)]
        assert jobs.ended(database, later) == {later[0]: "SUCCESS"}
    assert rewards(database, ids) == {"granted": 10} and rewards(database, later) == {"already_owned": 1}
    assert database.rows("select user_id, code from chard.character_owned") == [{"user_id": "u1", "code": "char-petty"}]
    assert database.value("select count(*) from chard.event where type = 'CharacterAcquired'") == 1


@everywhere
def test_a_step_that_fails_for_good_has_those_before_it_undo_theirs(chard, database, place, wait_until):
    """A profile that is full takes no character: it is revoked, the reward is none, the user is told; and once there is room a scan is rewarded anew."""
    def told():
        return [json.loads(bytes(row["body"]))[1]["fields"] for row in database.rows("select body from chard.scheduled where routing_key = 'my.notify' order by id")]

    chard.prepare()
    full = json.dumps([f"c{n}" for n in range(500)])
    database.run(f"insert into chard.fact (kind, owner, key, task_id, value) values ('profile', 'u1', 'characters', 't', '{full}')")
    with chard.worker(), acting(chard, "character", "owned", "my", "notification"):
        first = jobs.submit(chard, "scan", **PET)
        wait_until(lambda: told() == [{"reward_revoked": {"character_id": "char-petty", "reason": "profile_full"}}], 40)
        wait_until(lambda: database.row("select value from chard.fact where kind = 'owned'") == {"value": False})
        assert database.rows("select * from chard.character_owned") == []
        letter, = letters(database)
        assert (letter["name"], letter["error_code"], letter["state"]) == ("my", "profile_full", "kept")
        database.run("update chard.fact set value = '[]' where kind = 'profile'")
        chard.run("dlq", "requeue", "--all", "--yes", check=0)  # what was undone is not done after all
        second = jobs.submit(chard, "scan", **PET)
        wait_until(lambda: len(told()) == 2, 40)
        wait_until(lambda: database.value("select count(*) from chard.consumer_waiting") == 0)
    assert rewards(database, [first, second]) == {"granted": 2}
    assert told()[1] == {"characters": ["char-petty"]} and [row["code"] for row in database.rows("select code from chard.character_owned")] == ["char-petty"]
    events = database.rows("select type, aggregate_id, payload from chard.event where type in ('CharacterAcquired', 'CharacterRevoked', 'RewardRevoked', 'ProfileUpdated') order by created_at, type")
    assert [row["type"] for row in events] == ["CharacterAcquired", "CharacterRevoked", "RewardRevoked", "CharacterAcquired", "ProfileUpdated"]
    assert events[2]["aggregate_id"] == first


def test_dev_runs_them_inside(tmp_path, wait_until):
    chard = Chard(ROOT / "build/asan/chard", {"CHARD_AI_PROVIDER": "offline"})
    url = f"sqlite:{tmp_path}/dev.db"
    dev = chard.start("dev", "--db", tmp_path / "dev.db", "--port", "0")
    client = chard.with_settings(store_url=url, broker_url=f"embedded:{tmp_path}/dev.db")
    wait_until(lambda: client.run("jobs").returncode == 0)
    jobs.submit_scan(client)
    tables = Backend(url).database
    wait_until(lambda: tables.value("select count(*) from event where type = 'ProfileUpdated'") == 1)
    assert "notification" not in {row["name"] for row in tables.rows("select name from consumer")}
    dev.terminate()
    assert dev.wait() == 0


@pytest.mark.parametrize("words, said", [
    (["consume"], "name the consumers"),
    (["consume", "charakter"], 'did you mean "character"?'),
    (["consume", "character", "--from", "nowhere"], "nowhere"),
])
def test_what_can_not_be_run_is_said(chard, words, said):
    chard.run("migrate", check=0)
    done = chard.run(*words)
    assert done.returncode in (1, 2) and said in done.stderr
