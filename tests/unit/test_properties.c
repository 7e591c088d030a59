/* SPDX-License-Identifier: Apache-2.0 */
#include "message_support.h"
#include "message/wire/wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define BYTES(text) bytes_of(text, sizeof(text) - 1)

static const struct properties full = {
        .content_type = { (const unsigned char *)"ct", 2 },
        .content_encoding = { (const unsigned char *)"ce", 2 },
        .headers = { (const unsigned char *)"\1aV", 3 },
        .correlation_id = { (const unsigned char *)"ci", 2 },
        .reply_to = { (const unsigned char *)"rt", 2 },
        .expiration = { (const unsigned char *)"60", 2 },
        .message_id = { (const unsigned char *)"mi", 2 },
        .type = { (const unsigned char *)"ty", 2 },
        .user_id = { (const unsigned char *)"ui", 2 },
        .app_id = { (const unsigned char *)"ai", 2 },
        .cluster_id = { (const unsigned char *)"cl", 2 },
        .delivery_mode = 2,
        .priority = 255,
        .timestamp = 1700000000,
};

static void all_properties_are_read_as_written(void **state)
{
        (void)state;
        struct buffer b = { 0 };
        struct properties p;
        properties_write(&full, &b);
        assert_int_equal(properties_read(buffer_view(&b), &p, NULL), 0);
        const struct bytes is[] = { p.content_type, p.content_encoding, p.headers,    p.correlation_id,
                                    p.reply_to,     p.expiration,       p.message_id, p.type,
                                    p.user_id,      p.app_id,           p.cluster_id };
        const struct bytes was[] = { full.content_type, full.content_encoding, full.headers,    full.correlation_id,
                                     full.reply_to,     full.expiration,       full.message_id, full.type,
                                     full.user_id,      full.app_id,           full.cluster_id };
        for (size_t i = 0; i < sizeof(is) / sizeof(is[0]); i++)
                assert_true(bytes_equal(is[i], was[i]));
        assert_int_equal(p.delivery_mode, 2);
        assert_int_equal(p.priority, 255);
        assert_int_equal(p.timestamp, 1700000000);
        buffer_free(&b);
}

static void nothing_is_two_bytes(void **state)
{
        (void)state;
        const struct properties none = { .delivery_mode = -1, .priority = -1, .timestamp = -1 };
        struct buffer b = { 0 };
        struct properties p;
        properties_write(&none, &b);
        assert_int_equal(b.size, 2);
        assert_memory_equal(b.data, "\0\0", 2);
        assert_int_equal(properties_read(buffer_view(&b), &p, NULL), 0);
        assert_null(p.headers.data);
        assert_int_equal(p.priority, -1);
        buffer_free(&b);
}

static void empty_is_not_absent(void **state)
{
        (void)state;
        struct properties p;
        assert_int_equal(properties_read(BYTES("\xA0\0"
                                               "\0"
                                               "\0\0\0\0"),
                                         &p, NULL),
                         0);
        assert_non_null(p.content_type.data);
        assert_int_equal(p.content_type.size, 0);
        assert_non_null(p.headers.data);
        assert_null(p.reply_to.data);
}

static void cut_at_every_byte_they_are_refused(void **state)
{
        (void)state;
        struct buffer b = { 0 };
        struct properties p;
        properties_write(&full, &b);
        for (size_t size = 0; size < b.size; size++) {
                struct problem why = { 0 };
                unsigned char *exact = malloc(size ? size : 1); /* so that a sanitizer sees one byte too many */
                memcpy(exact, b.data, size);
                assert_int_equal(properties_read(bytes_of(exact, size), &p, &why), 1);
                assert_string_equal(why.code, "bad_properties");
                free(exact);
        }
        buffer_free(&b);
}

static void other_malformed_properties_are_refused(void **state)
{
        (void)state;
        static const struct {
                struct bytes encoded;
        } rows[] = {
                { { (const unsigned char *)"\0\1", 2 } },                   /* more flags follow */
                { { (const unsigned char *)"\0\2", 2 } },                   /* an unknown property */
                { { (const unsigned char *)"\0\0x", 3 } },                  /* too long */
                { { (const unsigned char *)"\x20\0\xFF\xFF\xFF\xFF", 6 } }, /* a table longer than all */
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct properties p;
                struct problem why = { 0 };
                assert_int_equal(properties_read(rows[i].encoded, &p, &why), 1);
                assert_string_equal(why.code, "bad_properties");
        }
}

