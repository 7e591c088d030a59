/* SPDX-License-Identifier: Apache-2.0 */
/* What in an error message differs from entry to entry: how many bytes from `at` on belong to it, 0 = none begins there. `at` is the start of a word; nothing
 * at or after `end` is read. Pure. Internal to dlq/. */
#ifndef CHARD_DLQ_MASK_H
#define CHARD_DLQ_MASK_H

#include <stdbool.h>
#include <stddef.h>

size_t mask_url(const char *at, const char *end);
size_t mask_email(const char *at, const char *end);
size_t mask_time(const char *at, const char *end);    /* 2026-11-30T01:02:03Z; Mon, 30 Nov 2026 01:02:03 GMT */
size_t mask_path(const char *at, const char *end);    /* of a file system: /tmp/x, C:\x; not of an API: /v1/models */
size_t mask_file(const char *at, const char *end);    /* IMG_0001.heic */
size_t mask_address(const char *at, const char *end); /* fe80::1 */
size_t mask_id(const char *at, const char *end); /* UUIDs, hexadecimal ones, req_…, chatcmpl-…, what looks random */
size_t mask_number(const char *at, const char *end); /* with its sign and its unit: -1.5e3, 1m30s, 20%, 12KB */

/* Does that number name a cause: a status of HTTP, an errno, an exit status? */
bool mask_is_code(const char *text, const char *at, size_t size, const char *end);

/* " seconds" and its like, after a number; with its blank. */
size_t mask_plural_size(const char *at, const char *end);

/* A quotation, in any script's marks, from its opening mark to its closing one; one that is cut off goes to the end. */
struct mask_quote {
        size_t size;
        const char *inner; /* NULL: none begins there */
        size_t inner_size;
};
struct mask_quote mask_quote(const char *text, const char *at, const char *end);

/* Is what is quoted the name of a thing that a program knows, rather than what a user wrote? */
bool mask_is_name(const char *text, const struct mask_quote *q, const char *end);

/* Does a quotation at `at` stand after "message": or a key like it? */
bool mask_is_sentence(const char *text, const char *at);

#endif
