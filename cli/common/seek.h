/* SPDX-License-Identifier: Apache-2.0 */
/* A broker that a process can do without: it is opened at the start, and where it is away then, looked for now and then until it is there. (One that is
 * lost later comes back by itself.) Loop thread. */
#ifndef CHARD_CLI_COMMON_SEEK_H
#define CHARD_CLI_COMMON_SEEK_H

#include "broker/broker.h"
#include "core/settings/settings.h"

/* The first four are set before seek_open. */
struct seek {
        uv_loop_t *loop;
        const struct settings *settings;            /* borrowed until seek_close */
        const char *name;                           /* what the broker shows of this process; borrowed likewise */
        void (*found)(struct broker *b, void *arg); /* it is there after all; never from inside seek_open */
        void *arg;
        struct broker *broker; /* owned; NULL: it was not there yet … */
        struct problem why;    /* … which is why */
        uv_timer_t timer;
};

/* Try once, for as long as a connection may take, and go on looking where that is in vain; each later try may hold up the loop for a second. */
void seek_open(struct seek *s);

/* Close it. The loop must turn until it is idle. */
void seek_close(struct seek *s);

#endif
