# SPDX-License-Identifier: Apache-2.0
"""`chard dev`: everything in one process, on one file, with no server."""

import json
import os
import pty
import re
import signal
import sqlite3
import subprocess

import pytest
from support.program import ROOT, Chard, die_with_parent, no_report

CHAT = ["submit", "chat", "user_id=u1", "text=Where does a milk carton go?", "lang=en"]


class Folder:
    """A folder in which somebody works."""

    def __init__(self, path):
        self.path = path
        self.chard = Chard(ROOT / "build/asan/chard")

    def run(self, *words, check=None, **options):
        done = subprocess.run([self.chard.binary, *map(str, words)], cwd=self.path, env=self.chard.environment(), capture_output=True,
                              text=True, timeout=60, stdin=subprocess.DEVNULL, preexec_fn=die_with_parent, **options)
        no_report(done.stderr)
        if check is not None:
            assert done.returncode == check, done.stderr
        return done

    def job(self, id):
        return json.loads(self.run("job", id, "--json", check=None).stdout)


class Dev:
    """A running `chard dev`: on a terminal, or not."""

    def __init__(self, folder, *words, terminal=False):
        self.folder, self.read = folder, None
        ours, theirs = pty.openpty() if terminal else (None, subprocess.PIPE)
        self.process = subprocess.Popen([folder.chard.binary, "dev", *words], cwd=folder.path, env=folder.chard.environment(), text=True,
                                        stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs, preexec_fn=die_with_parent)
        self.screen = ""
        if terminal:
            os.close(theirs)
            os.set_blocking(ours, False)
            self.read = ours

    def look(self):
        """What the screen has shown so far, without colours."""
        try:
            while chunk := os.read(self.read, 65536):
                self.screen += chunk.decode(errors="replace")
        except (BlockingIOError, OSError):
            pass
        return re.sub(r"\x1b\[[0-9;]*m", "", self.screen).replace("\r", "")

    def stop(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        if self.read is None:
            out, errors = self.process.communicate(timeout=60)
            no_report(errors)
            return self.process.returncode, out, errors
        status = self.process.wait(60)
        return status, self.look(), ""


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path)


@pytest.fixture
def dev(folder, wait_until):
    """Starts one, and ends it with the test."""
    made = []

    def make(*words, **options):
        made.append(Dev(folder, *words, **options))
        wait_until(lambda: folder.run("ping", f"chard@{os.uname().nodename}").returncode == 0, what="dev consumes")
        return made[-1]

    yield make
    for one in made:
        if one.process.poll() is None:
            assert one.stop()[0] == 0


def test_other_commands_find_it_without_flags(folder, dev):
    dev()
    done = folder.run(*CHAT, "--wait", 30, "--json", check=0)
    answer = json.loads(done.stdout)
    assert answer["state"] == "SUCCESS" and "carton" in json.dumps(answer["document"])
    assert folder.job(answer["id"])["state"] == "SUCCESS"
    types = [json.loads(line)["type"] for line in folder.run("events", "--json", check=0).stdout.splitlines()]
    assert types == ["ChatClassified", "ChatAnswered"]
    assert sorted(path.name for path in folder.path.iterdir() if not path.name.startswith("chard.db-")) == ["chard.db"]


def test_a_file_of_another_name_is_found_too(folder, dev):
    dev("--db", "team.db")
    assert json.loads(folder.run(*CHAT, "--wait", 30, "--json", check=0).stdout)["state"] == "SUCCESS"
    assert not (folder.path / "chard.db").exists()


def test_the_file_in_use_comes_first(folder, dev):
    folder.run("migrate", "--store-url", "sqlite:chard.db", "--broker-url", "embedded:chard.db", check=0)
    dev("--db", "team.sqlite")
    assert json.loads(folder.run(*CHAT, "--wait", 30, "--json", check=0).stdout)["state"] == "SUCCESS"


def test_two_such_files_are_both_named(folder):
    for name in "a.db", "b.db":
        folder.run("migrate", "--store-url", f"sqlite:{name}", "--broker-url", f"embedded:{name}", check=0)
    done = folder.run(*CHAT, check=2)
    assert "a.db" in done.stderr and "b.db" in done.stderr


def test_a_terminal_shows_each_job_step_by_step(folder, dev, wait_until):
    running = dev(terminal=True)
    job = jobs_id(folder.run(*CHAT, check=0))
    wait_until(lambda: "job done" in running.look())
    bad = jobs_id(folder.run("submit", "scan", "user_id=u1", "image_url=\x1b]0;title\x07nonsense", check=0))
    wait_until(lambda: bad[:8] in running.look())
    status, screen, _ = running.stop(signal.SIGINT)
    assert status == 0
    lines = [line for line in screen.splitlines() if job[:8] in line]
    assert [re.search(r"chat\.\w+", line)[0] for line in lines] == ["chat.classify"] * 2 + ["chat.answer"] * 2
    assert "job done" in lines[-1]
    assert "\x1b]" not in screen and "\x07" not in screen
    assert re.search(rf"{bad[:8]}.*scan\.vision.*✗ bad_image_url", screen)


