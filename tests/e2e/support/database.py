# SPDX-License-Identifier: Apache-2.0
"""A short way to look into the store, by a client that is not chard's."""

import contextlib

import psycopg
import psycopg.rows


class Database:
    def __init__(self, url):
        self.url = url

    @contextlib.contextmanager
    def connect(self, autocommit=True):
        with psycopg.connect(self.url, autocommit=autocommit, row_factory=psycopg.rows.dict_row,
                             connect_timeout=10) as connection:
            yield connection

    def rows(self, query, *values):
        """What it answers, a dict a row."""
        with self.connect() as connection:
            cursor = connection.execute(query, values)
            return cursor.fetchall() if cursor.description else []

    def row(self, query, *values):
        found = self.rows(query, *values)
        assert len(found) == 1, f"{len(found)} rows, not one: {query}"
        return found[0]

    def value(self, query, *values):
        return next(iter(self.row(query, *values).values()))

    def run(self, query, *values):
        self.rows(query, *values)
