/* SPDX-License-Identifier: Apache-2.0 */
/* OpenSearch's bulk requests: the lines of one, and what its answer says of each. Pure. Source: OpenSearch 2.19, "Bulk"; `version_type` external. */
#ifndef CHARD_CONSUMERS_MODELS_BULK_H
#define CHARD_CONSUMERS_MODELS_BULK_H

#include "consumers/models/end.h"
#include "core/bytes.h"
#include "tasks/consumer.h"

/* One document; owned by whoever made it. */
struct bulk_item {
        const char *index, *id;
        int64_t version;
        struct bytes body; /* JSON, an object on one line */
        const struct read_model
                *model; /* whose index is made where it is missing; NULL: none is, it is said to be missing */
        enum model_end end;
        struct problem why;
};

/* Append its two lines. */
void bulk_add(struct buffer *out, const struct bulk_item *item);

enum bulk_verdict {
        BULK_JUDGED, /* each item has its end; MODEL_GONE: its index is not there */
        BULK_SPLIT,  /* one of several spoils it, or it is too large: each alone */
        BULK_AWAY,   /* `why`: nobody here is served */
};

/* What an answer says of the items that were asked for. A lone one that was refused as a whole is MODEL_REFUSED. */
enum bulk_verdict bulk_read_answer(struct bulk_item *items, size_t count, long status, struct bytes answer,
                                   struct problem *why);

#endif
