/* SPDX-License-Identifier: Apache-2.0 */
/* What is made of what the store knows of a job: its rows in order, its gaps and their names, and how that is laid out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/jobs/trace_view.h"
#include "core/json.h"
#include "core/text/utf8.h"
#include "jobs/timeline.h"
#include "tests/unit/short_memory.h"
#include "tests/unit/task_try.h"

#include <stdlib.h>
#include <string.h>

/* 2026-01-01T00:00:00Z */
#define T0    1767225600000
#define AT0   "'2026-01-01T00:00:00+00:00'"
#define AT1   "'2026-01-01T00:00:01+00:00'"
#define AT2   "'2026-01-01T00:00:02.5+00:00'"
#define AT3   "'2026-01-01T00:00:03+00:00'"
#define ERROR "{'source':'provider','code':'timeout','text':'SECRET words'}"

#define FIRST                                                                                                    \
        "{'id':'t1','name':'a.first','state':'SUCCESS','starts':1,'attempts':0,'elapsed_ms':900,'provider':'p'," \
        "'model':'m','tokens_in':5,'tokens_out':7,'cost_usd':0.25,'created_at':" AT0 ",'started_at':" AT0        \
        ",'finished_at':" AT1 "}"

/* Each row as "+ms kind name: text". */
static char *told(const json_t *timeline)
{
        struct buffer b = { 0 };
        size_t i;
        json_t *row;
        json_array_foreach(json_object_get(timeline, "timeline"), i, row) {
                const char *name = json_text(row, "name", "");
                buffer_addf(&b, "+%lld %s%s%s: %s\n", (long long)json_number(row, "since_ms", -1),
                            json_text(row, "kind", "?"), *name ? " " : "", name, json_text(row, "text", "?"));
        }
        buffer_add_byte(&b, '\0');
        return (char *)b.data;
}

