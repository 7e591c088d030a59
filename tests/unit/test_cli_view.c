/* SPDX-License-Identifier: Apache-2.0 */
/* What people are shown of a job. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/common/command.h"
#include "cli/common/view.h"
#include "cli/jobs/view.h"
#include "core/json.h"
#include "tests/unit/task_try.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What `print` writes on stdout; freed by the caller. */
static char *printed(void (*print)(const json_t *job), const json_t *job)
{
        char *text = NULL;
        size_t size = 0;
        FILE *out = stdout;
        stdout = open_memstream(&text, &size);
        assert_non_null(stdout);
        print(job);
        fclose(stdout);
        stdout = out;
        return text;
}

static void print_whole(const json_t *job)
{
        job_print_json(job, true);
}

static void print_short(const json_t *job)
{
        job_print_json(job, false);
}

static void print_answer(const json_t *job)
{
        static const struct pipeline answers = { .name = "p", .answer = "answer/text" };
        job_print_answer(job, json_object_get(job, "no_pipeline") ? NULL : &answers);
}

static void a_state_says_whether_it_ended_and_how(void **state)
{
        (void)state;
        static const struct {
                const char *job;
                bool ended;
                int code;
        } rows[] = {
                { "{'state':'SUCCESS'}", true, EXIT_DONE },
                { "{'state':'FAILURE'}", true, EXIT_FAILED },
                { "{'state':'REVOKED'}", true, EXIT_FAILED },
                { "{'state':'STARTED'}", false, EXIT_DONE },
                { "{'state':'RETRY'}", false, EXIT_DONE },
                { "{'state':'PENDING'}", false, EXIT_DONE },
                { "{}", false, EXIT_DONE },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                json_t *job = json_of(rows[i].job);
                assert_int_equal(job_ended(job), rows[i].ended);
                assert_int_equal(job_exit_code(job), rows[i].code);
                json_decref(job);
        }
        assert_false(job_ended(NULL));
}

#define TASKS                                                                                                        \
        "'tasks':[{'name':'a.first','state':'SUCCESS','elapsed_ms':12,'attempts':0,'tokens_in':5,'tokens_out':7,"    \
        "'cost_usd':0.25},{'name':'b.then','state':'FAILURE','elapsed_ms':3,'attempts':2,'error':{'code':'timeout'," \
        "'text':'no answer\\u001b[2J'}}]"

static void a_job_is_shown_with_its_tasks(void **state)
{
        (void)state;
        static const struct {
                void (*print)(const json_t *job);
                const char *job, *holds[8], *lacks[4];
        } rows[] = {
                { job_print,
                  "{'id':'j1','pipeline':'p','state':'FAILURE'," TASKS
                  ",'events':[{'type':'Failed','payload':{'a':1}}],"
                  "'document':{'job':{}}}",
                  { "job j1  p  FAILURE", "a.first", "5 + 7 tokens, $0.250000", "2 failed attempts",
                    "timeout: no answer", "event    Failed", "{\"a\":1}" },
                  { "\033" } },
                { job_print,
                  "{'id':'j1','pipeline':'p','state':'PENDING','scheduled':{'due_ms':1000,'reason':'eta','name':'a'}}",
                  { "waits until 1970-01-01T00:00:01", "(eta) for a to be sent" },
                  { NULL } },
                { print_answer,
                  "{'state':'SUCCESS','document':{'job':{'id':1},'answer':{'text':'one\\ntwo\\u0007'}},"
                  "'created_at':'2026-01-01T00:00:00Z','finished_at':'2026-01-01T00:00:01.5Z'," TASKS "}",
                  { "one\ntwo", "SUCCESS", " 1.50 s" },
                  { "\a", "\"id\"" } },
                { print_answer,
                  "{'no_pipeline':1,'state':'SUCCESS','document':{'job':{'id':1},'input':{'x':2},'made':{'text':'t'}}}",
                  { "\"made\"", "\"t\"" },
                  { "\"id\"", "\"x\"" } },
                { print_answer,
                  "{'state':'FAILURE','document':{'answer':{'text':'half'}},'error':{'code':'refused','text':'no'}}",
                  { "FAILURE", "refused: no" },
                  { "half" } },
                { print_whole, "{'id':'j1'," TASKS "}", { "\"tasks\":[", "\"id\":\"j1\"" }, { NULL } },
                { print_short,
                  "{'id':'j1'," TASKS ",'events':[],'created_at':'x','finished_at':'y','state':'SUCCESS'}",
                  { "{\"id\":\"j1\",\"state\":\"SUCCESS\"}\n" },
                  { NULL } },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                json_t *job = json_of(rows[i].job);
                char *text = printed(rows[i].print, job);
                for (size_t k = 0; k < 8 && rows[i].holds[k]; k++)
                        if (!strstr(text, rows[i].holds[k]))
                                fail_msg("row %zu lacks \"%s\":\n%s", i, rows[i].holds[k], text);
                for (size_t k = 0; k < 4 && rows[i].lacks[k]; k++)
                        if (strstr(text, rows[i].lacks[k]))
                                fail_msg("row %zu holds \"%s\":\n%s", i, rows[i].lacks[k], text);
                free(text);
                json_decref(job);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_state_says_whether_it_ended_and_how),
                cmocka_unit_test(a_job_is_shown_with_its_tasks),
        };
        return cmocka_run_group_tests(tests, build_shipped, NULL);
}
