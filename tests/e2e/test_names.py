# SPDX-License-Identifier: Apache-2.0
"""Servers by names: one with several addresses, of which some don't answer; and look-ups that hang."""

import contextlib
import os
import subprocess
import sys
import time

import pytest
from support.celery_app import QUEUE
from support.names import Names, at, silent
from support.program import ROOT, SANITIZER_STATUS


@pytest.fixture
def names(tmp_path):
    return Names(tmp_path)


def preload(names):
    """AddressSanitizer wants to come first among the libraries, and is told that it does not."""
    return names.environment() | {"ASAN_OPTIONS": f"detect_leaks=1:verify_asan_link_order=0:exitcode={SANITIZER_STATUS}"}


@pytest.mark.parametrize("first", ["refuses", "silent"])
def test_a_name_whose_first_address_is_of_no_use(chard, app_of, names, rabbitmq, postgres, redis, broker_url, store_url, first):
    """RabbitMQ, PostgreSQL and Redis, each under a name with two addresses: the second is found in time that nobody notices."""
    ports = [rabbitmq.port, postgres.port, redis.port]
    found = ["127.0.0.9", "127.0.0.1"] if first == "silent" else ["::1", "127.0.0.1"]
    names.set(broker=found, store=found, results=found)
    chard.prepare()
    with contextlib.ExitStack() as stack:
        if first == "silent":
            for port in ports:
                stack.enter_context(silent("127.0.0.9", port))
        started = time.monotonic()
        worker = stack.enter_context(chard.worker(
            queues=QUEUE, env=preload(names), broker_url=at(broker_url, "broker"), store_url=at(store_url, "store"),
            result_url=at(redis.url, "results")))
        assert time.monotonic() - started < 15
        assert app_of(redis.url).send_task("chard.add", (1, 2), queue=QUEUE).get(20) == 3
        assert "away" not in worker.stderr


def test_libchard_finds_the_address_that_answers(names, broker_url, redis):
    names.set(broker=["::1", "127.0.0.1"], results=["::1", "127.0.0.1"])
    program = "import sys; from support.libchard import Client; Client(*sys.argv[1:]).close()"
    subprocess.run([sys.executable, "-c", program, at(broker_url, "broker"), at(redis.url, "results")], check=True, timeout=30,
                   cwd=ROOT / "tests/e2e", env=os.environ | names.environment())


def test_look_ups_that_hang_keep_nobody_else_waiting(chard, app_of, names, toxic, postgres, redis, store_url):
    """The database's name is no longer answered, for none of its connections; a Redis that was away is found again all the same, and the worker ends."""
    store, results = toxic(postgres.port), toxic(redis.port)
    names.set(store=["127.0.0.1"], results=["127.0.0.1"])
    chard.prepare()
    with chard.worker(queues=QUEUE, env=preload(names), store_url=at(store.url(store_url), "store"),
                      result_url=at(results.url(redis.url), "results")) as worker:
        assert app_of(redis.url).send_task("chard.add", (1, 2), queue=QUEUE).get(20) == 3
        names.set(store=[], results=["127.0.0.1"])
        store.cut()
        worker.wait_log("PostgreSQL|store")
        results.cut()
        worker.wait_log("Redis away")
        worker.wait_log("Redis is back", 15)
        worker.terminate()
        assert worker.wait(20) == 0
