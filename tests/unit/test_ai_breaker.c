/* SPDX-License-Identifier: Apache-2.0 */
#include "ai/gate/breaker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { T0 = 1000000 };

static void report(struct breaker *b, enum breaker_end end, int times, uint64_t now_ms)
{
        for (int i = 0; i < times; i++)
                breaker_report(b, false, end, now_ms, 0);
}

static bool is_open(const struct breaker *b, uint64_t now_ms)
{
        return breaker_open_ms(b, now_ms) > 0;
}

/* Calls of the last ten seconds, never many failures in a row, and whether they open it. */
static void it_opens_when_most_calls_fail(void **state)
{
        (void)state;
        static const struct {
                int answered, failed;
                bool open;
        } rows[] = {
                { 9, 9, false },  { 10, 10, true },     { 11, 10, false },
                { 20, 0, false }, { 1000, 999, false }, { 1000, 1000, true },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct breaker b = { 0 };
                report(&b, BREAKER_NEITHER, 100, T0);
                report(&b, BREAKER_ANSWERED, rows[i].answered - rows[i].failed, T0);
                for (int n = 0; n < rows[i].failed; n++) {
                        report(&b, BREAKER_ANSWERED, 1, T0);
                        report(&b, BREAKER_FAILED, 1, T0);
                }
                if (is_open(&b, T0) != rows[i].open)
                        fail_msg("%d answered, %d failed", rows[i].answered, rows[i].failed);
        }
}

/* However few there are, and however many went well before. */
static void it_opens_when_many_fail_in_a_row(void **state)
{
        (void)state;
        struct breaker b = { 0 };
        report(&b, BREAKER_ANSWERED, 1000, T0);
        report(&b, BREAKER_FAILED, BREAKER_ROW - 1, T0);
        report(&b, BREAKER_NEITHER, 1, T0);
        assert_false(is_open(&b, T0));
        report(&b, BREAKER_ANSWERED, 1, T0);
        report(&b, BREAKER_FAILED, BREAKER_ROW - 1, T0);
        assert_false(is_open(&b, T0));
        report(&b, BREAKER_FAILED, 1, T0);
        assert_true(is_open(&b, T0));
}

static void what_is_older_than_the_window_is_forgotten(void **state)
{
        (void)state;
        struct breaker b = { 0 };
        report(&b, BREAKER_FAILED, BREAKER_ROW - 1, T0);
        report(&b, BREAKER_FAILED, 1, T0 + BREAKER_SLICES * BREAKER_SLICE_MS);
        assert_false(is_open(&b, T0 + BREAKER_SLICES * BREAKER_SLICE_MS));
        b = (struct breaker){ 0 };
        report(&b, BREAKER_FAILED, BREAKER_ROW - 1, T0);
        report(&b, BREAKER_FAILED, 1, T0 + (BREAKER_SLICES - 1) * BREAKER_SLICE_MS);
        assert_true(is_open(&b, T0 + (BREAKER_SLICES - 1) * BREAKER_SLICE_MS));
}

static struct breaker opened(void)
{
        struct breaker b = { 0 };
        report(&b, BREAKER_FAILED, BREAKER_LEAST, T0);
        return b;
}

static void while_open_nobody_gets_through(void **state)
{
        (void)state;
        bool probe;
        struct breaker b = opened();
        const uint64_t open_ms = breaker_open_ms(&b, T0);
        assert_in_range(open_ms, BREAKER_OPEN_MIN_MS * 3 / 4, BREAKER_OPEN_MIN_MS);
        assert_int_equal(breaker_take(&b, T0, 0, &probe), open_ms);
        report(&b, BREAKER_ANSWERED, 1000, T0); /* calls from before */
        report(&b, BREAKER_FAILED, 1000, T0);
        assert_int_equal(breaker_open_ms(&b, T0), open_ms);
        assert_int_equal(breaker_take(&b, T0 + open_ms - 1, 0, &probe), 1);
        assert_false(probe);
}

static void then_one_call_at_a_time_finds_out(void **state)
{
        (void)state;
        bool probe, other;
        struct breaker b = opened();
        const uint64_t later = T0 + breaker_open_ms(&b, T0);
        assert_int_equal(breaker_take(&b, later, 0, &probe), 0);
        assert_true(probe);
        for (uint64_t random = 0; random < 5000; random += 7) {
                assert_in_range(breaker_take(&b, later, random, &other), BREAKER_PROBE_WAIT_MS,
                                3 * BREAKER_PROBE_WAIT_MS);
                assert_false(other);
        }
        assert_true(breaker_report(&b, true, BREAKER_ANSWERED, later, 0));
        for (int i = 0; i < 1000; i++)
                assert_int_equal(breaker_take(&b, later, 0, &other), 0);
        report(&b, BREAKER_FAILED, BREAKER_ROW - 1, later); /* it begins anew */
        assert_false(is_open(&b, later));
}

static void a_probe_that_fails_opens_it_for_longer(void **state)
{
        (void)state;
        bool probe;
        uint64_t now = T0;
        struct breaker b = opened();
        for (uint64_t open_ms = BREAKER_OPEN_MIN_MS * 2, i = 0; i < 8; i++, open_ms *= 2) {
                now += breaker_open_ms(&b, now);
                assert_int_equal(breaker_take(&b, now, 0, &probe), 0);
                assert_false(breaker_report(&b, true, BREAKER_FAILED, now, UINT64_MAX));
                const uint64_t most = open_ms < BREAKER_OPEN_MAX_MS ? open_ms : BREAKER_OPEN_MAX_MS;
                assert_in_range(breaker_open_ms(&b, now), most * 3 / 4, most);
        }
}

static void a_probe_that_was_taken_back_makes_way_for_the_next(void **state)
{
        (void)state;
        bool probe;
        struct breaker b = opened();
        const uint64_t later = T0 + breaker_open_ms(&b, T0);
        assert_int_equal(breaker_take(&b, later, 0, &probe), 0);
        assert_false(breaker_report(&b, true, BREAKER_NEITHER, later, 0));
        assert_int_equal(breaker_take(&b, later, 0, &probe), 0);
        assert_true(probe);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(it_opens_when_most_calls_fail),
                cmocka_unit_test(it_opens_when_many_fail_in_a_row),
                cmocka_unit_test(what_is_older_than_the_window_is_forgotten),
                cmocka_unit_test(while_open_nobody_gets_through),
                cmocka_unit_test(then_one_call_at_a_time_finds_out),
                cmocka_unit_test(a_probe_that_fails_opens_it_for_longer),
                cmocka_unit_test(a_probe_that_was_taken_back_makes_way_for_the_next),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
