/* SPDX-License-Identifier: Apache-2.0 */
/* The effects of an event on their way to the file: what single items and a consumer's steps share. */
#ifndef CHARD_STORE_SQLITE_RUN_INBOX_H
#define CHARD_STORE_SQLITE_RUN_INBOX_H

#include "store/sqlite/run/effects.h"

struct lite_inbox_entry {
        const struct inbox_item *item;
        struct lite_effects effects; /* their writer: "CONSUMER/EVENT" */
};

/* Make it, on the loop thread; `id` is what inbox_id_write wrote, and borrowed. False when memory ran out. */
bool lite_inbox_fill(struct lite_inbox_entry *e, const struct inbox_item *item, const char *id);
void lite_inbox_clear(struct lite_inbox_entry *e);

/* Was it acted on before (*result: ALREADY), is it stale (STALE), or neither (DONE)? On the file's thread, as the next one: SQLITE_OK or the error. */
int lite_inbox_look(const struct lite_inbox_entry *e, sqlite3 *db, enum store_result *result);

/* Store it; the keys of its messages are made from `key`. */
int lite_inbox_write(const struct lite_inbox_entry *e, struct lite_call *call, const unsigned char key[KEY_SIZE],
                     sqlite3 *db, int64_t now_us);

#endif
