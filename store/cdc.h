/* SPDX-License-Identifier: Apache-2.0 */
/* The store's door to change data capture: what carries the outbox elsewhere, by reading the database's log. */
#ifndef CHARD_STORE_CDC_H
#define CHARD_STORE_CDC_H

#include "store/store.h"

/* Events that are put into the outbox once more: those written from `since_ms` on and before `until_ms` (wall clock, the store's). All copied. */
struct backfill {
        const char *run; /* its name, which its rows bear: by them it goes on where it was ended */
        int64_t since_ms, until_ms;
        unsigned limit; /* events at a time */
};

struct store_cdc {
        /* How it is set up: {"database", "wal_level", "slots": [{"name","plugin","active","wal_status","safe" (bytes that may be written before it is lost, or null),
         * "lag" (bytes),"confirmed" (up to where it was read, in bytes)}], "publications": [{"name","tables": [names],"insert","update","delete","truncate",
         * "via_root"}]}. Slots are this database's logical ones. JSON null: this store has no log that others read. */
        void (*look)(struct store *s, json_done *done, void *arg);

        /* The time at which a backfill begins that is to have every event behind this one, or, with `until`, ends that is to have it and every one before it:
         * {"ms"}. `position` is one of the outbox, or an event's own id, or "" = now; JSON null: no row of the outbox has it. Copied. */
        void (*place)(struct store *s, const char *position, bool until, json_done *done, void *arg);
        /* What there is to do: {"events", "aggregates", "done" (events that this backfill has put there before)}. */
        void (*count)(struct store *s, const struct backfill *b, json_done *done, void *arg);
        /* Put the next ones there, each aggregate's in their order, marked: {"count"}, 0 = that was all. Repeated, it goes on. */
        void (*backfill)(struct store *s, const struct backfill *b, json_done *done, void *arg);
};

#endif
