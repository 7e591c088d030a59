# SPDX-License-Identifier: Apache-2.0
"""Remote control as Celery's own tools do it: `celery status`, `celery inspect …` and `celery control …` as typed, and the
same through the library, against a worker that is chard. The answers of Celery's own workers are the measure."""

import contextlib
import json
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import amqp
import pytest
from celery.bin.celery import celery as command_line
from click.testing import CliRunner

from support import jobs
from support.store import Backend
from support.program import die_with_parent, plain_environment

NAME = "chard@here"


@pytest.fixture
def ask(app):
    """ask("ping") -> the one worker's answer; ask("revoke", task_id="x")."""
    def asked(command, **arguments):
        replies = app.control.broadcast(command, arguments=arguments, reply=True, timeout=10, limit=1)
        assert [list(one) for one in replies] == [[NAME]], f"{command}: {replies}"
        return replies[0][NAME]

    return asked


@pytest.fixture
def worker(chard, app, wait_until):
    """worker(…settings) -> a worker that hears commands."""
    chard.prepare()
    with contextlib.ExitStack() as stack:
        def start(hears=True, **settings):
            started = stack.enter_context(chard.worker(name=NAME, **settings))
            if hears:
                wait_until(lambda: app.control.ping(timeout=0.3, limit=1), 20, "it answers a ping")
            return started

        yield start


@pytest.fixture
def send(app):
    """send("chat.classify", queue) -> the task's id."""
    def sent(task, queue=None, **options):
        queue = queue or task
        kwargs = {"user_id": "u1", "text": "where does glass go?", "lang": "en"}
        return app.send_task(task, kwargs=kwargs, exchange=queue, routing_key=queue, **options).id

    return sent


def state(database, task_id):
    rows = database.rows("select state from chard.task where id = %s", task_id)
    return rows[0]["state"] if rows else None


def typed(broker_url, *words):
    """celery, as typed: what it prints."""
    done = subprocess.run([sys.executable, "-m", "celery", "-b", broker_url, *words], capture_output=True, text=True,
                          timeout=60, env=plain_environment(), preexec_fn=die_with_parent)
    assert done.returncode == 0, f"{words}: {done.stdout}\n{done.stderr}"
    return done.stdout


# --- as typed -----------------------------------------------------------------------------------------

INSPECT = ["active", "active_queues", "clock", "conf", "memsample", "ping", "registered", "report", "reserved", "revoked",
           "scheduled", "stats"]
CONTROL = {
    ("enable_events",): "task events enabled",
    ("rate_limit", "chat.classify", "100/s"): "new rate limit set successfully",
    ("time_limit", "chat.classify", "5", "10"): "time limits set successfully",
    ("pool_grow", "2"): "pool will grow",
    ("add_consumer", "my.profile"): "add consumer my.profile",
    ("revoke", "none-such"): "flagged as revoked",
    ("terminate", "SIGKILL", "none-such"): "terminate: tasks unknown",
}


def test_as_typed(worker, broker_url):
    """Three in a shell, the rest by the same program without its second of starting."""
    worker(queues="chat.classify")
    with ThreadPoolExecutor(3) as pool:
        status, ping, wrong = pool.map(lambda words: typed(broker_url, *words), [
            ("status",), ("inspect", "ping"), ("control", "rate_limit", "none", "1/s")])
    assert f"{NAME}: OK" in status and "1 node online" in status
    assert "pong" in ping and "ERROR" in wrong and "unknown task" in wrong

    def here(*words):
        done = CliRunner().invoke(command_line, [words[0], "-d", NAME, *words[1:]], env={"CELERY_BROKER_URL": broker_url})
        assert done.exit_code == 0, f"{words}: {done.output}"
        return done.output

    for one in INSPECT:
        assert list(json.loads(here("inspect", "-j", one))) == [NAME]
    assert here("inspect", "query_task", "none-such").count(NAME) == 1
    for words, answer in CONTROL.items():
        assert answer in here("control", *words)


# --- looking ------------------------------------------------------------------------------------------


