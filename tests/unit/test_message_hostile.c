/* SPDX-License-Identifier: Apache-2.0 */
/* Bad input: each has a clear problem, none a crash. */
#include "message_support.h"
#include "message/wire/base64.h"
#include "message/wire/wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include <cmocka.h>

static const char fine_body[] = "[[],{},null]";

/* Decode, expecting this outcome; what a problem says must be there to read. */
static void expect(struct bytes properties, struct bytes body, size_t max_body, const char *code)
{
        struct arena a = { 0 };
        struct task_message t;
        struct problem why = { 0 };
        const int rc = task_message_decode(&a, properties, body, max_body, &t, &why);
        if (rc != (code ? 1 : 0) || strcmp(why.code, code ? code : "") != 0)
                fail_msg("expected %s, got %d %s: %s", code ? code : "0", rc, why.code, why.text);
        if (code) {
                assert_string_equal(why.source, "message");
                assert_true(strlen(why.text) > 10);
        }
        task_message_clear(&t);
        arena_free(&a);
}

static void expect_made(struct made *m, const char *code)
{
        expect(buffer_view(&m->properties), buffer_view(&m->body), LARGEST_BODY, code);
        made_free(m);
}

/* ---- headers ---- */

static void header_values(void **state)
{
        (void)state;
        static const struct {
                const char *header, *json, *code;
        } rows[] = {
                { "retries", "0", NULL },
                { "retries", "null", NULL },
                { "retries", "-1", "bad_header" },
                { "retries", "2147483647", NULL },
                { "retries", "2147483648", "bad_header" },
                { "retries", "-9223372036854775808", "bad_header" },
                { "retries", "\"1\"", "bad_header" },
                { "retries", "1.5", "bad_header" },
                { "group_index", "-1", "bad_header" },
                { "group_index", "\"x\"", "bad_header" },
                { "eta", "null", NULL },
                { "eta", "\"\"", "bad_header" },
                { "eta", "\"garbage\"", "bad_header" },
                { "eta", "\"2030-02-30T00:00:00\"", "bad_header" },
                { "eta", "\"2030-01-01T00:00:00+99:00\"", "bad_header" },
                { "eta", "\"2030-01-01T00:00:00\\u0000\"", "bad_header" },
                { "eta", "\"9999999999999999999999999999999999999999999999\"", "bad_header" },
                { "eta", "12345", "bad_header" },
                { "eta", "{}", "bad_header" },
                { "expires", "[]", "bad_header" },
                { "expires", "\"1970-01-01T00:00:00\"", NULL },
                { "timelimit", "null", NULL },
                { "timelimit", "[null,null]", NULL },
                { "timelimit", "[1,0.5]", NULL },
                { "timelimit", "[1e300,9223372036854775807]", NULL },
                { "timelimit", "[]", "bad_header" },
                { "timelimit", "[1]", "bad_header" },
                { "timelimit", "[1,2,3]", "bad_header" },
                { "timelimit", "[-1,null]", "bad_header" },
                { "timelimit", "[\"1\",null]", "bad_header" },
                { "timelimit", "5", "bad_header" },
                { "ignore_result", "1", "bad_header" },
                { "ignore_result", "\"false\"", "bad_header" },
                { "root_id", "1", "bad_header" },
                { "root_id", "null", NULL },
                { "root_id", "\"\"", NULL },
                { "parent_id", "{}", "bad_header" },
                { "parent_id", "\"a\\u0000b\"", "bad_header" },
                { "group", "[1]", "bad_header" },
                { "origin", "true", "bad_header" },
                { "traceparent", "\"00-x\"", NULL },
                { "tracestate", "[1]", NULL },
                { "baggage", "{\"a\": 1}", NULL },
                { "baggage", "\"a\\r\\n\\u0000\"", NULL },
                { "compression", "5", "bad_header" },
                { "compression", "\"application/x-bz2\"", "bad_compression" },
                { "compression", "\"application/zstd\"", "bad_compression" },
                { "compression", "\"application/x-lzma\"", "bad_compression" },
                { "compression", "\"\"", NULL },
                { "body_encoding", "\"base64\"", "bad_body" },
                { "id", "null", "not_a_task" },
                { "id", "\"\"", "not_a_task" },
                { "id", "7", "bad_header" },
                { "id", "\"a\\u0000b\"", "bad_header" },
                { "task", "null", "not_a_task" },
                { "task", "[]", "bad_header" },
                { "stamps", "5", NULL },
                { "lang", "[[[]]]", NULL },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct buffer table = { 0 };
                json_t *value = json_loads(rows[i].json, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
                assert_non_null(value);
                header_add_json(&table, rows[i].header, value);
                struct made m = make_task(buffer_view(&table), fine_body);
                expect_made(&m, rows[i].code);
                json_decref(value);
                buffer_free(&table);
        }
}

static void texts_that_are_no_utf8(void **state)
{
        (void)state;
        static const char *const texts[] = { "\xFF", "\xC0\xAF", "\xED\xA0\x80", "\xF4\x90\x80\x80", "ok\xE2\x82" };
        static const char *const names[] = { "id", "task", "root_id", "parent_id", "group", "origin", "traceparent" };
        for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
                for (size_t k = 0; k < sizeof(names) / sizeof(names[0]); k++) {
                        struct buffer table = { 0 };
                        header_add_text(&table, names[k], bytes_of_string(texts[i]));
                        struct made m = make_task(buffer_view(&table), fine_body);
                        expect_made(&m, "bad_header");
                        buffer_free(&table);
                }
}

static void names_that_are_too_long(void **state)
{
        (void)state;
        char text[MESSAGE_MAX_NAME + 1];
        memset(text, 'x', sizeof(text));
        for (size_t size = MESSAGE_MAX_NAME; size <= sizeof(text); size++) {
                struct buffer table = { 0 };
                header_add_text(&table, "id", bytes_of(text, size));
                struct made m = make_task(buffer_view(&table), fine_body);
                expect_made(&m, size > MESSAGE_MAX_NAME ? "bad_header" : NULL);
                buffer_free(&table);
        }
}

static void what_could_be_read_is_there_for_the_error_record(void **state)
{
        (void)state;
        struct arena a = { 0 };
        struct task_message t;
        struct problem why;
        struct buffer table = { 0 };
        header_add_text(&table, "retries", bytes_of_string("many"));
        header_add_text(&table, "root_id", bytes_of_string("r"));
        struct made m = make_task(buffer_view(&table), fine_body);
        assert_int_equal(
                task_message_decode(&a, buffer_view(&m.properties), buffer_view(&m.body), LARGEST_BODY, &t, &why), 1);
        assert_string_equal(t.name, "t");
        assert_string_equal(t.id, "i");
        assert_string_equal(t.root_id, "r");
        assert_non_null(strstr(why.text, "retries"));
        task_message_clear(&t);
        made_free(&m);
        buffer_free(&table);
        arena_free(&a);
}

static void a_message_that_is_no_task(void **state)
{
        (void)state;
        struct made m = make_message(bytes_of("\1aV", 3), bytes_of_string(fine_body));
        expect_made(&m, "not_a_task");
}

static void every_cut_of_the_properties(void **state)
{
        (void)state;
        struct made m = make_task(bytes_of("\1xA\0\0\0\2VV", 9), fine_body);
        for (size_t size = 0; size < m.properties.size; size++) {
                unsigned char *exact = malloc(size ? size : 1);
                memcpy(exact, m.properties.data, size);
                expect(bytes_of(exact, size), buffer_view(&m.body), LARGEST_BODY, "bad_properties");
                free(exact);
        }
        made_free(&m);
}

static void damaged_tables(void **state)
{
        (void)state;
        static const struct {
                const char *more;
                size_t size;
        } rows[] = { { "\1x?", 3 }, { "\1xS\0\0\0\5ab", 9 }, { "\1xF\0\0\0\2\1a", 9 }, { "\xFFx", 2 }, { "\1", 1 } };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct made m = make_task(bytes_of(rows[i].more, rows[i].size), fine_body);
                expect_made(&m, "bad_properties");
        }
}

