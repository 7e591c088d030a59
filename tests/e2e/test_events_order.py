# SPDX-License-Identifier: Apache-2.0
"""Events of one aggregate come out in the order of their versions, while workers commit beside one another: for who reads
the outbox (`chard events`), and for who decodes it from the write-ahead log, as Debezium does."""

import struct

import pytest
from support.database import Database
from support.store import Store, migrate

SLOT, AGGREGATES, WORKERS, COMMITS = "order", 4, 3, 150


@pytest.fixture
def server(private_postgres):
    server = private_postgres(settings={"wal_level": "logical"})
    assert migrate(server.url)[1]["rc"] == 0
    return server


def commits(worker):
    """Every third one of all workers but the first writes once what another is writing: it has its transaction's id, then waits,
    then takes its snapshot."""
    return [{"do": "commit", "id": f"{worker}-{n}", "result": {}, "has_job": True,
             "events": [{"aggregate_id": f"a{(n + k) % AGGREGATES}", "type": "Tested", "payload": {}} for k in range(2)],
             "facts": [{"once": True, "kind": "badge", "owner": f"u{n % 40}", "key": code, "value": None} for code in (f"a-{worker}-{n}", "of-all")] if n % 3 == 0 and worker != "w0" else []}
            for n in range(COMMITS)]


def decoded(database):
    """The ids of the outbox's rows as the publication's plug-in gives them, in the order of the commits."""
    table, ids = None, []
    for row in database.rows("select data from pg_logical_slot_get_binary_changes(%s, null, null, 'proto_version', '1',"
                             " 'publication_names', 'chard_outbox')", SLOT):
        data = bytes(row["data"])
        if data[:1] == b"R" and data[5:].startswith(b"chard\0outbox\0"):
            table = data[1:5]
        elif data[:1] == b"I" and data[1:5] == table:
            size, = struct.unpack(">I", data[9:13])
            ids.append(data[13:13 + size].decode())
    return ids


def read(store):
    ids, since = [], ""
    while page := store.one("events", since=since, limit=100)["value"]:
        ids += [event["id"] for event in page]
        since = page[-1]["position"]
    return ids


def test_versions_come_out_in_order_from_the_outbox_and_from_the_log(server, wait_until):
    database = Database(server.url)
    database.run("select pg_create_logical_replication_slot(%s, 'pgoutput')", SLOT)
    stores = [Store(server.url, f"w{n}") for n in range(WORKERS)]
    with database.connect(autocommit=False) as other:
        other.execute("insert into chard.fact (once, kind, owner, key, task_id, value)"
                      " select true, 'badge', 'u' || n, 'of-all', 'another', 'null' from generate_series(0, 39) n")
        numbers = [store.send(*commits(f"w{n}")) for n, store in enumerate(stores) if n > 0]
        wait_until(lambda: database.value("select count(*) from pg_stat_activity where wait_event_type = 'Lock'") > 0)
        numbers.insert(0, stores[0].send(*commits("w0")))
        stores[0].wait(numbers[0])
        other.rollback()
    results = [answer["result"] for store, sent in zip(stores, numbers) for answer in store.wait(sent, 60)]
    assert set(results) <= {"DONE", "STALE"} and results.count("DONE") > WORKERS * COMMITS * 0.6
    rows = {str(row["id"]): (row["aggregate_id"], row["version"])
            for row in database.rows("select id, aggregate_id, version from chard.event")}
    assert len(rows) == 2 * results.count("DONE")
    for ids in (read(stores[0]), decoded(database)):
        assert sorted(ids) == sorted(rows)
        for n in range(AGGREGATES):
            versions = [version for aggregate, version in map(rows.get, ids) if aggregate == f"a{n}"]
            assert versions == list(range(1, len(versions) + 1))
    for store in stores:
        assert store.end()[0] == 0
