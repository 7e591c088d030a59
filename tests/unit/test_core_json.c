/* SPDX-License-Identifier: Apache-2.0 */
#include "core/json.h"
#include "core/text/utf8.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static json_t *parsed(const char *text)
{
        json_t *value = NULL;
        struct problem why = { .text = "" };
        if (json_parse(bytes_of_string(text), "message", &value, &why) != 0)
                fail_msg("%s: %s", text, why.text);
        return value;
}

static void is_written_as(const json_t *value, const char *text)
{
        struct buffer b = { 0 };
        json_write(value, &b);
        assert_false(b.failed);
        if (b.size != strlen(text) || memcmp(b.data, text, b.size) != 0)
                fail_msg("%.*s is not %s", (int)b.size, (const char *)b.data, text);
        buffer_free(&b);
}

/* `written` NULL = as it was. */
static void values_are_read_and_written(void **state)
{
        (void)state;
        static const struct {
                const char *text, *written;
        } rows[] = {
                { "null", NULL },
                { "true", NULL },
                { "-12", NULL },
                { "0", NULL },
                { "9223372036854775807", NULL },
                { "-9223372036854775808", NULL },
                { "\"text\"", NULL },
                { "\"\"", NULL },
                { " [ 1 , 2 ]\r\n\t", "[1,2]" },
                { "[[],{},null]", NULL },
                { "{\"b\":1,\"a\":{\"c\":[true,false]}}", NULL },
                { "1.5", NULL },
                { "1e2", "100.0" },
                { "-0.0", NULL },
                /* text: UTF-8 goes through, escapes become what they stand for */
                { "\"\xed\x95\x9c\"", NULL },
                { "\"\\ud55c \\ud83d\\ude00\"", "\"\xed\x95\x9c \xf0\x9f\x98\x80\"" },
                { "\"\\/\\\"\\\\\\n\\u0001\"", "\"/\\\"\\\\\\n\\u0001\"" },
                { "\"a\\u0000b\"", NULL },
                /* the last of several, as Python does */
                { "{\"a\":1,\"b\":2,\"a\":3}", "{\"a\":3,\"b\":2}" },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
                JSON_OWNED json_t *value = parsed(rows[i].text);
                is_written_as(value, rows[i].written ? rows[i].written : rows[i].text);
        }
}

/* Where a value starts, ends or has an escape among the eight bytes that are looked at together must not matter. */
static void it_is_read_and_written_as_jansson_does_it(void **state)
{
        (void)state;
        static const char *const pieces[] = { "a",    "\\n", "\\\"",    "\\u0001", "\\ud83d\\ude00", "\xed\x95\x9c",
                                              "\x7f", "/",   "0123456", "\\/",     "\\t\\b\\f\\r",   " ! " };
        enum { PIECES = sizeof(pieces) / sizeof(*pieces) };
        for (size_t i = 0; i < PIECES * PIECES * 17; i++) {
                char text[256];
                snprintf(text, sizeof(text), "{\"%.*s%s\": [-%zu, \"%.*s%s%s\", 1.25, {}, true]}", (int)(i % 17),
                         "0123456789abcdefg", pieces[i / 17 % PIECES], i, (int)(i % 17), "0123456789abcdefg",
                         pieces[i / 17 % PIECES], pieces[i / 17 / PIECES]);
                JSON_OWNED json_t *ours = parsed(text), *theirs = json_loads(text, 0, NULL);
                assert_non_null(theirs);
                if (!json_equal(ours, theirs))
                        fail_msg("%s is read in another way", text);
                char *written = json_dumps(theirs, JSON_COMPACT);
                is_written_as(ours, written);
                free(written);
        }
}

static void what_is_no_json_is_refused(void **state)
{
        (void)state;
        static const char *const rows[] = {
                "",
                " ",
                "nul",
                "NaN",
                "Infinity",
                "-Infinity",
                "[NaN]",
                "[1e999]",
                "[-1e999]",
                "99999999999999999999",
                "[",
                "]",
                "{",
                "}",
                "[1,]",
                "[,1]",
                "[1 2]",
                "{\"a\"}",
                "{\"a\":}",
                "{\"a\":1,}",
                "{a:1}",
                "{'a':1}",
                "{1:2}",
                "1 2",
                "[] []",
                "[]x",
                "01",
                "+1",
                ".5",
                "1.",
                "0x10",
                "\"",
                "\"abc",
                "\"\n\"",
                "\"\t\"",
                "\"\\x\"",
                "\"\\u12\"",
                "\"\\ud800\"",
                "\"\\ud800\\u0041\"",
                "\"\\udc00\"",
                "// comment\n1",
                "/* comment */ 1",
                "\xef\xbb\xbf\x31",
                /* no UTF-8 */
                "\"\xff\"",
                "\"\xc0\xaf\"",
                "\"\xed\xa0\x80\"",
                "\"\xf4\x90\x80\x80\"",
                "\"\xed\x95\"",
                "\xed\x95\x9c",
                /* PostgreSQL would refuse it, and so does jansson */
                "{\"a\\u0000b\":1}",
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
                json_t *value = NULL;
                struct problem why = { .text = "" };
                if (json_parse(bytes_of_string(rows[i]), "message", &value, &why) != 1)
                        fail_msg("%s was taken", rows[i]);
                assert_null(value);
                assert_string_equal(why.source, "message");
                assert_string_equal(why.code, "bad_json");
                assert_true(strlen(why.text) > 15);
                for (size_t at = 0, size; why.text[at]; at += size)
                        assert_true(utf8_next(why.text + at, &size));
        }
}

