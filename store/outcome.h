/* SPDX-License-Identifier: Apache-2.0 */
/* What a task wants done, as the store commits it: sections of the document, events, rows. Filled with the functions of
 * tasks/task.h; committed in one transaction. */
#ifndef CHARD_OUTCOME_H
#define CHARD_OUTCOME_H

#include "core/arena.h"

#include <jansson.h>

/* Rows that a task changes beside its section. */
enum row_kind {
        ROW_CHARACTER_GRANT, /* key = character code: the user's, once; if it turns out to be owned already, nothing of this
                              * outcome is committed and the task runs again with fresh `owned` */
        ROW_PROFILE_FIELD, /* key = field name, value = its new JSON value */
};

struct row_write {
        struct row_write *next;
        enum row_kind kind;
        const char *user_id, *key; /* in the outcome's arena */
        json_t *value;             /* owned by the outcome; NULL for grants */
};

/* An event: one outbox row and one row of the append-only event table. */
struct event {
        struct event *next;
        const char *aggregate_type, *aggregate_id, *type; /* "scan", root id, "ScanClassified" */
        json_t *payload;                                  /* owned by the outcome */
};

/* What a task wants done. Filled with the functions below; the engine opens and frees it. */
struct outcome {
        struct arena *arena;
        json_t *sections; /* what is added to the document */
        json_t *result;   /* in place of the document; or NULL */
        json_t *sends;    /* canvases that it sends: [{"canvas","as"}], see message.h; or NULL */
        struct event *events, **events_end;
        struct row_write *writes, **writes_end;
};

#endif
