# SPDX-License-Identifier: Apache-2.0
"""An alert's way with the real programs: from a fault over /metrics, Prometheus and Alertmanager to the URL that the keeper tells of it itself: `make proof-metrics`."""

import contextlib
import json
import re
import subprocess

import pytest
from guarded import free_port
from support import provider as replies
from support.figures import Figures, Prometheus, rule_files
from support.program import ROOT, Chard, die_with_parent
from support.provider import Provider
from support.waiting import wait_until
from test_dlq import Receiver


@pytest.fixture
def provider(_loop):
    double = Provider(_loop)
    yield double
    double.stop()


@contextlib.contextmanager
def alertmanager(folder, url):
    """A real one, that tells `url` at once. Yields its port."""
    port = free_port()
    (folder / "alertmanager.yml").write_text(json.dumps({
        "route": {"receiver": "room", "group_by": ["alertname"], "group_wait": "0s", "group_interval": "1s", "repeat_interval": "1h"},
        "receivers": [{"name": "room", "webhook_configs": [{"url": url, "send_resolved": True}]}]}))
    with open(folder / "alertmanager.log", "w") as log, subprocess.Popen(
            ["prometheus-alertmanager", f"--config.file={folder}/alertmanager.yml", f"--storage.path={folder}/alertmanager",
             f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address="], stdout=log, stderr=log, preexec_fn=die_with_parent) as process:
        yield port
        process.terminate()


def impatient(folder):
    """The rules that ship, but for how long a fault must last."""
    paths = []
    for path in rule_files():
        paths.append(folder / path.name)
        paths[-1].write_text(re.sub(r"for: \d+m", "for: 1s", path.read_text()))
    return paths


def test_an_alert_reaches_the_room_that_the_keeper_tells(provider, tmp_path):
    room = Receiver()
    file = tmp_path / "chard.db"
    chard = Chard(ROOT / "build/chard", {"CHARD_BROKER_URL": f"embedded:{file}", "CHARD_STORE_URL": f"sqlite:{file}", "CHARD_DLQ_WEBHOOK_URL": room.url("x"),
                                         "CHARD_DLQ_WEBHOOK_EVERY_S": "0"} | provider.settings())
    chard.prepare()
    provider.behave = replies.always(replies.failure(401, "invalid_api_key", "Incorrect API key provided"))
    keeper = chard.start("keep", "--metrics", "0")

    def told(status):
        alerts = [alert for post in list(room.posts) for alert in post.get("alerts", []) if alert["status"] == status]
        return next((alert for alert in alerts if alert["labels"]["alertname"] == "ChardEndpointServesNobody"), None)

    def said(words):
        return any(words in post.get("text", "") for post in list(room.posts))

    with chard.worker("--metrics", "0") as worker, alertmanager(tmp_path, room.url("alerts")) as port, \
            Prometheus(tmp_path, [Figures(worker).port, Figures(keeper).port], impatient(tmp_path), port):
        job = chard.run("submit", "chat", "user_id=u1", "lang=en", "text=carton", check=0).stdout.strip()
        alert = wait_until(lambda: told("firing"), 60)
        assert alert["annotations"] == {"summary": "The AI endpoint takes no request", "runbook_url": "docs/metrics.md#the-endpoint-serves-nobody"}
        assert alert["labels"]["severity"] == "critical"
        wait_until(lambda: said("The AI endpoint takes no requests"), 60)
        provider.behave = replies.fitting
        wait_until(lambda: told("resolved"), 120)
        wait_until(lambda: said("The AI endpoint takes requests again"), 120)
        wait_until(lambda: json.loads(chard.run("job", job, "--json", check=0).stdout)["state"] == "SUCCESS", 60)
    keeper.terminate()
    assert keeper.wait() == 0
