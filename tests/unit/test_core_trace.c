/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/trace.h"

#include <stdio.h>
#include <string.h>

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

#define PARENT   "00-" TRACE "-" SPAN "-01"
#define TO(text) bytes_of_string(text)

static bool same_bytes(struct bytes a, struct bytes b)
{
        return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

/* What is well formed of these goes into a text, and comes out of it again. */
static void a_context_is_the_text_of_a_properties_file(void **state)
{
        (void)state;
        static const struct {
                const char *parent, *state, *baggage, *text;
        } rows[] = {
                { PARENT, "", "", "traceparent=" PARENT },
                { PARENT, "a=1,b=2", "k=v;p", "traceparent=" PARENT "\ntracestate=a=1,b=2\nbaggage=k=v;p" },
                { PARENT, "a=b\\u0041", "", "traceparent=" PARENT "\ntracestate=a=b\\\\u0041" },
                { PARENT, "a=", "k", "traceparent=" PARENT },
                { PARENT "\n", "a=1", "k=v", "baggage=k=v" },
                { "", "a=1", "", NULL },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct arena arena = { 0 };
                const struct trace_context trace = { rows[i].parent, TO(rows[i].state), TO(rows[i].baggage) };
                const struct trace_context fine = trace_well_formed(&trace);
                const char *text = trace_write_properties(&arena, &trace);
                if (!text != !rows[i].text || (text && strcmp(text, rows[i].text) != 0))
                        fail_msg("row %zu: %s", i, text ? text : "none");
                const struct trace_context back = trace_read_properties(&arena, text ? text : "");
                assert_true(!back.parent == !fine.parent && (!back.parent || strcmp(back.parent, PARENT) == 0));
                assert_true(same_bytes(back.state, fine.state) && same_bytes(back.baggage, fine.baggage));
                arena_free(&arena);
        }
}

/* As others write it: java.util.Properties.store has a remark on top, and a backslash before each '=' and ':'. */
static void a_properties_file_is_read_as_java_does(void **state)
{
        (void)state;
        static const struct {
                const char *text, *parent, *state, *baggage;
        } rows[] = {
                { "#Tue Nov 30\ntraceparent=" PARENT "\ntracestate=a\\=1\n", PARENT, "a=1", "" },
                { "! traceparent=x\r\n  traceparent : " PARENT "\r\n\r\nbaggage k\\=v", PARENT, "", "k=v" },
                { "other=1\ntraceparent=" PARENT "\ntrace\\u0073tate=a=\\u0041\\t", PARENT, "a=A\t", "" },
                { "traceparent=" PARENT "\ntracestate=a=\\u00e9\nbaggage=k=\\u0000", PARENT, "", "" },
                { "traceparent=" PARENT "\\u0000\ntracestate=a=1", "", "", "" },
                { "traceparent=" PARENT "\ntraceparent=x\nbaggage=k=v\\", "", "", "" },
                { "traceparent=" PARENT "\ntracestate=\\u00\nbaggage=\\", PARENT, "", "" },
                { "traceparent", "", "", "" },
                { "\n \n=\n:", "", "", "" },
                { "tracestate=a=1\nbaggage=k=v\\\n,l=w", "", "", "" },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct arena arena = { 0 };
                const struct trace_context t = trace_read_properties(&arena, rows[i].text);
                if (strcmp(t.parent ? t.parent : "", rows[i].parent) != 0 || !same_bytes(t.state, TO(rows[i].state)) ||
                    !same_bytes(t.baggage, TO(rows[i].baggage)))
                        fail_msg("row %zu: %s, %.*s, %.*s", i, t.parent ? t.parent : "none", (int)t.state.size,
                                 (const char *)t.state.data, (int)t.baggage.size, (const char *)t.baggage.data);
                arena_free(&arena);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(only_a_whole_traceparent_is_one),
                cmocka_unit_test(what_may_be_sent_of_a_list_is_told_apart),
                cmocka_unit_test(a_context_is_the_text_of_a_properties_file),
                cmocka_unit_test(a_properties_file_is_read_as_java_does),
                cmocka_unit_test(a_list_is_no_longer_than_the_standard_has_it),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
