/* SPDX-License-Identifier: Apache-2.0 */
/* What a task is given: its document, the facts that its claim brought, and where its message came from. */
#include "worker/run/run.h"

int run_make_document(struct run *run, struct problem *why)
{
        if (!(run->def->flags & TASK_PLAIN))
                return pipeline_document(&run->message, run->pipeline, &run->input.document, why);
        run->input.document = json_object();
        return 0;
}

int run_make_input(struct run *run)
{
        const struct task_message *m = &run->message;
        const struct delivery *d = run_delivery(run);
        struct input_part *in = &run->input;
        run->pipeline = run->task->pipeline;
        const int code = run_make_document(run, run->why);
        if (code)
                return code;
        in->place = (struct request_place){ .queue = d->queue,
                                            .exchange = d->exchange,
                                            .routing_key = d->routing_key,
                                            .worker = run->worker->config->name,
                                            .redelivered = d->redelivered };
        in->given = (struct task_input){ .document = in->document,
                                         .args = m->args,
                                         .kwargs = m->kwargs,
                                         .arena = &run->arena,
                                         .task = run->task,
                                         .message = m,
                                         .place = &in->place,
                                         .wish = &in->wish };
        return 0;
}

void run_make_bare_input(struct run *run)
{
        run->pipeline = run->task ? run->task->pipeline : NULL;
        run->input.given.arena = &run->arena;
}

void run_take_facts(struct run *run, json_t *facts)
{
        json_decref(run->input.facts);
        run->input.facts = json_incref(facts);
        run->input.given.facts = run->input.facts;
}
