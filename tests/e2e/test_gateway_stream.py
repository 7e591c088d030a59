# SPDX-License-Identifier: Apache-2.0
"""A job's steps as server-sent events: live, each once, and on again where a client left off; on servers and on one file."""

import http.client
import json
import threading

import pytest
from support.gateway import Gateway
from support.place import PLACES

place = pytest.fixture(params=PLACES)(lambda request: request.param)


@pytest.fixture
def gateway(chard, place):
    chard.prepare()
    with Gateway(chard) as one:
        yield one


class Events:
    """A stream as a browser reads it: `heard` is [(id, event, data)], until the other side ends it or `most` have come."""

    def __init__(self, gateway, job, after=None, most=None):
        self.connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=60)
        self.connection.request("GET", f"/v1/jobs/{job}/events", headers={"Last-Event-ID": after} if after else {})
        self.reply = self.connection.getresponse()
        self.heard, self.comments, self.most = [], 0, most
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        fields = {}
        for line in self.reply:
            line = line.decode().rstrip("\n")
            if line.startswith(":"):
                self.comments += 1
            elif line:
                name, _, value = line.partition(": ")
                fields[name] = value
            elif "data" in fields:
                self.heard.append((fields["id"], fields["event"], json.loads(fields["data"])))
                fields = {}
            if self.most and len(self.heard) >= self.most:
                break
        self.connection.close()

    def all(self, deadline=60):
        self.reader.join(deadline)
        assert not self.reader.is_alive(), f"still open after {self.heard}"
        return self.heard


def test_a_job_is_followed_live_to_its_end(chard, gateway, wait_until):
    job = gateway.submit()
    events = [Events(gateway, job) for _ in range(3)]
    assert {one.reply.status for one in events} == {200}
    headers = events[0].reply.headers
    assert headers["Content-Type"] == "text/event-stream" and headers["Cache-Control"] == "no-store" and headers["X-Accel-Buffering"] == "no"
    with chard.worker():
        heard = [one.all() for one in events]
    assert heard[0] == heard[1] == heard[2]
    ids, kinds, datas = zip(*heard[0])
    assert list(ids) == [str(n) for n in range(1, len(ids))] + [f"{len(ids) - 1}-end"]
    assert kinds[-2:] == ("job", "end") and datas[-1] == {"state": "SUCCESS"}
    states = {(data["name"], data["state"]) for kind, data in zip(kinds, datas) if kind == "task"}
    assert {("chat.classify", "SUCCESS"), ("chat.answer", "SUCCESS")} <= states
    again = Events(gateway, job, after=ids[-1])
    assert again.reply.status == 204
    for n in (1, len(ids) - 2, len(ids) - 1):
        assert Events(gateway, job, after=str(n)).all() == heard[0][n:]


def test_a_client_goes_on_at_another_gateway(chard, gateway):
    job = gateway.submit()
    with chard.worker():
        first = Events(gateway, job, most=2).all()
        with Gateway(chard) as other:
            rest = Events(other, job, after=first[-1][0]).all()
    assert [id for id, *_ in first + rest][:-1] == [str(n) for n in range(1, len(first + rest))] and rest[-1][1] == "end"


def test_a_stream_ends_with_the_server(gateway):
    idle = Events(gateway, "none")
    gateway.terminate()
    assert idle.all(20) == []


@pytest.mark.parametrize("place", ["file"])
def test_a_quiet_stream_gives_signs_of_life(gateway, wait_until):
    idle = Events(gateway, "none")
    wait_until(lambda: idle.comments, 20, "a comment")
    gateway.terminate()
    assert idle.all(20) == []


def test_a_bad_place_to_go_on_from_is_refused(gateway):
    for after in "x", "-1", "1-ends", "9" * 30:
        done = gateway.get("/v1/jobs/none/events", headers={"Last-Event-ID": after})
        assert (done.status, done.json["code"]) == (400, "bad_parameter"), after


def test_streams_that_clients_left_are_let_go(chard, gateway, wait_until):
    job = gateway.submit()
    for _ in range(20):
        Events(gateway, job, most=0).connection.sock.close()
    with chard.worker():
        assert Events(gateway, job).all()[-1][1] == "end"
