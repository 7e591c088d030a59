/* SPDX-License-Identifier: Apache-2.0 */
/* The step "owe": what is told of a task's end waits in the store while the result backend is away, and the delivery is acked (I6). A row
 * holds the task's message and what was to be said; whoever takes it (worker/results/teller.c) goes on where this run stopped, at "publish" when a
 * chord that follows could not be begun, else at "tell". All that is told may be told again, so a row needs no more than that. Stateless tasks
 * go the same way: their row is the only place that holds their result. The keeper leaves rows as well, for messages that expired while
 * nobody consumed them (duties/keeper.c): those are told for the first time ("first"). Nothing here costs anything while the backend is up. */
#include "worker/run/run.h"

#include "core/json.h"
#include "core/log.h"
#include "store/meaning.h"

#include <stdlib.h>
#include <string.h>

enum { OWE_AGAIN_MS = 5000 };

static const char *const whats[] = {
        [TELL_NOTHING] = "",    [TELL_SUCCESS] = "SUCCESS", [TELL_FAILURE] = "FAILURE",
        [TELL_RETRY] = "RETRY", [TELL_REVOKED] = "REVOKED",
};

/* ---- into the store ---- */

static json_t *owed_json(const struct run *run)
{
        const struct telling *t = &run->telling;
        json_t *result = run->result.size ? json_stringn_nocheck((const char *)run->result.data, run->result.size)
                                          : json_string("");
        const char *step = t->unsent ? "publish" : "tell";
        const struct failure failure = { .why = &run->why };
        return json_pack("{s:s, s:s, s:s, s:o, s:O?, s:O?, s:o, s:I, s:b}", "step", step, "what", whats[t->what],
                         "worker", run->worker->config->name, "why", failure_error(&failure), "children", t->children,
                         "sends", run->outcome.sends, "result", result, "done_ms", (json_int_t)t->done_ms, "called",
                         (int)t->called);
}

static void on_again(uv_timer_t *timer)
{
        struct run *run = (struct run *)timer->data;
        run->holding = false;
        run_go(run, STEP_OWE);
}

static void run_owe_on_owed(enum store_result result, struct bytes stored, const struct problem *why, void *arg)
{
        struct run *run = (struct run *)arg;
        (void)stored;
        if (result == STORE_DONE) {
                run_go(run, STEP_ACK);
        } else if (result == STORE_CLOSED || run->worker->phase >= WORKER_HANDING_BACK) {
                run_go(run, STEP_END); /* unacked: whoever gets it tells */
        } else {
                log_error("worker", "task=%s what is to be told of it can't be kept: %s", run->message.id, why->text);
                run->holding = true;
                uv_timer_start(&run->timer, on_again, OWE_AGAIN_MS, 0);
        }
}

enum step run_owe(struct run *run)
{
        if (run->owed)
                return STEP_END; /* the row stays */
        if (run->owing_text.size == 0) {
                JSON_OWNED json_t *telling = owed_json(run);
                json_write(telling, &run->owing_text);
                if (!telling || run->owing_text.failed)
                        return run_out_of_memory(run);
        }
        run->owing = (struct owed_result){ .task_id = run->message.id,
                                           .queue = run->delivery->queue,
                                           .properties = run->delivery->properties,
                                           .body = run->delivery->body,
                                           .telling = buffer_view(&run->owing_text) };
        run->worker->store->run->owe(run->worker->store, &run->owing, run_owe_on_owed, run);
        return STEP_WAIT;
}

/* ---- out of it ---- */

/* One allocation, as the broker's: the message as it once came. */
static struct delivery *owed_delivery(const json_t *row)
{
        const char *queue = json_text(row, "queue", "");
        struct buffer bytes = { 0 };
        struct delivery *d = NULL;
        const bool fine = buffer_add_hex(&bytes, json_text(row, "properties", ""));
        const size_t split = bytes.size, size = strlen(queue) + 1;
        if (fine && buffer_add_hex(&bytes, json_text(row, "body", "")))
                d = calloc(1, sizeof(*d) + bytes.size + size);
        if (d) {
                unsigned char *room = (unsigned char *)(d + 1);
                if (bytes.size)
                        memcpy(room, bytes.data, bytes.size);
                memcpy(room + bytes.size, queue, size);
                d->queue = d->routing_key = (const char *)room + bytes.size;
                d->exchange = "";
                d->properties = bytes_of(room, split);
                d->body = bytes_of(room + split, bytes.size - split);
        }
        buffer_free(&bytes);
        return d;
}

