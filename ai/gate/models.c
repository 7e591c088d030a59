/* SPDX-License-Identifier: Apache-2.0 */
#include "ai/gate/models.h"

#include "core/log.h"
#include "core/map.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct models {
        struct map *by_name;
        struct breaker endpoint;
        uint64_t renewed_ms; /* calls that began before this had another key */
};

static enum breaker_end end_of(long status, const struct ai_reply *reply);

int models_new(struct models **out)
{
        struct models *all = calloc(1, sizeof(*all));
        if (!all)
                return -ENOMEM;
        if (map_new(&all->by_name) != 0) {
                free(all);
                return -ENOMEM;
        }
        *out = all;
        return 0;
}

static void models_free_one(void *model, void *unused)
{
        (void)unused;
        free(model);
}

void models_free(struct models *all)
{
        if (!all)
                return;
        map_each(all->by_name, models_free_one, NULL);
        map_free(all->by_name);
        free(all);
}

struct model *models_get(struct models *all, const char *name)
{
        struct model *m = map_get(all->by_name, name);
        if (m)
                return m;
        const size_t size = strlen(name) + 1;
        m = calloc(1, sizeof(*m) + size);
        if (!m)
                return NULL;
        m->all = all;
        memcpy(m->name, name, size);
        if (map_put(all->by_name, m->name, m) == 0)
                return m;
        free(m);
        return NULL;
}

const struct model *models_find(const struct models *all, const char *name)
{
        return map_get(all->by_name, name);
}

static uint64_t models_longer(uint64_t a, uint64_t b)
{
        return a > b ? a : b;
}

uint64_t model_paused_ms(const struct model *m, uint64_t now_ms)
{
        const uint64_t open_ms =
                models_longer(breaker_open_ms(&m->breaker, now_ms), breaker_open_ms(&m->all->endpoint, now_ms));
        return models_longer(limiter_paused_ms(&m->limiter, now_ms), open_ms);
}

/* Neither paused nor suspected to be. */
static bool model_is_well(const struct model *m, uint64_t now_ms)
{
        return !breaker_is_open(&m->breaker) && limiter_paused_ms(&m->limiter, now_ms) == 0;
}

void model_tell(struct model *model, uint64_t now_ms, const struct ai_reply *reply)
{
        const bool well = model_is_well(model, now_ms), fault = !well && reply->fault == AI_FAULT_MODEL;
        if (well == !model->told && (!fault || model->fault))
                return;
        model->told = !well;
        model->fault = fault;
        model->why = reply->why;
        if (well)
                log_info("ai", "model %s is called again", model->name);
        else
                log_warn("ai", "model %s is paused, now for %llu ms, and its tasks wait: %s", model->name,
                         (unsigned long long)model_paused_ms(model, now_ms), reply->why.text);
}

struct trouble_listener {
        ai_trouble *tell;
        void *arg;
};

static void tell_one(void *model, void *arg)
{
        const struct model *m = model;
        const struct trouble_listener *t = arg;
        if (m->told)
                t->tell(m->name, &m->why, m->fault, t->arg);
}

void models_tell(const struct models *all, ai_trouble *tell, void *arg)
{
        struct trouble_listener teller = { tell, arg };
        map_each(all->by_name, tell_one, &teller);
}

struct state_teller {
        ai_model_tell *tell;
        void *arg;
        uint64_t now_ms;
};

static void models_tell_state(void *model, void *arg)
{
        const struct model *m = model;
        const struct state_teller *t = arg;
        const struct ai_model_state state = {
                .name = m->name,
                .paused_ms = model_paused_ms(m, t->now_ms),
                .limiter = limiter_paused_ms(&m->limiter, t->now_ms)    ? "paused"
                           : limiter_is_ramping(&m->limiter, t->now_ms) ? "ramping"
                                                                        : "free",
                .breaker = !breaker_is_open(&m->breaker)             ? "closed"
                           : breaker_open_ms(&m->breaker, t->now_ms) ? "open"
                                                                     : "half_open",
        };
        t->tell(&state, t->arg);
}

void models_tell_states(const struct models *all, uint64_t now_ms, ai_model_tell *tell, void *arg)
{
        struct state_teller teller = { tell, arg, now_ms };
        map_each(all->by_name, models_tell_state, &teller);
}

const struct breaker *models_endpoint(const struct models *all)
{
        return &all->endpoint;
}

void models_endpoint_renewed(struct models *all, uint64_t now_ms)
{
        all->endpoint = (struct breaker){ 0 };
        all->renewed_ms = now_ms;
}

