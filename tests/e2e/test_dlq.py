# SPDX-License-Identifier: Apache-2.0
"""Dead letters: kept, looked at, sent back. Through the command line, against real servers."""

import contextlib
import datetime
import http.server
import json
import os
import pty
import subprocess
import threading
import uuid

import pytest
from support import jobs
from support.letters import letters, publish
from support.place import everywhere
from support.program import die_with_parent



@contextlib.contextmanager
def keeping(chard, name="k1", command=("keep",), **settings):
    """A keeper for the length of a `with`; it must end well. Without rules for what it sends back by itself, unless the test has some: the letters here are days
    old, and by the rules that ship each may go back ten seconds later. None are named by a flag: a variable that is empty is as one that is not there."""
    none = [] if "dlq_policies" in settings else ["--dlq-policies", ""]
    running = chard.with_settings(**settings).start(*command, "-n", name, *none)
    try:
        running.wait_log("keeping dead letters")
        yield running
    except BaseException:
        running.show()
        running.kill()
        raise
    if running.running():
        running.terminate()
    assert running.wait(30) == 0, running.stderr[-4000:]
    assert "Sanitizer" not in running.stderr, running.stderr[-8000:]


def dlq(chard, *words, check=0, **options):
    return chard.run("dlq", *words, check=check, **options)


def dlq_json(chard, *words, check=0):
    return json.loads(dlq(chard, *words, "--json", check=check).stdout)


def entries(chard, *words):
    return dlq_json(chard, "ls", *words)["entries"]


def kept(chard, count, wait_until, deadline=30):
    """Waits until so many entries are kept."""
    def there():
        found = entries(chard, "--limit", "10000")
        assert len(found) == count, f"{len(found)} of {count} entries"
        return found or True
    return wait_until(there, deadline, every=0.2)


def task(name="chat.classify", kwargs=None, args=(), task_id=None, **more):
    """Headers and body of a task's message."""
    task_id = task_id or str(uuid.uuid4())
    headers = {"lang": "py", "task": name, "id": task_id, "root_id": task_id, "parent_id": None, "retries": 0, "eta": None,
               "expires": None} | more
    return headers, json.dumps([list(args), kwargs or {}, {"callbacks": None, "errbacks": None, "chain": None, "chord": None}]).encode()


def bury(queues, queue="chat.classify", code="timeout", message="no answer within 30000 ms", source="provider", died="2026-11-21T08:00:00.000+00:00",
         body=None, headers=None, properties=None, **more):
    """Puts a letter where a worker would; returns its task's id."""
    made, text = task(queue, **({"kwargs": {"user_id": "u1", "text": "a milk carton"}} | more))
    record = {"errorSource": source, "errorCode": code, "errorMessage": message, "timestamp": died, "attempts": 4,
              "deadWorker": "w1", "deadId": str(uuid.uuid4())}
    queues.publish("chard.dead", queue, text if body is None else body, made | record | (headers or {}), **(properties or {}))
    return made["id"]


@everywhere
def test_from_death_to_success(chard, database, queues, provider, reply, wait_until):
    """A provider that refuses, an entry, a look at it, the provider well again, requeued, the whole chain done."""
    chard.settings |= provider.settings()
    chard.prepare()
    provider.behave = reply.always(reply.failure(400, "bad_picture"))
    with chard.worker(name="w1"), keeping(chard):
        job = jobs.submit_scan(chard)
        assert jobs.ended(database, [job]) == {job: "FAILURE"}
        (entry,) = kept(chard, 1, wait_until)
        assert entry["task"] == "scan.vision" and entry["code"] == "bad_picture" and entry["job"] == job
        assert entry["user"] == "u1" and entry["worker"] == "w1" and entry["next_task"] == "scan.answer"
        assert entry["task_state"] == "FAILURE" and entry["job_state"] == "FAILURE" and entry["state"] == "kept"
        (group,) = dlq_json(chard, "groups")["groups"]
        assert group["count"] == 1 and group["code"] == "bad_picture" and group["users"] == 1
        shown = dlq_json(chard, "show", entry["entry"])
        assert shown["kwargs"]["image_url"] == jobs.PICTURE and [s["task"] for s in shown["chain"]] == ["scan.reward", "scan.answer"]
        assert shown["headers"]["task"] == "scan.vision" and shown["history"] == []
        assert "runs anew" in shown["on_requeue"]

        provider.behave = reply.fitting
        done = dlq_json(chard, "requeue", "--group", group["group"], "--reason", "new key", "--yes")
        assert done["requeued"] == 1 and done["end"] == "ended"
        wait_until(lambda: jobs.ended(database, [job]) == {job: "SUCCESS"})
        again = dlq_json(chard, "requeue", entry["entry"], check=1)
        assert again["total"] == 0
        (act,) = dlq_json(chard, "show", entry["entry"])["history"]
        assert act["action"] == "requeue" and act["reason"] == "new key" and act["who"].startswith("os:") and act["count"] == 1
    assert database.value("select count(*) from chard.scheduled") == 0
    assert queues.depth("scan.vision.dead") == 0


