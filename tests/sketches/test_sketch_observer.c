/* SPDX-License-Identifier: Apache-2.0 */
/* A sketch: how somebody new adds an observer. It needs this one file: whoever opens a worker hands it over with
 * the rest of what he wants (worker_config.observers). Here an observer that adds up what each job has cost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/task_try.h"
#include "tests/unit/worker_fakes.h"
#include "worker/observe.h"

#include <string.h>

struct cost {
        struct observer observer; /* first, so that tell() finds the rest */
        char job[64];
        unsigned calls, done;
        int64_t nano;
};

static void cost_tell(struct observer *o, const struct run_event *e)
{
        struct cost *c = (struct cost *)o;
        snprintf(c->job, sizeof(c->job), "%s", e->ids.root_id);
        if (e->kind == RUN_ANSWERED) {
                c->calls++;
                c->nano += e->usage.cost_nano;
        } else {
                c->done++;
        }
}

static void a_new_observer_is_one_file(void **state)
{
        (void)state;
        struct cost cost = { .observer = { .kinds = RUN_BIT(RUN_ANSWERED) | RUN_BIT(RUN_COMMITTED),
                                           .tell = cost_tell } };
        struct bench b;
        bench_open(&b);
        observing_add(&b.worker.observing, &cost.observer);
        bench_deliver(&b, "chard.add", "[[1,2],{},{}]", false);
        fake_answer_all();
        assert_string_equal(cost.job, "i");
        assert_int_equal(cost.done, 1);
        assert_int_equal(cost.calls, 0);
        bench_close(&b);
}

int main(void)
{
        const struct CMUnitTest tests[] = { cmocka_unit_test(a_new_observer_is_one_file) };
        return cmocka_run_group_tests(tests, build_shipped, NULL);
}
