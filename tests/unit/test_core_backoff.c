/* SPDX-License-Identifier: Apache-2.0 */
#include "core/backoff.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

/* `most` is the largest wait: random bits that equal it give it, one more gives 0. */
static const struct {
        uint64_t base_ms, cap_ms;
        unsigned failures;
        uint64_t most;
} ROWS[] = {
        { 1000, 60000, 0, 1000 },
        { 1000, 60000, 1, 2000 },
        { 1000, 60000, 5, 32000 },
        { 1000, 60000, 6, 60000 },
        { 1000, 60000, 7, 60000 },
        { 1000, 60000, 62, 60000 },
        { 1000, 60000, 63, 60000 },
        { 1000, 60000, 64, 60000 },
        { 1000, 60000, UINT32_MAX, 60000 },
        { 1000, 1000, 0, 1000 },
        { 1000, 10, 0, 10 },
        { 1000, 0, 3, 0 },
        { 0, 60000, 0, 0 },
        { 0, 60000, 10, 0 },
        { 0, 60000, 100, 0 },
        { 1, UINT64_MAX - 1, 62, 1ULL << 62 },
        { 1, UINT64_MAX - 1, 63, 1ULL << 63 },
        { 3, UINT64_MAX - 1, 63, UINT64_MAX - 1 },
        { UINT64_MAX, 60000, 1, 60000 },
};

static void both_ends_are_reached_and_nothing_more(void **state)
{
        (void)state;
        for (size_t i = 0; i < sizeof(ROWS) / sizeof(*ROWS); i++) {
                const uint64_t base = ROWS[i].base_ms, cap = ROWS[i].cap_ms, most = ROWS[i].most;
                const unsigned failures = ROWS[i].failures;
                if (backoff_ms(base, cap, failures, 0) != 0 || backoff_ms(base, cap, failures, most) != most ||
                    backoff_ms(base, cap, failures, most + 1) != 0 ||
                    backoff_ms(base, cap, failures, UINT64_MAX) > most)
                        fail_msg("row %zu", i);
        }
}

static void without_a_cap_all_bits_count(void **state)
{
        (void)state;
        assert_true(backoff_ms(UINT64_MAX, UINT64_MAX, 0, UINT64_MAX) == UINT64_MAX);
        assert_true(backoff_ms(2, UINT64_MAX, 64, 12345) == 12345);
}

/* Full jitter: each tenth of the range gets about a tenth of the choices. */
static void the_choice_is_uniform(void **state)
{
        (void)state;
        enum { ROUNDS = 100000, PARTS = 10 };
        unsigned counts[PARTS] = { 0 };
        uint64_t random = 88172645463325252ULL; /* xorshift64, so that every run is the same */
        for (int i = 0; i < ROUNDS; i++) {
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                counts[backoff_ms(1000, 60000, 4, random) * PARTS / 16001]++;
        }
        for (int i = 0; i < PARTS; i++)
                assert_in_range(counts[i], ROUNDS / PARTS - 500, ROUNDS / PARTS + 500);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(both_ends_are_reached_and_nothing_more),
                cmocka_unit_test(without_a_cap_all_bits_count),
                cmocka_unit_test(the_choice_is_uniform),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