# --- what the keeper takes ------------------------------------------------------------------------------


def test_whatever_lies_there_is_kept(chard, queues, wait_until, tmp_path):
    """Bytes that are no task, 16 MB, no id, no record: each filed whole, shown, and explained before it is sent."""
    chard.prepare()
    large = task(kwargs={"user_id": "u1", "text": "x" * (16 << 20)})
    queues.publish("chard.dead", "my.profile", b"\x00\xff no JSON")
    queues.publish("chard.dead", "chat.answer", large[1][: 16 << 20], large[0] | {"errorSource": "message", "errorCode": "body_too_large", "errorMessage": "large"})
    bury(queues, code="odd", message="nul \x00 and\ttab", headers={"task": "no.such.task"})
    foreign = {"entry": 1, "queue": "old.queue", "died_at": "2026-11-21T08:00:00+00:00", "properties_base64": "AAA=", "body_base64": "e30="}
    with keeping(chard):
        found = {e["queue"]: e for e in kept(chard, 3, wait_until)}
        assert dlq(chard, "import", input=json.dumps(foreign)).stdout == "1 filed, 0 were there already, 0 refused\n"
    assert found["my.profile"]["code"] == "no_record" and found["my.profile"]["task"] == ""
    assert found["chat.answer"]["body_size"] == 16 << 20 and found["chat.answer"]["code"] == "body_too_large"
    assert found["chat.classify"]["task"] == "no.such.task" and found["chat.classify"]["message"] == "nul ? and\ttab"
    shown = dlq_json(chard, "show", found["my.profile"]["entry"])
    assert "unreadable" in shown and shown["body_is_base64"]
    assert "body_is_cut" in dlq_json(chard, "show", found["chat.answer"]["entry"])
    assert "dies again" in dlq(chard, "show", found["my.profile"]["entry"]).stdout
    would = dlq_json(chard, "requeue", "--all", "--dry-run")
    assert would["total"] == 4 and would["would"] == {"no_queue": 1, "undecodable": 2, "hopeless": 1}
    done = dlq_json(chard, "requeue", "--all", "--yes")
    assert done["requeued"] == 3 and done["not_tried"] == {"no_queue": 1} and done["die_again"] == {"undecodable": 2, "hopeless": 1}
    (left,) = entries(chard)
    assert left["queue"] == "old.queue"
    assert "no task of this program" in dlq(chard, "requeue", left["entry"], "--to", "chat.clasify", check=2).stderr
    assert dlq_json(chard, "requeue", left["entry"], "--to", "chat.classify")["requeued"] == 1
    with chard.worker(queues="chat.classify,chat.answer,my.profile"), keeping(chard):
        again = kept(chard, 4, wait_until)
    assert {e["code"] for e in again} >= {"not_a_task", "unknown_task"}
    assert sorted(e["body_size"] for e in again)[-1] == 16 << 20, "byte for byte, through store and broker again"


def test_what_the_broker_gave_up(chard, queues, rabbitmq, broker_url, wait_until):
    """Expired and rejected, by the policy that docs/dead-letters.md gives; RabbitMQ's own word on it, and requeued without it."""
    chard.prepare()
    vhost = broker_url.rpartition("/")[2]
    rabbitmq.api("PUT", f"policies/{vhost}/dead-chat-classify", {"pattern": r"^chat\.classify$", "apply-to": "queues", "definition": {
        "dead-letter-exchange": "chard.dead", "dead-letter-routing-key": "chat.classify"}})
    for properties in ({}, {"expiration": "1"}):
        head, body = task(kwargs={"user_id": "u1", "text": "a milk carton", "lang": "en"}, retries=2)
        queues.publish("chat.classify", "chat.classify", body, head, **properties)
        if not properties:
            with queues.channel() as channel:
                channel.basic_reject(channel.basic_get("chat.classify").delivery_tag, requeue=False)
    with keeping(chard):
        found = {e["code"]: e for e in kept(chard, 2, wait_until)}
    assert set(found) == {"expired", "rejected"}
    assert found["expired"]["source"] == "broker" and found["expired"]["queue"] == "chat.classify" and found["expired"]["attempts"] == 3
    assert "time to live" in found["expired"]["message"]
    rabbitmq.api("DELETE", f"policies/{vhost}/dead-chat-classify")
    assert dlq_json(chard, "requeue", "--all", "--yes")["requeued"] == 2
    with chard.worker(queues="chard.echo"):
        wait_until(lambda: queues.depth("chat.classify") == 2)
    for message in queues.take("chat.classify"):
        assert not {"x-death", "x-first-death-queue"} & set(message.headers) and message.headers["retries"] == 0
        assert "expiration" not in message.properties


