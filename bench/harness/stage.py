# SPDX-License-Identifier: Apache-2.0
"""The private servers on which everything is measured, and what the rows do with them."""

import contextlib
import http.client
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

import amqp
import celery
import psycopg

from .processes import Failed, Worker, cpu_of_tree, tool, wait_for

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BIN = ROOT / "build/release/bench"
CHARD = ROOT / "build/chard"
PEER = ROOT / "bench/peer"
PYTHON = ROOT / "build/venv/bin/python"

sys.path.insert(0, str(ROOT / "deploy/local"))

from servers import PostgreSQL, RabbitMQ, start_all  # noqa: E402

__all__ = ["BIN", "CHARD", "MARK", "PEER", "PYTHON", "ROOT", "SINK", "Provider", "Stage"]

MARK = "bench.done"  # the queue that the first and the last message of a drain go on to
SINK = "bench.sink"  # a queue that nobody consumes
QUEUES = ["chard.echo", "chard.note", "scan.vision", "scan.answer", "scan.reward", "chat.classify", "chat.answer"]
PEERS = ["peer.echo", "peer.note", "peer.classify", "peer.vision", "peer.answer", "peer.reward"]


class Stage:
    """RabbitMQ and PostgreSQL, started for the length of a `with`."""

    def __enter__(self):
        self._stack = contextlib.ExitStack()
        self.folder = pathlib.Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="chard-bench-")))
        self.broker, self.store = RabbitMQ(), PostgreSQL()
        for server in (self.broker, self.store):
            self._stack.callback(server.close)
        try:
            start_all([self.broker, self.store])
            self._prepare()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_):
        with contextlib.suppress(OSError, amqp.AMQPError):
            self._connection.close()
        self._stack.close()

    def _prepare(self):
        self._databases, self.database = 0, None
        self._client = self._stack.enter_context(celery.Celery(broker=self.broker.url))
        self._connection = self.connect()
        self._channel = self._connection.channel()
        self.chard("topology", "apply", "-Q", ",".join(QUEUES))
        for name in [MARK, SINK, "raw.echo", "peer.sink", *PEERS]:
            self._declare(name)
        self._channel.exchange_declare("bench.echo", "fanout", durable=True, auto_delete=False)
        for name in ("chard.echo", "raw.echo"):
            self._channel.queue_bind(name, "bench.echo")
        self.store.sql('create database "model"')
        self.run([CHARD, "migrate"], {"CHARD_STORE_URL": self.store.url_for("model")})
        self.fresh_database()

    # --- the broker -------------------------------------------------------------------------------------

    def connect(self):
        parts = urllib.parse.urlsplit(self.broker.url)
        connection = amqp.Connection(host=f"{parts.hostname}:{parts.port}", userid=parts.username,
                                     password=parts.password, virtual_host=urllib.parse.unquote(parts.path[1:]),
                                     connect_timeout=10, heartbeat=0)
        connection.connect()
        return connection

    def _declare(self, name):
        """As Celery and chard declare it."""
        self._channel.exchange_declare(name, "topic", durable=True, auto_delete=False)
        self._channel.queue_declare(name, durable=True, auto_delete=False, arguments={"x-queue-type": "quorum"})
        self._channel.queue_bind(name, name, name)

    def ready(self, queue):
        """Messages that wait in it."""
        return self._channel.queue_declare(queue, passive=True).message_count

    def consumers(self, queue):
        return self._channel.queue_declare(queue, passive=True).consumer_count

    def consume(self, queue, on):
        """Tells the one worker to consume from it, or no longer; returns when it does what it was told."""
        tell = self._client.control.add_consumer if on else self._client.control.cancel_consumer
        done = tell(queue, reply=True, limit=1, timeout=10)
        if len(done) != 1 or "ok" not in next(iter(done[0].values())):
            raise Failed(f"the worker should have changed its queues, and said {done}")
        wait_for(lambda: self.consumers(queue) == on, 10, f"{queue} with{'' if on else 'out'} a consumer")

    def bind_delayed(self, queue):
        """Lets kombu's native delayed delivery reach it, as kombu binds it."""
        self._channel.queue_bind(queue, "celery_delayed_delivery", f"#.{queue}")

    def recover(self):
        """After a measurement that failed: whatever it left in the queues is gone."""
        with contextlib.suppress(OSError, amqp.AMQPError):
            self._connection.close()
        self._connection = self.connect()
        self._channel = self._connection.channel()
        self.purge()

    def purge(self, *queues):
        for queue in queues or [MARK, SINK, "raw.echo", "peer.sink", *QUEUES, *PEERS]:
            self._channel.queue_purge(queue)

    def fill(self, count, *words):
        """Publishes `count` messages; returns what raw_publish measured. Then waits until the broker rests."""
        done = tool(BIN / "raw_publish", "--url", self.broker.url, "--count", count, *words)
        self.rest()
        return done

    def rest(self):
        """Waits until broker and store have written what they had to: less than a tenth of a core in use."""
        def resting():
            before = self.cpu()
            time.sleep(0.2)
            return sum(self.cpu()) - sum(before) < 0.02
        with contextlib.suppress(Failed):
            wait_for(resting, 15, "the servers rest", every=0)

    def cpu(self):
        """CPU seconds so far: of the broker, of the store."""
        return cpu_of_tree(self.broker.process.pid), cpu_of_tree(self.store.process.pid)

    # --- the store --------------------------------------------------------------------------------------

    def fresh_database(self):
        """An empty one with chard's schema, for the next measurement; the last one is dropped."""
        if self.database:
            self._session.close()
            self.store.sql(f'drop database "{self.database}" with (force)')
        self._databases += 1
        self.database = f"bench{self._databases}"
        self.store.sql(f'create database "{self.database}" template "model"')
        self._session = psycopg.connect(self.store_url, autocommit=True)
        return self.store_url

    @property
    def store_url(self):
        return self.store.url_for(self.database)

    def sql(self, statement):
        """The first value of the first row, or None where there are no rows to be had."""
        cursor = self._session.execute(statement)
        return cursor.fetchone()[0] if cursor.description else None

    def peer_tables(self):
        """Those of the plain Celery tasks, in the present database."""
        self.sql(self.run([PYTHON, "-c", "import app; print(app.TABLES)"], self.peer_env()))

    # --- chard, the peer, and others --------------------------------------------------------------------

    def run(self, command, env):
        done = subprocess.run([str(word) for word in command], env=os.environ | env, capture_output=True, text=True,
                              timeout=60)
        if done.returncode:
            raise Failed(f"{' '.join(map(str, command[1:]))}: {done.stderr.strip()[-400:]}")
        return done.stdout

    @property
    def settings(self):
        return {"CHARD_BROKER_URL": self.broker.url, "CHARD_STORE_URL": self.store.url_for(self.database or "model"),
                "CHARD_LOG_LEVEL": "warn", "CHARD_AI_PROVIDER": "offline"}

    def chard(self, *words):
        return self.run([CHARD, *words], self.settings)

    def worker(self, *words, env=None):
        return self.process([CHARD, "worker", *words], self.settings | (env or {}), "chard")

    def process(self, command, env, name):
        return Worker(command, env, self.folder, name)

    def peer_env(self, **more):
        return {"PEER_BROKER_URL": self.broker.url, "PEER_STORE_URL": self.store_url, "PYTHONPATH": str(PEER),
                "PYTHONDONTWRITEBYTECODE": "1"} | {name: str(value) for name, value in more.items()}

    def peer_command(self, queues, pool, concurrency, url=None):
        return [PYTHON, "-m", "celery", "-A", "app", *(["-b", url] if url else []), "worker", "-Q", queues,
                "-P", pool, "-c", concurrency, "--without-gossip", "--without-mingle", "--without-heartbeat",
                "-l", "warning", "-n", "peer@localhost"]

    def peer(self, queues, pool, concurrency, **env):
        return Worker(self.peer_command(queues, pool, concurrency), self.peer_env(**env), self.folder, "celery")

    @contextlib.contextmanager
    def marks(self):
        """Hears the marks of a drain: `times` fills up as they come; `.both(worker)` waits for two."""
        self._channel.queue_purge(MARK)
        heard = Marks(self.connect())
        try:
            yield heard
        finally:
            heard.close()


