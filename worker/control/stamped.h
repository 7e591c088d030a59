/* SPDX-License-Identifier: Apache-2.0 */
/* Stamps whose tasks are revoked (`revoke_by_stamped_headers`): what this worker was told since it started, for tasks that come later. */
#ifndef CHARD_WORKER_CONTROL_STAMPED_H
#define CHARD_WORKER_CONTROL_STAMPED_H

#include "message/message.h"

#include <jansson.h>
#include <stdbool.h>

enum { STAMPED_MOST = 50000 };

/* Zero-initialise to start. */
struct stamped {
        json_t *values; /* {header: [values…]}, or NULL */
        size_t count;
};

/* Add {header: value or [values…]}; once there are STAMPED_MOST of them, the oldest of a header give way. Returns 0 or -ENOMEM. */
int stamped_add(struct stamped *s, const json_t *headers);

/* Does the task bear one of them? */
bool stamped_has(const struct stamped *s, const struct task_message *t);

/* The same of other headers, in the form in which they are added; *out, unless NULL, gets what matched: {header: [values…]}. */
bool stamped_match(const json_t *headers, const struct task_message *t, json_t *out);

void stamped_close(struct stamped *s);

#endif