DEATH = {"count": 1, "exchange": "", "queue": "chat.classify", "reason": "expired", "routing-keys": ["x"], "time": datetime.datetime(2026, 11, 21, 8)}


@everywhere
def test_a_broker_s_word_that_is_cut(chard, queues, place, wait_until):
    """A queue's name that is cut inside of a character, a reason that is no text: each is filed, and hides no other."""
    chard.prepare()
    for death in ({"queue": "é" * 200}, {"queue": "a" + "é" * 200}, {"queue": "😀" * 80, "reason": "é" * 600}, {"queue": ""}):
        head, body = task(kwargs={"user_id": "u1", "text": "x"})
        queues.publish("chard.dead", "chat.classify", body, head | {"x-death": [DEATH | death]})
    bury(queues)
    with keeping(chard):
        found = kept(chard, 5, wait_until)
        assert sum(g["count"] for g in dlq_json(chard, "groups")["groups"]) == 5
    assert all("\ufffd" not in e["message"] for e in found) and any("é, 1 times)" in e["message"] for e in found)


@pytest.mark.parametrize("place", ["file"])
def test_a_row_that_is_no_text(chard, queues, place, wait_until):
    """SQLite takes any bytes as text; such a row is shown mended and hides no other."""
    chard.prepare()
    bury(queues)
    bury(queues, code="other", message="fine")
    with keeping(chard):
        kept(chard, 2, wait_until)
    with queues.database() as database:
        database.execute("update dead_letter set error_message = cast(x'61c32cff' as text), cause = cast(x'c3' as text) where error_code = 'timeout'")
    assert {e["message"] for e in entries(chard)} == {"a?,?", "fine"}
    assert {g["message"] for g in dlq_json(chard, "groups")["groups"]} == {"a?,?", "fine"}
    assert dlq_json(chard, "requeue", "--all", "--yes")["requeued"] == 2


def test_what_the_store_refuses(chard, database, queues, broker_url, wait_until):
    """First with its texts cut down; one that is refused even then goes back, hinders no other, and is filed when it can be."""
    chard.prepare()
    database.run("create function chard.fussy() returns trigger language plpgsql as $$ begin"
                 " if new.error_message ~ '[^ -~]' or new.error_code = 'never' then raise check_violation using message = 'not this'; end if;"
                 " return new; end $$")
    database.run("create trigger fussy before insert on chard.dead_letter for each row execute function chard.fussy()")
    never = [(one, headers | {"errorCode": "never"}, body) for one, headers, body in letters(510, 1, task="chat.classify")]
    publish(broker_url, [("chard.dead", "chat.classify")], never)
    bury(queues, message="kein Ärger")
    bury(queues, "chat.answer", kwargs={})
    with keeping(chard) as keeper:
        found = kept(chard, 2, wait_until)
        assert {e["message"] for e in found} >= {"kein ??rger"}
        keeper.wait_log("could not be filed; it goes back to its queue")
        wait_until(lambda: json.loads(chard.run("ping", "k1", "--json").stdout)["state"]["refused"] > 0)
        database.run("drop trigger fussy on chard.dead_letter")
        kept(chard, 512, wait_until)
        wait_until(lambda: queues.depth("chat.classify.dead") == 0)
    assert keeper.stderr.count("could not be filed") == 1 and "was filed with its texts cut down" in keeper.stderr


def test_each_is_filed_once(chard, database, queues, wait_until):
    """Two keepers, one killed and started again; letters buried twice; a store that goes away and comes back."""
    chard.prepare()
    ids = [bury(queues, died=f"2026-11-21T08:00:00.{n:03}+00:00") for n in range(60)]
    for n, task_id in enumerate(ids[:20]):  # the same task, buried once more by a worker that had not acked
        bury(queues, task_id=task_id, died=f"2026-11-21T08:00:01.{n:03}+00:00", code="later")
    first = chard.start("dlq", "keep", "-n", "k1")
    with keeping(chard, "k2"):
        first.kill()
        with keeping(chard, "k3"):
            kept(chard, 60, wait_until)
            wait_until(lambda: queues.depth("chat.classify.dead") == 0)
    assert database.value("select count(*) from chard.dead_letter") == 60
    assert {e["code"] for e in entries(chard, "--limit", "100") if e["task_id"] in ids[:20]} == {"later"}


