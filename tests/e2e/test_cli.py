# SPDX-License-Identifier: Apache-2.0
"""The command line: help, exit codes, and what mistakes are told."""

import json
import subprocess

import pytest
from support import jobs
from support.place import everywhere

COMMANDS = ["dev", "worker", "key", "submit", "send", "try", "status", "top", "doctor", "job", "jobs", "trace", "cancel", "ping", "topology", "migrate", "events", "cdc", "scheduled", "move", "help", "version"]


@pytest.mark.parametrize("name", COMMANDS)
def test_help_has_an_example(chard_bare, name):
    done = chard_bare.run(name, "--help", check=0)
    assert done.stdout.startswith(f"usage: chard {name}")
    assert f"  chard {name}" in done.stdout.split("example:")[1]
    assert done.stderr == ""


@pytest.mark.parametrize("words, told", [
    (["wroker"], "worker"),
    (["worker", "--brokr-url", "x"], "--broker-url"),
    (["worker", "--slots=abc"], "whole number"),
    (["worker", "--slots=0"], "range"),
    (["worker", "--slots"], "needs a value"),
    (["worker", "--log-level", "infos"], "info"),
    (["worker", "-Q", "scan.visoin"], "scan.vision"),
    (["worker", "surplus"], "surplus"),
    (["submit"], "pipeline"),
    (["submit", "scna", "a=b"], "scan"),
    (["submit", "scan", "nonsense"], "key=text"),
    (["submit", "scan", "user_id=u"], "image_url"),
    (["submit", "scan", "user_id=u", "image_ulr=http://x/y"], "image_url"),
    (["submit", "scan", "user_id=u", "image_url=@/nowhere"], "/nowhere"),
    (["submit", "scan", "--wait", "long"], "--wait"),
    (["submit", "my", "updates:=[1,"], "JSON"),
    (["topology", "aply"], "apply"),
    (["job"], "id"),
    (["trace"], "id"),
    (["migrate", "now"], "now"),
    (["dlq", "discard", "--group=", "--yes"], "--group is empty"),
    (["dlq", "requeue", "--text", "", "--yes"], "--text is empty"),
])
def test_a_mistake_is_named(chard_bare, words, told):
    done = chard_bare.run(*words, env={"CHARD_BROKER_URL": "amqp://127.0.0.1:1/", "CHARD_STORE_URL": "postgresql://127.0.0.1:1/x"})
    assert done.returncode == 2, done.stderr
    assert told in done.stderr and done.stdout == ""


@pytest.mark.parametrize("name, value, told", [
    ("CHARD_BROKR_URL", "amqp://x/", "CHARD_BROKER_URL"),
    ("CHARD_SLOTS", "many", "CHARD_SLOTS"),
    ("CHARD_BROKER_URL", "http://127.0.0.1/", "amqp:"),
    ("CHARD_STORE_URL", "mysql://127.0.0.1/", "postgresql://"),
    ("OPENAI_API_KEY_FILE", "/nowhere/key", "/nowhere/key"),
    ("CHARD_AI_PROVIDER", "opanai", "openai"),
])
def test_a_wrong_setting_stops_the_start(chard, name, value, told):
    chard.prepare()
    done = chard.run("worker", env={name: value})
    assert done.returncode == 2 and told in done.stderr
    assert len([line for line in done.stderr.splitlines() if line.startswith("chard worker:")]) == 1


@pytest.mark.parametrize("command", [["worker"], ["submit", "chat", "user_id=u", "text=t"], ["topology", "apply"]])
def test_a_broker_out_of_reach(chard, command):
    chard.run("migrate", check=0)
    done = chard.run(*command, env={"CHARD_BROKER_URL": "amqp://user:geheim77@127.0.0.1:1/", "CHARD_CONNECT_TIMEOUT_MS": "1000"})
    assert done.returncode == 3 and "127.0.0.1:1" in done.stderr and "geheim77" not in done.stderr


@pytest.mark.parametrize("command", [["worker"], ["job", "x"], ["ping", "x"], ["migrate"], ["submit", "chat", "user_id=u", "text=t", "--wait", "1"]])
def test_a_store_out_of_reach(chard, command):
    done = chard.run(*command, env={"CHARD_STORE_URL": "postgresql://user:geheim77@127.0.0.1:1/x", "CHARD_CONNECT_TIMEOUT_MS": "1000"})
    assert done.returncode == 3 and "geheim77" not in done.stderr


def test_both_out_of_reach(chard):
    """They are tried at once, and one of them is told of."""
    done = chard.run("worker", env={"CHARD_BROKER_URL": "amqp://user:geheim77@127.0.0.1:1/", "CHARD_CONNECT_TIMEOUT_MS": "1000",
                                    "CHARD_STORE_URL": "postgresql://user:geheim77@127.0.0.1:1/x"})
    told = [line for line in done.stderr.splitlines() if line.startswith("chard worker:")]
    assert done.returncode == 3 and "geheim77" not in done.stderr
    assert len(told) == 1 and "connection to server" in told[0], done.stderr


@pytest.mark.parametrize("damage, told", [
    (None, "chard migrate"),
    ("update chard.schema_version set version = version + 1000 where version = (select max(version) from chard.schema_version)", "newer"),
    ("delete from chard.schema_version where version = (select max(version) from chard.schema_version)", "chard migrate"),
])
def test_a_schema_of_another_version(chard, database, damage, told):
    chard.run("topology", "apply", check=0)
    if damage:
        chard.run("migrate", check=0)
        database.run(damage)
    done = chard.run("worker")
    assert done.returncode == 2 and told in done.stderr