static void headers_that_leave_no_room(void **state)
{
        (void)state;
        struct buffer table = { 0 };
        static char text[MESSAGE_MAX_PROPERTIES];
        memset(text, 'x', sizeof(text));
        header_add_text(&table, "x", bytes_of(text, sizeof(text)));
        struct made m = make_task(buffer_view(&table), fine_body);
        expect_made(&m, "bad_properties");
        buffer_free(&table);
}

/* ---- content type and encoding ---- */

static void content_types(void **state)
{
        (void)state;
        static const struct {
                const char *type, *encoding, *code;
        } rows[] = {
                { "application/json", "utf-8", NULL },
                { "application/json", "UTF-8", NULL },
                { "application/json", "utf8", NULL },
                { "application/json", "us-ascii", NULL },
                { "application/json", "binary", NULL },
                { "application/json", NULL, NULL },
                { "application/json;charset=utf-8", "", NULL },
                { "Application/JSON", "utf-8", NULL },
                { "application/json", "base64", NULL }, /* said of a body that is none */
                { "application/json", "utf-16", "bad_content_type" },
                { "application/json", "\xFF\xFE", "bad_content_type" },
                { "application/x-python-serialize", "binary", "bad_content_type" },
                { "application/x-yaml", "utf-8", "bad_content_type" },
                { "", "utf-8", "bad_content_type" },
                { NULL, NULL, "bad_content_type" },
                { "text/plain", "utf-8", "bad_content_type" },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct made m = make_task((struct bytes){ NULL, 0 }, fine_body);
                struct buffer changed = { 0 };
                struct properties p;
                properties_read(buffer_view(&m.properties), &p, NULL);
                p.content_type = rows[i].type ? bytes_of_string(rows[i].type) : (struct bytes){ NULL, 0 };
                p.content_encoding = rows[i].encoding ? bytes_of_string(rows[i].encoding) : (struct bytes){ NULL, 0 };
                properties_write(&p, &changed);
                expect(buffer_view(&changed), buffer_view(&m.body), LARGEST_BODY, rows[i].code);
                buffer_free(&changed);
                made_free(&m);
        }
}

