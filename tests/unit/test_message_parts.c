/* SPDX-License-Identifier: Apache-2.0 */
/* The small parts of message/: typed JSON, keys of delayed delivery, base64, derived ids, arguments as people see them. */
#include "message_support.h"
#include "message/wire/base64.h"
#include "message/canvas/derived_id.h"
#include "message/wire/repr.h"
#include "message/wire/wire.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void typed_values(void **state)
{
        (void)state;
        static const struct {
                const char *json;
                enum typed_kind kind;
        } rows[] = {
                { "{\"__type__\":\"datetime\",\"__value__\":\"2030-01-01T00:00:00\"}", TYPED_DATETIME },
                { "{\"__value__\":\"2030-01-01\",\"__type__\":\"date\"}", TYPED_DATE },
                { "{\"__type__\":\"time\",\"__value__\":\"01:02:03\"}", TYPED_TIME },
                { "{\"__type__\":\"uuid\",\"__value__\":{\"hex\":\"00\"}}", TYPED_UUID },
                { "{\"__type__\":\"decimal\",\"__value__\":\"1.0\"}", TYPED_DECIMAL },
                { "{\"__type__\":\"bytes\",\"__value__\":\"x\"}", TYPED_BYTES },
                { "{\"__type__\":\"base64\",\"__value__\":\"eA==\"}", TYPED_BASE64 },
                { "{\"__type__\":\"point\",\"__value__\":[1,2]}", TYPED_OTHER },
                { "{\"__type__\":\"date\"}", TYPED_NONE },
                { "{\"__type__\":7,\"__value__\":1}", TYPED_NONE },
                { "{\"__type__\":\"date\",\"__value__\":1,\"more\":1}", TYPED_NONE },
                { "{}", TYPED_NONE },
                { "[]", TYPED_NONE },
                { "null", TYPED_NONE },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                json_t *value = parse(rows[i].json);
                const json_t *inner = NULL;
                assert_int_equal(typed_json_read(value, &inner), rows[i].kind);
                assert_ptr_equal(inner, rows[i].kind == TYPED_NONE ? NULL : json_object_get(value, "__value__"));
                json_decref(value);
        }
}

static void delayed_keys(void **state)
{
        (void)state;
#define ZEROS_20 "0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0."
        static const struct {
                uint32_t seconds;
                const char *key, *delayed;
                int level;
        } rows[] = {
                { 0, "q", ZEROS_20 "0.0.0.0.0.0.0.0.q", 0 },
                { 1, "q", ZEROS_20 "0.0.0.0.0.0.0.1.q", 0 },
                { 90, "scan.vision", ZEROS_20 "0.1.0.1.1.0.1.0.scan.vision", 6 },
                { 90, ZEROS_20 "0.0.0.0.0.0.0.1.q", ZEROS_20 "0.1.0.1.1.0.1.0.q", 6 },
                { 2, "0.1.q", ZEROS_20 "0.0.0.0.0.0.1.0.0.1.q", 1 },
                { (1u << 28) - 1, "", "1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.", 27 },
                { 1u << 28, "q", "", -ERANGE },
                { UINT32_MAX, "q", "", -ERANGE },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct buffer out = { 0 };
                assert_int_equal(delayed_routing_key(rows[i].seconds, rows[i].key, &out), rows[i].level);
                assert_int_equal(out.size, strlen(rows[i].delayed));
                assert_memory_equal(out.data ? (const char *)out.data : "", rows[i].delayed, out.size);
                buffer_free(&out);
        }
}

static void base64_of_every_length(void **state)
{
        (void)state;
        static const char *const rows[][2] = { { "", "" },
                                               { "f", "Zg==" },
                                               { "fo", "Zm8=" },
                                               { "foo", "Zm9v" },
                                               { "foob", "Zm9vYg==" },
                                               { "fooba", "Zm9vYmE=" },
                                               { "foobar", "Zm9vYmFy" } }; /* RFC 4648, section 10 */
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct buffer text = { 0 }, raw = { 0 };
                base64_encode(bytes_of_string(rows[i][0]), &text);
                assert_true(bytes_equal(buffer_view(&text), bytes_of_string(rows[i][1])));
                assert_int_equal(base64_decode(buffer_view(&text), &raw), 0);
                assert_true(bytes_equal(buffer_view(&raw), bytes_of_string(rows[i][0])));
                buffer_free(&text);
                buffer_free(&raw);
        }
}

