/* SPDX-License-Identifier: Apache-2.0 */
/* What a door counts of its calls, whichever backend is behind it: groups as they end, their sizes, their times, refusals. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/door_counts.h"

struct ended {
        uint64_t took_us;
        unsigned calls, errors;
};

static const struct ended ended[] = {
        { 100, 1, 0 }, { 3000, 7, 2 }, { 40000000, 2000, 2000 }, { 250, 0, 0 }, { 900, 3, 0 }
};

/* A group that has ended as a whole. / Call by call, as a broker hears of its confirms: the group first, then who was in it. */
static void count_whole(struct door_counts *c, const struct ended *e)
{
        door_counts_add(c, e->calls, e->errors, e->took_us);
}

static void count_each(struct door_counts *c, const struct ended *e)
{
        door_counts_group(c, e->took_us);
        for (unsigned i = 0; i < e->calls; i++)
                door_counts_calls(c, 1, i < e->errors);
}

static uint64_t in_histogram(const struct histogram *h)
{
        uint64_t sum = 0;
        for (size_t i = 0; i <= h->buckets->count; i++)
                sum += h->counts[i];
        return sum;
}

static void groups_are_counted_alike_whole_or_call_by_call(void **state)
{
        (void)state;
        static void (*const ways[])(struct door_counts *, const struct ended *) = { count_whole, count_each };
        for (size_t way = 0; way < 2; way++) {
                struct door_counts c = { 0 };
                for (size_t i = 0; i < sizeof(ended) / sizeof(ended[0]); i++)
                        ways[way](&c, &ended[i]);
                assert_int_equal(c.calls, 2011);
                assert_int_equal(c.errors, 2002);
                assert_int_equal(c.groups, 5);
                assert_int_equal(c.total_us, 40004250);
                assert_int_equal(c.last_us, 900);
                assert_int_equal(c.losses, 0);
                assert_int_equal(in_histogram(&c.seconds), 5);
                assert_int_equal(c.seconds.counts[0], 2); /* up to 0.25 ms */
                assert_int_equal(c.seconds.counts[door_seconds.count], 1);
                assert_int_equal(in_histogram(&c.sizes),
                                 3); /* an empty one has none, and the last one's is still open */
                assert_int_equal(c.sizes.counts[0], 1);
                assert_int_equal(c.sizes.counts[3], 1);
                assert_int_equal(c.sizes.counts[door_sizes.count], 1);
                assert_int_equal((int)c.sizes.sum, 2008);
                door_counts_group(&c, 1);
                assert_int_equal((int)c.sizes.sum, 2011);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = { cmocka_unit_test(groups_are_counted_alike_whole_or_call_by_call) };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
