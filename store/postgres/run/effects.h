/* SPDX-License-Identifier: Apache-2.0 */
/* What a task's commit and an event's effects share: events and facts as parameters of a statement. */
#ifndef CHARD_STORE_POSTGRES_RUN_EFFECTS_H
#define CHARD_STORE_POSTGRES_RUN_EFFECTS_H

#include "store/outcome.h"
#include "store/postgres/link/column.h"

/* Whose they are; all may be NULL but for `writer`. */
struct pg_effects {
        const char *writer, *root_id, *span_context;
        const struct outcome *outcome;
};

/* Four arrays for facts that are written once, and twelve for the rest: see sql/effects.sql. */
struct effect_columns {
        struct column *once_writer, *once_kind, *once_owner, *once_key;
        struct column *event_writer, *event_root, *aggregate_type, *aggregate_id, *type, *payload, *trace;
        struct column *merge_writer, *merge_kind, *merge_owner, *merge_key, *merge_value;
};

void effects_begin_once(struct pg_arguments *a, struct effect_columns *c);
void effects_add_once(struct effect_columns *c, const struct pg_effects *e);

void effects_begin(struct pg_arguments *a, struct effect_columns *c);
void effects_add(struct effect_columns *c, const struct pg_effects *e);

/* Nothing was added. */
bool effects_none(const struct effect_columns *c);

/* The first fact that is written once, or the next one after `f`; NULL at the end. */
const struct fact *effects_once(const struct pg_effects *e, const struct fact *f);

#endif
