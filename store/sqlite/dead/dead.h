/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs of dead letters and stale jobs. */
#ifndef CHARD_STORE_SQLITE_DEAD_DEAD_H
#define CHARD_STORE_SQLITE_DEAD_DEAD_H

#include "store/sqlite/lite.h"

void lite_dead_file(struct store *s, const struct dead_letter *letter, store_done *done, void *arg);
void lite_dead_settle(struct store *s, const struct dead_settle *settle, dead_settled *done, void *arg);
void lite_dead_edit(struct store *s, const struct dead_edit *edit, store_done *done, void *arg);
void lite_dead_read(struct store *s, const struct dead_query *query, dead_page_done *done, void *arg);
void lite_dead_groups(struct store *s, const struct dead_filter *filter, unsigned limit, json_done *done, void *arg);
void lite_dead_count(struct store *s, const struct dead_filter *filter, json_done *done, void *arg);
void lite_dead_history(struct store *s, int64_t entry, json_done *done, void *arg);
void lite_dead_stats(struct store *s, json_done *done, void *arg);
void lite_dead_alarms(struct store *s, const struct dead_alarm_query *query, json_done *done, void *arg);
void lite_dead_alarms_told(struct store *s, const json_t *groups, bool told, json_done *done, void *arg);
void lite_stale_find(struct store *s, const struct stale_query *query, json_done *done, void *arg);
void lite_stale_settle(struct store *s, const struct stale_item *items, size_t count, stale_settled *done, void *arg);

/* File a letter, in any verb's run: SQLITE_OK or the error. */
int lite_file_letter(const struct dead_letter *l, sqlite3 *db, enum store_result *result);

/* ---- filter.c ---- */

/* A reading call, with its own copy of what was asked. */
struct dead_call {
        struct lite_call call; /* its text: a JSON answer */
        const struct statement *sql;
        struct dead_query query; /* its filter's texts are in `asked`, its entries in `entries` */
        struct dead_alarm_query alarm;
        int64_t entry;
        bool told;                   /* the groups are the filter's text */
        struct arena asked, read;    /* `read`: what the letters point to */
        struct buffer entries;       /* as JSON with a NUL behind it */
        struct dead_letter *letters; /* a page; freed with the call */
        size_t count, capacity;
};

/* A call with a copy of the filter, or NULL when memory ran out. */
struct dead_call *dead_call_new(struct lite_store *s, const struct dead_filter *filter, void (*done)(void), void *arg);

/* Give the filter's parameters. */
void dead_bind_filter(struct query *q, const struct dead_call *c);

#endif
