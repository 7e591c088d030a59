# SPDX-License-Identifier: Apache-2.0
"""docs/adding-a-task.md works as it stands: followed on a copy of the tree, built, tested, and its worker run."""

import json
import subprocess
import sys

import pytest
from support import jobs
from support.program import ROOT, Chard


@pytest.fixture(scope="session")
def followed(tmp_path_factory):
    """The copy on which the page was followed, and what its commands printed."""
    folder = tmp_path_factory.mktemp("seventh")
    done = subprocess.run([sys.executable, ROOT / "scripts/check-seventh-task", folder], capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, timeout=1100)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder, done.stdout


@pytest.mark.timeout(1200)
def test_the_page_builds_and_its_table_passes(followed):
    _, output = followed
    assert "[  PASSED  ] 3 test(s)." in output
    assert "all well" in output


@pytest.mark.timeout(1200)
def test_a_worker_with_the_seventh_task_runs_it(followed, chard, database):
    folder, _ = followed
    seventh = Chard(folder / "build/chard", chard.settings)
    seventh.binary = folder / "build/chard"  # this build, whichever the others are tried with
    seventh.prepare()
    with seventh.worker():
        done = seventh.run("submit", "chat", "user_id=user-1", "lang=en", "text=Where do milk cartons go?", "--wait", "30",
                           "--json", check=0)
        found = json.loads(done.stdout)
    assert found["state"] == "SUCCESS"
    assert found["document"]["title"] == {"text": "Where do milk cartons go?"}
    assert [name for name, _ in jobs.outbox(database, found["id"])] == ["ChatClassified", "ChatAnswered", "ChatTitled"]
    tasks = database.rows("select name, state from chard.task where root_id = %s order by created_at", found["id"])
    assert [(task["name"], task["state"]) for task in tasks] == [
        ("chat.classify", "SUCCESS"), ("chat.answer", "SUCCESS"), ("chat.title", "SUCCESS")]
