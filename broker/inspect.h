/* SPDX-License-Identifier: Apache-2.0 */
/* Looks once, on a thread of its own, whether the broker's settings lose messages of these queues, and logs what it finds. */
#ifndef CHARD_BROKER_INSPECT_H
#define CHARD_BROKER_INSPECT_H

#include "broker/check.h"

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

struct inspection;

/* Begin. Of `config` the URLs, the authority and leaves_tasks count; where its admin_url is NULL, and with brokers that have no such API, nothing is
 * begun. All is copied. `native_delay` as topology_build says.
 * Returns 0 with *out, NULL where nothing was begun; or -errno. Loop thread. */
int inspection_start(struct inspection **out, uv_loop_t *loop, const struct broker_check_config *config,
                     const char *const queues[], size_t count, bool native_delay);

/* Nobody waits for it any more; the loop may stay a second for it. NULL is fine. Loop thread. */
void inspection_end(struct inspection *i);

#endif
