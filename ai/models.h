/* SPDX-License-Identifier: Apache-2.0 */
/* What is known of each model: whether it may be called now. One limiter and one breaker a model, because providers limit and lose
 * models one by one. Time (monotonic milliseconds) comes in. Owned by the loop thread. */
#ifndef CHARD_AI_MODELS_H
#define CHARD_AI_MODELS_H

#include "ai/ai.h"
#include "ai/breaker.h"
#include "ai/limiter.h"

struct model {
        struct limiter limiter;
        struct breaker breaker;
        char name[]; /* as it is sent */
};

struct models;

int models_new(struct models **out);
void models_free(struct models *all);

/* The model of that name, made when it is new; NULL when memory ran out. Lives as long as `all`. */
struct model *models_get(struct models *all, const char *name);

/* The same, but NULL when nobody has asked for it yet. */
const struct model *models_find(const struct models *all, const char *name);

/* Milliseconds for which surely no call gets through; 0 = ask model_take. */
uint64_t model_paused_ms(const struct model *m, uint64_t now_ms);

/* Ask to call now. True: go, and *probe must be given back to model_report or model_forget. False: not before *wait_ms (> 0). */
bool model_take(struct model *m, uint64_t now_ms, uint64_t random, bool *probe, uint64_t *wait_ms);

/* A call that began at `started_ms` ended with this HTTP status (0 = none) and was judged so. For AI_WAIT the reply gets the wait that
 * this model now has. */
void model_report(struct model *m, bool probe, long status, uint64_t started_ms, uint64_t now_ms, uint64_t random,
                  struct ai_reply *reply);

/* A call was taken back, or never sent. */
void model_forget(struct model *m, bool probe, uint64_t now_ms);

#endif