static const struct {
        const char *job, *rows;
        int64_t now_ms;
        bool texts;
} cases[] = {
        { "{'id':'t1','pipeline':'p','state':'SUCCESS','created_at':" AT0 ",'finished_at':" AT3 ",'tasks':[" FIRST
          ",{'id':'t2','parent_id':'t1','name':'b.then','state':'SUCCESS','starts':1,'attempts':0,'elapsed_ms':3,"
          "'created_at':" AT2 ",'started_at':" AT2 ",'finished_at':" AT3 "}],'events':[{'type':'Done','version':1,"
          "'aggregate_type':'order','aggregate_id':'o1','payload':{'said':'SECRET words'},'created_at':" AT3
          "}],'trail':{'tasks':[{'id':'t2','part':'g:1:2'}]}}",
          "+0 begun: submitted: the store first hears of it, from its first claim or message\n"
          "+0 claim a.first: claimed, start 1\n"
          "+0 call a.first: asked p m, 900 ms; with failed attempts 5 + 7 tokens, $0.250000\n"
          "+0 gap: a.first is at work\n"
          "+1000 commit a.first: committed, its work took 900 ms\n"
          "+1000 gap: b.then waits in its queue for a worker\n"
          "+2500 claim b.then: claimed, start 1\n"
          "+2500 gap: b.then is at work\n"
          "+3000 commit b.then: committed, its work took 3 ms; part 2 of chord g:1\n"
          "+3000 event: Done written, version 1 of order o1\n"
          "+3000 end: the job ends: SUCCESS\n",
          T0 + 9000, false },
        /* died, was filed, was sent back, and is at work */
        { "{'id':'t1','pipeline':'','state':'STARTED','created_at':" AT0
          ",'tasks':[{'id':'t1','name':'a.first','state':'STARTED',"
          "'starts':2,'attempts':3,'created_at':" AT0 ",'started_at':" AT3
          "}],'trail':{'tasks':[{'id':'t1','owner':'w1','until_ms':1767225999000}],"
          "'dead':[{'entry':7,'task_id':'t1','name':'a.first','state':'requeued','source':'provider','code':'timeout',"
          "'attempts':3,'died_ms':1767225601000,'kept_ms':1767225601005,'settled_ms':1767225602500}],"
          "'acts':[{'entry':6,'at_ms':1767225602400,'action':'edit','who':'os:other','reason':''},"
          "{'entry':7,'at_ms':1767225602500,'action':'requeue','who':'os:me','reason':'new key'}]}}",
          "+0 begun: submitted: the store first hears of it, from its first claim or message\n"
          "+0 first a.first: claimed for the first time\n"
          "+0 gap: a.first: earlier starts, and the waits between them\n"
          "+1000 dead a.first: is a dead letter after 3 attempts: provider: timeout\n"
          "+1005 filed a.first: filed as entry 7, which is requeued now\n"
          "+1005 gap: a.first lies among the dead letters\n"
          "+2500 act a.first: entry 7: requeue by os:me: new key\n"
          "+2500 gap: a.first: earlier starts, and the waits between them\n"
          "+3000 claim a.first: claimed, start 2; 3 failed attempts by now\n"
          "+3000 gap: a.first is at work on w1\n"
          "+5000 now: now: STARTED\n",
          T0 + 5000, false },
        /* a retry that waits, and one whose lease is over; what is scheduled and overdue */
        { "{'id':'t1','state':'RETRY','created_at':" AT0 ",'tasks':[{'id':'t1','name':'a','state':'RETRY','starts':1,"
          "'attempts':1,'created_at':" AT0 ",'started_at':" AT0 ",'error':" ERROR "}],'trail':{'waiting':[{'id':1,"
          "'task_id':'t1','reason':'retry','routing_key':'a','created_ms':1767225601000,'due_ms':1767225609000,"
          "'returns':0}]}}",
          "+0 begun: submitted: the store first hears of it, from its first claim or message\n"
          "+0 claim a: claimed, start 1; 1 failed attempts by now\n"
          "+0 gap: nothing that the store knows of\n"
          "+1000 waits a: waits in the store until 2026-01-01T00:00:09.000: retry\n"
          "+1000 gap: a waits: retry\n"
          "+2000 now a: is tried again; its last attempt: provider: timeout\n"
          "+2000 now: now: RETRY\n",
          T0 + 2000, false },
        { "{'id':'t1','state':'PENDING','trail':{'waiting':[{'id':1,'task_id':'t1','reason':'enqueue',"
          "'routing_key':'a.q','created_ms':1767225600000,'due_ms':1767225600000,'returns':2}]}}",
          "+0 waits: a.q waits in the store until 2026-01-01T00:00:00.000: enqueue; no queue took it 2 times\n"
          "+0 gap: a.q is due, and nobody has published it; no queue took it 2 times\n"
          "+60000 now: now: PENDING\n",
          T0 + 60000, false },
        { "{'id':'t1','state':'FAILURE','created_at':" AT0 ",'finished_at':" AT0 ",'error':" ERROR
          ",'tasks':[{'id':'t1','name':'a','state':'FAILURE','attempts':4,'created_at':" AT0 ",'finished_at':" AT0
          ",'error':" ERROR "}]}",
          "+0 begun: submitted: the store first hears of it, from its first claim or message\n"
          "+0 failed a: failed after 4 attempts: provider: timeout\n"
          "+0 end: the job ends: FAILURE: provider: timeout\n",
          T0, false },
        { "{'id':'t1','state':'REVOKED','created_at':" AT0 ",'finished_at':" AT0
          ",'error':{'source':'job','code':'cancelled','message':'it was cancelled'},"
          "'tasks':[{'id':'t1','name':'a','state':'REVOKED','created_at':" AT0 ",'finished_at':" AT0 "}]}",
          "+0 begun: submitted: the store first hears of it, from its first claim or message\n"
          "+0 revoked a: revoked\n"
          "+0 end: the job ends: REVOKED: job: cancelled: it was cancelled\n",
          T0, true },
        { "{}", "+0 now: now: ?\n", T0, false },
};

static void test_a_life_in_order(void **state)
{
        (void)state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                json_t *job = json_of(cases[i].job), *timeline = timeline_of(job, cases[i].now_ms, cases[i].texts);
                if (holds_unless_short(timeline != NULL)) {
                        char *rows = told(timeline);
                        assert_string_equal(rows, cases[i].rows);
                        free(rows);
                }
                json_decref(timeline);
                json_decref(job);
        }
}

static void test_texts_are_shown_where_they_are_asked_for(void **state)
{
        (void)state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                json_t *job = json_of(cases[i].job);
                const bool has = strstr(cases[i].job, "SECRET") != NULL;
                for (int texts = 0; texts < 2; texts++) {
                        json_t *timeline = timeline_of(job, cases[i].now_ms, texts);
                        char *whole = timeline ? json_dumps(timeline, 0) : NULL;
                        if (holds_unless_short(whole != NULL))
                                assert_int_equal(strstr(whole, "SECRET") != NULL, texts && has);
                        free(whole);
                        json_decref(timeline);
                }
                json_decref(job);
        }
}

