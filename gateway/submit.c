/* SPDX-License-Identifier: Apache-2.0 */
/* Submitting: answered 202 once the job is safe, with the broker or in the store. */
#include "core/json.h"
#include "core/http/problems.h"
#include "gateway/own.h"
#include "pipelines/pipeline.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* "/v1/jobs/ID", the id escaped; NULL when memory ran out. The caller frees it. */
static char *job_path(const char *id)
{
        static const char plain[] = "-._~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
        char *path = malloc(sizeof("/v1/jobs/") + 3 * strlen(id)), *at = path;
        if (!path)
                return NULL;
        at += sprintf(at, "/v1/jobs/");
        for (; *id; id++)
                at += sprintf(at, strchr(plain, *id) ? "%c" : "%%%02X", (unsigned char)*id);
        return path;
}

json_t *job_links(const char *id)
{
        char *path = job_path(id);
        json_t *links = path ? json_pack("{s:s, s:s+}", "self", path, "events", path, "/events") : NULL;
        free(path);
        return links;
}

json_t *body_json(struct exchange *x)
{
        json_t *value = NULL;
        struct problem why;
        if (json_parse(exchange_body(x), "request", &value, &why) == 0)
                return value;
        exchange_answer_problem(x, &why);
        return NULL;
}

void answer_starved(struct exchange *x)
{
        struct problem why;
        problem_set(&why, "gateway", "out_of_memory", "out of memory");
        exchange_answer_problem(x, &why);
}

/* ---- one job ---- */

struct submission {
        struct gateway *gateway;
        struct exchange *exchange;
        const struct pipeline *pipeline; /* NULL: a task */
};

struct submission *submission_new(struct gateway *g, struct exchange *x, const struct pipeline *pipeline)
{
        struct submission *s = malloc(sizeof(*s));
        if (!s)
                return NULL;
        *s = (struct submission){ g, x, pipeline };
        exchange_keep(x, GATEWAY_ANSWER_MS);
        return s;
}

static void submission_end(struct submission *s)
{
        exchange_drop(s->exchange);
        free(s);
}

void submission_refuse(struct submission *s, struct exchange *x, int code, const struct problem *why)
{
        if (code == 1)
                exchange_answer_problem(x, why);
        else
                answer_starved(x);
        if (s)
                submission_end(s);
}

/* Nobody else can mend the name of a queue that there is not; a pipeline's queues are for whoever runs this to declare. */
static unsigned submission_status(const struct submission *s, const struct problem *why)
{
        const bool taken = strcmp(why->source, "broker") != 0 ||
                           (strcmp(why->code, "returned") != 0 && strcmp(why->code, "refused") != 0);
        return s->pipeline || taken ? problem_status(why, gateway_problems) : 422;
}

void on_job_submitted(const char *id, const struct problem *why, void *arg)
{
        struct submission *s = (struct submission *)arg;
        const struct pipeline *p = s->pipeline;
        if (why) {
                exchange_answer_status(s->exchange, submission_status(s, why), why);
        } else {
                char *path = job_path(id);
                recent_add(s->gateway->recent, id, p ? p->name : NULL);
                JSON_OWNED json_t *job = json_pack("{s:s, s:s?, s:s, s:o*}", "id", id, "pipeline", p ? p->name : NULL,
                                                   "state", "PENDING", "links", job_links(id));
                if (path)
                        exchange_add_header(s->exchange, "Location", path);
                exchange_answer_json(s->exchange, 202, job);
                free(path);
        }
        submission_end(s);
}

static void submit_input(struct gateway *g, struct exchange *x, const struct pipeline *p, const json_t *input)
{
        struct problem why;
        char id[JOBS_ID_SIZE];
        assert(p);
        struct submission *s = submission_new(g, x, p);
        const int code = s ? jobs_submit(g->jobs, p->name, input, id, on_job_submitted, s, &why) : -1;
        if (code)
                submission_refuse(s, x, code, &why);
        else
                exchange_name(x, id);
}

int submit_read_body(const struct gateway *g, const json_t *body, const struct pipeline **pipeline, struct problem *why)
{
        const char *key, *name = json_text(body, "pipeline", NULL);
        json_t *value;
        if (!name || !json_is_object(json_object_get(body, "input")))
                return problem_set(why, "request", "bad_request",
                                   "the body must be {\"pipeline\": name, \"input\": {…}}");
        json_object_foreach((json_t *)body, key, value) {
                if (strcmp(key, "pipeline") != 0 && strcmp(key, "input") != 0)
                        return problem_set(why, "request", "bad_request",
                                           "\"%.60s\" is no member of {\"pipeline\", \"input\"}", key);
        }
        *pipeline = catalog_pipeline(g->config.catalog, name);
        if (!*pipeline)
                return problem_set(why, "pipeline", "no_pipeline", "there is no pipeline \"%.60s\"; see: /openapi.json",
                                   name);
        return 0;
}

void submit_job(void *owner, struct exchange *x)
{
        struct gateway *g = (struct gateway *)owner;
        struct problem why;
        const struct pipeline *pipeline = NULL;
        JSON_OWNED json_t *body = body_json(x);
        if (!body)
                return;
        if (submit_read_body(g, body, &pipeline, &why))
                exchange_answer_problem(x, &why);
        else
                submit_input(g, x, pipeline, json_object_get(body, "input"));
}

void submit_shorthand(void *owner, struct exchange *x)
{
        struct gateway *g = (struct gateway *)owner;
        struct problem why;
        JSON_OWNED json_t *body = body_json(x);
        if (!body)
                return;
        if (!json_is_object(body)) {
                problem_set(&why, "request", "bad_request", "the body must be the job's input, an object");
                exchange_answer_problem(x, &why);
                return;
        }
        submit_input(g, x, (const struct pipeline *)exchange_route(x)->subject, body);
}
