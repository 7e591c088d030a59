/* SPDX-License-Identifier: Apache-2.0 */
/* Goes through entries in the order of their numbers, batch by batch: read, make messages, settle in one transaction; the next batch is read and
 * its messages are made while the store settles the one before. It ends at the highest entry that was there when it began, so that what dies
 * again meanwhile is not requeued by the same breath. */
#include "core/clock.h"
#include "core/id.h"
#include "dlq/dlq.h"

#include <errno.h>
#include <stdlib.h>

enum { BATCH_BYTES = 8 << 20 };

struct bulk_batch {
        struct dead_item items[DEAD_SETTLE_MAX];
        enum letter_disposition dispositions[DEAD_SETTLE_MAX]; /* of the items */
        size_t count;
        struct {
                int64_t entry;
                enum letter_disposition disposition;
        } untried[DEAD_SETTLE_MAX];
        size_t untried_count;
};

struct dlq_bulk {
        struct dlq_bulk_config config;
        struct dlq_tally tally;
        char operation[ID_TEXT_SIZE];
        struct bulk_batch batches[2];
        struct bulk_batch *ready, *settling; /* or NULL */
        struct dead_settle settle;
        size_t solo; /* items before this one of a refused batch were tried one by one */
        size_t solo_count;
        size_t batch; /* the most in one */
        int64_t begun_ms;
        size_t read, sent;
        bool reading, all_read, stopped, ending;
        enum dlq_end end;
};

static void on_count(json_t *value, const struct problem *why, void *arg);
static void bulk_advance(struct dlq_bulk *b);

int dlq_bulk_start(struct dlq_bulk **out, const struct dlq_bulk_config *config)
{
        struct dlq_bulk *b = calloc(1, sizeof(*b));
        if (!b)
                return -ENOMEM;
        b->config = *config;
        b->config.filter.state = "kept";
        if (b->config.max_body == 0)
                b->config.max_body = SIZE_MAX;
        b->batch = config->batch && config->batch < DEAD_SETTLE_MAX ? config->batch : DEAD_SETTLE_MAX;
        b->begun_ms = clock_wall_ms();
        if (!b->config.act.operation) {
                id_new(b->operation);
                b->config.act.operation = b->operation;
        }
        *out = b;
        config->store->dead->count(config->store, &b->config.filter, on_count, b);
        return 0;
}

void dlq_bulk_stop(struct dlq_bulk *b)
{
        b->stopped = true;
}

static void free_batch(struct bulk_batch *batch)
{
        for (size_t i = 0; batch && i < batch->count; i++)
                message_free((struct message *)(uintptr_t)batch->items[i].message);
}

/* As soon as nothing is on its way to it any more. */
static void bulk_end(struct dlq_bulk *b, enum dlq_end how)
{
        if (!b->ending)
                b->end = how;
        b->ending = true;
        if (b->reading || b->settling)
                return;
        free_batch(b->ready);
        b->config.done(b->end, &b->tally, b->config.arg);
        free(b);
}

static void bulk_fail(struct dlq_bulk *b, const struct problem *why)
{
        if (!b->ending)
                b->tally.why = *why;
        bulk_end(b, DLQ_FAILED);
}

static void on_count(json_t *value, const struct problem *why, void *arg)
{
        struct dlq_bulk *b = (struct dlq_bulk *)arg;
        if (why) {
                bulk_fail(b, why);
                return;
        }
        b->tally.total = (size_t)json_integer_value(json_object_get(value, "count"));
        const int64_t upto = json_integer_value(json_object_get(value, "upto"));
        if (!b->config.filter.upto || upto < b->config.filter.upto)
                b->config.filter.upto = upto;
        b->tally.upto = b->config.filter.upto;
        if (b->config.most && b->tally.total > b->config.most)
                b->tally.total = b->config.most;
        b->all_read = b->tally.total == 0;
        if (b->config.progress)
                b->config.progress(&b->tally, b->config.arg);
        bulk_advance(b);
}

/* ---- reading a batch ---- */

static void on_page(const struct dead_letter *letters, size_t count, const struct problem *why, void *arg);

static void read_on(struct dlq_bulk *b)
{
        const size_t left = b->config.most ? b->config.most - b->read : b->batch;
        const struct dead_query query = {
                .filter = b->config.filter,
                .limit = (unsigned)(left < b->batch ? left : b->batch),
                .content = b->config.action->does.sends,
                .plain = !b->config.rehearse,
                .max_bytes = BATCH_BYTES,
        };
        b->reading = true;
        b->config.store->dead->read(b->config.store, &query, on_page, b);
}

static void add_untried(struct bulk_batch *batch, int64_t entry, enum letter_disposition disposition)
{
        batch->untried[batch->untried_count].entry = entry;
        batch->untried[batch->untried_count++].disposition = disposition;
}

static enum letter_disposition bulk_judge(const struct dlq_bulk *b, const struct dead_letter *l, struct message **out)
{
        const struct dlq_subject subject = { b->config.catalog, b->config.to, b->config.max_body };
        return b->config.action->judge ? b->config.action->judge(&subject, l, out) : DISPOSITION_SENT;
}

static void bulk_rehearse(struct dlq_bulk *b, struct bulk_batch *batch, const struct dead_letter *l)
{
        add_untried(batch, l->entry, bulk_judge(b, l, NULL));
}

static int64_t due_of(struct dlq_bulk *b)
{
        const int64_t due_ms = b->begun_ms + (b->config.rate ? (int64_t)(b->sent++ * 1000 / b->config.rate) : 0);
        const int64_t now_ms = clock_wall_ms();
        return due_ms > now_ms ? due_ms : now_ms;
}

