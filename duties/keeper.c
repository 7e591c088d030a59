/* SPDX-License-Identifier: Apache-2.0 */
/* Brings dead letters from their queues into the store: read, file (grouped with its neighbours), ack after the commit.
 * A letter that is there already is acked too, so a crash in between, or a second keeper, files nothing twice. */
#include "duties/keeper.h"

#include "broker/inspect.h"
#include "core/clock.h"
#include "core/log.h"
#include "tasks/task.h"
#include "worker/pulse.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { PREFETCH = 500, LAST_MS = 3000, MOST_BYTES = 128 << 20, BACK_MS = 5000, COMPLAIN_MS = 60000 };

/* One letter on its way into the store. */
struct filing {
        struct dlq_keeper *keeper;
        struct delivery *delivery;
        struct arena arena;
        struct dead_letter letter;
        struct owed_result owed;
        bool reduced; /* the store refused it as it was */
};

/* One that the store takes in no form. It goes back to its queue after a while: others come by, and it is tried again. */
struct refused_letter {
        struct refused_letter *next;
        struct delivery_tag tag;
};

static int open_store(struct dlq_keeper *k, struct problem *why);
static int open_broker(struct dlq_keeper *k, struct problem *why);
static int open_duties(struct dlq_keeper *k, struct problem *why);
static void adjust(struct dlq_keeper *k);

int dlq_keeper_open(struct dlq_keeper **out, const struct dlq_config *config, struct problem *why)
{
        struct dlq_keeper *k = calloc(1, sizeof(*k));
        if (!k)
                return -ENOMEM;
        absence_init(&k->store_absence, "store", "store", "");
        k->config = config;
        uv_timer_init(config->loop, &k->timer);
        uv_timer_init(config->loop, &k->back_timer);
        k->timer.data = k->back_timer.data = k;
        int code = open_store(k, why);
        if (!code)
                code = open_broker(k, why);
        if (!code)
                code = open_duties(k, why);
        if (code) {
                dlq_keeper_close(k);
                return code;
        }
        adjust(k);
        *out = k;
        return 0;
}

/* ---- the store ---- */

static void on_store_changed(bool up, const char *why, void *arg)
{
        struct dlq_keeper *k = (struct dlq_keeper *)arg;
        if (up)
                absence_back(&k->store_absence, 1, clock_mono_ms());
        else
                absence_lost(&k->store_absence, 1, why, clock_mono_ms());
        adjust(k);
}

static int open_store(struct dlq_keeper *k, struct problem *why)
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

/* ---- the broker ---- */

static void file(struct dlq_keeper *k, struct delivery *takes);

static void on_deliveries(struct delivery *list_takes, void *arg)
{
        for (struct delivery *d = list_takes, *next; d; d = next) {
                next = d->next;
                file((struct dlq_keeper *)arg, d);
        }
}

static bool is_listed(const struct dlq_keeper *k, const char *queue)
{
        for (size_t i = 0; i < k->queue_count; i++)
                if (strcmp(k->queues[i], queue) == 0)
                        return true;
        return false;
}

/* Queues that no task here has are somebody else's: consumed as they stand, never declared. "old.queue" and "old.queue.dead" are the same. */
static int list_named(struct dlq_keeper *k, struct problem *why)
{
        char *text = arena_string(&k->arena, k->config->queues ? k->config->queues : ""), *save;
        if (!text)
                return -ENOMEM;
        for (char *name = strtok_r(text, ", ", &save); name; name = strtok_r(NULL, ", ", &save)) {
                const size_t size = strlen(name);
                const bool dead = size > 5 && strcmp(name + size - 5, ".dead") == 0;
                const char *queue = dead ? name : arena_printf(&k->arena, "%s.dead", name);
                if (!queue)
                        return -ENOMEM;
                if (k->queue_count == KEEPER_MOST_QUEUES)
                        return problem_set(why, "settings", "bad_setting",
                                           "CHARD_DLQ_QUEUES: a keeper takes at most %d queues; start another one",
                                           KEEPER_MOST_QUEUES);
                if (!is_listed(k, queue))
                        k->queues[k->queue_count++] = queue;
        }
        return 0;
}

