/* SPDX-License-Identifier: Apache-2.0 */
/* What is known of each model: whether it may be called now. One limiter and one breaker a model, because providers limit and lose
 * models one by one. Time (monotonic milliseconds) comes in. Owned by the loop thread. */
#ifndef CHARD_AI_GATE_MODELS_H
#define CHARD_AI_GATE_MODELS_H

#include "ai/ai.h"
#include "ai/gate/breaker.h"
#include "ai/gate/limiter.h"

struct models;

struct model {
        struct models *all;
        struct limiter limiter;
        struct breaker breaker; /* its failures; and open at once when there is no such model */
        bool told;              /* that it is paused … */
        bool fault;             /* … for a fault that somebody must mend … */
        struct problem why;     /* … and why */
        uint64_t served_ms;     /* when it last answered something whole; 0 = never */
        char name[];            /* as it is sent */
};

/* Which breakers wait for how a call ends; 0 = none. */
enum probe { PROBE_MODEL = 1, PROBE_ENDPOINT = 2 };

int models_new(struct models **out);
void models_free(struct models *all);

/* The model of that name, made when it is new; NULL when memory ran out. Lives as long as `all`. */
struct model *models_get(struct models *all, const char *name);

/* The same, but NULL when nobody has asked for it yet. */
const struct model *models_find(const struct models *all, const char *name);

/* Milliseconds for which surely no call gets through; 0 = ask model_take. */
uint64_t model_paused_ms(const struct model *m, uint64_t now_ms);

/* A call has ended so: if the model is paused by now, or called again, log it once. / Tell of all that are paused. */
void model_tell(struct model *m, uint64_t now_ms, const struct ai_reply *reply);
void models_tell(const struct models *all, ai_trouble *tell, void *arg);

/* How each is. */
void models_tell_states(const struct models *all, uint64_t now_ms, ai_model_tell *tell, void *arg);

/* What keeps every model from being called: a fault of the endpoint itself. Its breaker opens at the first one. */
const struct breaker *models_endpoint(const struct models *all);

/* The endpoint has another key: as if nothing had been wrong. Calls that began before say nothing of it. */
void models_endpoint_renewed(struct models *all, uint64_t now_ms);

/* Ask to call now. True: go, and *probe must be given back to model_report or model_forget. False: not before *wait_ms (> 0). */
bool model_take(struct model *m, uint64_t now_ms, uint64_t random, unsigned *probe, uint64_t *wait_ms);

/* A call that began at `started_ms` ended with this HTTP status (0 = none) and was judged so. The reply learns how the model is: `out` and
 * `served_ago_ms`, and, for AI_WAIT and where it is out, the wait that the model now has. */
void model_report(struct model *m, unsigned probe, long status, uint64_t started_ms, uint64_t now_ms, uint64_t random,
                  struct ai_reply *reply);

/* A call was taken back, or never sent. */
void model_forget(struct model *m, unsigned probe, uint64_t now_ms);

#endif
