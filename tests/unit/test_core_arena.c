/* SPDX-License-Identifier: Apache-2.0 */
#include "core/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { PIECES = 600 };

/* Sizes around every alignment and block boundary, and some larger than any block. */
static size_t size_of(size_t i)
{
        static const size_t special[] = { 0, 1, 15, 16, 17, 1008, 1023, 1024, 1025, 65536, 65537, 200000 };
        const size_t count = sizeof(special) / sizeof(*special);
        return i % 3 == 0 ? special[i / 3 % count] : i % 97;
}

static void every_piece_is_aligned_and_zeroed(void **state)
{
        (void)state;
        struct arena a = { 0 };
        for (size_t i = 0; i < PIECES; i++) {
                const size_t size = size_of(i);
                unsigned char *at = arena_alloc(&a, size);
                assert_non_null(at);
                assert_int_equal((uintptr_t)at % _Alignof(max_align_t), 0);
                for (size_t k = 0; k < size; k++)
                        assert_int_equal(at[k], 0);
                memset(at, 0xAA, size);
        }
        arena_free(&a);
}

/* An odd-sized text must not push what follows out of line. */
static void alignment_survives_texts(void **state)
{
        (void)state;
        struct arena a = { 0 };
        for (size_t length = 0; length < 70; length++) {
                char text[80];
                memset(text, 'x', length);
                text[length] = '\0';
                assert_string_equal(arena_string(&a, text), text);
                assert_int_equal((uintptr_t)arena_alloc(&a, 8) % _Alignof(max_align_t), 0);
        }
        arena_free(&a);
}

static void pieces_do_not_overlap(void **state)
{
        (void)state;
        struct arena a = { 0 };
        unsigned char *pieces[PIECES];
        for (size_t i = 0; i < PIECES; i++) {
                pieces[i] = arena_alloc(&a, size_of(i));
                memset(pieces[i], (int)(i % 256), size_of(i));
        }
        for (size_t i = 0; i < PIECES; i++)
                for (size_t k = 0; k < size_of(i); k++)
                        assert_int_equal(pieces[i][k], i % 256);
        arena_free(&a);
}

static void copies_end_with_a_nul(void **state)
{
        (void)state;
        static const char data[] = { 'a', 'b', '\0', 'c' };
        struct arena a = { 0 };
        const char *copy = arena_copy(&a, data, sizeof(data));
        assert_memory_equal(copy, data, sizeof(data));
        assert_int_equal(copy[sizeof(data)], 0);
        assert_string_equal(arena_copy(&a, data, 0), "");
        assert_string_equal(arena_string(&a, ""), "");
        assert_null(arena_copy(&a, NULL, 3));
        assert_null(arena_string(&a, NULL));
        arena_free(&a);
}

static void formatted_text_of_any_length_fits(void **state)
{
        (void)state;
        struct arena a = { 0 };
        assert_string_equal(arena_printf(&a, "%s/%d", "a", 12), "a/12");
        for (int width = 1; width < 3000; width += 331) {
                const char *text = arena_printf(&a, "%*d", width, 7);
                assert_int_equal(strlen(text), width);
                assert_int_equal(text[width - 1], '7');
        }
        arena_free(&a);
}

static void an_impossible_size_is_refused(void **state)
{
        (void)state;
        struct arena a = { 0 };
        assert_null(arena_alloc(&a, SIZE_MAX));
        assert_null(arena_alloc(&a, SIZE_MAX / 2));
        assert_null(arena_copy(&a, "x", SIZE_MAX));
        assert_null(arena_copy(&a, "x", SIZE_MAX / 2));
        assert_string_equal(arena_string(&a, "still works"), "still works");
        arena_free(&a);
}

static void a_freed_arena_is_empty_and_usable(void **state)
{
        (void)state;
        struct arena a = { 0 };
        arena_free(&a);
        for (int round = 0; round < 3; round++) {
                assert_non_null(arena_alloc(&a, 100000));
                assert_non_null(arena_alloc(&a, 1));
                arena_free(&a);
                assert_null(a.blocks);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(every_piece_is_aligned_and_zeroed),
                cmocka_unit_test(alignment_survives_texts),
                cmocka_unit_test(pieces_do_not_overlap),
                cmocka_unit_test(copies_end_with_a_nul),
                cmocka_unit_test(formatted_text_of_any_length_fits),
                cmocka_unit_test(an_impossible_size_is_refused),
                cmocka_unit_test(a_freed_arena_is_empty_and_usable),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
