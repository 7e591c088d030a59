/* SPDX-License-Identifier: Apache-2.0 */
/* Says whether a process consumes, from the consuming itself: consumers registered, frames coming, loop turning, store answering.
 * Looked at twice a second, and told to the process's row in the store (chard ping NAME) and to a health file (chard ping --file).
 * On the loop thread; never blocks but for writing that file. */
#ifndef CHARD_WORKER_HEALTH_PULSE_H
#define CHARD_WORKER_HEALTH_PULSE_H

#include "broker/broker.h"
#include "core/absence.h"
#include "store/run.h"

#include <uv.h>

enum { PULSE_BEAT_MS = 2000 }; /* between two beats into the store */

struct pulse;

/* Whose pulse it is; what it points at is borrowed until pulse_close. */
struct pulse_config {
        uv_loop_t *loop;
        struct broker *broker;
        struct store *store;
        size_t queue_count; /* that it should consume */
        unsigned heartbeat_s;
        bool publishes;                /* a broker that takes no publishes is a fault, too */
        struct absence *store_absence; /* told by who opened the store; looked at here. May be NULL */
        const char *health_file;       /* NULL or "" = none */
        const char *area;              /* of the log, where that file can't be written */
        const char *without_the_store; /* what a store that is away comes to: "so no work is taken" */

        /* Are all the consumers there that there should be? */
        bool (*complete)(const struct broker_health *now, void *arg);

        /* What its row says besides "consuming" and "why", as an object that the caller owns; NULL: it is about to close, tell no more. */
        json_t *(*state)(void *arg);

        /* It consumes (`why` is empty), or no longer does; `first` is what is found once it has started. Not called for what follows from a broker or a store
         * that is away, which is told as that (core/absence.h). */
        void (*changed)(const char *why, bool first, void *arg);

        /* After pulse_stop: its row has been told, or never will be. May be NULL. */
        void (*stopped)(void *arg);
        void *arg;
};

/* Begin to look. Returns 0 or -ENOMEM. */
int pulse_open(struct pulse **out, const struct pulse_config *config);

/* Look now: something has changed. */
void pulse_look(struct pulse *p);

/* Did it consume when it last looked? If not: why, for the length of this turn. */
bool pulse_ready(const struct pulse *p, const char **why);

/* Say that it is stopping, and go on saying so. */
void pulse_stop(struct pulse *p);

/* True while its last word is on its way to a store that answers. */
bool pulse_busy(const struct pulse *p);

/* Give it back (NULL: nothing), which the loop must turn once for. The store may be closed before or after. */
void pulse_close(struct pulse *p);

#endif
