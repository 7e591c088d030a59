/* SPDX-License-Identifier: Apache-2.0 */
#include "ai/judge/redact.h"

#include "core/text/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define KEY "Zq7Lw0Xn3Vb8"

static const struct row {
        const char *words, *quoted;
} rows[] = {
        { "", "" },
        { "plain words, and more.", "plain words, and more." },
        { "two\nlines\tand \x1b[31mcolour", "two lines and  [31mcolour" },
        { "the key is " KEY ".", "the key is ***" },
        { "the key is '" KEY "'!", "the key is '***'!" },
        { "x" KEY "y", "***" },
        { "half of it: Zq7Lw0", "half of it: ***" },
        { "its end: 3Vb8", "its end: 3Vb8" }, /* fewer than six bytes give nothing away */
        { "its end: n3Vb8*", "its end: n3Vb8*" },
        { "its end: Xn3Vb8", "its end: ***" },
        { "Incorrect API key provided: sk-ab12. See https://x/y.", "Incorrect API key provided: *** See https://x/y." },
        { "Incorrect API key provided: Zq7***Vb8", "Incorrect API key provided: ***" },
        { "(sk-proj-1234)", "(***)" },
        { "Authorization: Bearer " KEY, "Authorization: Bearer ***" },
        { "\xea\xb0\x80\xff\xea\xb0", "\xea\xb0\x80?" }, /* a broken byte, and a character cut off at the end */
};

static void words_are_quoted_without_the_key(void **state)
{
        (void)state;
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                char out[REDACTED_SIZE];
                redact_words(bytes_of_string(rows[i].words), KEY, out);
                if (strcmp(out, rows[i].quoted) != 0)
                        fail_msg("'%s' became '%s'", rows[i].words, out);
        }
}

/* Wherever the key stands in a long text, no six bytes of it come through, and what comes is UTF-8 of at most 200 bytes. */
static void the_cut_leaves_no_part_of_the_key(void **state)
{
        (void)state;
        for (size_t at = 0; at < 1500; at++) {
                char text[2000], out[REDACTED_SIZE];
                memset(text, at % 7 ? 'a' : ' ', sizeof(text));
                memcpy(text + at, KEY, strlen(KEY));
                redact_words(bytes_of(text, sizeof(text)), KEY, out);
                assert_true(strlen(out) < REDACTED_SIZE);
                for (size_t i = 0; i + 6 <= strlen(KEY); i++)
                        assert_null(memmem(out, strlen(out), &KEY[i], 6));
        }
}

static void long_texts_are_cut_at_a_character(void **state)
{
        (void)state;
        for (size_t shift = 0; shift < 4; shift++) {
                char text[600] = "abc", out[REDACTED_SIZE];
                for (size_t i = shift; i + 3 < sizeof(text); i += 3)
                        memcpy(text + i, "\xed\x9a\x8c", 3);
                redact_words(bytes_of_string(text), NULL, out);
                assert_in_range(strlen(out), REDACTED_SIZE - 3, REDACTED_SIZE - 1);
                size_t size;
                for (const char *c = out; *c; c += size)
                        assert_true(utf8_next(c, &size));
        }
}

static void nuls_and_no_secret_are_fine(void **state)
{
        (void)state;
        char out[REDACTED_SIZE];
        redact_words(bytes_of("a\0b", 3), "", out);
        assert_string_equal(out, "a b");
        redact_words(bytes_of(NULL, 0), NULL, out);
        assert_string_equal(out, "");
        redact_words(bytes_of_string("tiny key abc here"), "abc", out); /* shorter than six: the whole of it */
        assert_string_equal(out, "tiny key *** here");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(words_are_quoted_without_the_key),
                cmocka_unit_test(the_cut_leaves_no_part_of_the_key),
                cmocka_unit_test(long_texts_are_cut_at_a_character),
                cmocka_unit_test(nuls_and_no_secret_are_fine),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
