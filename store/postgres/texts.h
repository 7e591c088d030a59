/* SPDX-License-Identifier: Apache-2.0 */
/* Calls whose parameters are a few texts. */
#ifndef CHARD_STORE_POSTGRES_TEXTS_H
#define CHARD_STORE_POSTGRES_TEXTS_H

#include "store/postgres/postgres.h"

enum { TEXTS_MAX = 5 };

struct texts_call {
        const struct statement *statement;
        size_t count;
        const char *texts[TEXTS_MAX]; /* behind the struct */
};

/* At most TEXTS_MAX texts, which are copied. The caller's, to be freed with free; NULL when memory ran out. */
struct texts_call *texts_call_new(const struct statement *statement, const char *const texts[], size_t count);

/* A verb's `send`, for one call at a time: few of these are made, and far between, so nothing is prepared for them. */
int send_texts(struct pg_link *link, struct pg_group *group);

/* Make such a call and hand it to its verb, which sends it by send_texts and answers with JSON. Without memory it is refused as STORE_STARVED.
 * On the loop's thread. */
void texts_call_add(struct store *s, const struct pg_verb *verb, const struct statement *statement,
                    const char *const texts[], size_t count, json_done *done, void *arg);

#endif
