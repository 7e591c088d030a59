/* SPDX-License-Identifier: Apache-2.0 */
/* What a process shows of itself by HTTP: /metrics, /healthz, /readyz, /stats/queues; at an address of its own, and wherever else its routes are served. Loop thread. */
#ifndef CHARD_OBSERVE_SHOW_H
#define CHARD_OBSERVE_SHOW_H

#include "core/http/exchange.h"
#include "observe/meter.h"

struct broker;
struct catalog;
struct show;
struct store;

/* All borrowed as long as it lives. */
struct show_config {
        uv_loop_t *loop;
        struct meter *meter;
        const struct catalog *catalog; /* whose queues are the fleet's */
        struct broker *broker;         /* NULL: it is not there yet (show_use) */
        struct store *store;
        bool fleet; /* its figures are among the metrics: of queues, and of what waits in the store */
        bool (*ready)(const char **why, void *arg); /* does the process do what it is for? If not: why */
        void *arg;
};

/* Returns 0 or -ENOMEM. */
int show_open(struct show **out, const struct show_config *config);

/* Serve at this address as well: "127.0.0.1:9464"; ":9464" and "9464" are on this machine only. Returns as server_open. */
int show_listen(struct show *s, const char *listen, struct problem *why);

/* The routes' functions: `show` is a struct show. */
void show_metrics(void *show, struct exchange *x); /* GET /metrics */
void show_queues(void *show, struct exchange *x);  /* GET /stats/queues */
extern const struct route_param show_queues_params[];

/* The broker is there now. */
void show_use(struct show *s, struct broker *broker);

/* Answer no more. Before the broker and the store are closed; the loop must turn until it is idle. NULL: nothing. */
void show_close(struct show *s);

/* "ADDRESS:PORT" of what a setting says; without an address this machine's own. False: it says none. Pure. */
bool show_where(const char *text, char out[80]);

#endif
