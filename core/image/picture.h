/* SPDX-License-Identifier: Apache-2.0 */
/* A picture without what it says beside the picture: where and when it was taken, by what and by whom, and thumbnails of it. Kept are the pixels as they are, the description of its colours, an
 * animation's times, and how a JPEG is to be turned. Pure; reads no byte beyond the picture, and makes one pass over it.
 * Sources: ITU-T T.81, annex B (JPEG); Exif 2.32, 4.6 (orientation); W3C PNG, third edition; Google's "WebP Container Specification"; GIF89a. */
#ifndef CHARD_CORE_IMAGE_PICTURE_H
#define CHARD_CORE_IMAGE_PICTURE_H

#include "core/bytes.h"
#include "core/problem.h"

/* Append what stays of a JPEG, PNG, WebP or GIF picture: never more than 64 bytes beyond its own size. What stands behind its end goes, too. Returns 0; 1 with `why` (source "request"): code
 * "bad_type" for what is none of them, "bad_picture" for what begins as one and is cut short or broken; or -ENOMEM. */
int picture_strip(struct bytes in, struct buffer *out, struct problem *why);

#endif