def test_while_the_store_is_away(chard, queues, store_url, toxic, postgres, wait_until):
    chard.prepare()
    link = toxic(postgres.port)
    with keeping(chard, store_url=link.url(store_url)) as keeper:
        link.refuse()
        keeper.wait_log("store away")
        for _ in range(20):
            bury(queues)
        wait_until(lambda: queues.depth("chat.classify.dead") == 20)
        assert entries(chard) == []
        link.heal()
        kept(chard, 20, wait_until)
        wait_until(lambda: queues.depth("chat.classify.dead") == 0)


# --- what requeueing does -------------------------------------------------------------------------------


@everywhere
def test_what_has_succeeded_is_not_run_again(chard, database, queues, provider, wait_until):
    """One whose job is done is closed; one whose successor never left only publishes it."""
    chard.settings |= provider.settings()
    chard.prepare()
    with chard.worker():
        whole = jobs.submit(chard, "chat", user_id="u1", text="a milk carton", lang="en")
        jobs.ended(database, [whole])
    with chard.worker(queues="chat.classify"):
        half = jobs.submit(chard, "chat", user_id="u1", text="a milk carton", lang="en")
        wait_until(lambda: queues.depth("chat.answer") == 1)
    (message,) = queues.take("chat.answer")
    database.run("update chard.job set state = 'FAILURE' where root_id = %s", half)
    asked = provider.count
    chain = json.loads(message.body)[2]["chain"]
    with keeping(chard):
        for root in (whole, half):
            body = json.dumps([[], {"user_id": "u1", "text": "a milk carton", "lang": "en"}, {"chain": chain or [
                {"task": "chat.answer", "args": [], "kwargs": {}, "options": {"task_id": message.headers["id"]}, "subtask_type": None, "immutable": False}]}])
            bury(queues, task_id=root, body=body.encode())
        kept(chard, 2, wait_until)
    assert dlq_json(chard, "requeue", "--all", "--dry-run")["would"] == {"resumed": 1, "succeeded": 1}
    done = dlq_json(chard, "requeue", "--all", "--yes")
    assert done["resumed"] == 1 and done["succeeded"] == 1 and done["requeued"] == 0
    states = {e["job"]: e["state"] for e in entries(chard, "--state", "any")}
    assert states == {whole: "resolved", half: "requeued"}
    with chard.worker():
        wait_until(lambda: jobs.ended(database, [half]) == {half: "SUCCESS"})
    assert provider.count == asked + 1, "only chat.answer was asked for"
    assert database.value("select attempts from chard.task where id = %s", half) == 0


def test_two_at_once_requeue_each_once(chard, database, queues, wait_until):
    """Two commands for the same entries, and a rate: every task is scheduled once, and due in time."""
    chard.prepare()
    for _ in range(200):
        bury(queues)
    with keeping(chard):
        kept(chard, 200, wait_until)
    commands = [chard.start("dlq", "requeue", "--all", "--yes", "--rate", "50/s", "--json") for _ in range(2)]
    assert [command.wait() for command in commands] == [0, 0]
    done = [json.loads(command.stdout) for command in commands]
    assert sum(d["requeued"] for d in done) == 200
    assert database.value("select count(*) from chard.scheduled") == 200
    assert database.value("select count(distinct task_id) from chard.scheduled") == 200
    spread = database.value("select extract(epoch from max(due_at) - min(due_at)) from chard.scheduled")
    assert 1.5 < spread < 10
    assert sum(row["entries"] for row in database.rows("select entries from chard.dead_letter_audit")) == 200


# --- working with entries -------------------------------------------------------------------------------


def fill(chard, queues, wait_until):
    """Five timeouts of two users, two bad keys, one wrong argument."""
    for n in range(5):
        bury(queues, message=f"no answer within {n} ms from https://api.example/v1/{uuid.uuid4()}",
             died=f"2026-11-21T08:00:0{n}.000+00:00", kwargs={"user_id": f"u{n % 2}", "text": "x"})
    for _ in range(2):
        bury(queues, "scan.vision", code="invalid_api_key", message="the provider answered 401", died="2026-11-20T08:00:00.000+00:00")
    bury(queues, "scan.vision", source="task", code="bad_arguments", message="image_url is missing", kwargs={"user_id": "u7"})
    with keeping(chard):
        return kept(chard, 8, wait_until)


