/* SPDX-License-Identifier: Apache-2.0 */
/* The JSON that readers of a store get, the same for every backend: a backend selects the columns of a shape in its order, here they become members.
 * Which answer a statement gives is said beside it, in its .sql file (scripts/statements). */
#ifndef CHARD_STORE_SHAPE_H
#define CHARD_STORE_SHAPE_H

#include "core/bytes.h"

#include <stdbool.h>
#include <stdint.h>

enum shape_kind {
        SHAPE_TEXT,
        SHAPE_NUMBER,
        SHAPE_FLAG, /* of a number: true or false */
        SHAPE_TIME, /* of microseconds since 1970: ISO 8601 in UTC */
        SHAPE_MS,   /* of microseconds: milliseconds */
        SHAPE_NANO, /* of a number: a thousand millionth of it */
        SHAPE_JSON, /* of JSON text: its value */
        SHAPE_HEX,  /* of bytes: hexadecimal digits */
};

/* One member; a shape is a list of them that ends with one without a name. A cell that is null is null, whatever its kind. */
struct shape {
        const char *name;
        enum shape_kind kind;
};

/* What a column holds: a number, or bytes. */
struct cell {
        bool null;
        int64_t number;
        struct bytes bytes;
};

/* How a backend reads a column of its current row, from the first one on. What it gives is borrowed until the next call. */
typedef struct cell shape_read(void *row, int column);

/* One that is given an array of cells. */
struct cell shape_read_cells(void *cells, int column);

/* Append a row as an object. Memory loss shows in json->failed. Any thread. */
void shape_add(struct buffer *json, const struct shape *shape, shape_read *read, void *row);

enum answer_kind {
        ANSWER_ROW,  /* the only row, an object; where there is none, null */
        ANSWER_ROWS, /* all rows, a list */
        ANSWER_MAP,  /* all rows, an object: the first column, a text, names the second */
};

/* A part of an answer: a member of that name, or without a name an only row's members; an answer is a list of at most ANSWER_PARTS_MAX parts that ends with one
 * without a shape. The value of an answer's only part, where it has no name, is the answer. */
struct answer_part {
        const char *name;
        const struct shape *shape;
        enum answer_kind kind;
};

enum { ANSWER_PARTS_MAX = 4 };

/* An answer being put together; zero-initialise to start. Rows of different parts may come in any order. */
struct answer {
        struct buffer parts[ANSWER_PARTS_MAX];
};

/* Add a row to the part number `part`. Any thread. */
void answer_add(struct answer *answer, const struct answer_part *parts, unsigned part, shape_read *read, void *row);

/* Append the whole to json, and give the memory back. Nothing is appended when a part that is a nameless row has none: what was asked for is not there.
 * Memory loss, here or before, shows in json->failed. */
void answer_end(struct answer *answer, const struct answer_part *parts, struct buffer *json);

/* True when a row says which part it is of, because there are several. */
bool answer_has_parts(const struct answer_part *parts);

/* shapes/ has them all. */
extern const struct answer_part
        /* run.h, schedule.h */
        answer_owed[],
        answer_scheduled[], answer_upcoming[],
        /* read.h */
        answer_worker[], answer_workers[], answer_worker_names[], answer_job[], answer_trail[], answer_job_page[],
        answer_found[], answer_job_steps[], answer_load[], answer_figures[], answer_store[], answer_chord_parts[],
        answer_outbox[], answer_outbox_text[], answer_cancelled[], answer_stale[],
        /* dead_letter.h */
        answer_groups[], answer_alarms[], answer_dead_count[], answer_acts[], answer_dead_figures[],
        /* fleet.h, access.h, webhook.h, blob.h */
        answer_lease[], answer_once[], answer_id[], answer_keys[], answer_revoked_keys[], answer_webhook_tries[],
        answer_webhooks[], answer_webhooks_again[], answer_missing[], answer_count[],
        /* consumer.h */
        answer_consumer[], answer_held[], answer_waiting[], answer_consumers[], answer_aggregates[], answer_history[],
        /* cdc.h, seal.h */
        answer_capture[], answer_place[], answer_backfill[], answer_days[], answer_day[], answer_seal[],
        /* carry.h */
        answer_carry_jobs[], answer_carry_tasks[], answer_carry_events[], answer_carry_facts[], answer_carry_inbox[],
        answer_carry_once[], answer_carry_keys[], answer_carry_webhooks[], answer_carry_audits[], answer_carry_dead[],
        answer_carry_untold[], answer_carry_scheduled[];

#endif