/* ---- bodies ---- */

static void bodies(void **state)
{
        (void)state;
        static const struct {
                const char *body, *code;
        } rows[] = {
                { "[[],{},null]", NULL },
                { " [ [ ] , { } , { } ] ", NULL },
                { "[[],{},{\"callbacks\":null,\"errbacks\":null,\"chain\":null,\"chord\":null}]", NULL },
                { "[[],{},{\"callbacks\":[],\"chain\":[],\"unknown\":1}]", NULL },
                { "", "bad_body" },
                { "{}", "bad_body" },
                { "null", "bad_body" },
                { "[]", "bad_body" },
                { "[[],{}]", "bad_body" },
                { "[[],{},null,null]", "bad_body" },
                { "[{},{},null]", "bad_body" },
                { "[null,{},null]", "bad_body" },
                { "[[],[],null]", "bad_body" },
                { "[[],null,null]", "bad_body" },
                { "[[],{},[]]", "bad_body" },
                { "[[],{},1]", "bad_body" },
                { "[[],{},{\"chain\":{}}]", "bad_body" },
                { "[[],{},{\"callbacks\":\"x\"}]", "bad_body" },
                { "[[],{},{\"errbacks\":1}]", "bad_body" },
                { "[[],{},{\"chord\":[]}]", "bad_body" },
                { "[[],{},null", "bad_body" },
                { "[[],{},null]x", "bad_body" },
                { "[[NaN],{},null]", "bad_body" },
                { "[[1e999],{},null]", "bad_body" },
                { "[[99999999999999999999999],{},null]", "bad_body" },
                { "[[\"\xFF\"],{},null]", "bad_body" },
                { "[[\"\\ud800\"],{},null]", "bad_body" },
                { "[[\"\\u0000\"],{},null]", NULL },
                { "[[],{\"a\\u0000b\":1},null]", "bad_body" },
                { "\xEF\xBB\xBF[[],{},null]", "bad_body" },
                { "\x80\x04\x95", "bad_body" },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct made m = make_task((struct bytes){ NULL, 0 }, rows[i].body);
                expect_made(&m, rows[i].code);
        }
}

