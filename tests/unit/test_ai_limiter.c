/* SPDX-License-Identifier: Apache-2.0 */
#include "ai/gate/limiter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { T0 = 1000000, RAMP_MS = LIMITER_RAMP_STEP_MS * LIMITER_RAMP_STEPS };

static void nothing_is_paused_at_first(void **state)
{
        (void)state;
        struct limiter l = { 0 };
        assert_int_equal(limiter_paused_ms(&l, 0), 0);
        for (int i = 0; i < 100000; i++)
                assert_int_equal(limiter_take(&l, 0, 0), 0);
}

static void a_pause_lasts_as_long_as_the_provider_asks(void **state)
{
        (void)state;
        struct limiter l = { 0 };
        limiter_pause(&l, T0 - 50, 30000, T0, 0);
        assert_int_equal(limiter_paused_ms(&l, T0), 30000);
        assert_int_equal(limiter_take(&l, T0 + 1, 0), 29999);
        assert_int_equal(limiter_take(&l, T0 + 29999, 0), 1);
        assert_int_equal(limiter_paused_ms(&l, T0 + 30000), 0);
        assert_int_equal(limiter_take(&l, T0 + 30000, 0), 0);
}

static void a_pause_without_a_length_grows_while_nothing_succeeds(void **state)
{
        (void)state;
        static const uint64_t most[] = { 2000, 4000, 8000, 16000, 20000, 20000, 20000 };
        struct limiter l = { 0 };
        uint64_t now = T0;
        for (size_t i = 0; i < sizeof(most) / sizeof(most[0]); i++) {
                struct limiter shortest = l, longest = l;
                limiter_pause(&shortest, now, 0, now, 0);
                limiter_pause(&longest, now, 0, now, most[i] / 2);
                assert_int_equal(limiter_paused_ms(&shortest, now), most[i] / 2);
                assert_int_equal(limiter_paused_ms(&longest, now), most[i]);
                assert_in_range(limiter_paused_ms(&shortest, now), LIMITER_PAUSE_MIN_MS, LIMITER_PAUSE_MAX_MS);
                l = longest;
                now += limiter_paused_ms(&l, now);
        }
        limiter_succeeded(&l, now);
        limiter_pause(&l, now, 0, now, 0);
        assert_int_equal(limiter_paused_ms(&l, now), LIMITER_PAUSE_MIN_MS);
}

static void calls_under_way_belong_to_the_pause_they_caused(void **state)
{
        (void)state;
        struct limiter l = { 0 };
        for (int i = 0; i < 5000; i++) /* all began before the first came back */
                limiter_pause(&l, T0 - 1000, 0, T0 + (uint64_t)i / 10, 0);
        assert_int_equal(l.pauses, 1);
        assert_int_equal(limiter_paused_ms(&l, T0), 1000);
        limiter_succeeded(&l, T0 - 1000); /* a late success of theirs says nothing about now */
        assert_int_equal(l.pauses, 1);
        limiter_pause(&l, T0 - 1000, 7000, T0 + 600, 0); /* but a longer wait is heard */
        assert_int_equal(limiter_paused_ms(&l, T0), 7600);
        limiter_pause(&l, T0 - 1000, 100, T0 + 600, 0); /* and a shorter one is not */
        assert_int_equal(limiter_paused_ms(&l, T0), 7600);
}

static unsigned let_in(struct limiter *l, uint64_t now_ms)
{
        unsigned count = 0;
        while (count < 100000 && limiter_take(l, now_ms, 0) == 0)
                count++;
        return count;
}

static void after_a_pause_calls_come_in_by_and_by(void **state)
{
        (void)state;
        struct limiter l = { 0 };
        limiter_pause(&l, T0, 1000, T0, 0);
        const uint64_t end = T0 + 1000;
        assert_int_equal(let_in(&l, end), LIMITER_RAMP_FIRST);
        assert_int_equal(let_in(&l, end + LIMITER_RAMP_STEP_MS - 1), 0);
        assert_int_equal(let_in(&l, end + LIMITER_RAMP_STEP_MS), LIMITER_RAMP_FIRST);
        assert_int_equal(let_in(&l, end + 2 * LIMITER_RAMP_STEP_MS), 2 * LIMITER_RAMP_FIRST);
        assert_int_equal(let_in(&l, end + RAMP_MS), 100000);
}

static void those_turned_away_are_spread_over_the_ramp(void **state)
{
        (void)state;
        struct limiter l = { 0 };
        limiter_ramp(&l, T0);
        let_in(&l, T0);
        uint64_t least = UINT64_MAX, most = 0;
        for (uint64_t random = 0; random < 10000; random++) {
                const uint64_t wait = limiter_take(&l, T0 + 10, random);
                least = wait < least ? wait : least;
                most = wait > most ? wait : most;
        }
        assert_int_equal(least, LIMITER_RAMP_STEP_MS - 10);
        assert_int_equal(most, RAMP_MS - 10);
        assert_int_equal(limiter_paused_ms(&l, T0 + 10), 0); /* it is no pause: ask, and perhaps be let in */
}

static void a_429_during_the_ramp_pauses_again(void **state)
{
        (void)state;
        struct limiter l = { 0 };
        limiter_pause(&l, T0, 1000, T0, 0);
        limiter_take(&l, T0 + 1000, 0);
        limiter_pause(&l, T0 + 1000, 500, T0 + 1100, 0);
        assert_int_equal(l.pauses, 2);
        assert_int_equal(limiter_paused_ms(&l, T0 + 1100), 500);
        assert_int_equal(let_in(&l, T0 + 1600), LIMITER_RAMP_FIRST);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(nothing_is_paused_at_first),
                cmocka_unit_test(a_pause_lasts_as_long_as_the_provider_asks),
                cmocka_unit_test(a_pause_without_a_length_grows_while_nothing_succeeds),
                cmocka_unit_test(calls_under_way_belong_to_the_pause_they_caused),
                cmocka_unit_test(after_a_pause_calls_come_in_by_and_by),
                cmocka_unit_test(those_turned_away_are_spread_over_the_ramp),
                cmocka_unit_test(a_429_during_the_ramp_pauses_again),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
