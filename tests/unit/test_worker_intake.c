/* SPDX-License-Identifier: Apache-2.0 */
/* A message meets the run of the same task that is in hand here: does it wait behind that run, or is it a copy that nobody needs? */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/task_try.h"
#include "tests/unit/worker_fakes.h"

#include <stdlib.h>

struct copy {
        unsigned retries, nesting;
        const char *revived; /* the death that it was brought back from, or NULL */
};

static void deliver(struct bench *b, const struct copy *c, struct made *made)
{
        struct buffer table = { 0 };
        header_add_text(&table, "task", bytes_of_string("chard.add"));
        header_add_text(&table, "id", bytes_of_string("i"));
        header_add_number(&table, "retries", c->retries);
        header_add_number(&table, "replaced_task_nesting", c->nesting);
        if (c->revived)
                header_add_text(&table, "deadBefore", bytes_of_string(c->revived));
        *made = make_message(buffer_view(&table), bytes_of_string("[[1,2],{},{}]"));
        buffer_free(&table);
        struct delivery *d = calloc(1, sizeof(*d));
        assert_non_null(d);
        d->queue = "chard.tasks";
        d->properties = buffer_view(&made->properties);
        d->body = buffer_view(&made->body);
        intake_deliveries(d, &b->worker);
}

/* The run in hand has died, and its dead letter is on its way out, so long as the test likes. */
static void what_meets_a_run_in_hand(void **state)
{
        (void)state;
        static const struct {
                struct copy running, newcomer;
                bool waits;
        } rows[] = {
                { { 0, 0, NULL }, { 0, 0, NULL }, false },
                { { 1, 0, NULL }, { 0, 0, NULL }, false },
                { { 0, 0, NULL }, { 1, 0, NULL }, true },
                { { 0, 0, NULL }, { 0, 1, NULL }, true },
                /* requeued while the run that died still tells its result */
                { { 0, 0, NULL }, { 0, 0, "d1" }, true },
                { { 3, 0, NULL }, { 0, 0, "d1" }, true },
                { { 0, 1, NULL }, { 0, 0, "d1" }, true },
                { { 0, 0, "d1" }, { 0, 0, "d2" }, true },
                { { 3, 0, "d1" }, { 0, 0, "d2" }, true },
                /* of the same death, or of none: a copy */
                { { 0, 0, "d1" }, { 0, 0, "d1" }, false },
                { { 1, 0, "d1" }, { 0, 0, "d1" }, false },
                { { 0, 0, "d1" }, { 0, 0, NULL }, false },
                /* within a life that began with a requeue it is as in the first one */
                { { 0, 0, "d1" }, { 1, 0, "d1" }, true },
                { { 0, 0, "d1" }, { 0, 1, "d1" }, true },
                { { 0, 1, "d1" }, { 3, 0, "d1" }, false },
                /* what replaced it begins its retries anew; what it replaced is older, however often it was tried */
                { { 2, 0, NULL }, { 0, 1, NULL }, true },
                { { 0, 1, NULL }, { 3, 0, NULL }, false },
                /* which of two deaths was the later one only the store knows */
                { { 0, 0, "d2" }, { 0, 0, "d1" }, true },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct bench b;
                struct made first, second;
                bench_open(&b);
                fake.claim = CLAIM_DEAD;
                deliver(&b, &rows[i].running, &first);
                assert_int_equal(fake.published, 1);
                fake.claim = CLAIM_GRANTED;
                deliver(&b, &rows[i].newcomer, &second);
                if (fake.acked != !rows[i].waits)
                        fail_msg("row %zu: %s", i, fake.acked ? "acked" : "waits");
                fake_answer_all();
                assert_int_equal(fake.acked, 2);
                assert_int_equal(b.worker.run_count, 0);
                bench_close(&b);
                made_free(&first);
                made_free(&second);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_meets_a_run_in_hand),
        };
        return cmocka_run_group_tests(tests, build_shipped, NULL);
}
