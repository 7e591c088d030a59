# SPDX-License-Identifier: Apache-2.0
"""Who submits: jobs of both pipelines and canvases of them, each written down with what must come of it, before and after it is sent."""

import contextlib
import itertools
import json
import random
import threading
import time
import uuid

import celery
import psycopg
from celery import chain, chord, group
from support.jobs import PICTURE

CHAT, SCAN = ["chat.classify", "chat.answer"], ["scan.vision", "scan.answer", "scan.reward"]
EVENTS = {"chat.classify": "ChatClassified", "chat.answer": "ChatAnswered", "scan.vision": "ScanClassified", "scan.answer": "ScanAnswered",
          "scan.reward": "RewardGranted"}
REVOKE_AFTER_S = (0.2, 3.5)


class Load:
    """Submits from a thread of its own. `pause()` keeps it from it: what it sends while its own server goes down would be nobody's."""

    def __init__(self, world, seed, log, rate):
        self.world, self.chance, self.log, self.rate = world, random.Random(seed), log, rate
        self.lock, self.ending, self.serial = threading.RLock(), threading.Event(), itertools.count(1)
        self.revokes, self.counts = [], {}
        self.app = celery.Celery("proof", broker=world.rabbitmq.url, backend=world.redis.url, set_as_current=False)
        self.app.conf.update(task_default_queue_type="quorum", task_default_exchange_type="topic", task_create_missing_queue_type="quorum",
                             task_create_missing_queue_exchange_type="topic", broker_transport_options={"confirm_publish": True},
                             broker_connection_timeout=5, result_expires=86400)
        # Declares nothing and knows of no quorum queue, so an ETA goes along as a header; kombu's delayed delivery dead-letters from queue to queue, of
        # which RabbitMQ promises nothing when it is killed.
        self.early = celery.Celery("proof-early", broker=world.rabbitmq.url, backend="disabled://", set_as_current=False)
        self.early.conf.update(broker_transport_options={"confirm_publish": True}, broker_connection_timeout=5)
        self.thread = threading.Thread(target=self._run, daemon=True)

    @contextlib.contextmanager
    def pause(self):
        with self.lock:
            yield

    def start(self):
        self.thread.start()

    def finish(self):
        self.ending.set()
        self.thread.join()
        self.app.close()
        self.early.close()

    def _run(self):
        backend = self.app.backend  # this thread's own; it subscribes to no result: the auditor reads them all
        backend.on_task_call, backend.remove_pending_result = (lambda *_: None), (lambda result: result)
        shapes = [shape for shape, weight in SHAPES.items() for _ in range(weight)]
        while not self.ending.wait(self.chance.expovariate(self.rate)):
            shape = self.chance.choice(shapes)
            with self.lock:
                self._submit(shape)
                self._revoke()

    def _submit(self, shape):
        one = {"shape": shape.__name__, "at": time.time(), "sure": True, "revoked": False, "tasks": []}
        try:
            shape(self, one)
        except Exception as error:
            one |= {"sure": False, "error": repr(error)}
        self.counts[one["shape"]] = self.counts.get(one["shape"], 0) + 1
        self.log.write(json.dumps(one) + "\n")
        self.log.flush()

    def _revoke(self):
        """It may come too late, or to workers of which none hears it: then the job is done as any other."""
        while self.revokes and self.revokes[0][0] < time.time():
            _, task_id = self.revokes.pop(0)
            with contextlib.suppress(Exception):
                self.app.control.revoke(task_id)

    # --- parts ----------------------------------------------------------------------------------------

    def expect(self, one, name, tag="", **where):
        one["tasks"].append({"name": name, "tag": tag, "id": None, "root": None, "told": False, "events": [EVENTS[name]] if name in EVENTS else []} | where)

    def signature(self, one, name, *args, tag="", app=None, **kwargs):
        task_id = str(uuid.uuid4())
        self.expect(one, name, tag, id=task_id, told=app is None)
        queue = "chard.tasks" if name.startswith("chard.") else name
        where = {"queue": queue} if app is None else {"exchange": queue, "routing_key": queue}
        return (app or self.app).signature(name, args, kwargs, task_id=task_id, **where)

    def values(self, steps):
        tag = f"T{next(self.serial)}"
        values = {"user_id": f"u{tag}", "text": f"a water bottle [{tag}]", "lang": "en"}
        return tag, values | ({"image_url": PICTURE} if steps is SCAN else {})

    def pipeline(self, one, app=None):
        steps = self.chance.choice([CHAT, SCAN])
        tag, values = self.values(steps)
        return chain([self.signature(one, name, tag=tag, app=app, **(values if name == steps[0] else {})) for name in steps])

    # --- shapes ---------------------------------------------------------------------------------------

    def plain(self, one):
        self.pipeline(one).apply_async()

    def later(self, one):
        self.pipeline(one, self.early).apply_async(countdown=self.chance.uniform(1, 8))

    def single(self, one):
        self.signature(one, "chard.add", 1, 2).apply_async()

    def groups(self, one):
        group([self.pipeline(one) for _ in range(self.chance.choice([2, 3]))]).apply_async()

    def chords(self, one):
        chord([self.pipeline(one) for _ in range(self.chance.choice([2, 3]))], self.signature(one, "chard.args")).apply_async()

    def canvas(self, one):
        """A chain that branches, and joins again."""
        add = self.signature(one, "chard.add", 1)
        chain(add, chord([self.signature(one, "chard.add", n) for n in (2, 3)], self.signature(one, "chard.add")),
              group([self.signature(one, "chard.add", n) for n in (4, 5)])).apply_async()

    def revoked(self, one):
        one["revoked"] = True
        self.pipeline(one, self.early).apply_async(countdown=self.chance.uniform(1.5, 4))
        self.revokes.append((time.time() + self.chance.uniform(*REVOKE_AFTER_S), one["tasks"][0]["id"]))
        self.revokes.sort()

    def sql(self, one):
        steps, root = self.chance.choice([CHAT, SCAN]), str(uuid.uuid4())
        tag, values = self.values(steps)
        for name in steps:
            self.expect(one, name, tag, root=root)
        with psycopg.connect(self.world.postgres.url, connect_timeout=5) as link:
            link.execute("select chard.enqueue_chain(%s, %s, id => %s)", (steps, json.dumps(values), root))

    def command(self, one):
        """By chard's own program, over a worker's links, with whatever is the matter with them."""
        steps = self.chance.choice([CHAT, SCAN])
        tag, values = self.values(steps)
        links = self.world.processes[self.chance.choice(sorted(self.world.processes))].links
        env = {"CHARD_BROKER_URL": links["broker"].url(self.world.rabbitmq.url), "CHARD_STORE_URL": links["store"].url(self.world.postgres.url)}
        for name in steps:
            self.expect(one, name, tag)
        done = self.world.chard.run("submit", "chat" if steps is CHAT else "scan", *(f"{key}={value}" for key, value in values.items()), env=env, timeout=10)
        one["sure"] = done.returncode == 0
        for task in one["tasks"]:
            task["root"] = done.stdout.strip() or None


SHAPES = {Load.plain: 40, Load.later: 8, Load.single: 6, Load.groups: 6, Load.chords: 8, Load.canvas: 6, Load.revoked: 4, Load.sql: 8, Load.command: 3}
