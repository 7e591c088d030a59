# SPDX-License-Identifier: Apache-2.0
"""Dead letters under an operator's hands: what is typed wrong, interrupted, named in vain or hostile, and what is said of it."""

import contextlib
import datetime
import json
import os
import pty
import re
import signal
import stat
import subprocess

import celery

from support.celery_app import make_app
from support.place import everywhere
from support.program import die_with_parent
from test_dlq import bury, dlq, dlq_json, entries, fill, keeping, kept


class Terminal:
    """A command on a terminal of its own."""

    def __init__(self, chard, *words, env=None):
        self.parent, child = pty.openpty()
        self.process = subprocess.Popen([chard.binary, *map(str, words)], env=chard.environment(env), stdin=child, stdout=child, stderr=child,
                                        preexec_fn=self.begin)
        os.close(child)
        self.seen = ""

    @staticmethod
    def begin():
        """In the child: whoever runs the tests in the background has it ignore Ctrl-C."""
        die_with_parent()
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    def read_until(self, text):
        while text not in self.seen:
            chunk = os.read(self.parent, 4096)
            assert chunk, self.seen
            self.seen += chunk.decode()

    def type(self, text):
        os.write(self.parent, text.encode())

    def end(self):
        with contextlib.suppress(OSError):
            while chunk := os.read(self.parent, 4096):
                self.seen += chunk.decode()
        os.close(self.parent)
        return self.process.wait(30)


def audits(database):
    return database.value("select count(*) from chard.dead_letter_audit")


@everywhere
def test_interrupted_before_it_was_confirmed(chard, database, queues, wait_until):
    """Ctrl-C at the question ends the command at once, and nothing was done."""
    chard.prepare()
    fill(chard, queues, wait_until)
    for number in (signal.SIGINT, signal.SIGTERM):
        for verb in ("requeue", "discard"):
            terminal = Terminal(chard, "dlq", verb, "--code", "timeout")
            terminal.read_until("type 5 to have them")
            terminal.process.send_signal(number)
            assert terminal.end() == -number, terminal.seen  # a shell says 130, 143
    assert len(entries(chard)) == 8 and audits(database) == 0
    assert database.value("select count(*) from chard.scheduled") == 0


@everywhere
def test_what_no_worker_can_read(chard, queues, place, wait_until):
    """Said before, by dry-run and show, and after; then it happens so."""
    chard.prepare()
    whole = bury(queues)
    bury(queues, body=b"not JSON")
    bury(queues, properties={"content_type": "application/x-python-serialize"})
    bury(queues, headers={"compression": "x-lzma"})
    bury(queues, headers={"task": "no.such.task"})
    bury(queues, kwargs={"user_id": "u1"})
    queues.publish("chard.dead", "chat.classify", b'{"kwargs": {}}')  # of neither protocol
    queues.publish("chard.dead", "chat.classify", b"[[], {}, {}]", {"task": "chat.classify", "errorSource": "x", "errorCode": "no_id"})
    with keeping(chard):
        found = kept(chard, 8, wait_until)
    doomed = {"undecodable": 5, "hopeless": 1, "mistaken": 1}
    assert dlq_json(chard, "requeue", "--all", "--dry-run")["would"] == doomed | {"sent": 1}
    assert "5  can't be read as one by chard's workers" in dlq(chard, "requeue", "--all", "--dry-run").stdout
    said = {}
    for entry in found:
        would = dlq_json(chard, "requeue", entry["entry"], "--dry-run")["would"]
        said[entry["entry"]] = dlq_json(chard, "show", entry["entry"])["on_requeue"]
        assert ("undecodable" in would) == ("can't be read as one" in said[entry["entry"]])
        assert ("sent" in would) == ("runs anew" in said[entry["entry"]]) == (entry["task_id"] == whole)
    for word in ('"text" is missing', "not valid JSON", "x-python-serialize", "x-lzma", 'header "task"', 'header "id"'):
        assert sum(word in text for text in said.values()) == 1, (word, said)
    small = chard.with_settings(max_body_bytes=1024)
    large = bury(queues, kwargs={"user_id": "u1", "text": "x" * 2000})
    with keeping(chard):
        (entry,) = [e for e in kept(chard, 9, wait_until) if e["task_id"] == large]
    assert "1024 are allowed" in dlq_json(small, "show", entry["entry"])["on_requeue"]
    assert "runs anew" in dlq_json(chard, "show", entry["entry"])["on_requeue"]
    assert dlq_json(chard, "discard", entry["entry"], "--yes")["discarded"] == 1

    done = dlq_json(chard, "requeue", found[0]["entry"], found[1]["entry"], "--yes")
    assert done["requeued"] == 2
    text = dlq(chard, "requeue", "--all", "--yes").stdout
    assert text.startswith("6 requeued\n") and "of them: the task can't be read as one by chard's workers" in text
    with chard.with_settings(ai_provider="offline").worker(queues="chat.classify"), keeping(chard):
        codes = {e["code"] for e in kept(chard, 7, wait_until)}
    assert codes == {"bad_body", "bad_content_type", "bad_compression", "unknown_task", "not_a_task", "bad_arguments"}


