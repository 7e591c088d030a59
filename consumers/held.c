/* SPDX-License-Identifier: Apache-2.0 */
#include "consumers/held.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct held {
        size_t count;
        char key[];
};

int held_set(struct map *held, const char *key, size_t count)
{
        struct held *h = map_get(held, key);
        if (count == 0) {
                free(map_take(held, key));
                return 0;
        }
        if (!h) {
                const size_t size = strlen(key) + 1;
                h = malloc(sizeof(*h) + size);
                if (!h)
                        return -ENOMEM;
                memcpy(h->key, key, size);
                if (map_put(held, h->key, h) != 0) {
                        free(h);
                        return -ENOMEM;
                }
        }
        h->count = count;
        return 0;
}

size_t held_count(const struct map *held, const char *key)
{
        const struct held *h = map_get(held, key);
        return h ? h->count : 0;
}

static void held_free_one(void *value, void *arg)
{
        (void)arg;
        free(value);
}

void held_give_back(struct map *held)
{
        if (!held)
                return;
        map_each(held, held_free_one, NULL);
        map_free(held);
}

int held_fill(struct map **out, const json_t *counts)
{
        const char *key;
        json_t *count;
        int rc = map_new(out);
        json_object_foreach((json_t *)(uintptr_t)counts, key, count) {
                if (rc == 0)
                        rc = held_set(*out, key, (size_t)json_integer_value(count));
        }
        return rc;
}
