/* SPDX-License-Identifier: Apache-2.0 */
/* The effects of events on their way to the server: what single items and a consumer's steps share. */
#ifndef CHARD_STORE_POSTGRES_RUN_INBOX_H
#define CHARD_STORE_POSTGRES_RUN_INBOX_H

#include "store/postgres/postgres.h"

struct inbox_entry {
        const struct inbox_item *item;
        const char *id;              /* "CONSUMER/EVENT" */
        unsigned char key[KEY_SIZE]; /* from which those of its messages are made */
};

/* In the order in which they are applied. */
struct pg_inbox_batch {
        const struct inbox_entry *entries;
        size_t count;
};

/* Does one of them write a fact once? */
bool inbox_batch_once(const struct pg_inbox_batch *batch);

/* Add their statements to the group: four at most, the first of which, or the second where inbox_batch_once, says what became of them. 0 or -errno. */
int inbox_send_batch(struct pg_link *link, struct pg_group *group, const struct pg_inbox_batch *batch);

#endif
