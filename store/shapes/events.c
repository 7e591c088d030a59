/* SPDX-License-Identifier: Apache-2.0 */
/* Events: the outbox, consumers, change data capture, seals: the columns of each answer, in the order in which statements select them. */
#include "store/shape.h"

#include <stddef.h>

static const struct shape shape_outbox[] = { { "position", SHAPE_TEXT },       { "id", SHAPE_TEXT },
                                             { "aggregate_type", SHAPE_TEXT }, { "aggregate_id", SHAPE_TEXT },
                                             { "type", SHAPE_TEXT },           { "payload", SHAPE_JSON },
                                             { "created_at", SHAPE_TIME },     { "tracingspancontext", SHAPE_TEXT },
                                             { "backfill", SHAPE_TEXT },       { NULL, 0 } };

const struct answer_part answer_outbox[] = { { NULL, shape_outbox, ANSWER_ROWS }, { 0 } };

static const struct shape shape_outbox_text[] = { { "position", SHAPE_TEXT },
                                                  { "id", SHAPE_TEXT },
                                                  { "aggregate_type", SHAPE_TEXT },
                                                  { "aggregate_id", SHAPE_TEXT },
                                                  { "type", SHAPE_TEXT },
                                                  { "payload", SHAPE_TEXT },
                                                  { "created_at", SHAPE_TIME },
                                                  { "tracingspancontext", SHAPE_TEXT },
                                                  { NULL, 0 } };

const struct answer_part answer_outbox_text[] = { { NULL, shape_outbox_text, ANSWER_ROWS }, { 0 } };

static const struct shape shape_consumer[] = { { "position", SHAPE_TEXT }, { "epoch", SHAPE_NUMBER }, { NULL, 0 } };

static const struct shape shape_held[] = { { "key", SHAPE_TEXT }, { "count", SHAPE_NUMBER }, { NULL, 0 } };

const struct answer_part answer_consumer[] = { { NULL, shape_consumer, ANSWER_ROW },
                                               { "held", shape_held, ANSWER_MAP },
                                               { 0 } };

const struct answer_part answer_held[] = { { NULL, shape_held, ANSWER_MAP }, { 0 } };

static const struct shape shape_due[] = { { "number", SHAPE_NUMBER },
                                          { "key", SHAPE_TEXT },
                                          { "event_id", SHAPE_TEXT },
                                          { "attempts", SHAPE_NUMBER },
                                          { "left", SHAPE_NUMBER },
                                          { "event", SHAPE_TEXT },
                                          { NULL, 0 } };

static const struct shape shape_wait[] = { { "wait_ms", SHAPE_NUMBER }, { NULL, 0 } };

const struct answer_part answer_waiting[] = { { "due", shape_due, ANSWER_ROWS },
                                              { NULL, shape_wait, ANSWER_ROW },
                                              { 0 } };

static const struct shape shape_consumers[] = { { "name", SHAPE_TEXT },     { "position", SHAPE_TEXT },
                                                { "taken_by", SHAPE_TEXT }, { "taken_ms", SHAPE_MS },
                                                { "moved_ms", SHAPE_MS },   { "waiting", SHAPE_NUMBER },
                                                { "behind", SHAPE_NUMBER }, { NULL, 0 } };

const struct answer_part answer_consumers[] = { { NULL, shape_consumers, ANSWER_ROWS }, { 0 } };

static const struct shape shape_history[] = { { "id", SHAPE_TEXT },         { "type", SHAPE_TEXT },
                                              { "version", SHAPE_NUMBER },  { "payload", SHAPE_JSON },
                                              { "created_at", SHAPE_TIME }, { NULL, 0 } };

const struct answer_part answer_history[] = { { NULL, shape_history, ANSWER_ROWS }, { 0 } };

static const struct shape shape_aggregates[] = { { "aggregate_type", SHAPE_TEXT },
                                                 { "aggregate_id", SHAPE_TEXT },
                                                 { NULL, 0 } };

const struct answer_part answer_aggregates[] = { { NULL, shape_aggregates, ANSWER_ROWS }, { 0 } };

static const struct shape shape_database[] = { { "database", SHAPE_TEXT }, { "wal_level", SHAPE_TEXT }, { NULL, 0 } };

static const struct shape shape_slot[] = { { "name", SHAPE_TEXT },        { "plugin", SHAPE_TEXT },
                                           { "active", SHAPE_FLAG },      { "wal_status", SHAPE_TEXT },
                                           { "safe", SHAPE_NUMBER },      { "lag", SHAPE_NUMBER },
                                           { "confirmed", SHAPE_NUMBER }, { NULL, 0 } };

static const struct shape shape_publication[] = { { "name", SHAPE_TEXT },     { "insert", SHAPE_FLAG },
                                                  { "update", SHAPE_FLAG },   { "delete", SHAPE_FLAG },
                                                  { "truncate", SHAPE_FLAG }, { "via_root", SHAPE_FLAG },
                                                  { "tables", SHAPE_JSON },   { NULL, 0 } };

const struct answer_part answer_capture[] = { { NULL, shape_database, ANSWER_ROW },
                                              { "slots", shape_slot, ANSWER_ROWS },
                                              { "publications", shape_publication, ANSWER_ROWS },
                                              { 0 } };

static const struct shape shape_place[] = { { "ms", SHAPE_NUMBER }, { NULL, 0 } };

const struct answer_part answer_place[] = { { NULL, shape_place, ANSWER_ROW }, { 0 } };

static const struct shape shape_backfill[] = {
        { "events", SHAPE_NUMBER }, { "aggregates", SHAPE_NUMBER }, { "done", SHAPE_NUMBER }, { NULL, 0 }
};

const struct answer_part answer_backfill[] = { { NULL, shape_backfill, ANSWER_ROW }, { 0 } };

static const struct shape shape_days[] = { { "day", SHAPE_TEXT }, { "sealed", SHAPE_FLAG }, { NULL, 0 } };

const struct answer_part answer_days[] = { { NULL, shape_days, ANSWER_ROWS }, { 0 } };

static const struct shape shape_day[] = {
        { "day", SHAPE_TEXT }, { "events", SHAPE_NUMBER }, { "digest", SHAPE_TEXT }, { NULL, 0 }
};

static const struct shape shape_day_seal[] = { { "events", SHAPE_NUMBER },
                                               { "digest", SHAPE_TEXT },
                                               { "chain", SHAPE_TEXT },
                                               { "holds", SHAPE_FLAG },
                                               { NULL, 0 } };

const struct answer_part answer_day[] = { { NULL, shape_day, ANSWER_ROW },
                                          { "sealed", shape_day_seal, ANSWER_ROW },
                                          { 0 } };

static const struct shape shape_seal[] = {
        { "day", SHAPE_TEXT }, { "events", SHAPE_NUMBER }, { "chain", SHAPE_TEXT }, { NULL, 0 }
};

const struct answer_part answer_seal[] = { { NULL, shape_seal, ANSWER_ROW }, { 0 } };
