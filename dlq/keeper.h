/* SPDX-License-Identifier: Apache-2.0 */
/* The keeper from inside: what its duties share. */
#ifndef CHARD_DLQ_KEEPER_H
#define CHARD_DLQ_KEEPER_H

#include "broker/broker.h"
#include "dlq/dlq.h"

enum { KEEPER_MOST_QUEUES = 256 };

struct dlq_keeper {
        const struct dlq_config *config;
        struct store *store;
        struct broker *broker;
        struct topology topology;
        struct arena arena;
        const char *queues[KEEPER_MOST_QUEUES]; /* "scan.vision.dead"; in the arena */
        size_t queue_count;
        size_t filing; /* letters on their way into the store */
        unsigned long filed;
        bool consuming, broker_up, stopping, ended;
        uv_timer_t timer; /* how long stopping may take */
};

/* Nothing is on its way any more: say so, once. */
void keeper_ended(struct dlq_keeper *k);

#endif
