/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a job, waiting for its end, listing and cancelling. */
#include "core/clock.h"
#include "core/json.h"
#include "gateway/keys.h"
#include "gateway/own.h"

#include <stdlib.h>
#include <string.h>

const struct route_param read_params[] = {
        { "wait", ROUTE_NUMBER, 0, 60, "answer when the job has ended, or after so many seconds" },
        { 0 },
};

const struct route_param list_params[] = {
        { "pipeline", ROUTE_TEXT, 0, 0, "jobs of this pipeline" },
        { "state", ROUTE_TEXT, 0, 0, "in this state; open: not ended; unlucky: failed or cancelled" },
        { "user", ROUTE_TEXT, 0, 0, "of this user" },
        { "task", ROUTE_TEXT, 0, 0, "that have a task of this name" },
        { "text", ROUTE_TEXT, 0, 0, "whose document has this text, in whatever case" },
        { "since", ROUTE_TIME, 0, 0, "submitted at or after" },
        { "until", ROUTE_TIME, 0, 0, "submitted before" },
        { "limit", ROUTE_NUMBER, 1, 1000, "so many at most; 50 without it" },
        { "cursor", ROUTE_TEXT, 0, 0, "goes on where a page ended" },
        { 0 },
};

/* ---- one job ---- */

/* Somebody who reads a job. */
struct job_reading {
        struct gateway *gateway;
        struct exchange *exchange;
        struct follower *follower; /* while the job's end is waited for */
        uint64_t wait_ms;
        bool asking; /* the store is being asked */
        bool again;  /* the job has ended since */
        char id[];
};

static void reading_unfollow(struct job_reading *r)
{
        struct follower *follower = r->follower;
        r->follower = NULL;
        if (follower)
                jobs_unfollow(follower);
}

static void reading_end(struct job_reading *r)
{
        reading_unfollow(r);
        exchange_on_over(r->exchange, NULL, NULL);
        exchange_drop(r->exchange);
        free(r);
}

/* Is its state one of those that last? */
static bool job_has_ended(const json_t *job)
{
        const char *state = json_text(job, "state", "");
        return strcmp(state, "SUCCESS") == 0 || strcmp(state, "FAILURE") == 0 || strcmp(state, "REVOKED") == 0;
}

/* Nobody has begun it: it waits, where this process took it lately, or there is none. */
static void reading_answer_unknown(struct job_reading *r)
{
        struct problem why;
        const char *pipeline;
        if (recent_find(r->gateway->recent, r->id, &pipeline)) {
                JSON_OWNED json_t *job =
                        json_pack("{s:s, s:s?, s:s, s:n, s:n, s:[], s:o*}", "id", r->id, "pipeline", pipeline, "state",
                                  "PENDING", "document", "error", "tasks", "links", job_links(r->id));
                exchange_answer_json(r->exchange, 200, job);
                return;
        }
        problem_set(&why, "request", "no_job",
                    "no task of a job with this id has begun: there is no such job, or it still waits in its queue");
        exchange_answer_problem(r->exchange, &why);
}

static void reading_answer(struct job_reading *r, json_t *job)
{
        const char *id = json_text(job, "id", NULL);
        JSON_OWNED json_t *linked = id ? json_copy(job) : NULL;
        if (linked)
                json_object_set_new(linked, "links", job_links(id));
        if (id)
                exchange_answer_json(r->exchange, 200, linked);
        else
                reading_answer_unknown(r);
        reading_end(r);
}

static void reading_ask(struct job_reading *r);
static void reading_wait(struct job_reading *r);

static void on_job_read(json_t *job, const struct problem *why, void *arg)
{
        struct job_reading *r = (struct job_reading *)arg;
        r->asking = false;
        if (exchange_is_over(r->exchange)) {
                reading_end(r);
        } else if (why) {
                exchange_answer_problem(r->exchange, why);
                reading_end(r);
        } else if (job_has_ended(job) || !r->wait_ms || r->gateway->stopping) {
                reading_answer(r, job);
        } else if (r->again) { /* it may have ended after it was read */
                reading_ask(r);
        } else {
                reading_wait(r);
        }
}

