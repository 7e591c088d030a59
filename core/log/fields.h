/* SPDX-License-Identifier: Apache-2.0 */
/* The fields of a log line: what its format begins with as KEY=%s, KEY=%u and the like. The format says where they are, so that no text from outside
 * makes a field. Pure; any thread. */
#ifndef CHARD_CORE_LOG_FIELDS_H
#define CHARD_CORE_LOG_FIELDS_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

enum { LOG_FIELDS = 6, LOG_FIELD_NAME = 24, LOG_FIELD_SIZE = 256 };

struct log_field {
        char name[LOG_FIELD_NAME];
        char value[LOG_FIELD_SIZE];
        bool number, was_cut;
        size_t end; /* of it in the format */
};

struct log_fields {
        struct log_field all[LOG_FIELDS];
        size_t count;
};

/* Read them. Returns how many bytes of the formatted text they and the spaces behind them are: there the message begins. */
size_t log_fields_read(struct log_fields *out, const char *format, va_list args);

#endif