def test_looking(chard, queues, wait_until):
    chard.prepare()
    fill(chard, queues, wait_until)
    groups = dlq_json(chard, "groups")["groups"]
    assert [(g["name"], g["code"], g["count"]) for g in groups][0] == ("chat.classify", "timeout", 5) and len(groups) == 3
    assert groups[0]["cause"] == "no answer within <n> ms from <url>" and groups[0]["users"] == 2
    for words, count in [(("--task", "scan.vision"), 3), (("--task", "scan.*"), 3), (("--code", "invalid*"), 2), (("--user", "u0"), 3),
                         (("--text", "MISSING"), 1), (("--since", "2026-11-21T00:00:00Z"), 6), (("--until", "2026-11-21T00:00:00Z"), 2),
                         (("--queue", "scan.vision", "--code", "bad_arguments"), 1), (("--group", groups[0]["group"]), 5),
                         (("--state", "requeued"), 0), (("--job", "none"), 0)]:
        assert len(entries(chard, *words)) == count, words
    assert [e["code"] for e in entries(chard, "--sort", "code", "--ascending")][:2] == ["bad_arguments", "invalid_api_key"]
    pages = [entries(chard, "--limit", "3", "--offset", str(n)) for n in (0, 3, 6)]
    numbers = [e["entry"] for page in pages for e in page]
    assert len(numbers) == 8 and numbers == sorted(numbers, reverse=True)
    text = dlq(chard, "ls").stdout
    assert text.count("\n") == 9 and "timeout" in text
    assert "GROUP" in dlq(chard, "groups").stdout
    assert [g["count"] for g in dlq_json(chard, "groups", "--ascending")["groups"]] == [1, 2, 5]
    assert [g["code"] for g in dlq_json(chard, "groups", "--sort", "code", "--ascending")["groups"]] == ["bad_arguments", "invalid_api_key", "timeout"]
    assert [g["code"] for g in dlq_json(chard, "groups", "--sort", "first")["groups"]][-1] == "invalid_api_key"
    page = dlq_json(chard, "groups", "--limit", "1", "--offset", "1")
    assert page["total"] == 3 and [g["count"] for g in page["groups"]] == [2]
    assert "1 of 3; the next ones: --offset 1" in dlq(chard, "groups", "--limit", "1").stdout
    assert "no more groups" in dlq(chard, "groups", "--offset", "9").stdout
    assert 'did you mean "latest"?' in dlq(chard, "groups", "--sort", "lates", check=2).stderr
    stats = dlq_json(chard, "stats")
    assert stats["kept"] == 8 and stats["groups"] == 3 and stats["rows"][0]["in_1h"] == 5 and stats["rows"][0]["kept"] == 5
    assert "8 kept in 3 groups" in dlq(chard, "stats").stdout


@everywhere
def test_discard_edit_export_import(chard, database, queues, wait_until, tmp_path):
    chard.prepare()
    found = fill(chard, queues, wait_until)
    lines = dlq(chard, "export").stdout
    assert len(lines.splitlines()) == 8
    gone = dlq_json(chard, "discard", "--code", "invalid_api_key", "--reason", "a test's", "--yes")
    assert gone["discarded"] == 2
    (wrong,) = [e for e in found if e["code"] == "bad_arguments"]
    number = str(wrong["entry"])
    for text, word in (("{", "JSON"), ("[]", "args"), ('{"args": [], "kwargs": {"user_id": "u8"}}', "image_url")):
        assert word in dlq(chard, "edit", number, "--file", "-", input=text, check=2).stderr
    editor = tmp_path / "editor"
    editor.write_text("#!/bin/sh\nsed -i 's|\"user_id\": \"u7\"|&, \"image_url\": \"%s\", \"lang\": \"en\"|' \"$1\"\n" % jobs.PICTURE)
    editor.chmod(0o755)
    dlq(chard, "edit", number, "--reason", "forgotten", env={"EDITOR": editor})
    shown = dlq_json(chard, "show", number)
    assert shown["kwargs"] == {"user_id": "u7"} and shown["edited_kwargs"]["image_url"] == jobs.PICTURE and shown["edited"]
    dlq(chard, "requeue", number)
    with chard.worker():
        job = wrong["job"]
        wait_until(lambda: database.value("select count(*) from chard.job where root_id = %s and state = 'SUCCESS'", job) == 1)
    history = dlq_json(chard, "show", number)["history"]
    assert [(act["action"], act["reason"]) for act in history] == [("edit", "forgotten"), ("requeue", "")]
    assert dlq(chard, "import", input=lines).stdout == "0 filed, 8 were there already, 0 refused\n"
    database.run("delete from chard.dead_letter")
    assert dlq(chard, "import", input=lines + "{}\n", check=1).stdout == "8 filed, 0 were there already, 1 refused\n"
    assert sorted(e["group"] for e in entries(chard)) == sorted(e["group"] for e in found), "those that come together are numbered in any order"
    with pytest.raises(Exception, match="append-only"):
        database.run("delete from chard.dead_letter_audit")


