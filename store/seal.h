/* SPDX-License-Identifier: Apache-2.0 */
/* The store's door to seals: a digest of each day's events, chained from day to day, so that an event that was changed, is missing or was slipped in
 * later is found. A day is one of UTC, "2026-11-30"; it can be sealed an hour after its end. Days are sealed in their order. */
#ifndef CHARD_STORE_SEAL_H
#define CHARD_STORE_SEAL_H

#include "store/store.h"

struct store_seal {
        /* Days that can be sealed, from `since` on, or ("") from the first that has anything, or ("next") from the one behind the last that is sealed:
         * [{"day","sealed"}]. Copied. */
        void (*days)(struct store *s, const char *since, json_done *done, void *arg);
        /* A day as it is, and as it was sealed: {"day","events","digest","sealed": null or {"events","digest","chain","holds" (the chain follows from the
         * seal before)}}. Reads all of its events. */
        void (*day)(struct store *s, const char *day, json_done *done, void *arg);
        /* Seal it, unless it or a later one is sealed: {"day","events","chain"}, or NULL. */
        void (*make)(struct store *s, const char *day, json_done *done, void *arg);
};

#endif
