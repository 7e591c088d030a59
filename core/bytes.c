/* SPDX-License-Identifier: Apache-2.0 */
#include "core/bytes.h"

#include "core/text/hex.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { FIRST_CAPACITY = 256 };

unsigned char *buffer_reserve(struct buffer *b, size_t size)
{
        if (b->failed)
                return NULL;
        if (size > SIZE_MAX / 2 - b->size) {
                b->failed = true;
                return NULL;
        }
        size_t wanted = b->size + size;
        if (wanted > b->capacity || !b->data) {
                size_t capacity = b->capacity ? b->capacity : FIRST_CAPACITY;
                while (capacity < wanted)
                        capacity *= 2;
                unsigned char *data = realloc(b->data, capacity);
                if (!data) {
                        b->failed = true;
                        return NULL;
                }
                b->data = data;
                b->capacity = capacity;
        }
        return b->data + b->size;
}

void buffer_add(struct buffer *b, const void *data, size_t size)
{
        if (size == 0)
                return;
        unsigned char *at = buffer_reserve(b, size);
        if (!at)
                return;
        memcpy(at, data, size);
        b->size += size;
}

void buffer_add_string(struct buffer *b, const char *text)
{
        buffer_add(b, text, strlen(text));
}

void buffer_add_byte(struct buffer *b, unsigned char byte)
{
        buffer_add(b, &byte, 1);
}

bool buffer_add_hex(struct buffer *b, const char *digits)
{
        for (; digits[0]; digits += 2) {
                const int high = hex_value(digits[0]), low = hex_value(digits[1]);
                if (high < 0 || low < 0)
                        return false;
                buffer_add_byte(b, (unsigned char)(high << 4 | low));
        }
        return !b->failed;
}

void buffer_addf(struct buffer *b, const char *format, ...)
{
        va_list args;
        va_start(args, format);
        int size = vsnprintf(NULL, 0, format, args);
        va_end(args);
        unsigned char *at = size < 0 ? NULL : buffer_reserve(b, (size_t)size + 1);
        if (!at) {
                b->failed = true;
                return;
        }
        va_start(args, format);
        vsnprintf((char *)at, (size_t)size + 1, format, args);
        va_end(args);
        b->size += (size_t)size;
}

void buffer_free(struct buffer *b)
{
        free(b->data);
        *b = (struct buffer){ 0 };
}
