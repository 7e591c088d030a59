/* SPDX-License-Identifier: Apache-2.0 */
/* Celery message protocol 1, as clients with task_protocol = 1 send it: all that protocol 2 says in headers stands in the body, an object.
 * It is translated into protocol 2 before anything else sees it, so that a retry and a dead letter are of protocol 2.
 * Source: Celery documentation, "Message Protocol", version 1. */
#ifndef CHARD_MESSAGE_PROTOCOL1_H
#define CHARD_MESSAGE_PROTOCOL1_H

#include "message/message.h"

/* Translate a message with these properties and this body (JSON text, unpacked). *properties and *body are then in the arena. Returns 0, 1 when it
 * is no such task, or -ENOMEM. */
int protocol1_translate(struct arena *a, const struct properties *p, struct bytes text, struct bytes *properties,
                        struct bytes *body);

#endif
