/* SPDX-License-Identifier: Apache-2.0 */
/* What the routes share: the doors, and answers that several give. */
#ifndef CHARD_GATEWAY_OWN_H
#define CHARD_GATEWAY_OWN_H

#include "core/http/exchange.h"
#include "core/http/multipart.h"
#include "core/http/server.h"
#include "core/metrics/metrics.h"
#include "gateway/gateway.h"
#include "gateway/recent.h"
#include "jobs/jobs.h"

enum { GATEWAY_ANSWER_MS = 30000 }; /* broker and store have that long */

struct console;
struct keys;
struct once;
struct streams;

struct gateway {
        struct gateway_config config;
        struct jobs *jobs;
        struct server *server;
        struct route *routes; /* owned, as is what shorthands are called */
        char **patterns;
        struct streams *streams;
        struct recent *recent;
        struct once *onces; /* under way */
        struct keys *keys;
        struct console *console;    /* its files */
        struct collector collector; /* of its figures, where they are wanted */
        struct show *show;          /* or NULL */
        bool stopping;
};

/* open.c: the HTTP statuses of problems with jobs and tasks; ends with a NULL code. */
extern const struct problem_row gateway_problems[];

/* submit.c */
void submit_job(void *owner, struct exchange *x);       /* POST /v1/jobs */
void submit_shorthand(void *owner, struct exchange *x); /* POST /v1/NAME, of a pipeline */

/* Submit what a shorthand was sent: the input's keys and perhaps where the job's end is told. Borrowed; it may be changed. Answers. */
void submit_fields(struct gateway *g, struct exchange *x, const struct pipeline *p, json_t *fields);

/* A submit until it is known to be safe. */
struct submission {
        struct gateway *gateway;
        struct exchange *exchange;
        const struct submission_kind *kind;
        const struct pipeline *pipeline; /* NULL: a task */
        json_t *what;                    /* the job's input, or the task; owned */
        json_t *webhook;                 /* where its end is told, or NULL; owned */
        struct once *once;               /* NULL: its request has no key */
        struct problem failed;           /* no code: it is safe */
        char id[JOBS_ID_SIZE];
};

struct submission_kind {
        /* Would it be taken? / Send it under s->id; on_job_submitted is told. Both return as jobs_submit. */
        int (*check)(const struct submission *s, struct problem *why);
        int (*send)(struct submission *s, struct problem *why);
};

/* Submit it, or, where the request has a key, only if that was not done. `what` is borrowed; `id`: which the client chose for it, or NULL. Answers. */
void submission_begin(const struct submission *like, const char *id);
void on_job_submitted(const char *id, const struct problem *why, void *arg);

/* {"pipeline", "input"} and perhaps where its end is told, and nothing else. 0, or 1 with `why`. */
int submit_read_body(const struct gateway *g, const json_t *body, const struct pipeline **pipeline, json_t **webhook,
                     struct problem *why);

/* traced.c */

/* It is let in, and its span begins; nothing where nobody wants one. / It submits this job, of whose trace it is then, unless its client named another. / It was answered. */
void traced_begin(const struct gateway *g, struct exchange *x);
void traced_job(const struct exchange *x, const char *id);
void traced_end(const struct server_answer *answer);

/* The trace that what a request submits belongs to: its span, where that is recorded, and of its headers traceparent, tracestate and baggage what is well formed, as the
 * standards have it. Borrowed from it. */
struct trace_context exchange_trace(const struct exchange *x);

/* webhook.c */

/* Where a body says that the job's end is to be told: *out is borrowed from it, or NULL. 0, or 1 with `why` (code "bad_webhook"). */
int webhook_read(const struct gateway *g, const json_t *body, json_t **out, struct problem *why);

/* Have the store tell it, as part of the request's trace; `done` comes when it is safe there. 0, or 1 with `why`: then it does not come. */
int webhook_register(const struct exchange *x, struct gateway *g, const json_t *url, const char *job, store_done *done,
                     void *arg, struct problem *why);

/* Why that failed, of a store_done that is not STORE_DONE and says `why`, or nothing. */
void webhook_problem(const struct problem *why, struct problem *out);

/* batch.c */
#define BATCH_TYPE "application/jsonl"
void submit_batch(void *owner, struct exchange *x); /* POST /v1/jobs:batch */

/* upload.c */
#define UPLOAD_TYPES "image/*, application/octet-stream, " MULTIPART_TYPE
enum { UPLOAD_FRAME = 64 << 10 };                     /* what a form has besides the picture */
void upload_picture(void *owner, struct exchange *x); /* POST /v1/blobs */
/* A pipeline's input as a form, whose pictures are kept: submitted as if they had been kept before. */
void upload_job(struct gateway *g, struct exchange *x, const struct pipeline *p);
/* Is the body a form? */
bool upload_is_form(const struct exchange *x);
/* Does a pipeline take a picture? */
bool upload_fits(const struct pipeline *p);

/* openapi.c */
void describe(void *owner, struct exchange *x); /* GET /openapi.json, /openapi-3.2.json */

/* send.c */
void send_any_task(void *owner, struct exchange *x); /* POST /v1/tasks */

/* stream.c */
extern const struct route_param stream_params[];
void stream_job(void *owner, struct exchange *x); /* GET /v1/jobs/{id}/events */
/* 0 or -ENOMEM. Jobs and keys must be open, and stay until streams_close. */
int streams_open(struct streams **out, uv_loop_t *loop, struct gateway *g);
void streams_close(struct streams *all); /* before the jobs; NULL: nothing */

/* read.c */
extern const struct route_param read_params[], list_params[];
void read_job(void *owner, struct exchange *x);   /* GET /v1/jobs/{id} */
void list_jobs(void *owner, struct exchange *x);  /* GET /v1/jobs */
void delete_job(void *owner, struct exchange *x); /* DELETE /v1/jobs/{id} */

/* probes.c */
void probe_health(void *owner, struct exchange *x); /* GET /healthz */
void probe_ready(void *owner, struct exchange *x);  /* GET /readyz */

/* figures.c */
void gateway_metrics(void *owner, struct exchange *x); /* GET /metrics */
void gateway_queues(void *owner, struct exchange *x);  /* GET /stats/queues */
void gateway_count(struct gateway *g);                 /* from now on; nothing where nobody wants figures */
void on_gateway_answered(void *owner, const struct server_answer *answer);

/* {"self","events"} of a job; a new reference or NULL. */
json_t *job_links(const char *id);

/* Answer that memory has run out. */
void answer_starved(struct exchange *x);

/* {"id", "pipeline" (or null), "state", "links"} of a job that was submitted; a new reference or NULL. */
json_t *job_submitted(const char *id, const struct pipeline *p);

/* Read a body that is JSON. NULL after an answer. The caller's. */
json_t *body_json(struct exchange *x);

#endif
