/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/run/excuse.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { NOW = 1000000, PATIENCE = 60000 };

#define NOTHING_WHOLE(ago)                                                         \
        {                                                                          \
                .verdict = AI_TRANSIENT, .elapsed_ms = 500, .served_ago_ms = (ago) \
        }
#define WHOLE(ago)                                                                                \
        {                                                                                         \
                .verdict = AI_TRANSIENT, .elapsed_ms = 500, .served_ago_ms = (ago), .whole = true \
        }
#define OUT(ago)                                                                                \
        {                                                                                       \
                .verdict = AI_TRANSIENT, .elapsed_ms = 500, .served_ago_ms = (ago), .out = true \
        }

static const struct {
        const char *name;
        struct ai_reply reply;
        struct task_failures before;
        unsigned retries;
        uint64_t patience_ms;
        unsigned excused, counted;
} ROWS[] = {
        /* the first failure: its own time says */
        { "nobody was ever served", NOTHING_WHOLE(AI_NEVER), { 0 }, 0, PATIENCE, 1, 0 },
        { "nobody while it was under way", NOTHING_WHOLE(500), { 0 }, 0, PATIENCE, 1, 0 },
        { "somebody while it was under way", NOTHING_WHOLE(499), { 0 }, 0, PATIENCE, 0, 1 },
        { "somebody, but the model is out", OUT(1), { 0 }, 0, PATIENCE, 1, 0 },
        /* later ones: the time since the last failure says */
        { "nobody since the last", NOTHING_WHOLE(3000), { 1, NOW - 9000, NOW - 3000 }, 1, PATIENCE, 2, 0 },
        { "somebody since the last", NOTHING_WHOLE(2999), { 1, NOW - 9000, NOW - 3000 }, 1, PATIENCE, 1, 1 },
        { "the fourth of its own", NOTHING_WHOLE(10), { 0, NOW - 9000, NOW - 3000 }, 3, PATIENCE, 0, 4 },
        { "the fourth, of an outage", NOTHING_WHOLE(AI_NEVER), { 3, NOW - 9000, NOW - 3000 }, 3, PATIENCE, 4, 0 },
        { "a worker that has just begun", NOTHING_WHOLE(AI_NEVER), { 0, NOW - 9000, NOW - 3000 }, 3, PATIENCE, 1, 3 },
        /* what is between the model and the message */
        { "an answer that breaks its schema", WHOLE(AI_NEVER), { 0 }, 0, PATIENCE, 0, 1 },
        { "the same while the model is out",
          { .verdict = AI_TRANSIENT, .whole = true, .out = true },
          { 0 },
          0,
          PATIENCE,
          0,
          1 },
        { "the task's own judgement", { .verdict = AI_OK, .served_ago_ms = AI_NEVER }, { 0 }, 0, PATIENCE, 0, 1 },
        /* its end */
        { "patience", NOTHING_WHOLE(AI_NEVER), { 7, NOW - PATIENCE + 1, NOW - 3000 }, 7, PATIENCE, 8, 0 },
        { "no more", NOTHING_WHOLE(AI_NEVER), { 7, NOW - PATIENCE, NOW - 3000 }, 7, PATIENCE, 7, 8 },
        { "none at all", OUT(AI_NEVER), { 0 }, 0, 0, 0, 1 },
        { "no more, few attempts", NOTHING_WHOLE(AI_NEVER), { 1, NOW - PATIENCE, NOW - 3000 }, 1, PATIENCE, 1, 2 },
        /* whoever was served since ends the run of failures with nobody served: the patience begins anew */
        { "served, after the patience", NOTHING_WHOLE(10), { 7, NOW - PATIENCE, NOW - 3000 }, 8, PATIENCE, 7, 2 },
        { "an answer, after the patience", WHOLE(0), { 7, NOW - PATIENCE, NOW - 3000 }, 8, PATIENCE, 7, 2 },
        { "served, then out, after the patience", OUT(10), { 7, NOW - PATIENCE, NOW - 3000 }, 7, PATIENCE, 7, 1 },
        /* what others may write */
        { "a failure in the future", NOTHING_WHOLE(0), { 0, NOW + 5000, NOW + 5000 }, 1, PATIENCE, 1, 1 },
        { "more excused than tried", NOTHING_WHOLE(10), { 99, NOW - 9000, NOW - 3000 }, 2, PATIENCE, 2, 1 },
        { "the longest row",
          NOTHING_WHOLE(AI_NEVER),
          { INT32_MAX, 1, NOW - 1 },
          INT32_MAX,
          UINT64_MAX,
          INT32_MAX + 1u,
          0 },
};

