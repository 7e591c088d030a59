# SPDX-License-Identifier: Apache-2.0
"""R1, R2, V1 and M1: what results, events and metrics add to B1. Each is a drain with them and one without, one after the other, and the same
publishes made by a program that does nothing else."""

import contextlib
import json
import subprocess
import threading
import time

import amqp

from .figures import Figure, Goal
from .processes import Failed, tool, wait_for
from .rows_queue import PREFETCH, drain
from .stage import BIN, MARK

from servers import Redis  # noqa: E402  stage.py has made deploy/local known

NO_PEER = {"peer": "Celery's whole task is in B1"}
SELF = {"raw": "the row above has the raw cost", **NO_PEER}
META = json.dumps({"status": "SUCCESS", "result": None, "traceback": None, "children": [],
                   "date_done": "2026-11-21T08:42:22.123+00:00", "task_id": "f47ac10b-58cc-4372-a567-0e02b2c3d479"})


class Extra:
    """A drain with something more to do, beside one without."""

    fill = ()  # more words for what fills the queue
    env = {}

    def __init__(self, plan, ident, what, note):
        self.count = plan.size(20_000, 3_000)
        self.cost = Figure(ident, f"CPU that {what} to a no-op task", "µs", more=False,
                           note=f"{self.count:,} messages a round with, as many without, the difference of both; {note}", **NO_PEER)
        self.whole = Figure(f"{ident}.cpu", "CPU of such a task, the worker's start and stop included", "µs", Goal("at_most", 15),
                            more=False, note="to reach: what B1 allows without", **SELF)
        self.rate = Figure(f"{ident}.rate", "no-op tasks drained with that", "tasks/s", **SELF)
        self.plain = Figure(f"{ident}.plain", "the same without, in the same round", "tasks/s", **SELF)
        self.figures = [self.cost, self.whole, self.rate, self.plain]

    def round(self, stage):
        with self.place(stage) as place:
            rate, plain = self._drain(stage, {})
            self.plain.add("chard", rate)
            with self.listener(place):
                rate, used = self._drain(stage, self.env_of(place))
            self.rate.add("chard", rate)
            self.cost.add("chard", max(0, used - plain) / self.count * 1e6)
            self.whole.add("chard", used / self.count * 1e6)
            stage.rest()
            self.raw(stage, place)
            stage.rest()

    def _drain(self, stage, env):
        """(tasks a second, CPU seconds of the worker's whole life)"""
        stage.fill(self.count, "--task", "chard.echo", "--mark", MARK, *(self.fill if env else ()))
        return drain(stage, stage.worker("-Q", "chard.echo", "-c", PREFETCH, env=env), self.count)

    def listener(self, _place):
        return contextlib.nullcontext()


class R1(Extra):
    """Results in Redis."""

    def __init__(self, plan):
        super().__init__(plan, "R1", "results in Redis add",
                         "Redis with its own defaults; raw: hiredis, SETEX and PUBLISH of as many bytes, 500 results pipelined; chard "
                         "also looks first whether a success is stored already")
        self.split = Figure("R1.split", "CPU of Redis for each result", "µs", more=False, **NO_PEER)
        self.figures.append(self.split)

    @contextlib.contextmanager
    def place(self, _stage):
        with Redis(config={"appendonly": "no"}) as redis:
            self._before = 0
            yield redis

    def env_of(self, redis):
        return {"CHARD_RESULT_URL": redis.url}

    def _redis_cpu(self, redis):
        """Microseconds since the last call."""
        lines = dict(line.split(":", 1) for line in redis.ask("INFO", "cpu").split() if ":" in line)
        now = (float(lines["used_cpu_sys"]) + float(lines["used_cpu_user"])) * 1e6
        before, self._before = self._before, now
        return now - before

    def raw(self, _stage, redis):
        if (stored := int(redis.ask("DBSIZE")[1:])) != self.count:
            raise Failed(f"{stored} of {self.count} results are in Redis")
        self.split.add("chard", self._redis_cpu(redis) / self.count)
        done = tool(BIN / "raw_redis", "--port", redis.port, "--password", redis.password(), "--count", self.count,
                    "--size", len(META))
        self.cost.add("raw", done["cpu_us"] / self.count)
        self.split.add("raw", self._redis_cpu(redis) / self.count)


