/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/wire_tap.h"

#include <string.h>

enum { HEAD = 7, FRAME_METHOD = 1, CLASS_BASIC = 60, METHOD_DELIVER = 60, METHOD_ACK = 80 };

static uint64_t number(const unsigned char *at, size_t size)
{
        uint64_t n = 0;
        for (size_t i = 0; i < size; i++)
                n = n << 8 | at[i];
        return n;
}

/* How much of this frame is looked at: all that its start allows, but at most what fits. */
static size_t wanted(const struct wire *w)
{
        if (w->got < HEAD)
                return HEAD;
        const size_t all = HEAD + (size_t)number(w->start + 3, 4) + 1;
        if (w->start[0] != FRAME_METHOD)
                return HEAD;
        return all < sizeof(w->start) ? all : sizeof(w->start);
}

static void look(const struct wire *w, wire_heard *heard, void *arg)
{
        const unsigned char *at = w->start + HEAD;
        if (w->start[0] != FRAME_METHOD || number(at, 2) != CLASS_BASIC)
                return;
        if (number(at + 2, 2) == METHOD_DELIVER)
                heard(WIRE_DELIVER, number(at + 5 + at[4], 8), false, arg); /* behind the consumer tag */
        else if (number(at + 2, 2) == METHOD_ACK)
                heard(WIRE_ACK, number(at + 4, 8), at[12] & 1, arg);
}

void wire_see(struct wire *w, const unsigned char *data, size_t size, wire_heard *heard, void *arg)
{
        while (size > 0) {
                size_t step;
                if (w->skip > 0) {
                        step = w->skip < size ? w->skip : size;
                        w->skip -= step;
                } else {
                        step = wanted(w) - w->got;
                        step = step < size ? step : size;
                        memcpy(w->start + w->got, data, step);
                        w->got += step;
                        if (w->got >= HEAD && w->got == wanted(w)) {
                                look(w, heard, arg);
                                w->skip = HEAD + (size_t)number(w->start + 3, 4) + 1 - w->got;
                                w->got = 0;
                        }
                }
                data += step;
                size -= step;
        }
}
