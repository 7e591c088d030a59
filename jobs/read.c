/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a job, and whether anybody is there to run its tasks. */
#include "core/json.h"
#include "jobs/own.h"
#include "tasks/task.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A worker's row older than this is nobody's: a worker writes it every few seconds. */
enum { READ_STALE_MS = 10000 };

void jobs_read(struct jobs *j, const char *id, json_done *done, void *arg)
{
        if (!jobs_unstored(j, done, arg))
                j->store->read->job(j->store, id, done, arg);
}

void jobs_list(struct jobs *j, const struct job_filter *filter, json_done *done, void *arg)
{
        if (!jobs_unstored(j, done, arg))
                j->store->read->job_list(j->store, filter, done, arg);
}

void jobs_load(struct jobs *j, json_done *done, void *arg)
{
        if (!jobs_unstored(j, done, arg))
                j->store->read->load(j->store, done, arg);
}

/* ---- who consumes ---- */

struct consumed_call {
        json_done *done;
        void *arg;
        char task[];
};

/* A worker names the tasks whose queues it consumes. */
static bool read_consumes(const json_t *state, const char *task)
{
        return json_is_true(json_object_get(state, "consuming")) &&
               json_object_get(json_object_get(state, "tasks"), task);
}

static void jobs_read_on_workers(json_t *rows, const struct problem *why, void *arg)
{
        struct consumed_call *c = (struct consumed_call *)arg;
        bool consumed = false;
        int live = 0;
        size_t i;
        json_t *row;
        json_array_foreach(rows, i, row) {
                if (json_number(row, "age_ms", READ_STALE_MS) >= READ_STALE_MS)
                        continue;
                live++;
                consumed = consumed || read_consumes(json_object_get(row, "state"), c->task);
        }
        JSON_OWNED json_t *answer = why ? NULL : json_pack("{s:b, s:i}", "consumed", consumed, "workers", live);
        c->done(answer, why, c->arg);
        free(c);
}

void jobs_consumed(struct jobs *j, const char *task, json_done *done, void *arg)
{
        struct problem why;
        const size_t size = strlen(task) + 1;
        if (jobs_unstored(j, done, arg))
                return;
        struct consumed_call *c = malloc(sizeof(*c) + size);
        if (!c) {
                problem_set(&why, "store", "out_of_memory", "out of memory");
                done(NULL, &why, arg);
                return;
        }
        *c = (struct consumed_call){ .done = done, .arg = arg };
        memcpy(c->task, task, size);
        j->store->read->workers(j->store, jobs_read_on_workers, c);
}
