/* SPDX-License-Identifier: Apache-2.0 */
#include "message/wire/compression.h"

#include "message/wire/wire.h"

#include <bzlib.h>
#include <errno.h>
#include <zlib.h>
#include <zstd.h>

enum { EITHER_WRAPPER = 32 + MAX_WBITS, FIRST_PIECE = 4096, LARGEST_PIECE = 1 << 20 };

/* What one call of a library came to. */
enum progress { GOES_ON, ENDED, CUT_SHORT, DAMAGED, NO_MEMORY };

/* A stream being unpacked: what is left of it, and the library's own state. */
struct packed_stream {
        struct bytes left;
        union {
                z_stream z;
                bz_stream bz;
                ZSTD_DStream *zstd;
        } state;
};

/* One way to compress. `step` fills at most `room` bytes (never 0) and says how many it made. */
struct codec {
        const char *names[5]; /* ended by NULL */
        const char *damaged;
        bool (*open)(struct packed_stream *s);
        enum progress (*step)(struct packed_stream *s, unsigned char *at, size_t capacity, size_t *made);
        void (*close)(struct packed_stream *s);
};

static void compression_advance(struct packed_stream *s, size_t left)
{
        s->left.data += s->left.size - left;
        s->left.size = left;
}

/* ---- gzip and zlib ---- */

static bool gzip_open(struct packed_stream *s)
{
        return inflateInit2(&s->state.z, EITHER_WRAPPER) == Z_OK;
}

static enum progress gzip_step(struct packed_stream *s, unsigned char *at, size_t capacity, size_t *made)
{
        z_stream *z = &s->state.z;
        z->next_in = (Bytef *)s->left.data;
        z->avail_in = (uInt)s->left.size;
        z->next_out = at;
        z->avail_out = (uInt)capacity;
        const int rc = inflate(z, Z_NO_FLUSH);
        *made = capacity - z->avail_out;
        compression_advance(s, z->avail_in);
        switch (rc) {
        case Z_OK: return GOES_ON;
        case Z_STREAM_END: return ENDED;
        case Z_BUF_ERROR: return CUT_SHORT;
        case Z_MEM_ERROR: return NO_MEMORY;
        default: return DAMAGED;
        }
}

static void gzip_close(struct packed_stream *s)
{
        inflateEnd(&s->state.z);
}

/* ---- bzip2 ---- */

static bool bzip2_open(struct packed_stream *s)
{
        return BZ2_bzDecompressInit(&s->state.bz, 0, 0) == BZ_OK;
}

static enum progress bzip2_step(struct packed_stream *s, unsigned char *at, size_t capacity, size_t *made)
{
        bz_stream *z = &s->state.bz;
        z->next_in = (char *)s->left.data;
        z->avail_in = (unsigned)s->left.size;
        z->next_out = (char *)at;
        z->avail_out = (unsigned)capacity;
        const int rc = BZ2_bzDecompress(z);
        const bool stuck = z->avail_out == capacity && z->avail_in == s->left.size;
        *made = capacity - z->avail_out;
        compression_advance(s, z->avail_in);
        if (rc == BZ_STREAM_END)
                return ENDED;
        if (rc == BZ_OK)
                return stuck || (s->left.size == 0 && *made < capacity) ? CUT_SHORT : GOES_ON;
        return rc == BZ_MEM_ERROR ? NO_MEMORY : DAMAGED;
}

static void bzip2_close(struct packed_stream *s)
{
        BZ2_bzDecompressEnd(&s->state.bz);
}

/* ---- zstd ---- */

static bool zstd_open(struct packed_stream *s)
{
        s->state.zstd = ZSTD_createDStream();
        return s->state.zstd != NULL;
}

static enum progress zstd_step(struct packed_stream *s, unsigned char *at, size_t capacity, size_t *made)
{
        ZSTD_inBuffer in = { s->left.data, s->left.size, 0 };
        ZSTD_outBuffer out = { at, capacity, 0 };
        const size_t rc = ZSTD_decompressStream(s->state.zstd, &out, &in);
        *made = out.pos;
        compression_advance(s, in.size - in.pos);
        if (ZSTD_isError(rc))
                return DAMAGED;
        if (rc == 0)
                return ENDED;
        return s->left.size == 0 && out.pos < capacity ? CUT_SHORT : GOES_ON;
}

static void zstd_close(struct packed_stream *s)
{
        ZSTD_freeDStream(s->state.zstd);
}

/* ---- any of them ---- */

static const struct codec codecs[] = {
        { { "application/x-gzip", "application/gzip", "gzip", "zlib", NULL },
          "neither gzip nor zlib, or damaged",
          gzip_open,
          gzip_step,
          gzip_close },
        { { "application/x-bz2", "bzip2", "bzip", NULL }, "no bzip2, or damaged", bzip2_open, bzip2_step, bzip2_close },
        { { "application/zstd", "zstd", "zstandard", NULL }, "no zstd, or damaged", zstd_open, zstd_step, zstd_close },
};

static const struct codec *codec_of(struct bytes name)
{
        for (size_t i = 0; i < sizeof(codecs) / sizeof(codecs[0]); i++)
                for (const char *const *known = codecs[i].names; *known; known++)
                        if (bytes_equal(name, bytes_of_string(*known)))
                                return &codecs[i];
        return NULL;
}

bool compression_known(struct bytes name)
{
        return codec_of(name) != NULL;
}

static int compression_too_large(size_t max, struct problem *why)
{
        return problem_set(why, "message", "body_too_large", "the decompressed body is larger than %zu bytes", max);
}

/* Decompress piece by piece into growing room; one byte more than `max` is asked for, to see that there is more. */
static int compression_unpack(const struct codec *codec, struct packed_stream *s, size_t max, struct buffer *out,
                              struct problem *why)
{
        size_t total = 0, piece = FIRST_PIECE;
        for (enum progress progress = GOES_ON; progress != ENDED;) {
                if (piece > max + 1 - total)
                        piece = max + 1 - total;
                size_t made = 0;
                unsigned char *at = buffer_reserve(out, piece);
                if (!at)
                        return -ENOMEM;
                progress = codec->step(s, at, piece, &made);
                if (progress == NO_MEMORY)
                        return -ENOMEM;
                out->size += made;
                total += made;
                if (total > max)
                        return compression_too_large(max, why);
                if (progress == CUT_SHORT || progress == DAMAGED)
                        return problem_set(why, "message", "bad_compression", "the compressed body is %s",
                                           progress == CUT_SHORT ? "cut short" : codec->damaged);
                if (piece < LARGEST_PIECE)
                        piece *= 2;
        }
        return 0;
}

int decompress(struct bytes name, struct bytes packed, size_t max, struct buffer *out, struct problem *why)
{
        const struct codec *codec = codec_of(name);
        struct packed_stream s = { .left = packed };
        if (packed.size > UINT32_MAX || max >= SIZE_MAX / 2)
                return compression_too_large(max, why);
        if (!codec)
                return problem_set(why, "message", "bad_compression", "understood are " COMPRESSION_KNOWN);
        if (!codec->open(&s))
                return -ENOMEM;
        int rc = compression_unpack(codec, &s, max, out, why);
        codec->close(&s);
        return rc;
}
