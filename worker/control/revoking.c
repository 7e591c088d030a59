/* SPDX-License-Identifier: Apache-2.0 */
/* Revocations on their way into the store, and then to the clients that wait for these tasks. A command is answered once both know of all of its, and
 * the worker does not end before that within its grace time: what was acknowledged holds for every worker, and after a restart. Source of what clients are
 * told: _revoke in celery/worker/control.py of Celery 5.7. */
#include "worker/control/control.h"

#include "core/clock.h"
#include "core/log.h"
#include "worker/control.h"

#include <stdlib.h>

/* One of them. */
struct revoking_id {
        struct revoking *all;
        struct revocation what; /* whose texts are lent to the store */
};

/* Those of one command. */
struct revoking {
        struct control *control;
        struct reply_to to;
        json_t *answer;
        json_t *ids; /* whose texts are lent to `each` */
        size_t open, refused, lost, untold;
        struct problem why; /* of the last that was refused */
        struct revoking_id each[];
};

static void revoking_end(struct revoking *r)
{
        struct control *c = r->control;
        if (r->refused)
                log_warn("control", "%zu tasks could not be marked as revoked: %s", r->refused, r->why.text);
        if (r->lost)
                log_warn("control",
                         "%zu tasks may not be marked as revoked: the worker ended before the store answered", r->lost);
        if (r->untold)
                log_warn("control", "%zu revoked tasks have no result yet: whoever gets their messages tells it",
                         r->untold);
        json_t *answer =
                r->refused || r->lost ? answer_error("%s", r->refused ? r->why.text : "the worker ends") : NULL;
        control_answer(c, &r->to, answer ? answer : json_incref(r->answer));
        json_decref(r->answer);
        json_decref(r->ids);
        free(r);
        c->revoking--;
        if (c->worker->phase != WORKER_RUNNING)
                shutdown_adjust(c->worker);
}

static void revoking_settle(struct revoking *r)
{
        if (--r->open == 0)
                revoking_end(r);
}

/* ---- what its client sees ---- */

static void revoking_on_told(enum results_answer answer, const struct problem *why, void *arg)
{
        struct revoking *r = (struct revoking *)arg;
        (void)why;
        r->untold += answer != RESULTS_DONE;
        revoking_settle(r);
}

static void revoking_add_result(const char *id, struct buffer *out)
{
        struct problem why;
        struct buffer exception = { 0 };
        problem_set(&why, "task", "revoked", "revoked");
        const struct result_exception e = results_exception_of(&why);
        results_exception(&e, &exception);
        const struct result_meta meta = { .status = "REVOKED",
                                          .result = buffer_view(&exception),
                                          .children = bytes_of_string("null"),
                                          .done_ms = clock_wall_ms(),
                                          .task_id = id };
        results_meta(&meta, out);
        out->failed = out->failed || exception.failed;
        buffer_free(&exception);
}

/* One whose message has not come tells no address to reply to: only a backend that is read by ids can be told. */
static void revoking_tell(struct revoking_id *one)
{
        struct revoking *r = one->all;
        struct results *results = r->control->worker->results;
        const struct results_address to = { .task_id = one->what.id, .unbegun = true };
        struct buffer meta = { 0 };
        if (r->control->worker->phase == WORKER_CLOSED || !results_wanted(results, &to)) {
                revoking_settle(r);
                return;
        }
        revoking_add_result(one->what.id, &meta);
        if (meta.failed)
                revoking_on_told(RESULTS_STARVED, NULL, r);
        else
                results_store(results, &to, buffer_view(&meta), revoking_on_told, r);
        buffer_free(&meta);
}

/* ---- the store ---- */

/* STORE_ALREADY: it has ended, or runs elsewhere, and stays what it is. */
static void on_marked(enum store_result result, struct bytes stored, const struct problem *why, void *arg)
{
        struct revoking_id *one = (struct revoking_id *)arg;
        struct revoking *r = one->all;
        (void)stored;
        if (result == STORE_DONE) {
                revoking_tell(one);
                return;
        }
        if (result == STORE_REFUSED || result == STORE_STARVED) {
                r->refused++;
                r->why = *why;
        } else if (result == STORE_CLOSED) {
                r->lost++;
        }
        revoking_settle(r);
}

/* One that runs here stays what it is: only terminate ends it, and its run tells the store. */
static bool is_to_mark(const struct control *c, const char *id)
{
        const struct run *run = command_is_id(id) ? control_run(c, id) : NULL;
        return command_is_id(id) && !(run && control_is_active(run));
}

json_t *revoking_start(struct control *c, json_t *ids, json_t *answer_takes)
{
        const struct store_run *store = c->worker->store->run;
        const size_t count = json_array_size(ids);
        struct revoking *r = answer_takes ? calloc(1, sizeof(*r) + count * sizeof(r->each[0])) : NULL;
        if (!r) {
                json_decref(answer_takes);
                return answer_error("MemoryError()");
        }
        r->control = c;
        r->answer = answer_takes;
        r->ids = json_incref(ids);
        r->to = *c->asking;
        *c->asking = (struct reply_to){ 0 };
        c->revoking++;
        r->open = 1; /* until all are handed over */
        for (size_t i = 0; i < count; i++) {
                const char *id = json_string_value(json_array_get(ids, i));
                struct revoking_id *one = &r->each[i];
                if (!is_to_mark(c, id))
                        continue;
                *one = (struct revoking_id){ r, { .id = id, .root_id = id, .name = "" } };
                r->open++;
                store->revoke(c->worker->store, &one->what, on_marked, one);
        }
        revoking_settle(r);
        return NULL;
}

bool control_busy(const struct control *c)
{
        return c && c->revoking > 0;
}
