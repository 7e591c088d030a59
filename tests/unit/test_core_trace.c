/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/trace.h"

#define TRACE "4bf92f3577b34da6a3ce929d0e0e4736"
#define SPAN  "00f067aa0ba902b7"

static void only_a_whole_traceparent_is_one(void **state)
{
        (void)state;
        static const struct {
                const char *text;
                bool fine, sampled;
        } rows[] = {
                { "00-" TRACE "-" SPAN "-01", true, true },
                { "00-" TRACE "-" SPAN "-00", true, false },
                { "00-" TRACE "-" SPAN "-fb", true, true },
                { "00-" TRACE "-" SPAN "-0a", true, false },
                { "", false, false },
                { "00-x", false, false },
                { "01-" TRACE "-" SPAN "-01", false, false },
                { "ff-" TRACE "-" SPAN "-01", false, false },
                { "00-" TRACE "-" SPAN "-01-more", false, false },
                { "00-" TRACE "-" SPAN "-0", false, false },
                { "00-" TRACE "-" SPAN "-0G", false, false },
                { "00-" TRACE "_" SPAN "-01", false, false },
                { "00-4BF92F3577B34DA6A3CE929D0E0E4736-" SPAN "-01", false, false },
                { "00-00000000000000000000000000000000-" SPAN "-01", false, false },
                { "00-" TRACE "-0000000000000000-01", false, false },
                { "00-" TRACE "-" SPAN "\r\n1", false, false }, /* a header of its own */
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
                if (trace_is_parent(rows[i].text) != rows[i].fine || trace_is_sampled(rows[i].text) != rows[i].sampled)
                        fail_msg("%s", rows[i].text);
}

int main(void)
{
        const struct CMUnitTest tests[] = { cmocka_unit_test(only_a_whole_traceparent_is_one) };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
