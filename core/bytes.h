/* SPDX-License-Identifier: Apache-2.0 */
/* A view of bytes that somebody else owns, and a buffer that grows. */
#ifndef CHARD_CORE_BYTES_H
#define CHARD_CORE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Borrowed bytes; not NUL-terminated unless the giver says so. */
struct bytes {
        const unsigned char *data;
        size_t size;
};

static inline struct bytes bytes_of(const void *data, size_t size)
{
        return (struct bytes){ (const unsigned char *)data, size };
}

static inline struct bytes bytes_of_string(const char *text)
{
        return bytes_of(text, strlen(text));
}

/* Bytes being written. Zero-initialise to start. When memory runs out, `failed` is set and later
 * additions do nothing, so a writer checks once, at the end. */
struct buffer {
        unsigned char *data;
        size_t size;
        size_t capacity;
        bool failed;
};

/* Append `size` bytes (none when size is 0). */
void buffer_add(struct buffer *b, const void *data, size_t size);

/* Append a NUL-terminated text, without its NUL. */
void buffer_add_string(struct buffer *b, const char *text);

/* Append formatted text, without a NUL. */
void buffer_addf(struct buffer *b, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Append the bytes that hexadecimal digits say, two digits a byte. False when they are none, or memory ran out. */
bool buffer_add_hex(struct buffer *b, const char *digits);

/* Append one byte. */
void buffer_add_byte(struct buffer *b, unsigned char byte);

/* Make room for `size` more bytes and return where they start, or NULL when memory ran out.
 * The caller fills them and adds to `b->size`. */
unsigned char *buffer_reserve(struct buffer *b, size_t size);

/* What is in it, borrowed until the next addition. */
static inline struct bytes buffer_view(const struct buffer *b)
{
        return bytes_of(b->data, b->size);
}

/* Forget the content, keep the memory. */
static inline void buffer_reset(struct buffer *b)
{
        b->size = 0;
        b->failed = false;
}

/* Give the memory back; the buffer is empty and usable again. */
void buffer_free(struct buffer *b);

#endif
