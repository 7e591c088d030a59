// SPDX-License-Identifier: Apache-2.0
// Sends tasks with celery-node or celery-ts, each as its manual says, and prints as JSON what each client gives its caller:
//
//     node node_client.js celery-node|celery-ts BROKER-URL RESULT-URL QUEUE '[{"task": "chard.add", "args": [1, 2], …}, …]'
//
// An answer is {"value": …}, or {"error": what was thrown, its fields included}.
"use strict";

const PATIENCE_MS = 20000;
const [, , name, broker, results, queue, calls] = process.argv;

// Over AMQP celery-node looks for each result in a queue of its own, named after the task, as Celery did before version 5. It makes that
// queue when it first asks, and does not tell the worker of it: so ask before the task is sent, and name it in reply_to.
async function expectReply(client, id) {
        await client.backend.getTaskMeta(id);
        const write = client.taskProtocols[2];
        client.taskProtocols[2] = (...task) => {
                const message = write(...task);
                message.properties.replyTo = task[0].replace(/-/g, "");
                return message;
        };
}

function celeryNode() {
        const client = require("celery-node").createClient(broker, results, queue);
        return async ({ task, args, kwargs, id }) => {
                if (results.startsWith("amqp:"))
                        await expectReply(client, id);
                return client.sendTask(task, args, kwargs, id).get(PATIENCE_MS, 50);
        };
}

function celeryTs() {
        const client = require("celery-ts").createClient({ brokerUrl: broker, resultBackend: results });
        return async ({ task, args, kwargs, options }) => {
                const dates = Object.entries(options).filter(([key]) => key === "eta" || key === "expires");
                const made = Object.fromEntries(dates.map(([key, ms]) => [key, new Date(Date.now() + ms)]));
                const sent = client.createTask(task).applyAsync({ args, kwargs, queue, ...options, ...made });
                return options.ignoreResult ? null : sent.get(PATIENCE_MS);
        };
}

async function answer(send, call) {
        const whole = { args: [], kwargs: {}, options: {}, ...call };
        try {
                return { value: await send(whole) };
        } catch (error) {
                return { error: { message: error.message, ...error } };
        }
}

async function main() {
        const send = { "celery-node": celeryNode, "celery-ts": celeryTs }[name]();
        const answers = [];
        for (const call of JSON.parse(calls))
                answers.push(await answer(send, call));
        process.stdout.write(JSON.stringify(answers), () => process.exit(0)); // their timers would go on for a day
}

main();