static void test_what_a_job_cost(void **state)
{
        (void)state;
        json_t *job = json_of(cases[0].job), *timeline = timeline_of(job, cases[0].now_ms, false);
        if (holds_unless_short(timeline != NULL)) {
                assert_int_equal(json_number(timeline, "took_ms", 0), 3000);
                assert_int_equal(json_number(timeline, "tokens_in", 0), 5);
                assert_int_equal(json_number(timeline, "tokens_out", 0), 7);
                assert_true(json_number_value(json_object_get(timeline, "cost_usd")) == 0.25);
        }
        json_decref(timeline);
        json_decref(job);
}

/* No line is longer than the terminal is wide, and nothing is left out. */
static void lines_fit(const char *text, size_t width)
{
        for (const char *end; *text; text = end + 1) {
                end = strchrnul(text, '\n');
                if (utf8_count(text, (size_t)(end - text)) > width)
                        fail_msg("longer than %zu: %.*s", width, (int)(end - text), text);
                if (!*end)
                        return;
        }
}

static void test_layouts(void **state)
{
        (void)state;
        static const size_t widths[] = { 60, 80, 132 };
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                json_t *job = json_of(cases[i].job), *timeline = timeline_of(job, cases[i].now_ms, true);
                for (size_t w = 0; w < sizeof(widths) / sizeof(widths[0]) && timeline; w++) {
                        struct buffer out = { 0 };
                        trace_lay_out(&out, timeline, widths[w]);
                        buffer_add_byte(&out, '\0');
                        if (holds_unless_short(!out.failed))
                                lines_fit((char *)out.data, widths[w]);
                        buffer_free(&out);
                }
                json_decref(timeline);
                json_decref(job);
        }
}

static void test_a_layout(void **state)
{
        (void)state;
        struct buffer out = { 0 };
        json_t *timeline = json_of(
                "{'id':'j1','pipeline':'p','state':'STARTED','to_ms':null,'took_ms':90061000,'tokens_in':5,'tokens_out':7,"
                "'cost_usd':0.5,'timeline':[{'at_ms':1767225600123,'since_ms':0,'kind':'claim','name':'a.first','text':'claimed'},"
                "{'at_ms':1767225600123,'since_ms':0,'kind':'gap','name':'','text':'a.first is at work','gap_ms':90000000},"
                "{'at_ms':1767315600123,'since_ms':90000000,'kind':'commit','name':'a.name.that.is.long','text':"
                "'one two three four five six seven eight nine'},"
                "{'at_ms':1767315600123,'since_ms':90000000,'kind':'event','name':'','text':'E','payload':{'a':'b'}}]}");
        trace_lay_out(&out, timeline, 64);
        buffer_add_byte(&out, '\0');
        if (holds_unless_short(!out.failed))
                assert_string_equal((char *)out.data,
                                    "job j1\n"
                                    "p STARTED, 25h01m01s so far, 5 + 7 tokens, $0.500000\n"
                                    "\n"
                                    "            2026-01-01 (UTC)\n"
                                    "  +0.000 s  00:00:00.123  a.first           claimed\n"
                                    "         :                                  25h00m00s: a.first\n"
                                    "                                            is at work\n"
                                    "            2026-01-02 (UTC)\n"
                                    "+25h00m00s  01:00:00.123  a.name.that.is.l  one two three four\n"
                                    "                                            five six seven eight\n"
                                    "                                            nine\n"
                                    "+25h00m00s  01:00:00.123                    E\n"
                                    "                                            {\"a\":\"b\"}\n");
        buffer_free(&out);
        json_decref(timeline);
}

static void test_times_since(void **state)
{
        (void)state;
        static const struct {
                int64_t ms;
                const char *text;
        } rows[] = {
                { 0, "+0.000 s" },
                { 1234, "+1.234 s" },
                { 999999, "+999.999 s" },
                { 1000000, "+0h16m40s" },
                { 359999999, "+99h59m59s" },
                { 360000000, "+4d04h" },
                { 864000000000, "+10000d00h" },
        };
        char out[32];
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
                assert_string_equal(trace_since(rows[i].ms, out), rows[i].text);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_life_in_order), cmocka_unit_test(test_texts_are_shown_where_they_are_asked_for),
                cmocka_unit_test(test_what_a_job_cost), cmocka_unit_test(test_layouts),
                cmocka_unit_test(test_a_layout),        cmocka_unit_test(test_times_since),
        };
        return cmocka_run_group_tests(tests, build_shipped, NULL);
}
