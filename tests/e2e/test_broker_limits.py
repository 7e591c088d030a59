# SPDX-License-Identifier: Apache-2.0
"""What RabbitMQ would drop by itself: messages delivered more often than a queue's delivery limit, and such that expire while nobody consumes; and
how chard sees that, and keeps it from that, where the management API lets it."""

import contextlib
import itertools
import re
import urllib.parse

import pytest
import servers
from celery.exceptions import TaskRevokedError
from support import jobs
from support.celery_app import make_app
from support.queues import Queues
from test_dlq import keeping

QUEUE = "scan.vision"
RESTARTS = 25


def set_policy(rabbitmq, url, **definition):
    vhost = url.rpartition("/")[2]
    rabbitmq.api("PUT", f"policies/{vhost}/limits", {"pattern": "^scan\\.vision$", "apply-to": "queues", "definition": definition})


@pytest.fixture(scope="module")
def rabbitmq4():
    with servers.RabbitMQ(four=True, management=True) as server:
        yield server


_numbers = itertools.count(1)


@pytest.fixture(params=["RabbitMQ 3", "RabbitMQ 4"])
def broker(request):
    """A server of each version with its management API, and the URL of a virtual host of the test's own."""
    server = request.getfixturevalue("rabbitmq4" if request.param == "RabbitMQ 4" else "rabbitmq")
    vhost = f"limits/{next(_numbers)}"
    yield server, server.add_vhost(vhost)
    server.delete_vhost(vhost)


@pytest.fixture
def limited(broker, chard_release):
    """A queue that drops what was delivered 20 times: because a policy says so, or because RabbitMQ 4 always does."""
    server, url = broker
    chard = chard_release.with_settings(broker_url=url, native_delay="yes")
    chard.prepare()
    if not server.four:
        set_policy(server, url, **{"delivery-limit": 20})
    return chard, Queues(url)


@pytest.mark.timeout(180)
def test_orderly_restarts_count_as_no_delivery(request, limited, provider, reply, wait_until):
    """A worker stopped 25 times with a message in hand: the message is there, and new."""
    chard, queues = limited
    provider.behave = lambda _request: reply.hanging()
    chard.settings |= provider.settings()
    jobs.submit_scan(chard)
    for restart in range(RESTARTS):
        with chard.worker(queues=QUEUE, name="chard@again", grace_ms=0):
            wait_until(lambda: provider.in_flight == 1, 20)
        wait_until(lambda: provider.in_flight == 0 and queues.depth(QUEUE) == 1, 20, f"after {restart + 1} stops")
    message, = queues.take(QUEUE)
    # As what was never delivered: RabbitMQ 3.10 says 0 of it, RabbitMQ 4 says nothing.
    assert message.headers.get("x-delivery-count") == (None if "RabbitMQ 4" in request.node.name else 0)


