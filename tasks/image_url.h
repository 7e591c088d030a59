/* SPDX-License-Identifier: Apache-2.0 */
/* Checks the address of a picture before anybody pays for looking at it. Pure.
 * Sources: RFC 3986, 3.2 (authority); RFC 2397 (data URLs); RFC 4648, 4 (base64). */
#ifndef CHARD_IMAGE_URL_H
#define CHARD_IMAGE_URL_H

#include "core/problem.h"

#include <stdbool.h>
#include <stddef.h>

#define IMAGE_URL_MAX 8192 /* bytes of an http or https URL; data: URLs are bounded by the message's body */

/* Accepts http://HOST…, https://HOST…, data:image/TYPE;base64,DATA and blob:sha256:DIGEST (core/text/blob_url.h). `size` counts bytes without the NUL.
 * Returns 0; or 1 with `why` (source "task", code "bad_image_url"). */
int image_url_check(const char *url, size_t size, struct problem *why);

/* Whether it is a data: URL, and if so what may stand for it where the picture itself is too much to carry:
 * "data:image/png;base64,… (1234 bytes)". `out` always ends with NUL. */
bool image_url_mark(const char *url, size_t size, char *out, size_t out_size);

#endif
