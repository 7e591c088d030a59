# SPDX-License-Identifier: Apache-2.0
"""SIGKILLs at random moments under load, on one file: nothing lost, nothing doubled."""

import json
import random
import subprocess
import time

import pytest
from support.place import FileBroker
from support.program import ROOT, Chard, die_with_parent
from support.store import SqliteTables
from support.volume import volume

KILLS = volume(40, 80)
WORKERS = ["chard@one", "chard@two"]
SETTINGS = {
    "CHARD_AI_PROVIDER": "offline",
    "CHARD_DEADLINE_MS": "1000",  # a lease that a dead one has left ends soon
    "CHARD_LEASE_SLACK_MS": "300",
    "CHARD_MAX_STARTS": "1000",  # none of these tasks is poison
    "CHARD_SLOTS": "100",
    "CHARD_LOG_LEVEL": "warn",
}


class Crowd:
    """Two workers and a submitter on one file, each of which may die at any time."""

    def __init__(self, file, log):
        self.chard = Chard(ROOT / "build/chard", SETTINGS | {"CHARD_BROKER_URL": f"embedded:{file}", "CHARD_STORE_URL": f"sqlite:{file}"})
        self.chard.prepare()
        self.log = log
        self.running = {name: self._start("worker", "-n", name) for name in WORKERS}
        self.submitter = None
        self.confirmed, self.serial = set(), 0

    def _start(self, *words, **options):
        return subprocess.Popen([self.chard.binary, *words], env=self.chard.environment(), stderr=self.log,
                                preexec_fn=die_with_parent, **options)

    def kill(self, who):
        """And start it again. Of what a submitter printed, all must come to its end."""
        if who in self.running:
            self.running[who].kill()
            self.running[who].wait()
            self.running[who] = self._start("worker", "-n", who)
            return
        if self.submitter:
            self.submitter.kill()
            self.hear()
        lines = []
        for _ in range(60):
            self.serial += 1
            lines.append(json.dumps({"user_id": f"u{self.serial}", "text": f"a milk carton {self.serial}", "lang": "en"}) + "\n")
        self.submitter = self._start("submit", "chat", "--lines", stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.submitter.stdin.write("".join(lines))
        self.submitter.stdin.flush()  # open, so that it lives until it is killed

    def hear(self):
        self.submitter.stdin.close()
        self.confirmed |= {line.strip() for line in self.submitter.stdout if line.endswith("\n")}
        self.submitter.wait()

    def consumes(self):
        return all(self.chard.run("ping", name).returncode == 0 for name in WORKERS)

    def end(self):
        for process in self.running.values():
            process.terminate()
        assert [process.wait(60) for process in self.running.values()] == [0, 0]


@pytest.mark.volume
def test_many_kills(tmp_path, wait_until):
    file, chance = tmp_path / "chard.db", random.Random()
    seed = time.time_ns()
    chance.seed(seed)
    print(f"seed {seed}")
    with open(tmp_path / "log", "w", encoding="utf-8") as log:
        crowd = Crowd(file, log)
        tables, broker = SqliteTables(f"sqlite:{file}"), FileBroker(file)
        crowd.kill("submitter")
        for _ in range(KILLS):
            time.sleep(chance.uniform(0, 0.12))  # the moment of the next death: what is being tested, not a wait for anything
            crowd.kill(chance.choice([*WORKERS, "submitter"]))
        crowd.hear()
        wait_until(crowd.consumes, 30, "both workers consume")

        def open_work():
            return (tables.value("select count(*) from scheduled"), broker.ask("select count(*) from broker_entry")[0][0],
                    tables.value("select count(*) from job where state <> 'SUCCESS'"))

        wait_until(lambda: open_work() == (0, 0, 0), 60, "all work is done")
        crowd.end()
    done = {row["root_id"] for row in tables.rows("select root_id from job where state = 'SUCCESS'")}
    assert len(crowd.confirmed) > 2 * KILLS and crowd.confirmed <= done, f"lost: {crowd.confirmed - done}"
    assert tables.value("select count(*) from outbox") == 2 * len(done) == tables.value("select count(*) from event")
    assert tables.value("select count(*) from (select distinct aggregateid, type from outbox)") == 2 * len(done)
    with tables.connect() as connection:
        assert connection.execute("pragma integrity_check").fetchall() == [("ok",)]
    assert "error" not in (tmp_path / "log").read_text(), (tmp_path / "log").read_text()[-3000:]