/* ---- tables ---- */

/* One entry of every kind, and what it says. */
static const struct {
        struct bytes entry;
        const char *json;
} kinds[] = {
#define ROW(bytes, json)                                                    \
        {                                                                   \
                { (const unsigned char *)(bytes), sizeof(bytes) - 1 }, json \
        }
        ROW("\1aS\0\0\0\2hi", "{\"a\":\"hi\"}"),
        ROW("\1aS\0\0\0\0", "{\"a\":\"\"}"),
        ROW("\1aS\0\0\0\2\xFF\xFE", "{\"a\":\"//4=\"}"),
        ROW("\1ax\0\0\0\2hi", "{\"a\":\"aGk=\"}"),
        ROW("\1at\1", "{\"a\":true}"),
        ROW("\1at\0", "{\"a\":false}"),
        ROW("\1ab\xFF", "{\"a\":-1}"),
        ROW("\1aB\xFF", "{\"a\":255}"),
        ROW("\1as\xFF\xFE", "{\"a\":-2}"),
        ROW("\1aU\xFF\xFE", "{\"a\":-2}"),
        ROW("\1au\xFF\xFE", "{\"a\":65534}"),
        ROW("\1aI\xFF\xFF\xFF\xFE", "{\"a\":-2}"),
        ROW("\1ai\xFF\xFF\xFF\xFE", "{\"a\":4294967294}"),
        ROW("\1al\x80\0\0\0\0\0\0\0", "{\"a\":-9223372036854775808}"),
        ROW("\1aL\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFE", "{\"a\":-2}"),
        ROW("\1af\x3F\xC0\0\0", "{\"a\":1.5}"),
        ROW("\1ad\xBF\xF8\0\0\0\0\0\0", "{\"a\":-1.5}"),
        ROW("\1ad\x7F\xF0\0\0\0\0\0\0", "{\"a\":null}"),
        ROW("\1aD\2\0\0\0\x7B", "{\"a\":1.23}"),
        ROW("\1aT\0\0\0\0\x65\x53\xF1\0", "{\"a\":\"2023-11-14T22:13:20.000+00:00\"}"),
        ROW("\1aT\x7F\xFF\xFF\xFF\xFF\xFF\xFF\xFF", "{\"a\":9223372036854775807}"),
        ROW("\1aV", "{\"a\":null}"),
        ROW("\1aA\0\0\0\4Vt\1V", "{\"a\":[null,true,null]}"),
        ROW("\1aF\0\0\0\3\1bV", "{\"a\":{\"b\":null}}"),
        ROW("\0V", "{\"\":null}"),
        ROW("\1\xFFV", "{\"/w==\":null}"),
        ROW("\1\0V", "{\"AA==\":null}"),
        ROW("", "{}"),
#undef ROW
};

static void every_kind_is_understood(void **state)
{
        (void)state;
        for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
                json_t *headers = headers_to_json(kinds[i].entry), *expected = parse(kinds[i].json);
                assert_json(headers, expected, kinds[i].json);
                json_decref(headers);
                json_decref(expected);
        }
}

static size_t walk(struct bytes table, struct buffer *copy)
{
        struct header h;
        size_t at = 0;
        while (header_next(table, &at, &h))
                if (copy)
                        header_add_raw(copy, &h);
        return at;
}

static void copied_raw_a_table_stays_the_same(void **state)
{
        (void)state;
        for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
                struct buffer copy = { 0 };
                assert_int_equal(walk(kinds[i].entry, &copy), kinds[i].entry.size);
                assert_true(bytes_equal(buffer_view(&copy), kinds[i].entry));
                buffer_free(&copy);
        }
}

static void cut_at_every_byte_a_table_is_malformed(void **state)
{
        (void)state;
        for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
                for (size_t size = 1; size < kinds[i].entry.size; size++) {
                        unsigned char *exact = malloc(size);
                        memcpy(exact, kinds[i].entry.data, size);
                        assert_true(walk(bytes_of(exact, size), NULL) < size);
                        free(exact);
                }
}

