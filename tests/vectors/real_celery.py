# SPDX-License-Identifier: Apache-2.0
"""What the recorder and the tests share: raw properties as py-amqp reads them, and a task as Celery's worker sees it."""

import base64
import json

import amqp
import celery
import kombu
from amqp.basic_message import Message as AmqpMessage
from amqp.serialization import GenericContent
from celery.utils.time import maybe_iso8601, maybe_make_aware
from celery.worker.request import Request
from kombu.transport.pyamqp import Message as KombuMessage

VERSIONS = {"celery": celery.__version__, "kombu": kombu.__version__, "amqp": amqp.__version__}

_load_properties = GenericContent._load_properties


def keep_raw_properties():
    """From now on every message that arrives keeps its encoded properties as `raw_properties`."""

    def load(self, class_id, buf, offset):
        self.raw_properties = bytes(buf[offset:])
        return _load_properties(self, class_id, buf, offset)

    GenericContent._load_properties = load


def message_from(properties, body, exchange="", routing_key="", channel=None):
    """The kombu message that a consumer gets for these bytes."""
    raw = AmqpMessage()
    _load_properties(raw, 60, properties, 0)
    raw.body = body
    raw.delivery_info = {"exchange": exchange, "routing_key": routing_key, "redelivered": False, "delivery_tag": 1}
    return KombuMessage(raw, channel=channel, accept=["application/json"])


def request_from(app, message):
    """The request that Celery's worker makes of a message; the task must be registered in `app`."""
    return Request(message, app=app, hostname="vectors@localhost", task=app.tasks[message.headers["task"]])


def _milliseconds(text, app):
    when = maybe_make_aware(maybe_iso8601(text), app.conf.timezone) if text else None
    return int(when.timestamp() * 1000) if when else 0


def _seconds(limit):
    return int((limit or 0) * 1000)


def _types(values):
    """Names of the Python types that kombu made of its typed JSON values."""
    plain = (str, int, float, bool, list, tuple, dict, type(None))
    return {key: type(value).__name__.lower() for key, value in values.items() if type(value) not in plain}


def view(app, message):
    """The fields of a task that chard must find in the same bytes."""
    request = request_from(app, message)
    args, kwargs, embed = json.loads(message.body)  # without kombu's hook: typed values stay as they travel
    embed = embed or {}
    hard, soft = request.time_limits
    return {
        "name": request.type, "id": request.id, "root_id": request.root_id or request.id,
        "parent_id": request.parent_id, "group_id": message.headers.get("group"),
        "group_index": -1 if message.headers.get("group_index") is None else message.headers["group_index"],
        "retries": message.headers["retries"],
        "eta_ms": _milliseconds(request.eta and request.eta.isoformat(), app),
        "expires_ms": _milliseconds(request.expires and request.expires.isoformat(), app),
        "hard_limit_ms": _seconds(hard), "soft_limit_ms": _seconds(soft),
        "ignore_result": bool(message.headers.get("ignore_result")), "reply_to": request.reply_to or None,
        "correlation_id": request.correlation_id, "origin": message.headers["origin"],
        "priority": message.properties.get("priority"), "args": args, "kwargs": kwargs,
        "callbacks": embed.get("callbacks") or None, "errbacks": embed.get("errbacks") or None,
        "chain": embed.get("chain") or None, "chord": embed.get("chord"), "headers": message.headers,
        "types": _types(message.payload[1]),
    }


def encoded(data):
    return base64.b64encode(data).decode()


def decoded(text):
    return base64.b64decode(text)


def write(path, vector):
    path.write_text(json.dumps(vector, indent=1, ensure_ascii=False) + "\n")
