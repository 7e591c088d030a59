/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CHARD_CORE_EMBED_H
#define CHARD_CORE_EMBED_H

#include <stddef.h>

/* Files that are part of the program: migrations, the data of its tasks. scripts/embed turns each set of files into one array at build time,
 * so that the binary needs no folder beside it. A set is declared where it is used.
 *
 * All of it is constant and may be read from any thread. A set's entries are sorted by name, in byte
 * order; after the last one follows an entry whose name is NULL. */
struct embedded_file {
        const char *name;          /* without its folder: "001_tables.sql" */
        const unsigned char *data; /* as in the file, with a NUL after the last byte */
        size_t size;               /* bytes, without that NUL */
};

#endif
