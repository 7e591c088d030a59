/* SPDX-License-Identifier: Apache-2.0 */
/* Dead letters: the columns of each answer, in the order in which statements select them. */
#include "store/shape.h"

#include <stddef.h>

/* The latest entry's texts, and figures of all. */
#define SHAPE_GROUP                                                                                                    \
        { "group", SHAPE_TEXT }, { "name", SHAPE_TEXT }, { "queue", SHAPE_TEXT }, { "source", SHAPE_TEXT },            \
                { "code", SHAPE_TEXT }, { "cause", SHAPE_TEXT }, { "verdict", SHAPE_TEXT }, { "message", SHAPE_TEXT }, \
                { "count", SHAPE_NUMBER }, { "entry", SHAPE_NUMBER }, { "edited", SHAPE_NUMBER },                      \
                { "users", SHAPE_NUMBER }, { "first_died_at", SHAPE_MS },                                              \
        {                                                                                                              \
                "last_died_at", SHAPE_MS                                                                               \
        }

static const struct shape shape_group[] = { SHAPE_GROUP, { NULL, 0 } };

static const struct shape shape_alarm[] = {
        SHAPE_GROUP, { "new", SHAPE_FLAG }, { "before", SHAPE_NUMBER }, { NULL, 0 }
};

const struct answer_part answer_groups[] = { { NULL, shape_group, ANSWER_ROWS }, { 0 } };

const struct answer_part answer_alarms[] = { { NULL, shape_alarm, ANSWER_ROWS }, { 0 } };

static const struct shape shape_dead_count[] = {
        { "count", SHAPE_NUMBER }, { "upto", SHAPE_NUMBER }, { "edited", SHAPE_NUMBER }, { NULL, 0 }
};

const struct answer_part answer_dead_count[] = { { NULL, shape_dead_count, ANSWER_ROW }, { 0 } };

static const struct shape shape_acts[] = { { "at", SHAPE_MS },        { "action", SHAPE_TEXT },
                                           { "who", SHAPE_TEXT },     { "reason", SHAPE_TEXT },
                                           { "scope", SHAPE_TEXT },   { "operation", SHAPE_TEXT },
                                           { "count", SHAPE_NUMBER }, { NULL, 0 } };

const struct answer_part answer_acts[] = { { NULL, shape_acts, ANSWER_ROWS }, { 0 } };

static const struct shape shape_dead_totals[] = { { "at", SHAPE_MS },
                                                  { "kept", SHAPE_NUMBER },
                                                  { "groups", SHAPE_NUMBER },
                                                  { "oldest_died_at", SHAPE_MS },
                                                  { NULL, 0 } };

static const struct shape shape_dead_rates[] = { { "name", SHAPE_TEXT },         { "queue", SHAPE_TEXT },
                                                 { "code", SHAPE_TEXT },         { "kept", SHAPE_NUMBER },
                                                 { "oldest_died_at", SHAPE_MS }, { "in_1m", SHAPE_NUMBER },
                                                 { "in_5m", SHAPE_NUMBER },      { "in_1h", SHAPE_NUMBER },
                                                 { "out_1m", SHAPE_NUMBER },     { "out_5m", SHAPE_NUMBER },
                                                 { "out_1h", SHAPE_NUMBER },     { NULL, 0 } };

const struct answer_part answer_dead_figures[] = { { NULL, shape_dead_totals, ANSWER_ROW },
                                                   { "rows", shape_dead_rates, ANSWER_ROWS },
                                                   { 0 } };
