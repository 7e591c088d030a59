# SPDX-License-Identifier: Apache-2.0
"""The store's door, by way of tests/e2e/drivers/store_driver.c: verbs as dicts, answers as dicts."""

import json
import os
import pathlib
import subprocess
import threading

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


class Store:
    """One process with the store open. `ask` calls verbs together and waits for their answers; `send` only calls."""

    def __init__(self, url, owner="w1", mode="keep", answer_timeout_ms=0, env=None):
        self.answers, self.heard = {}, []
        self._serial = 0
        self.process = subprocess.Popen([DRIVERS / "store_driver", "open", url, owner, mode, str(answer_timeout_ms)],
                                        text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, env=plain_environment() | OPTIONS | (env or {}),
                                        preexec_fn=die_with_parent)
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
