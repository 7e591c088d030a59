/* SPDX-License-Identifier: Apache-2.0 */
/* POST /v1/jobs:batch: many submits, a JSON line each; an answer a line, in the same order, once all are known to be safe or not. */
#include "core/id.h"
#include "core/json.h"
#include "gateway/once.h"
#include "gateway/own.h"
#include "core/http/problems.h"
#include "message/canvas/derived_id.h"
#include "pipelines/pipeline.h"

#include <errno.h>
#include <stdio.h>
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
        size_t lines_most;
        struct once *once; /* NULL: its request has no key */
        bool failed;       /* a line may be better at another time */
        struct batch_line lines[];
};

static json_t *batch_problem(const struct problem *why)
{
        return problem_details(problem_status(why, gateway_problems), why, NULL);
}

static void batch_answer(void *arg)
{
        struct job_batch *b = (struct job_batch *)arg;
        struct buffer body = { 0 };
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

/* One thing less to wait for; with the last the answer goes out. */
static void batch_settle(struct job_batch *b)
{
        struct once *once = b->once;
        if (--b->open > 0)
                return;
        b->once = NULL;
        if (once)
                once_settle(once, !b->failed && b->count == b->lines_most, batch_answer, b);
        else
                batch_answer(b);
}

static json_t *batch_submitted(const char *id)
{
        return json_pack("{s:s, s:i, s:s, s:o*}", "id", id, "status", 202, "state", "PENDING", "links", job_links(id));
}

static void on_batch_submitted(const char *id, const struct problem *why, void *arg)
{
        struct batch_line *line = (struct batch_line *)arg;
        line->answer = why ? batch_problem(why) : batch_submitted(id);
        line->batch->failed = line->batch->failed || why;
        if (!why)
                recent_add(line->batch->gateway->recent, id, line->pipeline->name);
        batch_settle(line->batch);
}

/* ---- a line whose job's end is to be told: the store hears of it first ---- */

struct batch_wish {
        struct batch_line *line;
        json_t *input; /* owned */
        char id[JOBS_ID_SIZE];
};

static void batch_wish_free(struct batch_wish *w)
{
        json_decref(w->input);
        free(w);
}

static int batch_wish_send(const struct batch_wish *w, struct problem *why)
{
        const struct batch_line *line = w->line;
        const struct job_request request = { line->pipeline->name, w->input, w->id,
                                             exchange_trace(line->batch->exchange) };
        char same[JOBS_ID_SIZE];
        return jobs_submit(line->batch->gateway->jobs, &request, same, on_batch_submitted, w->line, why);
}

static void on_batch_wished(enum store_result result, struct bytes stored, const struct problem *failed, void *arg)
{
        struct batch_wish *w = (struct batch_wish *)arg;
        struct problem why;
        int code = 1;
        (void)stored;
        if (result == STORE_DONE)
                code = batch_wish_send(w, &why);
        else
                webhook_problem(failed, &why);
        if (code < 0)
                problem_set(&why, "gateway", "out_of_memory", "out of memory");
        if (code)
                on_batch_submitted(w->id, &why, w->line);
        batch_wish_free(w);
}

static int batch_wish(struct batch_line *line, const struct job_request *request, const json_t *webhook,
                      struct problem *why)
{
        struct gateway *g = line->batch->gateway;
        const int code = jobs_submit_check(g->jobs, request, why);
        struct batch_wish *w = code ? NULL : malloc(sizeof(*w));
        if (!w)
                return code ? code : -ENOMEM;
        w->line = line;
        w->input = json_incref((json_t *)request->input);
        snprintf(w->id, sizeof(w->id), "%s", request->id);
        if (webhook_register(line->batch->exchange, g, webhook, w->id, on_batch_wished, w, why) == 0)
                return 0;
        batch_wish_free(w);
        return 1;
}

/* Send a line, or, of a request that was done before, say what became of it. Returns as jobs_submit. */
static int batch_send(struct batch_line *line, json_t *input, const json_t *webhook, const char *whole, bool again,
                      struct problem *why)
{
        struct job_batch *b = line->batch;
        struct jobs *jobs = b->gateway->jobs;
        char id[JOBS_ID_SIZE], same[JOBS_ID_SIZE];
        const struct job_request request = { line->pipeline->name, input, id, exchange_trace(b->exchange) };
        if (whole)
                derived_id(whole, "line", (size_t)(line - b->lines), id);
        else
                id_new(id);
        if (!again && webhook)
                return batch_wish(line, &request, webhook, why);
        if (!again)
                return jobs_submit(jobs, &request, same, on_batch_submitted, line, why);
        const int code = jobs_submit_check(jobs, &request, why);
        if (code == 0)
                line->answer = batch_submitted(id);
        return code;
}

static void batch_submit(struct batch_line *line, struct bytes text, const char *whole, bool again)
{
        JSON_OWNED json_t *body = NULL;
        json_t *webhook = NULL;
        struct problem why;
        struct job_batch *b = line->batch;
        int code = json_parse(text, "request", &body, &why);
        if (code == 0)
                code = submit_read_body(b->gateway, body, &line->pipeline, &webhook, &why);
        if (code == 0) {
                b->open++;
                code = batch_send(line, json_object_get(body, "input"), webhook, whole, again, &why);
                b->open -= code || again ? 1 : 0;
        }
        if (code < 0)
                problem_set(&why, "gateway", "out_of_memory", "out of memory");
        if (code) {
                line->answer = batch_problem(&why);
                b->failed = b->failed || problem_status(&why, gateway_problems) >= 500;
        }
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

static void batch_submit_all(struct job_batch *b, const char *whole, bool again)
{
        struct bytes text;
        size_t at = 0;
        while (b->count < b->lines_most && batch_next(exchange_body(b->exchange), &at, &text)) {
                struct batch_line *line = &b->lines[b->count++];
                line->batch = b;
                batch_submit(line, text, whole, again);
        }
        batch_settle(b);
}

static void batch_refuse(struct job_batch *b, const struct problem *why)
{
        exchange_answer_status(b->exchange, problem_status(why, gateway_problems), why);
        exchange_drop(b->exchange);
        free(b);
}

static void on_batch_judged(enum once_verdict verdict, const char *id, const struct problem *why, void *arg)
{
        struct job_batch *b = (struct job_batch *)arg;
        if (verdict != ONCE_NEW)
                b->once = NULL; /* it is over */
        if (verdict == ONCE_REFUSED)
                batch_refuse(b, why);
        else
                batch_submit_all(b, id, verdict == ONCE_DONE);
}

void submit_batch(void *owner, struct exchange *x)
{
        struct gateway *g = (struct gateway *)owner;
        struct problem why;
        const size_t count = batch_count(exchange_body(x));
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
        b->lines_most = count;
        exchange_keep(x, BATCH_MS);
        const int asked = once_begin(&b->once, g, x, NULL, on_batch_judged, b, &why);
        if (asked == 1)
                batch_refuse(b, &why);
        else if (asked == 0)
                batch_submit_all(b, NULL, false);
}