static void each_failure_is_weighed(void **state)
{
        (void)state;
        for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
                const struct failed_attempt a = { &ROWS[i].reply, NOW, ROWS[i].patience_ms };
                const struct task_failures after = excuse_add(&ROWS[i].before, ROWS[i].retries, &a);
                const unsigned counted = excuse_counted(&after, ROWS[i].retries, &a);
                if (after.excused != ROWS[i].excused || counted != ROWS[i].counted)
                        fail_msg("%s: %u excused, %u count", ROWS[i].name, after.excused, counted);
                assert_int_equal(after.last_ms, NOW);
                assert_true(after.first_ms > 0 && after.first_ms <= NOW);
        }
}

/* Alone, failing each time, tried every second: it ends when the patience does, with four attempts at least. */
static void who_breaks_it_alone_ends(void **state)
{
        (void)state;
        static const struct ai_reply reply = NOTHING_WHOLE(AI_NEVER);
        struct task_failures failures = { 0 };
        unsigned retries = 0;
        int64_t now_ms = NOW;
        for (;; retries++, now_ms += 1000) {
                const struct failed_attempt a = { &reply, now_ms, PATIENCE };
                failures = excuse_add(&failures, retries, &a);
                if (excuse_counted(&failures, retries, &a) > 3)
                        break;
        }
        assert_int_equal(now_ms, NOW + PATIENCE);
        assert_int_equal(retries, PATIENCE / 1000);
}

/* A long outage, hours in which others were served, a short outage: it costs at most the attempt that meets it first. */
static void a_second_outage_has_a_patience_of_its_own(void **state)
{
        (void)state;
        static const struct {
                int64_t at_ms;
                struct ai_reply reply;
                unsigned excused, counted;
        } attempts[] = {
                { 0, OUT(AI_NEVER), 1, 0 },
                { PATIENCE - 1, NOTHING_WHOLE(AI_NEVER), 2, 0 },
                { 5 * PATIENCE, WHOLE(0), 2, 1 },
                { 9 * PATIENCE, OUT(3 * PATIENCE), 2, 2 },
                { 9 * PATIENCE + 1000, OUT(3 * PATIENCE + 1000), 3, 2 },
                { 9 * PATIENCE + 2000, NOTHING_WHOLE(3 * PATIENCE + 2000), 4, 2 },
        };
        struct task_failures failures = { 0 };
        for (unsigned i = 0; i < sizeof(attempts) / sizeof(attempts[0]); i++) {
                const struct failed_attempt a = { &attempts[i].reply, NOW + attempts[i].at_ms, PATIENCE };
                failures = excuse_add(&failures, i, &a);
                assert_int_equal(failures.excused, attempts[i].excused);
                assert_int_equal(excuse_counted(&failures, i, &a), attempts[i].counted);
        }
}

/* It takes the model out each time, and others are served in between: one attempt counts for each length of the patience. */
static void who_breaks_it_beside_others_ends(void **state)
{
        (void)state;
        static const struct ai_reply reply = OUT(500);
        struct task_failures failures = { 0 };
        int64_t now_ms = NOW;
        for (unsigned retries = 0;; retries++, now_ms += 1000) {
                const struct failed_attempt a = { &reply, now_ms, PATIENCE };
                failures = excuse_add(&failures, retries, &a);
                if (excuse_counted(&failures, retries, &a) > 3)
                        break;
        }
        assert_int_equal(now_ms, NOW + 4 * PATIENCE);
}

static void an_outage_is_met_less_and_less_often(void **state)
{
        (void)state;
        static const struct {
                unsigned excused;
                uint64_t wait_ms;
        } waits[] = { { 0, 500 },   { 1, 500 },   { 2, 1000 },          { 6, 16000 },
                      { 7, 32000 }, { 8, 32000 }, { UINT32_MAX, 32000 } };
        for (size_t i = 0; i < sizeof(waits) / sizeof(waits[0]); i++)
                assert_int_equal(excuse_wait_ms(waits[i].excused), waits[i].wait_ms);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(each_failure_is_weighed),
                cmocka_unit_test(who_breaks_it_alone_ends),
                cmocka_unit_test(who_breaks_it_beside_others_ends),
                cmocka_unit_test(a_second_outage_has_a_patience_of_its_own),
                cmocka_unit_test(an_outage_is_met_less_and_less_often),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
