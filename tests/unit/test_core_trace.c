/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/trace.h"

#include <stdio.h>

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

/* So many members of the same form. */
static void many(char *text, const char *member, unsigned count)
{
        *text = '\0';
        for (unsigned i = 0; i < count; i++)
                text += sprintf(text, "%s%s", i ? "," : "", member);
}

#define FIFTY "01234567890123456789012345678901234567890123456789"
#define LONG  FIFTY FIFTY FIFTY FIFTY FIFTY "012345"

static void what_may_be_sent_of_a_list_is_told_apart(void **state)
{
        (void)state;
        static const struct {
                const char *text;
                bool state, baggage;
        } rows[] = {
                { "vendor=t61rcWkgMzE", true, true },
                { "a=1,b=2", true, true },
                { "a=1 ,\tb=2", true, true },
                { "a=1,,b=2,", true, true },
                { "t@v=1,0-_*/=~", true, false },
                { "a= b", true, true }, /* its blank is the state's, and stands around the baggage's */
                { "a=b c", true, false },
                { "a=b;c;d=e", false, true },
                { "a=b; c ; d = e", false, true },
                { "userId=alice,isProduction=false", false, true },
                { "k=%E2%82%AC", true, true },
                { "k=", false, true },
                { "a=1=2", false, true },
                { LONG "=1", true, true },
                { "1" LONG "=1", false, true },
                { "a=" LONG, true, true },
                { "a=1" LONG, false, true },
                { "", false, false },
                { " ", false, false },
                { ",,", false, false },
                { "a", false, false },
                { "a;b=1", false, false },
                { "=1", false, false },
                { "a=\"b\"", true, false },
                { "a=b\\", true, false },
                { "a=1\r\nX-Evil: 1", false, false },
                { "a=1\n", false, false },
                { "a\r=1", false, false },
                { "a=caf\xc3\xa9", false, false },
                { "a=\x7f", false, false },
                { "a=\x01", false, false },
                { "a b=1", false, false },
                { "_a=1", false, true },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                const struct bytes text = bytes_of_string(rows[i].text);
                if (trace_is_state(text) != rows[i].state || trace_is_baggage(text) != rows[i].baggage)
                        fail_msg("%s", rows[i].text);
        }
        assert_false(trace_is_state(bytes_of(NULL, 0)) || trace_is_baggage(bytes_of(NULL, 0)));
        assert_false(trace_is_state(bytes_of("a=1\0", 4)) || trace_is_baggage(bytes_of("a=1\0", 4)));
}

static void a_list_is_no_longer_than_the_standard_has_it(void **state)
{
        (void)state;
        static const struct {
                const char *member;
                unsigned count;
                bool state, baggage;
        } rows[] = {
                { "a=1", 32, true, true },
                { "a=1", 33, false, true },
                { "a=1", 180, false, true },
                { "a=1", 181, false, false },
                { "a=12345678901234", 30, true, true },     /* 509 bytes */
                { "a=123456789012345", 30, false, true },   /* 539 */
                { "a=" FIFTY FIFTY "0", 78, false, true },  /* 8111 */
                { "a=" FIFTY FIFTY "0", 79, false, false }, /* 8215 */
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                char text[16384];
                many(text, rows[i].member, rows[i].count);
                const struct bytes all = bytes_of_string(text);
                if (trace_is_state(all) != rows[i].state || trace_is_baggage(all) != rows[i].baggage)
                        fail_msg("row %zu: %zu bytes", i, all.size);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(only_a_whole_traceparent_is_one),
                cmocka_unit_test(what_may_be_sent_of_a_list_is_told_apart),
                cmocka_unit_test(a_list_is_no_longer_than_the_standard_has_it),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
