/* SPDX-License-Identifier: Apache-2.0 */
/* What the waste domain's read models show. */
#ifndef CHARD_WASTE_SHOWN_H
#define CHARD_WASTE_SHOWN_H

#include "tasks/consumer.h"

/* A scan or a chat, from all of its events: the members of their payloads that `keys` names (ended by NULL; the latest counts), "job_id", "created_at" and
 * "updated_at". New reference; NULL when memory ran out. */
json_t *shown_of(const struct consumer_input *in, const char *const keys[]);

/* The last text of that name in any of its payloads; NULL: none has it. */
const char *shown_text(const struct consumer_input *in, const char *key);

/* Is an event of this type among them? What comes after a deletion counts for nothing. */
bool shown_has(const struct consumer_input *in, const char *type);

#endif
