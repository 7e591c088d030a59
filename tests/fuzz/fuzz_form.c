/* SPDX-License-Identifier: Apache-2.0 */
/* Forms with files: a line that is their Content-Type, then the body. Parts lie within the body, one behind the other; what is refused says why. */
#include "core/http/multipart.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
        if (!holds)
                abort();
}

static void check_within(struct bytes part, const uint8_t *from, const uint8_t *end)
{
        must(part.size == 0 || (part.data >= from && part.data + part.size <= end));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct multipart form;
        struct multipart_part part;
        struct problem why = { 0 };
        const uint8_t *line = size ? memchr(data, '\n', size) : NULL, *end = data + size, *from = line ? line + 1 : end;
        char *type = line ? strndup((const char *)data, (size_t)(line - data)) : NULL;
        if (!type)
                return 0;
        int code = multipart_begin(&form, type, bytes_of(from, (size_t)(end - from)), &why);
        while (code == 0) {
                code = multipart_next(&form, &part, &why);
                if (code)
                        break;
                must(part.name.size > 0);
                check_within(part.name, from, end);
                check_within(part.type, from, end);
                check_within(part.content, from, end);
                from = part.content.data + part.content.size;
        }
        must((code == 1) == (why.code[0] != '\0'));
        free(type);
        return 0;
}
