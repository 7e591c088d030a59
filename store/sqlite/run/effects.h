/* SPDX-License-Identifier: Apache-2.0 */
/* What a task's commit and an event's effects share: events and facts on their way to the file. */
#ifndef CHARD_STORE_SQLITE_RUN_EFFECTS_H
#define CHARD_STORE_SQLITE_RUN_EFFECTS_H

#include "store/sqlite/lite.h"

/* Whose they are; `root_id` is not NULL. Their JSON is text, each value with a NUL behind it, in their order. */
struct lite_effects {
        const char *writer, *root_id, *span_context;
        const struct outcome *outcome;
        struct buffer payloads, values;
};

/* Make the JSON text, on the loop thread. False when memory ran out. */
bool effects_fill(struct lite_effects *e);
void effects_free(struct lite_effects *e);

/* Did somebody else write a fact of the kind that is written once? Then *stale becomes true. On the file's thread, as the next one: SQLITE_OK or the error. */
int effects_look(const struct lite_effects *e, sqlite3 *db, bool *stale);
int effects_write(const struct lite_effects *e, sqlite3 *db, int64_t now_us);

#endif
