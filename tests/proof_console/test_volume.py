# SPDX-License-Identifier: Apache-2.0
"""A store with a million jobs and a million dead letters: how soon each page has something to show, and how fast many are requeued. CONSOLE_ROWS=10000 for fewer."""

import json
import os
import time

import pytest
import servers

from support.browser import Console
from support.database import Database
from support.gateway import Gateway
from support.program import ROOT, Chard

ROWS = int(os.environ.get("CONSOLE_ROWS", "1000000"))
FIRST_MS, GROUPS_MS, REQUEUED_A_SECOND = 300, 1000, 10000

JOBS = """insert into chard.job (root_id, pipeline, state, document, created_at, updated_at, finished_at)
          select 'job-' || n, case n % 3 when 0 then 'scan' else 'chat' end, case n % 50 when 0 then 'FAILURE' else 'SUCCESS' end,
                 jsonb_build_object('job', jsonb_build_object('user_id', 'u' || n % 10000), 'input', jsonb_build_object('text', 'a milk carton ' || n)),
                 t, t, t + interval '2 s' from (select n, now() - (%s - n) * interval '0.05 s' as t from generate_series(1, %s) as n) as made"""
LETTERS = """insert into chard.dead_letter (died_at, key, same, task_id, root_id, name, queue, error_source, error_code, error_message, group_id, cause, user_id, attempts, properties, body)
             select now() - (%s - n) * interval '0.05 s', gen_random_uuid(), gen_random_uuid(), 'task-' || n, 'job-' || n, name, name, source, 'cause_' || n %% 40, 'it failed after ' || n || ' ms',
                    lpad(to_hex(n %% 40), 12, '0'), 'it failed after <n> ms', 'u' || n %% 10000, 4, properties, body
             from generate_series(1, %s) as n, (select name, error_source as source, properties, body from chard.dead_letter order by entry limit 1) as one"""


@pytest.fixture(scope="module")
def full():
    """One real letter, and as many like it."""
    with servers.RabbitMQ() as rabbitmq, servers.PostgreSQL() as postgres:
        chard = Chard(ROOT / "build/chard", {"CHARD_AI_PROVIDER": "offline", "CHARD_BROKER_URL": rabbitmq.url, "CHARD_STORE_URL": postgres.url})
        chard.prepare()
        database = Database(postgres.url)
        with chard.worker(name="w1"), Gateway(chard) as gateway:
            gateway.submit("scan", image_url="x")
            keeper = chard.start("keep", "--dlq-policies", "")
            from support.waiting import wait_until

            wait_until(lambda: gateway.get("/v1/dead-letters/groups").json["count"] == 1, what="there is a letter")
            keeper.terminate()
            keeper.wait(30)
        database.run(JOBS.replace("% 3", "%% 3").replace("% 50", "%% 50").replace("% 10000", "%% 10000"), ROWS, ROWS)
        database.run(LETTERS, ROWS, ROWS)
        for table in "job", "dead_letter":
            database.run(f"analyze chard.{table}")
        with Gateway(chard) as gateway:
            yield gateway


def took_ms(gateway, target, body=None):
    begun = time.monotonic()
    done = gateway.ask("POST" if body else "GET", target, body, timeout=200)
    assert done.status == 200, done.body
    return round(1000 * (time.monotonic() - begun)), done.json


def test_a_million_of_each(full, chromium):
    figures = {}
    for name, target in {"workers": "/v1/workers", "queues": "/stats/queues", "jobs": "/v1/jobs", "failed jobs": "/v1/jobs?state=FAILURE", "a job": f"/v1/jobs/job-{ROWS // 2}",
                         "its life": f"/v1/jobs/job-{ROWS // 2}/trace", "an id": f"/v1/find?id=job-{ROWS // 2}", "dead letters": "/v1/dead-letters",
                         "of a group": "/v1/dead-letters?group=000000000007", "groups": "/v1/dead-letters/groups"}.items():
        figures[name] = min(took_ms(full, target)[0] for _ in range(3))
    path = "/v1/dead-letters/actions/requeue"
    figures["preview"], looked = took_ms(full, path, {"filter": {"group": "000000000007"}, "rehearse": True, "most": 1000})
    begun, after, seen = time.monotonic(), 0, 0
    while True:
        _, done = took_ms(full, path, {"filter": {"group": "000000000007"}, "upto": looked["upto"], "after": after, "most": 10000})
        after, seen = done["after"], seen + done["seen"]
        if done["seen"] < 10000:
            break
    figures["requeued a second"] = round(seen / (time.monotonic() - begun))
    console = Console(chromium, full.port)
    for place, first in {"overview": ".tile", "jobs": "main tbody tr", f"jobs/job-{ROWS // 2}": ".facts", "workers": "main tbody tr", "dead": "main tbody tr"}.items():
        page = console.open("submit")
        page.locator("form.form").wait_for()
        begun = time.monotonic()
        page.evaluate(f"location.hash = '#/{place}'")
        page.locator(f"{first}:visible").first.wait_for()
        figures[f"page {place.split('/')[0]}{'/…' if '/' in place else ''}"] = round(1000 * (time.monotonic() - begun))
    console.close()
    print(json.dumps({"rows": ROWS, "requeued": seen, "ms": figures}))
    assert seen == looked["total"]
