/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of message/ share: recorded messages from tests/vectors, and messages made by hand. */
#ifndef CHARD_TESTS_MESSAGE_SUPPORT_H
#define CHARD_TESTS_MESSAGE_SUPPORT_H

#include "message/message.h"

enum { LARGEST_BODY = 1 << 24 };

/* A recorded message: the JSON file, and the bytes that it holds. */
struct vector {
        char name[300];
        json_t *json;
        struct buffer properties, body;
};

/* Call `each` for every *.json in tests/vectors/`folder` (or in that folder of $CHARD_VECTORS). Returns how many; fails when there
 * is none. */
unsigned each_vector(const char *folder, void (*each)(const struct vector *v));

/* A message made by hand; freed with made_free. */
struct made {
        struct buffer properties, body;
};

/* Properties of a task `t` with id `i` and these further headers (the inside of a table), and this body. */
struct made make_task(struct bytes more_headers, const char *body);

/* Properties with these headers and nothing else of a task, content type JSON. */
struct made make_message(struct bytes headers, struct bytes body);
void made_free(struct made *m);

/* Decode it, which must go well. */
void decode_made(const struct made *m, struct arena *a, struct task_message *out);

/* The headers of encoded properties as JSON; new reference. */
json_t *headers_of(struct bytes properties);

/* Parse JSON, which must go well. */
json_t *parse(const char *text);

/* The two values are equal, or it fails showing both. */
void assert_json(const json_t *value, const json_t *expected, const char *what);

/* The message has this header, with this value, written as JSON (null: or it has none). */
void assert_header(const struct message *m, const char *name, const char *expected);

#endif
