/* SPDX-License-Identifier: Apache-2.0 */
/* A worker takes up a catalogue that was built beside the one in use: what runs ends as it began, what comes next is the new one's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "catalog/catalog.h"
#include "tests/unit/task_try.h"
#include "tests/unit/worker_fakes.h"

#include <stdlib.h>
#include <string.h>

/* ---- two catalogues whose task `say` says different things ---- */

static int say_ask(const struct task_input *in, struct ai_request *request, struct problem *why)
{
        (void)why;
        return ask_begin(in, request);
}

static int say_conclude(const struct task_input *in, const struct ai_reply *reply, struct outcome *out,
                        struct problem *why)
{
        (void)in, (void)why;
        return outcome_section(out, "said", json_incref(reply->content));
}

static int say_old(const struct task_input *in, json_t **answer, struct problem *why)
{
        (void)in, (void)why;
        *answer = json_pack("{s:s}", "word", "old");
        return *answer ? 0 : -ENOMEM;
}

static int say_new(const struct task_input *in, json_t **answer, struct problem *why)
{
        (void)in, (void)why;
        *answer = json_pack("{s:s}", "word", "new");
        return *answer ? 0 : -ENOMEM;
}

static int go_run(const struct task_input *in, struct outcome *out, struct problem *why)
{
        (void)in, (void)why;
        return outcome_section(out, "said", json_string("gone"));
}

#define SAY                                                                                                        \
        .queue = "chard.tasks", .deadline_ms = 1000, .adds = { "said" }, .ask = say_ask, .conclude = say_conclude, \
        .schema = "{\"type\": \"object\", \"properties\": {\"word\": {\"type\": \"string\"}},"                     \
                  " \"required\": [\"word\"], \"additionalProperties\": false}"

static const struct task_def say_before = { .name = "say", SAY, .offline = say_old },
                             say_after = { .name = "say", SAY, .offline = say_new },
                             gone = { .name = "gone", SAY, .offline = say_old },
                             first = { .name = "first", .queue = "chard.tasks", .deadline_ms = 1, .run = go_run };
static const struct task_def *const old_tasks[] = { &say_before, &gone, NULL };
static const struct task_def *const new_tasks[] = { &first, &say_after, NULL };

static const struct domain old_domain = { .name = "a", .tasks = old_tasks },
                           new_domain = { .name = "a", .tasks = new_tasks };

static struct catalog *made_of(const struct domain *domain)
{
        static const struct pipeline *const none[] = { NULL };
        const struct domain *const domains[] = { domain, NULL };
        const struct catalog_source source = { domains, none, NULL };
        struct problem why = { 0 };
        struct catalog *made = NULL;
        if (catalog_new(&made, &source, &why) != 0)
                fail_msg("%s", why.text);
        return made;
}

/* ---- a worker of the old one ---- */

static void open_worker(struct bench *b)
{
        bench_open(b);
        bench_open_ai(b);
        b->config.lease_slack_ms = 10000;
        b->worker.catalog = made_of(&old_domain);
        b->worker.rates = calloc(3, sizeof(*b->worker.rates));
        assert_non_null(b->worker.rates);
}

static void take_up(struct bench *b, const struct domain *domain)
{
        struct catalog *built = made_of(domain);
        assert_int_equal(worker_use(&b->worker, built), 0);
        catalog_unref(built); /* the worker has its own reference */
}

static void answer(struct bench *b)
{
        while (ai_in_flight(b->worker.ai) > 0)
                uv_run(&b->loop, UV_RUN_ONCE);
        fake_answer_all();
}

static void close_worker(struct bench *b)
{
        free(b->worker.rates);
        ai_close(b->worker.ai);
        bench_close(b);
        catalog_unref(b->worker.catalog);
}

static void what_runs_keeps_the_catalogue_that_it_began_with(void **state)
{
        (void)state;
        static const char *const tasks[] = { "say", "gone" };
        for (size_t i = 0; i < sizeof(tasks) / sizeof(tasks[0]); i++) {
                struct bench b;
                open_worker(&b);
                bench_deliver(&b, tasks[i], "[[],{},{}]", false);
                assert_int_equal(ai_in_flight(b.worker.ai), 1);
                take_up(&b, &new_domain);
                answer(&b);
                assert_int_equal(fake.acked, 1);
                if (!strstr(fake.last_result, "\"word\":\"old\"") && !strstr(fake.last_result, "\"word\": \"old\""))
                        fail_msg("%s: %s", tasks[i], fake.last_result);
                close_worker(&b);
        }
}

static void what_comes_next_is_the_new_one_s(void **state)
{
        (void)state;
        static const struct {
                const char *task, *says;
        } rows[] = { { "say", "new" }, { "first", "gone" }, { "gone", "NotRegistered" } };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct bench b;
                open_worker(&b);
                take_up(&b, &new_domain);
                bench_deliver(&b, rows[i].task, "[[],{},{}]", false);
                answer(&b);
                answer(&b);
                assert_int_equal(fake.acked, 1);
                if (!strstr(fake.last_result, rows[i].says))
                        fail_msg("%s: %s", rows[i].task, fake.last_result);
                close_worker(&b);
        }
}

/* Each task is found at another place in the new one. */
static void counts_of_tasks_that_are_in_both_go_on(void **state)
{
        (void)state;
        struct bench b;
        static const struct rates ok = { .ok = 1 }, failed = { .failed = 1 };
        struct rates sums;
        open_worker(&b);
        rates_count(&b.worker.rates[catalog_task(b.worker.catalog, "say")->index], &ok, 1000);
        rates_count(&b.worker.rates[catalog_task(b.worker.catalog, "gone")->index], &failed, 1000);
        take_up(&b, &new_domain);
        sums = rates_sum(&b.worker.rates[catalog_task(b.worker.catalog, "say")->index], 1000);
        assert_int_equal(sums.ok, 1);
        assert_int_equal(sums.failed, 0);
        sums = rates_sum(&b.worker.rates[catalog_task(b.worker.catalog, "first")->index], 1000);
        assert_int_equal(sums.ok + sums.failed, 0);
        close_worker(&b);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_runs_keeps_the_catalogue_that_it_began_with),
                cmocka_unit_test(what_comes_next_is_the_new_one_s),
                cmocka_unit_test(counts_of_tasks_that_are_in_both_go_on),
        };
        return cmocka_run_group_tests(tests, build_shipped, NULL);
}
