/* SPDX-License-Identifier: Apache-2.0 */
#include "core/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Python's datetime.fromisoformat(…).timestamp() gave the figures. */
static const struct {
        const char *text;
        int64_t wall_ms;
} TIMES[] = {
        { "1970-01-01T00:00:00Z", 0 },
        { "1969-12-31T23:59:59.999Z", -1 },
        { "2026-11-21T08:42:22.123+00:00", 1795250542123 },
        { "2026-11-21 08:42:22.123", 1795250542123 },
        { "2026-11-21t08:42:22.123z", 1795250542123 },
        { "2026-11-21T08:42:22,123Z", 1795250542123 },
        { "2026-11-21T08:42:22", 1795250542000 },
        { "2026-11-21T08:42", 1795250520000 },
        { "2026-11-21T08:42Z", 1795250520000 },
        { "2026-11-21T08:42+09:00", 1795218120000 },
        /* zones */
        { "2026-11-21T17:42:22+09:00", 1795250542000 },
        { "2026-11-21T17:42:22+0900", 1795250542000 },
        { "2026-11-21T17:42:22+09", 1795250542000 },
        { "2026-11-21T05:12:22-03:30", 1795250542000 },
        { "2026-11-22T08:41:22+23:59", 1795250542000 },
        { "2026-11-20T08:43:22-23:59", 1795250542000 },
        { "2026-11-21T08:42:22-00:00", 1795250542000 },
        /* fractions: cut, never rounded up into the next second */
        { "2026-11-21T08:42:22.1Z", 1795250542100 },
        { "2026-11-21T08:42:22.12Z", 1795250542120 },
        { "2026-11-21T08:42:22.123456Z", 1795250542123 },
        { "2026-11-21T08:42:22.999999999999999999999999Z", 1795250542999 },
        { "2026-11-21T08:42:22.0000Z", 1795250542000 },
        /* leap days, leap seconds, ends of years */
        { "2024-02-29T00:00:00Z", 1709164800000 },
        { "2000-02-29T12:00:00Z", 951825600000 },
        { "2024-12-31T23:59:59Z", 1735689599000 },
        { "2016-12-31T23:59:60Z", 1483228800000 },
        { "2016-12-31T12:00:60Z", 1483185660000 },
        { "2100-03-01T00:00:00Z", 4107542400000 },
        /* the first and the last */
        { "0001-01-01T00:00:00Z", -62135596800000 },
        { "0001-01-01T01:00:00+01:00", -62135596800000 },
        { "9999-12-31T23:59:59.999Z", 253402300799999 },
        { "9999-12-31T22:59:59.999-01:00", 253402300799999 },
};

static void times_are_read(void **state)
{
        (void)state;
        for (size_t i = 0; i < sizeof(TIMES) / sizeof(*TIMES); i++) {
                int64_t wall_ms = 0;
                if (clock_parse(TIMES[i].text, &wall_ms) != 0)
                        fail_msg("%s was refused", TIMES[i].text);
                if (wall_ms != TIMES[i].wall_ms)
                        fail_msg("%s gave %lld", TIMES[i].text, (long long)wall_ms);
        }
}

static void what_is_no_time_is_refused(void **state)
{
        (void)state;
        static const char *const rows[] = {
                "",
                " ",
                "T",
                "now",
                "2026",
                "2026-11-21",
                "2026-11-21T",
                "2026-11-21T08",
                "2026-11-21T08:4",
                "2026-11-21T8:42:22",
                "26-11-21T08:42:22",
                "2026-1-21T08:42:22",
                "20261121T084222Z",
                "2026-11-21T08:42:",
                "2026-11-21T08:42:2",
                "2026-11-21T08:42:222",
                "2026-11-21  08:42:22",
                "2026-11-21_08:42:22",
                " 2026-11-21T08:42:22",
                "2026-11-21T08:42:22 ",
                "2026/11/21T08:42:22",
                "+2026-11-21T08:42:22",
                "-026-11-21T08:42:22",
                "2026-11-21T08:42:22.Z",
                "2026-11-21T08:42:22.",
                "2026-11-21T08:42:22.1.2",
                "2026-11-21T08:42.5",
                "2026-11-21T08:42:22Zulu",
                "2026-11-21T08:42:22+",
                "2026-11-21T08:42:22+9",
                "2026-11-21T08:42:22+9:00",
                "2026-11-21T08:42:22+09:",
                "2026-11-21T08:42:22+09:0",
                "2026-11-21T08:42:22+090",
                "2026-11-21T08:42:22+24:00",
                "2026-11-21T08:42:22+09:60",
                "2026-11-21T08:42:22+09:00:00",
                "2026-11-21T08:42:22Z+09:00",
                "2026-11-21T08:42:22 KST",
                /* out of range */
                "2026-00-21T08:42:22Z",
                "2026-13-21T08:42:22Z",
                "2026-11-00T08:42:22Z",
                "2026-11-31T08:42:22Z",
                "2026-01-32T08:42:22Z",
                "2026-11-21T24:00:00Z",
                "2026-11-21T08:60:22Z",
                "2026-11-21T08:42:61Z",
                "2023-02-29T00:00:00Z",
                "2100-02-29T00:00:00Z",
                "2024-02-30T00:00:00Z",
                "0000-01-01T00:00:00Z",
                "10000-01-01T00:00:00Z",
                "0001-01-01T00:00:00+00:01",
                "9999-12-31T23:59:59-00:01",
                "9999-12-31T23:59:60Z",
                /* digits, but not these */
                "\xef\xbc\x92\xef\xbc\x90\x32\x36-11-21T08:42:22Z",
                "2026-11-21T08:42:2\xff",
                "2026-11-21T0x:42:22Z",
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
                int64_t wall_ms = 42;
                if (clock_parse(rows[i], &wall_ms) != 1)
                        fail_msg("%s gave %lld", rows[i], (long long)wall_ms);
                assert_int_equal(wall_ms, 42);
        }
}

