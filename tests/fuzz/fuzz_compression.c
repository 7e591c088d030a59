/* SPDX-License-Identifier: Apache-2.0 */
/* A compressed body: one byte says how (of those that are known), the rest is the stream. However it explodes, no more comes out than
 * was allowed, and no more memory is held than a few times that. */
#include "message/wire/compression.h"

#include <stdlib.h>

enum { MOST = 1 << 16, ROOM = 4 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static const char *const names[] = { "application/x-gzip", "application/x-bz2", "application/zstd" };
        struct buffer out = { 0 };
        struct problem why = { 0 };
        if (size == 0)
                return 0;
        const struct bytes name = bytes_of_string(names[data[0] % 3]);
        const int rc = compression_known(name) ? decompress(name, bytes_of(data + 1, size - 1), MOST, &out, &why) : -1;
        if (rc < 0 || rc > 1 || (rc == 1 && (!why.code[0] || !why.text[0])))
                abort();
        if ((rc == 0 && out.size > MOST) || out.capacity > ROOM * (size_t)MOST)
                abort();
        buffer_free(&out);
        return 0;
}
