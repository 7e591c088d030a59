/* SPDX-License-Identifier: Apache-2.0 */
/* Runs a loop until something is done, with a deadline. */
#ifndef CHARD_CLI_COMMON_WAIT_H
#define CHARD_CLI_COMMON_WAIT_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct wait {
        uv_loop_t loop;
        uv_timer_t timer;
        bool done, timed_out;
};

void wait_open(struct wait *w);

/* Turn the loop until wait_done is called or `ms` have passed. Returns false when the time was up. */
bool wait_for(struct wait *w, uint64_t ms);
void wait_done(struct wait *w);

/* Close the loop; everything on it must be closing. */
void wait_close(struct wait *w);

#endif