@everywhere
def test_named_in_vain(chard, database, queues, wait_until):
    """An entry that was named and could not be dealt with is said by its number, and the exit code is 1."""
    chard.prepare()
    found = {e["entry"]: e for e in fill(chard, queues, wait_until)}
    one, two, three, four, *_ = sorted(found)
    gone = dlq(chard, "requeue", one, 99, "--yes", check=1)
    assert gone.stdout.startswith("1 requeued") and "entry 99 was not requeued: there is no such entry" in gone.stderr and f"entry {one}" not in gone.stderr
    again = dlq(chard, "requeue", one, check=1)
    assert f"entry {one} was not requeued: it was requeued already" in again.stderr
    assert f"entry {one} was not discarded: it was requeued already" in dlq(chard, "discard", one, two, "--yes", check=1).stderr
    assert f"entry {two} was not discarded: it was discarded already" in dlq(chard, "discard", two, "--yes", check=1).stderr
    assert dlq_json(chard, "requeue", 98, 99, check=1)["not_done"] == [98, 99]
    assert "entry 98 would not be requeued" in dlq(chard, "requeue", 98, "--dry-run", check=1).stderr
    task = found[three]["task_id"]
    database.run("insert into chard.task (id, root_id, name, state) values (%s, %s, 'x', 'REVOKED')", task, task)
    for words in ((), ("--dry-run",)):
        refused = dlq(chard, "requeue", three, *words, check=1)
        assert f"entry {three}" in refused.stderr and "the task was revoked" in refused.stderr
    assert dlq_json(chard, "requeue", "--job", found[three]["job"], "--yes")["revoked"] == 1, "a filter takes what there is"
    assert dlq(chard, "requeue", four).stderr == ""
    assert "no such entries" in dlq(chard, "requeue", "--code", "none", "--yes").stdout


@everywhere
def test_scheduled_already(chard, database, queues, wait_until):
    """What waits to be sent is not sent twice: told before and after, by number and in bulk."""
    chard.prepare()
    tasks = [bury(queues) for _ in range(3)]
    with keeping(chard):
        numbers = {e["task_id"]: e["entry"] for e in kept(chard, 3, wait_until)}
    assert dlq_json(chard, "requeue", numbers[tasks[0]])["requeued"] == 1
    database.run("update chard.scheduled set task_id = %s", tasks[1])  # as if somebody had scheduled that one
    first = numbers[tasks[1]]
    assert "is scheduled already" in dlq_json(chard, "show", first)["on_requeue"]
    assert dlq_json(chard, "requeue", "--all", "--dry-run")["would"] == {"waiting": 1, "sent": 1}
    assert "the task is scheduled already" in dlq(chard, "requeue", first, check=1).stderr
    assert "1  not sent, their tasks are scheduled already: still kept" in dlq(chard, "requeue", "--all", "--yes").stdout
    rows = [row["task_id"] for row in database.rows("select task_id from chard.scheduled")]
    assert sorted(rows) == sorted([tasks[1], tasks[2]])
    assert [e["entry"] for e in entries(chard)] == [first]


