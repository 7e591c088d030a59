/* SPDX-License-Identifier: Apache-2.0 */
/* Events that a consumer has in hand, and which of them it may think about at once: those that no earlier one has to come before. Pure. */
#ifndef CHARD_CONSUMERS_BATCH_H
#define CHARD_CONSUMERS_BATCH_H

#include "core/arena.h"
#include "core/trace.h"
#include "observe/otlp/live.h"
#include "store/consumer.h"
#include "tasks/consumer.h"

enum heard_state {
        HEARD_OPEN,
        HEARD_NOW,  /* it is being acted on */
        HEARD_OVER, /* acted on, put aside, filed as a dead letter; or nothing that the consumer hears */
};

/* What is to be done about one that is being acted on. */
enum heard_verdict { HEARD_ACTS, HEARD_WAITS, HEARD_DIES };

/* One event. Its texts live in the batch's arena. */
struct heard {
        json_t *whole;
        struct consumer_event event;
        const char *id;                       /* its own; one that has none is known by its place */
        const char *key;                      /* what comes in order: "TYPE/ID" of its aggregate */
        const char *position;                 /* in the outbox; NULL: it was put aside before */
        int64_t number;                       /* … under this number */
        size_t left;                          /* … and so many with its key, itself included */
        unsigned attempts;                    /* that failed */
        struct fact_set sees[TASK_MOST_SEES]; /* that have an owner */
        unsigned see_count;
        enum heard_state state;

        /* While it is being acted on: think.c. */
        enum heard_verdict verdict;
        bool again; /* it waits because it failed, and not behind another one */
        bool transient;
        unsigned stales; /* alone, a fact that is written once was in its way so often */
        bool refused;    /* the store would not have its dead letter */
        bool undone;     /* it dies, and the outcome says what those before it must undo */
        struct problem why;
        struct arena arena;
        struct outcome outcome;
        struct trace_context trace;
        const char *span_context; /* the same, for what it writes; or NULL */
        struct live_span span;
        unsigned delay_ms;                         /* it waits for so long */
        struct message *messages, *letter_message; /* owned */
        struct scheduled *scheduled;
        size_t message_count;
        struct buffer text;    /* of the event; or, where it acts, of what it hears later … */
        const char *later_key; /* … and under which key */
        struct dead_letter letter;
};

struct batch {
        struct arena arena;
        struct heard *list;
        size_t count;
        bool waited; /* they were put aside before: they have no place in the outbox */
};

/* Make one of a page of the outbox (store_consumer's page), or of what waited. Takes nothing. 0 or -ENOMEM; then it is empty. */
int batch_of_page(struct batch *b, const struct consumer_def *def, const json_t *page);
int batch_of_waiting(struct batch *b, const struct consumer_def *def, const json_t *due);
void batch_clear(struct batch *b);

/* Mark (HEARD_NOW) what can be acted on together, in order, `most` at most: of no two the same aggregate or seen facts, and none that must come after one
 * that is open. Returns how many; 0: the batch is over; or -ENOMEM. */
int batch_wave(struct batch *b, unsigned most);

/* The place up to which all are over once the marked ones are; NULL: as before. */
const char *batch_position(const struct batch *b);

/* The marked ones are over, or open again. Gives back what belongs to acting on them. */
void batch_unmark(struct batch *b, enum heard_state state);

/* What it leads to is thought about anew: its outcome, and what it sends, are given back. */
void heard_forget(struct heard *h);

#endif
