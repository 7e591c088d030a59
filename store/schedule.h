/* SPDX-License-Identifier: Apache-2.0 */
/* The store's door to messages that are published later, or surely: put there, released when they are due, and seen and dropped by an operator. */
#ifndef CHARD_STORE_SCHEDULE_H
#define CHARD_STORE_SCHEDULE_H

#include "message/message.h"
#include "store/store.h"

/* Published later, or surely. */
struct scheduled {
        const struct message *message; /* borrowed until done */
        int64_t due_ms;                /* wall clock */
        const char *reason;            /* "retry", "eta", "paused", "leased", "enqueue", "requeue", … */
        const char *task_id;           /* or NULL */
        const char *root_id;           /* its job, where the task may have no row; or NULL */
};

/* ---- the releaser ---- */

/* One due message; `message` is the caller's to take (set it NULL). */
struct due {
        int64_t id;
        int64_t due_ms;
        struct message *message;
        unsigned returns; /* how often it was published before and no queue took it */
};
/* `due` is borrowed for the length of the callback; next_ms = wall clock of the next one after these, or 0 = none known.
 * The rows stay locked for this worker until forget is called with those that were confirmed. */
typedef void release_done(struct due *due, size_t count, int64_t next_ms, void *arg);

/* What became of released rows, by their ids; copied. */
struct forgetting {
        const int64_t *confirmed, *returned; /* returned: no queue took them */
        size_t confirmed_count, returned_count;
};

/* ---- the door ---- */

struct store_schedule {
        void (*add)(struct store *s, const struct scheduled *scheduled, store_done *done, void *arg);

        /* Lock and hand over up to `limit` due messages; one release at a time. */
        void (*release)(struct store *s, int64_t now_ms, unsigned limit, release_done *done, void *arg);
        /* Delete the rows that were confirmed; the others of this release become due again ten seconds later, so that
         * what no queue takes never blocks what others do; then call done. Those that no queue took are counted as such. */
        void (*forget)(struct store *s, const struct forgetting *what, store_done *done, void *arg);
        /* Told when somebody else scheduled something due at about `due_ms` (LISTEN/NOTIFY). */
        void (*on_scheduled)(struct store *s, void (*heard)(int64_t due_ms, void *arg), void *arg);

        /* Scheduled messages, the first due first: [{"id","task_id","reason","exchange","routing_key","due_ms","created_ms","returns","size"}]. `which` picks those that
         * fit all of its members: {"ids": […], "reason": text, "unroutable": true (no queue took them when they were last published), "limit": N}. Copied. */
        void (*list)(struct store *s, const json_t *which, json_done *done, void *arg);
        /* Delete them, and write down who did, in dead_letter_audit, in the same transaction: {…, "who","note","scope","operation"}. Those that are being
         * published at this moment stay. Answers with what was deleted, as `list` does. */
        void (*drop)(struct store *s, const json_t *which, json_done *done, void *arg);
        /* The next tasks among the scheduled messages, a hundred at most: [{"due_ms","exchange","routing_key","properties","body"}], the
         * last two as hexadecimal; those with a body beyond 64 KiB are left out. */
        void (*upcoming)(struct store *s, json_done *done, void *arg);
};

#endif
