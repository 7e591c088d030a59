/* SPDX-License-Identifier: Apache-2.0 */
/* Tells URLs that jobs have ended. The store owes it from the transaction on that ends the job, and gives what is due to one process at a time; one that dies meanwhile has it told again, under the same
 * id, when its lease is over. A receiver that fails is asked again over three days (duties/delivery.h). Each delivery has a thread of its own, so that a slow receiver holds up nobody else. */
#include "core/clock.h"
#include "core/id.h"
#include "core/json.h"
#include "core/log.h"
#include "core/thread/work.h"
#include "duties/delivery.h"
#include "duties/duty.h"
#include "duties/webhook.h"
#include "observe/otlp/live.h"
#include "store/webhook.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DELIVER_EVERY_MS = 1000, DELIVER_MOST = 64, DELIVER_LEASE_MS = 60000, DELIVER_FORGET_MS = 3600 * 1000 };

struct deliveries {
        struct duty_run *run;
        struct delivery_secrets secrets;
        unsigned under_way;
        bool failing; /* the log says that the store does not answer */
        uint64_t forget_ms;
        atomic_bool stop;
};

/* One try. */
struct delivering {
        struct deliveries *all;
        json_t *row; /* which its texts are borrowed from */
        char signature[DELIVERY_SIGNATURES_SIZE];
        struct delivery_note what;
        struct delivery_result result;
        struct live_span span;
};

static int deliver_open(struct duty_run *run, struct problem *why)
{
        const char *secret = run->config->hook_secret;
        struct deliveries *all = secret && *secret ? calloc(1, sizeof(*all)) : NULL;
        if (!secret || !*secret)
                return 0;
        if (!all)
                return -ENOMEM;
        all->run = run;
        run->state = all;
        webhook_setup();
        const int code = delivery_secrets_read(&all->secrets, secret, why);
        return code || all->secrets.count
                       ? code
                       : problem_set(why, "settings", "bad_setting", "CHARD_WEBHOOK_SECRET has blanks and no secret");
}

static void deliver_close(struct duty_run *run)
{
        free(run->state);
}

static void deliver_stop(struct duty_run *run)
{
        struct deliveries *all = (struct deliveries *)run->state;
        if (all)
                atomic_store(&all->stop, true);
}

static uint64_t deliver_period(const struct duty_run *run)
{
        return run->config->hook_secret && *run->config->hook_secret ? DELIVER_EVERY_MS : 0;
}

/* ---- one try ---- */

/* What the receiver says, and its URL, are nobody's business. */
static void deliver_end_span(struct delivering *d, const struct webhook_try *what, unsigned attempts)
{
        char error[16] = "_OTHER";
        const struct otlp_attribute wait[] = { { .name = NAME_WAIT_MS, .number = what->wait_ms },
                                               { .name = NAME_REASON, .text = "retry" } };
        const struct otlp_event waiting = { "waiting", clock_wall_us(), wait, 2 };
        const bool failed = what->end != WEBHOOK_DELIVERED;
        struct otlp_attribute attributes[6] = { { .name = NAME_HTTP_METHOD, .text = "POST" },
                                                { .name = NAME_CONVERSATION, .text = json_text(d->row, "job", "") },
                                                { .name = NAME_MESSAGE_ID, .text = d->what.id },
                                                { .name = NAME_ATTEMPT, .number = attempts } };
        size_t count = 4;
        if (what->status) {
                attributes[count++] = (struct otlp_attribute){ .name = NAME_HTTP_STATUS, .number = what->status };
                snprintf(error, sizeof(error), "%u", what->status);
        }
        if (failed)
                attributes[count++] = (struct otlp_attribute){ .name = NAME_ERROR_TYPE, .text = error };
        live_span_end(&d->span, (struct otlp_span){ .name = "POST webhook",
                                                    .kind = OTLP_CLIENT,
                                                    .failed = failed,
                                                    .attributes = attributes,
                                                    .attribute_count = count,
                                                    .events = &waiting,
                                                    .event_count = what->end == WEBHOOK_AGAIN });
}

static void on_deliver_settled(json_t *row, const struct problem *why, void *arg)
{
        (void)row, (void)arg;
        if (why)
                log_warn("duties", "what became of a webhook could not be stored, so it may be told again: %s",
                         why->text);
}

