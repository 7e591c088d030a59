/* SPDX-License-Identifier: Apache-2.0 */
/* A process that serves until it is told to stop: what `chard worker`, `dev`, `keep`, `gateway` and `consume` share; and a worker, with what `dev` has beside it, as such a process. */
#ifndef CHARD_CLI_SERVE_SERVE_H
#define CHARD_CLI_SERVE_SERVE_H

#include "cli/common/command.h"
#include "cli/serve/figures.h"
#include "cli/serve/notify.h"
#include "cli/serve/tracing.h"
#include "consumers/consumers.h"
#include "duties/keeper.h"
#include "gateway/gateway.h"
#include "observe/celery/events.h"
#include "worker/worker.h"

enum { SERVE_MOST_QUEUES = 256 };

/* What it is called: as the settings say, or KIND@ and this machine's name. */
void serve_name(const struct settings *s, const char *kind, char *out, size_t size);

/* Thousands of calls, or of requests, are thousands of sockets: as many as this process may have. */
void serve_raise_file_limit(void);

struct serve_signals {
        uv_signal_t term, interrupt, louder, quieter;
        uv_timer_t tick; /* of the log: what it has held back */
        struct notify notify;
        const char *area;
        void (*stop)(void *arg);
        void *arg;
};

/* It serves, which a service manager is told (notify.h). From now on each SIGTERM and SIGINT is logged in `area` (a constant) and calls `stop`, until serve_deaf,
 * after which the loop must turn once more. SIGUSR1 makes the log tell everything (debug), SIGUSR2 what the settings say. */
void serve_hear(struct serve_signals *signals, uv_loop_t *loop, const char *area, void (*stop)(void *arg), void *arg);
void serve_deaf(struct serve_signals *signals);

/* One part that has a loop of its own and serves until it has stopped. */
struct serve_part {
        uv_loop_t *loop;
        const char *area;         /* of the log; a constant */
        void (*stop)(void *arg);  /* at a signal: come to an end, and uv_stop the loop then */
        void (*close)(void *arg); /* give back what was opened of it */
        void *arg;
};

/* Opening it returned `code`, and `why`: serve until it has stopped, then close it; the loop is idle afterwards. Returns an exit code, after saying why. */
int serve_alone(const struct command *self, const struct serve_part *part, int code, const struct problem *why);

/* A gateway, and a keeper of dead letters with the duties, as the settings have them; they and `name` are borrowed as long as it lives. */
struct gateway_config serve_gateway_config(const struct settings *s, const struct catalog *catalog, uv_loop_t *loop,
                                           const char *name);
struct keeper_config serve_keeper_config(const struct settings *s, const struct catalog *catalog, uv_loop_t *loop,
                                         const char *name);

/* Consumers of events likewise: all that need not be named. */
struct consumers_config serve_consumers_config(const struct settings *s, const struct catalog *catalog, uv_loop_t *loop,
                                               const char *name);

/* A projector's read models anew, from the event store: the exit code, after a complaint where it is not 0. Blocks. */
int serve_rebuild(const struct command *self, const struct settings *s, const char *name);

/* ---- a worker ---- */

struct service {
        const struct command *self;
        struct catalog *catalog;
        uv_loop_t loop;
        struct serve_signals signals;
        uv_prepare_t turn;
        const char *queues[SERVE_MOST_QUEUES]; /* point into the settings */
        char name[256], keeper_name[264], consumer_name[268];
        struct worker_config config;
        struct worker *worker;
        bool keeps; /* dead letters are kept here too */
        struct keeper_config keep;
        struct keeper *keeper;
        bool keeper_stopped;
        bool consumes; /* events are acted on here too */
        struct consumers_config consume;
        struct consumers *consumers;
        bool consumers_stopped;
        bool listens;      /* requests are taken here too … */
        bool port_is_free; /* … or not, where somebody else has the port: nobody asked for this one */
        struct gateway_config listen;
        struct gateway *gateway;
        bool gateway_stopped;
        const char
                *metrics; /* where its figures are shown; empty: nowhere, and none are kept unless there is a gateway */
        struct celery_events *celery_events; /* or NULL */
        struct figures figures;
        const struct settings *settings;
        struct tracing tracing;
};

/* Fill in from the settings, which must outlive it; with `keeps`, the keeper of dead letters runs beside the worker. The config may be changed until
 * service_run. Returns 0, or an exit code after saying why. */
int service_init(struct service *service, const struct command *self, struct settings *s, bool keeps);

/* Serve until SIGTERM or SIGINT has ended it. `began`, unless NULL, is called once it consumes. Returns an exit code, after saying why. */
int service_run(struct service *s, void (*began)(struct service *s));

#endif
