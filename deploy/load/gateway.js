// SPDX-License-Identifier: Apache-2.0
// Load on the HTTP gateway, for k6 (https://k6.io): people who submit a job, follow it up twice, and think in between.
//
//     k6 run deploy/load/gateway.js
//     k6 run -e URL=https://api.example.com -e KEY="$KEY" -e USERS=1000 -e DURATION=5m deploy/load/gateway.js
//
// Each job is taken for the worker to do: point it at a fleet that answers offline (CHARD_AI_PROVIDER=offline), or at one whose provider may be paid for it.
// Every 202 must have its job: a status that is 404 counts as a failure here, so the gateway asked must be the one that took the job, or a worker must run.

import http from "k6/http";
import { check, sleep } from "k6";
import { Trend } from "k6/metrics";

const url = __ENV.URL || "http://127.0.0.1:8780";
const think = Number(__ENV.THINK || 1);
const headers = { "Content-Type": "application/json" };
if (__ENV.KEY) {
        headers.Authorization = `Bearer ${__ENV.KEY}`;
}

const enqueue = new Trend("enqueue", true);
const status = new Trend("status", true);

export const options = {
        scenarios: {
                people: { executor: "constant-vus", vus: Number(__ENV.USERS || 150), duration: __ENV.DURATION || "30s" },
        },
        summaryTrendStats: ["med", "p(90)", "p(95)", "p(99)", "max"],
        thresholds: {
                checks: ["rate==1"],
                enqueue: [`p(99)<${__ENV.ENQUEUE_P99 || 250}`],
                status: [`p(99)<${__ENV.STATUS_P99 || 100}`],
        },
};

export default function () {
        const body = JSON.stringify({ user_id: `k6-${__VU}`, lang: "en", text: "Where does a milk carton go?" });
        const taken = http.post(`${url}/v1/chat`, body, { headers, tags: { name: "enqueue" } });
        enqueue.add(taken.timings.duration);
        if (!check(taken, { "the job is taken": (r) => r.status === 202 && r.headers.Location })) {
                sleep(think);
                return;
        }
        for (let i = 0; i < 2; i++) {
                sleep(think);
                const read = http.get(`${url}${taken.headers.Location}`, { headers, tags: { name: "status" } });
                status.add(read.timings.duration);
                check(read, { "its state is known": (r) => r.status === 200 && r.json("id") === taken.json("id") });
        }
}
