# SPDX-License-Identifier: Apache-2.0
"""As much of an HTTP/1.1 server as the provider double needs: small enough to hold 20,000 connections."""

import asyncio
import json
import time


class Request:
    """`number` counts from 1 in order of arrival; `at` is time.monotonic() when its last byte came."""

    def __init__(self, number, head, body):
        lines = head.decode("latin-1").split("\r\n")
        self.method, self.path, _ = lines[0].split(" ", 2)
        pairs = (line.split(":", 1) for line in lines[1:] if ":" in line)
        self.headers = {name.strip().lower(): value.strip() for name, value in pairs}
        self.body = body
        self.number = number
        self.at = time.monotonic()
        self._json = None

    @property
    def json(self):
        if self._json is None:
            self._json = json.loads(self.body)
        return self._json


class Reply:
    """What to answer. `body` is bytes, text, or a value that is sent as JSON. `delay`, in seconds, comes first.
    `hang` keeps the connection open and never answers; `cut` closes it after that many bytes of the answer."""

    def __init__(self, body=b"", status=200, headers=None, delay=0.0, hang=False, cut=None):
        self.body, self.status, self.headers = body, status, dict(headers or {})
        self.delay, self.hang, self.cut = delay, hang, cut

    def encode(self):
        body = self.body
        if not isinstance(body, (bytes, str)):
            body = json.dumps(body, ensure_ascii=False)
            self.headers.setdefault("Content-Type", "application/json")
        if isinstance(body, str):
            body = body.encode()
        lines = [f"HTTP/1.1 {self.status} Status", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


class HttpProtocol(asyncio.Protocol):
    """One connection. `owner` has connected(protocol), lost(protocol), and answer(protocol, head, body),
    which sees to it that send(reply) is called once for each request."""

    def __init__(self, owner):
        self.owner = owner
        self.transport = None
        self._buffer = bytearray()
        self._want = None  # bytes of the whole request, once its head is there
        self._head = b""

    def connection_made(self, transport):
        self.transport = transport
        self.owner.connected(self)

    def connection_lost(self, _error):
        self.owner.lost(self)

    def data_received(self, data):
        self._buffer += data
        while self._take_request():
            pass

    def _take_request(self):
        if self._want is None and not self._take_head():
            return False
        if len(self._buffer) < self._want:
            return False
        body = bytes(self._buffer[: self._want])
        del self._buffer[: self._want]
        self._want = None
        self.owner.answer(self, self._head, body)
        return True

    def _take_head(self):
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return False
        self._head = bytes(self._buffer[:end])
        del self._buffer[: end + 4]
        self._want = 0
        for line in self._head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                self._want = int(line[15:])
            elif line.startswith(b"expect: 100-continue"):
                self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        return True

    def send(self, reply):
        if self.transport.is_closing() or reply.hang:
            return
        data = reply.encode()
        if reply.cut is None:
            self.transport.write(data)
        else:
            self.transport.write(data[: reply.cut])
            self.transport.close()
