# SPDX-License-Identifier: Apache-2.0
"""Dead letters when things break: everything killed during a bulk requeue; many at once; and one whole night."""

import datetime
import json
import random
import re
import signal

import pytest
from support import jobs
from support.database import Database
from support.letters import leave_rows, letters, publish
from support.place import everywhere
from support.volume import volume
from test_dlq import Receiver, dlq_json, entries, keeping, kept, task

COUNT = volume(1000, 2000)


def died(database, broker_url, count, causes, **more):
    """So many tasks have died of so many causes: their letters lie in the queue, and their rows in the store."""
    made = letters(count, causes, **more)
    leave_rows(database, made)
    publish(broker_url, [("chard.dead", "chard.note")], made)


@everywhere
def test_an_older_message_of_a_dead_task(chard, database, queues, wait_until):
    """A worker that stood still comes back with it: the letter is filed once more, as what it was."""
    chard.prepare()
    # No word of it is read again: what killed it stands in the store.
    database.run("insert into chard.task (id, root_id, name, state, attempts, error, created_at) values ('t', 't', 'chat.classify', 'FAILURE', 4, %s, %s)",
                 json.dumps({"source": "provider", "code": "timeout", "text": "too late", "attempts": 4, "transient": True}),
                 datetime.datetime.now(datetime.timezone.utc))
    with chard.worker():
        queues.publish("", "chat.classify", json.dumps([[], {"user_id": "u1", "text": "a can", "lang": "en"}, None]).encode(),
                       {"lang": "py", "task": "chat.classify", "id": "t", "root_id": "t", "retries": 0})
        wait_until(lambda: queues.depth("chat.classify.dead") == 1)
    (letter,) = queues.take("chat.classify.dead")
    assert (letter.headers["attempts"], letter.headers["errorCode"], letter.headers["errorVerdict"]) == (4, "timeout", "transient")


@everywhere
def test_errbacks_run_once_for_each_death(chard, database, queues, wait_until):
    """What was requeued and dies again calls them again; an old message that comes back does not. Of a task that keeps state, and of one that keeps none."""
    chard.prepare()
    errback = {"task": "chat.classify", "args": [], "kwargs": {"user_id": "u1", "text": "a milk carton", "lang": "en"},
               "options": {"queue": "chat.classify"}, "subtask_type": None, "immutable": True}
    failing = {"chat.answer": "chat.answer", "chard.fail": "chard.tasks"}
    ids = {}

    def send(name, queue, **known):
        headers, _ = task(name, **known)
        queues.publish("", queue, json.dumps([[], {}, {"callbacks": None, "errbacks": [errback], "chain": None, "chord": None}]).encode(), headers)
        return headers["id"]

    def called(name):
        return [row["id"] for row in database.rows("select id from chard.task where parent_id = %s and name = 'chat.classify' and state = 'SUCCESS'", ids[name])]

    with chard.worker(queues="chat.classify,chat.answer,chard.tasks"), keeping(chard):
        ids |= {name: send(name, queue) for name, queue in failing.items()}
        for death in (1, 2, 3):
            wait_until(lambda: [len(called(name)) for name in failing] == [death] * 2, 30)  # noqa: B023
            kept(chard, 2, wait_until)
            if death < 3:
                assert dlq_json(chard, "requeue", "--all", "--yes")["requeued"] == 2
        for name, queue in failing.items():
            send(name, queue, task_id=ids[name])
        wait_until(lambda: all(queues.depth(queue) == 0 for queue in failing.values()))
    late = {message.headers["id"] for message in queues.take("chat.classify")}  # such as nobody took any more
    assert late <= {one for name in failing for one in called(name)}
    assert [len(called(name)) for name in failing] == [3, 3]


