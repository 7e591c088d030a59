/* SPDX-License-Identifier: Apache-2.0 */
/* Ids for tasks that their sender gave none: the same parent and place always make the same id, so that publishing the
 * follower of a task twice makes one task. Pure. */
#ifndef CHARD_MESSAGE_DERIVED_ID_H
#define CHARD_MESSAGE_DERIVED_ID_H

#include "core/id.h"

#include <stddef.h>

/* Write a UUID of version 8 (RFC 9562, 5.8: vendor-defined) in lower case, made from `parent`, `place` ("chain",
 * "callback", …) and `index`: FNV-1a with 128 bits (RFC 9923) over the three, then mixed, so that ids made from
 * neighbours differ everywhere. No secret: whoever knows the parent's id can compute it. */
void derived_id(const char *parent, const char *place, size_t index, char out[ID_TEXT_SIZE]);

#endif
