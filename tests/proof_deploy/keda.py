# SPDX-License-Identifier: Apache-2.0
"""KEDA's own scaler, asked with the very triggers that the chart renders, about a real RabbitMQ: what waits counts, and so does what a worker holds."""

import json
import os
import pathlib
import sys

import amqp
import yaml

from .chart import rendered
from .tools import FOLDER, ROOT, run, version_of, wrapped

sys.path.insert(0, str(ROOT / "deploy/local"))

import servers  # noqa: E402
from guarded import wait_until  # noqa: E402


def scaler():
    """KEDA's file of this scaler, without its eighty others: they need what half of the clouds have for Go."""
    source = (pathlib.Path(__file__).parent / "kedascale/main.go").read_text()
    return wrapped(FOLDER / "kedascale", "github.com/kedacore/keda/v2", version_of("keda"), source, {"pkg/scalers": ("rabbitmq_scaler.go", "scaler.go")})


def trigger(queue):
    """As the chart has it, for the virtual host of the test."""
    for one in yaml.safe_load_all(rendered()["keda"].read_text()):
        for found in one["spec"]["triggers"] if one and one["kind"] == "ScaledObject" else []:
            if found["metadata"].get("queueName") == queue:
                return found["metadata"]
    raise AssertionError(f"the chart has no trigger for {queue}")


def rabbitmq():
    program, metadata = scaler(), trigger("scan.vision")
    with servers.RabbitMQ(management=True) as broker:
        url = broker.add_vhost(metadata["vhostName"])
        admin = broker.api_url.removesuffix("/api/")
        environment = os.environ | {"CHARD_BROKER_URL": url, "CHARD_BROKER_ADMIN_URL": admin}
        run(ROOT / "build/chard", "topology", "apply", env=environment)

        def asked():
            return json.loads(run(program, input=json.dumps({"Metadata": metadata, "Auth": {"host": admin}})).stdout)

        where = url.split("@")[1].partition("/")
        user, _, password = url.split("://")[1].partition("@")[0].partition(":")
        empty = asked()
        assert empty == {"value": 0, "active": False, "target": 500}, empty
        with amqp.Connection(where[0], userid=user, password=password, virtual_host=metadata["vhostName"]) as link:
            channel = link.channel()
            for _ in range(5):
                channel.basic_publish(amqp.Message("x"), routing_key="scan.vision")
            wait_until(lambda: asked()["value"] == 5, 30, "five wait")
            for _ in range(3):
                channel.basic_get("scan.vision")
            wait_until(lambda: broker_counts(broker, metadata["vhostName"]) == (2, 3), 30, "the management API knows who holds what")
            held = asked()
        assert held["value"] == 5 and held["active"], f"what a worker holds was not counted: {held}"
    return f"KEDA {version_of('keda')}'s RabbitMQ scaler"


def broker_counts(broker, vhost):
    one = broker.api("GET", f"queues/{vhost}/scan.vision")
    return one.get("messages_ready"), one.get("messages_unacknowledged")


STEPS = [("ScaledObject", "counts what waits and what is held, by HTTP", rabbitmq)]