static void reading_ask(struct job_reading *r)
{
        r->asking = true;
        r->again = false;
        jobs_read(r->gateway->jobs, r->id, on_job_read, r);
}

/* ---- … when it has ended ---- */

static void on_read_news(const struct job_news *news, const struct problem *why, void *arg)
{
        struct job_reading *r = (struct job_reading *)arg;
        if (why || news->step)
                return;
        if (r->asking)
                r->again = true;
        else
                reading_ask(r);
}

/* The time that was asked for is up, or the server stops: the job as it is now. */
static void on_read_over(struct exchange *x, void *arg)
{
        struct job_reading *r = (struct job_reading *)arg;
        reading_unfollow(r);
        r->wait_ms = 0;
        if (!exchange_is_over(x))
                exchange_until(x, GATEWAY_ANSWER_MS); /* for the answer that is under way, or for one more */
        if (r->asking)
                return;
        if (exchange_is_over(x))
                reading_end(r);
        else
                reading_ask(r);
}

static void reading_wait(struct job_reading *r)
{
        struct problem why;
        if (r->follower)
                return;
        if (!keys_count(r->gateway->keys, r->exchange)) { /* its key was revoked since it came */
                keys_dismiss(r->exchange);
                reading_end(r);
                return;
        }
        exchange_until(r->exchange, r->wait_ms);
        exchange_on_over(r->exchange, on_read_over, r);
        if (jobs_follow(r->gateway->jobs, r->id, 0, on_read_news, r, &r->follower, &why) == 0)
                return;
        answer_starved(r->exchange);
        reading_end(r);
}

void read_job(void *owner, struct exchange *x)
{
        struct gateway *g = (struct gateway *)owner;
        const struct target *t = exchange_target(x);
        const char *id = route_part(exchange_route(x), t, "id");
        const size_t size = strlen(id) + 1;
        struct job_reading *r = calloc(1, sizeof(*r) + size);
        if (!r) {
                answer_starved(x);
                return;
        }
        *r = (struct job_reading){ .gateway = g,
                                   .exchange = x,
                                   .wait_ms = 1000 * (uint64_t)route_number(t, "wait", 0) };
        memcpy(r->id, id, size);
        exchange_keep(x, GATEWAY_ANSWER_MS);
        reading_ask(r);
}

/* ---- lists ---- */

static void on_list(json_t *page, const struct problem *why, void *arg)
{
        struct exchange *x = (struct exchange *)arg;
        if (why)
                exchange_answer_problem(x, why);
        else
                exchange_answer_json(x, 200, page);
        exchange_drop(x);
}

void list_jobs(void *owner, struct exchange *x)
{
        struct gateway *g = (struct gateway *)owner;
        const struct target *t = exchange_target(x);
        const struct job_filter filter = {
                .pipeline = target_value(t, "pipeline"),
                .state = target_value(t, "state"),
                .user_id = target_value(t, "user"),
                .task = target_value(t, "task"),
                .text = target_value(t, "text"),
                .since_ms = route_time(t, "since"),
                .until_ms = route_time(t, "until"),
                .cursor = target_value(t, "cursor"),
                .limit = (unsigned)route_number(t, "limit", 50),
        };
        exchange_keep(x, GATEWAY_ANSWER_MS);
        jobs_list(g->jobs, &filter, on_list, x);
}

/* ---- cancelling ---- */

void delete_job(void *owner, struct exchange *x)
{
        struct gateway *g = (struct gateway *)owner;
        exchange_keep(x, GATEWAY_ANSWER_MS);
        jobs_cancel(g->jobs, route_part(exchange_route(x), exchange_target(x), "id"), on_list, x);
}
