/* SPDX-License-Identifier: Apache-2.0 */
/* What the measuring programs share: clocks, a plain rabbitmq-c connection, percentiles, and one JSON line as the result.
 * Everything ends the program with a message on stderr when it fails: a measurement has no second way. */
#ifndef CHARD_BENCH_COMMON_H
#define CHARD_BENCH_COMMON_H

#include <amqp.h>
#include <stddef.h>
#include <stdint.h>

/* Print "PROGRAM: …" and exit with 1. */
void die(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

/* Nanoseconds that never jump. */
uint64_t now_ns(void);

/* Microseconds of CPU (user and system) that this process has used. */
uint64_t cpu_us(void);

/* A number of the command line, at least `least`. */
long number_of(const char *text, long least);

/* Sort `values`; then percentile_of(values, count, 99) is the 99th. 0 when there are none. */
void sort_values(uint64_t *values, size_t count);
uint64_t percentile_of(const uint64_t *sorted, size_t count, double percent);

/* Connect to amqp://USER:PASSWORD@HOST:PORT/VHOST, as rabbitmq-c's own examples do, and open channel 1. */
amqp_connection_state_t plain_connect(const char *url);
void plain_close(amqp_connection_state_t conn);

/* Die when the last synchronous call failed / the call itself did. */
void check_reply(amqp_connection_state_t conn, const char *doing);
void check_status(int status, const char *doing);

/* Consume `queue` on channel 1 with that prefetch, acking by hand. */
void plain_consume(amqp_connection_state_t conn, const char *queue, unsigned prefetch);

#endif
