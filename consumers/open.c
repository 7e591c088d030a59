/* SPDX-License-Identifier: Apache-2.0 */
/* The consumers of a process: one store for all of them, and what each is, in consuming.h. */
#include "consumers/consuming.h"
#include "consumers/figures.h"

#include "core/absence.h"
#include "core/clock.h"
#include "core/text/nearest.h"
#include "store/read.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { CONSUMERS_LAST_MS = 3000 }; /* how long stopping may take */

struct consumers {
        struct consumers_config config;
        struct task_routes routes;
        struct store *store;
        struct read_models *models;
        struct absence absence;
        struct consuming *list;
        size_t count;
        size_t started;                   /* of them */
        size_t under_way;                 /* that have not stopped */
        size_t open;                      /* whose memory is still needed */
        struct consumer_figures *figures; /* or NULL */
        uv_timer_t timer;
        bool stopping, ended;
};

/* ---- which ---- */

static int consumers_unknown(const struct consumers_config *config, const char *name, struct problem *why)
{
        const char *known[CONSUMERS_MOST];
        size_t count;
        const struct consumer *all = catalog_consumers(config->catalog, &count);
        count = count < CONSUMERS_MOST ? count : CONSUMERS_MOST;
        for (size_t i = 0; i < count; i++)
                known[i] = all[i].def->name;
        char offer[NEAREST_OFFER_SIZE];
        return problem_set(why, "consumer", "unknown_consumer", "there is no consumer \"%.60s\"%s", name,
                           nearest_offer(offer, name, known, count, "; `chard consume --list` names them"));
}

static void consumers_add(struct consumers *c, const struct consumer *what)
{
        for (size_t i = 0; i < c->count; i++)
                if (c->list[i].what == what)
                        return;
        c->list[c->count++].what = what;
}

static int consumers_have(const struct consumers *c, const struct consumer *what, struct problem *why)
{
        int rc = 0;
        for (const struct read_model *m = what->def->writes; rc == 0 && m->name; m++)
                rc = models_have(c->models, m, why);
        return rc;
}

static int consumers_open_models(struct consumers *c, struct problem *why)
{
        const struct models_config config = { .loop = c->config.loop,
                                              .search_url = c->config.search_url,
                                              .redis_url = c->config.models_redis_url,
                                              .connect_timeout_ms = c->config.connect_timeout_ms };
        return models_open(&c->models, &config, why);
}

static int consumers_choose(struct consumers *c, struct problem *why)
{
        size_t count;
        const struct consumer *all = catalog_consumers(c->config.catalog, &count);
        c->list = calloc(count + 1, sizeof(*c->list));
        if (!c->list)
                return -ENOMEM;
        for (size_t i = 0; i < count && c->config.name_count == 0; i++)
                if (!(all[i].def->flags & CONSUMER_NAMED) && consumers_have(c, &all[i], NULL) == 0)
                        consumers_add(c, &all[i]);
        for (size_t i = 0; i < c->config.name_count; i++) {
                const struct consumer *what = catalog_consumer(c->config.catalog, c->config.names[i]);
                if (!what)
                        return consumers_unknown(&c->config, c->config.names[i], why);
                if (consumers_have(c, what, why) != 0)
                        return 1;
                consumers_add(c, what);
        }
        return 0;
}

/* ---- the store ---- */

static void consumers_on_store(bool up, const char *why, void *arg)
{
        struct consumers *c = (struct consumers *)arg;
        if (up)
                absence_back(&c->absence, 1, clock_mono_ms());
        else
                absence_lost(&c->absence, 1, why, clock_mono_ms());
}

static void consumers_on_touched(void *arg)
{
        struct consumers *c = (struct consumers *)arg;
        for (size_t i = 0; i < c->started; i++)
                consuming_touch(&c->list[i]);
}

static int consumers_open_store(struct consumers *c, struct problem *why)
{
        const struct store_config config = {
                .loop = c->config.loop,
                .url = c->config.store_url,
                .owner = c->config.name,
                .connect_timeout_ms = c->config.connect_timeout_ms,
                .changed = consumers_on_store,
                .arg = c,
        };
        return store_open(&c->store, &config, why);
}

