/* SPDX-License-Identifier: Apache-2.0 */
/* One consumer in this process: while its lease is ours it takes itself, reads, thinks, steps, and reads on. */
#ifndef CHARD_CONSUMERS_CONSUMING_H
#define CHARD_CONSUMERS_CONSUMING_H

#include "consumers/consumers.h"
#include "consumers/kafka/stream.h"
#include "consumers/models/models.h"
#include "consumers/step.h"
#include "consumers/think.h"
#include "core/map.h"
#include "duties/lead.h"
#include "message/routes.h"

enum { POSITION_SIZE = 64, LEASE_NAME_SIZE = 80 };

struct consuming {
        const struct consumers_config *config;
        const struct task_routes *routes;
        const struct consumer *what;
        struct store *store;
        struct read_models *models; /* where read models are kept; or NULL */
        json_t *history;            /* of the wave's aggregates; or NULL */
        struct model_write *writes; /* of the wave; or NULL */
        struct heard **writers;     /* … and whose each is */
        size_t write_count;
        unsigned model_setbacks;     /* times in a row that its read models could not be written */
        struct lead lead;            /* of the store's events; where they come from Kafka, its group says who acts */
        struct kafka_stream *stream; /* or NULL */
        json_t *rows;                /* a batch of its records, until that is over; or NULL */
        json_t *dead;                /* … and its dead letters, as records */
        bool missed;                 /* records, so that the event store is asked first … */
        bool catching_up;            /* … and the batch in hand is from there … */
        bool caught_up;              /* … and the last of it: what comes after that comes from Kafka too */
        unsigned long long caught;   /* events of it */
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
        uint64_t began_us; /* when the step under way was handed to the store */
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

/* Begin; `c` has config, routes, what, store, end, gone and arg. 0; 1 with `why` (as stream_open; code "no_topics"); or -ENOMEM. It is closed in each case. */
int consuming_start(struct consuming *c, struct problem *why);

/* Something may be new. */
void consuming_touch(struct consuming *c);

/* Finish what is under way, then call `end`. */
void consuming_stop(struct consuming *c);

/* The store has been closed: end the handles, then call `gone`. */
void consuming_close(struct consuming *c);

/* ---- what consuming.c and acting.c share ---- */

enum {
        CONSUMING_PAGE = 200,
        CONSUMING_MOST_STALES = 5,
        CONSUMING_LOOK_MS = 1000, /* a dead letter may have been requeued */
        CONSUMING_QUICK_MS = 20,  /* between two looks for news, while there are some … */
        CONSUMING_QUICK_FOR_MS = 2000,
        CONSUMING_SLOW_MS = 200,  /* … and else; */
        CONSUMING_TOUCHED_MS = 2, /* what is written together is read together */
        CONSUMING_TOLD_MS = 1000, /* or where the store tells when something is new */
        CONSUMING_AGAIN_MS = 200, /* after what failed */
        CONSUMING_STORE_MS = 250, /* a position alone, of events that it does not hear, is stored so often */
};

const char *consuming_name(const struct consuming *c);

/* What is next: nothing is under way. */
void consuming_turn(struct consuming *c);
void consuming_wait(struct consuming *c, uint64_t wait_ms); /* … in so long */

/* Say what failed, once until it goes well again, and go on in a moment; `why` NULL: memory ran out. */
void consuming_complain(struct consuming *c, const char *what, const struct problem *why);

/* What Kafka had no more has been acted on. */
void consuming_end_missed(struct consuming *c);

/* Others may act: what is in hand is theirs. */
void consuming_let_go(struct consuming *c);

/* ---- acting.c ---- */

/* The next wave of the batch; or it is over. */
void consuming_wave(struct consuming *c);

/* What was thought, as the store takes it; and what thinks. */
void consuming_step(struct consuming *c);
struct thinking consuming_thinking(struct consuming *c, const json_t *facts);

/* Where it stands, of events that it does not hear. */
void consuming_store_position(struct consuming *c);

/* ---- projecting.c ---- */

/* Write what the wave shows in read models, and then the step. */
void consuming_project(struct consuming *c);

/* What belongs to a wave's read models is given back. */
void consuming_forget_models(struct consuming *c);

#endif
