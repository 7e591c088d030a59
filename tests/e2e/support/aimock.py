# SPDX-License-Identifier: Apache-2.0
"""The npm package @copilotkit/aimock as the OpenAI endpoint: a judge that was not written here.

It is run by the Node.js that npm installed beside it, because Debian's is too old (see tests/package.json)."""

import http.client
import json
import pathlib
import subprocess

from .program import ROOT, die_with_parent
from .waiting import wait_until

MODULES = ROOT / "build/node/node_modules"
KEY = "sk-aimock-key"


def node():
    """Not every npm makes a link in .bin for a program named node: Debian's does not."""
    return next(MODULES.glob("node-linux-*/bin/node"), "node")


class Aimock:
    """`fixtures` are aimock's own: [{"match": {"userMessage": "…"}, "response": {"content": "…"}}, …]; the
    first that matches answers, {"match": {}} matches all. `config` is merged into its configuration's "llm"."""

    def __init__(self, folder, port, fixtures=(), key=KEY, **config):
        self.port, self.key = port, key
        fixture_file = pathlib.Path(folder, "aimock-fixtures.json")
        fixture_file.write_text(json.dumps({"fixtures": list(fixtures)}))
        config_file = pathlib.Path(folder, "aimock.json")
        config_file.write_text(json.dumps({
            "host": "127.0.0.1", "port": port, "auth": {"apiKeys": [key]},
            "llm": {"fixtures": str(fixture_file), "logLevel": "warn"} | config}))
        self._log = pathlib.Path(folder, "aimock.log")
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [node(), MODULES / ".bin/aimock", "--config", config_file, "--port", str(port)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=die_with_parent)
        wait_until(self._answers, 30, "aimock ready to serve")

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/v1"

    def settings(self):
        return {"CHARD_AI_PROVIDER": "openai", "OPENAI_BASE_URL": self.url, "OPENAI_API_KEY": self.key}

    def add(self, *fixtures):
        """More fixtures, after those that are there."""
        self._control("POST", "fixtures", {"fixtures": list(fixtures)})

    def journal(self):
        """All requests so far, with what was asked and answered."""
        return self._control("GET", "journal")

    def reset(self):
        """No fixtures, no journal."""
        self._control("POST", "reset", {})

    def close(self):
        self._process.kill()
        self._process.wait()

    def _answers(self):
        assert self._process.poll() is None, self._log.read_text()
        try:
            return self._control("GET", "health") is not None
        except OSError:
            return False

    def _control(self, method, path, body=None):
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        link.request(method, f"/__aimock/{path}", None if body is None else json.dumps(body),
                     {"Content-Type": "application/json", "Authorization": f"Bearer {self.key}"})
        answer = link.getresponse()
        text = answer.read()
        assert answer.status < 300, f"aimock: {method} {path}: {answer.status} {text[:500]}"
        return json.loads(text) if text else {}