def test_what_the_process_says_of_itself(worker, ask):
    running = worker(queues="scan.vision,chat.answer", slots=7)
    stats = ask("stats")
    assert stats["pid"] == running.pid and stats["total"] == {} and stats["prefetch_count"] == 14
    assert stats["pool"]["max-concurrency"] == 7 and stats["pool"]["processes"] == [running.pid]
    assert stats["broker"]["transport"] == "amqp" and stats["broker"]["virtual_host"].startswith("test-")
    assert stats["rusage"]["utime"] > 0 and stats["uptime"] >= 0
    assert [one["name"] for one in ask("active_queues")] == ["scan.vision", "chat.answer"]
    assert "chat.answer" in ask("registered") and ask("registered") == sorted(ask("registered"))
    assert "chat.answer [max_retries=3 routing_key=chat.answer]" in ask(
        "registered", taskinfoitems=["max_retries", "routing_key", "none"])
    conf = ask("conf")
    assert conf["slots"] == 7 and conf["name"] == NAME and "********" in conf["broker_url"]
    assert (conf["result_url"], conf["result_expires_s"]) == ("rpc://", 86400)
    assert (conf["declare_queues"], conf["track_started"]) == (True, False)
    assert ask("ping") == {"ok": "pong"} and "chard" in ask("report")["ok"]
    assert ask("clock")["clock"] < ask("clock")["clock"]


def test_where_results_go(worker, ask):
    """Every one of them, and no password."""
    worker(result_url="rpc://,redis://me:s3cret@127.0.0.1:1/3?client_name=s3cret,redis+socket:///run/no.sock?password=s3cret,"
                      "sentinel://:s3cret@127.0.0.1:2/0;sentinel://:s3cret@127.0.0.1:3/0?master_name=m", track_started="yes", task_routes="other.*=other")
    shown = ("rpc://,redis://me:********@127.0.0.1:1/3,redis+socket:///run/no.sock,sentinel://:********@127.0.0.1:2/0")
    conf = ask("conf")
    assert conf["result_url"] == shown and conf["track_started"] is True
    assert conf["task_routes"] == "other.*=other" and "openai_model" in conf and "openai_api_key" not in conf
    assert f"\nresults:{shown}\n" in ask("report")["ok"] and "s3cret" not in json.dumps(conf)


def test_queues_as_they_stand_there(worker, ask, queues, wait_until):
    """Described as Celery's clients declare them; one that is added is not declared anew."""
    with queues.channel() as channel:
        for name in ("celery", "other"):
            channel.queue_declare(name, durable=True, auto_delete=False)
    worker(queues="celery", declare_queues="no")
    assert ask("add_consumer", queue="other") == {"ok": "add consumer other"}
    shown = ask("active_queues")
    assert [one["name"] for one in shown] == ["celery", "other"]
    for one in shown:
        assert (one["exchange"]["name"], one["exchange"]["type"], one["routing_key"]) == (one["name"], "direct", one["name"])
        assert one["queue_arguments"] is None and one["durable"] is True
    queues.publish("", "other", b"[[1],{},null]", {"lang": "py", "task": "chard.add", "id": "one"})
    wait_until(lambda: ask("stats")["total"] == {"chard.add": 1})
    assert ask("conf")["declare_queues"] is False


def test_tasks_in_hand(worker, ask, send, provider, reply, wait_until, chard):
    chard.settings |= provider.settings()
    provider.behave = reply.always(reply.hanging())
    running = worker(queues="chat.classify", grace_ms=0)
    began = time.time()
    first = send("chat.classify", task_id="first", priority=3, shadow="of Anna")
    wait_until(lambda: provider.in_flight == 1)
    shown = ask("active")
    assert len(shown) == 1 and began - 1 < shown[0].pop("time_start") < time.time() + 1
    assert shown == [{
        "id": first, "name": "of Anna", "args": [], "type": "chat.classify", "hostname": NAME,
        "kwargs": {"user_id": "u1", "text": "where does glass go?", "lang": "en"}, "acknowledged": False,
        "delivery_info": {"exchange": "chat.classify", "routing_key": "chat.classify", "priority": 3,
                          "redelivered": False}, "worker_pid": running.pid}]
    assert ask("query_task", ids=[first, "other"])[first][0] == "active"
    assert list(ask("query_task", ids=first)) == [first]
    assert ask("reserved") == [] and ask("stats")["total"] == {"chat.classify": 1}


# --- revoking -----------------------------------------------------------------------------------------


