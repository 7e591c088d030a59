# SPDX-License-Identifier: Apache-2.0
"""F1: a job that is followed live from another process."""

import json
import subprocess
from datetime import datetime

from .figures import Figure, Goal
from .processes import Failed
from .stage import CHARD, ROOT

FOLLOW = ROOT / "build/release/tests/e2e/drivers/jobs_driver"
QUEUES = "chat.classify,chat.answer"
NO_RAW = {"raw": "there is no ceiling beside it: what is measured is a wait", "peer": "Celery tells its events to monitors, and keeps none to come back to"}


class F1:
    """From a step's row to its being told in another process, which follows all jobs at once."""

    def __init__(self, plan):
        self.count = plan.size(200, 20)
        note = f"{self.count} chat jobs of seven steps each, offline; a step's own time in its row, to the other process's clock; 95th percentile"
        self.late = {place: Figure(f"F1.{place}", f"a step shows in another process, {where}", "ms", Goal("at_most", 50), more=False,
                                   note=note, **NO_RAW) for place, where in {"servers": "PostgreSQL", "file": "one file"}.items()}
        self.figures = list(self.late.values())

    def round(self, stage):
        file = stage.folder / "follow.db"
        for path in stage.folder.glob("follow.db*"):
            path.unlink()
        stage.fresh_database()
        self.late["servers"].add("chard", self._p95(stage, {}))
        self.late["file"].add("chard", self._p95(stage, {"CHARD_BROKER_URL": f"embedded:{file}", "CHARD_STORE_URL": f"sqlite:{file}"}))

    def _p95(self, stage, env):
        env = stage.settings | env
        if env["CHARD_STORE_URL"].startswith("sqlite:"):
            stage.run([CHARD, "migrate"], env)
            stage.run([CHARD, "topology", "apply", "-Q", QUEUES], env)
        inputs = stage.folder / "follow.jsonl"
        inputs.write_text("".join(json.dumps({"user_id": f"u{n}", "text": f"a milk carton {n}", "lang": "en"}) + "\n" for n in range(self.count)))
        with open(inputs, encoding="utf-8") as lines:
            done = subprocess.run([CHARD, "submit", "chat", "--lines"], env=env, stdin=lines, capture_output=True, text=True, timeout=60)
        ids = done.stdout.split()
        if len(ids) != self.count:
            raise Failed(f"{len(ids)} of {self.count} jobs were submitted: {done.stderr[-400:]}")
        with subprocess.Popen([FOLLOW, env["CHARD_STORE_URL"]], text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as following:
            following.stdin.write("".join(f"{job} 0\n" for job in ids))
            following.stdin.close()
            following.stdout.readline()
            with stage.worker("-Q", QUEUES, "-c", 1, env=env) as worker:
                steps = [json.loads(line) for line in following.stdout]
                worker.end()
        late = sorted(step["heard_ms"] - datetime.fromisoformat(step["at"]).timestamp() * 1000 for step in steps)
        return late[len(late) * 95 // 100]
