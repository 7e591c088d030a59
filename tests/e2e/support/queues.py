# SPDX-License-Identifier: Apache-2.0
"""A short way to look into the broker and to put raw messages there, by a client that is not chard's."""

import contextlib
import select
import urllib.parse

import amqp


class Queues:
    """One connection for each call, so that it works again after a broker was restarted; with `keep` one for all that only look, for which
    RabbitMQ works harder than for what it is asked: until close()."""

    def __init__(self, url, keep=False):
        self.url, self.keep = url, keep
        self._connection = self._channel = None

    def _connect(self):
        parts = urllib.parse.urlsplit(self.url)
        connection = amqp.Connection(
            host=f"{parts.hostname}:{parts.port}", userid=parts.username, password=parts.password,
            virtual_host=urllib.parse.unquote(parts.path[1:]), confirm_publish=True, connect_timeout=10)
        connection.connect()
        return connection

    @staticmethod
    def _open(connection):
        channel = connection.channel()
        channel.auto_decode = False  # a body is bytes, whatever its content_encoding says
        return channel

    @contextlib.contextmanager
    def channel(self):
        """One of its own."""
        connection = self._connect()
        try:
            yield self._open(connection)
            connection.close()
        finally:
            connection.collect()  # a polite close never ends while the broker blocks publishers

    @contextlib.contextmanager
    def _looking(self):
        if not self.keep:
            with self.channel() as channel:
                yield channel
            return
        # What the broker says unasked is that it blocks or closes this connection.
        if not self._connection or not self._connection.connected or select.select([self._connection.sock], [], [], 0)[0]:
            self.close()
            self._connection = self._connect()
        if not self._channel or not self._channel.is_open:
            self._channel = self._open(self._connection)
        try:
            yield self._channel
        except amqp.ChannelError:  # which closes the channel alone
            raise
        except BaseException:
            self.close()
            raise

    def close(self):
        if self._connection:
            self._connection.collect()
        self._connection = self._channel = None

    def depth(self, queue):
        """Messages that wait in it, without those delivered and not yet acked."""
        with self._looking() as channel:
            return channel.queue_declare(queue, passive=True).message_count

    def consumers(self, queue):
        with self._looking() as channel:
            return channel.queue_declare(queue, passive=True).consumer_count

    def exists(self, queue):
        try:
            self.depth(queue)
            return True
        except amqp.NotFound:
            return False

    def publish(self, exchange, routing_key, body, headers=None, **properties):
        """Publishes bytes as they are, mandatory, and waits for the confirm."""
        properties = {"content_type": "application/json", "content_encoding": "utf-8", "delivery_mode": 2} | properties
        message = amqp.Message(body, application_headers=headers or {}, **properties)
        with self.channel() as channel:
            returned = []
            channel.events["basic_return"].add(lambda *arguments: returned.append(arguments))
            channel.basic_publish(message, exchange=exchange, routing_key=routing_key, mandatory=True, timeout=20)
            assert not returned, f"no queue takes {exchange!r} {routing_key!r}"

    def take(self, queue, count=None):
        """Takes `count` messages off, or all that wait, as amqp.Message objects."""
        taken = []
        with self._looking() as channel:
            while count is None or len(taken) < count:
                message = channel.basic_get(queue, no_ack=True)
                if message is None:
                    break
                taken.append(message)
        return taken

    def delete_queue(self, queue):
        with self.channel() as channel:
            channel.queue_delete(queue)

    def delete_exchange(self, exchange):
        with self.channel() as channel:
            channel.exchange_delete(exchange)

    def purge(self, queue):
        with self._looking() as channel:
            return channel.queue_purge(queue)
