/* SPDX-License-Identifier: Apache-2.0 */
/* Tells in the log that something is away, and that it is back: one line each, whoever notices it and however often it is tried meanwhile.
 * What goes again soon after it came back is folded: that loss is told only once it lasts, and what comes and goes all the time once a minute.
 * Any thread; it may be used by several. Times are of the monotonic clock. */
#ifndef CHARD_CORE_ABSENCE_H
#define CHARD_CORE_ABSENCE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

enum { ABSENCE_FOLD_MS = 5000 }; /* a loss so soon after a return is the same trouble */

struct absence {
        pthread_mutex_t lock;
        const char *area, *what, *then; /* constants: "broker"; "the broker"; what follows from it, or "" */
        unsigned parts;                 /* that are away, a bit each */
        bool told;
        uint64_t lost_ms, back_ms; /* when it last went, and came back; 0 = never */
        unsigned folded;           /* losses that were not told, since folded_ms */
        uint64_t folded_ms;
        char why[200];
};

void absence_init(struct absence *o, const char *area, const char *what, const char *then);
void absence_destroy(struct absence *o);

/* A part (1, 2, 4, …: connections to the same thing) is away; said again it changes nothing, but for what was not told yet. `why` may be NULL. */
void absence_lost(struct absence *o, unsigned part, const char *why, uint64_t now_ms);

/* It is back. The return is told once no part is away. */
void absence_back(struct absence *o, unsigned part, uint64_t now_ms);

/* To be called now and then while something may be away: tells a folded loss that lasts. */
void absence_look(struct absence *o, uint64_t now_ms);

#endif
