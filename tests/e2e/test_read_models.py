# SPDX-License-Identifier: Apache-2.0
"""Projectors: documents of events in OpenSearch (a double, for the faults that it is to make) and in Redis, under their aggregates' versions; on both stores."""

import json

import pytest
from support import jobs
from support.consumers import acting, happened
import redis as client_of
from support.place import everywhere
from support.search import SearchDouble, failure
from test_consumers import letters

TRACE = "0af7651916cd43dd8448eb211c80319c"


@pytest.fixture
def search():
    double = SearchDouble()
    yield double
    double.close()


@pytest.fixture
def place_of(chard, database, search):
    """A prepared place, with a `chard` that knows the double."""
    chard.run("migrate", check=0)
    return chard.with_settings(search_url=search.url), database, search


def scan(job, version, kind, **payload):
    return {"of": ("scan", job), "version": version, "type": kind, "trace": f"traceparent=00-{TRACE}-b7ad6b7169203331-01", "payload": {"job_id": job, "user_id": "u1"} | payload}


def classified(job, **more):
    return scan(job, 1, "ScanClassified", category="clear-pet", major="recyclable", item=None, situation=[], **more)


def inbox(database, consumer="scans"):
    return database.value("select count(*) from chard.inbox where consumer = %s", consumer)


@everywhere
def test_a_scan_as_a_document_of_its_newest_version(place, place_of, wait_until):
    """What comes late or again changes nothing, be it all events from the first on; a deletion stays one."""
    chard, database, search = place_of
    happened(database, [classified("j1"), scan("j1", 2, "ScanAnswered", category="clear-pet", answer="rinse it"),
                        scan("j1", 3, "RewardGranted", character_id="pet", reward_type="character"), classified("j2"), scan("j2", 2, "ScanDeleted"), classified("j3")])
    with acting(chard, "scans"):
        wait_until(lambda: inbox(database) == 6)
    documents = search.documents("scans")
    assert {job: one["version"] for job, one in documents.items()} == {"j1": 3, "j2": 2, "j3": 1}
    shown = documents["j1"]["source"]
    assert (shown["job_id"], shown["user_id"], shown["category"], shown["answer"], shown["reward"]) == ("j1", "u1", "clear-pet", "rinse it", "pet")
    assert shown["created_at"] <= shown["updated_at"] and shown["trace_id"] == TRACE and documents["j2"]["source"] == {"deleted": True}
    assert search.mappings["scans-1"]["properties"]["answer"] == {"type": "text"}
    asked = len(search.bulks)
    database.run("update chard.consumer set position = ''")
    database.run("delete from chard.inbox")
    with acting(chard, "scans"):
        wait_until(lambda: inbox(database) == 6)
    assert len(search.bulks) > asked and search.documents("scans") == documents and letters(database) == []


@everywhere
def test_what_a_document_meets(place, place_of, wait_until):
    """A mapping that does not fit: that document's dead letter. Too many requests: that one waits, and comes. Neither holds up another."""
    chard, database, search = place_of
    busy = {"busy": 3}

    def refuse(identity, _):
        if identity == "odd":
            return failure("mapper_parsing_exception", 400, "failed to parse field [category]")
        busy[identity] = busy.get(identity, 0) - 1
        return failure("rejected_execution_exception", 429) if busy[identity] >= 0 else None

    search.refuse = refuse
    happened(database, [classified(job) for job in ("odd", "busy", "fine")])
    with acting(chard, "scans"):
        wait_until(lambda: inbox(database) == 2, 60)
        happened(database, [classified("later")])
        wait_until(lambda: inbox(database) == 3)
    assert set(search.documents("scans")) == {"busy", "fine", "later"}
    letter, = letters(database)
    assert (letter["name"], letter["error_source"], letter["error_code"], letter["verdict"]) == ("scans", "models", "mapper_parsing_exception", "permanent")
    assert "failed to parse field [category]" in json.loads(chard.run("dlq", "ls", "--json", check=0).stdout)["entries"][0]["message"]
    search.refuse = lambda *_: None  # somebody has mended the mapping
    chard.run("dlq", "requeue", "--all", "--yes", check=0)
    with acting(chard, "scans"):
        wait_until(lambda: "odd" in search.documents("scans"))


