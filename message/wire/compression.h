/* SPDX-License-Identifier: Apache-2.0 */
/* Compressed bodies. Pure. */
#ifndef CHARD_MESSAGE_WIRE_COMPRESSION_H
#define CHARD_MESSAGE_WIRE_COMPRESSION_H

#include "core/bytes.h"
#include "core/problem.h"

#include <stdbool.h>

/* Is this the value of a `compression` header that `decompress` understands? kombu's "gzip" and "zlib" both travel as
 * "application/x-gzip" and are zlib streams; other clients send real gzip under that name. */
bool compression_known(struct bytes name);

#define COMPRESSION_KNOWN "gzip, zlib (application/x-gzip), bzip2 (application/x-bz2) and zstd (application/zstd)"

/* Append what the stream `packed`, compressed as `name` says, holds to `out`. Returns 0; 1 with `why` (source "message", code
 * "bad_compression", or "body_too_large" as soon as it grows beyond `max` bytes); or -ENOMEM. What follows the stream's end is passed
 * over, as Python does. */
int decompress(struct bytes name, struct bytes packed, size_t max, struct buffer *out, struct problem *why);

#endif