/* The queues of all tasks; the names of their dead letters live as long as the keeper. */
static int list_queues(struct dlq_keeper *k, struct problem *why)
{
        const char *queues[KEEPER_MOST_QUEUES];
        k->queue_count = catalog_queues(k->config->catalog, queues, KEEPER_MOST_QUEUES);
        for (size_t i = 0; i < k->queue_count; i++) {
                k->queues[i] = arena_printf(&k->arena, "%s.dead", queues[i]);
                if (!k->queues[i])
                        return -ENOMEM;
        }
        const int code = topology_build(&k->topology, queues, k->queue_count);
        return code ? code : list_named(k, why);
}

static int open_broker(struct dlq_keeper *k, struct problem *why)
{
        int code = task_routes_read(&k->routes, k->config->task_routes, k->config->default_queue, why);
        if (!code)
                code = list_queues(k, why);
        if (code)
                return code;
        const struct broker_listener listener = { .arg = k, .deliveries = on_deliveries };
        const struct broker_config config = {
                .loop = k->config->loop,
                .urls = k->config->broker_urls,
                .ca_file = k->config->broker_ca_file,
                .name = k->config->name,
                .heartbeat_s = k->config->heartbeat_s,
                .connect_timeout_ms = k->config->connect_timeout_ms,
                .topology = &k->topology,
        };
        return broker_open(&k->broker, &config, &listener, why);
}

/* Without a URL there is nothing that counts chords. */
static int open_results(struct dlq_keeper *k, struct problem *why)
{
        if (!k->config->result_urls || !*k->config->result_urls)
                return 0;
        const struct results_config config = {
                .loop = k->config->loop,
                .urls = k->config->result_urls,
                .broker = k->broker,
                .expires_s = k->config->result_expires_s,
                .connect_timeout_ms = k->config->connect_timeout_ms,
        };
        return results_open(&k->results, &config, why);
}

static int inspect_broker(struct dlq_keeper *k)
{
        const struct dlq_config *c = k->config;
        const char *queues[KEEPER_MOST_QUEUES];
        const size_t count = catalog_queues(c->catalog, queues, KEEPER_MOST_QUEUES);
        return inspection_start(&k->inspection, c->loop, c->broker_urls, c->broker_ca_file, c->broker_admin_url, queues,
                                count);
}

static int open_duties(struct dlq_keeper *k, struct problem *why)
{
        int code = open_results(k, why);
        if (!code)
                code = reprocessor_open(&k->reprocessor, k, why);
        if (!code)
                code = sweeper_open(&k->sweeper, k);
        if (!code)
                code = alarm_open(&k->alarm, k, why);
        if (!code)
                code = outage_open(&k->outage, k);
        if (!code)
                code = keeper_pulse_open(&k->pulse, k);
        return code ? code : inspect_broker(k);
}

/* Take letters exactly while the store can file them, and no more at once than fit. */
static void adjust(struct dlq_keeper *k)
{
        const bool want = !k->stopping && !k->full && k->broker && k->store->backend->up(k->store);
        if (want == k->consuming || !k->broker)
                return;
        k->consuming = want;
        if (!want) {
                broker_cancel(k->broker);
                return;
        }
        for (size_t i = 0; i < k->queue_count; i++)
                if (broker_consume(k->broker, k->queues[i], PREFETCH) < 0)
                        log_error("dlq", "out of memory: not consuming %s", k->queues[i]);
        if (!k->said)
                log_info("dlq", "keeping dead letters of %zu queues", k->queue_count);
        k->said = true;
}

/* ---- filing ---- */