STEERING = "\x1b]0;owned\x07\x9b31m\x85\x7f"


@everywhere
def test_nothing_steers_the_terminal(chard, database, queues, wait_until):
    """Every text of an entry, and of what was done to it, may come from anybody: none reaches the terminal raw."""
    chard.prepare()
    bury(queues, code=f"c{STEERING}", message=f"m{STEERING}", source=f"s{STEERING}", kwargs={"user_id": f"u{STEERING}", "text": STEERING},
         headers={"task": f"t{STEERING}", "root_id": f"r{STEERING}", "trace_id": f"x{STEERING}", "deadWorker": f"w{STEERING}", f"h{STEERING}": STEERING})
    bury(queues, body=b"\x1b[2J no JSON \xc2\x9b2J", code="plain")
    with keeping(chard):
        numbers = [e["entry"] for e in kept(chard, 2, wait_until)]
    dlq(chard, "discard", *numbers, "--yes", "--reason", f"why{STEERING}")
    database.run("update chard.dead_letter set state = 'kept'")
    outputs = [dlq(chard, *words, **options) for words, options in [
        (("ls",), {}), (("groups",), {}), (("stats",), {}), *[(("show", n), {}) for n in numbers], *[(("show", n, "--json"), {}) for n in numbers],
        (("ls", "--json"), {}), (("groups", "--json"), {}), (("stats", "--json"), {}), (("export",), {}),
        (("import",), {"input": json.dumps({"queue": "q", "x": STEERING}), "check": 1}), (("requeue", "--all", "--dry-run"), {}),
        (("edit", numbers[0], "--file", "-"), {"input": STEERING, "check": 2}), (("edit", numbers[1], "--file", "-"), {"input": "{}", "check": 2})]]
    for output in outputs:
        raw = output.stdout + output.stderr
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f]", raw), raw.encode()
    assert STEERING in json.loads(outputs[5].stdout)["history"][0]["reason"] or STEERING in json.loads(outputs[6].stdout)["history"][0]["reason"]


# --- editing --------------------------------------------------------------------------------------------


