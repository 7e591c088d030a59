/* SPDX-License-Identifier: Apache-2.0 */
/* Revocations on their way into the store. A command is answered once all of its are there, and the worker does not end before
 * that within its grace time: what was acknowledged holds for every worker, and after a restart. */
#include "worker/control/control.h"

#include "core/log.h"
#include "worker/control.h"

#include <stdlib.h>

/* Those of one command. */
struct revoking {
        struct control *control;
        struct reply_to to;
        json_t *answer;
        json_t *ids; /* whose texts are lent to the store */
        size_t open, refused, lost;
        struct problem why; /* of the last that was refused */
        struct revocation what[];
};

static void revoking_end(struct revoking *r)
{
        struct control *c = r->control;
        if (r->refused)
                log_warn("control", "%zu tasks could not be marked as revoked: %s", r->refused, r->why.text);
        if (r->lost)
                log_warn("control",
                         "%zu tasks may not be marked as revoked: the worker ended before the store answered", r->lost);
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

static void on_marked(enum store_result result, struct bytes stored, const struct problem *why, void *arg)
{
        struct revoking *r = (struct revoking *)arg;
        (void)stored;
        if (result == STORE_REFUSED || result == STORE_STARVED) {
                r->refused++;
                r->why = *why;
        } else if (result == STORE_CLOSED) {
                r->lost++;
        }
        if (--r->open == 0)
                revoking_end(r);
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
        struct revoking *r = answer_takes ? calloc(1, sizeof(*r) + count * sizeof(r->what[0])) : NULL;
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
                if (!is_to_mark(c, id))
                        continue;
                r->what[i] = (struct revocation){ .id = id, .root_id = id, .name = "" };
                r->open++;
                store->revoke(c->worker->store, &r->what[i], on_marked, r);
        }
        on_marked(STORE_DONE, bytes_of(NULL, 0), NULL, r);
        return NULL;
}

bool control_busy(const struct control *c)
{
        return c && c->revoking > 0;
}