static size_t bytes_of_filing(const struct filing *f)
{
        return f->delivery->properties.size + f->delivery->body.size;
}

static void end_filing(struct filing *f)
{
        struct dlq_keeper *k = f->keeper;
        k->bytes -= bytes_of_filing(f);
        if (k->full && k->bytes < MOST_BYTES / 4) {
                k->full = false;
                adjust(k);
        }
        delivery_free(f->delivery);
        arena_free(&f->arena);
        free(f);
        if (--k->filing == 0 && k->stopping)
                keeper_ended(k);
}

static void on_back(uv_timer_t *timer)
{
        struct dlq_keeper *k = (struct dlq_keeper *)timer->data;
        for (struct refused_letter *r; (r = k->back);) {
                k->back = r->next;
                broker_hand_back(k->broker, r->tag);
                free(r);
        }
}

/* One line a minute, however many there are. */
static void complain(struct dlq_keeper *k, const struct filing *f, const struct problem *why)
{
        const uint64_t now_ms = clock_mono_ms();
        k->refused++;
        if (k->complained_ms && now_ms - k->complained_ms < COMPLAIN_MS)
                return;
        k->complained_ms = now_ms;
        log_error(
                "dlq",
                "task=%s of %s could not be filed; it goes back to its queue and is tried again (%lu such so far): %s",
                f->letter.task_id, f->delivery->queue, k->refused, why->text);
}

static void on_filed(enum store_result result, struct bytes stored, const struct problem *why, void *arg);

/* Rather with less of its texts than not at all; and rather back in its queue than in hand for ever. */
static bool file_reduced(struct filing *f)
{
        struct dlq_keeper *k = f->keeper;
        if (f->reduced || k->stopping || !letter_reduce(&f->arena, &f->letter))
                return false;
        f->reduced = true;
        k->store->dead->file(k->store, &f->letter, on_filed, f);
        return true;
}

static void put_back_later(struct filing *f, const struct problem *why)
{
        struct dlq_keeper *k = f->keeper;
        struct refused_letter *r = calloc(1, sizeof(*r));
        complain(k, f, why);
        if (!r || k->stopping) {
                free(r);
                broker_hand_back(k->broker, f->delivery->tag);
                return;
        }
        r->tag = f->delivery->tag;
        r->next = k->back;
        k->back = r;
        if (!uv_is_active((uv_handle_t *)&k->back_timer))
                uv_timer_start(&k->back_timer, on_back, BACK_MS, 0);
}

/* ---- a message that expired in its queue: its client is told, as if a worker had found it ---- */

static void on_owed(enum store_result result, struct bytes stored, const struct problem *why, void *arg)
{
        struct filing *f = (struct filing *)arg;
        (void)stored;
        if (result == STORE_REFUSED)
                log_error("dlq", "task=%s its client can't be told that it expired: %s", f->letter.task_id, why->text);
        if (result == STORE_STARVED)
                put_back_later(f, why);
        else if (result != STORE_CLOSED)
                broker_ack(f->keeper->broker, f->delivery->tag);
        end_filing(f);
}

/* The worker that tells it (worker/owe.c) counts it for its chord, too. Returns false where there is nothing to tell. */
static bool owe_expired(struct filing *f)
{
        static const char telling[] =
                "{\"step\":\"tell\",\"first\":true,\"what\":\"FAILURE\",\"why\":{\"source\":\"task\","
                "\"code\":\"expired\",\"text\":\"it expired before a worker could run it\"}}";
        const struct dead_letter *l = &f->letter;
        if (strcmp(l->error_source, "broker") != 0 || strcmp(l->error_code, "expired") != 0 || !*l->task_id)
                return false;
        f->owed = (struct owed_result){ .task_id = l->task_id,
                                        .queue = l->queue,
                                        .properties = f->delivery->properties,
                                        .body = f->delivery->body,
                                        .telling = bytes_of_string(telling) };
        f->keeper->store->run->owe(f->keeper->store, &f->owed, on_owed, f);
        return true;
}

