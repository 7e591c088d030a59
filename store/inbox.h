/* SPDX-License-Identifier: Apache-2.0 */
/* The store's door for those who act on events: an event's effects, once, whatever is delivered again. */
#ifndef CHARD_STORE_INBOX_H
#define CHARD_STORE_INBOX_H

#include "store/outcome.h"
#include "store/schedule.h"

/* One event that a consumer has thought about, and what it leads to. Everything borrowed until done. */
struct inbox_item {
        const char *consumer;     /* who acts: a name without a '/' */
        const char *event_id;     /* of the event that is acted on */
        const char *root_id;      /* the job that the effects belong to, or NULL */
        const char *span_context; /* as in a commit, or NULL */
        const struct outcome *
                outcome; /* its events and facts, which are "CONSUMER/EVENT"'s; or NULL. Sections and results are tasks' alone */
        const struct scheduled *messages; /* what is sent */
        size_t message_count;
};

/* `results`: one an item, in their order. DONE; ALREADY: this consumer has acted on this event before; STALE: somebody else wrote a fact of the kind
 * that is written once: nothing of the item is stored, think again; REFUSED, CLOSED, STARVED as everywhere, and then `why` says so of the first of
 * them. NULL when memory ran out before the store was asked. */
typedef void inbox_done(const enum store_result *results, size_t count, const struct problem *why, void *arg);

/* Apply items, together with what else comes in, in as few transactions as can be: an item's effects and the fact that they happened are stored in one.
 * Within a transaction items keep their order. Across transactions they need not: one that failed is repeated in parts, and later than what came behind
 * it. Who needs an order waits for the answer before the next call. An item that is refused harms no other. What was applied is known for 30 days. May be
 * repeated. */
void inbox_apply(struct store *s, const struct inbox_item *items, size_t count, inbox_done *done, void *arg);

/* "CONSUMER/EVENT": its size with the NUL; and the text itself, at a place that has that room. Returns what is behind it. Pure. */
size_t inbox_id_size(const struct inbox_item *item);
char *inbox_id_write(char *at, const struct inbox_item *item);

struct store_inbox {
        void (*apply)(struct store *s, const struct inbox_item *item, store_done *done, void *arg);
};

#endif
