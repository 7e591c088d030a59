/* SPDX-License-Identifier: Apache-2.0 */
/* Topic keys, as RabbitMQ matches them; and the table of what is unacked. */
#include "broker/embedded/held.h"
#include "broker/embedded/route.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void keys_match_by_words(void **state)
{
        static const struct {
                const char *pattern, *key;
                bool matches;
        } cases[] = {
                { "scan.vision", "scan.vision", true },
                { "scan.vision", "scan.visio", false },
                { "scan.vision", "scan", false },
                { "scan", "scan.vision", false },
                { "", "", true },
                { "", "a", false },
                { "#", "", true },
                { "#", "a", true },
                { "#", "a.b.c", true },
                { "*", "a", true },
                { "*", "a.b", false },
                { "*", "", true }, /* one empty word */
                { "*.b", "a.b", true },
                { "*.b", "a.c", false },
                { "a.*.c", "a.b.c", true },
                { "a.*.c", "a.c", false },
                { "#.scan.vision", "scan.vision", true },
                { "#.scan.vision", "0.1.0.scan.vision", true },
                { "#.scan.vision", "0.1.0.scan.visions", false },
                { "#.scan.vision", "0.1.0.xscan.vision", false },
                { "a.#", "a", true },
                { "a.#", "a.b.c", true },
                { "a.#", "b", false },
                { "a.#.z", "a.z", true },
                { "a.#.z", "a.z.y", false },
                { "a.#.z", "a.z.y.z", true },
                { "#.a.#.b.#", "x.a.y.b.z", true },
                { "#.a.#.b.#", "x.b.y.a.z", false },
                { "#.*", "a.b", true },
                { "#.*.#", "a", true },
                { "*.1.#", "0.1.2", true },
                { "*.1.#", "0.0.1", false },
                { "a.#.#", "a", true },
                { "a..b", "a..b", true },
                { "a.*.b", "a..b", true },
        };
        (void)state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
                if (route_matches(cases[i].pattern, cases[i].key) != cases[i].matches)
                        fail_msg("%s and %s", cases[i].pattern, cases[i].key);
}

/* In and out in an order that has nothing to do with the numbers. */
static void what_is_held_is_found_once(void **state)
{
        enum { COUNT = 5000 };
        struct embedded_held h = { 0 };
        struct held_entry out;
        (void)state;
        assert_false(held_take(&h, 1, &out));
        for (uint64_t round = 0; round < 3; round++) {
                assert_int_equal(held_reserve(&h, COUNT), 0);
                for (int64_t i = 1; i <= COUNT; i++)
                        assert_int_equal(held_add(&h, NULL, i * 10), round * COUNT + (uint64_t)i);
                for (uint64_t i = 0; i < COUNT; i++) {
                        const uint64_t number = round * COUNT + i * 7919 % COUNT + 1;
                        assert_true(held_take(&h, number, &out));
                        assert_int_equal(out.id, (number - round * COUNT) * 10);
                        assert_false(held_take(&h, number, &out));
                }
                assert_int_equal(h.count, 0);
        }
        assert_false(held_take(&h, 0, &out));
        held_free(&h);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(keys_match_by_words),
                cmocka_unit_test(what_is_held_is_found_once),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
