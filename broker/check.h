/* SPDX-License-Identifier: Apache-2.0 */
/* What of a broker's own settings loses messages, where its administrators' door shows it. Apart from broker.h, because libchard needs none of it. */
#ifndef CHARD_BROKER_CHECK_H
#define CHARD_BROKER_CHECK_H

#include "broker/broker.h"
#include "broker/limits.h"

#include <stdatomic.h>

struct broker_check_config {
        const char *urls, *ca_file; /* as broker_config's */
        const char *admin_url;      /* RabbitMQ's management API; NULL or "": at the usual port of each broker's host */
        const struct topology *topology;
        bool leaves_tasks;       /* others declare the task queues */
        bool briefly;            /* leave out the queues of delayed delivery */
        const atomic_bool *stop; /* set by another thread: come back soon; or NULL */
};

/* Has a broker of this kind settings that lose messages? */
bool broker_is_checked(const char *urls);

/* Look at every queue of the topology. Waits, with short time-outs; any thread. Where a broker has no such settings it finds nothing.
 * Returns 0 when all were seen; 1 with `why` (code "unreachable", "access_refused", "bad_url") when they can't be; or -errno. */
int broker_check(const struct broker_check_config *config, risk_tell *tell, void *arg, struct problem *why);

/* Set the policy of each task queue; where another one applies, that is told and left. Waits; any thread. Errors as broker_check. */
int broker_protect(const struct broker_check_config *config, risk_tell *tell, void *arg, struct problem *why);

/* What a broker says of itself. A text that is not known is "". */
struct broker_server {
        char version[40];
        int64_t date_ms;                            /* its clock, cut to the second; 0 = not known */
        char user[128];                             /* as whom chard connects, */
        char configure[256], write[256], read[256]; /* and what that user may do: patterns of names */
        bool permitted;                             /* those are known: the API tells only administrators */
};

/* Look. Waits; any thread. Returns 0; 1 with `why` as broker_check; or -errno. */
int broker_look(const struct broker_check_config *config, struct broker_server *out, struct problem *why);

/* One a backend that has something to look at. */
struct broker_checker {
        const struct broker_backend *backend;
        int (*check)(const struct broker_check_config *config, risk_tell *tell, void *arg, struct problem *why);
        int (*protect)(const struct broker_check_config *config, risk_tell *tell, void *arg, struct problem *why);
        int (*look)(const struct broker_check_config *config, struct broker_server *out, struct problem *why);
};
extern const struct broker_checker amqp_checker;

#endif
