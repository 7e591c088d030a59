# SPDX-License-Identifier: Apache-2.0
"""A running gateway, and a client that sends what it is told to, well formed or not."""

import concurrent.futures
import contextlib
import http.client
import json
import re
import socket

from .program import no_report
from .waiting import wait_until


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)


class Gateway:
    """`chard gateway` (or another `command` that has one) on a free port, until the `with` ends; it must then end with 0 and leave no sanitizer report. `tls`: the context of its clients, where it speaks TLS."""

    tls = None

    def __init__(self, chard, *flags, listen="127.0.0.1:0", tls=None, command=None, **settings):
        self.tls = tls
        self.process = chard.with_settings(**settings).start(*(command or ("gateway", "--listen", listen)), *flags)
        self.port = int(self.process.wait_log(r"listens on .*, port (\d+)")[1])
        wait_until(lambda: self.get("/readyz").json["status"] == "ready", what="the gateway is ready")
        self.told_to_end = False

    def terminate(self):
        """A second time would have it end at once, which is no end in order."""
        if not self.told_to_end and self.process.running():
            self.process.terminate()
        self.told_to_end = True

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        self.terminate()
        status = self.process.wait(60)
        if kind:
            self.process.show()
            return
        assert status == 0, self.process.stderr[-4000:]
        no_report(self.process.stderr)

    def connect(self, timeout=60):
        """By TLS where it was opened with a context for it."""
        if self.tls:
            return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=timeout, context=self.tls)
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)

    def ask(self, method, target, body=None, headers=None, timeout=60):
        """One request on a connection of its own. A body that is no bytes is sent as JSON."""
        connection = self.connect(timeout)
        headers = dict(headers or {})
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        if body is not None:
            headers.setdefault("Content-Type", "application/json")
        try:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it may answer before it has read a body that is too long
                connection.request(method, target, body, headers)
            reply = connection.getresponse()
            return Answer(reply.status, reply.headers, reply.read())
        finally:
            connection.close()

    def get(self, target, **options):
        return self.ask("GET", target, **options)

    def post(self, target, body, **options):
        return self.ask("POST", target, body, **options)

    def raw(self, data, timeout=20, end=True, closes=False):
        """Sends bytes as they are; returns all that came until the other side closed, or said nothing more: `closes` says that it must close."""
        with socket.create_connection(("127.0.0.1", self.port), timeout) as link:
            link.sendall(data)
            if end:
                link.shutdown(socket.SHUT_WR)
            got = b""
            try:
                while chunk := link.recv(65536):
                    got += chunk
            except ConnectionResetError:
                pass
            except TimeoutError:
                assert not closes, f"it is still open after {timeout} s; {got!r}"
            return got

    def statuses(self, data, **options):
        """Of all answers to these bytes."""
        return [int(status) for status in re.findall(rb"^HTTP/1\.1 (\d+)", self.raw(data, **options), re.M)]

    def submit(self, pipeline="chat", **values):
        """A job's id."""
        done = self.post("/v1/jobs", {"pipeline": pipeline, "input": {"user_id": "u1", "lang": "en", "text": "a milk carton"} | values})
        assert done.status == 202, done.body
        return done.json["id"]


def send_many(gateway, send, whats, kill_at=None):
    """What `send` answers for each of these, sixteen at a time; once so many were answered the gateway is killed, and those that it no longer answers are left out."""
    heard = {}

    def one(what):
        try:
            heard[what] = send(what)
        except OSError:
            pass
        if kill_at is not None and len(heard) >= kill_at:
            gateway.process.kill()

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        list(pool.map(one, whats))
    return heard
