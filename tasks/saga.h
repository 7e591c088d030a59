/* SPDX-License-Identifier: Apache-2.0 */
/* A saga by orchestration: one table says which steps something takes, what each asks for, how long an answer may take, and what undoes it. Whoever does
 * a step is a consumer like any other: it hears what is asked, an event, and answers with an event. The table is carried out by a consumer whose
 * function is saga_act (saga_act.h); what it decides is pure.
 *
 * A saga is about one thing, whose id each of its events names where the consumer's `sees` says (FACT_SAGA). Where it stands is a row of facts of that
 * kind, owned by that id: "NAME/1", "NAME/2" …, each written once, with what it has come to. So whoever is first makes a move; a process that begins
 * anew goes on from the last. Time-outs wait in the store (outcome_later), in the transaction of the move that they belong to.
 *
 *     begins -> step 1 asks -> done -> step 2 asks -> done … -> DONE, and `ends` is told
 *                          \-> failed, or no answer: the steps before (and one that did not answer) are undone, last first -> FAILED, and `fails` is told
 *
 * An undo is asked for again, in longer and longer pauses, until it is answered. What comes when its step is over changes nothing. */
#ifndef CHARD_SAGA_H
#define CHARD_SAGA_H

#include "core/problem.h"

#include <stdbool.h>
#include <stddef.h>

enum { SAGA_MOST_STEPS = 8 };

#define FACT_SAGA     "saga"
#define SAGA_TIME_OUT "SagaTimedOut" /* the type of the event that a time-out is; nobody writes it */

/* An event that it writes: of this type of aggregate, whose id is the saga's; NULL: none. Its payload is that of the event that began the saga, with a
 * member for each step that has been answered, the answer's payload. */
struct saga_event {
        const char *aggregate_type, *type;
};

struct saga_step {
        const char *name;
        struct saga_event asks;
        const char *done, *failed; /* types of the events that answer; `failed` NULL: it can only time out */
        struct saga_event undoes;  /* a step that was answered "failed" is not undone: it has done nothing */
        const char *undone;        /* answers that; NULL: it is not waited for */
        unsigned timeout_ms;       /* of each answer; 0 = none */
        unsigned times;            /* that it asks, at most, before its answer counts as missing; 0 = 1 */
};

struct saga_def {
        const char *begins;                          /* a type of event */
        struct saga_step steps[SAGA_MOST_STEPS + 1]; /* ended by one without a name */
        struct saga_event ends, fails;
};

/* Is it a table that can be carried out by the consumer `name`, which first sees facts of the kind `sees`? 0; 1 with `why` (source "consumer", code "bad_data"). */
int saga_check(const char *name, const struct saga_def *saga, const char *sees, struct problem *why);

/* How many steps it has. / Is it this type? One that is NULL is none. */
size_t saga_count(const struct saga_def *saga);
bool saga_is(const char *type, const char *other);

/* Does it wait for events of this type? / The types that it waits for, one after the other; NULL: no more. */
bool saga_hears(const struct saga_def *saga, const char *type);
const char *saga_heard(const struct saga_def *saga, size_t n);

#endif