class Marks:
    def __init__(self, connection):
        self.times = []
        self._at_first = None
        self._connection = connection
        channel = connection.channel()
        channel.basic_consume(MARK, no_ack=True, callback=lambda _message: self.times.append(time.monotonic()))
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._closing = False
        self._thread.start()

    def _listen(self):
        while not self._closing:
            with contextlib.suppress(TimeoutError, OSError):
                self._connection.drain_events(timeout=0.2)

    def wait(self, count, worker, seconds=240):
        def there():
            worker.check()
            return len(self.times) >= count
        wait_for(there, seconds, f"mark {count} of a drain", every=0.005)
        return self.times[count - 1]

    def close(self):
        self._closing = True
        self._thread.join(5)
        with contextlib.suppress(OSError, amqp.AMQPError):
            self._connection.close()


class Provider:
    """The OpenAI-compatible double, on a port of its own."""

    def __init__(self, delay_ms):
        self.process = subprocess.Popen([BIN / "provider", "--delay", str(delay_ms)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline())
        self.url = f"http://127.0.0.1:{self.port}/v1"

    def _get(self, path):
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            link.request("GET", path)
            return json.loads(link.getresponse().read())
        finally:
            link.close()

    def stats(self):
        return self._get("/stats")

    def delay(self, ms):
        self._get(f"/delay/{ms}")

    def settings(self):
        return {"CHARD_AI_PROVIDER": "openai", "OPENAI_BASE_URL": self.url, "OPENAI_API_KEY": "sk-bench"}

    def close(self):
        self.process.stdin.close()
        self.process.wait(10)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
