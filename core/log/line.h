/* SPDX-License-Identifier: Apache-2.0 */
/* One line of the log, written out. Pure; any thread. */
#ifndef CHARD_CORE_LOG_LINE_H
#define CHARD_CORE_LOG_LINE_H

#include "core/log/fields.h"

/* A pipe takes up to 4096 bytes (PIPE_BUF) as one piece. */
enum { LOG_LINE_SIZE = 4096 };

/* What else is known of a task; a text that is not is "". */
struct log_ids {
        char job[256], trace_id[33], span_id[17];
};

/* All of it UTF-8. */
struct log_parts {
        const char *when, *level, *where;
        const struct log_fields *fields; /* of JSON; the field "task" first among them */
        const struct log_ids *ids;       /* of JSON */
        const char *text;                /* of JSON: the message without its fields */
        bool was_cut;                    /* it was longer */
};

/* As text, for people, or as one JSON object; either ends with '\n'. A long message is cut and ends in "…". Returns its size. */
size_t log_line_write(const struct log_parts *parts, bool json, char out[LOG_LINE_SIZE]);

#endif
