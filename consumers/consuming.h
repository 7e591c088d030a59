/* SPDX-License-Identifier: Apache-2.0 */
/* One consumer in this process: while its lease is ours it takes itself, reads, thinks, steps, and reads on. */
#ifndef CHARD_CONSUMERS_CONSUMING_H
#define CHARD_CONSUMERS_CONSUMING_H

#include "consumers/consumers.h"
#include "consumers/step.h"
#include "core/map.h"
#include "duties/lead.h"
#include "message/routes.h"

enum { POSITION_SIZE = 64, LEASE_NAME_SIZE = 80 };

struct consuming {
        const struct consumers_config *config;
        const struct task_routes *routes;
        const struct consumer *what;
        struct store *store;
        struct lead lead;
        char lease[LEASE_NAME_SIZE], does[LEASE_NAME_SIZE];
        bool taken; /* the epoch is ours, as far as we know */
        int64_t epoch;
        char position[POSITION_SIZE]; /* all before it is over … */
        char stored[POSITION_SIZE];   /* … and this is what the store knows of that */
        uint64_t stored_ms;
        struct map *held;   /* aggregates of which events wait: struct held */
        struct batch batch; /* in hand; count 0: none */
        unsigned most;      /* events in the next step */
        struct step_draft draft;
        uint64_t look_ms;  /* when what waits is looked at again */
        uint64_t heard_ms; /* when there was something to read last */
        bool touched;      /* the timer runs because something may be new */
        bool told;         /* by the store, when something may be new: it need not be asked all the time */
        bool busy;         /* the store is asked something */
        bool stopping, ended;
        bool complained; /* of what fails, once until it goes well again */
        uv_timer_t timer;
        unsigned open;                      /* handles of it that are not closed */
        void (*acted)(struct consuming *c); /* it has stored something that others may hear; or NULL */
        void (*end)(struct consuming *c);   /* after consuming_stop */
        void (*gone)(struct consuming *c);  /* after consuming_close: its memory is not needed any more */
        void *arg;
};

/* Begin; `c` has config, routes, what, store, end, gone and arg. 0 or -ENOMEM. */
int consuming_start(struct consuming *c);

/* Something may be new. */
void consuming_touch(struct consuming *c);

/* Finish what is under way, then call `end`. */
void consuming_stop(struct consuming *c);

/* The store has been closed: end the handles, then call `gone`. */
void consuming_close(struct consuming *c);

#endif
