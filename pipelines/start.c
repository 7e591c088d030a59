/* SPDX-License-Identifier: Apache-2.0 */
#include "pipelines/pipeline.h"

#include "message/canvas/derived_id.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Who sent it, as Celery clients say it: gen<pid>@<host>. */
static void write_origin(char *out, size_t size)
{
        char host[HOST_NAME_MAX + 1] = "";
        gethostname(host, sizeof(host) - 1);
        snprintf(out, size, "gen%ld@%s", (long)getpid(), host);
}

/* The first step's is the job's; each other one's is made of it and its place. */
static void start_id(char ids[][ID_TEXT_SIZE], size_t at, const char *job)
{
        if (at > 0)
                derived_id(ids[0], "step", at, ids[at]);
        else if (job)
                snprintf(ids[0], ID_TEXT_SIZE, "%s", job);
        else
                id_new(ids[0]);
}

int pipeline_start(const struct pipeline *p, const struct task_set *set, const json_t *input, const char *id,
                   const struct trace_context *trace, char job_id[ID_TEXT_SIZE], struct message **out,
                   struct problem *why)
{
        char ids[PIPELINE_MAX_STEPS][ID_TEXT_SIZE], origin[HOST_NAME_MAX + 32];
        struct signature steps[PIPELINE_MAX_STEPS];
        size_t count = 0;
        if (input_check(p->input, input, "pipeline", "bad_input", why) != 0)
                return 1;
        for (; p->steps[count]; count++) {
                const struct task *task = task_in(set, p->steps[count]);
                if (!task)
                        return -EINVAL; /* a step that is no task: a mistake in the pipeline's table */
                start_id(ids, count, id);
                steps[count] = (struct signature){
                        .name = task->def->name,
                        .id = ids[count],
                        .queue = task->def->queue,
                        .kwargs = count == 0 ? input : NULL,
                };
        }
        write_origin(origin, sizeof(origin));
        const struct send_options options = {
                .exchange = p->exchange,
                .routing_key = steps[0].queue,
                .origin = origin,
                .trace = trace ? *trace : (struct trace_context){ 0 },
        };
        *out = chain_message(steps, count, &options);
        memcpy(job_id, ids[0], ID_TEXT_SIZE);
        return *out ? 0 : -ENOMEM;
}
