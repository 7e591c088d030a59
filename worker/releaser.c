/* SPDX-License-Identifier: Apache-2.0 */
/* Publishes scheduled messages when they are due: a batch is locked in the store, published, confirmed, deleted.
 * A crash in between publishes the same task ids again, which the claim makes harmless. */
#include "worker/run/run.h"

#include "core/clock.h"
#include "core/log.h"

#include <errno.h>
#include <stdlib.h>

enum {
        BATCH = 1000,
        LOOK_MS = 1000, /* look this often for what other processes scheduled */
};

struct releaser {
        struct worker *worker;
        uv_timer_t timer;
        int64_t next_ms; /* wall clock of the next look */
        bool asked, forgetting, stopped, full;
        int64_t confirmed[BATCH], returned[BATCH]; /* of the batch under way */
        struct release_item {
                struct releaser *releaser;
                int64_t id;
                unsigned returns; /* before this time */
                void *kept;       /* the tracer's; or NULL */
        } items[BATCH];
        size_t waiting, confirmed_count, returned_count;
        struct news {
                size_t lost, found; /* those that no queue took for the first time, and those that one took at last */
                int64_t first;      /* of the lost ones */
        } news;
};

static void releaser_on_timer(uv_timer_t *timer);
static void on_batch(struct due *due, size_t count, int64_t next_ms, void *arg);
static void on_item(enum publish_result result, void *arg);
static void on_forgotten(enum store_result result, struct bytes stored, const struct problem *why, void *arg);

int releaser_open(struct releaser **out, struct worker *w)
{
        struct releaser *r = calloc(1, sizeof(*r));
        if (!r)
                return -ENOMEM;
        r->worker = w;
        uv_timer_init(w->loop, &r->timer);
        r->timer.data = r;
        *out = r;
        releaser_expect(r, clock_wall_ms());
        return 0;
}

void releaser_expect(struct releaser *r, int64_t due_ms)
{
        if (r->stopped || (r->next_ms && r->next_ms <= due_ms))
                return;
        r->next_ms = due_ms;
        if (r->asked || r->waiting)
                return; /* the end of the batch looks at next_ms */
        const int64_t wait_ms = due_ms - clock_wall_ms();
        uv_timer_start(&r->timer, releaser_on_timer, wait_ms > 0 ? (uint64_t)wait_ms : 0, 0);
}

bool releaser_busy(const struct releaser *r)
{
        return r->forgetting || r->waiting;
}

void releaser_stop(struct releaser *r)
{
        r->stopped = true;
        uv_timer_stop(&r->timer);
}

static void releaser_release_memory(uv_handle_t *handle)
{
        free(handle->data);
}

void releaser_close(struct releaser *r)
{
        if (r)
                uv_close((uv_handle_t *)&r->timer, releaser_release_memory);
}

/* The store and the broker must both answer, or a batch would stay locked. */
static bool can_release(const struct worker *w)
{
        struct broker_health health;
        broker_health(w->broker, &health);
        return broker_health_takes(&health) && w->store->backend->up(w->store);
}

static void releaser_on_timer(uv_timer_t *timer)
{
        struct releaser *r = (struct releaser *)timer->data;
        struct worker *w = r->worker;
        r->next_ms = 0;
        if (!can_release(w)) {
                releaser_expect(r, clock_wall_ms() + LOOK_MS);
                return;
        }
        r->asked = true;
        w->store->schedule->release(w->store, clock_wall_ms(), BATCH, on_batch, r);
}

static void end_batch(struct releaser *r)
{
        r->asked = r->forgetting = false;
        const int64_t now_ms = clock_wall_ms();
        const int64_t wanted_ms = r->full                                       ? now_ms
                                  : r->next_ms && r->next_ms < now_ms + LOOK_MS ? r->next_ms
                                                                                : now_ms + LOOK_MS;
        r->next_ms = 0;
        releaser_expect(r, wanted_ms);
        if (r->stopped)
                shutdown_adjust(r->worker);
}

static void on_batch(struct due *due, size_t count, int64_t next_ms, void *arg)
{
        struct releaser *r = (struct releaser *)arg;
        if (next_ms && (!r->next_ms || next_ms < r->next_ms))
                r->next_ms = next_ms;
        r->full = count == BATCH;
        r->confirmed_count = r->returned_count = 0;
        r->news = (struct news){ 0 };
        r->waiting =
                r->stopped ? 0 : count; /* the rows of a batch that is left here are unlocked as the store closes */
        if (r->waiting == 0) {
                end_batch(r);
                return;
        }
        struct tracer *tracer = r->worker->config->tracer;
        for (size_t i = 0; i < count; i++) {
                struct message *message = due[i].message;
                due[i].message = NULL;
                r->items[i] = (struct release_item){ .releaser = r, .id = due[i].id, .returns = due[i].returns };
                if (tracer)
                        r->items[i].kept = tracer->release(tracer, message, due[i].due_ms);
                broker_publish(r->worker->broker, message, on_item, &r->items[i]);
        }
}

static void note_lost(struct releaser *r, const struct release_item *item)
{
        if (item->returns == 0 && r->news.lost++ == 0)
                r->news.first = item->id;
}

/* The store counts the returns, so each message is told of once, whoever tries it again. */
static void tell_news(const struct news *news)
{
        if (news->lost > 0)
                log_warn("worker",
                         "no queue takes %zu scheduled %s (the first: %lld): tried again every 10 s; "
                         "see: chard scheduled ls --unroutable",
                         news->lost, news->lost == 1 ? "message" : "messages", (long long)news->first);
        if (news->found > 0)
                log_info("worker", "%zu scheduled %s found a queue at last", news->found,
                         news->found == 1 ? "message has" : "messages have");
}

static void on_item(enum publish_result result, void *arg)
{
        const struct release_item *item = (const struct release_item *)arg;
        struct releaser *r = item->releaser;
        struct worker *w = r->worker;
        if (item->kept)
                w->config->tracer->released(w->config->tracer, item->kept, result == PUBLISH_CONFIRMED);
        if (result == PUBLISH_CONFIRMED) {
                r->confirmed[r->confirmed_count++] = item->id;
                r->news.found += item->returns > 0;
        } else if (result != PUBLISH_CLOSED) {
                r->returned[r->returned_count++] = item->id;
                note_lost(r, item);
        }
        if (--r->waiting > 0)
                return;
        tell_news(&r->news);
        r->forgetting = true;
        const struct forgetting what = { r->confirmed, r->returned, r->confirmed_count, r->returned_count };
        w->store->schedule->forget(w->store, &what, on_forgotten, r);
}

static void on_forgotten(enum store_result result, struct bytes stored, const struct problem *why, void *arg)
{
        (void)result, (void)stored, (void)why; /* not forgotten = published once more, harmless */
        end_batch((struct releaser *)arg);
}
