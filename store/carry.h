/* SPDX-License-Identifier: Apache-2.0 */
/* The store's door for carrying what it holds to another one (`chard move`): rows leave as JSON objects, times as ISO 8601, bytes as
 * hexadecimal, JSON values as their text, and arrive with what the other store already has left alone. */
#ifndef CHARD_STORE_CARRY_H
#define CHARD_STORE_CARRY_H

#include "store/store.h"

/* In the order in which they must be carried: who finds a task's message finds its row too, and runs nothing twice. */
enum carried {
        CARRY_JOBS,
        CARRY_TASKS,
        CARRY_EVENTS, /* with those outbox rows that are still there */
        CARRY_FACTS,
        CARRY_INBOX,    /* which events consumers have acted on */
        CARRY_ONCE,     /* requests that may be sent again */
        CARRY_KEYS,     /* API keys */
        CARRY_WEBHOOKS, /* whom to tell when jobs end */
        CARRY_AUDITS,   /* what was done to dead letters */
        CARRY_DEAD,
        CARRY_UNTOLD, /* results that are owed */
        CARRY_SCHEDULED,
        CARRY_KINDS,
};

/* A verb that a backend can't do is NULL. */
struct store_carry {
        /* At most `limit` rows of a kind after `after` (0 = from the first), each with its "cursor": [{"cursor",…}]. */
        void (*out)(struct store *s, enum carried kind, int64_t after, unsigned limit, json_done *done, void *arg);
        /* Take in such rows; what is here already stays as it is: {"count": how many were not}. `rows` are borrowed for the length of the call. */
        void (*in)(struct store *s, enum carried kind, const json_t *rows, json_done *done, void *arg);
        /* Rows of a kind up to a cursor stand elsewhere now: those that would act here as well (scheduled messages, kept dead letters, webhooks) go. */
        void (*off)(struct store *s, enum carried kind, int64_t upto, store_done *done, void *arg);
};

#endif