/* ---- beginning and ending ---- */

static void consumers_end(struct consumers *c)
{
        if (c->ended)
                return;
        c->ended = true;
        uv_timer_stop(&c->timer);
        if (c->config.stopped)
                c->config.stopped(c->config.arg);
}

static void consumers_on_time_up(uv_timer_t *timer)
{
        consumers_end((struct consumers *)timer->data);
}

static void consumers_on_end(struct consuming *one)
{
        struct consumers *c = (struct consumers *)one->arg;
        if (--c->under_way == 0)
                consumers_end(c);
}

static void consumers_release(struct consumers *c)
{
        if (--c->open > 0)
                return;
        absence_destroy(&c->absence);
        task_routes_free(&c->routes);
        free(c->list);
        free(c);
}

static void consumers_on_gone(struct consuming *one)
{
        consumers_release((struct consumers *)one->arg);
}

/* One of them has stored what others may hear: the store does not tell its own. */
static void consumers_on_acted(struct consuming *one)
{
        consumers_on_touched(one->arg);
}

static void consumers_on_timer_closed(uv_handle_t *timer)
{
        consumers_release((struct consumers *)timer->data);
}

static int consumers_start(struct consumers *c, struct problem *why)
{
        const bool told = c->store->read->on_touched(c->store, consumers_on_touched, c);
        int rc = 0;
        while (rc == 0 && c->started < c->count) {
                struct consuming *one = &c->list[c->started];
                one->config = &c->config;
                one->routes = &c->routes;
                one->store = c->store;
                one->models = c->models;
                one->told = told;
                one->acted = consumers_on_acted;
                one->end = consumers_on_end;
                one->gone = consumers_on_gone;
                one->arg = c;
                rc = consuming_start(one, why);
                c->started++;
                c->open++;
                c->under_way++;
        }
        return rc;
}

static int consumers_count(struct consumers *c)
{
        return c->config.meter ? consumer_figures_open(&c->figures, c->config.loop, c->config.meter, c->store, c->list,
                                                       c->count)
                               : 0;
}

int consumers_open(struct consumers **out, const struct consumers_config *config, struct problem *why)
{
        struct consumers *c = calloc(1, sizeof(*c));
        if (!c)
                return -ENOMEM;
        c->config = *config;
        c->open = 1;
        uv_timer_init(config->loop, &c->timer);
        c->timer.data = c;
        absence_init(&c->absence, "consumer", "the store", "");
        int rc = task_routes_read(&c->routes, config->task_routes, config->default_queue, why);
        if (rc == 0)
                rc = consumers_open_models(c, why);
        if (rc == 0)
                rc = consumers_choose(c, why);
        if (rc == 0)
                rc = consumers_open_store(c, why);
        if (rc == 0)
                rc = consumers_count(c);
        if (rc == 0)
                rc = consumers_start(c, why);
        if (rc != 0) {
                consumers_close(c);
                return rc;
        }
        *out = c;
        return 0;
}

bool consumers_ready(const struct consumers *c, const char **why)
{
        *why = "store away";
        return c->store->backend->up(c->store);
}

struct store *consumers_store(const struct consumers *c)
{
        return c->store;
}

void consumers_stop(struct consumers *c)
{
        if (c->stopping)
                return;
        c->stopping = true;
        uv_timer_start(&c->timer, consumers_on_time_up, c->started > 0 ? CONSUMERS_LAST_MS : 0, 0);
        for (size_t i = 0; i < c->started; i++)
                consuming_stop(&c->list[i]);
}

void consumers_close(struct consumers *c)
{
        if (!c)
                return;
        c->stopping = c->ended = true;
        if (c->store)
                c->store->backend->close(c->store); /* what is under way ends here */
        models_close(c->models);
        consumer_figures_close(c->figures);
        for (size_t i = 0; i < c->started; i++)
                consuming_close(&c->list[i]);
        uv_close((uv_handle_t *)&c->timer, consumers_on_timer_closed);
}
