/* SPDX-License-Identifier: Apache-2.0 */
/* What jansson leaves to its callers: parsing with limits and a clear complaint, short reads, and doing both quickly.
 * Loop thread (jansson values are not shared between threads). */
#ifndef CHARD_CORE_JSON_H
#define CHARD_CORE_JSON_H

#include "core/bytes.h"
#include "core/problem.h"

#include <jansson.h>
#include <stdbool.h>

#define JSON_MAX_DEPTH 200

/* ---- memory: jansson's calls build on without what there was none for, and a value that lacks a part looks like any other ---- */

/* Count its allocations that fail, from here on. Once a process, before its second thread. */
void json_watch_memory(void);

/* How many have failed in this thread. What was built between two equal answers is whole. */
unsigned long json_memory_lost(void);

/* What was worked out since then says `code`; but without memory for all of it that is no verdict: -ENOMEM. */
int json_whole_since(unsigned long lost, int code);

/* ---- reading and writing ---- */

/* Parse one JSON value. Refuses nesting deeper than JSON_MAX_DEPTH before building anything,
 * duplicate keys are taken last-wins as Python does, NaN and Infinity are refused.
 * Returns 0 and a new reference; 1 with `why` (unless NULL) filled in under `source`, code "bad_json"; or -ENOMEM, code "out_of_memory". */
int json_parse(struct bytes text, const char *source, json_t **out, struct problem *why);

/* Append compact JSON (UTF-8, no escapes beyond what JSON needs). Memory loss shows in b->failed. */
void json_write(const json_t *value, struct buffer *b);

/* Append a JSON string, quotes included, of a text that is UTF-8. */
void json_write_text(struct bytes text, struct buffer *b);

/* A member that is a string, else `otherwise`. Borrowed. */
const char *json_text(const json_t *object, const char *key, const char *otherwise);

/* A member that is an integer (or a real without fraction), else `otherwise`. */
json_int_t json_number(const json_t *object, const char *key, json_int_t otherwise);

/* The part of a value at a JSON pointer (RFC 6901; "" is the value itself), or NULL when there is none, or a key in it is over 256 bytes. Borrowed. */
const json_t *json_at(const json_t *value, const char *pointer);

/* True when the value or any part of it, keys too, holds the NUL character, which PostgreSQL's jsonb refuses. */
bool json_has_nul(const json_t *value);

/* For `JSON_OWNED json_t *x = …`: drops the reference when the variable goes out of scope. */
static inline void json_cleanup(json_t **value)
{
        json_decref(*value);
}
#define JSON_OWNED __attribute__((cleanup(json_cleanup)))

#endif