static void a_nul_byte_is_no_end(void **state)
{
        (void)state;
        static const struct bytes rows[] = { { (const unsigned char *)"1\0", 2 },
                                             { (const unsigned char *)"\"a\0b\"", 5 },
                                             { (const unsigned char *)"[1\0]", 4 },
                                             { (const unsigned char *)"\0", 1 },
                                             { NULL, 0 } };
        for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
                json_t *value;
                assert_int_equal(json_parse(rows[i], "task", &value, NULL), 1);
        }
}

/* Only `size` bytes may be read: what follows is no part of the text. */
static void the_text_needs_no_nul(void **state)
{
        (void)state;
        char *text = malloc(3);
        assert_non_null(text);
        memcpy(text, "[1]", 3);
        json_t *value;
        assert_int_equal(json_parse(bytes_of(text, 3), "message", &value, NULL), 0);
        is_written_as(value, "[1]");
        json_decref(value);
        assert_int_equal(json_parse(bytes_of(text, 2), "message", &value, NULL), 1);
        free(text);
}

static int parse_nested(const char *open, const char *inner, const char *shut, size_t depth, struct problem *why)
{
        struct buffer b = { 0 };
        for (size_t i = 0; i < depth; i++)
                buffer_add_string(&b, open);
        buffer_add_string(&b, inner);
        for (size_t i = 0; shut && i < depth; i++)
                buffer_add_string(&b, shut);
        json_t *value = NULL;
        const int refused = json_parse(buffer_view(&b), "message", &value, why);
        json_decref(value);
        buffer_free(&b);
        return refused;
}

static void nesting_is_limited(void **state)
{
        (void)state;
        static const struct {
                const char *open, *inner, *shut;
                size_t depth;
                int refused;
                const char *text; /* NULL = any */
        } rows[] = {
                { "[", "1", "]", JSON_MAX_DEPTH, 0, NULL },
                { "[", "1", "]", JSON_MAX_DEPTH + 1, 1, "nested deeper than 200" },
                { "{\"a\":", "1", "}", JSON_MAX_DEPTH, 0, NULL },
                { "{\"a\":", "1", "}", JSON_MAX_DEPTH + 1, 1, "nested deeper than 200" },
                { "[{\"a\":", "[]", "}]", JSON_MAX_DEPTH / 2, 1, "nested deeper than 200" },
                { "[", "", NULL, 5000000, 1, "nested deeper than 200" }, /* never built: not even closed */
                { "[],", "[]", NULL, 1000, 1, "not valid JSON" },        /* side by side, not nested */
                { "", "[\"[[[[{{{{\\\"[[[[\", \"\\\\\", []]", "", 1, 0, NULL },
                { "]", "[[[[[[", NULL, 1000, 1, "not valid JSON" },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
                struct problem why = { .text = "" };
                if (parse_nested(rows[i].open, rows[i].inner, rows[i].shut, rows[i].depth, &why) != rows[i].refused)
                        fail_msg("row %zu: %s", i, why.text);
                if (rows[i].text && !strstr(why.text, rows[i].text))
                        fail_msg("row %zu: %s", i, why.text);
        }
}

static void *no_memory(size_t size)
{
        (void)size;
        return NULL;
}

static void want_of_memory_is_no_fault_of_the_text(void **state)
{
        static const char *const texts[] = { "[1]", "{\"a\": \"b\"}", "\"a\"", "1.5", "[" };
        (void)state;
        for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
                struct problem why = { 0 };
                json_t *value = NULL;
                json_set_alloc_funcs(no_memory, free);
                const int rc = json_parse(bytes_of_string(texts[i]), "message", &value, &why);
                json_set_alloc_funcs(malloc, free);
                assert_int_equal(rc, -ENOMEM);
                assert_string_equal(why.code, "out_of_memory");
                assert_null(value);
        }
}

/* Brackets within a text are none, however many quotes and backslashes stand around them. */
static void brackets_in_texts_do_not_nest(void **state)
{
        (void)state;
        struct buffer b = { 0 };
        buffer_add_string(&b, "[\"");
        for (int i = 0; i < 1000; i++)
                buffer_add_string(&b, "[\\\"{\\\\");
        buffer_add_string(&b, "\"]");
        json_t *value = NULL;
        assert_int_equal(json_parse(buffer_view(&b), "message", &value, NULL), 0);
        json_decref(value);
        buffer_free(&b);
}