def test_revoked_before_it_came(worker, ask, send, database, wait_until, app):
    """Also by a worker that was started afterwards, and by one that has it in its memory only (a stateless task)."""
    running = worker(queues="chat.classify,chard.echo")
    assert ask("revoke", task_id="one") == {"ok": "tasks {'one'} flagged as revoked"}
    assert ask("revoke", task_id=["two", "echo"]) == {"ok": "tasks {'two', 'echo'} flagged as revoked"}
    assert ask("revoked") == ["one", "two", "echo"]
    wait_until(lambda: [state(database, one) for one in ("one", "two")] == ["REVOKED"] * 2)
    send("chat.classify", task_id="one")
    send("chard.echo", task_id="echo")
    running.wait_log("task=one .*is revoked")
    running.wait_log("task=echo .*is revoked")
    assert database.rows("select state from chard.job where root_id = 'one'") == [{"state": "REVOKED"}]
    running.terminate()
    running.wait()
    again = worker(queues="chat.classify")
    send("chat.classify", task_id="two")
    again.wait_log("task=two .*is revoked")
    done = send("chat.classify")
    wait_until(lambda: state(database, done) == "SUCCESS")
    assert ask("stats")["total"] == {"chat.classify": 1}


@pytest.mark.parametrize("kind", ["postgresql", "sqlite"])
def test_a_worker_that_ends_has_stored_what_it_was_told_to_revoke(worker, app, ask, chard, kind, tmp_path, wait_until):
    """Twenty thousand in one command, which nobody waits for, and SIGTERM behind it; a lock holds the store up meanwhile. They are stored as sets."""
    if kind == "sqlite":
        chard.settings["CHARD_STORE_URL"] = f"sqlite:{tmp_path}/chard.db"
        chard.prepare()
    running = worker(queues="chat.classify")
    database = Backend(chard.settings["CHARD_STORE_URL"]).database
    ask("revoke", task_id="first")  # what stores them is connected
    with database.locked():
        app.control.revoke([f"t{n}" for n in range(20000)])
        running.wait_log("revoked: 't0'")
        running.terminate()
        running.wait_log("stopping")
    assert running.wait() == 0
    assert database.value("select count(*) from chard.task where state = 'REVOKED'") == 20001
    if kind == "postgresql":
        assert database.value("select count(distinct xmin::text) from chard.task where id <> 'first'") <= 25


@pytest.mark.parametrize("kind, end", [("postgresql", signal.SIGTERM), ("sqlite", signal.SIGKILL)])
def test_what_is_acknowledged_outlives_its_worker(worker, ask, chard, kind, end, tmp_path):
    """The signal comes right behind the answer."""
    if kind == "sqlite":
        chard.settings["CHARD_STORE_URL"] = f"sqlite:{tmp_path}/chard.db"
        chard.prepare()
    running = worker(queues="chat.classify")
    assert "flagged as revoked" in ask("revoke", task_id=[f"t{n}" for n in range(2000)])["ok"]
    running.signal(end)
    running.expected = {0, -9}
    running.wait()
    assert Backend(chard.settings["CHARD_STORE_URL"]).database.value("select count(*) from chard.task where state = 'REVOKED'") == 2000


def test_a_revocation_is_answered_once_it_is_stored(worker, app, ask, database, wait_until):
    """The connection that stores it is opened when it is first wanted, and prepares its statements then: behind a lock it would wait there, and not yet in
    what is asked of it."""
    worker(queues="chat.classify")
    ask("revoke", task_id="first")
    with ThreadPoolExecutor() as pool:
        with database.locked():
            asked = pool.submit(app.control.revoke, ["a", "b"], reply=True, timeout=10, limit=1)
            wait_until(lambda: database.rows("select 1 from pg_stat_activity where wait_event_type = 'Lock'"
                                             " and query like '%%REVOKED%%'"))
            assert not asked.done()
    assert asked.result() == [{NAME: {"ok": "tasks {'a', 'b'} flagged as revoked"}}]
    assert database.rows("select id from chard.task where state = 'REVOKED' order by id") == [{"id": "a"}, {"id": "b"}, {"id": "first"}]