static void what_is_no_base64(void **state)
{
        (void)state;
        static const char *const rows[] = { "Z",    "Zg",       "Zg=",   "Zh==",  "Zm9=", "Z===",
                                            "====", "Zg==Zg==", "Zm 9v", "Zm9v!", "Zm-_" };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct buffer raw = { 0 };
                assert_int_equal(base64_decode(bytes_of_string(rows[i]), &raw), 1);
                buffer_free(&raw);
        }
}

static void derived_ids_differ_everywhere(void **state)
{
        (void)state;
        static const char *const parents[] = { "", "a", "b", "11111111-0000-4000-8000-000000000001",
                                               "11111111-0000-4000-8000-000000000002" };
        static const char *const places[] = { "chain", "callback", "errback" };
        enum { COUNT = 5 * 3 * 20 };
        static char ids[COUNT][ID_TEXT_SIZE];
        size_t n = 0;
        for (size_t p = 0; p < 5; p++)
                for (size_t k = 0; k < 3; k++)
                        for (size_t i = 0; i < 20; i++)
                                derived_id(parents[p], places[k], i, ids[n++]);
        for (size_t i = 0; i < COUNT; i++)
                for (size_t k = 0; k < i; k++) {
                        size_t differing = 0;
                        for (size_t c = 0; c < ID_TEXT_SIZE - 1; c++)
                                differing += ids[i][c] != ids[k][c];
                        assert_true(differing > 16);
                }
        char again_id[ID_TEXT_SIZE];
        derived_id("a", "chain", 0, again_id);
        assert_string_equal(again_id, ids[60]);
        assert_string_equal(
                again_id,
                "2fd60947-8b93-8f32-8a82-e438b3251c29"); /* it must stay what it is: other versions of chard publish the same task */
}

static void shown_arguments(void **state)
{
        (void)state;
        static const struct {
                const char *first, *args, *shown;
        } rows[] = {
                { "", "[]", "()" },
                { "", "[1]", "(1,)" },
                { "", "[1,\"two\",null,true,false,1.5]", "(1, 'two', None, True, False, 1.5)" },
                { "", "[[1,[2,[3]]],{\"a\":{\"b\":{}}}]", "([1, [2, [...]]], {'a': {'b': {...}}})" },
                { "", "[\"it's\\n\"]", "('it\"s ',)" },
                { "{\"a\":1}", "[]", "({\"a\":1},)" },
                { "{\"a\":1}", "[2]", "({\"a\":1}, 2)" },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct buffer out = { 0 };
                json_t *args = parse(rows[i].args);
                repr_args(bytes_of_string(rows[i].first), args, &out);
                buffer_add_byte(&out, '\0');
                assert_string_equal((const char *)out.data, rows[i].shown);
                json_decref(args);
                buffer_free(&out);
        }
}

static void shown_arguments_end_somewhere(void **state)
{
        (void)state;
        json_t *object = json_object(), *array = json_array();
        struct buffer out = { 0 }, text = { 0 };
        for (unsigned i = 0; i < 20000; i++) {
                char key[16];
                snprintf(key, sizeof(key), "k%u", i);
                json_object_set_new(object, key, json_integer(i));
                json_array_append(array, object);
                buffer_add_string(&text, "\xED\x95\x9C");
        }
        repr_kwargs(object, &out);
        assert_in_range(out.size, REPR_MAX, REPR_MAX + 50);
        buffer_reset(&out);
        repr_args(buffer_view(&text), array, &out);
        assert_in_range(out.size, REPR_MAX, REPR_MAX + 50);
        buffer_reset(&out);
        json_array_clear(array);
        json_array_append_new(array, json_stringn((const char *)text.data, text.size));
        repr_args((struct bytes){ NULL, 0 }, array, &out);
        json_t *whole = json_stringn((const char *)out.data, out.size); /* NULL when it was cut within a character */
        assert_non_null(whole);
        json_decref(whole);
        json_decref(object);
        json_decref(array);
        buffer_free(&out);
        buffer_free(&text);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(typed_values),
                cmocka_unit_test(delayed_keys),
                cmocka_unit_test(base64_of_every_length),
                cmocka_unit_test(what_is_no_base64),
                cmocka_unit_test(derived_ids_differ_everywhere),
                cmocka_unit_test(shown_arguments),
                cmocka_unit_test(shown_arguments_end_somewhere),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
