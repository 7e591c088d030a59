# SPDX-License-Identifier: Apache-2.0
"""Canvases from libchard: the messages are those of Celery's client, and chard's workers bring them to the same results."""

import itertools
import json
import re
import subprocess

import pytest
import redis as redis_client

from support import celery_app, fleet
from support.libchard import QUEUE, SUM, Client, Failed, add, celery_canvas, task
from support.program import ROOT, plain_environment
from support.queues import Queues
from support.volume import volume


# ---- the wire: what Celery's client sends for the same canvas --------------------------------------------

CANVASES = {
    "task": add(1, 2),
    "options": add(1, kwargs={"y": "é"}, priority=3, time_limit=30, soft_time_limit=20.5, shadow="s", ignore_result=True,
                   headers={"traceparent": "00-1"}),
    "links": add(1, 2, link=add(3), link_error=task("py.fail")),
    "chain": {"chain": [add(1, 2), add(3), add(4, 5, immutable=True)]},
    "chain_in_chain": {"chain": [add(1, 2), {"chain": [add(3), add(4)]}, add(5)]},
    "group": {"group": [add(1, 2), add(3, 4)]},
    "group_of_chains": {"group": [{"chain": [add(1, 2), add(3)]}, add(4, 5)]},
    "group_at_the_end": {"chain": [add(1, 2), {"group": [add(3), add(4)]}]},
    "group_of_chains_at_the_end": {"chain": [add(1, 2), {"group": [{"chain": [add(3), add(4)]}, add(5)]}]},
    "group_of_one": {"chain": [add(1, 2), {"group": [add(3)]}, add(4)]},
    "chord": {"chord": [{"group": [add(1, 2), add(3, 4)]}, SUM]},
    "chord_of_chains": {"chord": [{"group": [{"chain": [add(1, 2), add(3)]}, add(4, 5)]}, SUM]},
    "chord_with_chain": {"chord": [{"group": [add(1, 2), add(3, 4)]}, {"chain": [SUM, add(5)]}]},
    "group_then_task": {"chain": [{"group": [add(1, 2), add(3, 4)]}, SUM, add(5)]},
    "chord_at_the_end": {"chain": [add(1, 2), {"group": [add(3), add(4)]}, SUM]},
    "chord_within": {"chain": [add(1, 2), {"group": [add(3), add(4)]}, SUM, add(5)]},
    "group_body_in_a_chain": {"chain": [add(1, 2), {"chord": [{"group": [add(1), add(2)]}, {"group": [SUM, SUM]}]}, SUM]},
    "chain_of_chains_of_groups": {"chain": [{"chain": [{"group": [add(1, 2), add(3)]}, {"group": [SUM, SUM]}]}, {"chain": [SUM, {"group": [add(1), add(2)]}]}]},
    "chord_in_a_chord": {"chord": [{"group": [{"chord": [{"group": [add(1, 2), add(3, 4)]}, SUM]}, add(5, 6)]}, SUM]},
    "chord_body_is_a_chord": {"chord": [{"group": [add(1, 2), add(3, 4)]}, {"chord": [{"group": [SUM, SUM]}, SUM]}]},
    "groups_at_the_ends": {"group": [{"chain": [add(1, 2), {"group": [add(3), add(4)]}]}, {"chain": [add(1, 2), {"group": [add(3), add(4)]}, SUM]}]},
    "chord_of_groups_at_the_ends": {"chord": [{"group": [{"chain": [add(1, 2), {"group": [add(3), add(4)]}]}, add(5, 6)]}, SUM]},
    "only_member_ends_in_a_group": {"group": [{"chain": [add(1, 2), {"group": [add(3), add(4)]}]}]},
    "links_within": {"chain": [{"group": [add(1, 2, link=add(3)), add(4, 5)]}, task("py.sum", link_error=task("py.fail")), {"group": [SUM, SUM]}]},
}