def test_revoked_between_two_attempts(worker, ask, send, database, provider, reply, wait_until, chard):
    chard.settings |= provider.settings()
    provider.behave = reply.always(reply.failure(503, headers={"Retry-After": "2"}))
    running = worker(queues="chat.classify")
    task = send("chat.classify")
    wait_until(lambda: state(database, task) == "RETRY")
    shown = ask("scheduled")
    assert [one["request"]["id"] for one in shown] == [task] and shown[0]["eta"].startswith("20")
    assert shown[0]["request"]["kwargs"]["user_id"] == "u1" and shown[0]["request"]["time_start"] is None
    ask("revoke", task_id=task)
    running.wait_log(f"task={task} .*is revoked")
    assert state(database, task) == "REVOKED" and provider.count == 1
    assert ask("scheduled") == []


def test_what_runs_or_has_ended_is_only_flagged(worker, ask, send, database, provider, reply, wait_until, chard):
    chard.settings |= provider.settings()
    provider.behave = lambda request: reply.fitting(request, delay=1)
    worker(queues="chat.classify")
    task = send("chat.classify")
    wait_until(lambda: provider.in_flight == 1)
    ask("revoke", task_id=task)
    wait_until(lambda: state(database, task) == "SUCCESS")
    ask("revoke", task_id=task)
    ask("ping")
    assert state(database, task) == "SUCCESS"


def test_terminated_at_work(worker, ask, send, database, queues, provider, reply, wait_until, chard):
    chard.settings |= provider.settings()
    provider.behave = reply.always(reply.hanging())
    worker(queues="chat.classify")
    task = send("chat.classify")
    wait_until(lambda: provider.in_flight == 1)
    assert ask("revoke", task_id=task, terminate=True, signal="SIGKILL") == {"ok": f"terminate: {task}"}
    wait_until(lambda: state(database, task) == "REVOKED")
    wait_until(lambda: ask("active") == [])
    assert queues.depth("chat.classify") == 0 and queues.depth("chat.classify.dead") == 0
    assert ask("terminate", task_id=[task], signal="SIGTERM") == {"ok": "terminate: tasks unknown"}


@pytest.mark.parametrize("kind", ["postgresql", "sqlite"])
def test_a_revoked_job_ends(chard, kind, tmp_path, app, wait_until):
    """`chard job` shows it, on either store."""
    if kind == "sqlite":
        chard.settings["CHARD_STORE_URL"] = f"sqlite:{tmp_path}/chard.db"
    chard.prepare()
    job = jobs.submit(chard, "chat", user_id="u1", text="glass?", lang="en")
    with chard.worker(name=NAME, queues="chat.answer"):
        wait_until(lambda: app.control.revoke(job, reply=True, timeout=0.5))
    with chard.worker(name=NAME, queues="chat.classify"):
        wait_until(lambda: (jobs.job(chard, job) or {}).get("pipeline") == "chat")
        wait_until(lambda: jobs.job(chard, job)["state"] == "REVOKED")
        assert app.control.inspect(timeout=10, destination=[NAME]).scheduled() == {NAME: []}
    assert [(one["name"], one["state"]) for one in jobs.job(chard, job)["tasks"]] == [("chat.classify", "REVOKED")]


# --- limits -------------------------------------------------------------------------------------------


def test_rate_limit(worker, ask, send, wait_until, provider, chard):
    """Never faster than asked for; without it, at once."""
    chard.settings |= provider.settings()
    worker(queues="chat.classify")
    assert ask("rate_limit", task_name="chat.classify", rate_limit="5/s") == {"ok": "new rate limit set successfully"}
    assert "chat.classify [rate_limit=5/s]" in ask("registered")
    began = time.monotonic()
    for _ in range(6):
        send("chat.classify")
    wait_until(lambda: provider.count >= 2)
    assert len(ask("reserved")) > 0
    wait_until(lambda: provider.count == 6)
    assert time.monotonic() - began > 0.9
    assert ask("rate_limit", task_name="chat.classify", rate_limit=0) == {"ok": "rate limit disabled successfully"}
    assert ask("rate_limit", task_name="chat.classify", rate_limit="bad") == {
        "error": "Invalid rate limit string: ValueError(\"could not convert string to float: 'bad'\")"}
    assert ask("rate_limit", task_name="none", rate_limit="1/s") == {"error": "unknown task"}


