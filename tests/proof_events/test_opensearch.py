# SPDX-License-Identifier: Apache-2.0
"""Read models in a real OpenSearch, from Kafka through Debezium and from the store: `make proof-events`."""

import json

import pytest
import servers
from kafka import Connect, Kafka
from opensearch import OpenSearch
from support.consumers import happened
from support.program import ROOT, Chard
from support.store import PostgresTables
from support.waiting import wait_until

TRACE = "0af7651916cd43dd8448eb211c80319c"


@pytest.fixture(scope="module")
def world():
    with servers.PostgreSQL(settings={"wal_level": "logical"}) as store, Kafka() as kafka, OpenSearch() as search:
        chard = Chard(ROOT / "build/chard", {"CHARD_STORE_URL": store.url, "CHARD_KAFKA_SERVERS": kafka.servers, "CHARD_SEARCH_URL": search.url})
        chard.run("migrate", check=0)
        with Connect(kafka, store.url):
            yield chard, PostgresTables(store.url), search


def scan(job, version, kind, **payload):
    return {"of": ("scan", job), "version": version, "type": kind, "trace": f"traceparent=00-{TRACE}-b7ad6b7169203331-01",
            "payload": {"job_id": job, "user_id": "u1"} | payload}


def whole(job):
    return [scan(job, 1, "ScanClassified", category="clear-pet", major="recyclable", item=None, situation=["내용물_없음"]),
            scan(job, 2, "ScanAnswered", answer="헹구고 라벨을 떼세요"), scan(job, 3, "RewardGranted", character_id="pet", reward_type="character")]


def acted(tables):
    return tables.value("select count(*) from chard.inbox where consumer = 'scans'")


def consume(chard, done, *words):
    consumer = chard.start("consume", "scans", *words)
    wait_until(done, 90)
    consumer.terminate()
    assert consumer.wait(30) == 0, consumer.stderr
    return consumer.stderr


def test_documents_from_kafka_and_all_of_it_again_from_the_store(world):
    chard, tables, search = world
    happened(tables, [event for n in range(50) for event in whole(f"j{n}")])
    happened(tables, [scan("j49", 4, "ScanDeleted")])
    consume(chard, lambda: acted(tables) == 151, "--from", "kafka")
    documents = search.documents("scans")
    assert len(documents) == 50 and {one["version"] for job, one in documents.items() if job != "j49"} == {3}
    assert documents["j49"] == {"version": 4, "source": {"deleted": True}}
    shown = documents["j0"]["source"]
    assert (shown["reward"], shown["trace_id"], shown["answer"]) == ("pet", TRACE, "헹구고 라벨을 떼세요")
    hits = search.ask("POST", "/scans/_search", {"query": {"bool": {"must": [{"match": {"answer": "라벨을"}}, {"term": {"job_id": "j7"}}]}}})["hits"]["hits"]
    assert [hit["_id"] for hit in hits] == ["j7"]
    tables.run("delete from chard.inbox where consumer = 'scans'")
    consume(chard, lambda: acted(tables) == 151, "--from", "store")
    assert search.documents("scans") == documents


def test_a_mapping_conflict_is_that_documents_dead_letter(world):
    chard, tables, search = world
    before = acted(tables)
    happened(tables, [scan("fine", 1, "ScanClassified", category="metal"), scan("odd", 1, "ScanClassified", category={"not": "a word"})])
    consume(chard, lambda: acted(tables) == before + 1 and tables.value("select count(*) from chard.dead_letter") == 1)
    letter, = json.loads(chard.run("dlq", "ls", "--json", check=0).stdout)["entries"]
    assert (letter["task"], letter["source"], letter["code"]) == ("scans", "models", "mapper_parsing_exception") and "[category]" in letter["message"]
    assert "fine" in search.documents("scans") and "odd" not in search.documents("scans")


def test_an_index_deleted_under_it_is_made_anew_and_a_rebuild_fills_it(world):
    chard, tables, search = world
    before = search.documents("scans")
    search.ask("DELETE", "/scans-1")
    at = acted(tables)
    happened(tables, whole("new"))
    said = consume(chard, lambda: acted(tables) == at + 3)
    assert "there was no index scans" in said and set(search.documents("scans")) == {"new"}
    refused = chard.run("consume", "scans", "--rebuild", check=1)  # the document that its mapping does not take would be missing
    assert "1 documents are missing" in refused.stderr and set(search.documents("scans")) == {"new"}
    tables.run("delete from chard.event where aggregate_id = 'odd'")
    done = chard.run("consume", "scans", "--rebuild", check=0)
    assert "is the index" in done.stdout
    after = search.documents("scans")
    trace = {"trace_id": TRACE}
    assert {job: one["source"] | trace for job, one in after.items() if job in before} == {job: one["source"] | trace for job, one in before.items()}
    assert set(after) == set(before) | {"new"} and list(search.ask("GET", "/scans-*/_alias")) == list(search.ask("GET", "/_alias/scans"))


def test_a_server_that_goes_and_comes_back(world):
    chard, tables, search = world
    at = acted(tables)
    search.kill()
    happened(tables, whole("later"))
    consumer = chard.start("consume", "scans")
    consumer.wait_log("read model can't be written")
    search.start()
    wait_until(lambda: acted(tables) == at + 3, 90)
    consumer.terminate()
    assert consumer.wait(30) == 0
    assert search.documents("scans")["later"]["version"] == 3
