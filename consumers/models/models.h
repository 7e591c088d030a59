/* SPDX-License-Identifier: Apache-2.0 */
/* Read models: what projectors keep for those who read, in OpenSearch and in Redis. A document has its aggregate's version, and is written only where
 * the model has none as high: so whatever is written twice, late or by two at a time, the newest stands. A deleted one stays there as a mark, which has
 * its version. OpenSearch is asked on a thread, Redis on the loop; all calls and callbacks are the loop's. */
#ifndef CHARD_CONSUMERS_MODELS_H
#define CHARD_CONSUMERS_MODELS_H

#include "consumers/models/end.h"
#include "store/outcome.h"
#include "tasks/consumer.h"

#include <stdbool.h>
#include <uv.h>

struct read_models;

/* Texts are copied. Where one is "" or NULL, models of that kind can't be written. */
struct models_config {
        uv_loop_t *loop;
        const char *search_url; /* http://[USER:PASSWORD@]HOST:PORT */
        const char *redis_url;  /* as redis/address.h reads it */
        unsigned connect_timeout_ms;
};

/* 0; 1 with `why` (source "models", code "bad_url"); or -ENOMEM. / What is under way is forgotten, and calls nobody (NULL: nothing). The loop must turn until it is idle. */
int models_open(struct read_models **out, const struct models_config *config, struct problem *why);
void models_close(struct read_models *m);

/* Is there where this one is kept? 0; 1 with `why` (code "no_place"), which names the setting. */
int models_have(const struct read_models *m, const struct read_model *model, struct problem *why);

struct model_write {
        const struct read_model *model;
        const char *index; /* to be written in place of the model's own; or NULL */
        const struct document *document;
        enum model_end end;
        struct problem why;
};

/* Write; `writes` stays there until done. An index that is missing is made, and the log says so in the name of `who`. 0 or -ENOMEM: then nothing happens. */
int models_write(struct read_models *m, const char *who, struct model_write *writes, size_t count, models_done *done,
                 void *arg);

#endif
