/* SPDX-License-Identifier: Apache-2.0 */
/* Facts: what tasks keep beside their results, (kind, owner, key) -> a JSON value. The store knows nothing of what they mean. A fact is written once,
 * by whoever is first, and stays as it is then; or merged, so that the latest value counts. */
#ifndef CHARD_STORE_FACT_H
#define CHARD_STORE_FACT_H

#include "core/bytes.h"

#include <jansson.h>
#include <stdbool.h>

enum fact_mode {
        FACT_ONCE, /* if the key is there already, by another task, nothing of this outcome is committed: the task runs again, and sees it */
        FACT_MERGE, /* the key's value from now on; one that was written once is passed over */
};

/* One that a task writes; the texts are its outcome's arena's. */
struct fact {
        struct fact *next;
        enum fact_mode mode;
        const char *kind, *owner, *key;
        json_t *value; /* owned by the outcome */
};

/* All facts of a kind about one owner. */
struct fact_set {
        const char *kind, *owner;
};

/* Put what was found of a set, a JSON object as text or nothing, into `all`, which is {kind: {owner: {key: value}}}. Returns 0 or -ENOMEM. */
int fact_found(json_t *all, const struct fact_set *set, struct bytes text);

/* How many bytes a copy of sets takes with their texts behind them; and the copy, in a place of that size. Pure. */
size_t fact_sets_size(const struct fact_set *sets, size_t count);
void fact_sets_copy(struct fact_set *to, const struct fact_set *sets, size_t count);

/* ---- facts as SQL views, which `chard migrate` makes; one whose value is false is none there ---- */

/* What a view's column shows. */
enum fact_part {
        FACT_OWNER,
        FACT_KEY,
        FACT_VALUE,
        FACT_TASK, /* the id of the task that wrote it */
        FACT_AT,   /* when; of several facts, the latest */
        FACT_KEYS, /* {key: value}, all of an owner's: the view has a row an owner then, in place of a row a fact */
};

struct fact_column {
        const char *name; /* lower-case letters, digits, underscores */
        enum fact_part part;
};

enum { FACT_MOST_COLUMNS = 6 };

/* Constant; names and kinds are plain words. */
struct fact_view {
        const char *name; /* NULL: the end of a list */
        const char *kind;
        struct fact_column columns[FACT_MOST_COLUMNS + 1]; /* ended by one without a name */
};

/* The query behind a view: `table` is the table of facts, `keys` the aggregate for FACT_KEYS. Memory loss shows in out->failed. */
void fact_view_query(const struct fact_view *view, const char *table, const char *keys, struct buffer *out);

#endif
