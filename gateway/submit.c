/* SPDX-License-Identifier: Apache-2.0 */
/* Submitting: answered 202 once the job is safe, with the broker or in the store. */
#include "core/id.h"
#include "core/json.h"
#include "core/http/problems.h"
#include "gateway/once.h"
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

/* ---- a submit, of whatever kind ---- */

static void submission_end(struct submission *s)
{
        exchange_drop(s->exchange);
        json_decref(s->what);
        json_decref(s->webhook);
        free(s);
}

/* Nobody else can mend the name of a queue that there is not; a pipeline's queues are for whoever runs this to declare. */
static unsigned submission_status(const struct submission *s, const struct problem *why)
{
        const bool taken = strcmp(why->source, "broker") != 0 ||
                           (strcmp(why->code, "returned") != 0 && strcmp(why->code, "refused") != 0);
        return s->pipeline || taken ? problem_status(why, gateway_problems) : 422;
}

json_t *job_submitted(const char *id, const struct pipeline *p)
{
        return json_pack("{s:s, s:s?, s:s, s:o*}", "id", id, "pipeline", p ? p->name : NULL, "state", "PENDING",
                         "links", job_links(id));
}

static void submission_answer(void *arg)
{
        struct submission *s = (struct submission *)arg;
        if (s->failed.code[0]) {
                exchange_answer_status(s->exchange, submission_status(s, &s->failed), &s->failed);
        } else {
                char *path = job_path(s->id);
                JSON_OWNED json_t *job = job_submitted(s->id, s->pipeline);
                if (path)
                        exchange_add_header(s->exchange, "Location", path);
                exchange_answer_json(s->exchange, 202, job);
                free(path);
        }
        submission_end(s);
}

/* It has come to that; where it has a key the store hears of it first. */
static void submission_settle(struct submission *s, const struct problem *why)
{
        struct once *once = s->once;
        s->once = NULL;
        if (why)
                s->failed = *why;
        if (once)
                once_settle(once, !why, submission_answer, s);
        else
                submission_answer(s);
}

void on_job_submitted(const char *id, const struct problem *why, void *arg)
{
        struct submission *s = (struct submission *)arg;
        snprintf(s->id, sizeof(s->id), "%s", id);
        if (!why)
                recent_add(s->gateway->recent, id, s->pipeline ? s->pipeline->name : NULL);
        submission_settle(s, why);
}

static void submission_publish(struct submission *s)
{
        struct problem why;
        exchange_name(s->exchange, s->id);
        const int code = s->kind->send(s, &why);
        if (code == 0)
                return;
        exchange_name(s->exchange, NULL); /* nothing was sent */
        if (code < 0)
                problem_set(&why, "gateway", "out_of_memory", "out of memory");
        submission_settle(s, &why);
}

static void on_submission_wished(enum store_result result, struct bytes stored, const struct problem *failed, void *arg)
{
        struct submission *s = (struct submission *)arg;
        struct problem why;
        (void)stored;
        if (result == STORE_DONE) {
                submission_publish(s);
                return;
        }
        webhook_problem(failed, &why);
        submission_settle(s, &why);
}

/* Under an id of its own, or (NULL) a new one. Where it is on its way it may be over when this returns. */
static void submission_send(struct submission *s, const char *id)
{
        struct problem why;
        if (id)
                snprintf(s->id, sizeof(s->id), "%s", id);
        else
                id_new(s->id);
        traced_job(s->exchange, s->id);
        if (!s->webhook)
                submission_publish(s);
        else if (webhook_register(s->exchange, s->gateway, s->webhook, s->id, on_submission_wished, s, &why))
                submission_settle(s, &why);
}

static void on_submission_judged(enum once_verdict verdict, const char *id, const struct problem *why, void *arg)
{
        struct submission *s = (struct submission *)arg;
        if (verdict == ONCE_NEW) {
                submission_send(s, id);
                return;
        }
        s->once = NULL; /* it is over */
        if (verdict == ONCE_REFUSED)
                submission_settle(s, why);
        else
                on_job_submitted(id, NULL, s);
}

/* What is not taken at all uses up no key. Returns as once_begin. */
static int submission_ask(struct submission *s, const char *id, struct problem *why)
{
        const int code = exchange_header(s->exchange, "Idempotency-Key") ? s->kind->check(s, why) : 0;
        if (code < 0)
                problem_set(why, "gateway", "out_of_memory", "out of memory");
        return code ? 1 : once_begin(&s->once, s->gateway, s->exchange, id, on_submission_judged, s, why);
}