@pytest.mark.volume
def test_killed_while_requeueing(chard_release, private_rabbitmq, private_postgres, wait_until):
    """The keeper, the command, PostgreSQL and RabbitMQ die again and again: every task succeeds, every entry is requeued once."""
    chard, broker, store = chard_release, private_rabbitmq(), private_postgres()
    chard.settings |= {"CHARD_BROKER_URL": broker.url, "CHARD_STORE_URL": store.url}
    database = Database(store.url)
    chard.prepare()
    died(database, broker.url, COUNT, 40)
    dice = random.Random(6)

    def keeper():
        return chard.start("dlq", "keep", "-n", "k1", "--dlq-policies", "", "--connect-timeout-ms", "20000")

    def command():
        return chard.start("dlq", "requeue", "--all", "--yes", "--json", "--rate", "1000/s")

    def restart(server):
        server.kill()
        server.start()

    keep, requeue = keeper(), command()
    with chard.worker(queues="chard.note", name="w1") as worker:
        for what in ["command", "keeper", "store", "command", "broker", "command", "keeper"]:
            target = dice.randrange(COUNT // 20, COUNT // 4)
            before = requeued(database)
            wait_until(lambda: requeued(database) >= min(before + target, COUNT - 200) or not requeue.running(), 60)
            if what == "keeper":
                keep.kill()
                keep = keeper()
            elif what == "command":
                requeue.kill()
            else:
                restart(store if what == "store" else broker)
            if not keep.running():
                keep = keeper()
            if not requeue.running():
                requeue = command()

        def through():
            nonlocal requeue, keep
            if not keep.running():
                keep = keeper()
            if not requeue.running():
                requeue = command()
            return requeued(database) == COUNT

        wait_until(through, 60, "all are requeued", every=0.3)
        wait_until(lambda: database.value("select count(*) from chard.job where state = 'SUCCESS'") == COUNT, 60)
        assert worker.running()
    requeue.kill()
    keep.terminate()
    keep.wait()
    assert database.value("select count(*) from chard.task where state = 'SUCCESS'") == COUNT, "nothing lost"
    assert database.value("select count(*) from chard.dead_letter") == COUNT, "nothing filed twice"
    assert database.value("select sum(entries) from chard.dead_letter_audit") == COUNT, "nothing requeued twice"
    assert database.value("select count(*) from chard.scheduled") == 0


def requeued(database):
    try:
        return database.value("select count(*) from chard.dead_letter where state = 'requeued'")
    except Exception:  # it is being restarted
        return -1


def test_the_broker_is_away(chard, database, queues, broker_url, rabbitmq, toxic, wait_until):
    """A bulk requeue needs no broker: what it commits waits in the store, and runs, each once, when the broker is back."""
    chard.prepare()
    died(database, broker_url, 300, 3)
    with keeping(chard):
        kept(chard, 300, wait_until)
    link = toxic(rabbitmq.port)
    with chard.worker(queues="chard.note", broker_url=link.url(broker_url)) as worker:
        link.refuse()
        worker.wait_log("broker away")
        assert dlq_json(chard, "requeue", "--all", "--yes")["requeued"] == 300
        assert database.value("select count(*) from chard.scheduled") == 300
        link.heal()
        wait_until(lambda: database.value("select count(*) from chard.job where state = 'SUCCESS'") == 300, 60)
    assert database.value("select count(*) from chard.task where state = 'SUCCESS' and starts = 1") == 300


def test_the_store_goes_away_in_the_middle(chard, database, broker_url, store_url, postgres, toxic, wait_until):
    """A bulk requeue stops, says how far it got, and said again goes on with the rest."""
    chard.prepare()
    died(database, broker_url, 3000, 3)
    with keeping(chard):
        wait_until(lambda: database.value("select count(*) from chard.dead_letter") == 3000, 60)
    link = toxic(postgres.port)
    link.delay(0.3)
    command = chard.with_settings(store_url=link.url(store_url)).start("dlq", "requeue", "--all", "--yes")
    wait_until(lambda: requeued(database) == 2000, 30, every=0.01)
    link.refuse()
    command.signal(signal.SIGINT)
    command.wait_log("stopping after the batch in hand")
    command.signal(signal.SIGINT)
    assert command.wait(10) == 1
    assert re.search(r"at least [12]000 of 3000 are done. Say it again to go on", command.stderr)
    link.heal()
    done = requeued(database)
    assert done == 2000
    assert dlq_json(chard, "requeue", "--all", "--yes")["requeued"] == 3000 - done
    assert database.value("select count(distinct task_id) from chard.scheduled") == 3000
    assert database.value("select sum(entries) from chard.dead_letter_audit") == 3000


def test_many(chard_release, database, broker_url, queues, wait_until):
    """Four thousand of forty causes: grouped, one group requeued at a rate, the rest at once, all done once."""
    chard = chard_release
    chard.prepare()
    died(database, broker_url, 4000, 40, filler="x" * 500)
    with keeping(chard):
        wait_until(lambda: database.value("select count(*) from chard.dead_letter") == 4000, 60)
        groups = dlq_json(chard, "groups")["groups"]
        assert len(groups) == 40 and {g["count"] for g in groups} == {100}
        with chard.worker(queues="chard.note"):
            assert dlq_json(chard, "requeue", "--group", groups[7]["group"], "--rate", "100/s", "--yes")["requeued"] == 100
            assert dlq_json(chard, "requeue", "--all", "--yes")["requeued"] == 3900
            wait_until(lambda: database.value("select count(*) from chard.job where state = 'SUCCESS'") == 4000, 60)
    assert database.value("select count(*) from chard.task where state = 'SUCCESS' and starts = 1") == 4000
    assert queues.depth("chard.note.dead") == 0 and database.value("select count(*) from chard.scheduled") == 0


def test_a_night(chard, database, provider, reply, wait_until):
    """At night the provider's key expires: jobs die, a room is told. In the morning somebody looks, mends it, sends all back but what can never
    work, and everything is green."""
    room = Receiver()
    chard.settings |= provider.settings()
    chard.prepare()
    with chard.worker(), keeping(chard, dlq_webhook_url=room.url("hook"), dlq_webhook_every_s=0):
        good = jobs.submit_many(chard, "chat", [{"user_id": f"u{n}", "text": "a milk carton", "lang": "en"} for n in range(4)])
        assert set(jobs.ended(database, good).values()) == {"SUCCESS"}

        provider.behave = reply.always(reply.failure(400, "bad_setting_of_ours", "Unknown parameter"))
        chats = jobs.submit_many(chard, "chat", [{"user_id": f"u{n}", "text": "a milk carton", "lang": "en"} for n in range(20)])
        scans = jobs.submit_many(chard, "scan", [{"user_id": f"u{n}", "image_url": jobs.PICTURE, "lang": "en"} for n in range(10)])
        assert set(jobs.ended(database, chats + scans).values()) == {"FAILURE"}
        wait_until(lambda: any("bad_setting_of_ours" in post["text"] for post in room.posts))

        kept(chard, 30, wait_until)
        by_task = {g["name"]: g for g in dlq_json(chard, "groups")["groups"]}
        assert {name: g["count"] for name, g in by_task.items()} == {"chat.classify": 20, "scan.vision": 10}
        assert "400" in dlq_json(chard, "show", by_task["scan.vision"]["entry"])["message"]

        provider.behave = reply.fitting
        (one,) = entries(chard, "--job", chats[0])
        assert dlq_json(chard, "requeue", one["entry"], "--reason", "does it work now?")["requeued"] == 1
        assert jobs.ended(database, [chats[0]]) == {chats[0]: "SUCCESS"}
        assert dlq_json(chard, "discard", "--user", "u9", "--task", "scan.vision", "--reason", "asked to be forgotten", "--yes")["discarded"] == 1
        done = dlq_json(chard, "requeue", "--code", "bad_setting_of_ours", "--rate", "40/s", "--reason", "mended", "--yes")
        assert done["requeued"] == 28
        wait_until(lambda: database.value("select count(*) from chard.job where state = 'SUCCESS'") == 33, 60)
        stats = dlq_json(chard, "stats")
        assert stats["kept"] == 0 and sum(row["out_1h"] for row in stats["rows"]) == 30
    left = [job for job, state in jobs.ended(database, chats + scans).items() if state == "FAILURE"]
    assert left == [scans[9]]
    assert database.value("select count(*) from chard.task where state = 'SUCCESS' and starts <> 1") == 0
    assert json.loads(chard.run("job", chats[5], "--json", check=0).stdout)["state"] == "SUCCESS"
