# SPDX-License-Identifier: Apache-2.0
"""Looking at a fleet and steering it by HTTP: its workers, any id, a job's whole life, dead letters. The console asks for these."""

import json

from support.gateway import Gateway
from support.place import everywhere
from test_dlq import keeping

BAD = "<b>no picture</b>"
ACT = "/v1/dead-letters/actions/"


def act(gateway, action, status=200, **body):
    done = gateway.post(ACT + action, body)
    assert done.status == status, done.body
    return done.json


@everywhere
def test_a_fleet_is_seen_and_steered(chard, database, wait_until):
    chard.prepare()
    with chard.worker(name="w1"), keeping(chard), Gateway(chard) as gateway:
        good = gateway.submit()
        assert gateway.get(f"/v1/jobs/{good}?wait=30").json["state"] == "SUCCESS"
        bad = [gateway.submit("scan", image_url=BAD, user_id=f"u{n}") for n in range(6)]
        groups = wait_until(lambda: (found := gateway.get("/v1/dead-letters/groups").json)["groups"] and found["groups"][0]["count"] == found["count"] == 6 and found)

        # who works, by the rows that they write every two seconds
        def fleet():
            rows = {row["name"]: row for row in gateway.get("/v1/workers").json["workers"]}
            is_so = {name: (row["role"], row["status"]) for name, row in rows.items()} == {"w1": ("worker", "consuming"), "k1": ("keeper", "consuming")}
            return is_so and sum(task["ok"] for task in rows["w1"]["state"]["tasks"].values()) == 2
        wait_until(fleet, what="worker and keeper say what they do")

        # any id, and a job's life
        assert [row["job"] for row in gateway.get(f"/v1/find?id={good[:12]}").json["jobs"]] == [good]
        assert gateway.get("/v1/find?id=zzz").json == {"jobs": []}
        assert gateway.get("/v1/find").status == 400
        trace = gateway.get(f"/v1/jobs/{good}/trace").json
        assert trace["state"] == "SUCCESS" and [row["name"] for row in trace["timeline"] if row["kind"] == "commit"] == ["chat.classify", "chat.answer"]
        assert gateway.get("/v1/jobs/zzz/trace").status == 404
        assert [row["id"] for row in gateway.get("/v1/jobs?text=CARTON").json["jobs"]] == [good]

        # dead letters: groups, pages, one of them
        assert [(row["name"], row["count"], row["users"]) for row in groups["groups"]] == [("scan.vision", 6, 6)]
        group, seen, upto = groups["groups"][0]["group"], [], ""
        while upto is not None:
            page = gateway.get(f"/v1/dead-letters?group={group}&limit=4{upto and f'&upto={upto}'}").json
            seen += page["letters"]
            upto = page["upto"]
        assert len(seen) == 6 and {row["job"] for row in seen} == set(bad)
        entries = [row["entry"] for row in seen]
        assert entries == sorted(entries, reverse=True)
        one = gateway.get(f"/v1/dead-letters/{entries[0]}").json
        assert one["kwargs"]["image_url"] == BAD and one["history"] == [] and one["on_requeue"].startswith("the task is sent")
        assert gateway.get("/v1/dead-letters/0").status == gateway.get("/v1/dead-letters/x").status == 404
        assert gateway.get("/v1/dead-letters?user=u1").json["letters"][0]["user"] == "u1"
        for wrong in "state=nowhere", "upto=x", "since=now", "task=":
            assert gateway.get(f"/v1/dead-letters?{wrong}").status == 400, wrong

        # what an action would do; it is done to what was looked at, some at a time, under one operation
        looked = act(gateway, "discard", filter={"group": group}, rehearse=True, most=2)
        assert (looked["total"], looked["seen"], looked["would"]) == (6, 2, {"sent": 2})
        assert act(gateway, "discard", filter={"user": "nobody"})["total"] == 0
        first = act(gateway, "discard", filter={"group": group}, upto=looked["upto"], most=2, reason="no pictures")
        assert first["outcomes"] == {"done": 2} and first["after"] == sorted(entries)[1]
        rest = act(gateway, "discard", filter={"group": group}, upto=looked["upto"], most=2, operation=first["operation"], after=first["after"], reason="no pictures")
        assert rest["outcomes"] == {"done": 2} and rest["operation"] == first["operation"]
        history = gateway.get(f"/v1/dead-letters/{sorted(entries)[0]}").json["history"]
        assert [(row["action"], row["who"], row["reason"], row["operation"]) for row in history] == [("discard", "http", "no pictures", first["operation"])]
        assert json.loads(history[0]["scope"]) == {"group": group}
        again = act(gateway, "requeue", entries=sorted(entries)[4:])
        assert again["outcomes"] == {"done": 2}
        wait_until(lambda: len(gateway.get("/v1/dead-letters").json["letters"]) == 2, what="they have died again")
        assert len(gateway.get("/v1/dead-letters?state=any").json["letters"]) == 8

        # what is no action
        for body in ({}, [], {"filter": []}, {"filter": {"nothing": "x"}}, {"filter": {"state": "any"}}, {"filter": {"user": 1}}, {"entries": []}, {"entries": [2, 1]}, {"entries": ["1"]},
                     {"filter": {}, "most": 0}, {"filter": {}, "most": 10001}, {"filter": {}, "rate": -1}, {"filter": {}, "upto": -1},
                     {"filter": {}, "reason": "x" * 1001}, {"filter": {}, "operation": "x" * 40}):
            assert gateway.post(ACT + "requeue", body).status == 422, body
        assert gateway.post(ACT + "requeue", {"filter": {"since": "now"}}).status == 400
        assert gateway.post(ACT + "explode", {"filter": {}}).status == 404
        described = gateway.get("/openapi.json").json["paths"]["/v1/dead-letters/actions/{action}"]["post"]
        assert "200" in described["responses"] and [p["name"] for p in described["parameters"]] == ["action"]
