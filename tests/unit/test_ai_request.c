/* SPDX-License-Identifier: Apache-2.0 */
#include "ai/ai.h"
#include "ai/wire/formats.h"
#include "core/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct ai_part hello = { AI_TEXT, "hello" };
static const struct ai_turn one_turn = { "user", &hello, 1 };

static char *written(const struct ai_request *request, const char *model)
{
        struct buffer out = { 0 };
        assert_int_equal(ai_request_write(request, model, &out), 0);
        buffer_add_byte(&out, '\0');
        assert_false(out.failed);
        return (char *)out.data;
}

static void a_request_has_the_wire_form(void **state)
{
        (void)state;
        const struct ai_part look[] = { { AI_TEXT, "what is this?" }, { AI_IMAGE_URL, "https://x/y.jpg?a=1&b=2" } };
        const struct ai_part rules = { AI_TEXT, "be short" };
        const struct ai_turn turns[] = {
                { "system", &rules, 1 }, { "user", look, 2 }, { "assistant", &hello, 1 }, { "user", look + 1, 1 }
        };
        json_t *schema = json_pack("{ss}", "type", "object");
        const struct ai_request request = { .turns = turns,
                                            .turn_count = 4,
                                            .schema_name = "bottle_1",
                                            .schema = schema,
                                            .max_tokens = 300,
                                            .deadline_ms = 1,
                                            .task = "scan.vision" };
        char *text = written(&request, "gpt-4o");
        assert_string_equal(
                text,
                "{\"model\":\"gpt-4o\",\"messages\":["
                "{\"role\":\"system\",\"content\":\"be short\"},"
                "{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"what is this?\"},"
                "{\"type\":\"image_url\",\"image_url\":{\"url\":\"https://x/y.jpg?a=1&b=2\"}}]},"
                "{\"role\":\"assistant\",\"content\":\"hello\"},"
                "{\"role\":\"user\",\"content\":[{\"type\":\"image_url\",\"image_url\":{\"url\":\"https://x/y.jpg?a=1&b=2\"}}]}],"
                "\"response_format\":{\"type\":\"json_schema\",\"json_schema\":"
                "{\"name\":\"bottle_1\",\"strict\":true,\"schema\":{\"type\":\"object\"}}},"
                "\"max_completion_tokens\":300}");
        free(text);
        json_decref(schema);
}

static void what_is_not_asked_is_left_out(void **state)
{
        (void)state;
        const struct ai_request request = { .turns = &one_turn, .turn_count = 1 };
        char *text = written(&request, "m");
        assert_string_equal(text, "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"hello\"}],"
                                  "\"response_format\":{\"type\":\"json_object\"}}");
        free(text);
}

