/* SPDX-License-Identifier: Apache-2.0 */
/* The parts that a request's JSON is put together from; ai.h has the whole. Pure. */
#ifndef CHARD_AI_REQUEST_H
#define CHARD_AI_REQUEST_H

#include "ai/ai.h"

/* Append the value of "response_format" for a schema, which may be kept for the next request of the same task; without a schema
 * any JSON is asked for. Memory loss shows in out->failed. */
void request_write_format(const char *schema_name, const json_t *schema, struct buffer *out);

/* Append the whole request, with `format` as request_write_format wrote it. Returns 0 or -ENOMEM. */
int request_write(const struct ai_request *request, const char *model, struct bytes format, struct buffer *out);

#endif