static void deep_bodies(void **state)
{
        (void)state;
        for (unsigned depth = 100; depth <= 1000000; depth *= 100) {
                struct made m = make_task((struct bytes){ NULL, 0 }, "");
                for (unsigned i = 0; i < depth; i++)
                        buffer_add_byte(&m.body, '[');
                if (depth == 100) {
                        for (unsigned i = 0; i < depth; i++)
                                buffer_add_byte(&m.body, ']');
                }
                expect_made(&m, "bad_body");
        }
}

static void large_bodies(void **state)
{
        (void)state;
        enum { SIZE = 20 << 20 };
        struct made m = make_task((struct bytes){ NULL, 0 }, "[[\"");
        unsigned char *at = buffer_reserve(&m.body, SIZE);
        memset(at, 'x', SIZE);
        m.body.size += SIZE;
        buffer_add_string(&m.body, "\"],{},null]");
        const struct bytes properties = buffer_view(&m.properties), body = buffer_view(&m.body);
        expect(properties, body, 1 << 20, "body_too_large");
        expect(properties, body, body.size - 1, "body_too_large");
        expect(properties, body, body.size, NULL);
        made_free(&m);
}

/* ---- base64 and compression ---- */

static struct made encoded_task(const char *header, const char *value, struct bytes body)
{
        struct buffer table = { 0 };
        header_add_text(&table, header, bytes_of_string(value));
        struct made m = make_task(buffer_view(&table), "");
        buffer_add(&m.body, body.data, body.size);
        buffer_free(&table);
        return m;
}

static void base64_bodies(void **state)
{
        (void)state;
        static const struct {
                const char *body, *code;
        } rows[] = {
                { "W1tdLHt9LG51bGxd", NULL },
                { "W1tdLHt9LG5\n1bGxd", "bad_body" }, /* a line ends between groups only */
                { "W1td\r\nLHt9LG51bGxd\n", NULL },
                { "W1tdLHt9LG51bGx", "bad_body" },
                { "W1tdLHt9LG51bGx=", "bad_body" },
                { "W1tdLHt9LG51bGxd====", "bad_body" },
                { "W1td LHt9LG51bGxd", "bad_body" },
                { "[[],{},null]", "bad_body" },
                { "", "bad_body" },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct made m = encoded_task("body_encoding", "base64", bytes_of_string(rows[i].body));
                expect_made(&m, rows[i].code);
        }
}

/* `size` bytes of JSON spaces and then a body, compressed; wrapper 15 is zlib, 31 gzip. */
static struct buffer packed(size_t size, int wrapper)
{
        struct buffer plain = { 0 }, out = { 0 };
        unsigned char *at = buffer_reserve(&plain, size + 1);
        memset(at, ' ', size);
        plain.size = size;
        buffer_add_string(&plain, fine_body);
        z_stream z = { .next_in = plain.data, .avail_in = (uInt)plain.size };
        assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, wrapper, 9, Z_DEFAULT_STRATEGY), Z_OK);
        z.next_out = buffer_reserve(&out, 1 << 20);
        z.avail_out = 1 << 20;
        assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
        out.size = z.total_out;
        deflateEnd(&z);
        buffer_free(&plain);
        return out;
}

