/* SPDX-License-Identifier: Apache-2.0 */
/* What processes of one fleet settle among themselves in the store. */
#ifndef CHARD_STORE_FLEET_H
#define CHARD_STORE_FLEET_H

#include "store/store.h"

/* All copied. */
struct lease_ask {
        const char *name;   /* of the lease */
        const char *holder; /* who asks, as others shall know it */
        const char *token;  /* of this process alone, of its own making */
        unsigned lease_ms;  /* 0 = it is given back, where it is ours */
};

struct store_fleet {
        /* Take or renew a lease, by the store's clock: when it is nobody's, over, or has this token. Answers {"holder" ("" = nobody), "mine",
         * "wait_ms" (until it is over)}. */
        void (*lease)(struct store *s, const struct lease_ask *ask, json_done *done, void *arg);

        /* Have room for what comes, and forget what is old: make the outbox's partitions of the coming week and drop those older than seven days (rows, where there
         * are no partitions), steps of jobs that ended seven days ago, and what consumers acted on thirty days ago. However long it takes, it is done beside
         * everything else. DONE; ALREADY: it is under way; REFUSED: some of it could not be done, ask again; CLOSED; STARVED. */
        void (*maintain)(struct store *s, store_done *done, void *arg);

        /* Forget processes that have given no sign of life for so long. Answers with [{"name"}]. */
        void (*forget_workers)(struct store *s, uint64_t silent_ms, json_done *done, void *arg);
};

#endif
