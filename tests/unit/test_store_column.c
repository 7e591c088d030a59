/* SPDX-License-Identifier: Apache-2.0 */
#include "store/postgres/link/column.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define HEAD(type, count) 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, (type) >> 8, (type)&0xff, 0, 0, 0, (count), 0, 0, 0, 1

static void assert_bytes(const struct column *c, const unsigned char *expected, size_t size)
{
        assert_int_equal(c->bytes.size, size);
        assert_memory_equal(c->bytes.data, expected, size);
}

static void test_a_text_array_has_lengths_and_nulls(void **state)
{
        static const unsigned char expected[] = {
                HEAD(25, 3), 0, 0, 0, 2, 'a', 'b', 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0
        };
        struct pg_arguments a = { 0 };
        struct column *c;

        (void)state;
        arguments_reset(&a);
        c = arguments_array(&a, COLUMN_TEXT);
        column_text(c, "ab");
        column_text(c, NULL);
        column_text(c, "");
        assert_int_equal(arguments_finish(&a), 0);
        assert_bytes(c, expected, sizeof(expected));
        arguments_free(&a);
}

static void test_numbers_are_big_endian_and_held_in_range(void **state)
{
        static const unsigned char fours[] = { HEAD(23, 3), 0, 0, 0, 4, 0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 4,
                                               0x80,        0, 0, 0, 0, 0,    0,    4,    0,    0, 1, 2 };
        static const unsigned char eights[] = {
                HEAD(20, 1), 0, 0, 0, 8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe
        };
        struct pg_arguments a = { 0 };
        struct column *four, *eight;

        (void)state;
        arguments_reset(&a);
        four = arguments_array(&a, COLUMN_INT4);
        eight = arguments_array(&a, COLUMN_INT8);
        column_int4(four, 4000000000);
        column_int4(four, -4000000000);
        column_int4(four, 258);
        column_int8(eight, -2);
        assert_int_equal(arguments_finish(&a), 0);
        assert_bytes(four, fours, sizeof(fours));
        assert_bytes(eight, eights, sizeof(eights));
        arguments_free(&a);
}

static void test_json_begins_with_the_format_of_jsonb(void **state)
{
        static const unsigned char expected[] = { HEAD(3802, 2), 0,   0, 0, 8, 1, '{', '"', 'a', '"', ':',
                                                  '1',           '}', 0, 0, 0, 5, 1,   'n', 'u', 'l', 'l' };
        struct pg_arguments a = { 0 };
        json_t *value = json_pack("{s:i}", "a", 1);
        struct column *c;

        (void)state;
        arguments_reset(&a);
        c = arguments_array(&a, COLUMN_JSONB);
        column_json(c, value);
        column_json(c, NULL);
        assert_int_equal(arguments_finish(&a), 0);
        assert_bytes(c, expected, sizeof(expected));
        json_decref(value);
        arguments_free(&a);
}

static void test_the_memory_of_one_statement_serves_the_next(void **state)
{
        static const unsigned char expected[] = { HEAD(25, 1), 0, 0, 0, 1, 'x' };
        struct pg_arguments a = { 0 };

        (void)state;
        for (int round = 0; round < 3; round++) {
                struct column *c;

                arguments_reset(&a);
                arguments_text(&a, "owner");
                arguments_number(&a, 1);
                c = arguments_array(&a, COLUMN_TEXT);
                column_text(c, "x");
                assert_int_equal(arguments_finish(&a), 0);
                assert_int_equal(a.count, 3);
                assert_bytes(c, expected, sizeof(expected));
                assert_bytes(&a.columns[0], (const unsigned char *)"owner", 5);
                assert_bytes(&a.columns[1], (const unsigned char *)"\0\0\0\0\0\0\0\1", 8);
        }
        arguments_free(&a);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_text_array_has_lengths_and_nulls),
                cmocka_unit_test(test_numbers_are_big_endian_and_held_in_range),
                cmocka_unit_test(test_json_begins_with_the_format_of_jsonb),
                cmocka_unit_test(test_the_memory_of_one_statement_serves_the_next),
        };

        return cmocka_run_group_tests_name("store_column", tests, NULL, NULL);
}
