/* SPDX-License-Identifier: Apache-2.0 */
/* Fields of a log line, its JSON, levels that change, floods that are folded. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/json.h"
#include "core/log.h"
#include "core/log/fold.h"
#include "core/problem.h"
#include "tests/unit/short_memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- fields ---- */

__attribute__((format(printf, 2, 3))) static void take(char *out, const char *format, ...)
{
        struct log_fields fields;
        char text[600];
        va_list args;
        va_start(args, format);
        const size_t before = log_fields_read(&fields, format, args);
        vsnprintf(text, sizeof(text), format, args);
        va_end(args);
        *out = '\0';
        for (size_t i = 0; i < fields.count; i++)
                sprintf(out + strlen(out), "[%s%s%s]", fields.all[i].name, fields.all[i].number ? "#" : "=",
                        fields.all[i].value);
        strcat(out, text + before);
}

static void test_fields_are_what_a_format_begins_with(void **state)
{
        char out[2000], longer[400];
        (void)state;
        take(out, "task=%s name=%s attempt=%u failed code=%s", "t 1", "a.b", 3U, "x");
        assert_string_equal(out, "[task=t 1][name=a.b][attempt#3]failed code=x");
        take(out, "task=%s %s -> %s", "t", "a", "b");
        assert_string_equal(out, "[task=t]a -> b");
        take(out, "%s", "task=forged name=forged");
        assert_string_equal(out, "task=forged name=forged");
        take(out, "n=%d m=%zu k=%lu %u", -1, (size_t)2, 3UL, 4U);
        assert_string_equal(out, "[n#-1][m#2][k#3]4");
        take(out, "file=%s: away", "f");
        assert_string_equal(out, "file=f: away");
        take(out, "rate=%.1f", 1.5);
        assert_string_equal(out, "rate=1.5");
        take(out, "a=%u b=%u c=%u d=%u e=%u f=%u g=%u", 1U, 2U, 3U, 4U, 5U, 6U, 7U);
        assert_string_equal(out, "[a#1][b#2][c#3][d#4][e#5][f#6]g=7");
        memset(longer, 'x', sizeof(longer) - 1);
        longer[sizeof(longer) - 1] = '\0';
        take(out, "task=%s done", longer);
        assert_int_equal(strlen(out), strlen("[task=]done") + LOG_FIELD_SIZE - 1);
}

/* ---- lines, through a sink ---- */

struct log_heard {
        char lines[64][LOG_LINE_SIZE];
        size_t count;
};

static void hear(const char *line, size_t size, void *arg)
{
        struct log_heard *h = arg;
        assert_true(size > 0 && size <= LOG_LINE_SIZE && line[size - 1] == '\n');
        snprintf(h->lines[h->count++ % 64], LOG_LINE_SIZE, "%.*s", (int)size, line);
}

static void know(const char *task, struct log_ids *out, void *arg)
{
        (void)arg;
        if (strcmp(task, "t1") != 0)
                return;
        strcpy(out->job, "j\"1");
        strcpy(out->trace_id, "0af7651916cd43dd8448eb211c80319c");
        strcpy(out->span_id, "b7ad6b7169203331");
}

static json_t *parsed(const char *line)
{
        json_t *value = NULL;
        struct problem why = { .text = "" };
        if (json_parse(bytes_of_string(line), "test", &value, &why) != 0)
                holds_unless_short(value != NULL);
        return value;
}

static void test_json_lines(void **state)
{
        struct log_heard *h = calloc(1, sizeof(*h));
        (void)state;
        log_to(hear, h);
        log_setup(LOG_INFO, true);
        log_know(know, NULL);
        log_info("worker", "task=%s name=%s attempt=%u failed: %s", "t1", "a\"b", 2U, "x\ny");
        log_info("worker", "task=%s of nobody", "t2");
        log_info("worker", "no task=%s", "t1");
        log_hide("hunter2hunter2");
        log_info("worker", "task=%s key=%s", "t1", "hunter2hunter2");
        log_know(NULL, NULL);
        log_to(NULL, NULL);
        JSON_OWNED json_t *line = parsed(h->lines[0]);
        if (line) {
                assert_string_equal(json_text(line, "message", ""), "failed: x\ny");
                assert_string_equal(json_text(line, "task", ""), "t1");
                assert_string_equal(json_text(line, "job", ""), "j\"1");
                assert_string_equal(json_text(line, "trace_id", ""), "0af7651916cd43dd8448eb211c80319c");
                assert_string_equal(json_text(line, "span_id", ""), "b7ad6b7169203331");
                assert_string_equal(json_text(json_object_get(line, "fields"), "name", ""), "a\"b");
                assert_int_equal(json_number(json_object_get(line, "fields"), "attempt", 0), 2);
        }
        JSON_OWNED json_t *other = parsed(h->lines[1]);
        if (other) {
                assert_string_equal(json_text(other, "task", ""), "t2");
                assert_null(json_object_get(other, "job"));
        }
        JSON_OWNED json_t *none = parsed(h->lines[2]);
        if (none)
                assert_null(json_object_get(none, "task"));
        assert_null(strstr(h->lines[3], "hunter2"));
        assert_non_null(strstr(h->lines[3], "\"key\":\"***\""));
        free(h);
}

static void test_long_fields_leave_room(void **state)
{
        char controls[200], filler[3000];
        struct log_heard *h = calloc(1, sizeof(*h));
        (void)state;
        memset(controls, 1, sizeof(controls) - 1);
        controls[sizeof(controls) - 1] = '\0';
        memset(filler, '"', sizeof(filler) - 1);
        filler[sizeof(filler) - 1] = '\0';
        log_to(hear, h);
        log_setup(LOG_INFO, true);
        log_info("worker", "task=%s a=%s b=%s c=%s d=%s e=%s %s", controls, controls, controls, controls, controls,
                 controls, filler);
        log_to(NULL, NULL);
        JSON_OWNED json_t *line = parsed(h->lines[0]);
        if (line)
                assert_true(strlen(json_text(line, "message", "")) > 600);
        free(h);
}

