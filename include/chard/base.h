/* SPDX-License-Identifier: Apache-2.0 */
/* What both parts of chard's public C interface need. */
#ifndef CHARD_BASE_H
#define CHARD_BASE_H

#include <stddef.h>

#define CHARD_API    __attribute__((visibility("default")))
#define CHARD_HEADER "0.1.0" /* the version that these headers belong to; chard_version() is the library's */

#endif