def test_a_bulk_request_that_one_line_spoils(place_of, wait_until):
    """Refused as a whole, each goes alone: the one is a dead letter, and so is one that is too large."""
    chard, database, search = place_of
    search.whole = lambda method, path, body: (400, {"error": {"type": "illegal_argument_exception", "reason": "a broken line"}, "status": 400}) if "bad" in body else (
        (413, b"too large") if "huge" in body else None)
    happened(database, [classified(job) for job in ("a", "bad", "b", "huge", "c")])
    with acting(chard, "scans"):
        wait_until(lambda: inbox(database) == 3)
        wait_until(lambda: len(letters(database)) == 2)
    assert set(search.documents("scans")) == {"a", "b", "c"}
    assert sorted(row["error_code"] for row in letters(database)) == ["refused", "too_large"]


@pytest.mark.parametrize("trouble, said", [
    ((429, {"error": {"type": "circuit_breaking_exception", "reason": "data too large"}}), "answers 429"),
    ((503, b"no such thing"), "answers 503"),
    ((401, b"Unauthorized"), "answers 401"),
    ((200, b"<html>a proxy</html>"), "is not OpenSearch"),
    ((200, {"items": []}), "is not OpenSearch"),
])
def test_an_endpoint_that_serves_nobody(place_of, wait_until, trouble, said):
    """Nothing is lost and nothing dies: all wait, one line says why."""
    chard, database, search = place_of
    happened(database, [classified(f"j{n}") for n in range(5)])
    search.whole = lambda *_: trouble
    consumer = chard.start("consume", "scans")
    consumer.wait_log(said)
    search.whole = lambda *_: None
    wait_until(lambda: inbox(database) == 5)
    consumer.terminate()
    assert consumer.wait() == 0
    assert len(search.documents("scans")) == 5 and letters(database) == []
    assert len([line for line in consumer.stderr.splitlines() if "read model can't be written" in line]) == 1


@everywhere
def test_an_index_that_is_deleted_under_it_and_a_rebuild(place, place_of, wait_until):
    """It is made anew, which is said; a rebuild brings what it lacked, beside one that runs, and leaves one index."""
    chard, database, search = place_of
    happened(database, [classified("j1"), scan("j1", 2, "ScanAnswered", answer="rinse it"), classified("j2"), {"of": ("other", "x"), "payload": {}}])
    consumer = chard.start("consume", "scans")
    wait_until(lambda: inbox(database) == 3)
    before = search.documents("scans")
    search.delete("scans-1")
    happened(database, [classified("j3")])
    wait_until(lambda: inbox(database) == 4)
    consumer.wait_log("there was no index scans.*chard consume scans --rebuild")
    assert set(search.documents("scans")) == {"j3"}
    search.indexes["scans-17"] = {}  # of a rebuild that was killed
    search.indexes["scans-more-17"] = {}  # another model's
    done = chard.run("consume", "scans", "--rebuild", check=0)
    assert "3 documents written" in done.stdout and "scans-17 is deleted" in done.stdout
    after = search.documents("scans")
    for one in before.values():
        del one["source"]["trace_id"]  # the event store has none
    assert {job: after[job] for job in before} == before and set(after) == {"j1", "j2", "j3"}
    happened(database, [classified("j4")])
    wait_until(lambda: set(search.documents("scans")) == {"j1", "j2", "j3", "j4"})
    consumer.terminate()
    assert consumer.wait() == 0
    assert sorted(search.indexes) == sorted([search.aliases["scans"], "scans-more-17"])


def test_a_rebuild_that_lacks_a_document_takes_nobodys_place(place_of, wait_until):
    """What serves stays, whole; once the mapping takes the document, the next rebuild has all."""
    chard, database, search = place_of
    happened(database, [classified("j1"), classified("j2")])
    with acting(chard, "scans"):
        wait_until(lambda: inbox(database) == 2)
    before, alias = search.documents("scans"), search.aliases["scans"]
    search.refuse = lambda identity, _: failure("mapper_parsing_exception", 400, "failed to parse field [category]") if identity == "j2" else None
    refused = chard.run("consume", "scans", "--rebuild", check=1)
    assert "1 documents are missing" in refused.stderr and "does not take the document j2" in refused.stderr
    assert search.documents("scans") == before and search.aliases["scans"] == alias
    search.refuse = lambda *_: None
    assert "2 documents written" in chard.run("consume", "scans", "--rebuild", check=0).stdout
    assert set(search.documents("scans")) == {"j1", "j2"} and list(search.indexes) == [search.aliases["scans"]] != [alias]