def test_without_a_terminal_it_logs(folder, dev):
    running = dev()
    folder.run(*CHAT, "--wait", 30, check=0)
    status, out, log = running.stop()
    assert status == 0 and out == "" and "consuming" in log


def test_a_dead_letter_is_kept_and_sent_back(folder, dev, wait_until):
    dev()
    job = jobs_id(folder.run("submit", "scan", "user_id=u1", "image_url=nonsense", "--wait", 30, "--json", check=1))
    entries = wait_until(lambda: json.loads(folder.run("dlq", "ls", "--json", check=0).stdout)["entries"])
    assert [entry["code"] for entry in entries] == ["bad_image_url"]
    folder.run("dlq", "requeue", entries[0]["entry"], "--yes", check=0)
    wait_until(lambda: len(json.loads(folder.run("dlq", "ls", "--json", "--state", "any", check=0).stdout)["entries"]) == 2,
               what="it died once more")
    assert folder.job(job)["state"] == "FAILURE"


def test_several_workers_share_the_file(folder, dev, wait_until):
    dev()
    workers = [subprocess.Popen([folder.chard.binary, "worker", "-n", f"chard@{n}"], cwd=folder.path, env=folder.chard.environment(),
                                stderr=subprocess.DEVNULL, preexec_fn=die_with_parent) for n in range(2)]
    lines = "".join(json.dumps({"user_id": f"u{n}", "text": f"a milk carton {n}", "lang": "en"}) + "\n" for n in range(400))
    done = subprocess.run([folder.chard.binary, "submit", "chat", "--lines"], cwd=folder.path, env=folder.chard.environment(), text=True,
                          input=lines, capture_output=True, timeout=60)
    assert done.returncode == 0 and len(done.stdout.split()) == 400
    with sqlite3.connect(folder.path / "chard.db", timeout=20) as look:
        wait_until(lambda: look.execute("select count(*) from job where state = 'SUCCESS'").fetchone() == (400,), 60)
        assert look.execute("select count(*), sum(starts) from task").fetchone() == (800, 800)
        assert look.execute("select count(*) from outbox").fetchone() == (800,)
    for worker in workers:
        worker.terminate()
        assert worker.wait(30) == 0


def test_what_waits_goes_on_when_it_is_started_again(folder, dev, wait_until):
    first = dev()
    first.process.kill()
    first.process.communicate()
    job = jobs_id(folder.run(*CHAT, check=0))
    dev()
    wait_until(lambda: folder.run("job", job, "--json").stdout and folder.job(job)["state"] == "SUCCESS")


# --- what it is told wrong, and files that are not right ------------------------------------------------


@pytest.mark.parametrize("words, told", [
    (["surplus"], "surplus"),
    (["--port", "many"], "--port"),
    (["--db"], "needs a value"),
    (["--db", "postgresql://x/y"], "no file's name"),
    (["--db", ":memory:"], "no file's name"),
])
def test_a_mistake_is_named(folder, words, told):
    done = folder.run("dev", *words, check=2)
    assert told in done.stderr and list(folder.path.iterdir()) == []


def garbage(path):
    path.write_bytes(b"this is no database " * 500)


def foreign(path):
    with sqlite3.connect(path) as other:
        other.execute("create table mine (a)")


def newer(path):
    subprocess.run([ROOT / "build/asan/chard", "migrate", "--store-url", f"sqlite:{path}"], check=True, capture_output=True)
    with sqlite3.connect(path) as file:
        file.execute("update part set version = 99")


def content(path):
    """What a reader sees in it, wherever SQLite keeps it just now."""
    try:
        with sqlite3.connect(path) as file:
            return list(file.iterdump())
    except sqlite3.DatabaseError:
        return path.read_bytes()


@pytest.mark.parametrize("make, told", [(garbage, "chard.db"), (foreign, "some other program"), (newer, "99")])
def test_a_file_that_is_not_right_is_left_alone(folder, make, told):
    file = folder.path / "chard.db"
    make(file)
    before = content(file)
    done = folder.run("dev", check=2)
    assert len(done.stderr.strip().splitlines()) == 1 and told in done.stderr
    assert content(file) == before


def test_a_locked_file_is_waited_for_and_then_named(folder):
    folder.run("migrate", "--store-url", "sqlite:chard.db", "--broker-url", "embedded:chard.db", check=0)
    blocker = sqlite3.connect(folder.path / "chard.db", isolation_level=None)
    blocker.execute("begin immediate")
    done = folder.run("dev", "--connect-timeout-ms", 300, check=3)
    blocker.execute("rollback")
    blocker.close()
    told = [line for line in done.stderr.splitlines() if line.startswith("chard dev:")]
    assert len(told) == 1 and "chard.db" in told[0] and "lock" in told[0]


def test_a_folder_that_is_not_there(folder):
    done = folder.run("dev", "--db", "nowhere/chard.db", check=3)
    assert len(done.stderr.strip().splitlines()) == 1 and "nowhere" in done.stderr


def jobs_id(done):
    """The job that `chard submit` printed."""
    text = done.stdout.strip()
    return json.loads(text)["id"] if text.startswith("{") else text
