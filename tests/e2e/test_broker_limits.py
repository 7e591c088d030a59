# SPDX-License-Identifier: Apache-2.0
"""What RabbitMQ would drop by itself: messages delivered more often than a queue's delivery limit, and such that expire while nobody consumes."""

import urllib.parse

import pytest
import servers
from celery.exceptions import TaskRevokedError
from support import jobs
from support.queues import Queues

QUEUE = "scan.vision"
RESTARTS = 25


def set_policy(rabbitmq, url, **definition):
    vhost = urllib.parse.quote(url.rpartition("/")[2], safe="")
    rabbitmq.api("PUT", f"policies/{vhost}/limits", {"pattern": "^scan\\.vision$", "apply-to": "queues", "definition": definition})


@pytest.fixture(params=["a policy", "RabbitMQ 4"])
def limited(request, chard_release):
    """A queue that drops what was delivered 20 times: because a policy says so, or because RabbitMQ 4 always does."""
    if request.param == "RabbitMQ 4":
        with servers.RabbitMQ(four=True) as server:
            chard = chard_release.with_settings(broker_url=server.url)
            chard.prepare()
            yield chard, Queues(server.url)
        return
    chard_release.prepare()
    set_policy(request.getfixturevalue("rabbitmq"), request.getfixturevalue("broker_url"), **{"delivery-limit": 20})
    yield chard_release, request.getfixturevalue("queues")


@pytest.mark.timeout(180)
def test_orderly_restarts_count_as_no_delivery(limited, provider, reply, wait_until):
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
    assert message.headers.get("x-delivery-count", 0) == 0


def test_expired_while_nobody_consumes(chard, rabbitmq, broker_url, app_of, redis, queues, database, wait_until):
    """The broker takes it out; with the policy it is filed, and both kinds of clients are told."""
    chard.prepare()
    policies = chard.run("topology", "policies", check=0).stdout
    assert "rabbitmqctl set_policy 'chard-scan.vision' '^scan\\.vision$'" in policies and '"dead-letter-routing-key": "scan.vision"' in policies
    set_policy(rabbitmq, broker_url, **{"dead-letter-exchange": "chard.dead", "dead-letter-routing-key": QUEUE})
    by_redis, by_rpc = app_of(redis.url), app_of("rpc://")
    sent = [app.send_task("scan.vision", kwargs={"user_id": "u1", "image_url": jobs.PICTURE}, exchange=QUEUE, routing_key=QUEUE, expires=1)
            for app in (by_redis, by_rpc)]
    wait_until(lambda: queues.depth(f"{QUEUE}.dead") == 2, 20)
    keeper = chard.start("dlq", "keep")
    try:
        with chard.worker(queues="scan.answer", result_url=f"rpc://,{redis.url}"):
            for one in sent:
                with pytest.raises(TaskRevokedError, match="expired"):
                    one.get(40)
        letters = database.rows("select error_source, error_code from chard.dead_letter")
        assert [(row["error_source"], row["error_code"]) for row in letters] == [("broker", "expired")] * 2
    finally:
        keeper.terminate()
        keeper.wait()
