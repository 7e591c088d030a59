/* SPDX-License-Identifier: Apache-2.0 */
/* Sends spans, or lines of the log, to a collector, by OTLP over HTTP: in batches, in the background, one request at a time. Never blocks and never grows beyond its bounds: what finds
 * no room, or what the collector will not have, is dropped, counted, and told in the log once until the collector takes spans again. Loop thread.
 * Source: OTLP specification 1.5, "OTLP/HTTP". */
#ifndef CHARD_OBSERVE_OTLP_EXPORT_H
#define CHARD_OBSERVE_OTLP_EXPORT_H

#include "core/problem.h"
#include "observe/otlp/encode.h"

#include <uv.h>

struct otlp;

struct otlp_config {
        uv_loop_t *loop;
        const char *what;     /* "spans", "log lines": what it tells of; a constant */
        const char *url;      /* where requests go, whole */
        const char *headers;  /* "NAME=VALUE,…", as OTEL_EXPORTER_OTLP_HEADERS has them; or NULL */
        const char *service;  /* service.name */
        const char *instance; /* service.instance.id */
        const char *resource; /* more attributes, "NAME=VALUE,…", as OTEL_RESOURCE_ATTRIBUTES has them; or NULL */
};

struct otlp_counts {
        uint64_t sent, dropped; /* spans, or lines */
        size_t waiting;         /* … and under way */
};

/* `config` is read now. 0; 1 with `why` (source "settings", code "bad_setting": no URL of HTTP); or -errno. */
int otlp_open(struct otlp **out, const struct otlp_config *config, struct problem *why);

/* Have it sent, soon. Copies it. */
void otlp_add(struct otlp *o, const struct otlp_span *span);

/* Have these sent, which are encoded already: copied. / So many are lost already, for want of memory or of room. */
void otlp_add_encoded(struct otlp *o, struct bytes list, size_t count);
void otlp_lose(struct otlp *o, size_t count, bool no_memory);

struct otlp_counts otlp_counts(const struct otlp *o);

/* The last ones go out, for OTLP_LAST_MS at most; the loop must turn until it is idle. NULL: nothing. */
enum { OTLP_LAST_MS = 3000 };
void otlp_close(struct otlp *o);

#endif
