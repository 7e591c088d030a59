# SPDX-License-Identifier: Apache-2.0
"""The peer: the same tasks as plain Celery, written and configured the way somebody would who knows Celery well.

Quorum queues, acks after the work, no results kept, no events; HTTP by urllib3, which costs less than the openai package;
PostgreSQL by psycopg 3 with a pool of connections. The task names of B1 and B2 are chard's own, so that both consume
messages of the same form.
"""

import json
import os
import threading

import psycopg_pool
import urllib3
from celery import Celery, signals
from kombu import Exchange, Queue

NAMES = ["peer.echo", "peer.note", "peer.classify", "peer.vision", "peer.answer", "peer.reward"]

app = Celery("peer", broker=os.environ["PEER_BROKER_URL"])
app.conf.update(
    task_queues=[Queue(name, Exchange(name, type="topic"), routing_key=name,
                       queue_arguments={"x-queue-type": "quorum"}) for name in NAMES],
    task_default_queue_type="quorum",
    task_default_exchange_type="topic",
    task_acks_late=True,
    task_ignore_result=True,
    worker_prefetch_multiplier=int(os.environ.get("PEER_PREFETCH", "1")),
    broker_transport_options={"confirm_publish": True},
    broker_connection_retry_on_startup=True,
    worker_hijack_root_logger=False,
)

@signals.worker_process_init.connect(weak=False)
def trace(**_):
    """As the instrumentation's documentation has it: in each process, once it is forked. By the parent's decision, as the SDK's default."""
    if "PEER_OTLP_URL" not in os.environ:
        return
    from opentelemetry import trace as tracing
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.instrumentation.celery import CeleryInstrumentor
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(os.environ["PEER_OTLP_URL"] + "/v1/traces")))
    tracing.set_tracer_provider(provider)
    CeleryInstrumentor().instrument()


TABLES = """
create schema if not exists peer;
create table if not exists peer.task (
        id text collate "C" primary key, name text not null, root_id text not null, result json,
        tokens_in integer, tokens_out integer, created_at timestamptz not null default now());
create table if not exists peer.outbox (
        id uuid primary key default gen_random_uuid(), aggregatetype text not null, aggregateid text not null,
        type text not null, payload jsonb, created_at timestamptz not null default now());
create table if not exists peer.owned (
        user_id text not null, character text not null, primary key (user_id, character));
"""

SAVE = """insert into peer.task (id, name, root_id, result, tokens_in, tokens_out) values (%s, %s, %s, %s, %s, %s)
on conflict (id) do nothing"""
TELL = "insert into peer.outbox (aggregatetype, aggregateid, type, payload) values (%s, %s, %s, %s)"
OWN = "insert into peer.owned (user_id, character) values (%s, 'metal') on conflict do nothing"


# --- what a process opens once, when its first task needs it -------------------------------------------

_opening = threading.Lock()  # a greenlet that connects lets others run, who must not open a pool each
_pool = None
_http = None
_prompt = None


def database():
    global _pool
    with _opening:
        if _pool is None:
            _pool = psycopg_pool.ConnectionPool(os.environ["PEER_STORE_URL"], min_size=2, max_size=20, open=True)
    return _pool.connection()


def http():
    global _http
    if _http is None:
        _http = urllib3.PoolManager(maxsize=int(os.environ.get("PEER_HTTP", "1000")), retries=False)
    return _http


def prompt():
    """The request of chard's chat.classify, so that both send the same number of bytes."""
    global _prompt
    if _prompt is None:
        with open(os.environ["PEER_REQUEST"], encoding="utf-8") as file:
            _prompt = json.load(file)["messages"][0]["content"]
    return _prompt


# --- the parts that the tasks share --------------------------------------------------------------------

def ask(text, properties):
    """One call; the answer's content and its usage."""
    body = {
        "model": "bench-1",
        "messages": [{"role": "system", "content": prompt()}, {"role": "user", "content": text}],
        "response_format": {"type": "json_schema", "json_schema": {
            "name": "answer", "strict": True, "schema": {"type": "object", "properties": properties}}},
    }
    reply = http().request("POST", os.environ["PEER_AI_URL"] + "/chat/completions", body=json.dumps(body).encode(),
                           headers={"Content-Type": "application/json", "Authorization": "Bearer sk-bench"},
                           timeout=60)
    if reply.status != 200:
        raise RuntimeError(f"the provider answered {reply.status}")
    answer = json.loads(reply.data)
    return json.loads(answer["choices"][0]["message"]["content"]), answer["usage"]


def save(request, document, event=None, usage=None):
    """Result and outbox row in one transaction."""
    usage = usage or {}
    with database() as connection, connection.transaction():
        connection.execute(SAVE, (request.id, request.task, request.root_id, json.dumps(document),
                                  usage.get("prompt_tokens"), usage.get("completion_tokens")))
        if event:
            connection.execute(TELL, ("scan", request.root_id, *event))


# --- B1, B1s, B2 ---------------------------------------------------------------------------------------

@app.task(name="chard.echo")
def echo():
    return None


@app.task(name="chard.note", bind=True)
def note(self):
    save(self.request, {"job": {"id": self.request.root_id}}, ("Noted", json.dumps({"job_id": self.request.root_id})))


@app.task(name="chat.classify", bind=True)
def classify(self, text, user_id, lang):
    answer, usage = ask(text, {"about_waste": {"type": "boolean"}, "major": {"type": "string"}})
    document = {"job": {"id": self.request.root_id, "user_id": user_id, "lang": lang}, "input": {"text": text},
                "classification": answer}
    event = json.dumps({"job_id": self.request.root_id, "user_id": user_id, "category": answer["middle"]})
    save(self.request, document, ("ChatClassified", event), usage)
    return document


# --- B3: the scan chain --------------------------------------------------------------------------------

@app.task(name="peer.vision", bind=True)
def vision(self, image_url, user_id, lang, text):
    answer, usage = ask(text, {"major": {"type": "string"}, "middle": {"type": "string"}})
    document = {"job": {"id": self.request.root_id, "user_id": user_id, "lang": lang},
                "input": {"image_url": image_url, "text": text}, "classification": answer}
    event = json.dumps({"job_id": self.request.root_id, "user_id": user_id, "category": answer["middle"],
                        "situation": answer["situation"]})
    save(self.request, document, ("ScanClassified", event), usage)
    return document


@app.task(name="peer.answer", bind=True)
def answer(self, document):
    said, usage = ask(document["input"]["text"], {"insufficiencies": {"type": "array"}})
    document = document | {"rules": [{"slug": document["classification"]["middle"]}], "answer": said}
    event = json.dumps({"job_id": self.request.root_id, "disposal_rules": document["rules"], "answer": said})
    save(self.request, document, ("ScanAnswered", event), usage)
    return document


@app.task(name="peer.reward", bind=True)
def reward(self, document):
    due = not document["answer"]["insufficiencies"] and document["classification"]["major"] == "recyclable"
    with database() as connection, connection.transaction():
        fresh = due and connection.execute(OWN, (document["job"]["user_id"],)).rowcount == 1
        document = document | {"reward": {"received": bool(fresh)}}
        connection.execute(SAVE, (self.request.id, self.request.task, self.request.root_id, json.dumps(document),
                                  None, None))
        if fresh:
            connection.execute(TELL, ("scan", self.request.root_id, "RewardGranted",
                                      json.dumps({"user_id": document["job"]["user_id"], "character_id": "metal"})))
    return document
