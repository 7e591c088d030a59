# SPDX-License-Identifier: Apache-2.0
"""The scripts that count a chord in Redis, one call after the other, as they stand in results/redis.c: what comes in an order that a whole worker
rarely shows."""

import json
import re
import uuid
from pathlib import Path

import pytest
import redis as client

SOURCE = (Path(__file__).parents[2] / "results" / "redis.c").read_text()
WAITS, READY, LOOK, LOST = 0, 1, 2, 3


def script(name):
    (text,) = re.findall(rf'static const char {name}_script\[\] =\s*((?:"(?:[^"\\]|\\.)*"\s*)+);', SOURCE)
    return "".join(json.loads(f'"{part}"') for part in re.findall(r'"((?:[^"\\]|\\.)*)"', text))


class Chord:
    def __init__(self, store, size):
        self.store, self.group, self.size = store, f"celery-taskset-meta-{uuid.uuid4()}", size
        self.run("begin", [".c", ".s", ""], size, 100, "")

    def run(self, name, keys, *args):
        return self.store.eval(script(name), len(keys), *(self.group + key if key != "body" else f"{self.group}-body" for key in keys), *args)

    def more(self, who, size):
        return self.run("more", [".c", ".t", ".d"], who, size, 100)

    def part(self, who, index, state="SUCCESS", again=False, ascii=True):
        member = json.dumps([1, who, state, {"state": '"FAILURE"'}], ensure_ascii=ascii)
        return self.run("part", [".j", ".t", ".s", ".d", "", ".c", ".w", "body"], who, member, index, 100, 60, who, int(again))

    def end(self, who, failed):
        return self.run("end", [".c", ".j", ".t", ".s", ".d", ".w"], who, 300, int(failed), 100)

    def fail(self, dead, alive=()):
        """Complete, with some dead; the last one told fails it. The chord is over, until they are mended."""
        for index, who in enumerate(alive):
            assert self.part(who, index) == [WAITS]
        for index, who in enumerate(dead, len(alive)):
            last = self.part(who, index, "FAILURE")
        assert last == [READY, self.size]
        self.end(who, failed=True)


@pytest.fixture
def chord(redis):
    with client.Redis.from_url(redis.url) as store:
        yield lambda size: Chord(store, size)


@pytest.mark.parametrize("first", ["adder", "added"])
def test_a_part_that_comes_back_adds_one(chord, first):
    one = chord(2)
    one.fail(["T"], ["U"])
    one.more("P", 1)
    order = [("T", 1), ("P", 1)] if first == "adder" else [("P", 1), ("T", 1)]
    assert [one.part(*part)[0] for part in order] == [WAITS, READY]


def test_an_added_part_dies_and_comes_back(chord):
    one = chord(2)
    one.fail(["T"], ["U"])
    one.more("P", 1)
    assert one.part("T", 1) == [WAITS]
    assert one.part("P", 1, "FAILURE") == [WAITS]
    assert one.part("P", 1) == [READY, 3]


def test_a_part_takes_its_own_failures_place_alone(chord):
    """Two that were added died at one index: the first that comes back leaves the other's failure where it is."""
    one = chord(2)
    one.fail(["T"], ["U"])
    for who in "PQ":
        one.more(who, 1)
    assert one.part("T", 1) == [WAITS]
    assert [one.part(who, 1, "FAILURE") for who in "PQ"] == [[WAITS]] * 2
    assert one.part("P", 1) == [WAITS]
    members = [json.loads(member)[1:3] for member in one.store.zrangebyscore(one.group + ".j", 1, 1)]
    assert sorted(members) == [["P", "SUCCESS"], ["Q", "FAILURE"], ["T", "SUCCESS"]]
    assert one.part("Q", 1) == [READY, 4]


def test_whoever_looks_again_looks_until_the_other_is_done(chord):
    """The chord is being failed at the moment at which its dead part comes back, and for longer than the first look takes to come."""
    one = chord(1)
    assert one.part("T", 0, "FAILURE") == [READY, 1]
    one.store.set(one.group + ".c", "somebody else")
    assert one.part("T", 0) == [LOOK]
    assert one.part("T", 0, again=True) == [LOOK]
    assert one.part("T", 0, again=True) == [LOOK]
    one.end("somebody else", failed=True)
    assert one.part("T", 0, again=True) == [READY, 1]
    one.end("T", failed=False)
    assert one.part("T", 0, again=True) == [WAITS]


def test_the_last_to_be_added_looks_again_too(chord):
    """As above, but what makes the header whole is a part that nobody has counted before."""
    one = chord(1)
    assert one.part("T", 0, "FAILURE") == [READY, 1]
    one.store.set(one.group + ".c", "somebody else")
    one.more("P", 1)
    assert one.part("T", 0) == [WAITS]
    assert one.part("P", 0) == [LOOK]
    one.end("somebody else", failed=True)
    assert one.part("P", 0, again=True) == [READY, 2]


def test_who_looks_again_at_a_failure_leaves_it_to_the_one_who_fails_it(chord):
    one = chord(1)
    assert one.part("T", 0, "FAILURE") == [READY, 1]
    one.store.set(one.group + ".c", "somebody else")
    assert one.part("T", 0, "FAILURE", again=True) == [WAITS]


@pytest.mark.parametrize("ascii", [True, False], ids=["escaped", "plain"])
@pytest.mark.parametrize("who", ['a"b', "a\\b", 'a\\"', "a\nb", "a\x01b", "버섯", "a%d[b", '", "SUCCESS"'])
def test_any_id_comes_back(chord, who, ascii):
    one = chord(2)
    one.fail([who, "other"])
    assert one.part(who, 0, ascii=ascii) == [WAITS]
    assert one.part("other", 1) == [READY, 2]
    members = one.store.zrange(one.group + ".j", 0, -1)
    assert [json.loads(member)[1:3] for member in members] == [[who, "SUCCESS"], ["other", "SUCCESS"]]
