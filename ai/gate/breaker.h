/* SPDX-License-Identifier: Apache-2.0 */
/* Stops calling one model when its provider is down: it counts how the calls of the last ten seconds ended, and once most of
 * them failed, or many in a row, it lets nobody through for a while, then one call at a time to see whether the provider is back.
 * Pure: time (monotonic milliseconds) and random bits come in. Owned by the loop thread.
 * Source of the pattern: M. Nygard, "Release It!", "Circuit Breaker". */
#ifndef CHARD_AI_GATE_BREAKER_H
#define CHARD_AI_GATE_BREAKER_H

#include <stdbool.h>
#include <stdint.h>

enum {
        BREAKER_SLICES = 10,     /* the window, in slices of … */
        BREAKER_SLICE_MS = 1000, /* … one second */
        BREAKER_LEAST = 20,      /* fewer calls in the window say nothing, … */
        BREAKER_ROW = 10,        /* … but for so many failures in a row: more than two tasks have attempts */
        BREAKER_FAILED_PERCENT = 50,
        BREAKER_OPEN_MIN_MS = 2000,   /* stays open this long the first time … */
        BREAKER_OPEN_MAX_MS = 30000,  /* … doubling to this while probes fail */
        BREAKER_PROBE_WAIT_MS = 1000, /* for who comes while a probe is under way: from this to three times as long */
};

enum breaker_end {
        BREAKER_ANSWERED, /* the provider answered, whatever it said */
        BREAKER_FAILED,   /* no connection, time-out, 5xx */
        BREAKER_NEITHER,  /* taken back, or never sent */
};

/* Zero-initialise to start: closed, which means that calls go through. */
struct breaker {
        struct {
                uint64_t second; /* which slice this is, counted from time 0 */
                unsigned calls, failed;
        } slice[BREAKER_SLICES];
        uint64_t row_second; /* of the last failure … */
        unsigned row; /* … of so many since the last call that was answered, none a whole window after the one before */
        uint64_t until_ms; /* open until then, half-open after; 0 = closed */
        bool probing;      /* half-open, and one call is out */
        unsigned opened;   /* times in a row without a good probe */
};

/* Ask to call now. Returns 0, and *probe says whether this is the one call that finds out whether the provider is back; or the
 * milliseconds to wait before asking again (> 0). */
uint64_t breaker_take(struct breaker *b, uint64_t now_ms, uint64_t random, bool *probe);

/* A call ended; `probe` as breaker_take gave it. Returns true when this closed the breaker again. */
bool breaker_report(struct breaker *b, bool probe, enum breaker_end end, uint64_t now_ms, uint64_t random);

/* Open it at once: one answer has said that no other would be better. `probe` as breaker_take gave it. While it is open already it changes nothing. */
void breaker_trip(struct breaker *b, bool probe, uint64_t now_ms, uint64_t random);

/* Is it open, or half-open? */
bool breaker_is_open(const struct breaker *b);

/* Milliseconds for which surely nobody gets through; 0 = closed or half-open. */
uint64_t breaker_open_ms(const struct breaker *b, uint64_t now_ms);

#endif