@pytest.mark.parametrize("busy", [False, True], ids=["nobody consumes", "the one slot is busy"])
def test_expired_in_its_queue(chard, rabbitmq, broker_url, app_of, redis, queues, database, provider, reply, wait_until, busy):
    """The broker takes it out; with the policy that `topology apply` sets it is filed, its job has failed, and both kinds of clients are told. Only at
    its queue's head does RabbitMQ look at the time: what stands behind another is found by the worker that takes it."""
    chard.prepare()
    policies = chard.run("topology", "policies", check=0).stdout
    assert "rabbitmqctl set_policy 'chard-scan.vision' '^scan\\.vision$'" in policies and '"dead-letter-routing-key": "scan.vision"' in policies
    port = urllib.parse.urlsplit(rabbitmq.api_url).port
    chard.with_settings(broker_admin_url=f"http://127.0.0.1:{port}").run("topology", "apply", check=0)
    provider.behave = lambda _request: reply.hanging()
    chard.settings |= provider.settings()
    by_redis, by_rpc = app_of(redis.url), app_of("rpc://")

    def sent(app, queue, **options):
        kwargs = {"user_id": "u1", "image_url": jobs.PICTURE} if queue == QUEUE else {"user_id": "u1", "text": "a milk carton"}
        return app.send_task(queue, kwargs=kwargs, exchange=queue, routing_key=queue, **options)

    with contextlib.ExitStack() as stack:
        if busy:
            stack.enter_context(chard.worker(queues=QUEUE, slots=1, name="busy", grace_ms=0, result_url="disabled://"))
            sent(by_redis, QUEUE)
            wait_until(lambda: provider.in_flight == 1)
        lasting = sent(by_redis, "chat.classify")
        behind = sent(by_redis, "chat.classify", expires=1)
        expired = [sent(app, QUEUE, expires=1) for app in (by_redis, by_rpc)]
        wait_until(lambda: queues.depth(f"{QUEUE}.dead") == 2, 20)
        stack.enter_context(keeping(chard))
        stack.enter_context(chard.worker(queues="scan.answer", result_url=f"rpc://,{redis.url}"))
        for one in expired:
            with pytest.raises(TaskRevokedError, match="expired"):
                one.get(40)
        assert provider.in_flight == busy and queues.depth("chat.classify") == 2
        letters = database.rows("select error_source, error_code from chard.dead_letter")
        assert [(row["error_source"], row["error_code"]) for row in letters] == [("broker", "expired")] * 2
        failed = {row["root_id"]: (row["state"], row["error"]["code"]) for row in database.rows("select root_id, state, error from chard.job where state <> 'STARTED'")}
        assert failed == {one.id: ("FAILURE", "expired") for one in expired}
        told = database.rows("select payload from chard.outbox where type = 'ScanFailed'")
        assert sorted((row["payload"]["job_id"], row["payload"]["user_id"]) for row in told) == sorted((one.id, "u1") for one in expired)
        provider.behave = reply.fitting
        stack.enter_context(chard.worker(queues="chat.classify", result_url=redis.url, name="last"))
        with pytest.raises(TaskRevokedError, match="expired"):
            behind.get(40)
        assert lasting.get(40)


@pytest.mark.parametrize("broker", ["RabbitMQ 4"], indirect=True)
def test_what_is_held_past_the_consumer_timeout_comes_again(broker, chard, database, private_redis, provider, reply, wait_until):
    """The broker closes the channel over a slow answer: the worker subscribes again, takes the message on as the same task, and nothing is asked twice. Results that
    are owed to a Redis that is away hold none. (A copy that comes when its task has ended owes the result once more, which is told once more.)"""
    server, url = broker
    away = private_redis()
    away.kill()
    chard = chard.with_settings(broker_url=url)
    chard.settings |= provider.settings()
    chard.prepare()
    app = make_app(url, "rpc://")
    provider.behave = reply.sequence(reply.hanging())

    def unacked():
        lines = server.ctl("list_queues", "-p", url.rpartition("/")[2].replace("%2F", "/"), "name", "messages_unacknowledged").splitlines()
        return dict(line.split() for line in lines)

    with server.consumer_timeout(1500), chard.worker(queues="chat.classify,chat.answer,chard.tasks", result_url=away.url) as worker:
        for number in range(5):
            app.send_task("chard.add", (number, 1), queue="chard.tasks")
        job = jobs.submit(chard, "chat", user_id="u1", text="a milk carton", lang="en")
        worker.wait_log("queue=chat.classify not consuming: .*timed out")
        worker.wait_log("queue=chat.classify consuming again")
        wait_until(lambda: database.value("select count(distinct task_id) from chard.owed_result") == 5, 40)
        wait_until(lambda: unacked()["chard.tasks"] == "0", 30)
        worker.wait_log("Redis away")
        provider.let_go()
        assert jobs.ended(database, [job]) == {job: "SUCCESS"}
        assert provider.count == 2
        wait_until(lambda: database.value("select count(distinct task_id) from chard.owed_result") == 7)
    app.close()


# --- seeing it ------------------------------------------------------------------------------------------


