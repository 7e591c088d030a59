/* SPDX-License-Identifier: Apache-2.0 */
/* A job with all that the store knows of it. */
#include "core/json.h"
#include "jobs/own.h"

#include <stdlib.h>

struct trace {
        struct store *store;
        json_done *done;
        void *arg;
        json_t *job; /* owned */
};

static void trace_end(struct trace *t, json_t *value, const struct problem *why)
{
        t->done(value, why, t->arg);
        json_decref(t->job);
        free(t);
}

static void trace_starved(struct trace *t)
{
        struct problem why;
        problem_set(&why, "store", "out_of_memory", "out of memory");
        trace_end(t, NULL, &why);
}

static void trace_on_trail(json_t *trail, const struct problem *why, void *arg)
{
        struct trace *t = (struct trace *)arg;
        if (why)
                trace_end(t, NULL, why);
        else if (json_object_set(t->job, "trail", trail))
                trace_starved(t);
        else
                trace_end(t, t->job, NULL);
}

static void trace_on_job(json_t *found, const struct problem *why, void *arg)
{
        struct trace *t = (struct trace *)arg;
        if (why || !json_is_object(found)) {
                trace_end(t, found, why);
                return;
        }
        t->job = json_copy(found);
        if (!t->job)
                trace_starved(t);
        else
                t->store->read->job_trail(t->store, json_text(t->job, "id", ""), trace_on_trail, t);
}

void jobs_trace(struct jobs *j, const char *text, json_done *done, void *arg)
{
        struct problem why;
        if (jobs_unstored(j, done, arg))
                return;
        struct trace *t = calloc(1, sizeof(*t));
        if (!t) {
                problem_set(&why, "store", "out_of_memory", "out of memory");
                done(NULL, &why, arg);
                return;
        }
        *t = (struct trace){ .store = j->store, .done = done, .arg = arg };
        jobs_look(j, text, trace_on_job, t);
}
