/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/recent.h"

#include "core/map.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct recent_job {
        char *pipeline; /* behind the id, in the same memory, or NULL */
        char id[];
};

struct recent {
        struct map *by_id;
        size_t most, at; /* at: the oldest, once all are taken */
        struct recent_job *jobs[];
};

int recent_open(struct recent **out, size_t most)
{
        struct recent *r = calloc(1, sizeof(*r) + most * sizeof(r->jobs[0]));
        if (!r || map_new(&r->by_id)) {
                free(r);
                return -ENOMEM;
        }
        r->most = most;
        *out = r;
        return 0;
}

void recent_add(struct recent *r, const char *id, const char *pipeline)
{
        const size_t size = strlen(id) + 1, more = pipeline ? strlen(pipeline) + 1 : 0;
        struct recent_job *job = map_get(r->by_id, id) ? NULL : malloc(sizeof(*job) + size + more);
        if (!job)
                return;
        memcpy(job->id, id, size);
        job->pipeline = pipeline ? memcpy(job->id + size, pipeline, more) : NULL;
        struct recent_job **place = &r->jobs[r->at];
        if (*place)
                map_take(r->by_id, (*place)->id);
        free(*place);
        *place = job;
        if (map_put(r->by_id, job->id, job)) {
                free(job);
                *place = NULL;
                return;
        }
        r->at = (r->at + 1) % r->most;
}

bool recent_find(const struct recent *r, const char *id, const char **pipeline)
{
        const struct recent_job *job = map_get(r->by_id, id);
        *pipeline = job ? job->pipeline : NULL;
        return job != NULL;
}

void recent_close(struct recent *r)
{
        if (!r)
                return;
        for (size_t i = 0; i < r->most; i++)
                free(r->jobs[i]);
        map_free(r->by_id);
        free(r);
}
