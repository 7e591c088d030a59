/* SPDX-License-Identifier: Apache-2.0 */
/* The parts that a request's JSON is put together from; ai.h has the whole. Pure. */
#ifndef CHARD_AI_WIRE_REQUEST_H
#define CHARD_AI_WIRE_REQUEST_H

#include "ai/ai.h"

/* Append the value of "response_format" for a schema, which may be kept for the next request of the same task; without a schema
 * any JSON is asked for. Memory loss shows in out->failed. */
void request_write_format(const char *schema_name, const json_t *schema, struct buffer *out);

/* Append a JSON string, quotes included. What is no UTF-8 becomes U+FFFD: the endpoint would refuse the whole request. */
void request_write_text(const char *text, struct buffer *out);

/* What was written before. */
struct request_known {
        struct bytes format;        /* by request_write_format */
        struct bytes constant_json; /* request->constant by request_write_text; empty = not known */
};

/* Append the whole request. Returns 0 or -ENOMEM. */
int request_write(const struct ai_request *request, const char *model, const struct request_known *known,
                  struct buffer *out);

#endif
