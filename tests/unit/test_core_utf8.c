/* SPDX-License-Identifier: Apache-2.0 */
#include "core/text/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* `cut` is what comes out when the text was cut to fit; NULL = the same as `whole`. */
static const struct {
        const char *in, *whole, *cut;
} ROWS[] = {
        { "", "", NULL },
        { "plain", "plain", NULL },
        { "\xed\x95\x9c\xea\xb5\xad \xc3\xa9 \xf0\x9f\x98\x80", "\xed\x95\x9c\xea\xb5\xad \xc3\xa9 \xf0\x9f\x98\x80",
          NULL },
        { "\x7f\x01", "\x7f\x01", NULL },
        { "a\xff"
          "b",
          "a?b", NULL },
        { "a\x80\x80"
          "b",
          "a??b", NULL },
        { "\xc3(", "?(", NULL },
        { "\xed\x95", "?", "" },
        { "ab\xf0\x9f\x98", "ab?", "ab" },
        { "ab\xc3", "ab?", "ab" },
        { "\xed\x95x", "?x", NULL },
        { "\xed\x95\xed\x95\x9c", "?\xed\x95\x9c", NULL },
        { "\xc0\xaf", "??", "?" },                        /* overlong '/' */
        { "\xe0\x80\xaf", "???", "??" },                  /* overlong '/' */
        { "\xed\xa0\x80", "???", "??" },                  /* a surrogate */
        { "\xf4\x90\x80\x80.", "????.", NULL },           /* U+110000 */
        { "\xf5\x80.", "??.", NULL },                     /* no such first byte */
        { "\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf", NULL }, /* U+10FFFF */
        { "\xed\x9f\xbf\xee\x80\x80", "\xed\x9f\xbf\xee\x80\x80", NULL },
};

static void broken_characters_become_question_marks(void **state)
{
        (void)state;
        for (size_t i = 0; i < sizeof(ROWS) / sizeof(*ROWS); i++) {
                char text[64];
                snprintf(text, sizeof(text), "%s", ROWS[i].in);
                assert_int_equal(utf8_is(text), strcmp(ROWS[i].in, ROWS[i].whole) == 0);
                utf8_repair(text, false);
                if (strcmp(text, ROWS[i].whole) != 0)
                        fail_msg("row %zu gave \"%s\"", i, text);
        }
}

static void a_character_that_was_cut_is_dropped(void **state)
{
        (void)state;
        for (size_t i = 0; i < sizeof(ROWS) / sizeof(*ROWS); i++) {
                char text[64];
                snprintf(text, sizeof(text), "%s", ROWS[i].in);
                utf8_repair(text, true);
                if (strcmp(text, ROWS[i].cut ? ROWS[i].cut : ROWS[i].whole) != 0)
                        fail_msg("row %zu gave \"%s\"", i, text);
        }
}

/* Encode as RFC 3629 says. */
static void encode(unsigned code, char out[5])
{
        memset(out, 0, 5);
        if (code < 0x80) {
                out[0] = (char)code;
                return;
        }
        const int more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
        static const unsigned char marks[] = { 0, 0xC0, 0xE0, 0xF0 };
        for (int i = more; i > 0; i--, code >>= 6)
                out[i] = (char)(0x80 | (code & 0x3F));
        out[0] = (char)(marks[more] | code);
}

static void every_character_but_surrogates_is_valid(void **state)
{
        (void)state;
        for (unsigned code = 1; code <= 0x1FFFFF; code++) {
                char text[5];
                size_t size;
                encode(code, text);
                const bool good = code <= 0x10FFFF && (code < 0xD800 || code > 0xDFFF);
                if (utf8_next(text, &size) != good)
                        fail_msg("U+%04X", code);
                if (good)
                        assert_int_equal(size, strlen(text));
        }
}

static void characters_are_counted_and_cut_whole(void **state)
{
        (void)state;
        static const struct {
                const char *text;
                size_t count, prefix[4]; /* the bytes of 0, 1, 2 and 3 characters */
        } rows[] = {
                { "", 0, { 0, 0, 0, 0 } },
                { "ab", 2, { 0, 1, 2, 2 } },
                { "\xed\x95\x9c\xea\xb5\xad", 2, { 0, 3, 6, 6 } },
                { "\xc3\xa9\xf0\x9f\x98\x80x\xc3\xa9", 4, { 0, 2, 6, 7 } },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
                assert_int_equal(utf8_count(rows[i].text, strlen(rows[i].text)), rows[i].count);
                for (size_t most = 0; most < 4; most++)
                        assert_int_equal(utf8_prefix(rows[i].text, most), rows[i].prefix[most]);
        }
        assert_int_equal(utf8_count("a\0b", 3), 3);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(broken_characters_become_question_marks),
                cmocka_unit_test(a_character_that_was_cut_is_dropped),
                cmocka_unit_test(every_character_but_surrogates_is_valid),
                cmocka_unit_test(characters_are_counted_and_cut_whole),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
