/* SPDX-License-Identifier: Apache-2.0 */
/* Workers and figures of the whole: the columns of each answer, in the order in which statements select them. */
#include "store/shape.h"

#include <stddef.h>

static const struct shape shape_worker[] = { { "name", SHAPE_TEXT },       { "state", SHAPE_JSON },
                                             { "started_at", SHAPE_TIME }, { "beat_at", SHAPE_TIME },
                                             { "age_ms", SHAPE_NUMBER },   { NULL, 0 } };

const struct answer_part answer_worker[] = { { NULL, shape_worker, ANSWER_ROW }, { 0 } };

const struct answer_part answer_workers[] = { { NULL, shape_worker, ANSWER_ROWS }, { 0 } };

static const struct shape shape_worker_names[] = { { "name", SHAPE_TEXT }, { NULL, 0 } };

const struct answer_part answer_worker_names[] = { { NULL, shape_worker_names, ANSWER_ROWS }, { 0 } };

static const struct shape shape_held_tasks[] = {
        { "owner", SHAPE_TEXT }, { "count", SHAPE_NUMBER }, { "until", SHAPE_TIME }, { NULL, 0 }
};

static const struct shape shape_scheduled_load[] = { { "count", SHAPE_NUMBER },
                                                     { "overdue", SHAPE_NUMBER },
                                                     { "unroutable", SHAPE_NUMBER },
                                                     { "oldest_due_ms", SHAPE_MS },
                                                     { NULL, 0 } };

static const struct shape shape_holder[] = { { "name", SHAPE_TEXT }, { "holder", SHAPE_TEXT }, { NULL, 0 } };

const struct answer_part answer_load[] = { { "held", shape_held_tasks, ANSWER_ROWS },
                                           { "workers", shape_worker, ANSWER_ROWS },
                                           { "scheduled", shape_scheduled_load, ANSWER_ROW },
                                           { "leases", shape_holder, ANSWER_MAP },
                                           { 0 } };

static const struct shape shape_scheduled_figures[] = {
        { "reason", SHAPE_TEXT }, { "count", SHAPE_NUMBER }, { "due", SHAPE_NUMBER }, { NULL, 0 }
};

static const struct shape shape_late[] = { { "late_ms", SHAPE_NUMBER }, { "dead", SHAPE_NUMBER }, { NULL, 0 } };

static const struct shape shape_worker_figures[] = {
        { "name", SHAPE_TEXT }, { "state", SHAPE_JSON }, { "age_ms", SHAPE_NUMBER }, { NULL, 0 }
};

static const struct shape shape_slot_figures[] = { { "name", SHAPE_TEXT },
                                                   { "active", SHAPE_FLAG },
                                                   { "wal_status", SHAPE_TEXT },
                                                   { "safe", SHAPE_NUMBER },
                                                   { "lag", SHAPE_NUMBER },
                                                   { "undelivered_ms", SHAPE_NUMBER },
                                                   { NULL, 0 } };

const struct answer_part answer_figures[] = { { NULL, shape_late, ANSWER_ROW },
                                              { "scheduled", shape_scheduled_figures, ANSWER_ROWS },
                                              { "workers", shape_worker_figures, ANSWER_ROWS },
                                              { "slots", shape_slot_figures, ANSWER_ROWS },
                                              { 0 } };

static const struct shape shape_store[] = { { "server", SHAPE_TEXT },
                                            { "schema", SHAPE_NUMBER },
                                            { "now_us", SHAPE_NUMBER },
                                            { "standby", SHAPE_FLAG },
                                            { "connections", SHAPE_NUMBER },
                                            { "connections_max", SHAPE_NUMBER },
                                            { NULL, 0 } };

static const struct shape shape_store_slot[] = { { "name", SHAPE_TEXT },
                                                 { "active", SHAPE_FLAG },
                                                 { "wal_status", SHAPE_TEXT },
                                                 { "lag", SHAPE_NUMBER },
                                                 { NULL, 0 } };

const struct answer_part answer_store[] = { { NULL, shape_store, ANSWER_ROW },
                                            { "slots", shape_store_slot, ANSWER_ROWS },
                                            { 0 } };