@everywhere
def test_pages_and_conversations_in_redis(chard, database, place, redis, wait_until):
    chard.run("migrate", check=0)
    chard = chard.with_settings(models_redis_url=f"{redis.url}?global_keyprefix={place}-")
    client, page_key, talk_key = client_of.Redis.from_url(redis.url, decode_responses=True), f"{place}-page:u1", f"{place}-conversation:u1"
    client.delete(page_key, talk_key)

    def chat(job, version, kind, user, **payload):
        return {"of": ("chat", job), "version": version, "type": kind, "payload": {"job_id": job, "user_id": user} | payload}

    database.run("""insert into chard.fact (kind, owner, key, task_id, value) values ('profile', 'u1', 'nickname', 't', '"가"')""")
    events = [{"of": ("profile", "u1"), "type": "ProfileUpdated", "payload": {"user_id": "u1", "fields": {"nickname": "가"}}},
              chat("c1", 1, "ChatClassified", "u1", text="a can?"), chat("c1", 2, "ChatAnswered", "u1", answer="rinse it"),
              chat("c2", 1, "ChatClassified", "u1", text="gone"), chat("c2", 2, "ChatDeleted", "u1")]
    happened(database, events)
    for _ in range(2):
        with acting(chard, "pages"):
            wait_until(lambda: inbox(database, "pages") == 5)
        page, talk = client.hgetall(page_key), client.hgetall(talk_key)
        assert page["profile:version"] == "1" and json.loads(page["profile"]) == {"fields": {"nickname": "가"}}
        shown = json.loads(talk["c1"])
        assert (shown["text"], shown["answer"], talk["c1:version"]) == ("a can?", "rinse it", "2")
        assert "c2" not in talk and talk["c2:version"] == "2"
        database.run("update chard.consumer set position = ''")  # and all of it once more
        database.run("delete from chard.inbox")
    client.delete(page_key)
    client.hset(talk_key, mapping={"c1": "newer", "c1:version": "9"})
    assert "1 documents written" in chard.run("consume", "pages", "--rebuild", check=0).stdout
    assert client.hget(page_key, "profile:version") == "1" and client.hget(talk_key, "c1") == "newer"
    client.delete(page_key, talk_key)
    client.set(page_key, "no hash")
    with acting(chard, "pages"):
        wait_until(lambda: len(letters(database)) == 1)
    assert letters(database)[0]["error_code"] == "wrong_type"


@everywhere
def test_a_real_scan(chard, database, place, search, wait_until):
    chard.prepare()
    chard = chard.with_settings(search_url=search.url)
    with chard.worker(), acting(chard, "scans"):
        job = jobs.submit(chard, "scan", user_id="u1", image_url=jobs.PICTURE, text="an empty clear PET water bottle", lang="en")
        wait_until(lambda: search.documents("scans").get(job, {}).get("version") == 3, 40)
    shown = search.documents("scans")[job]["source"]
    assert shown["reward"] == "char-petty" and shown["category"] == "clear-pet" and shown["answer"]


@pytest.mark.parametrize("settings, words, said", [
    ({}, ["scans"], "CHARD_SEARCH_URL"),
    ({}, ["pages"], "CHARD_MODELS_REDIS_URL"),
    ({"search_url": "ftp://x"}, ["scans"], "http://HOST:9200"),
    ({"models_redis_url": "http://x"}, ["pages"], "CHARD_MODELS_REDIS_URL"),
    ({"search_url": "http://127.0.0.1:1"}, ["owned", "--rebuild"], "no consumer that writes read models"),
    ({"search_url": "http://127.0.0.1:1"}, ["scans", "chats", "--rebuild"], "name one consumer"),
    ({"search_url": "http://u:hush@127.0.0.1:1"}, ["scans", "--rebuild"], "OpenSearch at http://127.0.0.1:1"),
])
def test_what_can_not_be_run_is_said(chard, settings, words, said):
    chard.run("migrate", check=0)
    done = chard.with_settings(**settings).run("consume", *words)
    assert done.returncode in (1, 2, 3) and said in done.stderr and "hush" not in done.stderr


def test_all_leaves_out_what_has_no_place(chard, database, search, wait_until):
    chard.run("migrate", check=0)
    with acting(chard.with_settings(search_url=search.url, duties_lease_s=1), "--all"):
        names = wait_until(lambda: (rows := {row["name"] for row in database.rows("select name from chard.consumer")}) >= {"scans", "chats", "owned"} and rows)
    assert "pages" not in names
