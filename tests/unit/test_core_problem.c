/* SPDX-License-Identifier: Apache-2.0 */
#include "core/problem.h"
#include "core/text/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void is_utf8(const char *text)
{
        for (size_t size; *text; text += size)
                if (!utf8_next(text, &size))
                        fail_msg("not UTF-8 at \"%s\"", text);
}

static void a_problem_says_where_what_and_why(void **state)
{
        (void)state;
        struct problem p;
        assert_int_equal(problem_set(&p, "task", "bad_section", "%s has %d", "input", 3), 1);
        assert_string_equal(p.source, "task");
        assert_string_equal(p.code, "bad_section");
        assert_string_equal(p.text, "input has 3");
        assert_int_equal(problem_set(&p, "store", "x", "%s", ""), 1);
        assert_string_equal(p.text, "");
}

/* They are looked up and compared by programs: a name as long as a task's may be goes through. */
static void a_code_is_not_cut(void **state)
{
        (void)state;
        char code[PROBLEM_CODE_SIZE];
        struct problem p;
        assert_true(sizeof(code) > 255);
        memset(code, 'c', sizeof(code) - 1);
        code[sizeof(code) - 1] = '\0';
        problem_set(&p, "provider", code, "%s", "text");
        assert_string_equal(p.code, code);
}

static void nobody_need_listen(void **state)
{
        (void)state;
        assert_int_equal(problem_set(NULL, "task", "code", "%s", "text"), 1);
}

/* Fill up to where the buffer ends, so that a character of each width straddles the end at each byte. */
static void a_long_text_is_cut_at_a_character(void **state)
{
        (void)state;
        static const char *const characters[] = { "x", "\xc3\xa9", "\xed\x95\x9c", "\xf0\x9f\x98\x80" };
        struct problem p;
        const size_t room = sizeof(p.text) - 1;
        for (size_t c = 0; c < 4; c++) {
                const size_t width = c + 1;
                for (size_t lead = 0; lead < width; lead++) {
                        char long_text[2000] = { 0 };
                        memset(long_text, '.', lead);
                        for (size_t at = lead; at + width < sizeof(long_text); at += width)
                                memcpy(long_text + at, characters[c], width);
                        problem_set(&p, "task", "long", "%s", long_text);
                        assert_int_equal(strlen(p.text), lead + (room - lead) / width * width);
                        assert_memory_equal(p.text, long_text, strlen(p.text));
                        is_utf8(p.text);
                }
        }
}

static void a_text_that_just_fits_is_kept_whole(void **state)
{
        (void)state;
        char text[512] = { 0 };
        memset(text, 'a', 508);
        memcpy(text + 508, "\xed\x95\x9c", 3);
        struct problem p;
        problem_set(&p, "task", "fits", "%s", text);
        assert_string_equal(p.text, text);
}

/* Values come from outside, and "%.4s" may cut one of them inside a character. */
static void whatever_goes_in_utf8_comes_out(void **state)
{
        (void)state;
        static const struct {
                const char *code, *value, *text_out, *code_out;
        } rows[] = {
                { "fine", "\xed\x95\x9c", "<\xed\x95\x9c>", "fine" },
                { "cut_value", "\xed\x95\x9c\xea\xb5\xad", "<\xed\x95\x9c?>", "cut_value" },
                { "\xff"
                  "code",
                  "a\xff"
                  "b",
                  "<a?b>", "?code" },
                { "surrogate", "\xed\xa0\x80",
                  "<??"
                  "?>",
                  "surrogate" },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
                struct problem p;
                problem_set(&p, "task", rows[i].code, "<%.4s>", rows[i].value);
                assert_string_equal(p.text, rows[i].text_out);
                assert_string_equal(p.code, rows[i].code_out);
        }
}

static void a_source_or_code_that_no_name_can_be_is_cut_at_a_character(void **state)
{
        (void)state;
        struct problem p;
        char code[PROBLEM_CODE_SIZE + 3]; /* its last byte but one that fits begins a character of three */
        memset(code, 'a', PROBLEM_CODE_SIZE - 2);
        memcpy(code + PROBLEM_CODE_SIZE - 2, "\xed\x95\x9c", 4);
        problem_set(&p, "a source with a long name", code, "x");
        assert_string_equal(p.source, "a source with a");
        code[PROBLEM_CODE_SIZE - 2] = '\0';
        assert_string_equal(p.code, code);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_problem_says_where_what_and_why),
                cmocka_unit_test(a_code_is_not_cut),
                cmocka_unit_test(nobody_need_listen),
                cmocka_unit_test(a_long_text_is_cut_at_a_character),
                cmocka_unit_test(a_text_that_just_fits_is_kept_whole),
                cmocka_unit_test(whatever_goes_in_utf8_comes_out),
                cmocka_unit_test(a_source_or_code_that_no_name_can_be_is_cut_at_a_character),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