static void times_are_written_in_utc(void **state)
{
        (void)state;
        static const struct {
                int64_t wall_ms;
                const char *text;
        } rows[] = {
                { 0, "1970-01-01T00:00:00.000+00:00" },
                { -1, "1969-12-31T23:59:59.999+00:00" },
                { -1000, "1969-12-31T23:59:59.000+00:00" },
                { 1795250542123, "2026-11-21T08:42:22.123+00:00" },
                { 1709164800007, "2024-02-29T00:00:00.007+00:00" },
                { -62135596800000, "0001-01-01T00:00:00.000+00:00" },
                { 253402300799999, "9999-12-31T23:59:59.999+00:00" },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
                char text[CLOCK_TEXT_SIZE];
                clock_format(rows[i].wall_ms, text);
                assert_string_equal(text, rows[i].text);
        }
}

static void no_time_overflows_its_text(void **state)
{
        (void)state;
        static const int64_t rows[] = { INT64_MIN, INT64_MIN + 999, INT64_MAX, -62135596800001, 253402300800000 };
        for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
                char text[CLOCK_TEXT_SIZE + 1];
                memset(text, '#', sizeof(text));
                clock_format(rows[i], text);
                assert_true(strlen(text) < CLOCK_TEXT_SIZE);
                assert_int_equal(text[CLOCK_TEXT_SIZE], '#');
        }
}

static void what_is_written_is_read_again(void **state)
{
        (void)state;
        const int64_t first = -62135596800000, last = 253402300799999;
        int days = 0;
        for (int64_t at = first; at <= last; at += 86400000LL * 17 + 12345677, days++) {
                char text[CLOCK_TEXT_SIZE];
                int64_t back;
                clock_format(at, text);
                if (clock_parse(text, &back) != 0 || back != at)
                        fail_msg("%s", text);
        }
        assert_true(days > 200000);
}

static void the_zone_of_the_process_does_not_matter(void **state)
{
        (void)state;
        setenv("TZ", "Asia/Seoul", 1);
        int64_t wall_ms;
        char text[CLOCK_TEXT_SIZE];
        assert_int_equal(clock_parse("2026-11-21T08:42:22", &wall_ms), 0);
        assert_int_equal(wall_ms, 1795250542000);
        clock_format(wall_ms, text);
        assert_string_equal(text, "2026-11-21T08:42:22.000+00:00");
        unsetenv("TZ");
}

static void the_clocks_agree(void **state)
{
        (void)state;
        uint64_t before = clock_mono_us();
        for (int i = 0; i < 1000; i++) {
                const uint64_t now = clock_mono_us();
                assert_true(now >= before);
                before = now;
        }
        const uint64_t us = clock_mono_us(), ms = clock_mono_ms();
        assert_true(ms >= us / 1000 && ms - us / 1000 < 60000);
        assert_true(clock_wall_ms() > 1700000000000);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(times_are_read),
                cmocka_unit_test(what_is_no_time_is_refused),
                cmocka_unit_test(times_are_written_in_utc),
                cmocka_unit_test(no_time_overflows_its_text),
                cmocka_unit_test(what_is_written_is_read_again),
                cmocka_unit_test(the_zone_of_the_process_does_not_matter),
                cmocka_unit_test(the_clocks_agree),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
