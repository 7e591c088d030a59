/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/amqp/consume/tags.h"

#include <errno.h>
#include <stdlib.h>

enum { WORD = 64, FIRST_CAPACITY = 1024, GAP_MOST = UINT16_MAX };

static uint64_t *tags_word(const struct tags *t, uint64_t tag)
{
        return &t->bits[(tag & (t->capacity - 1)) / WORD];
}

static uint64_t tags_bit(uint64_t tag)
{
        return UINT64_C(1) << (tag % WORD);
}

static bool tags_settled(const struct tags *t, uint64_t tag)
{
        return *tags_word(t, tag) & tags_bit(tag);
}

/* Make the ring large enough for one more delivery. One slow task among many quick ones stretches it. */
static int tags_grow(struct tags *t)
{
        struct tags larger = *t;
        larger.capacity = t->capacity ? t->capacity * 2 : FIRST_CAPACITY;
        larger.bits = calloc(larger.capacity / WORD, sizeof(*larger.bits));
        if (!larger.bits)
                return -ENOMEM;
        for (uint64_t tag = t->oldest; tag < t->next; tag++)
                if (tags_settled(t, tag))
                        *tags_word(&larger, tag) |= tags_bit(tag);
        free(t->bits);
        *t = larger;
        return 0;
}

int tags_delivered(struct tags *t, uint64_t tag)
{
        if (tag == 0 || tag > INT64_MAX || (t->next && (tag < t->next || tag - t->next > GAP_MOST)))
                return -EPROTO;
        if (t->next == 0)
                t->oldest = t->next = tag;
        while (tag + 1 - t->oldest > t->capacity) {
                const int result = tags_grow(t);
                if (result)
                        return result;
        }
        /* RabbitMQ leaves no gaps; if it did, what was never delivered counts as settled. */
        for (; t->next < tag; t->next++)
                *tags_word(t, t->next) |= tags_bit(t->next);
        *tags_word(t, tag) &= ~tags_bit(tag);
        t->next = tag + 1;
        t->unsettled++;
        return 0;
}

bool tags_settle(struct tags *t, uint64_t tag)
{
        if (tag < t->oldest || tag >= t->next || tags_settled(t, tag))
                return false;
        *tags_word(t, tag) |= tags_bit(tag);
        t->unsettled--;
        return true;
}

void tags_advance(struct tags *t)
{
        while (t->oldest < t->next && tags_settled(t, t->oldest))
                t->oldest++;
}

void tags_clear(struct tags *t)
{
        free(t->bits);
        *t = (struct tags){ 0 };
}