def test_a_slow_rate_holds_nothing(worker, ask, send, wait_until, database, provider, chard, queues):
    """Who would wait for longer than a pause is held waits in the store, and is not lost there."""
    chard.settings |= provider.settings()
    worker(queues="chat.classify", hold_ms=100)
    ask("rate_limit", task_name="chat.classify", rate_limit="60/m")
    for _ in range(3):
        send("chat.classify")
    wait_until(lambda: database.rows("select count(*) as n from chard.scheduled")[0]["n"] > 0)
    wait_until(lambda: provider.count == 3 and ask("active") == [], 30)
    assert queues.depth("chat.classify") == 0


def test_time_limit(worker, ask, send, wait_until, provider, reply, chard, database):
    chard.settings |= provider.settings()
    provider.behave = reply.always(reply.hanging())
    running = worker(queues="chat.classify")
    assert ask("time_limit", task_name="chat.classify", soft=0.3, hard=1) == {"ok": "time limits set successfully"}
    send("chat.classify", task_id="slow")
    running.wait_log("task=slow .*dead .*code=soft_time_limit")
    assert ask("time_limit", task_name="none", soft=1) == {"error": "unknown task"}
    assert "error" in ask("time_limit", task_name="chat.classify", hard=-1)


# --- queues and slots ---------------------------------------------------------------------------------


def test_consumers_come_and_go(worker, ask, send, queues, wait_until, database):
    worker(queues="chat.classify")
    assert ask("add_consumer", queue="my.profile") == {"ok": "add consumer my.profile"}
    assert ask("add_consumer", queue="new.queue") == {"ok": "add consumer new.queue"}
    assert ask("add_consumer", queue="new.queue") == {"ok": "add consumer new.queue"}
    assert [one["name"] for one in ask("active_queues")] == ["chat.classify", "my.profile", "new.queue"]
    wait_until(lambda: queues.exists("new.queue") and queues.consumers("new.queue") == 1)
    task = send("chat.classify", queue="new.queue")
    wait_until(lambda: state(database, task) == "SUCCESS")
    assert queues.depth("new.queue.dead") == 0
    assert ask("cancel_consumer", queue="new.queue") == {"ok": "no longer consuming from new.queue"}
    assert ask("cancel_consumer", queue="none") == {"ok": "no longer consuming from none"}
    wait_until(lambda: queues.consumers("new.queue") == 0)
    assert queues.consumers("my.profile") == 1 and queues.consumers("chat.classify") == 1
    for wrong in ({"queue": ""}, {"queue": "x" * 300}, {"queue": "amq.x"}, {"queue": "a", "exchange": "b"}, {"queue": "chat.classify.dead"}, {"queue": "a\n"},
                  {"queue": "a", "routing_key": "b"}):
        assert "ValueError" in ask("add_consumer", **wrong)["error"]


def test_slots(worker, ask, send, provider, reply, wait_until, chard):
    chard.settings |= provider.settings()
    provider.behave = reply.always(reply.hanging())
    worker(queues="chat.classify", slots=1, grace_ms=0)
    for _ in range(5):
        send("chat.classify")
    wait_until(lambda: provider.in_flight == 1)
    assert ask("pool_grow", n=2) == {"ok": "pool will grow"}
    wait_until(lambda: provider.in_flight >= 3)
    assert ask("pool_shrink", n=1) == {"ok": "pool will shrink"}
    assert ask("stats")["pool"]["max-concurrency"] == 2
    assert "error" in ask("pool_shrink", n=2)
    assert ask("autoscale", max=5, min=1) == {"ok": "autoscale now max=5 min=1"}
    wait_until(lambda: provider.in_flight == 5)


def test_two_of_one_name(worker, app, queues, wait_until):
    """There is one mailbox of a name: the second worker works without it, and has it when the first has gone."""
    first = worker(queues="chat.classify")
    second = worker(hears=False, queues="chat.answer")
    second.wait_log("pidbox not consuming: .*RESOURCE_LOCKED")
    assert queues.consumers("chat.answer") == 1 and second.is_ready()
    first.terminate()
    first.wait()
    wait_until(lambda: app.control.ping(timeout=0.5, limit=1), 30, "the second one answers")


# --- the rest -----------------------------------------------------------------------------------------


