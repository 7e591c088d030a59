# SPDX-License-Identifier: Apache-2.0
"""What only the embedded broker can be asked: several processes on one file, processes that are killed, files that it can't use, disks that fill.
What every backend must do is in test_broker.py."""

import ctypes
import hashlib
import os
import resource
import signal
import sqlite3

import pytest
from support.broker import QUEUE, FileQueues, ack, build_for_threads, starter, to
from support.waiting import wait_until

PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 24, 1, 2


@pytest.fixture
def start():
    yield from starter()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "chard.db"


@pytest.fixture
def queues(path):
    return FileQueues(path)


@pytest.fixture
def open_driver(start, path):
    """Starts one more process on the same file."""
    def make(**options):
        driver = start(f"embedded:{path}", queues="scan.vision,scan.answer", **options)
        driver.wait("open")
        return driver
    return make


@pytest.fixture
def driver(open_driver):
    return open_driver()


# --- several processes ------------------------------------------------------------------------------------


def test_a_message_of_another_process_comes_at_once(driver, open_driver):
    """A hundred, one after another: by looking now and then that would take far longer."""
    driver.consume()
    other = open_driver()
    for n in range(100):
        other.send(to(QUEUE, n, body=f"m{n}"))
        event = driver.deliveries(n + 1, deadline=5)[n]
        assert event["body"] == f"m{n}"
        driver.send(ack(event))
    assert len(driver.events("delivery")) == 100


def test_who_has_room_gets_them(driver, open_driver, queues):
    other = open_driver()
    driver.consume(prefetch=3)
    other.consume(prefetch=4)
    open_driver().send(*(to(QUEUE, n, body=f"m{n}") for n in range(20)))
    seen = driver.deliveries(3) + other.deliveries(4)
    assert len({event["body"] for event in seen}) == 7
    wait_until(lambda: queues.depth(QUEUE) == 13)
    other.send(*map(ack, other.events("delivery")))
    assert len(other.deliveries(8)) == 8 and len(driver.events("delivery")) == 3


def test_four_processes_share_a_load(start, open_driver, queues):
    crowd = [open_driver() for _ in range(4)]
    for one in crowd[:3]:
        one.send({"do": "mode", "automatic": True, "quiet": True})
        one.consume(prefetch=50)
    for one in crowd[2:]:
        one.do("flood", count=1500, exchange=QUEUE, key=QUEUE, size=100)
    for one in crowd[2:]:
        one.wait("flooded", deadline=60)
    wait_until(lambda: sum(one.answer("counts", "counts")["deliveries"] for one in crowd) == 3000, 30)
    for one in crowd:
        one.close()
    assert queues.bodies(QUEUE) == []


def test_a_close_gives_back_what_is_unacked(driver, open_driver, queues):
    driver.send(to(QUEUE, count=5))
    driver.consume(prefetch=5)
    driver.send(ack(driver.deliveries(5)[0]))
    driver.close()
    assert queues.depth(QUEUE) == 4
    other = open_driver().consume()
    assert [event["redelivered"] for event in other.deliveries(4)] == [True] * 4


def test_what_one_declares_the_other_can_publish_to(driver, start, path):
    driver.send(to("my.profile", 1))
    assert driver.results(1) == {1: "refused"}
    start(f"embedded:{path}", queues="my.profile").wait("open")
    driver.send(to("my.profile", 2), to("my.commands", 3, key="my.profile"), to("chard.dead", 4, key="my.profile"))
    assert driver.results(4) == {1: "refused", 2: "confirmed", 3: "confirmed", 4: "confirmed"}


# --- processes that are killed ----------------------------------------------------------------------------


def test_what_a_killed_process_had_goes_to_another(driver, open_driver, queues):
    driver.send(*(to(QUEUE, n, body=f"m{n}") for n in range(6)))
    driver.consume(prefetch=4)
    driver.send(ack(driver.deliveries(4)[1]))
    driver.deliveries(5)
    other = open_driver().consume(prefetch=10)
    other.deliveries(1)
    wait_until(lambda: queues.bodies(QUEUE) == [b"m0", b"m2", b"m3", b"m4", b"m5"])
    driver.kill()
    again = other.deliveries(5, deadline=5)[1:]
    assert [(event["body"], event["redelivered"]) for event in again] == [(f"m{n}", True) for n in (0, 2, 3, 4)]


