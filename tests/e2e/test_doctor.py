# SPDX-License-Identifier: Apache-2.0
"""`chard doctor`: what is wrong with an installation, and what to do; on servers and on one file."""

import json
import re
import urllib.parse

import pytest
from support.place import everywhere
from support.program import Chard


def findings(chard, *flags, check=0, **options):
    """{(check, verdict): text}, each text with its advice."""
    done = chard.run("doctor", "--json", *flags, check=check, **options)
    whole = json.loads(done.stdout)
    found = {}
    for row in whole["checks"]:
        found.setdefault((row["check"], row["verdict"]), []).append(f"{row['text']} -> {row['advice']}")
        assert (row["advice"] == "") == (row["verdict"] == "ok"), row
    assert whole["failures"] == sum(row["verdict"] == "fail" for row in whole["checks"])
    return {key: "\n".join(texts) for key, texts in found.items()}


@everywhere
def test_a_sound_installation(chard, rabbitmq, place):
    chard.prepare()
    if place == "servers":
        chard.settings["CHARD_BROKER_ADMIN_URL"] = f"http://127.0.0.1:{urllib.parse.urlsplit(rabbitmq.api_url).port}"
        chard.run("topology", "apply", check=0)
    found = findings(chard)
    assert not [key for key in found if key[1] == "fail"], found
    assert "are there" in found["topology", "ok"] and "it takes messages" in found["broker", "ok"]
    assert "files may be open" in found["limits", "ok"] and "no two contradict" in found["settings", "ok"]
    if place == "servers":
        assert "PostgreSQL" in found["store", "ok"] and "connections are taken" in found["store", "ok"]
        assert "RabbitMQ 3" in found["broker", "ok"] and "may configure, write and read" in found["broker", "ok"]
        assert "no limit of a queue loses messages" in found["topology", "ok"]
        assert "the store and this host" in found["clock", "ok"] and "the broker and this host" in found["clock", "ok"]
    else:
        assert "SQLite" in found["store", "ok"] and "MiB are free" in found["disk", "ok"]
    shown = chard.run("doctor", check=0).stdout
    assert all(line.startswith(("ok ", "warn ", "fail ", "      ")) for line in shown.splitlines()[:-1])


@everywhere
def test_nothing_was_made_yet(chard, place):
    found = findings(chard, check=1)
    if place == "servers":
        assert "chard migrate" in found["store", "fail"] and "chard topology apply" in found["topology", "fail"]
    else:
        assert "there is no file" in found["store", "fail"] and "there is no file" in found["broker", "fail"]


def test_a_queue_is_gone(chard, queues):
    chard.prepare()
    queues.delete_queue("scan.vision")
    found = findings(chard, check=1)
    assert "1 of " in found["topology", "fail"] and "scan.vision" in found["topology", "fail"]
    assert ("topology", "fail") not in findings(chard.with_settings(declare_queues="no"))  # its clients' to declare
    queues.delete_queue("scan.vision.dead")
    found = findings(chard.with_settings(declare_queues="no"), check=1)
    assert "scan.vision.dead" in found["topology", "fail"]


@pytest.mark.parametrize("broker", ["amqp://someone:PLANTED@127.0.0.1:1/", "amqp://someone:PLANTED%21@127.0.0.1:1/"])
def test_out_of_reach_and_no_secret_is_told(chard_bare, broker):
    chard = Chard(chard_bare.binary, {"CHARD_BROKER_URL": broker, "CHARD_STORE_URL": "postgresql://someone:PLANTED@127.0.0.1:1/x",
                                      "CHARD_BROKER_ADMIN_URL": "http://other:PLANTED@127.0.0.1:1", "OPENAI_API_KEY": "sk-PLANTED-key",
                                      "CHARD_RESULT_URL": "redis://:PLANTED@127.0.0.1:1/0", "CHARD_CONNECT_TIMEOUT_MS": "1000"})
    found = findings(chard, check=1)
    assert ("broker", "fail") in found and ("store", "fail") in found
    told = chard.run("doctor", check=1)
    assert "PLANTED" not in told.stdout + told.stderr + json.dumps(list(found.values()))


def test_a_wrong_password(chard, broker_url):
    chard.settings["CHARD_BROKER_URL"] = re.sub(":[^:@/]*@", ":PLANTED@", broker_url)
    found = findings(chard, check=1)
    assert "password" in found["broker", "fail"] and "PLANTED" not in found["broker", "fail"]


def test_where_results_go(chard, redis):
    chard.prepare()
    there = urllib.parse.urlsplit(redis.url)
    chard.settings["CHARD_RESULT_URL"] = f"rpc://, {redis.url}"
    assert re.search(r"Redis [678][\d.]+ answers", findings(chard)["results", "ok"])
    chard.settings["CHARD_RESULT_URL"] = f"redis://:PLANTED@{there.hostname}:{there.port}{there.path}"
    found = findings(chard, check=1)
    assert "see user and password in CHARD_RESULT_URL" in found["results", "fail"] and "PLANTED" not in str(found)
    chard.settings["CHARD_RESULT_URL"] = "redis://127.0.0.1:1/0"
    assert "see that it runs" in findings(chard, check=1)["results", "fail"]
    chard.settings["CHARD_RESULT_URL"] = "rpc://"
    assert not [key for key in findings(chard) if key[0] == "results"]


@pytest.mark.parametrize("place", ["file"])
def test_a_provider_is_asked_where_that_is_wanted(chard, provider, reply, place):
    chard.prepare()
    chard.settings |= provider.settings()
    provider.behave = reply.fitting
    assert ("provider", "ok") not in findings(chard) and not provider.requests
    assert "answers in" in findings(chard, "--provider")["provider", "ok"]
    provider.behave = reply.always(reply.failure(401, "invalid_api_key"))
    assert "OPENAI_API_KEY" in findings(chard, "--provider", check=1)["provider", "fail"]
    del chard.settings["OPENAI_BASE_URL"], chard.settings["OPENAI_API_KEY"]
    chard.settings["CHARD_AI_PROVIDER"] = "openai"
    assert "OPENAI_API_KEY_FILE" in findings(chard, check=1)["settings", "fail"]