static void members_have_short_reads(void **state)
{
        (void)state;
        JSON_OWNED json_t *value = parsed("{\"text\":\"x\",\"empty\":\"\",\"number\":7,\"real\":-3.0,\"fraction\":1.5,"
                                          "\"large\":1e300,\"exact\":9007199254740991.0,\"null\":null,\"true\":true}");
        assert_string_equal(json_text(value, "text", "other"), "x");
        assert_string_equal(json_text(value, "empty", "other"), "");
        assert_string_equal(json_text(value, "number", "other"), "other");
        assert_string_equal(json_text(value, "null", "other"), "other");
        assert_null(json_text(value, "absent", NULL));
        assert_int_equal(json_number(value, "number", -1), 7);
        assert_int_equal(json_number(value, "real", -1), -3);
        assert_int_equal(json_number(value, "exact", -1), 9007199254740991);
        static const char *const none[] = { "fraction", "large", "text", "null", "true", "absent" };
        for (size_t i = 0; i < sizeof(none) / sizeof(*none); i++)
                assert_int_equal(json_number(value, none[i], -1), -1);
}

/* Source of the first fourteen: RFC 6901, section 5. */
static void a_pointer_finds_a_part(void **state)
{
        (void)state;
        JSON_OWNED json_t *value =
                parsed("{\"foo\":[\"bar\",\"baz\"],\"\":0,\"a/b\":1,\"c%d\":2,\"e^f\":3,\"g|h\":4,\"i\\\\j\":5,"
                       "\"k\\\"l\":6,\" \":7,\"m~n\":8}");
        static const struct {
                const char *pointer, *found;
        } rows[] = {
                { "/foo", "[\"bar\",\"baz\"]" },
                { "/foo/0", "\"bar\"" },
                { "/", "0" },
                { "/a~1b", "1" },
                { "/c%d", "2" },
                { "/e^f", "3" },
                { "/g|h", "4" },
                { "/i\\j", "5" },
                { "/k\"l", "6" },
                { "/ ", "7" },
                { "/m~0n", "8" },
                { "/foo/1", "\"baz\"" },
                { "/foo/2", NULL },
                { "/foo/01", NULL },
                { "/foo/-", NULL },
                { "/foo/", NULL },
                { "/foo/0/x", NULL },
                { "/absent", NULL },
                { "foo", NULL },
        };
        assert_ptr_equal(json_at(value, ""), value);
        assert_null(json_at(NULL, "/a"));
        for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
                const json_t *found = json_at(value, rows[i].pointer);
                char *text = found ? json_dumps(found, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;
                if (!text != !rows[i].found || (text && strcmp(text, rows[i].found) != 0))
                        fail_msg("%s found %s", rows[i].pointer, text ? text : "nothing");
                free(text);
        }
}

static void what_is_no_object_has_no_members(void **state)
{
        (void)state;
        JSON_OWNED json_t *array = parsed("[1]");
        assert_string_equal(json_text(array, "a", "other"), "other");
        assert_int_equal(json_number(array, "a", 5), 5);
        assert_string_equal(json_text(NULL, "a", "other"), "other");
        assert_int_equal(json_number(NULL, "a", 5), 5);
}

static void a_nul_is_found_at_any_depth(void **state)
{
        (void)state;
        static const struct {
                const char *text;
                bool has;
        } rows[] = {
                { "\"\\u0000\"", true },
                { "[1,[2,\"a\\u0000\"]]", true },
                { "{\"a\":{\"b\":[{\"c\":\"\\u0000x\"}]}}", true },
                { "[\"ok\",{\"a\":\"\\u0001\"},null,0]", false },
                { "\"\\\\u0000\"", false },
                { "{}", false },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
                JSON_OWNED json_t *value = parsed(rows[i].text);
                if (json_has_nul(value) != rows[i].has)
                        fail_msg("%s", rows[i].text);
        }
        assert_false(json_has_nul(NULL));
}

static void writing_nothing_is_a_failure(void **state)
{
        (void)state;
        struct buffer b = { 0 };
        json_write(NULL, &b);
        assert_true(b.failed);
        buffer_free(&b);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(values_are_read_and_written),
                cmocka_unit_test(it_is_read_and_written_as_jansson_does_it),
                cmocka_unit_test(what_is_no_json_is_refused),
                cmocka_unit_test(a_nul_byte_is_no_end),
                cmocka_unit_test(the_text_needs_no_nul),
                cmocka_unit_test(nesting_is_limited),
                cmocka_unit_test(want_of_memory_is_no_fault_of_the_text),
                cmocka_unit_test(brackets_in_texts_do_not_nest),
                cmocka_unit_test(members_have_short_reads),
                cmocka_unit_test(a_pointer_finds_a_part),
                cmocka_unit_test(what_is_no_object_has_no_members),
                cmocka_unit_test(a_nul_is_found_at_any_depth),
                cmocka_unit_test(writing_nothing_is_a_failure),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