@pytest.mark.parametrize("command", [["worker"], ["job", "x"], ["submit", "chat", "user_id=u", "text=t"], ["events"], ["dlq", "ls"],
                                     ["dlq", "keep"], ["topology", "apply"], ["migrate"], ["ping", "x"]], ids=" ".join)
def test_without_a_file_and_without_servers(chard_bare, tmp_path, monkeypatch, command):
    """A newcomer hears what to do, not which port was tried."""
    monkeypatch.chdir(tmp_path)
    namespace = ["unshare", "--user", "--map-root-user", "--net"]  # where nothing listens, whatever else runs on this machine
    done = subprocess.run([*namespace, chard_bare.binary, *command], env=chard_bare.environment({"CHARD_CONNECT_TIMEOUT_MS": "2000"}),
                          capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 3, done.stderr
    assert "start `chard dev`, or set CHARD_" in done.stderr and "5432" not in done.stderr and "5672" not in done.stderr


def test_settings_help_names_every_setting(chard_bare):
    text = chard_bare.run("help", "settings", check=0).stdout
    for name in ("CHARD_BROKER_URL", "CHARD_STORE_URL", "OPENAI_API_KEY", "CHARD_SLOTS", "--log-level", "-Q"):
        assert name in text
    assert chard_bare.run("help", "settings", "--markdown", check=0).stdout.startswith("| environment |")


def test_version(chard_bare):
    words = chard_bare.run("version", check=0).stdout.split()
    assert words[0] == "chard" and words[1][0].isdigit()


def test_submit_prints_the_id_and_job_shows_it(chard, database):
    chard.prepare()
    assert chard.run("job", "nobody").returncode == 1
    with chard.worker():
        job_id = jobs.submit(chard, "chat", user_id="u1", text="우유팩은 어디에 버리나요?", lang="ko")
        jobs.ended(database, [job_id])
        shown = chard.run("job", job_id, check=0).stdout
        assert job_id in shown and "chat.classify" in shown and "ChatAnswered" in shown


def test_submit_waits_no_longer_than_told(chard):
    chard.prepare()
    done = chard.run("submit", "chat", "user_id=u1", "text=hello", "--wait", "0.5")
    assert done.returncode == 4
    assert len(done.stdout.strip()) == 36  # the id, whatever comes of it
    assert "no worker consumes chat.classify" in done.stderr


@everywhere
def test_submit_waits_and_prints_the_answer_first(chard, database, wait_until):
    """Its id before anybody works; who is missing, step by step; then the answer, and how long it took."""
    chard.prepare()
    words = ["submit", "chat", "user_id=u1", "text=Where does a milk carton go?", "lang=en", "--wait", "60"]
    waiting = chard.start(*words)
    wait_until(lambda: waiting.out and waiting.out[0].endswith("\n"))
    assert len(waiting.out[0].strip()) == 36 and waiting.running()
    waiting.wait_log("no worker consumes chat.classify: the job waits until one does")
    with chard.worker(queues="chat.classify", name="first"):
        waiting.wait_log("no worker consumes chat.answer")
        assert waiting.stdout.count("\n") == 1
        with chard.worker(queues="chat.answer", name="second"):
            assert waiting.wait() == 0
            whole = chard.run(*words, "--json", check=0)
    lines = waiting.stdout.splitlines()
    assert jobs.ended(database, [lines[0]]) == {lines[0]: "SUCCESS"}
    assert "{" not in "".join(lines) and waiting.stderr.count("no worker consumes") == 2
    document = json.loads(whole.stdout)["document"]
    assert lines[1:1 + document["answer"]["user_answer"].count("\n") + 1] == document["answer"]["user_answer"].split("\n")
    assert any(line.startswith("SUCCESS") and line.endswith(" s") for line in lines), lines
    assert len(whole.stderr.strip()) == 36


def test_a_failed_job_is_exit_code_1(chard, queues):
    chard.prepare()
    with chard.worker():
        done = chard.run("submit", "scan", "user_id=u1", "image_url=ftp://x/y", "--wait", "20", "--json")
        if done.returncode == 2:  # refused before it was sent: as good
            return
        assert done.returncode == 1 and json.loads(done.stdout)["state"] == "FAILURE"
        assert queues.depth("scan.vision.dead") == 1


def test_submit_without_topology_says_what_to_do(chard):
    chard.run("migrate", check=0)
    done = chard.run("submit", "chat", "user_id=u1", "text=hello")
    assert done.returncode == 1 and "chard topology apply" in done.stderr


def test_a_closed_pipe_is_no_crash(chard_bare):
    done = subprocess.run(f"{chard_bare.binary} help settings | head -1", shell=True, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0 and "Sanitizer" not in done.stderr


def test_lines_are_submitted_as_they_come(chard, wait_until):
    """Who writes a line now and then need not wait for the next one to have it confirmed."""
    chard.prepare()
    process = subprocess.Popen([chard.binary, "submit", "chat", "--lines"], env=chard.environment(), text=True,
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    for _ in range(3):
        process.stdin.write('{"user_id": "u1", "text": "a milk carton", "lang": "en"}\n\n')
        process.stdin.flush()
        assert len(process.stdout.readline().strip()) == 36
    process.stdin.write('{"user_id": "u1", "text": "a pizza box", "lang": "en"}')  # no line end
    out, errors = process.communicate(timeout=30)
    assert len(out.split()) == 1 and process.returncode == 0, errors
