/* SPDX-License-Identifier: Apache-2.0 */
/* How a camera was held, of all that Exif says. Pure. Source: Exif 2.32, 4.5 and 4.6.4; TIFF 6.0, section 2. */
#ifndef CHARD_CORE_IMAGE_ORIENTATION_H
#define CHARD_CORE_IMAGE_ORIENTATION_H

#include "core/bytes.h"

/* What a JPEG's APP1 segment says, its marker and length left out: 1 (upright) … 8, or 0 where it says nothing of it. */
unsigned orientation_read(struct bytes app1);

/* An APP1 segment, its marker and length included, that says this and nothing else. */
enum { ORIENTATION_SEGMENT = 36 };
void orientation_write(unsigned turn, unsigned char out[ORIENTATION_SEGMENT]);

#endif
