/* SPDX-License-Identifier: Apache-2.0 */
/* The store's door for consumers that read the outbox: where each one stands, what it has put aside, and its steps. A step is one transaction: the
 * effects of some events, that they were acted on (store/inbox.h), the new position, what is put aside, and dead letters. Who takes a consumer gets an
 * epoch, and whoever had it before can make no step any more. */
#ifndef CHARD_STORE_CONSUMER_H
#define CHARD_STORE_CONSUMER_H

#include "store/dead_letter.h"
#include "store/fact.h"
#include "store/inbox.h"

/* What a consumer's dead letters have for a queue: this, and its name behind it. One that is requeued waits for the consumer, and goes to no broker. */
#define CONSUMER_QUEUE "consumer:"

/* An event that is put aside. Those of one key are given back in the order in which they were put there. */
struct consumer_wait {
        const char *key, *event_id;
        struct bytes event; /* JSON text */
        unsigned attempts;  /* failed ones */
        unsigned delay_ms;  /* until it is due */
};

/* One that was put aside before and stays there. */
struct consumer_later {
        int64_t number;
        unsigned attempts, delay_ms;
};

/* All borrowed until done. */
struct consumer_step {
        const char *consumer;
        int64_t epoch;        /* 0: any, and without a position */
        const char *position; /* where it stands afterwards; NULL: as before */
        const struct inbox_item *items;
        size_t item_count;
        const struct consumer_wait *waits;
        size_t wait_count;
        const struct consumer_later *laters;
        size_t later_count;
        const int64_t *overs; /* numbers of those put aside before that need not wait any more */
        size_t over_count;
        const struct dead_letter *letters;
        size_t letter_count;
};

/* All of a step was done, or nothing of it. */
enum consumer_end {
        CONSUMER_DONE,      /* items that had been acted on before among it */
        CONSUMER_STALE,     /* somebody else wrote a fact that is written once: think again */
        CONSUMER_OVERTAKEN, /* somebody else has taken the consumer since */
        CONSUMER_REFUSED,   /* its data can't be stored (`why`): a smaller step says which event's */
        CONSUMER_CLOSED,    /* it may or may not have happened */
        CONSUMER_STARVED,   /* memory ran out; nothing has happened */
};
typedef void consumer_done(enum consumer_end end, const struct problem *why, void *arg);

enum { CONSUMER_STEP_MAX = 200 }; /* items, and so on, in a step */

/* Events of an aggregate that a projector sees; also in SQL. */
enum { CONSUMER_MOST_HISTORY = 200 };

struct store_consumer {
        /* Take it for `holder`, and make it where it is new: {"position" ("" = before the first event), "epoch", "held": {key: how many wait}}. */
        void (*take)(struct store *s, const char *name, const char *holder, json_done *done, void *arg);
        /* Of a consumer that nobody takes, because its events come from elsewhere: {key: how many wait}. Its steps are of epoch 0. */
        void (*held)(struct store *s, const char *name, json_done *done, void *arg);
        /* Events that wait and are due, the first of each key only: {"due": [{"number","key","event_id","attempts","left" (of its key, itself
         * included),"event" (JSON text)}], "wait_ms" (until the next is due; null: none waits)}. */
        void (*waiting)(struct store *s, const char *name, unsigned limit, json_done *done, void *arg);
        /* As store_read's events, but the payload is JSON text, which may be none. */
        void (*page)(struct store *s, const char *since, unsigned limit, json_done *done, void *arg);
        /* As `page`, without positions: the oldest events of the event store's last 29 days, as long as the inbox knows, that the consumer hears (`hears`, JSON text:
         * {"types": [...], "aggregates": [none = any]}) and has neither acted on nor put aside, and that are no dead letters of its. Asked again once those are dealt
         * with it gives the next. Copied. */
        void (*missed)(struct store *s, const char *name, const char *hears, unsigned limit, json_done *done,
                       void *arg);
        /* {kind: {owner: {key: value}}}; each set is asked for once. Copied. */
        void (*facts)(struct store *s, const struct fact_set *sets, size_t count, json_done *done, void *arg);
        /* All events of each aggregate (kind: its type; owner: its id), oldest first, the newest CONSUMER_MOST_HISTORY: {type: {id: [{"id","type","version",
         * "payload","created_at"}]}}. Copied. */
        void (*history)(struct store *s, const struct fact_set *aggregates, size_t count, json_done *done, void *arg);
        /* A page of all aggregates that have events: [{"aggregate_type","aggregate_id"}], in an order, those after `after` (its type and its id; NULL: from the
         * first). Copied. */
        void (*aggregates)(struct store *s, const struct fact_set *after, unsigned limit, json_done *done, void *arg);
        void (*step)(struct store *s, const struct consumer_step *step, consumer_done *done, void *arg);
        /* All that were ever taken: [{"name","position","taken_by","taken_ms","moved_ms","waiting","behind" (events after its position, 10,000 at most)}]. */
        void (*list)(struct store *s, json_done *done, void *arg);
};

#endif
