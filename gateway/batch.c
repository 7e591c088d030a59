/* SPDX-License-Identifier: Apache-2.0 */
/* POST /v1/jobs:batch: many submits, a JSON line each; an answer a line, in the same order, once all are known to be safe or not. */
#include "core/json.h"
#include "gateway/own.h"
#include "core/http/problems.h"
#include "pipelines/pipeline.h"

#include <stdlib.h>
#include <string.h>

enum { BATCH_MOST = 10000, BATCH_MS = 60000 };

struct batch_line {
        struct job_batch *batch;
        const struct pipeline *pipeline; /* that it submits to, once it was read */
        json_t *answer;                  /* owned */
};

struct job_batch {
        struct gateway *gateway;
        struct exchange *exchange;
        size_t count, open; /* lines; those whose answer is still to come, and one for who submits them */
        struct batch_line lines[];
};

static json_t *batch_problem(const struct problem *why)
{
        return problem_details(problem_status(why, gateway_problems), why, NULL);
}

/* One thing less to wait for; with the last the answer goes out. */
static void batch_settle(struct job_batch *b)
{
        struct buffer body = { 0 };
        if (--b->open > 0)
                return;
        for (size_t i = 0; i < b->count; i++) {
                body.failed = body.failed || !b->lines[i].answer;
                if (b->lines[i].answer)
                        json_write(b->lines[i].answer, &body);
                buffer_add_string(&body, "\n");
                json_decref(b->lines[i].answer);
        }
        exchange_answer(b->exchange, 200, BATCH_TYPE, &body);
        exchange_drop(b->exchange);
        free(b);
}

static void on_batch_submitted(const char *id, const struct problem *why, void *arg)
{
        struct batch_line *line = (struct batch_line *)arg;
        line->answer = why ? batch_problem(why)
                           : json_pack("{s:s, s:i, s:s, s:o*}", "id", id, "status", 202, "state", "PENDING", "links",
                                       job_links(id));
        if (!why)
                recent_add(line->batch->gateway->recent, id, line->pipeline->name);
        batch_settle(line->batch);
}

static void batch_submit(struct gateway *g, struct batch_line *line, struct bytes text)
{
        struct problem why;
        char id[JOBS_ID_SIZE];
        JSON_OWNED json_t *body = NULL;
        int code = json_parse(text, "request", &body, &why);
        if (code == 0)
                code = submit_read_body(g, body, &line->pipeline, &why);
        if (code == 0) {
                line->batch->open++;
                code = jobs_submit(g->jobs, line->pipeline->name, json_object_get(body, "input"), id,
                                   on_batch_submitted, line, &why);
                line->batch->open -= code ? 1 : 0;
        }
        if (code < 0)
                problem_set(&why, "gateway", "out_of_memory", "out of memory");
        if (code)
                line->answer = batch_problem(&why);
}

/* The next line that is not empty; false at the end. */
static bool batch_next(struct bytes body, size_t *at, struct bytes *line)
{
        while (*at < body.size) {
                const unsigned char *from = body.data + *at, *end = memchr(from, '\n', body.size - *at);
                const size_t size = end ? (size_t)(end - from) : body.size - *at;
                *at += size + 1;
                *line = bytes_of(from, size && from[size - 1] == '\r' ? size - 1 : size);
                if (line->size)
                        return true;
        }
        return false;
}

static size_t batch_count(struct bytes body)
{
        size_t count = 0, at = 0;
        struct bytes line;
        while (batch_next(body, &at, &line))
                count++;
        return count;
}

void submit_batch(void *owner, struct exchange *x)
{
        struct gateway *g = (struct gateway *)owner;
        struct problem why;
        struct bytes text;
        size_t at = 0;
        const struct bytes body = exchange_body(x);
        const size_t count = batch_count(body);
        if (count == 0 || count > BATCH_MOST) {
                problem_set(&why, "request", count ? "too_large" : "bad_request",
                            "the body must have 1 to %d lines, each {\"pipeline\": name, \"input\": {…}}", BATCH_MOST);
                exchange_answer_problem(x, &why);
                return;
        }
        struct job_batch *b = calloc(1, sizeof(*b) + count * sizeof(b->lines[0]));
        if (!b) {
                answer_starved(x);
                return;
        }
        b->gateway = g;
        b->exchange = x;
        b->open = 1;
        exchange_keep(x, BATCH_MS);
        while (batch_next(body, &at, &text)) {
                struct batch_line *line = &b->lines[b->count++];
                line->batch = b;
                batch_submit(g, line, text);
        }
        batch_settle(b);
}
