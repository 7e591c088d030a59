/* SPDX-License-Identifier: Apache-2.0 */
#include "message/compression.h"

#include "message/wire.h"

#include <errno.h>
#include <zlib.h>

enum { EITHER_WRAPPER = 32 + MAX_WBITS, FIRST_PIECE = 4096, LARGEST_PIECE = 1 << 20 };

bool compression_known(struct bytes name)
{
        static const char *const known[] = { "application/x-gzip", "application/gzip", "gzip", "zlib" };
        for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
                if (bytes_equal(name, bytes_of_string(known[i])))
                        return true;
        return false;
}

static int too_large(size_t max, struct problem *why)
{
        return problem_set(why, "message", "body_too_large", "the decompressed body is larger than %zu bytes", max);
}

/* Decompress piece by piece into growing room; one byte more than `max` is asked for, to see that there is more. */
static int inflate_all(z_stream *z, size_t max, struct buffer *out, struct problem *why)
{
        size_t total = 0, piece = FIRST_PIECE;
        for (int rc = Z_OK; rc != Z_STREAM_END;) {
                if (piece > max + 1 - total)
                        piece = max + 1 - total;
                z->next_out = buffer_reserve(out, piece);
                z->avail_out = (uInt)piece;
                if (!z->next_out)
                        return -ENOMEM;
                rc = inflate(z, Z_NO_FLUSH);
                if (rc == Z_MEM_ERROR)
                        return -ENOMEM;
                const size_t made = piece - z->avail_out;
                out->size += made;
                total += made;
                if (total > max)
                        return too_large(max, why);
                if (rc != Z_OK && rc != Z_STREAM_END)
                        return problem_set(why, "message", "bad_compression", "the compressed body is %s",
                                           rc == Z_BUF_ERROR ? "cut short" : "neither gzip nor zlib, or damaged");
                if (piece < LARGEST_PIECE)
                        piece *= 2;
        }
        return 0;
}

int decompress(struct bytes packed, size_t max, struct buffer *out, struct problem *why)
{
        z_stream z = { .next_in = (Bytef *)packed.data, .avail_in = (uInt)packed.size };
        if (packed.size > UINT32_MAX || max >= SIZE_MAX / 2)
                return too_large(max, why);
        if (inflateInit2(&z, EITHER_WRAPPER) != Z_OK)
                return -ENOMEM;
        int rc = inflate_all(&z, max, out, why);
        inflateEnd(&z);
        return rc;
}
