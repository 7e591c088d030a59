/* SPDX-License-Identifier: Apache-2.0 */
/* The step "owe": what is told of a task's end waits in the store while the result backend is away, and the delivery is acked (I6). A row
 * holds the task's message and what was to be said; whoever takes it (worker/results/owed_results.c) goes on where this run stopped, at "publish" when a
 * chord that follows could not be begun, else at "result". All that is told may be told again, so a row needs no more than that. Stateless tasks
 * go the same way: their row is the only place that holds their result. The keeper leaves rows as well, for messages that expired while
 * nobody consumed them (duties/keeper.c): those are told for the first time ("first"). Nothing here costs anything while the backend is up. */
#include "worker/run/run.h"

#include "core/json.h"
#include "core/log.h"

#include <stdlib.h>
#include <string.h>

enum { OWE_AGAIN_MS = 5000 };

/* ---- into the store ---- */

bool run_keep_owed(struct run *run, const json_t *telling, unsigned wait_ms, store_done *done)
{
        const struct delivery *d = run_delivery(run);
        struct store *store = run->worker->store;
        struct owing_part *owing = &run->owing;
        buffer_reset(&owing->text);
        json_write(telling, &owing->text);
        if (!telling || owing->text.failed)
                return false;
        owing->row = (struct owed_result){ .task_id = run->message.id,
                                           .queue = d->queue,
                                           .properties = d->properties,
                                           .body = d->body,
                                           .telling = buffer_view(&owing->text),
                                           .wait_ms = wait_ms };
        store->run->owe(store, &owing->row, done, run);
        return true;
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
                run_hold(run, OWE_AGAIN_MS, STEP_OWE);
        }
}

enum step run_owe(struct run *run)
{
        if (run->owing.item)
                return STEP_END; /* the row stays */
        JSON_OWNED json_t *telling = run_result_json(run);
        return run_keep_owed(run, telling, 0, run_owe_on_owed) ? STEP_WAIT : run_out_of_memory(run);
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
                unsigned char *copy = (unsigned char *)(d + 1);
                if (bytes.size)
                        memcpy(copy, bytes.data, bytes.size);
                memcpy(copy + bytes.size, queue, size);
                d->queue = d->routing_key = (const char *)copy + bytes.size;
                d->exchange = "";
                d->properties = bytes_of(copy, split);
                d->body = bytes_of(copy + split, bytes.size - split);
        }
        buffer_free(&bytes);
        return d;
}

/* ---- a message that expired in its queue: the store learns it here, as from a worker that finds it expired ---- */

static void owe_on_first_failed(enum store_result result, struct bytes stored, const struct problem *why, void *arg)
{
        struct run *run = (struct run *)arg;
        (void)stored;
        if (result == STORE_REFUSED)
                log_error("worker", "task=%s could not be marked as failed: %s", run_shown_id(run), why->text);
        run_go(run,
               result == STORE_CLOSED || result == STORE_STARVED ? STEP_END : STEP_RESULT); /* END: the row stays */
}

static enum step owe_fail_first(struct run *run)
{
        struct problem ignored; /* then its event names no user */
        if (!run->message.id || !run_keeps_state(run))
                return STEP_RESULT;
        (void)run_make_document(run, &ignored);
        run_fail(run, NULL, owe_on_first_failed);
        return STEP_WAIT;
}

static enum step owe_step_of(struct run *run, json_t *telling)
{
        json_t *part = json_object_get(telling, "part");
        if (part) /* worker/results/chord_lost.c */
                return run_look_again(run, part) && run->message.id ? STEP_JOIN : STEP_END;
        const enum step step = run_result_restore(run, telling);
        const bool first = json_is_true(json_object_get(telling, "first"));
        return first && step == STEP_RESULT ? owe_fail_first(run) : step;
}

enum step run_owed(struct run *run, const json_t *row, struct owed_item *item)
{
        struct buffer text = { 0 };
        JSON_OWNED json_t *telling = NULL;
        struct problem ignored = { 0 }; /* what is wrong with the message was found when it came, and is to be told */
        struct delivery *d = owed_delivery(row);
        run->owing.item = item;
        if (d)
                run_take_delivery(run, d);
        if (!d || !buffer_add_hex(&text, json_text(row, "telling", "")) ||
            json_parse(buffer_view(&text), "store", &telling, &ignored) != 0) {
                log_error("worker", "task=%s the row of chard.owed_result can't be read",
                          json_text(row, "task_id", "?"));
                buffer_free(&text);
                return STEP_END;
        }
        buffer_free(&text);
        (void)run_decode(run, &ignored);
        run_make_bare_input(run);
        run_recall_failure(run, json_object_get(telling, "why"));
        return owe_step_of(run, telling);
}
