/* SPDX-License-Identifier: Apache-2.0 */
#include "store/inbox.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct inbox_batch;

struct inbox_place {
        struct inbox_batch *batch;
        size_t place;
};

struct inbox_batch {
        inbox_done *done;
        void *arg;
        size_t count, left;
        struct problem why; /* of the first one that went wrong */
        bool failed;
        enum store_result *results; /* behind the places */
        struct inbox_place places[];
};

/* One more is answered; the last one answers for all. */
static void inbox_answered(struct inbox_batch *b)
{
        if (--b->left > 0)
                return;
        b->done(b->results, b->count, b->failed ? &b->why : NULL, b->arg);
        free(b);
}

static void on_inbox_applied(enum store_result result, struct bytes stored, const struct problem *why, void *arg)
{
        const struct inbox_place *at = arg;
        struct inbox_batch *b = at->batch;

        (void)stored;
        b->results[at->place] = result;
        if (why && !b->failed) {
                b->failed = true;
                b->why = *why;
        }
        inbox_answered(b);
}

void inbox_apply(struct store *s, const struct inbox_item *items, size_t count, inbox_done *done, void *arg)
{
        struct inbox_batch *b =
                calloc(1, sizeof(*b) + count * (sizeof(struct inbox_place) + sizeof(enum store_result)));
        struct problem why;

        if (!b) {
                problem_set(&why, "store", "out_of_memory", "out of memory");
                done(NULL, 0, &why, arg);
                return;
        }
        *b = (struct inbox_batch){ .done = done, .arg = arg, .count = count, .left = count + 1 };
        b->results = (enum store_result *)(b->places + count);
        for (size_t i = 0; i < count; i++) {
                b->places[i] = (struct inbox_place){ b, i };
                s->inbox->apply(s, &items[i], on_inbox_applied, &b->places[i]);
        }
        inbox_answered(b); /* none may have been asked for */
}

size_t inbox_id_size(const struct inbox_item *item)
{
        return strlen(item->consumer) + strlen(item->event_id) + 2;
}

char *inbox_id_write(char *at, const struct inbox_item *item)
{
        return at + sprintf(at, "%s/%s", item->consumer, item->event_id) + 1;
}
