/* SPDX-License-Identifier: Apache-2.0 */
/* What the files that carry out the verbs of dead letters and stale jobs share: they have a link of their own, opened when it is
 * first wanted, so that neither a long page nor a bulk requeue holds up claims and commits. */
#ifndef CHARD_STORE_POSTGRES_DEAD_H
#define CHARD_STORE_POSTGRES_DEAD_H

#include "store/postgres/postgres.h"

/* Columns and conditions of a filter: parameters $1 … $15. */
#define DEAD_FILTER                                                                                                                   \
        " ($2::text = '' or state = $2) and ($3::text = '' or name = $3 or (right($3, 1) = '*' and starts_with(name, left($3, -1))))" \
        " and ($4::text = '' or queue = $4)"                                                                                          \
        " and ($5::text = '' or error_code = $5 or (right($5, 1) = '*' and starts_with(error_code, left($5, -1))))"                   \
        " and ($6::text = '' or group_id = $6) and ($7::text = '' or user_id = $7)"                                                   \
        " and ($8::text = '' or root_id = $8) and ($9::text = '' or task_id = $9)"                                                    \
        " and ($10::text = '' or position(lower($10) in lower(error_message)) > 0)"                                                   \
        " and ($11::int8 = 0 or died_at >= timestamptz 'epoch' + $11 * interval '1 ms')"                                              \
        " and ($12::int8 = 0 or died_at < timestamptz 'epoch' + $12 * interval '1 ms')"                                               \
        " and entry > $13::int8 and ($14::int8 = 0 or entry <= $14) and ($15::int8 < 0 or rounds = $15)"                              \
        " and (cardinality($1::int8[]) = 0 or entry = any ($1))"

/* A reading call's own copy of what was asked, in one block that the call frees. */
struct dead_ask {
        const struct statement *statement;
        struct dead_query query;
        struct dead_alarm_query alarm;
        int64_t entry;
        bool told; /* the groups are the filter's text */
};

#endif