def test_what_is_wrong_is_said(worker, ask, app, queues):
    """And whatever lies in the mailbox, the next command is answered."""
    worker(queues="chat.classify")
    assert ask("nonsense") == {"error": "KeyError('nonsense')"}
    assert ask("revoke") == {"error": "TypeError(\"revoke() missing 1 required positional argument: 'task_id'\")"}
    assert ask("rate_limit") == {"error": "TypeError(\"rate_limit() missing 2 required positional arguments: "
                                          "'task_name' and 'rate_limit'\")"}
    assert ask("pool_restart") == {"error": "ValueError('Pool restarts not enabled')"}
    for arguments in ({"task_id": 7}, {"task_id": [None, {}, "x" * 300]}, {"task_id": {}}):
        assert "ok" in ask("revoke", **arguments)
    for n in (-1, "x", 10**12, None):
        assert "ok" in ask("pool_grow", n=n)
    with queues.channel() as channel:
        for body in (b"", b"{", b"[]", b"null", b"\xff", b'{"method": 7}', b'{"method": "ping", "arguments": [1]}',
                     b'{"method": "ping", "reply_to": {"exchange": "none-such", "routing_key": "x"}}',
                     b'{"method": "ping", "reply_to": {"exchange": "' + b"x" * 300 + b'", "routing_key": ""}}',
                     b'{"method": "ping", "reply_to": 1, "destination": 5, "pattern": 1, "matcher": []}',
                     b'{"method": "ping", "pattern": "((((a{1,255}){1,255}){1,255}){1,255})", "matcher": "pcre"}',
                     b'{"method": "ping", "pattern": "%sa%s", "matcher": "pcre"}' % (b"(" * 40, b"+)" * 40),
                     b'{"method": "ping", "pattern": "(", "matcher": "pcre"}', b"[" * 5000):
            channel.basic_publish(amqp.Message(body), exchange="celery.pidbox")
    assert ask("ping") == {"ok": "pong"}


def test_who_is_meant(worker, app, chard):
    worker(queues="chat.classify")
    ping = lambda **who: len(app.control.broadcast("ping", reply=True, timeout=0.7, **who))  # noqa: E731
    assert ping(destination=[NAME], limit=1) == 1
    assert ping(destination=["celery@other"]) == 0
    assert ping(pattern="chard@*", matcher="glob", limit=1) == 1
    assert ping(pattern="other*", matcher="glob") == 0
    assert ping(pattern="chard.h.r", matcher="pcre", limit=1) == 1
    assert ping(pattern="here", matcher="pcre") == 0


def test_a_starting_celery_worker_learns_what_is_revoked(worker, app, ask):
    worker(queues="chat.classify")
    ask("revoke", task_id="mine")
    answer = ask("hello", from_node="celery@other", revoked=["theirs"])
    assert answer["revoked"] == ["mine", "theirs"] and answer["clock"] > 0
    assert ask("revoked") == ["mine", "theirs"]
    answer = ask("hello", from_node="celery@older", revoked={"an older one's": [12345.6, "an older one's"], "theirs": [12345.7, "theirs"]})  # up to Celery 5.6
    assert answer["revoked"] == ask("revoked") == ["mine", "theirs", "an older one's"]
    assert ask("hello", from_node="celery@other", revoked={"": 1, "x" * 300: 2})["revoked"] == answer["revoked"]


def test_the_mailbox_survives_a_lost_connection(chard, worker, ask, app, toxic, rabbitmq, broker_url, wait_until):
    link = toxic(rabbitmq.port)
    chard.settings["CHARD_BROKER_URL"] = link.url(broker_url)
    worker(queues="chat.classify")
    link.cut()
    wait_until(lambda: app.control.ping(timeout=0.5, limit=1), 30, "it answers again")
    ask("add_consumer", queue="later")
    link.cut()
    wait_until(lambda: app.control.ping(timeout=0.5, limit=1), 30, "it answers again")


def test_shutdown(worker, app):
    running = worker(queues="chat.classify")
    app.control.shutdown()
    assert running.wait(20) == 0


def test_switched_off(worker, app, queues):
    """Without remote control nothing is answered; without events as well there is no mailbox at all."""
    first = worker(hears=False, queues="chat.classify", remote_control="no")
    assert app.control.ping(timeout=0.7) == []
    first.terminate()
    first.wait()
    worker(hears=False, queues="chat.classify", remote_control="no", events="off")
    assert not queues.exists(f"{NAME}.celery.pidbox")