def editor(tmp_path, script):
    path = tmp_path / "editor"
    path.write_text("#!/bin/sh\n" + script + "\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return {"EDITOR": path, "VISUAL": "", "TMPDIR": tmp_path}


def one_kept(chard, queues, wait_until):
    """The number of the only entry there is."""
    chard.prepare()
    bury(queues)
    with keeping(chard):
        (entry,) = kept(chard, 1, wait_until)
    return entry["entry"]


def left_over(tmp_path):
    return sorted(tmp_path.glob("chard-entry-*"))


def test_an_edit_that_changes_nothing(chard, database, queues, wait_until, tmp_path):
    number = one_kept(chard, queues, wait_until)
    arguments = {"args": [], "kwargs": {"text": "a milk carton", "user_id": "u1"}}
    for words, options in [((), {"env": editor(tmp_path, "true")}), (("--file", "-"), {"input": json.dumps(arguments)}), (("--undo",), {})]:
        assert "nothing was changed" in dlq(chard, "edit", number, *words, **options).stderr
    assert left_over(tmp_path) == [] and audits(database) == 0 and not dlq_json(chard, "show", number)["edited"]
    assert "the editor failed" in dlq(chard, "edit", number, env=editor(tmp_path, "false"), check=1).stderr
    assert left_over(tmp_path) == []
    arguments["kwargs"]["lang"] = "en"
    for _ in range(2):
        dlq(chard, "edit", number, "--file", "-", input=json.dumps(arguments))
    dlq(chard, "edit", number, "--undo")
    assert [act["action"] for act in dlq_json(chard, "show", number)["history"]] == ["edit", "edit"]


def test_of_two_who_edit_the_first_is_not_undone(chard, database, queues, wait_until, tmp_path):
    number = one_kept(chard, queues, wait_until)
    other = tmp_path / "other.json"
    other.write_text(json.dumps({"args": [], "kwargs": {"text": "of the other one", "user_id": "u1"}}))
    late = editor(tmp_path, f"""'{chard.binary}' dlq edit {number} --file '{other}' > /dev/null && sed -i 's/a milk carton/of the late one/' "$1\"""")
    done = dlq(chard, "edit", number, env=late, check=1)
    (path,) = left_over(tmp_path)
    assert "edited by somebody else meanwhile" in done.stderr and f"--file {path}" in done.stderr and "of the late one" in path.read_text()
    assert dlq_json(chard, "show", number)["edited_kwargs"]["text"] == "of the other one" and audits(database) == 1
    dlq(chard, "edit", number, "--file", path)
    assert dlq_json(chard, "show", number)["edited_kwargs"]["text"] == "of the late one"


def test_what_is_edited_while_many_are_requeued_is_not_sent_as_it_was(chard, database, queues, wait_until):
    chard.prepare()
    bury(queues)
    bury(queues)
    with keeping(chard):
        first, second = sorted(entry["entry"] for entry in kept(chard, 2, wait_until))
    arguments = {"args": [], "kwargs": {"text": "another one", "user_id": "u1"}}
    with database.connect(autocommit=False) as held:
        held.execute("select from chard.dead_letter where entry = %s for update", [first])
        bulk = chard.start("dlq", "requeue", "--all", "--yes", "--json")
        wait_until(lambda: database.value("select count(*) from pg_stat_activity where wait_event_type = 'Lock'") == 1)
        dlq(chard, "edit", second, "--file", "-", input=json.dumps(arguments))
    bulk.process.wait(60)
    wait_until(lambda: "".join(bulk.out).rstrip().endswith("}"))
    said = json.loads("".join(bulk.out))
    assert (said["requeued"], said["changed"]) == (1, 1)
    assert [entry["entry"] for entry in entries(chard)] == [second]
    dlq(chard, "requeue", second, "--yes")
    assert database.value("select count(*) from chard.scheduled where convert_from(body, 'UTF8') like '%%another one%%'") == 1


def test_what_was_typed_is_not_lost(chard, database, queues, wait_until, tmp_path):
    """A slip in the editor: the file is kept and named; on a terminal it opens again."""
    number = one_kept(chard, queues, wait_until)
    slip = editor(tmp_path, r"""if grep -q '"lang"' "$1"; then sed -i 's/"en",,/"en",/' "$1"; else sed -i 's/"text"/"lang": "en",, "text"/' "$1"; fi""")
    done = dlq(chard, "edit", number, env=slip, check=2)
    (path,) = left_over(tmp_path)
    assert str(path) in done.stderr and f"--file {path}" in done.stderr and '"en",,' in path.read_text() and audits(database) == 0
    path.write_text(path.read_text().replace(",,", ","))
    assert "is changed" in dlq(chard, "edit", number, "--file", path).stdout
    path.unlink()
    dlq(chard, "edit", number, "--undo")

    terminal = Terminal(chard, "dlq", "edit", number, env=slip)
    terminal.read_until("edit it again? [Y/n]")
    terminal.type("\n")
    assert terminal.end() == 0 and "is changed" in terminal.seen and left_over(tmp_path) == []
    assert dlq_json(chard, "show", number)["edited_kwargs"]["lang"] == "en"
    gone = editor(tmp_path, f"""sed -i 's/"en"/"ko"/' "$1"; {chard.binary} dlq discard {number} --yes >/dev/null""")
    assert "not kept any more" in dlq(chard, "edit", number, env=gone, check=1).stderr
    assert '"ko"' in left_over(tmp_path)[0].read_text()


# --- bad input ------------------------------------------------------------------------------------------


def test_what_can_not_be_imported(chard, queues, wait_until, tmp_path):
    one_kept(chard, queues, wait_until)
    line = json.loads(dlq(chard, "export").stdout)
    assert "directory" in dlq(chard, "import", tmp_path, check=2).stderr
    assert "No such file" in dlq(chard, "import", tmp_path / "none", check=2).stderr
    broken = dlq(chard, "import", "/proc/self/mem", check=1)
    assert "can't read on after line 0" in broken.stderr and broken.stdout.startswith("0 filed")
    for edited, word in [("!", "edited_base64"), ("bm90IEpTT04=", "it can't be sent as it was edited"), ("W1tdLHt9LHt9XQ==", '"text" is missing')]:
        refused = dlq(chard, "import", input=json.dumps(line | {"queue": "chat.answer", "edited_base64": edited}), check=1)
        assert refused.stdout == "0 filed, 0 were there already, 1 refused\n" and "line 1" in refused.stderr and word in refused.stderr, refused.stderr


def test_numbers_that_mean_nothing(chard):
    chard.prepare()
    for words in ("requeue --all --rate 0", "requeue --all --rate 0/s", "ls --limit 0", "groups --limit 0", "ls --offset -1", "requeue --all --rate -5"):
        assert "is no number from" in dlq(chard, *words.split(), check=2).stderr
    assert "leave it out" in dlq(chard, "requeue", "--all", "--rate", "0", check=2).stderr


def test_stats_name_the_queue(chard, queues, wait_until):
    chard.prepare()
    bury(queues, "scan.vision", headers={"task": "chat.answer"})
    with keeping(chard):
        kept(chard, 1, wait_until)
    head, row = dlq(chard, "stats").stdout.splitlines()[1:]
    assert head.split()[:3] == ["TASK", "QUEUE", "CODE"] and row.split()[:3] == ["chat.answer", "scan.vision", "timeout"]


def test_names_and_codes_are_shown_whole(chard, queues, wait_until):
    """People search and write policies by them."""
    code = "model_context_window_exceeded_" + "by_far_" * 20 + "x" * 60
    chard.prepare()
    bury(queues, "scan.vision", code=code, headers={"task": "a.task.with.a.rather.long.name"})
    bury(queues, "scan.vision")
    with keeping(chard):
        kept(chard, 2, wait_until)
    for verb in ("ls", "groups", "stats"):
        lines = dlq(chard, verb).stdout.splitlines()
        row = next(line for line in lines if code in line.split())
        assert "a.task.with.a.rather.long.name" in row.split(), verb
        head = next(line for line in lines if "CODE" in line)
        assert head.index("CODE") == row.index(code), verb


# --- the keeper -----------------------------------------------------------------------------------------


def test_settings_that_can_not_be_meant(chard):
    """A webhook that nothing can be posted to ends the keeper at once; a policy for a task that nobody here knows is told of."""
    chard.prepare()
    for url in ("hooks.slack.com/services/T0/B0/hush", "ftp://example.com/hush", "https://", "hush"):
        refused = chard.with_settings(dlq_webhook_url=url).run("dlq", "keep", check=2)
        assert "CHARD_DLQ_WEBHOOK_URL" in refused.stderr and "http" in refused.stderr and "hush" not in refused.stderr
    with keeping(chard, dlq_policies="scan.visoin timeout; no.such.* x; * y; chat.* timeout") as keeper:
        pass
    assert 'is "scan.visoin"; did you mean "scan.vision"?' in keeper.stderr and 'is "no.such.*"' in keeper.stderr
    assert keeper.stderr.count("no task of this program") == 2


def test_queues_of_no_task(chard, queues, wait_until):
    """What lies in a queue that no task here has is kept where it is named, and the queue stays as it was declared."""
    chard.prepare()
    with queues.channel() as channel:
        channel.queue_declare("old.queue.dead", durable=True, auto_delete=False)
    queues.publish("", "old.queue.dead", b"[[], {}, {}]", {"id": "i1", "task": "old.task"})
    with keeping(chard):
        bury(queues)
        kept(chard, 1, wait_until)
    assert queues.depth("old.queue.dead") == 1
    with keeping(chard, dlq_queues="chat.classify, old.queue,old.queue.dead") as keeper:
        found = kept(chard, 2, wait_until)
    assert {e["queue"] for e in found} == {"chat.classify", "old.queue"} and "of 10 queues" in keeper.stderr
    with keeping(chard, dlq_queues="never.seen") as keeper:
        keeper.wait_log("never.seen.dead")
        bury(queues, code="meanwhile")
        kept(chard, 3, wait_until)


def test_what_can_not_be_printed(chard, queues, wait_until):
    chard.prepare()
    with open("/dev/full", "w") as full:
        ended = subprocess.run([chard.binary, "dlq", "ls"], env=chard.environment(), stdout=full, stderr=subprocess.PIPE, text=True)
    assert ended.returncode == 1 and "No space left" in ended.stderr


def test_a_probe_of_the_keeper(chard, queues, store_url, toxic, postgres, wait_until, tmp_path):
    """A health file for the pod's probe, a row in the store for anybody; neither says yes while nothing can be kept."""
    chard.prepare()
    link, health = toxic(postgres.port), tmp_path / "health"

    def ping(*words):
        return chard.run("ping", *words)

    with keeping(chard, "k7", store_url=link.url(store_url), health_file=health) as keeper:
        wait_until(lambda: ping("--file", health).returncode == 0)
        wait_until(lambda: ping("k7").returncode == 0)
        link.refuse()
        wait_until(lambda: ping("--file", health).returncode == 1)
        assert "store" in ping("--file", health).stdout
        link.heal()
        wait_until(lambda: ping("--file", health).returncode == 0)
        keeper.wait_log("store is back")
    assert ping("--file", health).stdout == "not consuming: stopping\n"


# --- stale jobs that go on with a group -----------------------------------------------------------------


def lose_group(chard, database, queues, canvas, app, wait_until, env):
    """Runs a canvas' first task, and takes away what it sent on. Returns the job and the ids of what was lost."""
    before = {row["root_id"] for row in database.rows("select root_id from chard.job")}
    with chard.worker(queues="chard.echo", env=env):
        with app.producer_or_acquire() as producer:
            canvas.apply_async(producer=producer)
        wait_until(lambda: queues.depth("chard.tasks") == 2)
    lost = sorted(message.headers["id"] for message in queues.take("chard.tasks"))
    then = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=1)
    database.run("update chard.job set updated_at = %s", then)
    (job,) = {row["root_id"] for row in database.rows("select root_id from chard.job")} - before
    return job, lost