static void test_levels_change_while_it_runs(void **state)
{
        struct log_heard *h = calloc(1, sizeof(*h));
        enum log_level level = LOG_ERROR;
        (void)state;
        log_to(hear, h);
        log_setup(LOG_WARN, false);
        log_info("core", "no");
        assert_int_equal(log_set_level(LOG_DEBUG), LOG_DEBUG);
        log_debug("core", "yes");
        assert_int_equal(log_reset_level(), LOG_WARN);
        log_info("core", "no");
        log_to(NULL, NULL);
        assert_int_equal(h->count, 1);
        assert_true(log_level_read("info", &level) && level == LOG_INFO);
        assert_false(log_level_read("loud", &level));
        assert_string_equal(log_level_name(LOG_DEBUG), "debug");
        free(h);
}

static void test_what_a_problem_tells(void **state)
{
        static const struct {
                const char *source;
                bool told;
        } rows[] = { { "store", true },     { "broker", true },   { "task", false },
                     { "provider", false }, { "message", false }, { "new", false } };
        struct log_heard *h = calloc(1, sizeof(*h));
        (void)state;
        log_to(hear, h);
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct problem p;
                problem_set(&p, rows[i].source, "code", "a user's words");
                log_setup(LOG_INFO, false);
                assert_int_equal(strcmp(problem_told(&p), p.text) == 0, rows[i].told);
                log_setup(LOG_DEBUG, false);
                assert_string_equal(problem_told(&p), p.text);
        }
        log_to(NULL, NULL);
        free(h);
}

/* ---- folding ---- */

static void test_a_flood_is_folded(void **state)
{
        static const char one[] = "one", other[] = "other";
        struct log_fold f = { .burst = 3, .window_ms = 1000 };
        struct log_fold_kind over;
        (void)state;
        for (unsigned i = 0; i < 10; i++)
                assert_int_equal(log_fold_takes(&f, one, "a", 1, i), i < 3);
        assert_true(log_fold_takes(&f, other, "a", 1, 10)); /* another format, another speaker */
        assert_true(log_fold_takes(&f, one, "b", 1, 10));
        assert_false(log_fold_over(&f, 999, false, &over));
        assert_true(log_fold_over(&f, 1000, false, &over));
        assert_ptr_equal(over.format, one);
        assert_int_equal(over.held, 7);
        assert_false(log_fold_over(&f, 1000, true, &over)); /* told once */
        for (unsigned i = 0; i < 5; i++)
                assert_int_equal(log_fold_takes(&f, one, "a", 1, 1500), i < 3); /* the next window */
        assert_true(log_fold_over(&f, 1600, true, &over));
        assert_int_equal(over.held, 2);
        for (unsigned i = 0; i < 3; i++)
                assert_true(log_fold_takes(&f, other, "a", 1, 5000)); /* a quiet one begins anew */
}

static void test_the_table_is_bounded(void **state)
{
        static const char texts[LOG_FOLD_KINDS + 1] = "x";
        struct log_fold f = { .burst = 1, .window_ms = 1000 };
        (void)state;
        for (size_t i = 0; i < LOG_FOLD_KINDS; i++)
                assert_true(log_fold_takes(&f, texts + i, "a", 1, 0));
        for (size_t i = 0; i < 3; i++)
                assert_true(log_fold_takes(&f, texts + LOG_FOLD_KINDS, "a", 1, 0)); /* no place: written */
        assert_false(log_fold_takes(&f, texts, "a", 1, 0));
        assert_true(log_fold_takes(&f, texts + LOG_FOLD_KINDS, "a", 1, 1000)); /* a place that nobody needs any more */
        assert_false(log_fold_takes(&f, texts + LOG_FOLD_KINDS, "a", 1, 1000));
        assert_int_equal(f.count, LOG_FOLD_KINDS);
}

static void test_what_was_held_back_is_told(void **state)
{
        struct log_heard *h = calloc(1, sizeof(*h));
        (void)state;
        log_to(hear, h);
        log_setup(LOG_DEBUG, true);
        log_fold(2, 3600000);
        for (int i = 0; i < 10; i++)
                log_warn("core", "again %d", i);
        for (int i = 0; i < 10; i++)
                log_debug("core", "every step %d", i);
        assert_int_equal(h->count, 12);
        log_tick(false);
        assert_int_equal(h->count, 12);
        log_tick(true);
        log_fold(0, 0);
        log_to(NULL, NULL);
        assert_int_equal(h->count, 13);
        JSON_OWNED json_t *line = parsed(h->lines[12]);
        if (line) {
                assert_string_equal(json_text(line, "level", ""), "warn");
                assert_int_equal(json_number(json_object_get(line, "fields"), "folded", 0), 8);
                assert_non_null(strstr(json_text(line, "message", ""), "again %d"));
        }
        free(h);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_fields_are_what_a_format_begins_with),
                cmocka_unit_test(test_json_lines),
                cmocka_unit_test(test_long_fields_leave_room),
                cmocka_unit_test(test_levels_change_while_it_runs),
                cmocka_unit_test(test_what_a_problem_tells),
                cmocka_unit_test(test_a_flood_is_folded),
                cmocka_unit_test(test_the_table_is_bounded),
                cmocka_unit_test(test_what_was_held_back_is_told),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
