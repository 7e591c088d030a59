# SPDX-License-Identifier: Apache-2.0
"""The two places where chard keeps messages and rows, for tests that must hold in both: servers, and one file."""

import pathlib

import amqp
import pytest

from .broker import Driver, FileQueues, properties

PLACES = ["servers", "file"]
everywhere = pytest.mark.parametrize("place", PLACES)  # for a test that must hold in both


class FileBroker(FileQueues):
    """The embedded broker's file by the words of support/queues.py."""

    def depth(self, queue):
        """What waits, and what a process had that is dead: it is anybody's, though nobody may have looked yet."""
        return sum(not pid or not pathlib.Path(f"/proc/{pid}").exists() for pid, in self.ask(
            "select s.pid from broker_entry e join broker_queue q on q.id = e.queue left join broker_session s on s.id = e.owner"
            " where q.name = ?", queue))

    def publish(self, exchange, routing_key, body, headers=None, **more):
        """Publishes bytes as they are, and waits for the confirm."""
        more = {"content_type": "application/json", "content_encoding": "utf-8", "delivery_mode": 2} | more
        driver = Driver(f"embedded:{self.path}")
        driver.send({"do": "publish", "exchange": exchange, "key": routing_key, "body_hex": body.hex(),
                     "properties": properties(application_headers=headers or {}, **more)})
        assert driver.results(1) == {0: "confirmed"}
        driver.close()

    def take(self, queue, count=None):
        """Takes `count` messages off, or all that wait, as amqp.Message objects."""
        with self.database() as database:
            database.execute("begin immediate")
            rows = database.execute("select m.id, m.properties, m.body from broker_entry e join broker_queue q on q.id = e.queue"
                                    " join broker_message m on m.id = e.id where q.name = ? and owner = 0 order by e.id limit ?",
                                    (queue, -1 if count is None else count)).fetchall()
            for table in "broker_entry", "broker_message":
                database.executemany(f"delete from {table} where id = ?", [row[:1] for row in rows])
            database.execute("commit")
        return [self._message(*row[1:]) for row in rows]

    @staticmethod
    def _message(properties, body):
        message = amqp.Message(body)
        message._load_properties(60, properties, 0)
        return message

    def delete_queue(self, queue):
        self._undeclare("delete from broker_queue where name = ?", queue)

    def delete_exchange(self, exchange):
        self._undeclare("delete from broker_exchange where name = ?", exchange)
        self._undeclare("delete from broker_binding where source = ?", exchange)

    def _undeclare(self, sql, name):
        with self.database() as database:
            database.execute(sql, (name,))
            database.execute("update broker_declared set version = version + 1")