# What canvases are made of; chains of all pairs, of the simple ones all triples, and of tasks and groups all of four, are sent.
SIMPLE = {"t": SUM, "g": {"group": [SUM, add(1)]}, "c": {"chord": [{"group": [SUM, add(2)]}, SUM]}}
PIECES = SIMPLE | {
    "g1": {"group": [add(3)]},
    "tt": {"chain": [add(4), add(5)]},
    "tg": {"chain": [add(6), {"group": [add(7), add(8)]}]},
    "gt": {"chain": [{"group": [add(6), add(7)]}, add(8)]},
    "gg": {"chain": [{"group": [add(6), add(7)]}, {"group": [SUM, SUM]}]},
    "g(tt)": {"group": [{"chain": [add(9), add(10)]}, add(11)]},
    "g(tg)": {"group": [{"chain": [add(9), {"group": [add(10), add(11)]}]}, add(12)]},
    "g(c)": {"group": [{"chord": [{"group": [add(1), add(2)]}, SUM]}, add(3)]},
    "c(tt)": {"chord": [{"group": [add(1), add(2)]}, {"chain": [SUM, add(3)]}]},
    "c(g)": {"chord": [{"group": [add(1), add(2)]}, {"group": [SUM, SUM]}]},
    "c(gt)": {"chord": [{"group": [add(1), add(2)]}, {"chain": [{"group": [SUM, SUM]}, SUM]}]},
    "c(c)": {"chord": [{"group": [add(1), add(2)]}, {"chord": [{"group": [SUM, SUM]}, SUM]}]},
}
# 283 of them, each with a task before it and without
SHAPES = ([(name,) for name in PIECES] + list(itertools.product(PIECES, repeat=2)) + list(itertools.product(SIMPLE, repeat=3))
          + list(itertools.product("tg", repeat=4)))


def without(value):
    """Without what names the client."""
    if isinstance(value, dict):
        return {k: without(v) for k, v in value.items() if k != "reply_to"}
    return [without(v) for v in value] if isinstance(value, list) else value