static enum tell what_of(const json_t *telling)
{
        const char *said = json_text(telling, "what", "");
        for (size_t i = 0; i < sizeof(whats) / sizeof(whats[0]); i++)
                if (strcmp(whats[i], said) == 0)
                        return (enum tell)i;
        return TELL_NOTHING;
}

static void take_telling(struct run *run, json_t *telling)
{
        const json_t *result = json_object_get(telling, "result");
        run_recall_failure(run, json_object_get(telling, "why"));
        run->telling.what = what_of(telling);
        run->telling.worker = arena_string(&run->arena, json_text(telling, "worker", run->worker->config->name));
        run->telling.done_ms = json_number(telling, "done_ms", 0);
        run->telling.called = json_is_true(json_object_get(telling, "called"));
        if (json_string_length(result))
                buffer_add(&run->result, json_string_value(result), json_string_length(result));
}

/* ---- a message that expired in its queue: the store learns it here, as from a worker that finds it expired ---- */

static void on_first_failed(enum store_result result, struct bytes stored, const struct problem *why, void *arg)
{
        struct run *run = (struct run *)arg;
        (void)stored;
        if (result == STORE_REFUSED)
                log_error("worker", "task=%s could not be marked as failed: %s", run_shown_id(run), why->text);
        run_go(run, result == STORE_CLOSED || result == STORE_STARVED ? STEP_END : STEP_TELL); /* END: the row stays */
}

static enum step fail_first(struct run *run)
{
        struct problem ignored; /* then its event names no user */
        if (!run->message.id || !run_keeps_state(run))
                return STEP_TELL;
        if (!(run->def->flags & TASK_PLAIN))
                (void)pipeline_document(&run->message, run->pipeline, &run->document, &ignored);
        run_describe_failure(run, NULL);
        run->worker->store->run->fail(run->worker->store, &run->failure, on_first_failed, run);
        return STEP_WAIT;
}

static enum step step_of(struct run *run, json_t *telling)
{
        json_t *sends = json_object_get(telling, "sends"), *part = json_object_get(telling, "part");
        if (part) { /* worker/results/chord_lost.c */
                run->telling.parts = json_pack("[O]", part);
                run->telling.looks = true;
                return run->message.id && run->telling.parts ? STEP_JOIN : STEP_END;
        }
        const bool tells = strcmp(json_text(telling, "step", ""), "publish") != 0;
        const bool first = json_is_true(json_object_get(telling, "first"));
        run->telling.late = tells && !first;
        if (first)
                return fail_first(run);
        if (tells) {
                run->telling.children = json_incref(json_object_get(telling, "children"));
                return STEP_TELL;
        }
        if (!run->def || outcome_open(&run->outcome, &run->arena) < 0)
                return STEP_END; /* somebody else may know that task */
        if (json_is_array(sends))
                run->outcome.sends = json_incref(sends);
        return STEP_PUBLISH;
}

enum step run_owed(struct run *run, const json_t *row)
{
        struct buffer text = { 0 };
        JSON_OWNED json_t *telling = NULL;
        struct problem ignored = { 0 }; /* what is wrong with the message was found when it came, and is to be told */
        run->delivery = owed_delivery(row);
        if (!run->delivery || !buffer_add_hex(&text, json_text(row, "telling", "")) ||
            json_parse(buffer_view(&text), "store", &telling, &ignored) != 0) {
                log_error("worker", "task=%s the row of chard.owed_result can't be read",
                          json_text(row, "task_id", "?"));
                buffer_free(&text);
                return STEP_END;
        }
        buffer_free(&text);
        (void)task_message_decode(&run->arena, run->delivery->properties, run->delivery->body,
                                  run->worker->config->max_body, &run->message, &ignored);
        run->task = run->message.name ? catalog_task(run->catalog, run->message.name) : NULL;
        run->def = run->task ? run->task->def : NULL;
        run->pipeline = run->task ? run->task->pipeline : NULL;
        run->input.arena = &run->arena;
        take_telling(run, telling);
        return step_of(run, telling);
}