def test_being_asked_first(chard, queues, wait_until):
    """Without a terminal --yes is needed; on one the count must be typed."""
    chard.prepare()
    fill(chard, queues, wait_until)
    assert "--yes" in dlq(chard, "requeue", "--code", "timeout", check=2).stderr
    assert "--all" in dlq(chard, "discard", check=2).stderr
    assert "did you mean" in dlq(chard, "requue", check=2).stderr
    assert "no entry 99999" in dlq(chard, "show", "99999", check=1).stderr
    for word in ("show x", "requeue 0", "ls --since tomorrow", "ls --sort cod", "ls --state keptt", "groups x", "requeue 1 --rate fast"):
        dlq(chard, *word.split(), check=2)

    def typed(text):
        parent, child = pty.openpty()
        process = subprocess.Popen([chard.binary, "dlq", "requeue", "--code", "timeout"], env=chard.environment(),
                                   stdin=child, stdout=child, stderr=child, preexec_fn=die_with_parent)
        os.close(child)
        os.write(parent, text)
        seen = b""
        with contextlib.suppress(OSError):
            while chunk := os.read(parent, 4096):
                seen += chunk
        os.close(parent)
        return process.wait(30), seen.decode()

    status, seen = typed(b"4\n")
    assert status == 1 and "type 5 to have them requeued" in seen and "nothing was done" in seen
    status, seen = typed(b"5\n")
    assert status == 0 and "5 requeued" in seen, seen


# --- by itself ------------------------------------------------------------------------------------------


@everywhere
def test_by_policy(chard, database, provider, reply, queues, wait_until):
    """Transient deaths come back by themselves, a bounded number of times, and only while their task fares well."""
    chard.settings |= provider.settings()
    chard.prepare()
    rules = "chat.* http_5* after=1s rounds=2 errors=50% rate=1000/s"
    provider.behave = reply.always(reply.failure(503, None))
    with chard.worker(), keeping(chard, dlq_policies=rules) as keeper:
        # deaths by hand: a worker's own four attempts take their time
        job = bury(queues, code="http_503", message="the provider answered 503", kwargs={"user_id": "u1", "text": "a milk carton", "lang": "en"})
        bury(queues, code="invalid_api_key", message="the provider answered 401")
        provider.behave = reply.fitting
        wait_until(lambda: jobs.ended(database, [job]) == {job: "SUCCESS"}, 30)
        (entry,) = entries(chard, "--state", "requeued")
        (act,) = dlq_json(chard, "show", entry["entry"])["history"]
        assert act["who"] == "policy" and act["reason"] == "round 1 of 2" and act["action"] == "requeue"
        (left,) = entries(chard)
        assert left["code"] == "invalid_api_key", "a structural error waits for a person"
        # it dies again and again: the third time it stays
        database.run("update chard.task set state = 'FAILURE' where id = %s", job)
        database.run("update chard.job set state = 'REVOKED' where root_id = %s", job)
        database.run("update chard.dead_letter set rounds = 1 where task_id = %s", job)
        bury(queues, task_id=job, code="http_503", message="the provider answered 503", kwargs={"user_id": "u1", "text": "a milk carton", "lang": "en"})
        found = kept(chard, 2, wait_until)
        assert sorted(e["rounds"] for e in found) == [0, 2]
    assert "round 1 of 2" in keeper.stderr


@everywhere
def test_what_was_transient_at_death_comes_back_in_whatever_words(chard, database, provider, queues, wait_until):
    """By a rule for codes that name no code: the verdict that the letter brings is kept, in a group of its own, and decides."""
    chard.settings |= provider.settings()
    chard.prepare()
    with chard.worker(), keeping(chard, dlq_policies="* transient after=1s rate=1000/s"):
        jobs_of = {verdict: bury(queues, code="engine_asleep", message="zzz", headers={"errorVerdict": verdict} if verdict else {},
                                 kwargs={"user_id": "u1", "text": "a milk carton", "lang": "en"})
                   for verdict in ("transient", "permanent", "")}
        wait_until(lambda: jobs.ended(database, [jobs_of["transient"]]) == {jobs_of["transient"]: "SUCCESS"}, 30)
        left = kept(chard, 2, wait_until)
        assert {entry["task_id"]: entry["verdict"] for entry in left} == {jobs_of["permanent"]: "permanent", jobs_of[""]: ""}
        assert {group["verdict"] for group in dlq_json(chard, "groups")["groups"]} == {"permanent", ""}


def test_a_policy_waits_for_better_times(chard, provider, reply, queues, wait_until):
    chard.settings |= provider.settings()
    chard.prepare()
    provider.behave = reply.always(reply.failure(400, "bad_picture"))
    with chard.worker(name="w1"):
        for _ in range(8):
            jobs.submit(chard, "chat", user_id="u1", text="a milk carton", lang="en")
        wait_until(lambda: json.loads(chard.run("ping", "w1", "--json").stdout)["state"]["tasks"]["chat.classify"]["failed"] == 8)
        with keeping(chard, dlq_policies="chat.* timeout after=400ms rounds=3 errors=50%") as keeper:
            kept(chard, 8, wait_until)
            bury(queues)
            keeper.wait_log("too many of its attempts fail")
            assert len(entries(chard, "--code", "timeout")) == 1
    assert "is none of" in chard.with_settings(dlq_policies="* timeout often=1").run("dlq", "keep", check=2).stderr


