/* SPDX-License-Identifier: Apache-2.0 */
/* Writes AMQP frames into a buffer, so that a whole batch leaves in one system call and a message's properties
 * travel as the bytes they came as. Pure. Source: AMQP 0-9-1 specification, 2.3.5 (framing), 4.2 (grammar), basic class. */
#ifndef CHARD_BROKER_AMQP_CONNECTION_FRAMES_H
#define CHARD_BROKER_AMQP_CONNECTION_FRAMES_H

#include "core/bytes.h"
#include "message/message.h"

#include <stdbool.h>
#include <stdint.h>

#define FRAME_OVERHEAD 8 /* type, channel, size and end mark */

void frame_heartbeat(struct buffer *out);
void frame_ack(struct buffer *out, uint16_t channel, uint64_t tag, bool multiple);

/* basic.nack with requeue. */
void frame_hand_back(struct buffer *out, uint16_t channel, uint64_t tag, bool multiple);

/* A method without arguments, or with ones that were encoded by somebody else. `id` is class << 16 | method. */
void frame_method(struct buffer *out, uint16_t channel, uint32_t id, struct bytes arguments);

/* Can it be sent without harm to the connection that it would share with others: are its properties the encoding of
 * class basic's, each whole and nothing behind the last; do they fit into one frame; are its texts short enough; is it
 * addressed to something that may be named by others? */
bool frame_can_publish(const struct message *m, size_t frame_max);

/* basic.publish, mandatory, and the content header. Whatever the properties say, the message is persistent.
 * The message has passed frame_can_publish. */
void frame_publish(struct buffer *out, uint16_t channel, const struct message *m);

/* The same, but neither mandatory nor persistent. */
void frame_publish_transient(struct buffer *out, uint16_t channel, const struct message *m);

/* One piece of a body. */
void frame_body(struct buffer *out, uint16_t channel, struct bytes piece);

#endif
