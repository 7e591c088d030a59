# SPDX-License-Identifier: Apache-2.0
"""A TCP link that a test can break in the ways that networks break."""

import asyncio
import contextlib
import socket
import struct
import urllib.parse

CHUNK = 65536
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: closing sends RST instead of FIN


class Toxic:
    """Forwards connections on `port` of 127.0.0.1 to `host` and `target_port`. Made by the `toxic` fixture."""

    def __init__(self, loop, host, target_port):
        self._loop = loop
        self.target = (host, target_port)
        self.accepted = 0
        self.port = None
        self._delay = 0.0
        self._links = []  # of each connection its writers: towards the client, and the server's once it is there
        self._server = None
        self._forth, self._back, self._whole = (asyncio.Event() for _ in range(3))
        for gate in (self._forth, self._back, self._whole):
            gate.set()
        loop.run(self._start())

    def url(self, url):
        """The same address by way of this link."""
        parts = urllib.parse.urlsplit(url)
        login = parts.netloc.rpartition("@")[0]
        netloc = f"{login}@127.0.0.1:{self.port}" if login else f"127.0.0.1:{self.port}"
        return parts._replace(netloc=netloc).geturl()

    # --- what a test does to it -----------------------------------------------------------------------

    def cut(self):
        """Every connection is reset. New ones are accepted."""
        self._loop.run(self._cut())

    def refuse(self):
        """Every connection is reset, and new ones are refused until heal()."""
        self._loop.run(self._refuse())

    def half_open(self):
        """Nothing passes any more, old connections and new, yet none is closed: what a pulled cable looks
        like to both ends. What is sent meanwhile is taken, and passes after heal()."""
        self._loop.run(self._shut(self._forth, self._back))

    def mute(self):
        """What the client sends passes, what the server answers does not, until heal()."""
        self._loop.run(self._shut(self._back))

    def abandon(self):
        """The server's ends are reset, the client's stay open and silent until heal(): what a client sees of a host that lost its
        power, or a firewall that forgot. New connections pass."""
        self._loop.run(self._abandon())

    def delay(self, seconds):
        """Everything takes this much longer, each way. The order stays."""
        self._delay = seconds

    def heal(self):
        self._delay = 0.0
        self._loop.run(self._heal())

    def connections(self):
        return len(self._links)

    def close(self):
        self._loop.run(self._refuse())

    # --- how: everything below runs on the loop -------------------------------------------------------

    async def _start(self):
        listener = socket.create_server(("127.0.0.1", self.port or 0), backlog=4096)
        self.port = listener.getsockname()[1]
        self._server = await asyncio.start_server(self._accept, sock=listener)

    async def _accept(self, reader, writer):
        self.accepted += 1
        writers = [writer]
        self._links.append(writers)
        try:
            await self._forth.wait()
            far_reader, far_writer = await asyncio.open_connection(*self.target)
            writers.append(far_writer)
            pumps = [asyncio.ensure_future(self._pump(reader, far_writer, self._forth)),
                     asyncio.ensure_future(self._pump(far_reader, writer, self._back))]
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            for pump in pumps:
                pump.cancel()
            await self._whole.wait()
        except OSError:
            pass
        finally:
            self._end(writers)

    async def _pump(self, reader, writer, gate):
        """Carries one direction until its end. A delay is a queue, so that it costs no throughput."""
        late = asyncio.Queue()
        carrier = asyncio.ensure_future(self._carry(late, writer, gate))
        try:
            while chunk := await reader.read(CHUNK):
                late.put_nowait((asyncio.get_running_loop().time() + self._delay, chunk))
                await gate.wait()
            late.put_nowait(None)
            await carrier
        except OSError:
            pass
        finally:
            carrier.cancel()

    async def _carry(self, late, writer, gate):
        with contextlib.suppress(OSError):
            while entry := await late.get():
                due, chunk = entry
                await asyncio.sleep(max(0.0, due - asyncio.get_running_loop().time()))
                await gate.wait()
                writer.write(chunk)
                await writer.drain()

    def _end(self, writers, reset=False):
        for writer in writers:
            sock = writer.get_extra_info("socket")
            if reset and sock is not None and sock.fileno() >= 0:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                writer.transport.abort()
            else:
                writer.close()
        if writers in self._links:
            self._links.remove(writers)

    async def _shut(self, *gates):
        for gate in gates:
            gate.clear()

    async def _abandon(self):
        self._whole.clear()
        for _, *far in list(self._links):
            for writer in far:
                writer.transport.abort()

    async def _cut(self):
        for writers in list(self._links):
            self._end(writers, reset=True)

    async def _refuse(self):
        if self._server:
            self._server.close()
            self._server = None
        await self._cut()

    async def _heal(self):
        for gate in (self._forth, self._back, self._whole):
            gate.set()
        if self._server is None:
            await self._start()
