/* SPDX-License-Identifier: Apache-2.0 */
#include "core/map.h"

#include "core/id.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_CAPACITY = 64 };

struct entry {
        const char *key; /* NULL = free */
        void *value;
        uint64_t hash;
};

struct map {
        struct entry *entries; /* open addressing, linear probing, at most half full */
        size_t capacity;       /* a power of two */
        size_t count;
        uint64_t seed; /* keys come from outside: nobody may choose them to collide */
};

/* FNV-1a, seeded, with a final mix. Source: Fowler, Noll, Vo; mix from MurmurHash3's fmix64. */
static uint64_t hash_of(const struct map *m, const char *key)
{
        uint64_t h = m->seed;
        for (; *key; key++)
                h = (h ^ (unsigned char)*key) * 0x100000001b3ULL;
        h ^= h >> 33;
        h *= 0xff51afd7ed558ccdULL;
        return h ^ h >> 33;
}

int map_new(struct map **out)
{
        struct map *m = calloc(1, sizeof(*m));
        if (!m)
                return -ENOMEM;
        m->capacity = FIRST_CAPACITY;
        m->seed = random_bits();
        m->entries = calloc(m->capacity, sizeof(*m->entries));
        if (!m->entries) {
                free(m);
                return -ENOMEM;
        }
        *out = m;
        return 0;
}

/* Where the key stands, or the free place where it belongs. */
static struct entry *map_find(const struct map *m, const char *key, uint64_t hash)
{
        size_t at = hash & (m->capacity - 1);
        while (m->entries[at].key && (m->entries[at].hash != hash || strcmp(m->entries[at].key, key) != 0))
                at = (at + 1) & (m->capacity - 1);
        return &m->entries[at];
}

void *map_get(const struct map *m, const char *key)
{
        return map_find(m, key, hash_of(m, key))->value;
}

static int map_grow(struct map *m)
{
        struct map larger = { .capacity = m->capacity * 2, .seed = m->seed, .count = m->count };
        larger.entries = calloc(larger.capacity, sizeof(*larger.entries));
        if (!larger.entries)
                return -ENOMEM;
        for (size_t i = 0; i < m->capacity; i++)
                if (m->entries[i].key)
                        *map_find(&larger, m->entries[i].key, m->entries[i].hash) = m->entries[i];
        free(m->entries);
        *m = larger;
        return 0;
}

int map_put(struct map *m, const char *key, void *value)
{
        const uint64_t hash = hash_of(m, key);
        struct entry *at = map_find(m, key, hash);
        if (!at->key) {
                if (m->count + 1 > m->capacity / 2) {
                        if (map_grow(m) < 0)
                                return -ENOMEM;
                        at = map_find(m, key, hash);
                }
                m->count++;
        }
        *at = (struct entry){ .key = key, .value = value, .hash = hash };
        return 0;
}

/* Close the gap so that probing needs no grave markers: move back whoever would not be found across it. */
static void map_close_gap(struct map *m, size_t gap)
{
        const size_t mask = m->capacity - 1;
        for (size_t at = (gap + 1) & mask; m->entries[at].key; at = (at + 1) & mask) {
                const size_t home = m->entries[at].hash & mask;
                if (((at - home) & mask) >= ((at - gap) & mask)) {
                        m->entries[gap] = m->entries[at];
                        gap = at;
                }
        }
        m->entries[gap] = (struct entry){ 0 };
}

void *map_take(struct map *m, const char *key)
{
        struct entry *at = map_find(m, key, hash_of(m, key));
        if (!at->key)
                return NULL;
        void *value = at->value;
        m->count--;
        map_close_gap(m, (size_t)(at - m->entries));
        return value;
}

size_t map_count(const struct map *m)
{
        return m->count;
}

void map_each(const struct map *m, void (*each)(void *value, void *arg), void *arg)
{
        for (size_t i = 0; i < m->capacity; i++)
                if (m->entries[i].key)
                        each(m->entries[i].value, arg);
}

void map_free(struct map *m)
{
        if (!m)
                return;
        free(m->entries);
        free(m);
}
