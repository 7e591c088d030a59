/* SPDX-License-Identifier: Apache-2.0 */
#include "core/text/packed.h"

#include <zlib.h>

bool packed_read(const struct packed_file *file, struct buffer *out)
{
        enum { GZIP_WINDOW = 15 + 16 };
        z_stream z = { .next_in = (z_const Bytef *)file->packed, .avail_in = (uInt)file->packed_size };
        z.next_out = buffer_reserve(out, file->size + 1); /* one more, so that an empty file has somewhere to go, too */
        z.avail_out = (uInt)file->size + 1;
        if (!z.next_out || inflateInit2(&z, GZIP_WINDOW) != Z_OK)
                return false;
        const bool done = inflate(&z, Z_FINISH) == Z_STREAM_END && z.total_out == file->size;
        out->size += done ? file->size : 0;
        inflateEnd(&z);
        return done;
}