@everywhere
def test_a_policy_waits_for_a_paused_model(chard, database, provider, reply, queues, wait_until):
    """Of the text model, which is what a task without a model of its own asks; letters for the vision model, and those of tasks that ask none, go back."""
    chard.settings |= provider.settings() | {"CHARD_OPENAI_MODEL": "text-model", "CHARD_OPENAI_VISION_MODEL": "vision-model"}
    chard.prepare()
    provider.behave = lambda request: reply.rate_limited(600) if request.json["model"] == "text-model" else reply.fitting(request)
    with chard.worker(name="w1", queues="chat.classify,chat.answer,scan.vision,scan.answer,scan.reward", grace_ms=0):
        jobs.submit(chard, "chat", user_id="u1", text="a milk carton", lang="en")

        def paused():
            tasks = json.loads(chard.run("ping", "w1", "--json").stdout)["state"]["tasks"]
            return {name for name, fare in tasks.items() if fare["paused_ms"] > 0}

        wait_until(lambda: paused() == {"chat.classify", "chat.answer", "scan.answer"})
        buried = {name: bury(queues, name) for name in ("chat.classify", "scan.answer", "scan.vision", "scan.reward", "my.profile")}
        with keeping(chard, dlq_policies="* timeout after=400ms rounds=1 errors=100% rate=1000/s") as keeper:
            wait_until(lambda: {entry["task_id"] for entry in entries(chard, "--state", "requeued", "--code", "timeout")}
                       == {buried["scan.vision"], buried["scan.reward"]}, 30)
            for task, why in (("chat.classify", "its model is paused"), ("scan.answer", "its model is paused"), ("my.profile", "no worker that runs it")):
                keeper.wait_log(f"dead letters of {task} wait: {why}")
            assert {entry["task_id"] for entry in entries(chard, "--code", "timeout")} == {buried[task] for task in ("chat.classify", "scan.answer", "my.profile")}
    assert (keeper.stderr.count("wait: its model"), keeper.stderr.count("wait: no worker")) == (2, 1)  # each is told once


class Receiver:
    """A real HTTP server that takes what is posted; answers with `statuses` first, then 200."""

    def __init__(self, statuses=()):
        self.posts, self.statuses, self.slow = [], list(statuses), threading.Event()
        self.slow.set()
        owner = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                owner.posts.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                status = owner.statuses.pop(0) if owner.statuses else 200
                owner.slow.wait()
                self.send_response(status)
                if status == 429:
                    self.send_header("Retry-After", "1")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def url(self, path):
        return f"http://127.0.0.1:{self.server.server_port}/{path}"


def test_alarms(chard, queues, wait_until):
    """New groups and growing ones, in one message, after a try that was refused; each once, by two keepers."""
    chard.prepare()
    room = Receiver([429])
    settings = {"dlq_webhook_url": room.url("services/T0/B0/secret"), "dlq_webhook_every_s": 0, "dlq_webhook_quiet_s": 0}
    with keeping(chard, "k1", **settings) as one, keeping(chard, "k2", **settings) as two:
        for _ in range(3):
            bury(queues)
        wait_until(lambda: any("3 entries" in post["text"] or "entr" in post["text"] for post in room.posts[1:]))
        for _ in range(20):
            bury(queues)
        wait_until(lambda: any("before)" in post["text"] for post in room.posts))
    assert all(set(post) == {"text"} for post in room.posts) and "timeout" in room.posts[0]["text"]
    told = [post["text"] for post in room.posts]
    assert sum("(new)" in text for text in told) <= 2 and len(told) <= 6
    assert "secret" not in one.stderr + two.stderr
    discord = Receiver()
    with keeping(chard, dlq_webhook_url=discord.url("x"), dlq_webhook_shape="discord", dlq_webhook_every_s=0, dlq_webhook_quiet_s=3600):
        bury(queues, code="another")
        wait_until(lambda: discord.posts)
        for _ in range(10):  # eleven times as many, within its quiet time
            bury(queues, code="another")
        wait_until(lambda: "1 before)" in discord.posts[-1]["content"])
        before = len(discord.posts)
        for code in ["another"] * 40 + ["a third"]:  # less than ten times as many: nothing is said of it, when something is said
            bury(queues, code=code)
        wait_until(lambda: "a third" in discord.posts[-1]["content"])
    assert len(discord.posts) == before + 1 and "another" not in discord.posts[-1]["content"]
    assert set(discord.posts[0]) == {"content", "allowed_mentions"} and "another" in discord.posts[0]["content"]


