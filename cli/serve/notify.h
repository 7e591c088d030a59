/* SPDX-License-Identifier: Apache-2.0 */
/* Tells the service manager how this process does, as systemd understands it: READY=1 once it serves, WATCHDOG=1 as long as the loop turns, STOPPING=1
 * once it ends. Datagrams to the socket that NOTIFY_SOCKET names; without that variable nothing is done. Source: sd_notify(3). */
#ifndef CHARD_CLI_SERVE_NOTIFY_H
#define CHARD_CLI_SERVE_NOTIFY_H

#include <uv.h>

struct notify {
        int fd; /* connected to the manager; -1 = there is none, or it could not be reached */
        uv_timer_t timer;
};

/* Say that the process serves, and from then on, twice in each WATCHDOG_USEC, that its loop turns. Loop thread; keeps no loop turning. */
void notify_begin(struct notify *n, uv_loop_t *loop);

/* Say that it ends. The loop is told of as before. */
void notify_stopping(const struct notify *n);

/* Give it back, for which the loop must turn once. */
void notify_end(struct notify *n);

#endif
