/* SPDX-License-Identifier: Apache-2.0 */
/* What a task wants done, as the store commits it: sections of the document, events, facts. Filled with the functions of
 * tasks/task.h; committed in one transaction. */
#ifndef CHARD_OUTCOME_H
#define CHARD_OUTCOME_H

#include "core/arena.h"
#include "store/fact.h"

#include <jansson.h>

/* An event: one outbox row and one row of the append-only event table. */
struct event {
        struct event *next;
        const char *aggregate_type, *aggregate_id, *type; /* "order", its id, "OrderPaid" */
        json_t *payload;                                  /* owned by the outcome */
};

/* What a read model shows of one thing: written where it has nothing newer of it. The store passes it over: consumers/models/models.h. */
struct document {
        struct document *next;
        const char *model, *id; /* which read model, and which thing */
        const char *part;       /* of the thing, where the model keeps parts; or "" */
        int64_t version;        /* of the aggregate that is shown */
        json_t *value;          /* an object, owned by the outcome; NULL: it is deleted */
};

/* An event that its consumer hears once more, as what it was not: when some time has passed. */
struct later {
        const char *id;
        unsigned delay_ms;
        json_t *event; /* owned by the outcome */
};

/* What a task wants done. Filled with the functions below; the engine opens and frees it. */
struct outcome {
        struct arena *arena;
        json_t *sections; /* what is added to the document */
        json_t *result;   /* in place of the document; or NULL */
        json_t *sends;    /* canvases that it sends: [{"canvas","as"}], see message.h; or NULL */
        struct event *events, **events_end;
        struct fact *facts, **facts_end;
        struct document *documents, **documents_end; /* a consumer's alone … */
        struct later *later;                         /* … as is this; or NULL */
};

#endif
