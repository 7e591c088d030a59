/* SPDX-License-Identifier: Apache-2.0 */
/* What rows mean, as tables: what a claim found, and what an operator's wish finds. */
#include "store/meaning.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const struct dead_action requeue = { "requeue", "requeued", true }, discard = { "discard", "discarded", false };

static void a_claim_means_what_its_row_says(void **state)
{
        static const struct {
                unsigned nesting, retries;
                struct claim_seen seen;
                enum claim_verdict verdict;
        } cases[] = {
                { 0, 0, { "STARTED", true, 0, 0 }, CLAIM_GRANTED },
                { 0, 2, { "STARTED", true, 2, 0 }, CLAIM_GRANTED },
                { 0, 0, { "STARTED", false, 0, 0 }, CLAIM_LEASED },
                { 0, 3, { "STARTED", false, 2, 0 }, CLAIM_LEASED },
                { 0, 1, { "STARTED", false, 2, 0 }, CLAIM_SUPERSEDED },
                { 0, 0, { "RETRY", false, 1, 0 }, CLAIM_SUPERSEDED },
                { 0, 0, { "SUCCESS", false, 0, 0 }, CLAIM_DONE },
                { 0, 0, { "SUCCESS", false, 4, 0 }, CLAIM_DONE },
                { 0, 0, { "FAILURE", false, 4, 0 }, CLAIM_DEAD },
                { 0, 0, { "REVOKED", false, 0, 0 }, CLAIM_REVOKED },
                { 0, 0, { "SUCCESS", false, 0, 1 }, CLAIM_SUPERSEDED },
                { 0, 0, { "PENDING", false, 0, 1 }, CLAIM_SUPERSEDED },
                { 1, 0, { "SUCCESS", false, 0, 1 }, CLAIM_DONE },
                { 1, 0, { "STARTED", true, 0, 1 }, CLAIM_GRANTED },
                { 2, 0, { "STARTED", true, 0, 1 }, CLAIM_GRANTED },
        };
        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++) {
                const struct claim claim = { .nesting = cases[i].nesting, .retries = cases[i].retries };
                assert_int_equal(claim_verdict_of(&claim, &cases[i].seen), cases[i].verdict);
        }
        assert_int_equal(claim_wait_ms(7), 7);
        assert_int_equal(claim_wait_ms(0), CLAIM_AGAIN_MS);
        assert_int_equal(claim_wait_ms(-5), CLAIM_AGAIN_MS);
}

static void an_entry_is_settled_by_what_it_is(void **state)
{
        enum { HERE = DEAD_SEEN | DEAD_SEEN_KEPT };
        static const struct {
                unsigned seen;
                enum dead_outcome requeue, discard;
        } cases[] = {
                { 0, DEAD_MISSING, DEAD_MISSING },
                { DEAD_SEEN, DEAD_SETTLED, DEAD_SETTLED },
                { DEAD_SEEN | DEAD_SEEN_RESOLVED, DEAD_SETTLED, DEAD_SETTLED },
                { DEAD_SEEN | DEAD_SEEN_MINE, DEAD_DONE, DEAD_DONE },
                { DEAD_SEEN | DEAD_SEEN_MINE | DEAD_SEEN_RESOLVED, DEAD_SUCCEEDED, DEAD_SUCCEEDED },
                { HERE, DEAD_DONE, DEAD_DONE },
                { HERE | DEAD_SEEN_FOLLOWED, DEAD_DONE, DEAD_DONE },
                { HERE | DEAD_SEEN_CHANGED, DEAD_CHANGED, DEAD_CHANGED },
                { HERE | DEAD_SEEN_CHANGED | DEAD_SEEN_REVOKED, DEAD_CHANGED, DEAD_CHANGED },
                { HERE | DEAD_SEEN_REVOKED | DEAD_SEEN_WAITS, DEAD_REVOKED, DEAD_DONE },
                { HERE | DEAD_SEEN_SUCCEEDED, DEAD_RESUMED, DEAD_DONE },
                { HERE | DEAD_SEEN_SUCCEEDED | DEAD_SEEN_FOLLOWED | DEAD_SEEN_WAITS, DEAD_SUCCEEDED, DEAD_DONE },
                { HERE | DEAD_SEEN_SUCCEEDED | DEAD_SEEN_WAITS, DEAD_WAITING, DEAD_DONE },
                { HERE | DEAD_SEEN_LEASED | DEAD_SEEN_WAITS, DEAD_ALIVE, DEAD_DONE },
                { HERE | DEAD_SEEN_WAITS, DEAD_WAITING, DEAD_DONE },
                { HERE | DEAD_SEEN_AGAIN, DEAD_WAITING, DEAD_DONE },
                { HERE | DEAD_SEEN_SUCCEEDED | DEAD_SEEN_AGAIN, DEAD_WAITING, DEAD_DONE },
        };
        (void)state;
        for (size_t i = 0; i < COUNT(cases); i++) {
                assert_int_equal(dead_outcome_of(&requeue, cases[i].seen), cases[i].requeue);
                assert_int_equal(dead_outcome_of(&discard, cases[i].seen), cases[i].discard);
        }
}

static void what_an_outcome_does_to_the_entry(void **state)
{
        (void)state;
        assert_string_equal(dead_outcome_state(&requeue, DEAD_DONE), "requeued");
        assert_string_equal(dead_outcome_state(&requeue, DEAD_RESUMED), "requeued");
        assert_string_equal(dead_outcome_state(&requeue, DEAD_SUCCEEDED), "resolved");
        assert_string_equal(dead_outcome_state(&discard, DEAD_DONE), "discarded");
        for (enum dead_outcome o = DEAD_DONE; o <= DEAD_MISSING; o++)
                assert_int_equal(dead_outcome_changes(o), o == DEAD_DONE || o == DEAD_RESUMED || o == DEAD_SUCCEEDED);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_claim_means_what_its_row_says),
                cmocka_unit_test(an_entry_is_settled_by_what_it_is),
                cmocka_unit_test(what_an_outcome_does_to_the_entry),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
