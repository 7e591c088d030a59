/* SPDX-License-Identifier: Apache-2.0 */
/* Files that are part of the program as those of core/embed.h are, kept by gzip: what is read at most once, or sent so. */
#ifndef CHARD_CORE_TEXT_PACKED_H
#define CHARD_CORE_TEXT_PACKED_H

#include "core/bytes.h"

/* A set ends with an entry whose name is NULL. Constant. */
struct packed_file {
        const char *name;
        const unsigned char *packed;
        size_t packed_size, size; /* of `packed`; of the file */
};

/* Append what the file holds to `out`. False: memory ran out. Any thread. Source: RFC 1952; zlib's manual, "inflateInit2". */
bool packed_read(const struct packed_file *file, struct buffer *out);

#endif
