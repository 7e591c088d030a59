/* SPDX-License-Identifier: Apache-2.0 */
#include "core/arena.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Blocks grow, so that a small task costs little and a large one few allocations. */
enum { FIRST_BLOCK = 1024, LARGEST_BLOCK = 64 * 1024 };

struct arena_block {
        struct arena_block *next;
        size_t size;
        _Alignas(max_align_t) unsigned char data[];
};

static struct arena_block *block_new(struct arena *a, size_t least)
{
        size_t size = a->blocks ? a->blocks->size * 2 : FIRST_BLOCK;
        if (size > LARGEST_BLOCK)
                size = LARGEST_BLOCK;
        if (size < least)
                size = least;
        struct arena_block *block = malloc(sizeof(*block) + size);
        if (!block)
                return NULL;
        block->next = a->blocks;
        block->size = size;
        a->blocks = block;
        a->used = 0;
        return block;
}

static void *arena_take(struct arena *a, size_t size)
{
        const size_t align = _Alignof(max_align_t);
        if (size > SIZE_MAX / 4)
                return NULL;
        size = (size + align - 1) & ~(align - 1);
        if (!a->blocks || a->blocks->size - a->used < size) {
                if (!block_new(a, size))
                        return NULL;
        }
        void *at = a->blocks->data + a->used;
        a->used += size;
        return at;
}

void *arena_alloc(struct arena *a, size_t size)
{
        void *at = arena_take(a, size ? size : 1);
        return at ? memset(at, 0, size) : NULL;
}

char *arena_copy(struct arena *a, const void *data, size_t size)
{
        if (!data || size == SIZE_MAX)
                return NULL;
        char *at = arena_take(a, size + 1);
        if (!at)
                return NULL;
        memcpy(at, data, size);
        at[size] = '\0';
        return at;
}

char *arena_string(struct arena *a, const char *text)
{
        return text ? arena_copy(a, text, strlen(text)) : NULL;
}

char *arena_printf(struct arena *a, const char *format, ...)
{
        va_list args;
        va_start(args, format);
        int size = vsnprintf(NULL, 0, format, args);
        va_end(args);
        char *at = size < 0 ? NULL : arena_take(a, (size_t)size + 1);
        if (!at)
                return NULL;
        va_start(args, format);
        vsnprintf(at, (size_t)size + 1, format, args);
        va_end(args);
        return at;
}

void arena_free(struct arena *a)
{
        for (struct arena_block *block = a->blocks, *next; block; block = next) {
                next = block->next;
                free(block);
        }
        *a = (struct arena){ 0 };
}
