/* SPDX-License-Identifier: Apache-2.0 */
/* The queues of the fleet, and what waits in its store. The broker and the store are asked when somebody looks, and what they said is good for a second.
 * Neither holds up an answer for long. Loop thread. */
#ifndef CHARD_OBSERVE_FLEET_H
#define CHARD_OBSERVE_FLEET_H

#include "observe/meter.h"
#include "observe/picture.h"

struct fleet;

struct fleet_config {
        uv_loop_t *loop;
        struct broker *broker; /* NULL: nothing is known of the queues, until fleet_use */
        struct store *store;
        const char *const *queues; /* names are borrowed as long as the fleet lives */
        size_t queue_count;
};

/* Returns 0 or -ENOMEM. */
int fleet_open(struct fleet **out, const struct fleet_config *config);

/* The broker is there now. */
void fleet_use(struct fleet *f, struct broker *broker);

/* Ask; `done` is called once, maybe from inside, when all is known, or has not been said in time. */
typedef void fleet_done(void *arg);
void fleet_look(struct fleet *f, fleet_done *done, void *arg);

/* After that: how a queue is, by its number. / Its name; NULL: there are no more. */
struct picture fleet_queue(struct fleet *f, size_t at);
const char *fleet_queue_name(const struct fleet *f, size_t at);

/* What the store said, as store_read.figures has it; borrowed for the length of this turn. NULL: it has not said it lately. */
const json_t *fleet_figures(const struct fleet *f);

/* Show it all in these metrics, as far as it is known. */
void fleet_show(struct fleet *f, struct metrics *m);

/* Whoever still waits is answered. Before broker and store are closed; the loop must turn until it is idle. NULL: nothing. */
void fleet_close(struct fleet *f);

#endif