def normal(messages):
    """The messages as texts, ids named in the order of their appearance, and without what names the client."""
    seen = {}

    def name(match):
        return seen.setdefault(match.group(), f"id-{len(seen)}")


    shown = []
    for m in messages:
        headers = {k: v for k, v in m.headers.items() if k not in ("origin",) and not k.startswith("x-")}
        properties = {k: m.properties.get(k) for k in ("content_type", "content_encoding", "delivery_mode", "correlation_id", "priority")}
        shown.append({"a": headers, "b": properties, "c": without(json.loads(m.body))})
    text = json.dumps(shown, sort_keys=True, indent=1)
    return re.sub(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", name, text)


def read_all(queues):
    class Shown:
        def __init__(self, m):
            self.properties, self.body = m.properties, m.body
            self.headers = m.properties.get("application_headers", {})

    return [Shown(m) for m in queues.take(QUEUE)]


def tree(result):
    """The shape of a saved group's results."""
    return [tree(part) for part in result[1]] if result[1] else None


def taken_chords(store):
    """How many parts each chord has, and the trees of results that are saved for those that need them; they are deleted."""
    keys = [key.decode() for key in store.keys("celery-taskset-meta-*")]
    sizes = sorted(int(store.get(key)) for key in keys if key.endswith(".s"))
    trees = sorted(str(tree(json.loads(store.get(key))["result"])) for key in keys if "." not in key)
    if keys:
        store.delete(*keys)
    return sizes, trees


class Both:
    """Sends a canvas by Celery's client and by libchard, and reads what came."""

    def __init__(self, broker, redis_url):
        self.store = redis_client.Redis.from_url(redis_url)
        self.app = fleet.make_app(broker, redis_url)
        self.app.amqp.queues[QUEUE](self.app.connection_for_write().channel()).declare()
        self.queues = Queues(broker)
        self.client = Client(broker, redis_url)
        taken_chords(self.store)

    def sent(self, send):
        send()
        messages = read_all(self.queues)
        assert messages
        return normal(messages), taken_chords(self.store)

    def celery(self, canvas):
        return self.sent(lambda: celery_canvas(self.app, canvas).apply_async())

    def chard(self, canvas):
        return self.sent(lambda: self.client.apply(canvas))


@pytest.fixture(scope="module")
def both(canvas_broker, redis):
    made = Both(canvas_broker, redis.url)
    yield made
    made.client.close()


@pytest.mark.parametrize("name", CANVASES)
def test_a_canvas_is_sent_as_celery_sends_it(both, name):
    wanted = both.celery(CANVASES[name])
    assert both.chard(CANVASES[name]) == wanted


@pytest.mark.volume
def test_all_shapes_are_sent_as_celery_sends_them(both):
    differ = []
    looked = [shape for n, shape in enumerate(SHAPES) if len(shape) == 1 or n % volume(3, 1) == 0]
    for shape in looked:
        canvas = {"chain": [add(1, 2), *(PIECES[name] for name in shape)]}
        for sent in (canvas, {"chain": canvas["chain"][1:]}):
            if both.celery(sent) != both.chard(sent):
                differ.append((len(sent["chain"]) > len(shape), shape))
    assert not differ, f"{len(differ)} of {2 * len(looked)}: {differ}"


def test_groups_in_a_group_are_numbered_through(canvas_broker):
    """Celery's client begins again at 0 in the inner one."""
    fleet.make_app(canvas_broker, "rpc://").amqp.queues[QUEUE](fleet.make_app(canvas_broker, "rpc://").connection().channel()).declare()
    with Client(canvas_broker) as client:
        client.apply({"group": [add(1, 2), {"group": [add(3, 4), add(5, 6)]}]})
    sent = read_all(Queues(canvas_broker))
    assert [m.headers["group_index"] for m in sent] == [0, 1, 2]
    assert len({m.headers["group"] for m in sent}) == 1


# ---- chard's workers run them; the names are those of chard.add, which adds numbers and lists of them ------------


def run_by_chard(canvas):
    """The same canvas of chard's own tasks."""
    if isinstance(canvas, dict):
        made = {k: run_by_chard(v) for k, v in canvas.items()}
        return made | {"task": "chard.fail" if made["task"] == "py.fail" else "chard.add", "queue": celery_app.QUEUE} if "task" in made else made
    return [run_by_chard(v) for v in canvas] if isinstance(canvas, list) else canvas


RUN = [("g", "g"), ("t", "g", "g"), ("g", "g", "g"), ("g", "g", "t"), ("g", "t", "g"), ("c", "g"), ("c", "c"), ("g", "c"), ("tg", "t"), ("gg", "gg"),
       ("g(tg)",), ("g(tg)", "t"), ("t", "g(tg)", "t"), ("g(c)", "g"), ("c(g)",), ("c(g)", "t"), ("c(gt)", "g"), ("c(c)", "c(tt)"), ("t", "c(g)", "g(c)", "t")]


def test_chard_runs_them_as_for_celerys_client(chard, broker_url, redis, tmp_path):
    """Every result, lists within lists too, is what Celery's client gets for the canvas that it sends itself. The example runs as well."""
    example = tmp_path / "canvas"
    subprocess.run(["cc", "-std=c11", "-Wall", "-Wextra", "-Werror", f"-I{ROOT}/include", "-o", example, ROOT / "examples/c-producer/canvas.c",
                    f"-L{ROOT}/build", "-lchard", f"-Wl,-rpath,{ROOT}/build"], check=True, timeout=60)
    chard.settings["CHARD_RESULT_URL"] = redis.url
    chard.prepare()
    app = celery_app.make_app(broker_url, redis.url)
    with chard.worker(queues=celery_app.QUEUE), Client(broker_url, redis.url) as client:
        for shape in RUN:
            canvas = run_by_chard({"chain": [add(1, 2), *(PIECES[name] for name in shape)]})
            id, _ = client.apply(canvas)
            wanted = celery_canvas(app, canvas).apply_async().get(timeout=40, interval=0.02)
            assert client.wait(id) == wanted, shape
        done = subprocess.run([example, broker_url, redis.url], capture_output=True, text=True, timeout=60, env=plain_environment())
        assert (done.returncode, done.stdout, done.stderr) == (0, "84\n", "")
        with pytest.raises(Failed, match="asked to"):
            client.wait(client.apply(run_by_chard({"chain": [{"group": [add(1), task("py.fail")]}, {"group": [SUM, SUM]}]}))[0])
