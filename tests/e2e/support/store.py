# SPDX-License-Identifier: Apache-2.0
"""The store's door, by way of tests/e2e/drivers/store_driver.c: verbs as dicts, answers as dicts. And a look behind it."""

import contextlib
import datetime
import json
import os
import pathlib
import re
import signal
import sqlite3
import subprocess
import threading

from .database import Database
from .program import OPTIONS, ROOT, die_with_parent, no_report, plain_environment
from .waiting import wait_until

DRIVERS = pathlib.Path(os.environ.get("CHARD_TEST_DRIVERS") or ROOT / "build/asan/tests/e2e/drivers")


def migrate(url):
    """Its lines and its last word."""
    done = subprocess.run([DRIVERS / "store_driver", "migrate", url], text=True, capture_output=True, timeout=60,
                          env=plain_environment() | OPTIONS, preexec_fn=die_with_parent)
    no_report(done.stderr)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return [line["said"] for line in lines[:-1]], lines[-1]


def now_us():
    return round(datetime.datetime.now(datetime.timezone.utc).timestamp() * 1000000)


def _begin():
    """In the driver, before it is one: a test may limit its files' size, and it sees an error then, not a signal."""
    die_with_parent()
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)


class Store:
    """One process with the store open. `ask` calls verbs together and waits for their answers; `send` only calls."""

    def __init__(self, url, owner="w1", mode="keep", answer_timeout_ms=0, env=None):
        self.answers, self.heard = {}, []
        self._serial = 0
        self.process = subprocess.Popen([DRIVERS / "store_driver", "open", url, owner, mode, str(answer_timeout_ms)],
                                        text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, env=plain_environment() | OPTIONS | (env or {}),
                                        preexec_fn=_begin)
        self._errors = []
        self._readers = [threading.Thread(target=self._read, daemon=True),
                         threading.Thread(target=lambda: self._errors.extend(self.process.stderr), daemon=True)]
        for reader in self._readers:
            reader.start()
        self.first = wait_until(lambda: self.heard and self.heard[0], what="the driver's first word")

    def _read(self):
        for line in self.process.stdout:
            answer = json.loads(line)
            if "n" in answer:
                self.answers[answer["n"]] = answer
            else:
                self.heard.append(answer)

    def send(self, *calls):
        """Calls verbs in one turn of the loop (if they fit into the pipe at once). Returns their numbers."""
        numbered = []
        for call in calls:
            self._serial += 1
            numbered.append(call | {"n": self._serial})
        self.process.stdin.write("".join(json.dumps(call) + "\n" for call in numbered))
        self.process.stdin.flush()
        return [call["n"] for call in numbered]

    def wait(self, numbers, deadline=30):
        wait_until(lambda: all(n in self.answers for n in numbers), deadline, "answers")
        return [self.answers[n] for n in numbers]

    def ask(self, *calls, deadline=30):
        return self.wait(self.send(*calls), deadline)

    def one(self, do, **fields):
        return self.ask({"do": do} | fields)[0]

    def up(self):
        return self.one("up")["up"]

    def changes(self):
        return [word["up"] for word in self.heard if word["heard"] == "changed"]

    def end(self, deadline=30):
        """The input ends: the driver must answer all, free all and exit 0."""
        if not self.process.stdin.closed:
            self.process.stdin.close()
        status = self.process.wait(deadline)
        for reader in self._readers:
            reader.join(5)
        errors = "".join(self._errors)
        no_report(errors)
        return status, errors

    def kill(self):
        self.process.kill()
        self.process.wait()


# --- what looks into a store, by a client that is not chard's -------------------------------------------


class PostgresTables(Database):
    """Asked in SQL that both databases understand, with %s for values."""

    name = "postgresql"
    refuses_nul = True  # jsonb does

    @contextlib.contextmanager
    def locked(self):
        """Nobody can write meanwhile."""
        with self.connect(autocommit=False) as blocker:
            blocker.execute("lock table chard.task")
            yield

    def overtake(self, writes, ask):
        """`ask` begins while these writes are not committed yet, and comes to where it must wait for them."""
        waits = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
        with self.connect(autocommit=False) as other:
            for write, *values in writes:
                other.execute(write, values)
            asked = ask()
            wait_until(lambda: self.value(waits) > 0, what="it waits for the other one")
        return asked

    def end_locks(self):
        """A dead process's locks end with its connection."""

    def free(self):
        """Nobody's transaction keeps others from writing: here rows are locked, not the whole."""
        return True


class SqliteTables:
    """The same questions asked of a file: `chard.` goes, times come as datetimes and JSON as what it says."""

    name = "sqlite"
    refuses_nul = False
    TIMES = {"created_at", "started_at", "finished_at", "updated_at", "lease_until", "due_at", "beat_at", "granted_at",
             "locked_until", "died_at", "kept_at", "at"}
    JSON = {"result", "error", "document", "payload", "fields", "value"}

    def __init__(self, url):
        self.path = url.removeprefix("sqlite:")

    @contextlib.contextmanager
    def connect(self):
        connection = sqlite3.connect(self.path, timeout=30, isolation_level=None)
        try:
            yield connection
        finally:
            connection.close()

    def rows(self, query, *values):
        query = re.sub(r"\bchard\.", "", query).replace("%s", "?").replace("%%", "%")
        with self.connect() as connection:
            cursor = connection.execute(query, [self._given(value) for value in values])
            names = [column[0] for column in cursor.description or ()]
            return [{name: self._read(name, value) for name, value in zip(names, row)} for row in cursor]

    def row(self, query, *values):
        found = self.rows(query, *values)
        assert len(found) == 1, f"{len(found)} rows, not one: {query}"
        return found[0]

    def value(self, query, *values):
        return next(iter(self.row(query, *values).values()))

    def run(self, query, *values):
        self.rows(query, *values)

    @staticmethod
    def _given(value):
        return round(value.timestamp() * 1000000) if isinstance(value, datetime.datetime) else value

    def _read(self, name, value):
        if name in self.TIMES and isinstance(value, int):
            return datetime.datetime.fromtimestamp(0, datetime.timezone.utc) + datetime.timedelta(microseconds=value)
        return json.loads(value) if name in self.JSON and value is not None else value

    def free(self):
        """Nobody is in a transaction that writes."""
        with self.connect() as asking:
            asking.execute("pragma busy_timeout = 0")
            with contextlib.suppress(sqlite3.OperationalError):
                asking.execute("begin immediate")
                return True
            return False

    @contextlib.contextmanager
    def locked(self):
        with self.connect() as blocker:
            blocker.execute("begin immediate")
            yield

    def overtake(self, writes, ask):
        """Here whoever writes waits for the other one from its beginning."""
        with self.connect() as other:
            other.execute("begin immediate")
            for write, *values in writes:
                other.execute(write.replace("chard.", "").replace("%s", "?"), [self._given(value) for value in values])
            asked = ask()
            other.execute("commit")
        return asked

    def end_locks(self):
        """They end within seconds of their owner's death; a test need not wait for it."""
        now = datetime.datetime.now(datetime.timezone.utc)
        for row in self.rows("select locked_until from scheduled where locked_until is not null"):
            assert (row["locked_until"] - now).total_seconds() <= 10
        self.run("update scheduled set locked_until = 1 where locked_until is not null")


class Backend:
    """An empty store of one kind: its URL, and what looks into it."""

    def __init__(self, url):
        self.url = url
        self.database = SqliteTables(url) if url.startswith("sqlite:") else PostgresTables(url)
        self.name = self.database.name
