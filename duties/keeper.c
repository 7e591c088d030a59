/* SPDX-License-Identifier: Apache-2.0 */
#include "duties/keeper.h"

#include "broker/inspect.h"
#include "core/absence.h"
#include "core/clock.h"
#include "core/log.h"
#include "dlq/filing.h"
#include "observe/meter.h"
#include "worker/health/pulse.h"

#include <errno.h>
#include <stdlib.h>

enum { KEEPER_LAST_MS = 3000, KEEPER_MOST_QUEUES = 256 };

struct keeper {
        const struct keeper_config *config;
        struct store *store;
        struct absence store_absence;
        struct results *results; /* or NULL: no chord can be begun */
        struct filing *filing;
        struct duties *duties;
        struct pulse *pulse;
        struct inspection *inspection; /* of the broker's settings; or NULL */
        struct collector collector;    /* of its figures, where they are wanted */
        uv_timer_t timer;              /* how long stopping may take */
        unsigned under_way;            /* parts that have not stopped yet */
        bool stopping, ended;
};

/* ---- the store ---- */

static void on_store_changed(bool up, const char *why, void *arg)
{
        struct keeper *k = (struct keeper *)arg;
        if (up)
                absence_back(&k->store_absence, 1, clock_mono_ms());
        else
                absence_lost(&k->store_absence, 1, why, clock_mono_ms());
        if (k->filing)
                filing_adjust(k->filing);
}

static int keeper_open_store(struct keeper *k, struct problem *why)
{
        const struct store_config config = {
                .loop = k->config->loop,
                .url = k->config->store_url,
                .owner = k->config->name,
                .connect_timeout_ms = k->config->connect_timeout_ms,
                .changed = on_store_changed,
                .arg = k,
        };
        return store_open(&k->store, &config, why);
}

/* ---- its parts ---- */

static void on_part_stopped(void *arg);

static int keeper_open_filing(struct keeper *k, struct problem *why)
{
        const struct keeper_config *c = k->config;
        const struct filing_config config = {
                .loop = c->loop,
                .catalog = c->catalog,
                .store = k->store,
                .broker = { .loop = c->loop,
                            .urls = c->broker_urls,
                            .ca_file = c->broker_ca_file,
                            .name = c->name,
                            .heartbeat_s = c->heartbeat_s,
                            .connect_timeout_ms = c->connect_timeout_ms },
                .native_delay = c->native_delay,
                .declare_queues = c->declare_queues,
                .queues = c->queues,
                .max_body = c->max_body,
                .spans = c->spans,
                .stopped = on_part_stopped,
                .arg = k,
        };
        return filing_open(&k->filing, &config, why);
}

/* Without a URL there is nothing that counts chords. */
static int keeper_open_results(struct keeper *k, struct problem *why)
{
        const struct keeper_config *c = k->config;
        if (!c->result_urls || !*c->result_urls)
                return 0;
        const struct results_config config = {
                .loop = c->loop,
                .urls = c->result_urls,
                .broker = filing_broker(k->filing),
                .expires_s = c->result_expires_s,
                .connect_timeout_ms = c->connect_timeout_ms,
        };
        return results_open(&k->results, &config, why);
}

static int keeper_open_duties(struct keeper *k, struct problem *why)
{
        struct duties_config config = k->config->duties;
        config.loop = k->config->loop;
        config.catalog = k->config->catalog;
        config.store = k->store;
        config.results = k->results;
        config.spans = k->config->spans;
        config.name = k->config->name;
        config.max_body = k->config->max_body;
        config.stopped = on_part_stopped;
        config.arg = k;
        return duties_open(&k->duties, &config, why);
}

static int keeper_inspect_broker(struct keeper *k)
{
        const struct keeper_config *c = k->config;
        const char *queues[KEEPER_MOST_QUEUES];
        const size_t count = catalog_queues(c->catalog, queues, KEEPER_MOST_QUEUES);
        const struct broker_check_config check = { .urls = c->broker_urls,
                                                   .ca_file = c->broker_ca_file,
                                                   .admin_url = c->broker_admin_url,
                                                   .leaves_tasks = !c->declare_queues };
        return inspection_start(&k->inspection, c->loop, &check, queues, count, c->native_delay);
}

/* ---- its pulse: what counts as keeping, and what its row tells besides; a change is logged ---- */

/* While it has all that it may hold in hand it takes no more: that is keeping, too. */
static bool keeper_is_complete(const struct broker_health *now, void *arg)
{
        const struct filing_counts counts = filing_counts(((const struct keeper *)arg)->filing);
        return counts.full || now->consumers_registered >= counts.queues;
}