static void deliver_settle(struct delivering *d)
{
        struct store *store = d->all->run->config->store;
        const struct delivery_result *r = &d->result;
        const unsigned attempts = (unsigned)json_number(d->row, "attempts", 1);
        const int64_t wait_ms = r->gone ? -1 : delivery_wait_ms(attempts, r->wait_ms, random_bits());
        const struct webhook_try what = {
                .id = json_text(d->row, "id", ""),
                .end = r->ok         ? WEBHOOK_DELIVERED
                       : wait_ms < 0 ? WEBHOOK_GIVEN_UP
                                     : WEBHOOK_AGAIN,
                .wait_ms = wait_ms > 0 ? wait_ms : 0,
                .status = r->status,
                .why = r->why,
        };
        deliver_end_span(d, &what, attempts);
        if (what.end == WEBHOOK_GIVEN_UP)
                log_warn("duties", "the end of job %s is told to nobody, webhook %s: %s (try %u, the last)",
                         json_text(d->row, "job", ""), what.id, r->why, attempts);
        else if (what.end == WEBHOOK_AGAIN)
                log_info("duties", "the end of job %s was not taken, webhook %s: %s (try %u); again in %lld s",
                         json_text(d->row, "job", ""), what.id, r->why, attempts, (long long)wait_ms / 1000);
        store->webhook->settle(store, &what, on_deliver_settled, NULL);
}

static void delivering_free(struct delivering *d)
{
        json_decref(d->row);
        free(d);
}

static void delivering_run(void *arg)
{
        struct delivering *d = (struct delivering *)arg;
        delivery_post(&d->what, &d->result);
}

static void delivering_done(void *arg)
{
        struct delivering *d = (struct delivering *)arg;
        struct duty_run *run = d->all->run;
        d->all->under_way--;
        if (!duty_stopping(run))
                deliver_settle(d);
        delivering_free(d);
        duty_drop(run);
}

/* What can't be begun is anybody's again when its lease ends. */
static void deliver_begin(struct deliveries *all, json_t *row)
{
        static const struct work_calls calls = { delivering_run, delivering_done, NULL };
        const struct duties_config *c = all->run->config;
        struct delivering *d = calloc(1, sizeof(*d));
        if (!d)
                return;
        d->all = all;
        d->row = json_incref(row);
        live_span_begin(&d->span, c->spans, json_text(row, "trace", NULL));
        live_span_name(&d->span, json_text(row, "job", NULL));
        d->what = (struct delivery_note){
                .url = json_text(row, "url", ""),
                .id = json_text(row, "message", ""),
                .body = json_text(row, "body", ""),
                .signature = d->signature,
                .traceparent = live_span_context(&d->span, NULL),
                .timestamp_s = clock_wall_ms() / 1000,
                .private_allowed = c->hook_private,
                .stop = &all->stop,
        };
        if (!delivery_sign(&all->secrets, d->what.id, d->what.timestamp_s, d->what.body, d->signature) ||
            work_start(NULL, c->loop, &calls, d) != 0) {
                delivering_free(d);
                return;
        }
        all->under_way++;
        duty_hold(all->run);
}

/* ---- rounds ---- */

static void on_deliver_forgotten(json_t *answer, const struct problem *why, void *arg)
{
        struct duty_run *run = (struct duty_run *)arg;
        const json_int_t forgotten = why ? 0 : json_number(answer, "count", 0);
        if (forgotten)
                log_info("duties", "forgot %lld webhooks of thirty days ago", (long long)forgotten);
        duty_done(run);
}

static void on_deliver_taken(json_t *rows, const struct problem *why, void *arg)
{
        struct deliveries *all = (struct deliveries *)arg;
        struct store *store = all->run->config->store;
        size_t i;
        json_t *row;
        if (why && !all->failing && !duty_stopping(all->run))
                log_warn("duties", "webhooks can't be read: %s", why->text);
        all->failing = why;
        json_array_foreach(rows, i, row)
                if (duty_leads(all->run))
                        deliver_begin(all, row);
        if (why || duty_stopping(all->run) || clock_mono_ms() < all->forget_ms) {
                duty_done(all->run);
                return;
        }
        all->forget_ms = clock_mono_ms() + DELIVER_FORGET_MS;
        store->webhook->forget(store, on_deliver_forgotten, all->run);
}

static void deliver_round(struct duty_run *run)
{
        struct deliveries *all = (struct deliveries *)run->state;
        struct store *store = run->config->store;
        if (all->under_way < DELIVER_MOST)
                store->webhook->take(store, DELIVER_MOST - all->under_way, DELIVER_LEASE_MS, on_deliver_taken, all);
        else
                duty_done(run);
}

const struct duty duty_deliver = {
        .name = "webhooks",
        .period_ms = deliver_period,
        .round = deliver_round,
        .open = deliver_open,
        .stop = deliver_stop,
        .close = deliver_close,
};
