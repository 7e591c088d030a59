/* SPDX-License-Identifier: Apache-2.0 */
#include "ai/models.h"

#include "core/map.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct models {
        struct map *by_name;
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

static void free_one(void *model, void *unused)
{
        (void)unused;
        free(model);
}

void models_free(struct models *all)
{
        if (!all)
                return;
        map_each(all->by_name, free_one, NULL);
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

uint64_t model_paused_ms(const struct model *m, uint64_t now_ms)
{
        const uint64_t paused = limiter_paused_ms(&m->limiter, now_ms), open = breaker_open_ms(&m->breaker, now_ms);
        return paused > open ? paused : open;
}

bool model_take(struct model *m, uint64_t now_ms, uint64_t random, bool *probe, uint64_t *wait_ms)
{
        *probe = false;
        *wait_ms = limiter_take(&m->limiter, now_ms, random);
        if (*wait_ms)
                return false;
        *wait_ms = breaker_take(&m->breaker, now_ms, random, probe);
        return *wait_ms == 0;
}

void model_report(struct model *m, bool probe, long status, uint64_t started_ms, uint64_t now_ms, uint64_t random,
                  struct ai_reply *reply)
{
        if (breaker_report(&m->breaker, probe, end_of(status, reply), now_ms, random))
                limiter_ramp(&m->limiter, now_ms);
        if (reply->verdict == AI_OK)
                limiter_succeeded(&m->limiter, started_ms);
        if (reply->verdict != AI_WAIT)
                return;
        limiter_pause(&m->limiter, started_ms, reply->wait_ms, now_ms, random);
        reply->wait_ms = limiter_paused_ms(&m->limiter, now_ms);
        if (reply->wait_ms == 0) /* it came back after the pause that it belongs to */
                reply->wait_ms = 1;
}

void model_forget(struct model *m, bool probe, uint64_t now_ms)
{
        breaker_report(&m->breaker, probe, BREAKER_NEITHER, now_ms, 0);
}

/* A 503 that asks for patience is an answer, and so is a refusal; a 200 that was cut off in the middle is not. */
static enum breaker_end end_of(long status, const struct ai_reply *reply)
{
        const bool transport = strcmp(reply->why.code, "connection") == 0 || strcmp(reply->why.code, "timeout") == 0;
        if (reply->verdict == AI_TRANSIENT && (transport || status == 0 || status >= 500))
                return BREAKER_FAILED;
        return BREAKER_ANSWERED;
}