void submission_begin(const struct submission *like, const char *id)
{
        struct problem why;
        struct submission *s = malloc(sizeof(*s));
        if (!s) {
                answer_starved(like->exchange);
                return;
        }
        *s = *like;
        json_incref(s->what);
        json_incref(s->webhook);
        exchange_keep(s->exchange, GATEWAY_ANSWER_MS);
        const int asked = submission_ask(s, id, &why);
        if (asked == 1)
                submission_settle(s, &why);
        else if (asked == 0)
                submission_send(s, id);
}

/* ---- one job ---- */

/* Borrowed from the submission. */
static struct job_request submission_job(const struct submission *s)
{
        return (struct job_request){ s->pipeline->name, s->what, s->id, exchange_trace(s->exchange) };
}

static int job_check(const struct submission *s, struct problem *why)
{
        struct job_request request = submission_job(s);
        request.id = NULL; /* it has none yet */
        return jobs_submit_check(s->gateway->jobs, &request, why);
}

static int job_send(struct submission *s, struct problem *why)
{
        const struct job_request request = submission_job(s);
        char same[JOBS_ID_SIZE];
        return jobs_submit(s->gateway->jobs, &request, same, on_job_submitted, s, why);
}

static void submit_input(struct gateway *g, struct exchange *x, const struct pipeline *p, json_t *input,
                         json_t *webhook)
{
        static const struct submission_kind kind = { job_check, job_send };
        const struct submission s = {
                .gateway = g, .exchange = x, .kind = &kind, .pipeline = p, .what = input, .webhook = webhook
        };
        assert(p);
        submission_begin(&s, NULL);
}

static bool submit_has_member(const char *key)
{
        static const char *const members[] = { "pipeline", "input", "webhook", "result_url" };
        for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++)
                if (strcmp(members[i], key) == 0)
                        return true;
        return false;
}

int submit_read_body(const struct gateway *g, const json_t *body, const struct pipeline **pipeline, json_t **webhook,
                     struct problem *why)
{
        const char *key, *name = json_text(body, "pipeline", NULL);
        json_t *value;
        if (!name || !json_is_object(json_object_get(body, "input")))
                return problem_set(why, "request", "bad_request",
                                   "the body must be {\"pipeline\": name, \"input\": {…}}");
        json_object_foreach((json_t *)body, key, value) {
                if (!submit_has_member(key))
                        return problem_set(why, "request", "bad_request",
                                           "\"%.60s\" is no member of {\"pipeline\", \"input\", \"webhook\"}", key);
        }
        *pipeline = catalog_pipeline(g->config.catalog, name);
        if (!*pipeline)
                return problem_set(why, "pipeline", "no_pipeline", "there is no pipeline \"%.60s\"; see: /openapi.json",
                                   name);
        return webhook_read(g, body, webhook, why);
}

void submit_job(void *owner, struct exchange *x)
{
        struct gateway *g = (struct gateway *)owner;
        struct problem why;
        const struct pipeline *pipeline = NULL;
        json_t *webhook = NULL;
        JSON_OWNED json_t *body = body_json(x);
        if (!body)
                return;
        if (submit_read_body(g, body, &pipeline, &webhook, &why))
                exchange_answer_problem(x, &why);
        else
                submit_input(g, x, pipeline, json_object_get(body, "input"), webhook);
}

/* Where the job's end is told stands beside the input, unless the pipeline takes such a key itself. */
static bool submit_is_own(const struct pipeline *p, const char *name)
{
        for (const struct input_key *key = p->input; key && key->name; key++)
                if (strcmp(key->name, name) == 0)
                        return true;
        return false;
}

void submit_fields(struct gateway *g, struct exchange *x, const struct pipeline *p, json_t *fields)
{
        static const char *const names[] = { "webhook", "result_url" };
        struct problem why;
        json_t *webhook = NULL;
        JSON_OWNED json_t *told = json_object();
        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
                json_t *value = submit_is_own(p, names[i]) ? NULL : json_object_get(fields, names[i]);
                if (value)
                        json_object_set(told, names[i], value);
                if (value)
                        json_object_del(fields, names[i]);
        }
        if (!told)
                answer_starved(x);
        else if (webhook_read(g, told, &webhook, &why))
                exchange_answer_problem(x, &why);
        else
                submit_input(g, x, p, fields, webhook);
}

void submit_shorthand(void *owner, struct exchange *x)
{
        struct gateway *g = (struct gateway *)owner;
        struct problem why;
        const struct pipeline *p = (const struct pipeline *)exchange_route(x)->subject;
        if (upload_is_form(x)) {
                upload_job(g, x, p);
                return;
        }
        JSON_OWNED json_t *body = body_json(x);
        if (!body)
                return;
        if (!json_is_object(body)) {
                problem_set(&why, "request", "bad_request", "the body must be the job's input, an object");
                exchange_answer_problem(x, &why);
                return;
        }
        submit_fields(g, x, p, body);
}
