/* SPDX-License-Identifier: Apache-2.0 */
/* Read models in Redis: a hash "MODEL:ID" for each thing, in which each part is a field with its document, and "PART:version" its version; a part that was
 * deleted has its version alone. Loop thread. */
#ifndef CHARD_CONSUMERS_MODELS_KEYS_H
#define CHARD_CONSUMERS_MODELS_KEYS_H

#include "consumers/models/end.h"
#include "core/bytes.h"
#include "redis/link.h"

struct keys_item {
        const char *model, *id, *part;
        int64_t version;
        struct bytes body; /* JSON; empty: it is deleted */
        enum model_end end;
        struct problem why;
};

/* Done when each item has its end; `why`: they are to be written again. Items stay there until then; it may be called from inside. */
void keys_write(struct redis_link *link, struct keys_item *items, size_t count, models_done *done, void *arg);

#endif