def test_what_a_killed_process_had_goes_to_the_next_to_open(driver, open_driver):
    driver.send(*(to(QUEUE, n, body=f"m{n}") for n in range(3)))
    driver.consume(prefetch=2)
    driver.deliveries(2)
    driver.kill()
    again = open_driver().consume().deliveries(3)
    assert [(event["body"], event["redelivered"]) for event in again] == [("m0", True), ("m1", True), ("m2", False)]


def test_a_stopped_process_keeps_what_it_has(driver, open_driver):
    """It is slow, not dead: the kernel still holds its lock."""
    driver.send(to(QUEUE, 1, body="mine"))
    driver.consume()
    mine = driver.deliveries(1)[0]
    os.kill(driver.process.pid, signal.SIGSTOP)
    other = open_driver().consume()
    end = other.answer("counts", "counts")
    other.send(to(QUEUE, 2, body="yours"))
    assert [event["body"] for event in other.deliveries(1)] == ["yours"] and end["deliveries"] == 0
    os.kill(driver.process.pid, signal.SIGCONT)
    driver.send(ack(mine))
    driver.close()
    assert len(other.events("delivery")) == 1


def test_kills_while_publishing_lose_nothing_confirmed(open_driver, queues):
    confirmed = set()
    for round_ in range(6):
        driver = open_driver()
        driver.send(*(to(QUEUE, round_ * 1000 + n, body=f"m{round_ * 1000 + n}") for n in range(1000)))
        wait_until(lambda one=driver, least=round_ * 40: len(one.events("done")) > least)
        driver.kill()
        for reader in driver._readers:
            reader.join(10)
        confirmed |= {f"m{event['n']}".encode() for event in driver.events("done") if event["result"] == "confirmed"}
    there = queues.bodies(QUEUE)
    assert confirmed <= set(there) and len(there) == len(set(there))
    assert queues.ask("pragma integrity_check") == [("ok",)]


def test_kills_while_consuming_lose_nothing(driver, open_driver, queues):
    """Each is acked once; what an ended process had comes again."""
    driver.do("flood", count=2000, exchange=QUEUE, key=QUEUE, size=10)
    driver.wait("flooded", deadline=60)
    for _ in range(5):
        victim = open_driver()
        victim.do("mode", automatic=True)
        victim.do("consume", queue=QUEUE, prefetch=100)
        victim.deliveries(30)
        victim.kill()
    last = open_driver()
    last.do("mode", automatic=True, quiet=True)
    last.consume(prefetch=200)
    wait_until(lambda: queues.bodies(QUEUE) == [])
    assert queues.ask("select count(*) from broker_message") == [(0,)]


# --- files that it can't use ------------------------------------------------------------------------------


def make_text(path):
    path.write_text("Dear aunt,\n" * 500)


def make_foreign(path):
    with sqlite3.connect(path) as database:
        database.execute("create table theirs (n)")
    database.close()


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None


@pytest.mark.parametrize("case, code, told", [
    ("text", "not_chard", "no database of chard's"), ("foreign", "not_chard", "some other program's"), ("newer", "schema_too_new", "newer chard"),
    ("folder", "bad_path", "is no file"), ("nowhere", "unreachable", "No such file"), ("nothing", "bad_path", "no file is named"),
])
def test_a_file_that_it_can_not_use(start, path, case, code, told):
    if case in ("text", "foreign"):
        {"text": make_text, "foreign": make_foreign}[case](path)
    elif case == "newer":
        start(f"embedded:{path}", queues=QUEUE).close()
        with sqlite3.connect(path) as database:
            database.execute("update part set version = 99")
        database.close()
    elif case == "folder":
        path.mkdir()
    before = digest(path)
    url = {"nowhere": f"embedded:{path}/further", "nothing": "embedded:"}.get(case, f"embedded:{path}")
    failed = start(url, queues=QUEUE)
    event = failed.wait("failed")
    told = "Not a directory" if case == "nowhere" and path.exists() else told
    assert event["code"] == code and told in event["text"] and "\n" not in event["text"]
    failed.close(status=1)
    assert digest(path) == before


def without_privileges():
    for capability in (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH):
        ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, capability)


@pytest.mark.parametrize("there", [False, True])
def test_a_read_only_folder(start, path, there):
    if there:
        start(f"embedded:{path}", queues=QUEUE).close()
        path.chmod(0o444)
    path.parent.chmod(0o555)
    before = digest(path)
    failed = start(f"embedded:{path}", queues=QUEUE, before=without_privileges)
    event = failed.wait("failed")
    assert event["code"] == "unreachable" and str(path) in event["text"]
    failed.close(status=1)
    assert digest(path) == before
    path.parent.chmod(0o755)