static void unknown_kinds_are_malformed(void **state)
{
        (void)state;
        for (int kind = 0; kind < 256; kind++) {
                unsigned char table[16] = { 1, 'a', (unsigned char)kind };
                struct header h;
                size_t at = 0;
                const bool known = kind != 0 && strchr("tbBsuUIilLfdDTSxAFV", kind);
                assert_int_equal(header_next(bytes_of(table, sizeof(table)), &at, &h), known);
        }
}

/* `depth` tables within each other, or arrays. */
static struct buffer nested(unsigned depth, char kind)
{
        struct buffer b = { 0 };
        size_t starts[10001];
        wire_add_name(&b, "a");
        for (unsigned i = 0; i < depth; i++) {
                if (i > 0 && kind == 'F')
                        wire_add_name(&b, "a");
                buffer_add_byte(&b, (unsigned char)kind);
                starts[i] = wire_begin(&b);
        }
        while (depth-- > 0)
                wire_end(&b, starts[depth]);
        return b;
}

static void tables_nest_only_so_deep(void **state)
{
        (void)state;
        static const struct {
                unsigned depth;
                char kind;
                bool fine;
        } rows[] = { { 1, 'F', true },   { 32, 'F', true },     { 33, 'F', false },   { 32, 'A', true },
                     { 33, 'A', false }, { 10000, 'F', false }, { 10000, 'A', false } };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct buffer b = nested(rows[i].depth, rows[i].kind);
                assert_int_equal(walk(buffer_view(&b), NULL) == b.size, rows[i].fine);
                json_t *json = headers_to_json(buffer_view(&b));
                assert_int_equal(json_object_size(json), rows[i].fine);
                json_decref(json);
                buffer_free(&b);
        }
}

static void the_last_header_of_a_name_counts(void **state)
{
        (void)state;
        struct header h;
        int64_t number;
        const struct bytes table = BYTES("\1aI\0\0\0\1\1bV\1aI\0\0\0\2");
        assert_true(header_find(table, "a", &h));
        assert_true(header_number(&h, &number));
        assert_int_equal(number, 2);
        assert_true(header_find(table, "b", &h));
        assert_false(header_number(&h, &number));
        assert_false(header_find(table, "c", &h));
        assert_false(header_find(table, "", &h));
        json_t *headers = headers_to_json(table), *expected = parse("{\"a\":2,\"b\":null}");
        assert_json(headers, expected, "headers");
        json_decref(headers);
        json_decref(expected);
}

/* ---- writing ---- */