def test_no_alarm_is_lost(chard, queues, wait_until):
    """A room that refuses, then a keeper that ends, then one that is killed before the room has answered: told in the end, and no more after that."""
    chard.prepare()
    room = Receiver([503, 503])
    settings = {"dlq_webhook_url": room.url("x"), "dlq_webhook_every_s": 0}
    with keeping(chard, **settings) as keeper:
        bury(queues)
        keeper.wait_log("an alarm could not be delivered")
    room.slow.clear()
    killed = chard.with_settings(**settings).start("dlq", "keep", "-n", "k1")
    wait_until(lambda: len(room.posts) >= 3, 30)
    killed.kill()
    room.slow.set()
    seen = len(room.posts)
    with keeping(chard, **settings):
        wait_until(lambda: len(room.posts) == seen + 1, 40)
        assert "(new)" in room.posts[-1]["text"]
        bury(queues, code="another")
        wait_until(lambda: len(room.posts) == seen + 2, 40)
    assert "another" in room.posts[-1]["text"] and "timeout" not in room.posts[-1]["text"]


# --- jobs that got stuck --------------------------------------------------------------------------------


@everywhere
def test_stale_jobs(chard, database, queues, provider, place, wait_until):
    """One lost its next message: sent once more. One is stuck in a task: it fails, with an event. Those that wait are left alone."""
    chard.settings |= provider.settings()
    chard.prepare()
    with chard.worker(queues="chat.classify"):
        lost, hopeless, fine, foreign = [jobs.submit(chard, "chat", user_id="u1", text="a milk carton", lang="en") for _ in range(4)]
        wait_until(lambda: queues.depth("chat.answer") == 4)
    assert len(queues.take("chat.answer")) == 4
    # one whose chain goes on in another program: the store never hears of that
    database.run("update chard.job set chain = %s where root_id = %s",
                 json.dumps([{"task": "theirs.next", "args": [], "kwargs": {}, "options": {"task_id": "t"}}]), foreign)
    now = datetime.datetime.now(datetime.timezone.utc)
    hour, day = datetime.timedelta(hours=1), datetime.timedelta(days=1)
    stuck, waiting = str(uuid.uuid4()), str(uuid.uuid4())
    for job, state in ((stuck, "STARTED"), (waiting, "RETRY")):
        database.run("insert into chard.task (id, root_id, name, state, lease_until, lease_owner, created_at) "
                     "values (%s, %s, 'scan.vision', %s, %s, 'w0', %s)", job, job, state, now - hour, now)
        database.run("insert into chard.job (root_id, pipeline, created_at, updated_at) values (%s, 'scan', %s, %s)", job, now, now)
    database.run("insert into chard.scheduled (key, due_at, created_at, exchange, routing_key, reason, task_id, properties, body) "
                 "values (%s, %s, %s, '', 'x', 'retry', %s, %s, %s)", uuid.uuid4().bytes if place == "file" else uuid.uuid4(),
                 now + hour, now, waiting, b"\0\0", b"")
    database.run("update chard.job set updated_at = %s where root_id <> %s", now - day, fine)
    database.run("update chard.job set restarts = 1 where root_id = %s", hopeless)
    with keeping(chard, "k1", stale_every_s=1) as one, keeping(chard, "k2", stale_every_s=1) as two:
        wait_until(lambda: database.value("select count(*) from chard.job where state = 'FAILURE'") == 2)
        wait_until(lambda: "stale jobs" in one.stderr + two.stderr)
    states = {row["root_id"]: (row["state"], (row["error"] or {}).get("code")) for row in database.rows("select root_id, state, error from chard.job")}
    assert states == {lost: ("STARTED", None), hopeless: ("FAILURE", "stale"), stuck: ("FAILURE", "stale"), waiting: ("STARTED", None), fine: ("STARTED", None),
                      foreign: ("STARTED", None)}
    events = {row["aggregateid"]: (row["type"], row["payload"]) for row in database.rows("select * from chard.outbox where type like '%%Failed'")}
    assert {job: kind for job, (kind, _) in events.items()} == {hopeless: "ChatFailed", stuck: "ScanFailed"}
    assert events[hopeless][1]["job_id"] == hopeless and events[hopeless][1]["user_id"] == "u1" and events[hopeless][1]["error"]["code"] == "stale"
    assert database.value("select count(*) from chard.event where type like '%%Failed'") == 2
    with chard.worker():
        assert jobs.ended(database, [lost]) == {lost: "SUCCESS"}
    assert provider.count == 5, "four classified, one answered"
    # what was only late finds its task dead, and becomes a dead letter instead of a second end
    assert database.value("select count(*) from chard.task where root_id = %s and state = 'FAILURE'", hopeless) == 1