def test_a_lost_group_is_sent_again(chard, database, queues, broker_url, wait_until):
    """A chain that ends in a group whose messages were lost: all are sent again, with the same ids, and run once. The second time the job fails
    with them."""
    chard.prepare()
    app = make_app(broker_url)

    def add(queue, *numbers):
        return app.signature("chard.add", args=numbers, queue=queue)

    canvas = add("chard.echo", 1, 2) | celery.group([add("chard.tasks", 10), add("chard.tasks", 20)])
    job, lost = lose_group(chard, database, queues, canvas, app, wait_until, {})
    with keeping(chard, stale_every_s=1):
        wait_until(lambda: database.value("select count(*) from chard.scheduled where reason = 'restart'") == 2)
    assert sorted(row["task_id"] for row in database.rows("select task_id from chard.scheduled")) == lost
    with chard.worker(queues="chard.tasks"):
        wait_until(lambda: database.value("select count(*) from chard.task where state = 'SUCCESS'") == 3)
    assert database.value("select state from chard.job where root_id = %s", job) == "SUCCESS"
    results = {row["id"]: row["result"] for row in database.rows("select id, result from chard.task where id <> root_id")}
    assert sorted(results) == lost and sorted(results.values()) == [13, 23]

    job, lost = lose_group(chard, database, queues, canvas, app, wait_until, {})
    database.run("update chard.job set restarts = 1 where root_id = %s", job)
    with keeping(chard, stale_every_s=1):
        wait_until(lambda: database.value("select state from chard.job where root_id = %s", job) == "FAILURE")
    failed = database.rows("select id, error from chard.task where root_id = %s and state = 'FAILURE'", job)
    assert sorted(row["id"] for row in failed) == lost and "and those of the tasks beside it were lost twice" in failed[0]["error"]["text"]


