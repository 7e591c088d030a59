/* SPDX-License-Identifier: Apache-2.0 */
/* What a worker does, on a terminal, as it happens. */
#ifndef CHARD_OBSERVE_LIVE_H
#define CHARD_OBSERVE_LIVE_H

#include "worker/observe.h"

/* An observer that prints a line on standard output for each task that begins, is done, is put away or dies. */
struct observer live_view(void);

#endif
