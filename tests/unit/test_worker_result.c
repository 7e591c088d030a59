/* SPDX-License-Identifier: Apache-2.0 */
/* A task's end without any server: the store, the broker and the results are fakes that answer as they are told, at once or when the test says so. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/json.h"
#include "tests/unit/short_memory.h"
#include "tests/unit/task_try.h"
#include "tests/unit/worker_fakes.h"

#include <string.h>

#define SIGNATURE(task)                                                                        \
        "{\"task\":\"" task "\",\"args\":[],\"kwargs\":{},\"options\":{\"task_id\":\"id-" task \
        "\"},\"subtask_type\":null}"
#define BODY \
        "{\"task\":\"chard.same\",\"args\":[],\"kwargs\":{},\"options\":{\"task_id\":\"body\"},\"subtask_type\":null}"
#define CHORD                                                                                                              \
        "{\"task\":\"celery.chord\",\"args\":[],\"kwargs\":{\"header\":{\"task\":\"celery.group\",\"args\":[],\"kwargs\":" \
        "{\"tasks\":[" SIGNATURE("chard.add") "," SIGNATURE(                                                               \
                "chard.same") "]},\"options\":{\"task_id\":\"gg\"},\"subtask_type\":\"group\"},"                           \
                              "\"body\":" BODY "},\"options\":{\"task_id\":\"body\"},\"subtask_type\":\"chord\"}"

/* Whatever ran short: the task is acked once, or handed back once, and never both. Returns whether it was acked, as it must be where nothing did. */
static bool ended_well(void)
{
        holds_even_short(fake.acked + fake.handed_back == 1);
        return holds_unless_short(fake.acked == 1);
}

static void links_are_sent_before_the_ack(void **state)
{
        (void)state;
        struct bench b;
        bench_open(&b);
        bench_deliver(&b, "chard.add",
                      "[[1,2],{},{\"callbacks\":[" SIGNATURE("chard.add") "," SIGNATURE("chard.same") "]}]", false);
        fake_answer_all();
        if (ended_well())
                assert_int_equal(fake.published, 2);
        bench_close(&b);
}

static void a_chord_is_begun_before_its_parts_are_sent(void **state)
{
        (void)state;
        struct bench b;
        bench_open(&b);
        bench_deliver(&b, "chard.add", "[[1,2],{},{\"chain\":[" CHORD "]}]", false);
        fake_answer_all();
        if (ended_well()) {
                assert_int_equal(fake.begun, 1);
                assert_int_equal(fake.published, 2);
        }
        bench_close(&b);
}

/* The broker or the results may say at once, from inside of the call, that memory ran out: the run may be gone then. */
static void answers_from_inside_harm_nobody(void **state)
{
        (void)state;
        for (unsigned from = 0; from < 2; from++) { /* the dead letter, or what follows once that is confirmed */
                struct bench b;
                bench_open(&b);
                fake.at_once = from == 0;
                bench_deliver(&b, "chard.fail",
                              "[[\"no\"],{},{\"errbacks\":[" SIGNATURE("chard.failed") "," CHORD "," SIGNATURE(
                                      "chard.same") "]}]",
                              false);
                fake.at_once = true;
                fake_answer_all();
                assert_true(fake.acked <= from); /* not before its dead letter is there */
                holds_unless_short(fake.begun == from && fake.acked == from);
                bench_close(&b);
        }
}

static void a_failure_is_stored_whole_or_not_at_all(void **state)
{
        (void)state;
        struct bench b;
        bench_open(&b);
        bench_deliver(&b, "chard.fail",
                      "[[\"no\"],{},{\"errbacks\":[" SIGNATURE("chard.failed") "],\"chain\":[" CHORD
                                                                               "," SIGNATURE("chard.add") "]}]",
                      false);
        fake_answer_all();
        if (ended_well()) {
                assert_int_equal(fake.published, 2); /* the dead letter, and the errback */
                assert_true(fake.stored > 1);
        }
        bench_close(&b);
}

static void a_part_of_a_chord_is_counted(void **state)
{
        (void)state;
        struct bench b;
        bench_open(&b);
        bench_deliver(&b, "chard.add", "[[1],{},{\"chord\":" BODY "}]", true);
        fake_answer_all();
        if (ended_well())
                assert_int_equal(fake.parts, 1);
        bench_close(&b);
}

static void a_name_with_quotes_is_still_json(void **state)
{
        (void)state;
        struct bench b;
        struct run run = { .worker = &b.worker, .message = { .id = (char *)"i" } };
        bench_open(&b);
        run_store_started(&run);
        if (holds_unless_short(fake.stored == 1)) {
                json_decref(parse(fake.last_result));
                assert_non_null(strstr(fake.last_result, "w \\\"one\\\""));
        }
        fake_answer_all();
        bench_close(&b);
}

/* Its own result was written already when the store found it stale; meanwhile another worker has ended the task. */
static void a_result_of_another_takes_the_place_of_a_stale_one(void **state)
{
        (void)state;
        struct bench b;
        bench_open(&b);
        fake.commit = STORE_STALE;
        fake.claim_after_stale = CLAIM_DONE;
        bench_deliver(&b, "chard.add", "[[1,2],{},{}]", false);
        if (holds_unless_short(fake.stored > 0)) {
                json_t *value = parse(fake.last_result);
                assert_int_equal(json_integer_value(json_object_get(value, "result")), 7);
                json_decref(value);
        }
        fake_answer_all();
        ended_well();
        bench_close(&b);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(links_are_sent_before_the_ack),
                cmocka_unit_test(a_chord_is_begun_before_its_parts_are_sent),
                cmocka_unit_test(answers_from_inside_harm_nobody),
                cmocka_unit_test(a_failure_is_stored_whole_or_not_at_all),
                cmocka_unit_test(a_part_of_a_chord_is_counted),
                cmocka_unit_test(a_name_with_quotes_is_still_json),
                cmocka_unit_test(a_result_of_another_takes_the_place_of_a_stale_one),
        };
        return cmocka_run_group_tests(tests, build_shipped, NULL);
}
