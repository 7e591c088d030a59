/* SPDX-License-Identifier: Apache-2.0 */
#include "ai/wire/envelope.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define CHOICE(message) "\"choices\":[{\"finish_reason\":\"stop\",\"message\":{" message "}}]"

/* Bodies that are read the fast way, and what is found. */
static const struct {
        const char *body, *content, *model;
        unsigned tokens_in, tokens_out;
} good[] = {
        { "{" CHOICE("\"content\":\"{}\"") "}", "{}", "", 0, 0 },
        { " \n{ \"choices\" : [ { \"message\" : { \"content\" : \"a\" } , \"finish_reason\" : \"stop\" } ] } \r\n\t",
          "a", "", 0, 0 },
        { "{\"model\":\"m\",\"usage\":{\"completion_tokens\":2,\"prompt_tokens\":1}," CHOICE("\"content\":\"\"") "}",
          "", "m", 1, 2 },
        { "{" CHOICE("\"refusal\":null,\"content\":\"\xea\xb0\x80\"") "}", "\xea\xb0\x80", "", 0, 0 },
        { "{" CHOICE("\"content\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"") "}", "\"\\/\b\f\n\r\t", "", 0, 0 },
        { "{" CHOICE("\"content\":\"\\u0041\\u00e9\\uAC00x\"") "}", "A\xc3\xa9\xea\xb0\x80x", "", 0, 0 },
        { "{\"x\":[1,[],{},{\"y\":[true,false,null,\"z\"]}]," CHOICE("\"content\":\"a\",\"t\":{\"u\":7}") "}", "a", "",
          0, 0 },
        { "{\"choices\":[{\"finish_reason\":\"stop\",\"message\":{\"content\":\"a\"}},{\"message\":1}]}", "a", "", 0,
          0 },
        { "{\"usage\":{\"prompt_tokens\":4294967295}," CHOICE("\"content\":\"a\"") "}", "a", "", 4294967295, 0 },
};

/* Bodies that need a closer look: they say something else, are broken, or have what the fast way does not know. */
static const char *const others[] = {
        "",
        " ",
        "{}",
        "[]",
        "null",
        "{" CHOICE("\"content\":null") "}",
        "{" CHOICE("\"role\":\"assistant\"") "}",
        "{" CHOICE("\"content\":\"a\",\"refusal\":\"no\"") "}",
        "{" CHOICE("\"content\":\"a\",\"content\":\"b\"") "}",
        "{\"choices\":[{\"finish_reason\":\"length\",\"message\":{\"content\":\"a\"}}]}",
        "{\"choices\":[{\"finish_reason\":null,\"message\":{\"content\":\"a\"}}]}",
        "{\"choices\":[{\"message\":{\"content\":\"a\"}}]}",
        "{\"choices\":[]}",
        "{\"choices\":{}}",
        "{\"error\":{}," CHOICE("\"content\":\"a\"") "}",
        "{\"error\":null," CHOICE("\"content\":\"a\"") "}",
        "{" CHOICE("\"content\":\"a\"") "," CHOICE("\"content\":\"b\"") "}",
        "{" CHOICE("\"content\":\"a\"") "",
        "{" CHOICE("\"content\":\"a\"") "}}",
        "{" CHOICE("\"content\":\"a\"") "} x",
        "{" CHOICE("\"content\":\"a\"") ",}",
        "{" CHOICE("\"content\":\"a\nb\"") "}",
        "{" CHOICE("\"content\":\"a\\") "}",
        "{" CHOICE("\"content\":\"\\x\"") "}",
        "{" CHOICE("\"content\":\"\\u12\"") "}",
        "{" CHOICE("\"content\":\"\\u12g4\"") "}",
        "{" CHOICE("\"content\":\"\\u0000\"") "}",
        "{" CHOICE("\"content\":\"\\ud83d\\ude00\"") "}",
        "{\"id\":\"caf\xc3\xa9\"," CHOICE("\"content\":\"a\"") "}",
        "{\"id\":\"a\\nb\"," CHOICE("\"content\":\"a\"") "}",
        "{\"x\":1.5," CHOICE("\"content\":\"a\"") "}",
        "{\"x\":-1," CHOICE("\"content\":\"a\"") "}",
        "{\"x\":01," CHOICE("\"content\":\"a\"") "}",
        "{\"x\":1234567890123456789," CHOICE("\"content\":\"a\"") "}",
        "{\"x\":nul," CHOICE("\"content\":\"a\"") "}",
        "{\"x\":nullx," CHOICE("\"content\":\"a\"") "}",
        "{\"x\":," CHOICE("\"content\":\"a\"") "}",
        "{\"x\" 1," CHOICE("\"content\":\"a\"") "}",
        "{x:1," CHOICE("\"content\":\"a\"") "}",
        "{\"x\":[1,]," CHOICE("\"content\":\"a\"") "}",
        "{\"x\":[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]," CHOICE("\"content\":\"a\"") "}",
        "{\"usage\":{\"prompt_tokens\":4294967296}," CHOICE("\"content\":\"a\"") "}",
        "{\"usage\":{\"prompt_tokens\":null}," CHOICE("\"content\":\"a\"") "}",
        "{\"usage\":null," CHOICE("\"content\":\"a\"") "}",
        "{\"model\":null," CHOICE("\"content\":\"a\"") "}",
};

static bool same(struct bytes found, const char *expected)
{
        return found.size == strlen(expected) && (found.size == 0 || memcmp(found.data, expected, found.size) == 0);
}

static void a_plain_answer_is_read(void **state)
{
        (void)state;
        for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
                struct envelope e;
                struct buffer scratch = { 0 };
                if (envelope_read(bytes_of_string(good[i].body), &e, &scratch) != 0)
                        fail_msg("not read: %s", good[i].body);
                if (!same(e.content, good[i].content) || !same(e.model, good[i].model) ||
                    e.tokens_in != good[i].tokens_in || e.tokens_out != good[i].tokens_out)
                        fail_msg("read wrongly: %s", good[i].body);
                buffer_free(&scratch);
        }
}

static void all_else_is_left_alone(void **state)
{
        (void)state;
        for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
                struct envelope e;
                struct buffer scratch = { 0 };
                if (envelope_read(bytes_of_string(others[i]), &e, &scratch) != 1)
                        fail_msg("read: %s", others[i]);
                buffer_free(&scratch);
        }
}

/* No end of the body is read as a whole one, and nothing is read past the end (the copies are as long as the text). */
static void no_beginning_of_an_answer_is_one(void **state)
{
        (void)state;
        for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
                const size_t whole = (size_t)(strrchr(good[i].body, '}') - good[i].body);
                for (size_t size = 0; size <= whole; size++) {
                        struct envelope e;
                        struct buffer scratch = { 0 };
                        char *copy = malloc(size ? size : 1);
                        assert_non_null(copy);
                        memcpy(copy, good[i].body, size);
                        assert_int_equal(envelope_read(bytes_of(copy, size), &e, &scratch), 1);
                        buffer_free(&scratch);
                        free(copy);
                }
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_plain_answer_is_read),
                cmocka_unit_test(all_else_is_left_alone),
                cmocka_unit_test(no_beginning_of_an_answer_is_one),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