def test_a_lost_chord_is_sent_again(chard, database, queues, broker_url, redis, wait_until):
    """The same where a task follows the group: its counter is begun again too. A keeper that knows no Redis leaves it alone, and says why."""
    chard.prepare()
    app = make_app(broker_url, redis.url)

    def add(queue, *numbers):
        return app.signature("chard.add", args=numbers, queue=queue)

    canvas = add("chard.echo", 1, 2) | celery.group([add("chard.tasks", 10), add("chard.tasks", 20)]) | add("chard.tasks", 100)
    known = {"CHARD_RESULT_URL": redis.url}
    job, lost = lose_group(chard, database, queues, canvas, app, wait_until, known)
    app.backend.client.flushdb()
    with keeping(chard, stale_every_s=1) as keeper:
        keeper.wait_log(f"stale job {job} can't be sent on: .*CHARD_RESULT_URL")
    assert database.value("select state from chard.job where root_id = %s", job) == "STARTED"
    database.run("update chard.job set updated_at = created_at - interval '1 day'")
    with keeping(chard, stale_every_s=1, result_url=redis.url):
        wait_until(lambda: database.value("select count(*) from chard.scheduled where reason = 'restart'") == 2)
    with chard.worker(queues="chard.tasks", env=known):
        wait_until(lambda: database.value("select count(*) from chard.task where state = 'SUCCESS'") == 4)
    results = {row["id"]: row["result"] for row in database.rows("select id, result from chard.task where id <> root_id")}
    assert set(lost) < set(results) and sorted(results.values()) == [13, 23, 136]
    app.close()


