/* SPDX-License-Identifier: Apache-2.0 */
/* What people write on a command line: a job's input, times, and filters of dead letters. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/common/flags.h"
#include "cli/common/input.h"
#include "cli/common/times.h"
#include "cli/dlq/filter.h"
#include "core/clock.h"
#include "tests/unit/short_memory.h"
#include "tests/unit/task_try.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- input ---- */

static void words_make_an_input(void **state)
{
        (void)state;
        static const struct {
                const char *word, *input; /* NULL: refused */
        } rows[] = {
                { "user_id=u1", "{'user_id':'u1'}" },
                { "text=", "{'text':''}" },
                { "text=a=b", "{'text':'a=b'}" },
                { "count:=3", "{'count':3}" },
                { "list:=[1,{\"a\":null}]", "{'list':[1,{'a':null}]}" },
                { "text=:=", "{'text':':='}" },
                { "user_id", NULL },
                { "=u1", NULL },
                { "count:=", NULL },
                { "count:=three", NULL },
                { "text=\xff", NULL },
                { "image_url=@/no/such/file", NULL },
                { "k234567890123456789012345678901234567890123456789012345678901234=x", NULL },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct problem why = { 0 };
                json_t *input = json_object();
                const int refused = input_word(input, rows[i].word, &why);
                if (rows[i].input) {
                        assert_int_equal(refused, 0);
                        assert_outcome(rows[i].word, rows[i].input, input);
                        continue;
                }
                assert_int_not_equal(refused, 0);
                assert_true(why.text[0]);
                json_decref(input);
        }
}

/* A file with these bytes; unlinked and freed by the caller. */
static char *file_of(const char *bytes, size_t size)
{
        char *path = strdup("/tmp/chard-input-XXXXXX");
        const int fd = mkstemp(path);
        assert_true(fd >= 0);
        assert_int_equal(write(fd, bytes, size), (ssize_t)size);
        close(fd);
        return path;
}

static void files_become_text_or_pictures(void **state)
{
        (void)state;
        static const struct {
                const char *bytes, *key, *input; /* NULL: refused */
        } rows[] = {
                { "\x89PNG\r\n\x1a\n", "image_url", "{'image_url':'data:image/png;base64,iVBORw0KGgo='}" },
                { "a line\n", "text", "{'text':'a line\\n'}" },
                { "%PDF-1.4", "image_url", NULL },
                { "\xff\xfe\xfd", "text", NULL },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct problem why = { 0 };
                json_t *input = json_object();
                char word[128], *path = file_of(rows[i].bytes, strlen(rows[i].bytes));
                snprintf(word, sizeof(word), "%s=@%s", rows[i].key, path);
                const int refused = input_word(input, word, &why);
                unlink(path);
                free(path);
                assert_int_equal(refused != 0, rows[i].input == NULL);
                if (rows[i].input)
                        assert_outcome(word, rows[i].input, input);
                else
                        json_decref(input);
        }
}

static void a_file_names_its_pipeline_or_not(void **state)
{
        (void)state;
        static const struct {
                const char *text, *pipeline, *input; /* NULL input: refused */
        } rows[] = {
                { "{\"user_id\":\"u1\"}", NULL, "{'user_id':'u1'}" },
                { "{\"pipeline\":\"p\",\"input\":{\"a\":1}}", "p", "{'a':1}" },
                { "{\"pipeline\":\"p\"}", NULL, NULL },
                { "[]", NULL, NULL },
                { "{", NULL, NULL },
                { "", NULL, NULL },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct problem why = { 0 };
                json_t *whole = NULL, *input = NULL;
                const char *pipeline = NULL;
                char *path = file_of(rows[i].text, strlen(rows[i].text));
                const int refused = input_file(path, &whole, &pipeline, &input, &why);
                unlink(path);
                free(path);
                assert_int_equal(refused != 0, rows[i].input == NULL);
                if (rows[i].input) {
                        if (rows[i].pipeline)
                                assert_string_equal(pipeline, rows[i].pipeline);
                        else
                                assert_null(pipeline);
                        assert_outcome(rows[i].text, rows[i].input, input);
                }
                json_decref(whole);
        }
}

/* ---- times ---- */

