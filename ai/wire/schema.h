/* SPDX-License-Identifier: Apache-2.0 */
/* What the files that read JSON schemas share. Pure. */
#ifndef CHARD_AI_WIRE_SCHEMA_H
#define CHARD_AI_WIRE_SCHEMA_H

#include <jansson.h>

/* The part of the schema `root` that a reference names: "#", or a JSON pointer in a fragment ("#/$defs/name"). Borrowed; NULL when there is none. */
const json_t *schema_resolve(const json_t *root, const char *ref);

#endif
