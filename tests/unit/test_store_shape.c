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
                                      { "hex", SHAPE_HEX },   { NULL, SHAPE_NUMBER } };

static struct cell read_cell(void *row, int column)
{
        return ((const struct cell *)row)[column];
}

static void assert_row(const struct cell cells[7], const char *wanted)
{
        struct buffer json = { 0 };
        struct cell copy[7];

        memcpy(copy, cells, sizeof(copy));
        shape_add(&json, shape, read_cell, copy);
        buffer_add_byte(&json, '\0');
        if (holds_unless_short(!json.failed))
                assert_string_equal((const char *)json.data, wanted);
        buffer_free(&json);
}

static void a_row_is_an_object(void **state)
{
        const struct cell full[7] = { { .bytes = bytes_of_string("a \"b\"\n") },
                                      { .number = -5 },
                                      { .number = 1 },
                                      { .number = INT64_C(1764495360120000) },
                                      { .number = INT64_C(1764495360120999) },
                                      { .bytes = bytes_of_string("{\"a\":[1]}") },
                                      { .bytes = bytes_of("\x00\xfe", 2) } };
        const struct cell none[7] = { { .null = true }, { .null = true }, { .null = true }, { .null = true },
                                      { .null = true }, { .null = true }, { .null = true } };
        (void)state;
        assert_row(full, "{\"text\":\"a \\\"b\\\"\\n\",\"n\":-5,\"flag\":true,\"at\":\"2025-11-30T09:36:00.12+00:00\","
                         "\"ms\":1764495360120,\"json\":{\"a\":[1]},\"hex\":\"00fe\"}");
        assert_row(none, "{\"text\":null,\"n\":null,\"flag\":null,\"at\":null,\"ms\":null,\"json\":null,\"hex\":null}");
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
                shape_add(&json, at, read_cell, &cell);
                buffer_add_byte(&json, '\0');
                if (!json.failed)
                        assert_string_equal((const char *)json.data, wanted);
                buffer_free(&json);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = { cmocka_unit_test(a_row_is_an_object),
                                            cmocka_unit_test(a_time_is_printed_as_postgresql_does) };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
