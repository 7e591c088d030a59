/* SPDX-License-Identifier: Apache-2.0 */
/* What the files that carry out the verbs of dead letters and stale jobs share: they have a link of their own, opened when it is
 * first wanted, so that neither a long page nor a bulk requeue holds up claims and commits. */
#ifndef CHARD_STORE_POSTGRES_DEAD_DEAD_H
#define CHARD_STORE_POSTGRES_DEAD_DEAD_H

#include "store/postgres/postgres.h"

/* A reading call's own copy of what was asked, in one block that the call frees. */
struct dead_ask {
        const struct statement *statement;
        struct dead_query query;
        struct dead_alarm_query alarm;
        int64_t entry;
        bool told; /* the groups are the filter's text */
};

/* Add a statement to the group that files letters, in a consumer's step. 0 or -errno. */
int dead_send_letters(struct pg_link *link, struct pg_group *group, const struct dead_letter *letters, size_t count);

#endif
