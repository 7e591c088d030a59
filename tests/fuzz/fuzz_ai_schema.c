/* SPDX-License-Identifier: Apache-2.0 */
/* A schema on the first line, a value on the others. The check ends, comes to the same result with and without a complaint, and what it
 * complains in is UTF-8. */
#include "ai/ai.h"
#include "core/json.h"
#include "core/text/utf8.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        const uint8_t *end = size ? memchr(data, '\n', size) : NULL;
        json_t *schema = NULL, *value = NULL;
        if (!end)
                return 0;
        const size_t first = (size_t)(end - data);
        if (json_parse(bytes_of(data, first), "fuzz", &schema, NULL) == 0 &&
            json_parse(bytes_of(end + 1, size - first - 1), "fuzz", &value, NULL) == 0) {
                struct problem why = { 0 };
                const int result = ai_schema_check(schema, value, &why);
                if (result != ai_schema_check(schema, value, NULL) || (result == 1) != (why.text[0] != '\0'))
                        abort();
                size_t length;
                for (const char *c = why.text; *c; c += length)
                        if (!utf8_next(c, &length))
                                abort();
        }
        json_decref(schema);
        json_decref(value);
        return 0;
}
