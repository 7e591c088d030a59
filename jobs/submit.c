/* SPDX-License-Identifier: Apache-2.0 */
/* Starting a job, and sending any one task: the message goes to the broker, its confirm is the answer. */
#include "core/clock.h"

#include "core/id.h"
#include "core/json.h"
#include "core/text/nearest.h"
#include "jobs/own.h"
#include "message/task/task_form.h"
#include "pipelines/pipeline.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- a pipeline ---- */

static int submit_no_pipeline(const struct jobs *j, const char *name, struct problem *why)
{
        const struct pipeline *const *all = catalog_pipelines(j->catalog);
        const char *names[32];
        size_t count = 0;
        for (; count < 32 && all[count]; count++)
                names[count] = all[count]->name;
        char offer[NEAREST_OFFER_SIZE];
        return problem_set(why, "pipeline", "no_pipeline", "there is no pipeline \"%.60s\"%s", name,
                           nearest_offer(offer, name, names, count, ""));
}

/* The message is the caller's. */
static int submit_form_job(const struct jobs *j, const struct job_request *r, char id[JOBS_ID_SIZE],
                           struct message **out, struct problem *why)
{
        char made[ID_TEXT_SIZE];
        const struct pipeline *p = catalog_pipeline(j->catalog, r->pipeline);
        if (!p)
                return submit_no_pipeline(j, r->pipeline, why);
        if (!j->broker)
                return jobs_without(why, "broker");
        const int code = pipeline_start(p, catalog_tasks(j->catalog), r->input, r->id, &r->trace, made, out, why);
        if (code == 0)
                snprintf(id, JOBS_ID_SIZE, "%s", made);
        return code;
}

int jobs_submit(struct jobs *j, const struct job_request *request, char id[JOBS_ID_SIZE], jobs_submitted *done,
                void *arg, struct problem *why)
{
        struct message *message = NULL;
        const int code = submit_form_job(j, request, id, &message, why);
        return code ? code : blobs_hand_over(j, request, message, id, done, arg, why);
}

int jobs_submit_check(const struct jobs *j, const struct job_request *request, struct problem *why)
{
        struct message *message = NULL;
        char ignored[JOBS_ID_SIZE];
        const int code = submit_form_job(j, request, ignored, &message, why);
        if (code == 0)
                message_free(message);
        return code;
}

/* ---- any task ---- */

static int submit_bad(struct problem *why, const char *what, const char *value)
{
        return problem_set(why, "message", "bad_task", "%s \"%.60s\" must be 1 to %d bytes of UTF-8", what, value,
                           MESSAGE_MAX_NAME);
}

static bool submit_fits(const char *text)
{
        JSON_OWNED json_t *value = json_string(text); /* NULL when it is no UTF-8 */
        const size_t size = strlen(text);
        return value && size > 0 && size <= MESSAGE_MAX_NAME;
}

static int submit_check(const struct task_request *r, struct problem *why)
{
        if (!submit_fits(r->name))
                return submit_bad(why, "the task's name", r->name);
        if (r->id && !submit_fits(r->id))
                return submit_bad(why, "the id", r->id);
        if (r->queue && !submit_fits(r->queue))
                return submit_bad(why, "the queue", r->queue);
        if (r->args && !json_is_array(r->args))
                return problem_set(why, "message", "bad_task", "args must be a JSON array");
        if (r->kwargs && !json_is_object(r->kwargs))
                return problem_set(why, "message", "bad_task", "kwargs must be a JSON object");
        if (r->priority > 255)
                return problem_set(why, "message", "bad_task", "a priority is a number from 0 to 255");
        return 0;
}

static const char *submit_queue(const struct jobs *j, const struct task_request *r)
{
        const struct task *task = catalog_task(j->catalog, r->name);
        if (r->queue)
                return r->queue;
        return task ? task->def->queue : r->name;
}

static struct message *submit_form(const struct jobs *j, const struct task_request *r, const char *id)
{
        char eta[CLOCK_TEXT_SIZE], expires[CLOCK_TEXT_SIZE], host[HOST_NAME_MAX + 1] = "", origin[HOST_NAME_MAX + 32];
        struct buffer table = { 0 }, body = { 0 };
        const char *queue = submit_queue(j, r);
        gethostname(host, sizeof(host) - 1);
        snprintf(origin, sizeof(origin), "gen%ld@%s", (long)getpid(), host);
        clock_format(r->eta_ms, eta);
        clock_format(r->expires_ms, expires);
        const struct task_form form = {
                .exchange = queue,
                .routing_key = queue,
                .name = r->name,
                .id = id,
                .root_id = id,
                .origin = origin,
                .eta = r->eta_ms ? eta : NULL,
                .expires = r->expires_ms ? expires : NULL,
                .priority = r->priority > 0 ? r->priority : 0,
                .args = r->args,
                .kwargs = r->kwargs,
                .trace = r->trace,
        };
        task_form_headers(&form, &table);
        task_form_body(&form, &body);
        buffer_add_string(&body, "{\"callbacks\":null,\"errbacks\":null,\"chain\":null,\"chord\":null}]");
        struct message *m = task_form_message(&form, &table, &body);
        buffer_free(&table);
        buffer_free(&body);
        return m;
}

/* The message is the caller's. */
static int submit_form_task(const struct jobs *j, const struct task_request *request, char id[JOBS_ID_SIZE],
                            struct message **out, struct problem *why)
{
        const int code = submit_check(request, why);
        if (code)
                return code;
        if (!j->broker)
                return jobs_without(why, "broker");
        if (request->id)
                snprintf(id, JOBS_ID_SIZE, "%s", request->id);
        else
                id_new(id);
        *out = submit_form(j, request, id);
        if (!*out)
                return -ENOMEM;
        if ((*out)->properties.size <= MESSAGE_MAX_PROPERTIES)
                return 0;
        message_free(*out);
        return problem_set(why, "message", "bad_task", "the headers take more than %d bytes", MESSAGE_MAX_PROPERTIES);
}

int jobs_send(struct jobs *j, const struct task_request *request, char id[JOBS_ID_SIZE], jobs_submitted *done,
              void *arg, struct problem *why)
{
        struct message *m = NULL;
        const int code = submit_form_task(j, request, id, &m, why);
        return code ? code : hand_over(j, m, id, done, arg, why);
}

int jobs_send_check(const struct jobs *j, const struct task_request *request, struct problem *why)
{
        struct message *m = NULL;
        char ignored[JOBS_ID_SIZE];
        const int code = submit_form_task(j, request, ignored, &m, why);
        if (code == 0)
                message_free(m);
        return code;
}