/* What the store alone can tell (does its task run, has it succeeded) is left to it, where a message is sent. */
static void bulk_add_item(struct dlq_bulk *b, struct bulk_batch *batch, const struct dead_letter *l)
{
        struct message *message = NULL;
        const enum letter_disposition disposition = bulk_judge(b, l, &message);
        const bool sends = b->config.action->does.sends;
        if (letter_disposition_hinders(disposition) || (!sends && disposition != DISPOSITION_SENT)) {
                add_untried(batch, l->entry, disposition);
                return;
        }
        batch->dispositions[batch->count] = disposition;
        batch->items[batch->count++] = (struct dead_item){
                .entry = l->entry, .message = message, .version = l->version, .due_ms = message ? due_of(b) : 0
        };
}

static void on_page(const struct dead_letter *letters, size_t count, const struct problem *why, void *arg)
{
        struct dlq_bulk *b = (struct dlq_bulk *)arg;
        b->reading = false;
        if (why || b->ending) {
                bulk_fail(b, why);
                return;
        }
        struct bulk_batch *batch = b->settling == &b->batches[0] ? &b->batches[1] : &b->batches[0];
        batch->count = batch->untried_count = 0;
        for (size_t i = 0; i < count; i++) {
                if (b->config.rehearse)
                        bulk_rehearse(b, batch, &letters[i]);
                else
                        bulk_add_item(b, batch, &letters[i]);
        }
        if (count > 0) {
                b->config.filter.after = letters[count - 1].entry;
                b->ready = batch;
        }
        b->read += count;
        b->all_read = count == 0 || (b->config.most && b->read >= b->config.most);
        bulk_advance(b);
}

/* ---- settling it ---- */

static void bulk_on_settled(const enum dead_outcome *outcomes, size_t count, const struct problem *why, void *arg);

static void count_untried(struct dlq_bulk *b, const struct bulk_batch *batch)
{
        for (size_t i = 0; i < batch->untried_count; i++) {
                const enum letter_disposition disposition = batch->untried[i].disposition;
                if (b->tally.dispositions[disposition]++ == 0)
                        b->tally.first[disposition] = batch->untried[i].entry;
                if (b->config.became)
                        b->config.became(batch->untried[i].entry, (int)disposition, -1, b->config.arg);
        }
}

static void batch_done(struct dlq_bulk *b)
{
        struct bulk_batch *batch = b->settling;
        b->settling = NULL;
        b->tally.seen += batch->count + batch->untried_count;
        free_batch(batch);
        if (b->config.progress)
                b->config.progress(&b->tally, b->config.arg);
        bulk_advance(b);
}

/* The next one is asked for first: it comes while this one is settled. */
static void settle_next(struct dlq_bulk *b)
{
        b->settling = b->ready;
        b->ready = NULL;
        if (!b->all_read)
                read_on(b);
        count_untried(b, b->settling);
        b->settle = (struct dead_settle){ .action = &b->config.action->does,
                                          .act = b->config.act,
                                          .items = b->settling->items,
                                          .count = b->settling->count };
        if (b->settle.count > 0)
                b->config.store->dead->settle(b->config.store, &b->settle, bulk_on_settled, b);
        else
                batch_done(b);
}

static void bulk_advance(struct dlq_bulk *b)
{
        if (b->settling)
                return;
        if (b->stopped || b->ending)
                bulk_end(b, DLQ_STOPPED);
        else if (b->ready)
                settle_next(b);
        else if (b->all_read)
                bulk_end(b, DLQ_ENDED);
        else if (!b->reading)
                read_on(b);
}

/* A batch that the store refuses is repeated item by item: the one that it can't take is counted and stays. */
static bool go_on_alone(struct dlq_bulk *b)
{
        if (b->solo_count == 0)
                return false;
        if (++b->solo < b->solo_count) {
                b->settle.items = &b->settling->items[b->solo];
                return true;
        }
        b->solo_count = 0;
        return false;
}

static void settle_again(struct dlq_bulk *b)
{
        b->config.store->dead->settle(b->config.store, &b->settle, bulk_on_settled, b);
}

static void tally_outcomes(struct dlq_bulk *b, const enum dead_outcome *outcomes, size_t count)
{
        const struct dead_item *items = b->settle.items;
        const enum letter_disposition *dispositions = &b->settling->dispositions[items - b->settling->items];
        for (size_t i = 0; i < count; i++) {
                b->tally.outcomes[outcomes[i]]++;
                if (outcomes[i] == DEAD_DONE && letter_disposition_dooms(dispositions[i]) &&
                    b->tally.doomed[dispositions[i]]++ == 0)
                        b->tally.first[dispositions[i]] = items[i].entry;
                if (outcomes[i] <= DEAD_RESUMED && items[i].due_ms > b->tally.last_due_ms)
                        b->tally.last_due_ms = items[i].due_ms;
                if (b->config.became)
                        b->config.became(items[i].entry, -1, (int)outcomes[i], b->config.arg);
        }
}

static void bulk_on_settled(const enum dead_outcome *outcomes, size_t count, const struct problem *why, void *arg)
{
        struct dlq_bulk *b = (struct dlq_bulk *)arg;
        tally_outcomes(b, outcomes, count);
        if (why && strcmp(why->code, "closed") == 0) {
                free_batch(b->settling);
                b->settling = NULL;
                bulk_fail(b, why);
                return;
        }
        if (why && b->solo_count == 0 && b->settle.count > 1) {
                b->solo = 0;
                b->solo_count = b->settle.count;
                b->settle.count = 1;
                settle_again(b);
                return;
        }
        if (why) {
                b->tally.refused++;
                b->tally.why = *why;
                if (b->config.became)
                        b->config.became(b->settle.items[0].entry, -1, -1, b->config.arg);
        }
        if (go_on_alone(b)) {
                settle_again(b);
                return;
        }
        batch_done(b);
}
