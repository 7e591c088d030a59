/* SPDX-License-Identifier: Apache-2.0 */
/* A worker without any server: the store, the broker and the results are fakes that answer as they are told, at once or when the test says so. */
#ifndef CHARD_TESTS_WORKER_FAKES_H
#define CHARD_TESTS_WORKER_FAKES_H

#include "tests/unit/message_support.h"
#include "worker/run/run.h"

enum { FAKE_MOST = 32 };

struct fake_call {
        publish_done *published;
        results_done *answered;
        void *arg;
};

extern struct fake {
        struct broker broker;
        struct results_sink sink;
        struct store store;
        bool silent;  /* the store never answers a claim */
        bool at_once; /* refuse a publish from inside, as a broker does when memory runs out */
        /* What the store says, from inside; zeroes are yes. And the broker, when fake_answer_all is called. */
        enum claim_verdict claim, claim_after_stale; /* the second: once it has called a commit stale */
        enum store_result commit, fail, give_back, schedule;
        enum publish_result publish;
        struct fake_call calls[FAKE_MOST];
        size_t count;
        unsigned published, begun, stored, parts, ended, acked, handed_back;
        char last_result[2048];
} fake;

/* Answer all that waits, and what comes of that. */
void fake_answer_all(void);

struct bench {
        uv_loop_t loop;
        struct worker worker;
        struct worker_config config;
        struct made made;
};

void bench_open(struct bench *b);
void bench_close(struct bench *b);

/* Let tasks ask the offline provider, until ai_close(b->worker.ai). */
void bench_open_ai(struct bench *b);

/* Deliver a task of those that only calculate, with these arguments and what follows (the body of a message), in a chord or not. */
void bench_deliver(struct bench *b, const char *task, const char *body, bool in_chord);

#endif
