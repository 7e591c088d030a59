/* SPDX-License-Identifier: Apache-2.0 */
/* How often something was so large: counts in fixed buckets, and their sum. One thread's own; zero-initialise with its buckets to start. */
#ifndef CHARD_CORE_METRICS_HISTOGRAM_H
#define CHARD_CORE_METRICS_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

enum { HISTOGRAM_MOST = 20 };

/* Upper bounds, rising, each of them in its bucket; what is larger than the last one has a bucket of its own. Constant. */
struct buckets {
        size_t count;
        double upto[HISTOGRAM_MOST];
};

struct histogram {
        const struct buckets *buckets;
        uint64_t counts[HISTOGRAM_MOST + 1]; /* of each bucket alone */
        double sum;
};

/* Returns the bucket that it is in. */
static inline size_t histogram_add(struct histogram *h, double value)
{
        size_t at = 0;
        while (at < h->buckets->count && value > h->buckets->upto[at])
                at++;
        h->counts[at]++;
        h->sum += value;
        return at;
}

#endif