static void compressed_bodies(void **state)
{
        (void)state;
        static const char *const names[] = { "application/x-gzip", "application/gzip", "gzip", "zlib" };
        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
                for (int wrapper = 15; wrapper <= 31; wrapper += 16) {
                        struct buffer z = packed(100000, wrapper);
                        struct made m = encoded_task("compression", names[i], buffer_view(&z));
                        const struct bytes properties = buffer_view(&m.properties), body = buffer_view(&m.body);
                        const size_t size = 100000 + strlen(fine_body);
                        expect(properties, body, size, NULL);
                        expect(properties, body, size - 1, "body_too_large");
                        expect(properties, bytes_of(body.data, body.size - 1), size, "bad_compression");
                        expect(properties, bytes_of(body.data, 10), size, "bad_compression");
                        expect(properties, bytes_of(body.data, 0), size, "bad_compression");
                        expect(properties, bytes_of_string(fine_body), size, "bad_compression");
                        made_free(&m);
                        buffer_free(&z);
                }
}

static void a_bomb_is_stopped_at_the_limit(void **state)
{
        (void)state;
        struct buffer z = packed(200 << 20, 31);
        assert_true(z.size < 1 << 20);
        struct made m = encoded_task("compression", "gzip", buffer_view(&z));
        expect(buffer_view(&m.properties), buffer_view(&m.body), 1 << 20, "body_too_large");
        made_free(&m);
        buffer_free(&z);
}

static void base64_around_gzip(void **state)
{
        (void)state;
        struct buffer z = packed(50, 31), text = { 0 }, table = { 0 };
        base64_encode(buffer_view(&z), &text);
        header_add_text(&table, "compression", bytes_of_string("gzip"));
        header_add_text(&table, "body_encoding", bytes_of_string("base64"));
        struct made m = make_task(buffer_view(&table), "");
        buffer_add(&m.body, text.data, text.size);
        expect_made(&m, NULL);
        buffer_free(&z);
        buffer_free(&text);
        buffer_free(&table);
}

/* As celery-ts sends it: bytes, and a content encoding that says base64. */
static void compressed_and_said_to_be_base64(void **state)
{
        (void)state;
        for (int wrapped = 0; wrapped <= 1; wrapped++) {
                struct buffer z = packed(50, 15), table = { 0 }, text = { 0 }, changed = { 0 };
                struct properties p;
                header_add_text(&table, "compression", bytes_of_string("application/x-gzip"));
                struct made m = make_task(buffer_view(&table), "");
                if (wrapped)
                        base64_encode(buffer_view(&z), &text);
                else
                        buffer_add(&text, z.data, z.size);
                properties_read(buffer_view(&m.properties), &p, NULL);
                p.content_encoding = bytes_of_string("base64");
                properties_write(&p, &changed);
                expect(buffer_view(&changed), buffer_view(&text), LARGEST_BODY, NULL);
                expect(buffer_view(&changed), bytes_of(text.data, text.size - 4), LARGEST_BODY, "bad_compression");
                made_free(&m);
                buffer_free(&z);
                buffer_free(&text);
                buffer_free(&table);
                buffer_free(&changed);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(header_values),
                cmocka_unit_test(texts_that_are_no_utf8),
                cmocka_unit_test(names_that_are_too_long),
                cmocka_unit_test(what_could_be_read_is_there_for_the_error_record),
                cmocka_unit_test(a_message_that_is_no_task),
                cmocka_unit_test(every_cut_of_the_properties),
                cmocka_unit_test(damaged_tables),
                cmocka_unit_test(headers_that_leave_no_room),
                cmocka_unit_test(content_types),
                cmocka_unit_test(bodies),
                cmocka_unit_test(deep_bodies),
                cmocka_unit_test(large_bodies),
                cmocka_unit_test(base64_bodies),
                cmocka_unit_test(compressed_bodies),
                cmocka_unit_test(a_bomb_is_stopped_at_the_limit),
                cmocka_unit_test(base64_around_gzip),
                cmocka_unit_test(compressed_and_said_to_be_base64),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
