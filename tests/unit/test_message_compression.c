/* SPDX-License-Identifier: Apache-2.0 */
/* Compressed bodies: each kind, whole, cut short, damaged, and one that grows beyond what is allowed. */
#include "message/wire/compression.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <bzlib.h>
#include <cmocka.h>
#include <zlib.h>
#include <zstd.h>

enum { PLAIN = 300000, ROOM = 400000 };

static size_t pack_zlib(const unsigned char *plain, unsigned char *out)
{
        uLongf size = ROOM;
        assert_int_equal(compress(out, &size, plain, PLAIN), Z_OK);
        return size;
}

static size_t pack_bzip2(const unsigned char *plain, unsigned char *out)
{
        unsigned size = ROOM;
        assert_int_equal(BZ2_bzBuffToBuffCompress((char *)out, &size, (char *)plain, PLAIN, 9, 0, 0), BZ_OK);
        return size;
}

static size_t pack_zstd(const unsigned char *plain, unsigned char *out)
{
        const size_t size = ZSTD_compress(out, ROOM, plain, PLAIN, 3);
        assert_false(ZSTD_isError(size));
        return size;
}

static const struct kind {
        const char *name;
        size_t (*pack)(const unsigned char *plain, unsigned char *out);
} kinds[] = {
        { "application/x-gzip", pack_zlib },
        { "application/x-bz2", pack_bzip2 },
        { "application/zstd", pack_zstd },
};
enum { KINDS = sizeof(kinds) / sizeof(kinds[0]) };

/* Bytes that are neither all the same nor without pattern. */
static unsigned char *plain_bytes(void)
{
        unsigned char *plain = malloc(PLAIN);
        assert_non_null(plain);
        for (size_t i = 0; i < PLAIN; i++)
                plain[i] = (unsigned char)((i * i >> 7) ^ i);
        return plain;
}

static int unpack(const struct kind *kind, const unsigned char *packed, size_t size, size_t max, struct buffer *out,
                  struct problem *why)
{
        /* A copy of just that size, so that a read beyond it is seen. */
        unsigned char *exact = malloc(size ? size : 1);
        assert_non_null(exact);
        memcpy(exact, packed, size);
        const int rc = decompress(bytes_of_string(kind->name), bytes_of(exact, size), max, out, why);
        free(exact);
        return rc;
}

static void whole_ones_come_out(void **state)
{
        (void)state;
        unsigned char *plain = plain_bytes(), *packed = malloc(ROOM);
        for (size_t i = 0; i < KINDS; i++) {
                struct buffer out = { 0 };
                struct problem why;
                const size_t size = kinds[i].pack(plain, packed);
                assert_true(compression_known(bytes_of_string(kinds[i].name)));
                assert_int_equal(unpack(&kinds[i], packed, size, PLAIN, &out, &why), 0);
                assert_int_equal(out.size, PLAIN);
                assert_memory_equal(out.data, plain, PLAIN);
                buffer_free(&out);
        }
        free(plain);
        free(packed);
}

static void one_byte_too_much_is_refused(void **state)
{
        (void)state;
        unsigned char *plain = plain_bytes(), *packed = malloc(ROOM);
        for (size_t i = 0; i < KINDS; i++) {
                struct buffer out = { 0 };
                struct problem why;
                const size_t size = kinds[i].pack(plain, packed);
                assert_int_equal(unpack(&kinds[i], packed, size, PLAIN - 1, &out, &why), 1);
                assert_string_equal(why.code, "body_too_large");
                buffer_free(&out);
        }
        free(plain);
        free(packed);
}

static void what_is_cut_or_damaged_is_refused(void **state)
{
        (void)state;
        unsigned char *plain = plain_bytes(), *packed = malloc(ROOM);
        for (size_t i = 0; i < KINDS; i++) {
                const size_t size = kinds[i].pack(plain, packed);
                const size_t sizes[] = { 0, 1, 5, size / 2, size - 1 };
                for (size_t k = 0; k < sizeof(sizes) / sizeof(sizes[0]); k++) {
                        struct buffer out = { 0 };
                        struct problem why;
                        assert_int_equal(unpack(&kinds[i], packed, sizes[k], PLAIN, &out, &why), 1);
                        assert_string_equal(why.code, "bad_compression");
                        buffer_free(&out);
                }
                memset(packed, 'x', 16);
                struct buffer out = { 0 };
                struct problem why;
                assert_int_equal(unpack(&kinds[i], packed, size, PLAIN, &out, &why), 1);
                assert_string_equal(why.code, "bad_compression");
                buffer_free(&out);
        }
        free(plain);
        free(packed);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(whole_ones_come_out),
                cmocka_unit_test(one_byte_too_much_is_refused),
                cmocka_unit_test(what_is_cut_or_damaged_is_refused),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
