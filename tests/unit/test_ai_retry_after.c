/* SPDX-License-Identifier: Apache-2.0 */
#include "ai/ai.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define YEAR_MS    (INT64_C(365) * 24 * 3600 * 1000)
#define NOV_6_1994 INT64_C(784111777000) /* Sun, 06 Nov 1994 08:49:37 GMT */

struct row {
        const char *value;
        int64_t now_ms, ms;
};

static const struct row retry_afters[] = {
        { "0", 0, 0 },
        { "1", 0, 1000 },
        { "120", 0, 120000 },
        { " 7 ", 0, 7000 },
        { "2.5", 0, 2500 },
        { "0.0001", 0, 1 }, /* rounded up */
        { "Sun, 06 Nov 1994 08:49:37 GMT", NOV_6_1994 - 5000, 5000 },
        { "Sunday, 06-Nov-94 08:49:37 GMT", NOV_6_1994 - 5000, 5000 },
        { "Sun Nov  6 08:49:37 1994", NOV_6_1994 - 5000, 5000 },
        { "Sun, 06 Nov 1994 08:49:37 GMT", NOV_6_1994 - 1, 1 },
        { "Sun, 06 Nov 1994 08:49:37 GMT", NOV_6_1994, 0 },
        { "Sun, 06 Nov 1994 08:49:37 GMT", NOV_6_1994 + 5000, 0 }, /* over already */
        { "Fri, 31 Dec 9999 23:59:59 GMT", NOV_6_1994, YEAR_MS },
        { "99999999999999999999999999", 0, YEAR_MS },
        { NULL, 0, -1 },
        { "", 0, -1 },
        { "-1", 0, -1 },
        { "+1", 0, -1 },
        { "1e3", 0, -1 },
        { "0x10", 0, -1 },
        { "inf", 0, -1 },
        { "nan", 0, -1 },
        { "1 second", 0, -1 },
        { "soon", 0, -1 },
        { "Sun, 06 Nov 1994 08:49:37 PST", NOV_6_1994, -1 },
        { "Sun, 06 Nov 1994 08:49:37 GMT and more", NOV_6_1994, -1 },
        { "Sun, 06 Foo 1994 08:49:37 GMT", NOV_6_1994, -1 },
};

static const struct row durations[] = {
        { "1s", 0, 1000 },     { "6m0s", 0, 360000 },
        { "20ms", 0, 20 },     { "1h2m3.5s", 0, 3723500 },
        { "1d", 0, 86400000 }, { "0s", 0, 0 },
        { "8.64s", 0, 8640 },  { "7m12s", 0, 432000 },
        { "1.5ms", 0, 2 }, /* rounded up */
        { "12us", 0, 1 },      { "12\xc2\xb5s", 0, 1 },
        { "3ns", 0, 1 },       { "59", 0, 59000 }, /* bare seconds */
        { "0.5", 0, 500 },     { "99999999999999999999h", 0, YEAR_MS },
        { NULL, 0, -1 },       { "", 0, -1 },
        { "s", 0, -1 },        { "-1s", 0, -1 },
        { "1x", 0, -1 },       { "1s2", 0, -1 },
        { "1 s", 0, -1 },      { "1s ", 0, -1 },
        { "infs", 0, -1 },
};

static void retry_after_is_read(void **state)
{
        (void)state;
        for (size_t i = 0; i < sizeof(retry_afters) / sizeof(retry_afters[0]); i++) {
                const struct row *row = &retry_afters[i];
                const int64_t ms = ai_retry_after_ms(row->value, row->now_ms);
                if (ms != row->ms)
                        fail_msg("'%s' is %lld, not %lld", row->value, (long long)ms, (long long)row->ms);
        }
}

static void durations_are_read(void **state)
{
        (void)state;
        for (size_t i = 0; i < sizeof(durations) / sizeof(durations[0]); i++) {
                const int64_t ms = ai_duration_ms(durations[i].value);
                if (ms != durations[i].ms)
                        fail_msg("'%s' is %lld, not %lld", durations[i].value, (long long)ms,
                                 (long long)durations[i].ms);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(retry_after_is_read),
                cmocka_unit_test(durations_are_read),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
