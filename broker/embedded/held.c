/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/embedded/held.h"

#include <errno.h>
#include <stdlib.h>

static size_t held_home(const struct embedded_held *h, uint64_t number)
{
        return (size_t)((number * UINT64_C(0x9e3779b97f4a7c15)) >> 32) & (h->capacity - 1);
}

static void embedded_held_put(struct embedded_held *h, struct held_entry entry)
{
        size_t at = held_home(h, entry.number);
        while (h->slots[at].number)
                at = (at + 1) & (h->capacity - 1);
        h->slots[at] = entry;
}

int held_reserve(struct embedded_held *h, size_t more)
{
        struct embedded_held larger = { .count = h->count,
                                        .capacity = h->capacity ? h->capacity : 64,
                                        .last = h->last };
        while (larger.capacity < 2 * (h->count + more))
                larger.capacity *= 2;
        if (larger.capacity == h->capacity)
                return 0;
        larger.slots = calloc(larger.capacity, sizeof(*larger.slots));
        if (!larger.slots)
                return -ENOMEM;
        for (size_t i = 0; i < h->capacity; i++)
                if (h->slots[i].number)
                        embedded_held_put(&larger, h->slots[i]);
        free(h->slots);
        *h = larger;
        return 0;
}

uint64_t held_add(struct embedded_held *h, struct embedded_consumer *consumer, int64_t id)
{
        embedded_held_put(h, (struct held_entry){ .number = ++h->last, .consumer = consumer, .id = id });
        h->count++;
        return h->last;
}

/* Move up what was pushed past the slot that is free now, so that a search never stops short of it. */
static void embedded_held_close_gap(struct embedded_held *h, size_t gap)
{
        const size_t mask = h->capacity - 1;
        for (size_t at = (gap + 1) & mask; h->slots[at].number; at = (at + 1) & mask) {
                const size_t wanted = held_home(h, h->slots[at].number);
                if (((at - wanted) & mask) < ((at - gap) & mask))
                        continue;
                h->slots[gap] = h->slots[at];
                gap = at;
        }
        h->slots[gap].number = 0;
}

bool held_take(struct embedded_held *h, uint64_t number, struct held_entry *out)
{
        if (!number || !h->count)
                return false;
        size_t at = held_home(h, number);
        while (h->slots[at].number && h->slots[at].number != number)
                at = (at + 1) & (h->capacity - 1);
        if (!h->slots[at].number)
                return false;
        *out = h->slots[at];
        h->count--;
        embedded_held_close_gap(h, at);
        return true;
}

void held_free(struct embedded_held *h)
{
        free(h->slots);
        *h = (struct embedded_held){ 0 };
}