static void on_filed(enum store_result result, struct bytes stored, const struct problem *why, void *arg)
{
        struct filing *f = (struct filing *)arg;
        struct dlq_keeper *k = f->keeper;
        (void)stored;
        if (result == STORE_DONE || result == STORE_ALREADY) {
                k->filed += result == STORE_DONE;
                if (f->reduced)
                        log_warn("dlq", "task=%s of %s was filed with its texts cut down: the store refused them whole",
                                 f->letter.task_id, f->delivery->queue);
                if (owe_expired(f))
                        return;
                broker_ack(k->broker, f->delivery->tag);
        } else if (result == STORE_REFUSED) {
                if (file_reduced(f))
                        return;
                put_back_later(f, why);
        } else if (result == STORE_STARVED) {
                put_back_later(f, why);
        }
        end_filing(f);
}

static void file(struct dlq_keeper *k, struct delivery *takes)
{
        struct filing *f = !k->consuming ? NULL : calloc(1, sizeof(*f));
        if (!f) {
                broker_hand_back(k->broker, takes->tag);
                delivery_free(takes);
                return;
        }
        f->keeper = k;
        f->delivery = takes;
        k->filing++;
        k->bytes += bytes_of_filing(f);
        if (k->bytes > MOST_BYTES && !k->full) {
                k->full = true;
                adjust(k);
        }
        if (!letter_read(&f->arena, takes->queue, takes->properties, takes->body, k->config->max_body, clock_wall_ms(),
                         &f->letter)) {
                log_error("dlq", "out of memory: a letter of %s was handed back", takes->queue);
                broker_hand_back(k->broker, takes->tag);
                end_filing(f);
                return;
        }
        k->store->dead->file(k->store, &f->letter, on_filed, f);
}

/* ---- ending ---- */

void keeper_ended(struct dlq_keeper *k)
{
        if (k->ended)
                return;
        k->ended = true;
        uv_timer_stop(&k->timer);
        uv_timer_stop(&k->back_timer);
        log_info("dlq", "%lu dead letters were filed", k->filed);
        if (k->config->stopped)
                k->config->stopped(k->config->arg);
}

static void on_time_up(uv_timer_t *timer)
{
        keeper_ended((struct dlq_keeper *)timer->data);
}

void dlq_keeper_stop(struct dlq_keeper *k)
{
        if (k->stopping)
                return;
        k->stopping = true;
        adjust(k);
        reprocessor_stop(k->reprocessor);
        sweeper_stop(k->sweeper);
        alarm_stop(k->alarm);
        outage_stop(k->outage);
        pulse_stop(k->pulse);
        uv_timer_start(&k->timer, on_time_up, k->filing ? LAST_MS : 0, 0);
}

static void release_memory(uv_handle_t *timer)
{
        struct dlq_keeper *k = (struct dlq_keeper *)timer->data;
        if (++k->closed < 2)
                return;
        for (struct refused_letter *r; (r = k->back);) {
                k->back = r->next;
                free(r);
        }
        topology_free(&k->topology);
        task_routes_free(&k->routes);
        arena_free(&k->arena);
        absence_destroy(&k->store_absence);
        free(k);
}

void dlq_keeper_close(struct dlq_keeper *k)
{
        k->stopping = k->ended = true;
        inspection_end(k->inspection);
        if (k->store)
                k->store->backend->close(k->store); /* filings under way end here */
        results_close(k->results);
        reprocessor_close(k->reprocessor);
        sweeper_close(k->sweeper);
        alarm_close(k->alarm);
        outage_close(k->outage);
        pulse_close(k->pulse);
        if (k->broker)
                broker_close(k->broker);
        uv_close((uv_handle_t *)&k->back_timer, release_memory);
        uv_close((uv_handle_t *)&k->timer, release_memory);
}
