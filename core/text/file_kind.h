/* SPDX-License-Identifier: Apache-2.0 */
/* What a file is, by its first bytes. */
#ifndef CHARD_CORE_TEXT_FILE_KIND_H
#define CHARD_CORE_TEXT_FILE_KIND_H

#include "core/bytes.h"

#include <stdbool.h>

struct file_kind {
        const char *name;  /* for people: "a HEIC picture"; NULL: not known */
        const char *media; /* "image/png" */
        bool is_picture;   /* one that vision models take: PNG, JPEG, GIF, WebP */
};

enum { FILE_KIND_BYTES = 32 }; /* so many first bytes are enough */

/* Never fails; a kind without a name is one that is not known. Any thread. */
struct file_kind file_kind_of(struct bytes b);

#endif
