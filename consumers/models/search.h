/* SPDX-License-Identifier: Apache-2.0 */
/* OpenSearch over HTTP. Every call blocks; one thread at a time. A read model is an alias of one index: MODEL-1 at first, another one after a rebuild. */
#ifndef CHARD_CONSUMERS_MODELS_SEARCH_H
#define CHARD_CONSUMERS_MODELS_SEARCH_H

#include "consumers/models/bulk.h"

struct opensearch;

/* 0; 1 with `why` (source "models", code "bad_url"); or -ENOMEM. / NULL: nothing. */
int search_open(struct opensearch **out, const char *url, unsigned connect_timeout_ms, struct problem *why);
void search_close(struct opensearch *s);

/* Write documents. 0: each has its end; 1 with `why` (code "away"): those that have none are to be written again; or -ENOMEM. */
int search_write(struct opensearch *s, const char *who, struct bulk_item *items, size_t count, struct problem *why);

/* Make an index of a model's, which no alias names. 0; 1 with `why`. */
int search_make(struct opensearch *s, const struct read_model *model, const char *index, struct problem *why);

/* What was written shows in searches from now on. 0; 1 with `why`. */
int search_refresh(struct opensearch *s, const char *index, struct problem *why);

/* The model is this index from now on: searches never see none, or two. Those that it was before are in *before, an array of names (new reference). 0; 1 with `why`. */
int search_swap(struct opensearch *s, const struct read_model *model, const char *index, json_t **before,
                struct problem *why);

/* Indexes of a model's that no alias names: what a rebuild left that was killed. *left is an array of names (new reference). 0; 1 with `why`. */
int search_left(struct opensearch *s, const struct read_model *model, json_t **left, struct problem *why);

/* Delete an index. 0, also where it was gone; 1 with `why`. */
int search_delete(struct opensearch *s, const char *index, struct problem *why);

#endif
