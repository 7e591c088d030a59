/* SPDX-License-Identifier: Apache-2.0 */
#include "core/bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void holds(const struct buffer *b, const char *text)
{
        assert_false(b->failed);
        assert_int_equal(b->size, strlen(text));
        assert_memory_equal(b->data, text, b->size);
}

static void additions_stand_one_after_another(void **state)
{
        (void)state;
        struct buffer b = { 0 };
        buffer_add_string(&b, "a");
        buffer_add(&b, "bcX", 2);
        buffer_add_byte(&b, 'd');
        buffer_addf(&b, "%s-%d", "e", -7);
        buffer_add_string(&b, "");
        buffer_add(&b, NULL, 0);
        buffer_addf(&b, "%s", "");
        holds(&b, "abcde--7");
        assert_ptr_equal(buffer_view(&b).data, b.data);
        assert_int_equal(buffer_view(&b).size, 8);
        buffer_free(&b);
}

static void zero_bytes_are_bytes(void **state)
{
        (void)state;
        struct buffer b = { 0 };
        buffer_add(&b, "a\0b", 3);
        buffer_add_byte(&b, 0);
        assert_int_equal(b.size, 4);
        assert_memory_equal(b.data, "a\0b\0", 4);
        buffer_free(&b);
}

/* Sizes around the first capacity and around each doubling. */
static void growing_keeps_the_content(void **state)
{
        (void)state;
        static const size_t steps[] = { 1, 254, 1, 1, 255, 256, 511, 1, 4096, 70000 };
        struct buffer b = { 0 };
        unsigned char next = 0;
        for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
                for (size_t k = 0; k < steps[i]; k++)
                        buffer_add_byte(&b, next++);
                assert_true(b.capacity >= b.size);
        }
        for (size_t i = 0; i < b.size; i++)
                assert_int_equal(b.data[i], i % 256);
        buffer_free(&b);
}

static void formatted_text_of_any_length_fits(void **state)
{
        (void)state;
        for (int width = 1; width < 1100; width += 85) {
                struct buffer b = { 0 };
                buffer_add_string(&b, "<");
                buffer_addf(&b, "%*d", width, 5);
                buffer_add_string(&b, ">");
                assert_int_equal(b.size, width + 2);
                assert_int_equal(b.data[b.size - 2], '5');
                assert_int_equal(b.data[b.size - 1], '>');
                buffer_free(&b);
        }
}

static void reserved_room_is_the_callers_to_fill(void **state)
{
        (void)state;
        struct buffer b = { 0 };
        assert_non_null(buffer_reserve(&b, 0)); /* NULL would mean that memory ran out */
        buffer_add_string(&b, "x");
        unsigned char *at = buffer_reserve(&b, 1000);
        assert_ptr_equal(at, b.data + 1);
        memset(at, 'y', 1000);
        assert_int_equal(b.size, 1);
        b.size += 2;
        holds(&b, "xyy");
        buffer_free(&b);
}

static void running_out_of_memory_shows_at_the_end(void **state)
{
        (void)state;
        struct buffer b = { 0 };
        buffer_add_string(&b, "kept");
        assert_null(buffer_reserve(&b, SIZE_MAX));
        assert_true(b.failed);
        buffer_add_string(&b, "lost");
        buffer_addf(&b, "%d", 1);
        assert_null(buffer_reserve(&b, 1));
        assert_int_equal(b.size, 4);

        buffer_reset(&b);
        buffer_add_string(&b, "again");
        holds(&b, "again");
        buffer_free(&b);
}

static void a_freed_buffer_is_empty_and_usable(void **state)
{
        (void)state;
        struct buffer b = { 0 };
        buffer_free(&b);
        buffer_add_string(&b, "one");
        buffer_free(&b);
        assert_null(b.data);
        buffer_add_string(&b, "two");
        holds(&b, "two");
        buffer_free(&b);
}

static void a_view_of_a_text_has_no_nul(void **state)
{
        (void)state;
        const char *text = "view";
        const struct bytes view = bytes_of_string(text);
        assert_ptr_equal(view.data, text);
        assert_int_equal(view.size, 4);
        assert_int_equal(bytes_of_string("").size, 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(additions_stand_one_after_another),
                cmocka_unit_test(zero_bytes_are_bytes),
                cmocka_unit_test(growing_keeps_the_content),
                cmocka_unit_test(formatted_text_of_any_length_fits),
                cmocka_unit_test(reserved_room_is_the_callers_to_fill),
                cmocka_unit_test(running_out_of_memory_shows_at_the_end),
                cmocka_unit_test(a_freed_buffer_is_empty_and_usable),
                cmocka_unit_test(a_view_of_a_text_has_no_nul),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