/* What goes in comes out of a JSON parser again; what is no UTF-8 comes out as U+FFFD. */
static void every_text_is_escaped(void **state)
{
        (void)state;
        static const struct {
                const char *in, *out;
        } rows[] = {
                { "", NULL },
                { "\"quoted\" \\ back / slash", NULL },
                { "\b\f\n\r\t\x01\x1f\x7f", NULL },
                { "sixteen plain byt\"es and then one", NULL },
                { "1234567\"", NULL },
                { "12345678\"", NULL },
                { "\xed\x95\x9c\xea\xb5\xad\xec\x96\xb4 \xea\xb0\x80\xeb\x82\x98 \xf0\x9f\x98\x80 \xc3\xa9", NULL },
                { "a\xff"
                  "b",
                  "a\xef\xbf\xbd"
                  "b" },
                { "\xea\xb0", "\xef\xbf\xbd" },
                { "\xc0\x80", "\xef\xbf\xbd\xef\xbf\xbd" },
                { "\xed\xa0\x80x", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdx" },
                { "\xed\x95\x9c\xff\xed\x95\x9c", "\xed\x95\x9c\xef\xbf\xbd\xed\x95\x9c" },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                const struct ai_part part = { AI_TEXT, rows[i].in };
                const struct ai_turn turn = { "user", &part, 1 };
                const struct ai_request request = { .turns = &turn, .turn_count = 1 };
                char *text = written(&request, "m");
                json_t *read = json_loads(text, 0, NULL);
                assert_non_null(read);
                const json_t *message = json_array_get(json_object_get(read, "messages"), 0);
                assert_string_equal(json_text(message, "content", "?"), rows[i].out ? rows[i].out : rows[i].in);
                json_decref(read);
                free(text);
        }
}

/* Every byte at every place of a word, as eight bytes are looked at in one go. */
static void no_byte_slips_through_the_fast_path(void **state)
{
        (void)state;
        for (unsigned byte = 1; byte < 0x80; byte++) {
                for (size_t at = 0; at < 24; at++) {
                        char in[25] = "abcdefghijklmnopqrstuvwx";
                        in[at] = (char)byte;
                        const struct ai_part part = { AI_IMAGE_URL, in };
                        const struct ai_turn turn = { "user", &part, 1 };
                        const struct ai_request request = { .turns = &turn, .turn_count = 1 };
                        char *text = written(&request, in);
                        json_t *read = json_loads(text, 0, NULL);
                        assert_non_null(read);
                        assert_string_equal(json_text(read, "model", "?"), in);
                        json_decref(read);
                        free(text);
                }
        }
}

static void a_large_image_is_carried_whole(void **state)
{
        (void)state;
        enum { SIZE = 3 << 20 };
        char *image = malloc(SIZE + 1);
        assert_non_null(image);
        memset(image, 'A', SIZE);
        memcpy(image, "data:image/png;base64,", 22);
        image[SIZE] = '\0';
        const struct ai_part part = { AI_IMAGE_URL, image };
        const struct ai_turn turn = { "user", &part, 1 };
        const struct ai_request request = { .turns = &turn, .turn_count = 1 };
        char *text = written(&request, "m");
        assert_non_null(strstr(text, image));
        free(text);
        free(image);
}

static bool same_format(struct formats *all, const struct ai_request *request, const char *expected)
{
        struct request_known known;
        assert_int_equal(formats_get(all, request, &known), 0);
        return memmem(known.format.data, known.format.size, expected, strlen(expected)) != NULL;
}

static void a_tasks_format_is_kept_until_its_schema_changes(void **state)
{
        (void)state;
        struct formats *all;
        struct request_known before, after;
        json_t *first = json_pack("{ss}", "type", "string"), *second = json_pack("{ss}", "type", "null");
        struct ai_request request = { .task = "a", .schema_name = "n", .schema = first };
        assert_int_equal(formats_new(&all), 0);
        assert_true(same_format(all, &request, "{\"type\":\"string\"}"));
        formats_get(all, &request, &before);
        formats_get(all, &request, &after);
        assert_ptr_equal(before.format.data, after.format.data);
        assert_int_equal(first->refcount, 2); /* held, so that no other schema gets its address */
        request.schema = second;
        assert_true(same_format(all, &request, "{\"type\":\"null\"}"));
        assert_int_equal(first->refcount, 1);
        request.schema_name = "other";
        assert_true(same_format(all, &request, "\"other\""));
        request.task = "b";
        request.schema = NULL;
        assert_true(same_format(all, &request, "json_object"));
        json_decref(first);
        json_decref(second);
        formats_free(all);
}

/* Six prompts in turn: more than are kept. */
static void a_constant_text_is_encoded_once_and_reads_the_same(void **state)
{
        (void)state;
        static const char *const prompts[] = { "one\n\"two\"", "\xed\x95\x9c", "", "4", "five\\", "6" };
        struct formats *all;
        assert_int_equal(formats_new(&all), 0);
        for (size_t i = 0; i < 24; i++) {
                const char *prompt = prompts[i < 12 ? i % 6 : i % 2];
                const struct ai_part said[] = { { AI_TEXT, prompt }, { AI_TEXT, "hello" } };
                const struct ai_turn turns[] = { { "system", said, 1 }, { "user", said, 2 } };
                struct ai_request request = { .turns = turns, .turn_count = 2 };
                struct request_known known, again;
                struct buffer out = { 0 };
                char *plain = written(&request, "m");
                request.constant = prompt;
                assert_int_equal(formats_get(all, &request, &known), 0);
                assert_int_equal(formats_get(all, &request, &again), 0);
                assert_ptr_equal(known.constant_json.data, again.constant_json.data);
                assert_int_equal(request_write(&request, "m", &known, &out), 0);
                assert_int_equal(out.size, strlen(plain));
                assert_memory_equal(out.data, plain, out.size);
                buffer_free(&out);
                free(plain);
        }
        formats_free(all);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_request_has_the_wire_form),
                cmocka_unit_test(what_is_not_asked_is_left_out),
                cmocka_unit_test(every_text_is_escaped),
                cmocka_unit_test(no_byte_slips_through_the_fast_path),
                cmocka_unit_test(a_large_image_is_carried_whole),
                cmocka_unit_test(a_tasks_format_is_kept_until_its_schema_changes),
                cmocka_unit_test(a_constant_text_is_encoded_once_and_reads_the_same),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
