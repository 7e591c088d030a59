/* SPDX-License-Identifier: Apache-2.0 */
/* Standing for the lead of what one process of a fleet does: a lease in the store, asked for again at a third of its length, or when another's is over.
 * On the loop. */
#ifndef CHARD_DUTIES_LEAD_H
#define CHARD_DUTIES_LEAD_H

#include "store/fleet.h"

#include <uv.h>

struct lead {
        struct store *store;
        const char *name;        /* of who stands for it; borrowed, as the next three */
        const char *lease;       /* its name: "duties" */
        const char *area, *does; /* for the log: "duties", "does the duties of the fleet" */
        char token[40];          /* this process's own: two of one name are two */
        unsigned lease_ms;
        uv_timer_t timer;
        uint64_t asked_ms; /* when the question under way was asked, by this process's clock */
        uint64_t until_ms; /* ours until then, as far as this process may rely on it */
        bool asking, stopped;
        bool told; /* it is ours, as far as `changed` knows */
        void (*changed)(void *arg);
        void (*back)(void *arg); /* after lead_stop: others may have it */
        void *arg;
        char holder[256]; /* who has it, as the log knows it */
};

/* Begin. What points elsewhere is borrowed until the loop has closed the timer, which lead_close asks for. */
void lead_start(struct lead *l, uv_loop_t *loop);

/* Is it ours now, and for a moment yet? */
bool lead_is_ours(const struct lead *l);

/* Ask no more, and let others have it at once. */
void lead_stop(struct lead *l);

/* The store has been closed: end the timer; `closed` as of uv_close, with `timer.data` as lead_start left it: l. */
void lead_close(struct lead *l, uv_close_cb closed);

#endif
