/* SPDX-License-Identifier: Apache-2.0 */
/* Rows as JSON: each kind of column, and null in each. */
#include "store/shape.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/short_memory.h"

static const struct shape shape[] = { { "text", SHAPE_TEXT }, { "n", SHAPE_NUMBER }, { "flag", SHAPE_FLAG },
                                      { "at", SHAPE_TIME },   { "ms", SHAPE_MS },    { "json", SHAPE_JSON },
                                      { "hex", SHAPE_HEX },   { "usd", SHAPE_NANO }, { NULL, SHAPE_NUMBER } };

enum { COLUMNS = sizeof(shape) / sizeof(shape[0]) - 1 };

static void assert_row(const struct cell cells[COLUMNS], const char *wanted)
{
        struct buffer json = { 0 };
        struct cell copy[COLUMNS];

        memcpy(copy, cells, sizeof(copy));
        shape_add(&json, shape, shape_read_cells, copy);
        buffer_add_byte(&json, '\0');
        if (holds_unless_short(!json.failed))
                assert_string_equal((const char *)json.data, wanted);
        buffer_free(&json);
}

static void a_row_is_an_object(void **state)
{
        const struct cell full[COLUMNS] = { { .bytes = bytes_of_string("a \"b\"\n") },
                                            { .number = -5 },
                                            { .number = 1 },
                                            { .number = INT64_C(1764495360120000) },
                                            { .number = INT64_C(1764495360120999) },
                                            { .bytes = bytes_of_string("{\"a\":[1]}") },
                                            { .bytes = bytes_of("\x00\xfe", 2) },
                                            { .number = -12000340000 } };
        const struct cell none[COLUMNS] = { { .null = true }, { .null = true }, { .null = true }, { .null = true },
                                            { .null = true }, { .null = true }, { .null = true }, { .null = true } };
        (void)state;
        assert_row(full, "{\"text\":\"a \\\"b\\\"\\n\",\"n\":-5,\"flag\":true,\"at\":\"2025-11-30T09:36:00.12+00:00\","
                         "\"ms\":1764495360120,\"json\":{\"a\":[1]},\"hex\":\"00fe\",\"usd\":-12.000340000}");
        assert_row(
                none,
                "{\"text\":null,\"n\":null,\"flag\":null,\"at\":null,\"ms\":null,\"json\":null,\"hex\":null,\"usd\":null}");
}

static void a_time_is_printed_as_postgresql_does(void **state)
{
        static const struct {
                int64_t us;
                const char *text;
        } cases[] = {
                { 0, "1970-01-01T00:00:00+00:00" },         { 1, "1970-01-01T00:00:00.000001+00:00" },
                { 100000, "1970-01-01T00:00:00.1+00:00" },  { 10000000, "1970-01-01T00:00:10+00:00" },
                { -1, "1969-12-31T23:59:59.999999+00:00" }, { INT64_C(4102444800000000), "2100-01-01T00:00:00+00:00" },
        };
        (void)state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                const struct shape at[] = { { "at", SHAPE_TIME }, { NULL, SHAPE_NUMBER } };
                struct cell cell = { .number = cases[i].us };
                struct buffer json = { 0 };
                char wanted[64];

                snprintf(wanted, sizeof(wanted), "{\"at\":\"%s\"}", cases[i].text);
                shape_add(&json, at, shape_read_cells, &cell);
                buffer_add_byte(&json, '\0');
                if (!json.failed)
                        assert_string_equal((const char *)json.data, wanted);
                buffer_free(&json);
        }
}

/* ---- answers ---- */

static const struct shape pair[] = { { "key", SHAPE_TEXT }, { "count", SHAPE_NUMBER }, { NULL, 0 } };

/* A row of a part: its two cells. */
struct row_of_answer {
        unsigned part;
        const char *key;
        int64_t count;
};

static void assert_answer(const struct answer_part *parts, const struct row_of_answer *rows, const char *wanted)
{
        struct answer answer = { 0 };
        struct buffer json = { 0 };

        for (; rows->key; rows++) {
                struct cell cells[] = { { .bytes = bytes_of_string(rows->key) }, { .number = rows->count } };

                answer_add(&answer, parts, rows->part, shape_read_cells, cells);
        }
        answer_end(&answer, parts, &json);
        if (holds_unless_short(!json.failed)) {
                buffer_add_byte(&json, '\0');
                if (holds_unless_short(!json.failed))
                        assert_string_equal((const char *)json.data, wanted);
        }
        buffer_free(&json);
}

static void an_answer_is_what_its_parts_say(void **state)
{
        static const struct answer_part row[] = { { NULL, pair, ANSWER_ROW }, { 0 } },
                                        rows[] = { { NULL, pair, ANSWER_ROWS }, { 0 } },
                                        map[] = { { NULL, pair, ANSWER_MAP }, { 0 } },
                                        named[] = { { "all", pair, ANSWER_ROWS }, { 0 } },
                                        whole[] = { { NULL, pair, ANSWER_ROW },
                                                    { "list", pair, ANSWER_ROWS },
                                                    { "map", pair, ANSWER_MAP },
                                                    { "one", pair, ANSWER_ROW },
                                                    { 0 } };
        static const struct {
                const struct answer_part *parts;
                struct row_of_answer rows[7];
                const char *wanted;
        } cases[] = {
                { row, { { 0, "a", 1 } }, "{\"key\":\"a\",\"count\":1}" },
                { row,
                  { { 0, "a", 1 }, { 0, "b", 2 } },
                  "{\"key\":\"a\",\"count\":1}" }, /* the first is the only one */
                { row, { { 0 } }, "" },
                { rows, { { 0, "a", 1 }, { 0, "b", 2 } }, "[{\"key\":\"a\",\"count\":1},{\"key\":\"b\",\"count\":2}]" },
                { rows, { { 0 } }, "[]" },
                { map, { { 0, "a", 1 }, { 0, "b\"", 2 } }, "{\"a\":1,\"b\\\"\":2}" },
                { map, { { 0 } }, "{}" },
                { named, { { 0 } }, "{\"all\":[]}" },
                { whole,
                  { { 3, "o", 5 }, { 1, "l", 2 }, { 2, "m", 4 }, { 0, "a", 1 }, { 1, "k", 3 } }, /* in whatever order */
                  "{\"key\":\"a\",\"count\":1,\"list\":[{\"key\":\"l\",\"count\":2},{\"key\":\"k\",\"count\":3}],"
                  "\"map\":{\"m\":4},\"one\":{\"key\":\"o\",\"count\":5}}" },
                { whole, { { 0, "a", 1 } }, "{\"key\":\"a\",\"count\":1,\"list\":[],\"map\":{},\"one\":null}" },
                { whole, { { 1, "l", 2 } }, "" }, /* what was asked for is not there */
        };
        (void)state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
                assert_answer(cases[i].parts, cases[i].rows, cases[i].wanted);
}

int main(void)
{
        const struct CMUnitTest tests[] = { cmocka_unit_test(a_row_is_an_object),
                                            cmocka_unit_test(an_answer_is_what_its_parts_say),
                                            cmocka_unit_test(a_time_is_printed_as_postgresql_does) };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
