/* SPDX-License-Identifier: Apache-2.0 */
/* What remote control remembers: rates, times and revoked ids. */
#include "worker/control/limits.h"
#include "worker/control/revoked.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static void a_rate_is_read_as_celery_does(void **state)
{
        static const struct {
                const char *text;
                int code;
                double per_hour;
        } rows[] = {
                { "10/s", 0, 36000 }, { "10/m", 0, 600 },  { "10/h", 0, 10 }, { "0.5/s", 0, 1800 }, { "7", 0, 25200 },
                { "", 0, 0 },         { "0", 0, 0 },       { "0/m", 0, 0 },   { "x", 1, 0 },        { "10/d", 1, 0 },
                { "-1/s", 1, 0 },     { "nan/s", 1, 0 },   { "inf", 1, 0 },   { "/s", 1, 0 },       { "1 /s", 1, 0 },
                { "10/s ", 1, 0 },    { "1e999/s", 1, 0 },
        };
        (void)state;
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                double per_hour = 0;
                assert_int_equal(limits_read_rate(rows[i].text, &per_hour), rows[i].code);
                assert_true(per_hour > rows[i].per_hour - 0.01 && per_hour < rows[i].per_hour + 0.01);
        }
}

/* Ten a second: those who may wait where they are get a place each, the others the end of a line. */
static void everybody_starts_in_turn(void **state)
{
        static const struct {
                uint64_t now_ms, hold_ms, wait_ms;
        } rows[] = {
                { 1000, 250, 0 },   { 1000, 250, 100 }, { 1000, 250, 200 }, /* three in turn, held */
                { 1000, 250, 300 }, { 1000, 250, 400 },                     /* two for later: they come and ask again */
                { 1300, 250, 0 },   { 1350, 250, 50 },  { 1600, 250, 0 },   { 9000, 250, 0 },
        };
        struct limits l = { 0 };
        (void)state;
        assert_int_equal(limits_set_rate(&l, "a", 36000, "10/s"), 0);
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
                assert_int_equal(limits_take(&l, "a", rows[i].now_ms, rows[i].hold_ms), rows[i].wait_ms);
        assert_int_equal(limits_take(&l, "b", 9000, 250), 0);
        assert_string_equal(limits_rate(&l, "a"), "10/s");
        assert_int_equal(limits_set_rate(&l, "a", 0, "0"), 0);
        assert_null(limits_rate(&l, "a"));
        for (int i = 0; i < 100; i++)
                assert_int_equal(limits_take(&l, "a", 9000, 250), 0);
        limits_close(&l);
}

static void the_longest_wait_is_a_year(void **state)
{
        struct limits l = { 0 };
        (void)state;
        assert_int_equal(limits_set_rate(&l, "a", 1e-300, "1e-300/h"), 0);
        assert_int_equal(limits_take(&l, "a", 1000, 250), 0);
        for (int i = 0; i < 3; i++)
                assert_int_equal(limits_take(&l, "a", 1000, 250), 31622400000);
        limits_close(&l);
}

static void a_time_is_set_and_taken_away(void **state)
{
        static const struct {
                const char *task;
                unsigned set_soft, set_hard, has_soft, has_hard, soft, hard;
        } rows[] = {
                { "a", 0, 0, 5, 7, 5, 7 }, /* the task's own */
                { "a", 1000, 2000, 0, 0, 1000, 2000 },
                { "b", 1000, 2000, 5, 7, 5, 7 },
                { "a", 1000, 2000, 5, 7, 1000, 2000 },
                { "a", 0, 2000, 5, 7, 0, 2000 },
                { "a", 0, 0, 5, 7, 0, 0 },
        };
        struct limits l = { 0 };
        (void)state;
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                unsigned soft = rows[i].has_soft, hard = rows[i].has_hard;
                if (i > 0)
                        assert_int_equal(limits_set_time(&l, "a", rows[i].set_soft, rows[i].set_hard), 0);
                limits_time(&l, rows[i].task, &soft, &hard);
                assert_int_equal(soft, rows[i].soft);
                assert_int_equal(hard, rows[i].hard);
        }
        limits_close(&l);
}

static void the_oldest_id_gives_way(void **state)
{
        struct revoked r;
        char id[32];
        (void)state;
        assert_int_equal(revoked_open(&r), 0);
        assert_false(revoked_has(&r, "0"));
        for (int i = 0; i < REVOKED_MOST + 2; i++) {
                snprintf(id, sizeof(id), "%d", i);
                assert_int_equal(revoked_add(&r, id), 0);
                assert_int_equal(revoked_add(&r, id), 0);
        }
        assert_false(revoked_has(&r, "0"));
        assert_false(revoked_has(&r, "1"));
        assert_true(revoked_has(&r, "2"));
        json_t *list = revoked_list(&r);
        assert_int_equal(json_array_size(list), REVOKED_MOST);
        assert_string_equal(json_string_value(json_array_get(list, 0)), "2");
        json_decref(list);
        revoked_close(&r);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_rate_is_read_as_celery_does), cmocka_unit_test(everybody_starts_in_turn),
                cmocka_unit_test(the_longest_wait_is_a_year),    cmocka_unit_test(a_time_is_set_and_taken_away),
                cmocka_unit_test(the_oldest_id_gives_way),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