static json_t *keeper_state(void *arg)
{
        const struct keeper *k = (const struct keeper *)arg;
        const struct filing_counts counts = filing_counts(k->filing);
        return k->ended ? NULL
                        : json_pack("{s:s, s:I, s:I, s:I}", "role", "keeper", "in_hand", (json_int_t)counts.in_hand,
                                    "filed", (json_int_t)counts.filed, "refused", (json_int_t)counts.refused);
}

static void on_keeping_changed(const char *why, bool first, void *arg)
{
        const struct keeper *k = (const struct keeper *)arg;
        if (*why && !k->stopping)
                log_warn("dlq", "not keeping: %s", why);
        else if (!*why && !first)
                log_info("dlq", "keeping again");
}

static int keeper_open_pulse(struct keeper *k)
{
        const struct pulse_config config = {
                .loop = k->config->loop,
                .broker = filing_broker(k->filing),
                .store = k->store,
                .queue_count = filing_counts(k->filing).queues,
                .heartbeat_s = k->config->heartbeat_s,
                .store_absence = &k->store_absence,
                .health_file = k->config->health_file,
                .area = "dlq",
                .without_the_store = "so dead letters stay in their queues",
                .complete = keeper_is_complete,
                .state = keeper_state,
                .changed = on_keeping_changed,
                .arg = k,
        };
        return pulse_open(&k->pulse, &config);
}

/* ---- its figures ---- */

static void keeper_collect(struct collector *c, struct metrics *m)
{
        const struct keeper *k = (const struct keeper *)((char *)c - offsetof(struct keeper, collector));
        const struct filing_counts counts = filing_counts(k->filing);
        series_set(METRICS_SERIES(m, METER_DEAD_LETTERS_FILED, NULL), (double)counts.filed);
        series_set(METRICS_SERIES(m, METER_DEAD_LETTERS_REFUSED, NULL), (double)counts.refused);
        series_set(METRICS_SERIES(m, METER_DUTIES_LEADER, NULL), duties_lead(k->duties));
}

static void keeper_count(struct keeper *k)
{
        k->collector.collect = keeper_collect;
        if (k->config->meter)
                metrics_collect_by(meter_metrics(k->config->meter), &k->collector);
}

struct store *keeper_store(const struct keeper *k)
{
        return k->store;
}

struct broker *keeper_broker(const struct keeper *k)
{
        return filing_broker(k->filing);
}

bool keeper_ready(const struct keeper *k, const char **why)
{
        return pulse_ready(k->pulse, why);
}

/* ---- opening, ending ---- */

static int keeper_open_parts(struct keeper *k, struct problem *why)
{
        int code = keeper_open_store(k, why);
        if (!code)
                code = keeper_open_filing(k, why);
        if (!code)
                code = keeper_open_results(k, why);
        if (!code)
                code = keeper_open_duties(k, why);
        if (!code)
                code = keeper_open_pulse(k);
        return code ? code : keeper_inspect_broker(k);
}

int keeper_open(struct keeper **out, const struct keeper_config *config, struct problem *why)
{
        struct keeper *k = calloc(1, sizeof(*k));
        if (!k)
                return -ENOMEM;
        absence_init(&k->store_absence, "store", "store", "");
        k->config = config;
        uv_timer_init(config->loop, &k->timer);
        k->timer.data = k;
        const int code = keeper_open_parts(k, why);
        if (code) {
                keeper_close(k);
                return code;
        }
        filing_adjust(k->filing);
        keeper_count(k);
        *out = k;
        return 0;
}

static void keeper_end(struct keeper *k)
{
        if (k->ended)
                return;
        k->ended = true;
        uv_timer_stop(&k->timer);
        if (k->config->stopped)
                k->config->stopped(k->config->arg);
}

static void on_time_up(uv_timer_t *timer)
{
        keeper_end((struct keeper *)timer->data);
}

static void on_part_stopped(void *arg)
{
        struct keeper *k = (struct keeper *)arg;
        if (k->under_way > 0 && --k->under_way == 0)
                uv_timer_start(&k->timer, on_time_up, 0, 0);
}

void keeper_stop(struct keeper *k)
{
        if (k->stopping)
                return;
        k->stopping = true;
        k->under_way = 2;
        uv_timer_start(&k->timer, on_time_up, KEEPER_LAST_MS, 0);
        duties_stop(k->duties);
        filing_stop(k->filing);
        pulse_stop(k->pulse);
}

static void keeper_free(uv_handle_t *timer)
{
        struct keeper *k = (struct keeper *)timer->data;
        absence_destroy(&k->store_absence);
        free(k);
}

void keeper_close(struct keeper *k)
{
        k->stopping = k->ended = true;
        inspection_end(k->inspection);
        if (k->store)
                k->store->backend->close(k->store); /* filings under way end here */
        results_close(k->results);
        duties_close(k->duties);
        pulse_close(k->pulse);
        filing_close(k->filing);
        uv_close((uv_handle_t *)&k->timer, keeper_free);
}