static void times_are_ages_or_dates(void **state)
{
        (void)state;
        static const struct {
                const char *text;
                bool fits;
                int64_t ago_ms, at_ms; /* one of them */
        } rows[] = {
                { "90s", true, 90000, 0 },
                { "15m", true, 900000, 0 },
                { "2h", true, 7200000, 0 },
                { "999999d", true, 86399913600000, 0 },
                { "1970-01-01T00:00:01Z", true, 0, 1000 },
                { "2026-11-21T08:00:00+09:00", true, 0, 1795215600000 },
                { "1000000d", false, 0, 0 },
                { "-1h", false, 0, 0 },
                { "2", false, 0, 0 },
                { "h", false, 0, 0 },
                { "2hh", false, 0, 0 },
                { "", false, 0, 0 },
                { "yesterday", false, 0, 0 },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                int64_t out = -1;
                const int64_t before = clock_wall_ms();
                assert_int_equal(time_read(rows[i].text, &out), rows[i].fits);
                const int64_t after = clock_wall_ms();
                if (rows[i].ago_ms)
                        assert_true(out >= before - rows[i].ago_ms && out <= after - rows[i].ago_ms);
                else if (rows[i].fits)
                        assert_int_equal(out, rows[i].at_ms);
        }
}

/* ---- filters ---- */

static const struct command nobody = { .name = "dlq test", .usage = "" };

static void filters_say_what_is_left_out(void **state)
{
        (void)state;
        static const struct {
                struct filter_flags flags;
                const char *operands[3];
                int code; /* EXIT_DONE: it is read */
                const char *words, *state;
        } rows[] = {
                { { 0 }, { NULL }, EXIT_DONE, "", "kept" },
                { { .task = "scan.*", .code = "timeout" },
                  { NULL },
                  EXIT_DONE,
                  "--task scan.* --code timeout",
                  "kept" },
                { { .state = "any", .all = true }, { NULL }, EXIT_DONE, "--all", NULL },
                { { .since = "2h" }, { "12", "3" }, EXIT_DONE, "--since 2h 12 3", NULL },
                { { .state = "discarded" }, { "7" }, EXIT_DONE, "7", "discarded" },
                { { .task = "" }, { NULL }, EXIT_USAGE, NULL, NULL },
                { { .text = "\xff" }, { NULL }, EXIT_USAGE, NULL, NULL },
                { { .state = "dead" }, { NULL }, EXIT_USAGE, NULL, NULL },
                { { .until = "soon" }, { NULL }, EXIT_USAGE, NULL, NULL },
                { { 0 }, { "0" }, EXIT_USAGE, NULL, NULL },
                { { 0 }, { "1x" }, EXIT_USAGE, NULL, NULL },
                { { 0 }, { "99999999999999999999" }, EXIT_USAGE, NULL, NULL },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                char *operands[3] = { 0 };
                int count = 0, code = -1;
                int64_t entries[3];
                struct dead_filter filter;
                for (; count < 3 && rows[i].operands[count]; count++)
                        operands[count] = strdup(rows[i].operands[count]);
                const bool read = filter_read(&nobody, &rows[i].flags, operands, count, entries, &filter, &code);
                assert_int_equal(read, rows[i].code == EXIT_DONE);
                if (read) {
                        char *words = filter_words(&rows[i].flags, operands, count);
                        if (holds_unless_short(words != NULL))
                                assert_string_equal(words, rows[i].words);
                        free(words);
                        assert_int_equal(filter.entry_count, count);
                        assert_int_equal(filter_is_any(&filter), !count && !rows[i].flags.task && !rows[i].flags.since);
                        if (rows[i].state)
                                assert_string_equal(filter.state, rows[i].state);
                        else
                                assert_null(filter.state);
                        for (int k = 1; k < count; k++)
                                assert_true(entries[k - 1] <= entries[k]);
                } else {
                        assert_int_equal(code, rows[i].code);
                }
                for (int k = 0; k < count; k++)
                        free(operands[k]);
        }
}

static void numbers_stay_within_their_bounds(void **state)
{
        (void)state;
        static const struct {
                const char *text;
                bool fits;
                unsigned number;
        } rows[] = {
                { NULL, true, 5 }, { "1", true, 1 },    { "100", true, 100 }, { "20/s", true, 20 },
                { "0", false, 5 }, { "101", false, 5 }, { "-1", false, 5 },   { "", false, 5 },
                { "x", false, 5 }, { "1 s", false, 5 }, { "20/m", false, 5 }, { "99999999999999999999", false, 5 },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                unsigned out = 5;
                assert_int_equal(flag_number(&nobody, "--rate", rows[i].text, 1, 100, &out), rows[i].fits);
                assert_int_equal(out, rows[i].number);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(words_make_an_input),
                cmocka_unit_test(files_become_text_or_pictures),
                cmocka_unit_test(a_file_names_its_pipeline_or_not),
                cmocka_unit_test(times_are_ages_or_dates),
                cmocka_unit_test(filters_say_what_is_left_out),
                cmocka_unit_test(numbers_stay_within_their_bounds),
        };
        return cmocka_run_group_tests(tests, build_shipped, NULL);
}
