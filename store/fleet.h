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
};

#endif