class Locked:
    """Somebody who has the file's write lock."""

    def __init__(self, path):
        self.database = sqlite3.connect(path, isolation_level=None)

    def __enter__(self):
        self.database.execute("begin immediate")

    def __exit__(self, *_):
        self.database.execute("rollback")
        self.database.close()


def test_a_file_that_stays_locked(driver, start, path):
    with Locked(path):
        failed = start(f"embedded:{path}", queues=QUEUE, timeout=700)
        event = failed.wait("failed")
        assert event["code"] == "unreachable" and "locked" in event["text"] and 500 < event["ms"] < 5000
        failed.close(status=1)
    start(f"embedded:{path}", queues=QUEUE).wait("open")


# --- trouble while it is open -----------------------------------------------------------------------------


def test_a_lock_that_lasts_blocks_and_passes(driver, path):
    driver.consume()
    with Locked(path):
        driver.send(*(to(QUEUE, n, body=f"m{n}") for n in range(5)))
        blocked = driver.wait("changed", lambda event: event["state"] == "blocked")
        assert "locked by another program" in blocked["why"] and not driver.events("done")
    assert set(driver.results(5).values()) == {"confirmed"}
    driver.wait_up()
    assert len(driver.deliveries(5)) == 5


def test_what_is_not_committed_at_a_close_is_said_so(driver, path):
    with Locked(path):
        driver.send(*(to(QUEUE, n) for n in range(5)), {"do": "close"})
        assert set(driver.results(5).values()) == {"closed"}
        assert driver.close()["ms"] < 1500


def test_a_disk_that_fills_blocks_and_passes(open_driver, queues):
    """A limit on the size of files stands for the disk's."""
    def limited():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, resource.RLIM_INFINITY))

    driver = open_driver(before=limited)
    driver.send(*(to(QUEUE, n, size=100_000) for n in range(30)))
    blocked = driver.wait("changed", lambda event: event["state"] == "blocked")
    assert "can't be written" in blocked["why"]
    wait_until(lambda: queues.depth(QUEUE) == len(driver.events("done")))
    assert queues.depth(QUEUE) < 30
    resource.prlimit(driver.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert set(driver.results(30).values()) == {"confirmed"}
    driver.wait_up()
    assert queues.depth(QUEUE) == 30 and queues.ask("pragma integrity_check") == [("ok",)]


def test_a_file_that_is_taken_away(driver, path, queues):
    """What would be written now would be gone with it, so nothing is confirmed until it is back."""
    driver.send(to(QUEUE, 1))
    assert driver.results(1) == {1: "confirmed"}
    away = path.rename(path.parent / "away.db")
    driver.send(to(QUEUE, 2))
    blocked = driver.wait("changed", lambda event: event["state"] == "blocked")
    assert "was deleted or replaced" in blocked["why"] and len(driver.events("done")) == 1
    away.rename(path)
    assert driver.results(2) == {1: "confirmed", 2: "confirmed"}
    assert queues.depth(QUEUE) == 2


# --- size -------------------------------------------------------------------------------------------------


def test_the_file_does_not_grow_with_what_passes_through(driver, path):
    driver.send({"do": "mode", "automatic": True, "quiet": True})
    driver.consume(prefetch=500)
    for flood in range(1, 4):
        driver.do("flood", count=4000, exchange=QUEUE, key=QUEUE, size=2000)
        driver.wait("flooded", deadline=60, since=len(driver.events("flooded")))
        wait_until(lambda: driver.answer("counts", "counts")["deliveries"] == flood * 4000, 60)  # a fast producer alone makes the file grow
    log = path.with_name("chard.db-wal")
    assert path.stat().st_size < 24_000_000 and log.stat().st_size < 64_000_000


# --- threads ----------------------------------------------------------------------------------------------


def test_two_processes_under_thread_sanitizer(open_driver):
    build_for_threads()
    pair = [open_driver(variant="tsan") for _ in range(2)]
    for one in pair:
        one.do("mode", automatic=True, quiet=True)
        one.consume(prefetch=20)
        one.send(to(QUEUE, count=300))
    for one in pair:
        one.results(300, 60)
    wait_until(lambda: sum(one.answer("counts", "counts")["deliveries"] for one in pair) == 600)
    for one in pair:
        one.close()