def set_policies(server, url, policies):
    """{queue: definition}, before chard's own."""
    vhost = url.rpartition("/")[2]
    for queue, definition in policies.items():
        server.api("PUT", f"policies/{vhost}/of-the-operator-{queue}",
                   {"pattern": f"^{re.escape(queue)}$", "apply-to": "queues", "priority": 7, "definition": definition})


def told(done):
    """Of a check or an apply: {queue: what is said of it}."""
    return {queue: (kind, text) for kind, queue, text in re.findall(r"^(LOSES|note) +(\S+) +(.*)$", done.stdout, re.M)}


@pytest.fixture
def admin(broker, chard):
    """chard with the broker's management API, which takes the broker's login where the URL has none."""
    server, url = broker
    port = urllib.parse.urlsplit(server.api_url).port
    return chard.with_settings(broker_url=url, broker_admin_url=f"http://127.0.0.1:{port}")


def test_what_limits_lose_is_seen_and_kept_from(broker, admin):
    server, url = broker
    blind = admin.with_settings(broker_admin_url="")
    applied = blind.run("topology", "apply", check=0)
    unseen = blind.run("topology", "check", check=3)
    for done in (applied, unseen):  # nobody is at the usual port
        assert "management API at http://127.0.0.1:15672/api" in done.stderr and "AMQP shows neither" in done.stderr
        assert done.stderr.count("rabbitmqctl set_policy 'chard-") == len(blind.run("topology", "policies").stdout.splitlines())

    lost = told(admin.run("topology", "check", check=1))
    kind, text = lost["scan.vision"]
    assert kind == "LOSES" and "no dead-letter exchange" in text and "lets expire (expires) while nobody consumes" in text
    assert ("delivered 20 times" in text) == server.four
    assert not any(queue.endswith(".dead") for queue in lost)

    for _ in range(2):
        assert told(admin.run("topology", "apply", check=0)) == {}
    done = admin.run("topology", "check", check=0)
    assert told(done) == {} and "no message gets lost" in done.stdout
    policies = {one["name"]: one for one in server.api("GET", f"policies/{url.rpartition('/')[2]}")}
    assert policies["chard-scan.vision"]["definition"]["dead-letter-exchange"] == "chard.dead"


def test_an_operators_settings_are_judged_and_left_alone(broker, admin):
    server, url = broker
    admin = admin.with_settings(native_delay="yes")
    admin.run("topology", "apply", check=0)
    routed = {"dead-letter-exchange": "chard.dead", "dead-letter-routing-key": "chat.classify"}
    set_policies(server, url, {
        "scan.vision": {"message-ttl": 5000},
        "scan.answer": {"expires": 600_000, "delivery-limit": 30},
        "scan.reward": {"dead-letter-exchange": "nowhere"},
        "chat.classify": routed | {"max-length": 10, "delivery-limit": 1_000_000},
        "chat.answer": {"dead-letter-exchange": "chard.dead"},
        "my.profile.dead": {"max-length-bytes": 1000},
        "celery_delayed_3": {"expires": 900_000},
    })
    Queues(url).delete_queue("my.profile")
    done = admin.run("topology", "check", check=1)
    found = told(done)
    for queue, kind, text in (
            ("scan.vision", "LOSES", "what waits longer than 5 s (message-ttl)"),
            ("scan.answer", "LOSES", "what was delivered 30 times"),
            ("scan.answer", "LOSES", "is deleted, with all that it holds, when nobody consumes for 600 s (expires)"),
            ("scan.reward", "LOSES", "the dead-letter exchange nowhere, which is not there"),
            ("chat.classify", "note", "the oldest of more than 10 messages (max-length, overflow drop-head) becomes a dead letter"),
            ("chat.answer", "LOSES", "without a dead-letter-routing-key"),
            ("my.profile.dead", "LOSES", "the oldest of more than 1000 bytes"),
            ("my.profile", "LOSES", "is not there"),
            ("celery_delayed_3", "LOSES", "when nobody consumes for 900 s")):
        assert found[queue][0] == kind and text in done.stdout, (queue, done.stdout)
    again = admin.run("topology", "apply", check=0)
    assert "note   scan.vision          has the policy of-the-operator-scan.vision, which is left as it is" in again.stdout
    policies = {one["name"]: one["definition"] for one in server.api("GET", f"policies/{url.rpartition('/')[2]}")}
    assert policies["of-the-operator-scan.vision"] == {"message-ttl": 5000}


