/* SPDX-License-Identifier: Apache-2.0 */
#include "observe/otlp/sampling.h"

#include "core/id.h"
#include "core/text/hex.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SAMPLING_BITS = 56 };

bool sampling_read(const char *text, struct sampling *out)
{
        char *end;
        const double share = strtod(text, &end);
        if (end == text || *end || !(share >= 0 && share <= 1))
                return false;
        out->share = (uint64_t)ldexp(share, SAMPLING_BITS);
        return true;
}

/* The digits of a UUID. False: it is none, or nothing but zeros. */
static bool sampling_uuid(const char *text, char out[TRACE_ID_SIZE + 1])
{
        size_t size = 0;
        for (; *text; text++) {
                if (*text == '-')
                        continue;
                if (size == TRACE_ID_SIZE || hex_value(*text) < 0)
                        return false;
                out[size++] = (char)(*text >= 'A' && *text <= 'F' ? *text | 0x20 : *text);
        }
        out[size] = '\0';
        return size == TRACE_ID_SIZE && strspn(out, "0") < TRACE_ID_SIZE;
}

void sampling_trace_of(const char *root_id, char out[TRACE_ID_SIZE + 1])
{
        char made[ID_TEXT_SIZE];
        if (root_id && sampling_uuid(root_id, out))
                return;
        id_new(made);
        sampling_uuid(made, out);
}

bool sampling_keeps(struct sampling s, const char *trace_id)
{
        uint64_t random = 0;
        for (int i = TRACE_ID_SIZE - SAMPLING_BITS / 4; i < TRACE_ID_SIZE; i++)
                random = random << 4 | (unsigned)hex_value(trace_id[i]);
        return random < s.share;
}