class R2(Extra):
    """Results as replies."""

    QUEUE = "bench.replies"
    fill = ("--reply-to", QUEUE)

    def __init__(self, plan):
        super().__init__(plan, "R2", "results over rpc:// add",
                         "replies are transient, confirmed and read meanwhile; raw: rabbitmq-c publishes as many of the same size")

    @contextlib.contextmanager
    def place(self, stage):
        connection = stage.connect()
        connection.channel().queue_declare(self.QUEUE, durable=False, exclusive=False, auto_delete=False)
        try:
            yield stage
        finally:
            connection.channel().queue_delete(self.QUEUE)
            connection.close()

    def env_of(self, _stage):
        return {"CHARD_RESULT_URL": "rpc://"}

    @contextlib.contextmanager
    def listener(self, stage):
        """Reads as many replies as there are tasks."""
        reader = subprocess.Popen([BIN / "raw_consume", "--url", stage.broker.url, "--queue", self.QUEUE, "--count",
                                   str(self.count), "--multiple", "100"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        try:
            yield
            wait_for(lambda: reader.poll() is not None, 60, "every reply")
        finally:
            reader.kill()
            reader.wait()

    def raw(self, stage, _stage):
        with self.listener(stage):
            done = tool(BIN / "raw_publish", "--url", stage.broker.url, "--count", self.count, "--plain", "", "--queue",
                        self.QUEUE, "--size", len(META), "--transient")
        self.cost.add("raw", done["cpu_us"] / self.count)


class V1(Extra):
    """Events of tasks."""

    env = {"CHARD_EVENTS": "on"}

    def __init__(self, plan):
        super().__init__(plan, "V1", "its events add",
                         "received, started and succeeded, with a listener; raw: rabbitmq-c publishes as many bytes, one event a message")
        self.batched = Figure("V1.batched", "the same, raw sending as many in a message as chard does", "µs", more=False, **NO_PEER)
        self.heard = Figure("V1.heard", "events that the listener heard of each task", "events", **SELF)
        self.figures += [self.batched, self.heard]

    @contextlib.contextmanager
    def place(self, stage):
        with contextlib.closing(Listener(stage)) as listener:
            yield listener

    def env_of(self, _listener):
        return self.env

    def raw(self, stage, listener):
        messages, events, size = listener.summary()
        if not events:
            raise Failed("no event of a task was heard")
        self.heard.add("chard", events / self.count)
        self.cost.add("raw", self._publish(stage, events, size / events) / self.count)
        self.batched.add("chard", self.cost.samples["chard"][-1])
        self.batched.add("raw", self._publish(stage, messages, size / messages) / self.count)

    @staticmethod
    def _publish(stage, count, size):
        return tool(BIN / "raw_publish", "--url", stage.broker.url, "--count", count, "--plain", "celeryev", "--queue",
                    "task.multi", "--size", int(size), "--transient")["cpu_us"]


class M1(Extra):
    """Metrics, scraped by nobody: what counting costs."""

    def __init__(self, plan):
        super().__init__(plan, "M1", "its metrics add", "--metrics, with the histograms of each task; nobody scrapes")
        self.cost.why["raw"] = "an addition to a number in memory has no raw form"

    @contextlib.contextmanager
    def place(self, stage):
        yield stage

    def env_of(self, _stage):
        return {"CHARD_METRICS": "127.0.0.1:0"}

    def raw(self, _stage, _place):
        pass


class Listener:
    """Hears Celery's events as its monitors do; looks into them afterwards only."""

    def __init__(self, stage):
        self._connection = stage.connect()
        channel = self._connection.channel()
        channel.exchange_declare("celeryev", "topic", durable=True, auto_delete=False)
        queue = channel.queue_declare("", durable=False, exclusive=True, auto_delete=True).queue
        channel.queue_bind(queue, "celeryev", "task.#")
        self._bodies, self._closing = [], False
        channel.basic_consume(queue, no_ack=True, callback=lambda message: self._bodies.append(message.body))
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self):
        while not self._closing:
            with contextlib.suppress(TimeoutError, OSError):
                self._connection.drain_events(timeout=0.2)

    def summary(self):
        """How many messages, events in them, and bytes, once nothing more comes."""
        before = -1
        while before != len(self._bodies):
            before = len(self._bodies)
            time.sleep(0.3)
        bodies, self._bodies = self._bodies, []
        texts = [body if isinstance(body, bytes) else body.encode() for body in bodies]
        return len(texts), sum(text.count(b'"type":"task-') for text in texts), sum(map(len, texts))

    def close(self):
        self._closing = True
        self._thread.join(5)
        with contextlib.suppress(OSError, amqp.AMQPError):
            self._connection.close()
