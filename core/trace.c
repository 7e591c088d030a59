/* SPDX-License-Identifier: Apache-2.0 */
#include "core/trace.h"

#include "core/text/hex.h"

#include <string.h>

enum { PARENT_ID = 36, FLAGS = 53 }; /* where they begin */

static bool trace_is_hex(const char *text, size_t size)
{
        return strspn(text, "0123456789abcdef") >= size;
}

static bool trace_is_zero(const char *text, size_t size)
{
        return strspn(text, "0") >= size;
}

bool trace_is_parent(const char *text)
{
        if (strlen(text) != TRACE_PARENT_SIZE || strncmp(text, "00-", TRACE_ID_AT) != 0 || text[PARENT_ID - 1] != '-' ||
            text[FLAGS - 1] != '-')
                return false;
        return trace_is_hex(text + TRACE_ID_AT, TRACE_ID_SIZE) && trace_is_hex(text + PARENT_ID, 16) &&
               trace_is_hex(text + FLAGS, 2) && !trace_is_zero(text + TRACE_ID_AT, TRACE_ID_SIZE) &&
               !trace_is_zero(text + PARENT_ID, 16);
}

bool trace_is_sampled(const char *text)
{
        return trace_is_parent(text) && hex_value(text[FLAGS + 1]) & 1;
}
