/* SPDX-License-Identifier: Apache-2.0 */
/* What latency.c (the publisher and the report) and latency_tap.c (the connections that are looked into) share. */
#ifndef CHARD_BENCH_LATENCY_H
#define CHARD_BENCH_LATENCY_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The life of every message, in nanoseconds of one clock; 0 = not yet. The queue is first in, first out and has one
 * consumer, so the n-th delivery is the n-th message. */
struct times {
        uint64_t *sent, *delivered, *acked;
        size_t count;
        size_t delivered_count, acked_count;
        pthread_mutex_t lock;
        pthread_cond_t changed; /* acked_count rose, or the worker ended */
        bool ended;
};

/* Listen on a port of 127.0.0.1 and pass connections through to the broker, filling in delivered and acked; runs on a thread of
 * its own until the program ends. Returns the port. */
unsigned tap_start(struct times *times, const char *host, int port);

#endif
