/* SPDX-License-Identifier: Apache-2.0 */
/* The registers of one process: counters, gauges and histograms, each with a bounded number of label sets, and their text for whoever asks.
 * A table says which there are. Everything on the loop thread, without a lock; time comes in.
 * Sources: Prometheus text format 0.0.4; OpenMetrics 1.0. */
#ifndef CHARD_CORE_METRICS_METRICS_H
#define CHARD_CORE_METRICS_METRICS_H

#include "core/bytes.h"
#include "core/metrics/histogram.h"

enum metric_kind {
        METRIC_COUNTER, /* only grows; its name gets "_total" */
        METRIC_GAUGE,   /* a state: set anew by a collector at each look, and not shown where none did */
        METRIC_HISTOGRAM,
        METRIC_INFO, /* what its labels say; its name gets "_info" */
};

enum { METRIC_MOST_LABELS = 4, METRICS_MOST_SERIES = 500, METRICS_LABEL_SIZE = 128 };

/* One row of the table; constant. */
struct metric {
        const char *name; /* "chard_tasks_received" */
        enum metric_kind kind;
        const char *unit; /* that its name ends in: "seconds", "bytes"; or NULL */
        const char *labels[METRIC_MOST_LABELS];
        const struct buckets *buckets; /* of a histogram */
        const char *help;
};

struct metrics;

/* One label set of one row. */
struct series;

/* `table` is borrowed. Returns 0 or -ENOMEM. */
int metrics_new(struct metrics **out, const struct metric *table, size_t count);
void metrics_free(struct metrics *m);

/* The series of row `metric` with these label values, in the order of its labels; those behind a NULL are "". Values are copied, cut at METRICS_LABEL_SIZE, made
 * UTF-8 and free of control characters. Made when it is new; lives as long as `m`. Never NULL: beyond METRICS_MOST_SERIES of a row, or without memory, it is
 * the row's series "other", which is shown for counters and histograms only. */
struct series *metrics_series(struct metrics *m, unsigned metric, const char *const values[METRIC_MOST_LABELS]);
#define METRICS_SERIES(m, metric, ...) metrics_series(m, metric, (const char *const[METRIC_MOST_LABELS]){ __VA_ARGS__ })

/* Label sets that found no room, since it was made. */
unsigned long metrics_refused(const struct metrics *m);
size_t metrics_count(const struct metrics *m);

/* A counter grows; a gauge, or a counter that is kept elsewhere, has this value now. */
void series_add(struct series *s, double value);
void series_set(struct series *s, double value);

/* A histogram gets a value. `trace_id` (32 hexadecimal digits, or NULL) is kept as its bucket's exemplar; `wall_ms` is only looked at then. */
void series_observe(struct series *s, double value, const char *trace_id, int64_t wall_ms);

/* A histogram that is kept elsewhere, with buckets of its own, is as this one now. */
void series_copy(struct series *s, const struct histogram *h);

/* What a counter or gauge is; how many values a histogram has. For tests. */
double series_value(const struct series *s);

/* Sets what is known only when somebody looks. Owned by whoever adds it, and there until `m` is asked no more. */
struct collector {
        struct collector *next;
        void (*collect)(struct collector *c, struct metrics *m);
};
void metrics_collect_by(struct metrics *m, struct collector *c);

/* ---- text ---- */

enum metrics_form { METRICS_PROMETHEUS, METRICS_OPENMETRICS };

/* The form that a request with this Accept (or NULL) is answered in: OpenMetrics where it is wanted at least as much. Pure. */
enum metrics_form metrics_form_for(const char *accept);

/* Its media type; constant. */
const char *metrics_media(enum metrics_form form);

/* Ask the collectors, then write all that there is. */
void metrics_write(struct metrics *m, enum metrics_form form, struct buffer *out);

#endif
