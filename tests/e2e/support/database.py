# SPDX-License-Identifier: Apache-2.0
"""A short way to look into the store, by a client that is not chard's."""

import contextlib
import select
import threading

import psycopg
import psycopg.rows


class Database:
    """Each thread's questions go over a connection that stays: to make one costs both sides more than most questions do. It is made anew where
    the server has ended it."""

    def __init__(self, url):
        self.url = url
        self._kept = threading.local()

    @contextlib.contextmanager
    def connect(self, autocommit=True):
        """One of its own."""
        with self._open(autocommit) as connection:
            yield connection

    def rows(self, query, *values):
        """What it answers, a dict a row."""
        cursor = self._connection().execute(query, values)
        return cursor.fetchall() if cursor.description else []

    def row(self, query, *values):
        found = self.rows(query, *values)
        assert len(found) == 1, f"{len(found)} rows, not one: {query}"
        return found[0]

    def value(self, query, *values):
        return next(iter(self.row(query, *values).values()))

    def run(self, query, *values):
        self.rows(query, *values)

    def close(self):
        """This thread's connection; the next question makes another."""
        self._kept.connection = None

    def _open(self, autocommit):
        return psycopg.connect(self.url, autocommit=autocommit, row_factory=psycopg.rows.dict_row, connect_timeout=10,
                               prepare_threshold=None)  # a plan would not outlive a migration

    def _connection(self):
        kept = getattr(self._kept, "connection", None)
        if kept is None or not kept.is_good():
            kept = self._kept.connection = Kept(self._open(autocommit=True))
        return kept.connection


class Kept:
    """A connection that is closed when nobody has it any more."""

    def __init__(self, connection):
        self.connection = connection

    def is_good(self):
        """A server that ends a connection says so, or the system does: there is something to read where nothing was asked."""
        return not self.connection.closed and not select.select([self.connection.fileno()], [], [], 0)[0]

    def __del__(self):
        self.connection.close()
