/* SPDX-License-Identifier: Apache-2.0 */
/* POST /v1/tasks: any one task, of chard or of Celery's workers. */
#include "core/clock.h"
#include "core/json.h"
#include "gateway/own.h"

#include <math.h>
#include <string.h>

/* What is sent. */
struct send_member {
        const char *name;
        json_type type;
};

static const struct send_member send_members[] = {
        { "name", JSON_STRING },    { "args", JSON_ARRAY },        { "kwargs", JSON_OBJECT },
        { "id", JSON_STRING },      { "queue", JSON_STRING },      { "countdown", JSON_REAL },
        { "eta", JSON_STRING },     { "expires", JSON_REAL },      { "priority", JSON_INTEGER },
        { "webhook", JSON_STRING }, { "result_url", JSON_STRING },
};

static bool send_fits(const struct send_member *m, const json_t *value)
{
        if (m->type == JSON_REAL)
                return json_is_number(value) && json_number_value(value) >= 0 && json_number_value(value) < 1e9;
        return json_is_null(value) || json_typeof(value) == m->type;
}

static int send_check(const json_t *body, struct problem *why)
{
        const char *key;
        json_t *value;
        if (!json_text(body, "name", NULL))
                return problem_set(why, "request", "bad_request", "the body must be {\"name\": task, …}");
        json_object_foreach((json_t *)body, key, value) {
                const struct send_member *m = send_members, *end = m + sizeof(send_members) / sizeof(*m);
                while (m < end && strcmp(m->name, key) != 0)
                        m++;
                if (m == end)
                        return problem_set(why, "request", "bad_request", "a task has no member \"%.60s\"", key);
                if (!send_fits(m, value))
                        return problem_set(why, "request", "bad_request",
                                           "\"%s\" is not what it must be; see: /openapi.json", key);
        }
        return 0;
}

static int send_read_body(const json_t *body, struct task_request *r, struct problem *why)
{
        const int64_t now_ms = clock_wall_ms();
        const json_t *countdown = json_object_get(body, "countdown"), *expires = json_object_get(body, "expires"),
                     *args = json_object_get(body, "args"), *kwargs = json_object_get(body, "kwargs");
        const char *eta = json_text(body, "eta", NULL);
        const json_int_t priority = json_number(body, "priority", -1);
        if (send_check(body, why))
                return 1;
        *r = (struct task_request){
                .name = json_text(body, "name", NULL),
                .id = json_text(body, "id", NULL),
                .queue = json_text(body, "queue", NULL),
                .args = json_is_array(args) ? args : NULL,
                .kwargs = json_is_object(kwargs) ? kwargs : NULL,
                .eta_ms = countdown ? now_ms + llround(1000 * json_number_value(countdown)) : 0,
                .expires_ms = expires ? now_ms + llround(1000 * json_number_value(expires)) : 0,
                .priority = -1,
        };
        if (eta && countdown)
                return problem_set(why, "request", "bad_request", "eta and countdown are two ways of saying one thing");
        if (eta && clock_parse(eta, &r->eta_ms))
                return problem_set(why, "request", "bad_request",
                                   "eta must be a time as ISO 8601 has it: 2026-11-21T08:42:22Z");
        if (json_is_integer(json_object_get(body, "priority")) && (priority < 0 || priority > 255))
                return problem_set(why, "request", "bad_request", "priority must be a number from 0 to 255");
        r->priority = (int)priority;
        return 0;
}

/* Borrowed from the submission and its request. 1 with `why`. */
static int task_read(const struct submission *s, struct task_request *r, struct problem *why)
{
        const int code = send_read_body(s->what, r, why);
        if (code == 0)
                r->trace = exchange_trace(s->exchange);
        return code;
}

static int task_check(const struct submission *s, struct problem *why)
{
        struct task_request request;
        const int code = task_read(s, &request, why);
        return code ? code : jobs_send_check(s->gateway->jobs, &request, why);
}

static int task_send(struct submission *s, struct problem *why)
{
        struct task_request request;
        char same[JOBS_ID_SIZE];
        const int code = task_read(s, &request, why);
        if (code)
                return code;
        if (!request.id)
                request.id = s->id;
        return jobs_send(s->gateway->jobs, &request, same, on_job_submitted, s, why);
}

/* Where the end of what it starts is told: of tasks whose ends the store hears of. */
static int send_read_webhook(const struct gateway *g, const json_t *body, json_t **webhook, struct problem *why)
{
        const struct task *task = catalog_task(g->config.catalog, json_text(body, "name", ""));
        const int code = webhook_read(g, body, webhook, why);
        if (code == 0 && *webhook && json_object_get(body, "id")) /* which may be that of somebody else's job */
                return problem_set(
                        why, "request", "bad_webhook",
                        "the end of a task that brings an id of its own can't be told: leave out the id, or ask for its state");
        if (code || !*webhook || (task && !(task->def->flags & TASK_STATELESS)))
                return code;
        return problem_set(
                why, "request", "bad_webhook",
                "the end of \"%.60s\" can't be told: it is no task of this program that keeps its state in the store",
                json_text(body, "name", ""));
}

void send_any_task(void *owner, struct exchange *x)
{
        static const struct submission_kind kind = { task_check, task_send };
        JSON_OWNED json_t *body = body_json(x);
        struct problem why;
        struct submission s = { .gateway = (struct gateway *)owner, .exchange = x, .kind = &kind, .what = body };
        if (!body)
                return;
        if (send_read_webhook(s.gateway, body, &s.webhook, &why))
                exchange_answer_problem(x, &why);
        else
                submission_begin(&s, json_text(body, "id", NULL));
}