def test_a_lost_chord_whose_redis_is_away_holds_nobody_up(chard, database, queues, broker_url, redis, toxic, wait_until):
    chard.prepare()
    app = make_app(broker_url, redis.url)

    def add(queue, *numbers):
        return app.signature("chard.add", args=numbers, queue=queue)

    canvas = add("chard.echo", 1, 2) | celery.group([add("chard.tasks", 10), add("chard.tasks", 20)]) | add("chard.tasks", 100)
    job, lost = lose_group(chard, database, queues, canvas, app, wait_until, {"CHARD_RESULT_URL": redis.url})
    database.run("insert into chard.job (root_id, state, updated_at) values ('other', 'STARTED', now() - interval '1 day')")
    link = toxic(redis.port)
    link.refuse()
    with keeping(chard, stale_every_s=1, result_url=link.url(redis.url)) as keeper:
        wait_until(lambda: database.value("select state from chard.job where root_id = 'other'") == "FAILURE")
        assert database.row("select state, restarts from chard.job where root_id = %s", job) == {"state": "STARTED", "restarts": 0}
        keeper.wait_log("1 stale jobs go on with a chord, and the results backend does not answer")
        link.heal()
        wait_until(lambda: database.value("select count(*) from chard.scheduled where reason = 'restart'") == 2)
    assert sorted(row["task_id"] for row in database.rows("select task_id from chard.scheduled")) == lost
    app.close()
