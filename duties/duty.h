/* SPDX-License-Identifier: Apache-2.0 */
/* One duty, as open.c runs it: a `const struct duty` at the end of its own file, and one line in the table there. Its rounds come one after the
 * other, on the loop, while this process leads and the store answers; between two of them lies the period. A round ends with duty_done,
 * which may come from a later callback; until then no other begins. */
#ifndef CHARD_DUTIES_DUTY_H
#define CHARD_DUTIES_DUTY_H

#include "duties/duties.h"

struct duty_run;

struct duty {
        const char *name;
        uint64_t every_ms; /* its period, */
        uint64_t (*period_ms)(
                const struct duty_run *run); /* or this: 0 = the settings do not want it, and it is never run */
        void (*round)(struct duty_run *run);
        bool everywhere; /* its rounds come in every process; who does not lead (duty_leads) only looks */

        /* Each may be NULL. */
        int (*open)(struct duty_run *run,
                    struct problem *why);    /* check the settings, make run->state. As duties_open */
        void (*stop)(struct duty_run *run);  /* let what is under way end early */
        void (*close)(struct duty_run *run); /* nothing is under way any more: free run->state */
};

/* A duty in this process. */
struct duty_run {
        const struct duty *duty;
        const struct duties_config *config;
        void *state; /* the duty's own */

        /* open.c alone: */
        struct duties *duties;
        uv_timer_t timer;
        void (*then)(struct duty_run *run); /* when the timer fires; NULL: the next round */
        unsigned holds;
        bool under_way;
};

/* The round is over; the next comes after the period, or after wait_ms. */
void duty_done(struct duty_run *run);
void duty_done_for(struct duty_run *run, uint64_t wait_ms);

/* Go on with `then` in wait_ms, within the round; duty_awake ends the wait. Not called once the duties are stopped. */
void duty_wait(struct duty_run *run, uint64_t wait_ms, void (*then)(struct duty_run *run));
void duty_awake(struct duty_run *run);

/* May it act: is the lead ours for the next moment? Ask before each thing that others notice. */
bool duty_leads(const struct duty_run *run);

/* Are the duties stopped? Then a round ends as soon as it can. */
bool duty_stopping(const struct duty_run *run);

/* Something is under way that neither the store nor the results answer: `close` waits for duty_drop, after which `run` may be gone. */
void duty_hold(struct duty_run *run);
void duty_drop(struct duty_run *run);

#endif
