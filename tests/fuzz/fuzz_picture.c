/* SPDX-License-Identifier: Apache-2.0 */
/* Pictures as anybody may upload them: what is taken is a picture of the same kind, has lost nothing by being taken again, and tells of no place; what is refused says why. */
#include "core/image/picture.h"
#include "core/text/file_kind.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
        if (!holds)
                abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct buffer once = { 0 }, twice = { 0 };
        struct problem why = { 0 };
        const int code = picture_strip(bytes_of(data, size), &once, &why);
        must((code == 1) == (why.code[0] != '\0'));
        if (code == 0) {
                must(once.size <= size + 64);
                must(strcmp(file_kind_of(buffer_view(&once)).media, file_kind_of(bytes_of(data, size)).media) == 0);
                must(picture_strip(buffer_view(&once), &twice, &why) == 0);
                must(twice.size == once.size && memcmp(twice.data, once.data, once.size) == 0);
        }
        buffer_free(&once);
        buffer_free(&twice);
        return 0;
}