def test_a_classic_queue_has_a_policy_of_its_kind(broker, admin, wait_until):
    """RabbitMQ applies none that sets what a queue's kind does not have: all of it, its dead-letter exchange too."""
    server, url = broker
    queues = Queues(url)
    with queues.channel() as channel:
        channel.queue_declare("scan.vision", durable=True, auto_delete=False, arguments={"x-queue-type": "classic"})
    admin = admin.with_settings(declare_queues="no")
    routed = {"dead-letter-exchange": "chard.dead", "dead-letter-routing-key": "scan.vision"}
    server.api("PUT", f"policies/{url.rpartition('/')[2]}/chard-scan.vision",
               {"pattern": "^scan\\.vision$", "apply-to": "queues", "definition": routed | {"delivery-limit": 1_000_000}})
    assert told(admin.run("topology", "check", check=1))["scan.vision"][0] == "LOSES"
    said = told(admin.run("topology", "apply", check=0))
    assert "scan.vision" not in said and said["scan.answer"][0] == "note" and not queues.exists("scan.answer")
    queues.publish("", "scan.vision", b"{}", expiration="1")
    wait_until(lambda: queues.depth("scan.vision.dead") == 1, 30)


def test_who_may_not_look_is_told_so(broker, admin):
    server, url = broker
    server.api("PUT", "users/nobody", {"password": "geheim77", "tags": ""})
    try:
        api = urllib.parse.urlsplit(server.api_url)
        refused = admin.with_settings(broker_admin_url=f"http://nobody:geheim77@127.0.0.1:{api.port}/api/")
        done = refused.run("topology", "check", check=3)
        assert "refuses the user nobody" in done.stderr and "needs the tag policymaker" in done.stderr
        assert refused.run("topology", "apply", check=3).stdout.startswith("declared:")
        assert "geheim77" not in done.stderr + done.stdout
    finally:
        server.api("DELETE", "users/nobody")
    for wrong in ("amqp://x", "127.0.0.1:15672"):
        assert "CHARD_BROKER_ADMIN_URL" in admin.with_settings(broker_admin_url=wrong).run("topology", "check", check=2).stderr


def test_a_file_loses_nothing(chard_bare, tmp_path):
    chard = chard_bare.with_settings(broker_url=f"embedded:{tmp_path}/chard.db")
    for verb, told in (("apply", "declared"), ("check", "no message gets lost")):
        done = chard.run("topology", verb, check=0)
        assert told in done.stdout and not done.stderr


@pytest.mark.parametrize("broker", ["RabbitMQ 3"], indirect=True)
def test_workers_and_keepers_say_it_at_their_start(admin, toxic, broker):
    admin.prepare()
    lost = r"queue=scan\.vision has no dead-letter exchange: lost is "
    clean = admin.with_settings(broker_admin_url="")
    clean_admin = admin.settings["CHARD_BROKER_ADMIN_URL"]
    vhost = admin.settings["CHARD_BROKER_URL"].rpartition("/")[2]
    broker[0].api("DELETE", f"policies/{vhost}/chard-scan.vision")
    with admin.worker(queues="scan.vision,scan.answer") as worker:
        worker.wait_log(lost)
        worker.wait_log("chard topology check says where")
    assert "scan.answer has no" not in worker.stderr
    keeper = admin.start("keep")
    keeper.wait_log(lost)
    keeper.terminate()
    assert keeper.wait() == 0
    # An API that never answers holds nobody up.
    link = toxic(urllib.parse.urlsplit(clean_admin).port)
    link.half_open()
    with clean.worker(queues="scan.vision", broker_admin_url=link.url(clean_admin)) as worker:
        worker.terminate()
        assert worker.wait(20) == 0