bool model_take(struct model *m, uint64_t now_ms, uint64_t random, unsigned *probe, uint64_t *wait_ms)
{
        bool model = false, endpoint = false;
        *probe = 0;
        *wait_ms = limiter_take(&m->limiter, now_ms, random);
        if (*wait_ms)
                return false;
        *wait_ms = breaker_take(&m->all->endpoint, now_ms, random, &endpoint);
        if (*wait_ms)
                return false;
        *wait_ms = breaker_take(&m->breaker, now_ms, random, &model);
        *probe = (model ? PROBE_MODEL : 0u) | (endpoint ? PROBE_ENDPOINT : 0u);
        if (*wait_ms == 0)
                return true;
        model_forget(m, *probe, now_ms);
        return false;
}

/* Whether the endpoint serves us is known once it has answered something. A call that began before the key changed knows nothing of that. */
static void report_endpoint(struct model *m, unsigned probe, enum breaker_end end, uint64_t started_ms, uint64_t now_ms,
                            uint64_t random, const struct ai_reply *reply)
{
        struct breaker *b = &m->all->endpoint;
        if (started_ms <= m->all->renewed_ms)
                return;
        if (reply->verdict == AI_WAIT && reply->fault == AI_FAULT_ENDPOINT)
                breaker_trip(b, probe & PROBE_ENDPOINT, now_ms, random);
        else if (probe & PROBE_ENDPOINT)
                breaker_report(b, true, end == BREAKER_FAILED ? BREAKER_NEITHER : BREAKER_ANSWERED, now_ms, random);
}

static void report_model(struct model *m, unsigned probe, enum breaker_end end, uint64_t now_ms, uint64_t random,
                         const struct ai_reply *reply)
{
        if (reply->verdict == AI_WAIT && reply->fault == AI_FAULT_MODEL)
                breaker_trip(&m->breaker, probe & PROBE_MODEL, now_ms, random);
        else if (reply->fault == AI_FAULT_ENDPOINT) /* says nothing of the model */
                breaker_report(&m->breaker, probe & PROBE_MODEL, BREAKER_NEITHER, now_ms, random);
        else if (breaker_report(&m->breaker, probe & PROBE_MODEL, end, now_ms, random))
                limiter_ramp(&m->limiter, now_ms);
}

/* How long whoever is to wait has to. */
static uint64_t pause_for(struct model *m, uint64_t started_ms, uint64_t now_ms, uint64_t random,
                          const struct ai_reply *reply)
{
        if (reply->fault == AI_FAULT_NONE)
                limiter_pause(&m->limiter, started_ms, reply->wait_ms, now_ms, random);
        const uint64_t wait_ms = model_paused_ms(m, now_ms);
        return wait_ms ? wait_ms : 1; /* it came back after the pause that it belongs to */
}

void model_report(struct model *m, unsigned probe, long status, uint64_t started_ms, uint64_t now_ms, uint64_t random,
                  struct ai_reply *reply)
{
        const enum breaker_end end = end_of(status, reply);
        report_endpoint(m, probe, end, started_ms, now_ms, random, reply);
        report_model(m, probe, end, now_ms, random, reply);
        if (reply->verdict == AI_OK)
                limiter_succeeded(&m->limiter, started_ms);
        if (reply->whole)
                m->served_ms = now_ms;
        reply->served_ago_ms = m->served_ms ? now_ms - m->served_ms : AI_NEVER;
        reply->out = end == BREAKER_FAILED && breaker_is_open(&m->breaker);
        if (reply->out)
                reply->wait_ms = models_longer(reply->wait_ms, model_paused_ms(m, now_ms));
        else if (reply->verdict == AI_WAIT)
                reply->wait_ms = pause_for(m, started_ms, now_ms, random, reply);
}

void model_forget(struct model *m, unsigned probe, uint64_t now_ms)
{
        breaker_report(&m->breaker, probe & PROBE_MODEL, BREAKER_NEITHER, now_ms, 0);
        breaker_report(&m->all->endpoint, probe & PROBE_ENDPOINT, BREAKER_NEITHER, now_ms, 0);
}

/* A 503 that asks for patience is an answer, and so is a refusal; a 200 that was cut off in the middle is not. */
static enum breaker_end end_of(long status, const struct ai_reply *reply)
{
        const bool transport = strcmp(reply->why.code, "connection") == 0 || strcmp(reply->why.code, "timeout") == 0;
        if (reply->verdict == AI_TRANSIENT && (transport || status == 0 || status >= 500))
                return BREAKER_FAILED;
        return BREAKER_ANSWERED;
}