static void json_comes_back_as_it_went(void **state)
{
        (void)state;
        static const char *const rows[] = {
                "null",
                "true",
                "false",
                "0",
                "-1",
                "2147483647",
                "2147483648",
                "-2147483648",
                "-2147483649",
                "9223372036854775807",
                "-9223372036854775808",
                "0.5",
                "-1e300",
                "\"\"",
                "\"text \\u0000 \xED\x95\x9C\"",
                "[]",
                "[1,[2,[3,{\"a\":null}]]]",
                "{}",
                "{\"a\":{\"b\":[1.5,true,\"x\"]},\"\":0}",
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct buffer table = { 0 };
                json_t *value = json_loads(rows[i], JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
                assert_non_null(value);
                header_add_json(&table, "x", value);
                json_t *headers = headers_to_json(buffer_view(&table));
                assert_json(json_object_get(headers, "x"), value, rows[i]);
                json_decref(headers);
                json_decref(value);
                buffer_free(&table);
        }
}

static void only_the_kinds_that_all_clients_know_are_written(void **state)
{
        (void)state;
        struct buffer table = { 0 };
        struct header h;
        json_t *value = parse("[1,5000000000,1.5,\"s\",true,null,{}]");
        for (size_t i = 0; i < json_array_size(value); i++)
                header_add_json(&table, "x", json_array_get(value, i));
        header_add_json(&table, "x", value);
        header_add_json(&table, "x", NULL);
        header_add_text(&table, "x", BYTES("text"));
        header_add_number(&table, "x", -1);
        header_add_number(&table, "x", INT64_MIN);
        header_add_bool(&table, "x", true);
        header_add_null(&table, "x");
        char letters[32] = { 0 };
        size_t count = 0, at = 0;
        while (header_next(buffer_view(&table), &at, &h))
                letters[count++] = h.kind;
        assert_string_equal(letters, "IldStVFAVSIltV");
        assert_int_equal(at, table.size);
        json_decref(value);
        buffer_free(&table);
}

static void what_nests_too_deep_is_not_written(void **state)
{
        (void)state;
        json_t *value = json_null();
        for (unsigned i = 0; i < 100; i++) {
                json_t *outer = json_array();
                json_array_append_new(outer, value);
                value = outer;
        }
        struct buffer table = { 0 };
        header_add_json(&table, "x", value);
        assert_int_equal(walk(buffer_view(&table), NULL), table.size);
        json_decref(value);
        buffer_free(&table);
}

static void long_names_and_texts_are_cut(void **state)
{
        (void)state;
        char name[301];
        memset(name, 'n', 300);
        name[300] = '\0';
        struct buffer table = { 0 }, b = { 0 };
        struct properties p = { .delivery_mode = -1, .priority = -1, .timestamp = -1 };
        header_add_null(&table, name);
        assert_int_equal(walk(buffer_view(&table), NULL), 257);
        p.reply_to = bytes_of_string(name);
        properties_write(&p, &b);
        assert_int_equal(properties_read(buffer_view(&b), &p, NULL), 0);
        assert_int_equal(p.reply_to.size, 255);
        buffer_free(&table);
        buffer_free(&b);
}

static void when_it_came_is_read_where_it_is_said(void **state)
{
        static const struct {
                int64_t timestamp, header_ms; /* negative: none */
                int64_t sent_ms;
        } rows[] = {
                { -1, -1, 0 },
                { -1, 1700000000123, 0 }, /* RabbitMQ writes both, or none */
                { 1700000000, -1, 1700000000000 },
                { 1700000000, 1700000000123, 1700000000123 },
                { 1700000000, 0, 1700000000000 },
                { 0, -1, 0 },
                { INT64_MAX, -1, 0 },
        };
        (void)state;
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct buffer table = { 0 }, b = { 0 };
                if (rows[i].header_ms >= 0)
                        header_add_number(&table, "timestamp_in_ms", rows[i].header_ms);
                const struct properties p = { .delivery_mode = -1,
                                              .priority = -1,
                                              .timestamp = rows[i].timestamp,
                                              .headers = buffer_view(&table) };
                properties_write(&p, &b);
                assert_false(b.failed);
                assert_int_equal(message_sent_ms(buffer_view(&b)), rows[i].sent_ms);
                assert_int_equal(message_sent_ms(bytes_of(b.data, b.size - 1)), 0); /* cut */
                buffer_free(&table);
                buffer_free(&b);
        }
        assert_int_equal(message_sent_ms(bytes_of("", 0)), 0);
        assert_int_equal(message_sent_ms(bytes_of("\xff\xff", 2)), 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(all_properties_are_read_as_written),
                cmocka_unit_test(nothing_is_two_bytes),
                cmocka_unit_test(empty_is_not_absent),
                cmocka_unit_test(cut_at_every_byte_they_are_refused),
                cmocka_unit_test(other_malformed_properties_are_refused),
                cmocka_unit_test(every_kind_is_understood),
                cmocka_unit_test(copied_raw_a_table_stays_the_same),
                cmocka_unit_test(cut_at_every_byte_a_table_is_malformed),
                cmocka_unit_test(unknown_kinds_are_malformed),
                cmocka_unit_test(tables_nest_only_so_deep),
                cmocka_unit_test(the_last_header_of_a_name_counts),
                cmocka_unit_test(json_comes_back_as_it_went),
                cmocka_unit_test(only_the_kinds_that_all_clients_know_are_written),
                cmocka_unit_test(what_nests_too_deep_is_not_written),
                cmocka_unit_test(long_names_and_texts_are_cut),
                cmocka_unit_test(when_it_came_is_read_where_it_is_said),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
