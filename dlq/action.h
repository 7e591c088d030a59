/* SPDX-License-Identifier: Apache-2.0 */
/* What is done to kept entries: requeue, discard, … An action is one file of this folder with its `const struct dlq_action`: its command
 * (`chard dlq NAME`), its rehearsal, its audit and the state of its entries come of that. */
#ifndef CHARD_DLQ_ACTION_H
#define CHARD_DLQ_ACTION_H

#include "dlq/letter.h"

/* What an action may look at beside the entry. */
struct dlq_subject {
        const struct catalog *catalog;
        const char *to;  /* the queue to send entries to, or NULL: their own */
        size_t max_body; /* the largest body that a worker reads */
};

struct dlq_action {
        struct dead_action does; /* as the store has it; its name is the command's */
        const char *summary;     /* of the command, as the next two: "Give entries up; …" */
        const char *example;     /* one or more lines to copy */
        const char *details;     /* a paragraph, or NULL */
        const char *would
                [2]; /* after the number of entries, of one and of several: "entry would be discarded: …"; NULL: the dispositions say it */
        const char *already; /* of an entry that it was done to before: "it was discarded already" */
        bool asks;           /* also before it is done to one entry that was named */
        /* What will become of an entry, as far as can be told before; with `out`, *out gets the message that is sent, or NULL. Where nothing is sent, it is done
         * to those that are DISPOSITION_SENT. NULL: to all. */
        enum letter_disposition (*judge)(const struct dlq_subject *subject, const struct dead_letter *letter,
                                         struct message **out);
};

/* All of them, ended by NULL: those that this folder's files define (scripts/table). / The one of that name, or NULL. */
extern const struct dlq_action *const dlq_actions[];
const struct dlq_action *dlq_action_named(const char *name);

extern const struct dlq_action dlq_requeue, dlq_discard;

#endif
