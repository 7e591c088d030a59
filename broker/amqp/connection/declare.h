/* SPDX-License-Identifier: Apache-2.0 */
/* Declares the topology over a connection, all rows at once and then their answers: one round trip, not one a row. */
#ifndef CHARD_BROKER_AMQP_CONNECTION_DECLARE_H
#define CHARD_BROKER_AMQP_CONNECTION_DECLARE_H

#include "broker/amqp/connection/link.h"
#include "broker/topology.h"

#define DECLARE_CHANNEL 1 /* opened for this and closed again */

/* Takes the frames of other channels that come in between. Returns 0, or -1 when the connection is lost. */
typedef int other_frame(const amqp_frame_t *frame, void *arg);

/* Waits until all is declared; gives up when the broker is silent for the connect timeout. Returns 0; 1 with `why`
 * (code "precondition_failed", "access_refused", "not_found", "channel_closed"; the text names the row and what to do);
 * or -1 when the connection is lost. */
int topology_declare(struct amqp_link *l, const struct topology *t, other_frame *other, void *arg, struct problem *why);

#endif
