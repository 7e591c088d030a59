/* SPDX-License-Identifier: Apache-2.0 */
/* The keeper from inside: what its duties share. */
#ifndef CHARD_DUTIES_KEEPER_H
#define CHARD_DUTIES_KEEPER_H

#include "broker/broker.h"
#include "core/absence.h"
#include "dlq/dlq.h"
#include "results/results.h"

enum { KEEPER_MOST_QUEUES = 256 };

struct reprocessor;
struct sweeper;
struct alarm;
struct outage;
struct pulse;
struct pipeline;
struct refused_letter;

struct dlq_keeper {
        const struct dlq_config *config;
        struct store *store;
        struct absence store_absence;
        struct broker *broker;
        struct results *results; /* or NULL: no chord can be begun */
        struct topology topology;
        struct task_routes routes;
        struct arena arena;
        const char *queues[KEEPER_MOST_QUEUES]; /* "text.summary.dead"; in the arena */
        size_t queue_count;
        size_t filing; /* letters on their way into the store … */
        size_t bytes;  /* … and how much they hold */
        bool full;     /* too much: no more until most of it is filed */
        bool said;
        unsigned long filed;
        unsigned long refused;       /* times that a letter was refused in every form */
        struct refused_letter *back; /* such letters, unacked, until they go back to their queues */
        uint64_t complained_ms;
        bool consuming, stopping, ended;
        uv_timer_t timer;      /* how long stopping may take */
        uv_timer_t back_timer; /* when refused letters go back */
        unsigned closed;       /* of these two */
        struct reprocessor *reprocessor;
        struct sweeper *sweeper;
        struct alarm *alarm;
        struct outage *outage;
        struct pulse *pulse;
        struct inspection *inspection; /* of the broker's settings; or NULL */
};

/* Each duty: open it, 0 or as dlq_keeper_open; let it begin nothing more; give it back (the store is closed by then). */
int reprocessor_open(struct reprocessor **out, struct dlq_keeper *k, struct problem *why);
void reprocessor_stop(struct reprocessor *r);
void reprocessor_close(struct reprocessor *r);
int sweeper_open(struct sweeper **out, struct dlq_keeper *k);
void sweeper_stop(struct sweeper *s);
void sweeper_close(struct sweeper *s);
int alarm_open(struct alarm **out, struct dlq_keeper *k, struct problem *why);
void alarm_stop(struct alarm *a);
void alarm_close(struct alarm *a);
int outage_open(struct outage **out, struct dlq_keeper *k);
void outage_stop(struct outage *o);
void outage_close(struct outage *o);

/* The keeper's pulse (worker/pulse.h). Returns 0 or -ENOMEM. */
int keeper_pulse_open(struct pulse **out, struct dlq_keeper *k);

/* What a pipeline's tasks may take all together: deadlines of all attempts and the longest back-offs. `deadline_ms` in place of each task's own, or 0. */
int64_t sweep_pipeline_ms(const struct catalog *catalog, const struct pipeline *p, unsigned deadline_ms);

/* Nothing is on its way any more: say so, once. */
void keeper_ended(struct dlq_keeper *k);

#endif
