# SPDX-License-Identifier: Apache-2.0
"""`chard top` in a real terminal: what it shows of a fleet, its keys, other sizes, a terminal that can do nothing, servers that go away and come back."""

import contextlib
import json
import urllib.parse

import pytest
from support.place import everywhere
from support.terminal import Terminal

CHAT = "user_id=u1", "lang=en", "text=carton"
QUEUES = ("scan.vision", "chat.classify", "my.profile")


@pytest.fixture
def top(chard, tmp_path):
    """top("--once", width=60) -> `chard top` in a terminal."""
    def started(*flags, before=(), **size):
        return Terminal(tmp_path, [*before, chard.binary, "top", *flags], chard.environment(), **size)

    return started


def row(lines, name):
    """The words of the line that begins with this name."""
    return next((line.split() for line in lines if line.startswith(name + " ")), None)


def foot(lines):
    return next((line for line in reversed(lines) if line), "")


def names(lines):
    return [line.split()[0] for line in lines if line.startswith(QUEUES)]


@everywhere
def test_it_shows_the_fleet_and_hears_keys(chard, place, provider, queues, reply, top, wait_until):
    provider.behave = reply.always(reply.hanging())
    chard.settings |= provider.settings() | {"CHARD_GRACE_MS": "0"}
    chard.prepare()
    for number in range(20):  # which lasts, whatever gives up meanwhile
        queues.publish("", "chat.classify", json.dumps([[], {"user_id": "u1", "lang": "en", "text": "carton"}, {}]).encode(),
                       {"lang": "py", "task": "chat.classify", "id": f"chat-{number}"})
    with chard.worker(queues="chat.classify", slots=3, name="w-1"), top() as terminal:
        def shown():
            lines = terminal.lines()
            assert lines[0].startswith("chard top") and "store up   broker up" in lines[0]
            ready, *taken = row(lines, "chat.classify")[1:4]
            assert int(ready) > 1 and taken == ["3", "0"]
            worker = row(lines, "w-1")
            assert worker[1:5] == ["consuming", "3", "0", "3"] and worker[6:10] == ["3", "held,", "chat.classify", "for"]
            assert "nobody does the fleet's duties" in "\n".join(lines)
            assert foot(lines).startswith("by load")
            assert names(lines) == ["chat.classify", "my.profile", "scan.vision", "chat.classify"]  # the last of them as a task
            return True

        wait_until(shown, 40)
        for key, order in ("n", "by name"), ("Right", "by time"), ("f", "by failures"), ("Left", "by time"), ("C", "by cost"):
            terminal.press(key)
            terminal.wait_for(order)
        wait_until(lambda: names(terminal.lines()) == ["chat.classify", "my.profile", "scan.vision", "chat.classify"])  # tmux may be asked amid a frame
        terminal.resize(60, 9)
        wait_until(lambda: (found := terminal.lines()) and len(found) == 9 and found[0].startswith("chard top") and found[-1].startswith("by cost"))
        wait_until(lambda: all(len(line) <= 60 for line in terminal.lines()))
        terminal.resize(120, 40)
        wait_until(lambda: (found := terminal.lines()) and len(found) == 40 and foot(found).startswith("by cost") and row(found, "w-1"))
        terminal.press("q")
        wait_until(lambda: terminal.lines()[0] == "ended 0", 30)
        assert {"icanon", "echo"} <= set(" ".join(terminal.wait_for("echonl")).split())  # the terminal is as it was before


@everywhere
def test_a_frame_for_a_pipe_and_as_json(chard, place, database, provider, reply, wait_until):
    provider.behave = reply.fitting
    chard.settings |= provider.settings()
    chard.prepare()
    with chard.worker(name="w-1"):
        assert chard.run("submit", "chat", *CHAT, "--wait", "60").returncode == 0

        def same():
            whole = json.loads(chard.run("top", "--json", check=0).stdout)
            cost, ended = database.value("select sum(cost_nano) from chard.task"), database.value("select count(*) from chard.task where state = 'SUCCESS'")
            assert (round(whole["cost_usd"] * 1e9), whole["ended"], whole["failed"]) == (int(cost), ended, 0) and cost > 0
            assert {task["task"] for task in whole["tasks"] if task["ok"]} == {one["name"] for one in database.rows("select distinct name from chard.task")}
            assert (whole["store"], whole["broker"]) == (None, None)
            (worker,) = whole["workers"]
            assert (worker["worker"], worker["state"], worker["in_hand"], worker["oldest"]) == ("w-1", "consuming", 0, None)
            assert {(q["queue"], q["ready"], q["in_flight"]) for q in whole["queues"]} >= {("chat.classify", 0, 0), ("scan.vision", 0, 0)}
            return True

        wait_until(same, 40, every=0.5)
    done = chard.run("top", check=0)  # which is no terminal
    assert done.stdout.startswith("chard top") and "\033" not in done.stdout and row(done.stdout.splitlines(), "chat.classify")[1:3] == ["0", "0"]


@pytest.mark.parametrize("place", ["file"])
def test_a_terminal_that_can_do_nothing(chard, place, top):
    chard.prepare()
    with top(before=("env", "TERM=dumb"), height=60) as terminal:
        lines = terminal.wait_for("by load")
        assert sum(line.startswith("chard top") for line in lines) >= 1
        terminal.press("q")
        assert "chard top" in "\n".join(terminal.wait_for("ended 0"))  # it has no other screen to go back from


@pytest.mark.parametrize("away", ["store", "broker"])
def test_what_goes_away_is_named_and_comes_back(chard, away, toxic, broker_url, store_url, top):
    url = {"store": store_url, "broker": broker_url}[away]
    chard.prepare()
    link = toxic(urllib.parse.urlsplit(url).port)
    chard.settings[f"CHARD_{away.upper()}_URL"] = link.url(url)
    if away == "broker":
        link.refuse()  # from the start
    with top() as terminal:
        if away == "broker":
            terminal.wait_for("! the broker is away: ")
            assert row(terminal.wait_for("scan.vision"), "scan.vision")[1] == "?"
            link.heal()
        terminal.wait_for("store up   broker up")
        link.refuse()
        terminal.wait_for(f"! the {away} is away: ")
        terminal.wait_for(f"{away} AWAY")
        link.heal()
        terminal.wait_for("store up   broker up")
        terminal.press("q")
        terminal.wait_for("ended 0")
    if away == "store":  # at the start there is nothing to show without it
        link.refuse()
        assert "refused" in chard.run("top", "--once", check=3).stderr


@pytest.mark.parametrize("how", ["locked", "half-open"])
def test_a_store_that_does_not_answer_holds_up_no_key(chard, how, database, toxic, store_url, top):
    """It is named, what was known stays, and keys are heard meanwhile; also the one that ends it."""
    chard.prepare()
    link = toxic(urllib.parse.urlsplit(store_url).port)
    chard.settings["CHARD_STORE_URL"] = link.url(store_url)

    @contextlib.contextmanager
    def silent():
        if how == "locked":
            with database.connect(autocommit=False) as other:
                other.execute("lock table chard.worker, chard.scheduled, chard.dead_letter, chard.task in access exclusive mode")
                yield
                other.rollback()
        else:
            link.half_open()
            yield
            link.heal()

    with top() as terminal:
        terminal.wait_for("store up   broker up")
        with silent():
            terminal.wait_for("! the store is away: ")
            assert row(terminal.wait_for("scan.vision"), "scan.vision")
            terminal.press("n")
            terminal.wait_for("by name")
            terminal.press("q")
            terminal.wait_for("ended 0")
