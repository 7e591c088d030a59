/* SPDX-License-Identifier: Apache-2.0 */
/* What registers.c and text.c share. */
#ifndef CHARD_CORE_METRICS_OWN_H
#define CHARD_CORE_METRICS_OWN_H

#include "core/map.h"
#include "core/metrics/metrics.h"

#include <stdbool.h>

enum { METRICS_TRACE_SIZE = 33 };

/* A value of a bucket and the trace that it belongs to; without one `trace_id` is empty. */
struct exemplar {
        char trace_id[METRICS_TRACE_SIZE];
        double value;
        int64_t wall_ms;
};

struct series {
        struct series *next; /* of its row, in the order in which they were made */
        const struct metric *metric;
        struct metrics *all;
        uint64_t round; /* the look that it was last set in */
        double value;
        struct histogram *histogram;
        struct exemplar *exemplars; /* one a bucket; NULL: none yet */
        const char *values[METRIC_MOST_LABELS];
        char key[];
};

struct metric_row {
        struct series *first, *last;
        struct series *other; /* for what found no room */
        bool overflowed;      /* … and something has */
        size_t count;
};

struct metrics {
        const struct metric *table;
        size_t table_count;
        struct metric_row *rows;
        struct map *by_key;
        struct collector *collectors;
        uint64_t round;
        unsigned long refused;
        size_t count;
};

#endif
