/* SPDX-License-Identifier: Apache-2.0 */
/* Looks into an AMQP connection on its way through: sees each basic.deliver and each basic.ack, and when.
 * Source: AMQP 0-9-1 specification, 2.3.5 (framing), 4.2.1 (protocol header), class basic. */
#ifndef CHARD_BENCH_WIRE_TAP_H
#define CHARD_BENCH_WIRE_TAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum wire_event { WIRE_DELIVER, WIRE_ACK };

/* `multiple` says that an ack stands for all deliveries up to `tag`. */
typedef void wire_heard(enum wire_event event, uint64_t tag, bool multiple, void *arg);

/* One direction of one connection. Zero-initialise; `skip` the protocol header's 8 bytes in what the client sends. */
struct wire {
        size_t skip;              /* bytes until the next frame starts */
        unsigned char start[320]; /* the start of a frame: as much as is looked at */
        size_t got;
};

/* Bytes came by. */
void wire_see(struct wire *w, const unsigned char *data, size_t size, wire_heard *heard, void *arg);

#endif
