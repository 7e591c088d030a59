/* SPDX-License-Identifier: Apache-2.0 */
#include "ai/gate/breaker.h"

static bool probe_ended(struct breaker *b, enum breaker_end end, uint64_t now_ms, uint64_t random);
static void breaker_count(struct breaker *b, bool failed, uint64_t now_ms);
static bool mostly_failing(const struct breaker *b, uint64_t now_ms);
static void open_now(struct breaker *b, uint64_t now_ms, uint64_t random);

uint64_t breaker_take(struct breaker *b, uint64_t now_ms, uint64_t random, bool *probe)
{
        *probe = false;
        if (b->until_ms == 0)
                return 0;
        if (now_ms < b->until_ms)
                return b->until_ms - now_ms;
        if (b->probing)
                return BREAKER_PROBE_WAIT_MS + random % (2 * BREAKER_PROBE_WAIT_MS);
        b->probing = true;
        *probe = true;
        return 0;
}

bool breaker_report(struct breaker *b, bool probe, enum breaker_end end, uint64_t now_ms, uint64_t random)
{
        if (probe)
                return probe_ended(b, end, now_ms, random);
        if (b->until_ms != 0 || end == BREAKER_NEITHER)
                return false; /* while it is open, calls from before say nothing new */
        breaker_count(b, end == BREAKER_FAILED, now_ms);
        if (mostly_failing(b, now_ms))
                open_now(b, now_ms, random);
        return false;
}

void breaker_trip(struct breaker *b, bool probe, uint64_t now_ms, uint64_t random)
{
        if (probe)
                b->probing = false;
        if (probe || b->until_ms == 0)
                open_now(b, now_ms, random);
}

bool breaker_is_open(const struct breaker *b)
{
        return b->until_ms != 0;
}

uint64_t breaker_open_ms(const struct breaker *b, uint64_t now_ms)
{
        return now_ms < b->until_ms ? b->until_ms - now_ms : 0;
}

static bool probe_ended(struct breaker *b, enum breaker_end end, uint64_t now_ms, uint64_t random)
{
        b->probing = false;
        if (end == BREAKER_FAILED)
                open_now(b, now_ms, random);
        if (end != BREAKER_ANSWERED)
                return false;
        *b = (struct breaker){ 0 };
        return true;
}

static void breaker_count(struct breaker *b, bool failed, uint64_t now_ms)
{
        const uint64_t second = now_ms / BREAKER_SLICE_MS;
        const unsigned at = (unsigned)(second % BREAKER_SLICES);
        if (b->slice[at].second != second) {
                b->slice[at].second = second;
                b->slice[at].calls = b->slice[at].failed = 0;
        }
        b->slice[at].calls++;
        b->slice[at].failed += failed;
        if (!failed || b->row_second + BREAKER_SLICES <= second)
                b->row = 0;
        if (failed) {
                b->row++;
                b->row_second = second;
        }
}

static bool mostly_failing(const struct breaker *b, uint64_t now_ms)
{
        const uint64_t second = now_ms / BREAKER_SLICE_MS;
        uint64_t calls = 0, failed = 0;
        for (unsigned i = 0; i < BREAKER_SLICES; i++) {
                if (b->slice[i].second + BREAKER_SLICES <= second)
                        continue;
                calls += b->slice[i].calls;
                failed += b->slice[i].failed;
        }
        return b->row >= BREAKER_ROW || (calls >= BREAKER_LEAST && failed * 100 >= calls * BREAKER_FAILED_PERCENT);
}

/* Twice as long each time, and a quarter of it at random, so that several processes do not probe together. */
static void open_now(struct breaker *b, uint64_t now_ms, uint64_t random)
{
        uint64_t open_ms = BREAKER_OPEN_MIN_MS;
        for (unsigned i = 0; i < b->opened && open_ms < BREAKER_OPEN_MAX_MS; i++)
                open_ms *= 2;
        if (open_ms > BREAKER_OPEN_MAX_MS)
                open_ms = BREAKER_OPEN_MAX_MS;
        b->opened++;
        b->row = 0;
        b->until_ms = now_ms + open_ms * 3 / 4 + random % (open_ms / 4 + 1);
}
