/* SPDX-License-Identifier: Apache-2.0 */
#include "ai/gate/models.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { T0 = 1000000 };

static struct models *all;
static struct model *model;

static int open_models(void **state)
{
        (void)state;
        if (models_new(&all) != 0)
                return -1;
        model = models_get(all, "m");
        return model ? 0 : -1;
}

static int close_models(void **state)
{
        (void)state;
        models_free(all);
        return 0;
}

/* Report one ended call; returns the wait that the reply was given. */
static uint64_t ended(enum ai_verdict verdict, const char *code, long status, uint64_t asked_ms, uint64_t now_ms)
{
        struct ai_reply reply = { .verdict = verdict, .wait_ms = asked_ms };
        snprintf(reply.why.code, sizeof(reply.why.code), "%s", code);
        model_report(model, false, status, now_ms, now_ms, 0, &reply);
        return reply.wait_ms;
}

static void a_model_is_known_by_its_name(void **state)
{
        (void)state;
        char name[] = "m";
        assert_ptr_equal(models_get(all, name), model);
        assert_null(models_find(all, "other"));
        assert_ptr_not_equal(models_get(all, "other"), model);
        assert_non_null(models_find(all, "other"));
}

static void a_429_pauses_one_model_and_no_other(void **state)
{
        (void)state;
        assert_int_equal(ended(AI_WAIT, "rate_limit_exceeded", 429, 5000, T0), 5000);
        assert_int_equal(model_paused_ms(model, T0 + 1000), 4000);
        struct model *other = models_get(all, "other");
        assert_non_null(other);
        assert_int_equal(model_paused_ms(other, T0 + 1000), 0);
}

static void a_429_without_a_length_gets_one(void **state)
{
        (void)state;
        assert_in_range(ended(AI_WAIT, "http_429", 429, 0, T0), LIMITER_PAUSE_MIN_MS, LIMITER_PAUSE_MAX_MS);
}

/* Twenty calls that ended so: is the breaker open then? */
static void only_a_failing_provider_opens_the_breaker(void **state)
{
        (void)state;
        static const struct {
                enum ai_verdict verdict;
                const char *code;
                long status;
                bool open;
        } rows[] = {
                { AI_TRANSIENT, "connection", 0, true },
                { AI_TRANSIENT, "timeout", 0, true },
                { AI_TRANSIENT, "timeout", 200, true },
                { AI_TRANSIENT, "connection", 200, true },
                { AI_TRANSIENT, "server_error", 500, true },
                { AI_TRANSIENT, "http_503", 503, true },
                { AI_TRANSIENT, "schema_mismatch", 200, false },
                { AI_TRANSIENT, "bad_json", 200, false },
                { AI_TRANSIENT, "http_409", 409, false },
                { AI_PERMANENT, "invalid_api_key", 401, false },
                { AI_OK, "", 200, false },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                char name[] = { (char)('a' + i), '\0' };
                model = models_get(all, name);
                assert_non_null(model);
                for (int call = 0; call < BREAKER_LEAST; call++)
                        ended(rows[i].verdict, rows[i].code, rows[i].status, 0, T0);
                if ((model_paused_ms(model, T0) > 0) != rows[i].open)
                        fail_msg("%s %ld", rows[i].code, rows[i].status);
        }
}

/* The call that shows it, those that are under way, and each probe that fails. */
static void a_failure_of_a_model_that_is_out_says_so(void **state)
{
        (void)state;
        unsigned probe;
        uint64_t wait_ms;
        struct ai_reply reply;
        for (int i = 0; i < 2 * BREAKER_ROW; i++) {
                reply = (struct ai_reply){ .verdict = AI_TRANSIENT };
                problem_set(&reply.why, "provider", "connection", "it broke");
                model_report(model, 0, 0, T0, T0, 0, &reply);
                assert_int_equal(reply.verdict, AI_TRANSIENT);
                assert_int_equal(reply.out, i >= BREAKER_ROW - 1);
        }
        assert_int_equal(reply.wait_ms, model_paused_ms(model, T0));
        assert_string_equal(reply.why.code, "connection");
        const uint64_t later = T0 + reply.wait_ms;
        assert_true(model_take(model, later, 0, &probe, &wait_ms) && probe);
        reply = (struct ai_reply){ .verdict = AI_TRANSIENT };
        model_report(model, probe, 503, later, later, 0, &reply);
        assert_true(reply.out);
        assert_true(reply.wait_ms > wait_ms && reply.wait_ms == model_paused_ms(model, later));
        /* What the model answered, however wrongly, is the task's own affair, and ends the outage. */
        const uint64_t after = later + reply.wait_ms;
        assert_true(model_take(model, after, 0, &probe, &wait_ms) && probe);
        reply = (struct ai_reply){ .verdict = AI_TRANSIENT };
        model_report(model, probe, 200, after, after, 0, &reply);
        assert_false(reply.out);
}

/* What Retry-After asked for, where that is longer. */
static void who_is_out_waits_as_long_as_it_says(void **state)
{
        (void)state;
        for (int i = 0; i < BREAKER_ROW; i++)
                assert_int_equal(ended(AI_TRANSIENT, "http_503", 503, 90000, T0), 90000);
}

static void it_is_known_when_a_model_served_somebody(void **state)
{
        (void)state;
        struct ai_reply failed = { .verdict = AI_TRANSIENT }, unfit = { .verdict = AI_TRANSIENT, .whole = true };
        struct ai_reply limited = { .verdict = AI_WAIT }, good = { .verdict = AI_OK, .whole = true };
        struct model *another = models_get(all, "other");
        assert_non_null(another);
        model_report(model, 0, 503, T0, T0, 0, &failed);
        assert_true(failed.served_ago_ms == AI_NEVER);
        model_report(model, 0, 429, T0, T0, 0, &limited);
        model_report(model, 0, 503, T0, T0, 0, &failed);
        assert_true(failed.served_ago_ms == AI_NEVER);
        model_report(model, 0, 200, T0, T0 + 10, 0, &good);
        model_report(model, 0, 503, T0, T0 + 15, 0, &failed);
        assert_int_equal(failed.served_ago_ms, 5);
        model_report(another, 0, 503, T0, T0 + 15, 0, &failed);
        assert_true(failed.served_ago_ms == AI_NEVER);
        model_report(model, 0, 200, T0, T0 + 20, 0, &unfit);
        model_report(model, 0, 503, T0, T0 + 21, 0, &failed);
        assert_int_equal(failed.served_ago_ms, 1);
}

static void the_way_back_is_one_probe_and_then_a_ramp(void **state)
{
        (void)state;
        unsigned probe, other;
        uint64_t wait_ms;
        for (int i = 0; i < BREAKER_LEAST; i++)
                ended(AI_TRANSIENT, "connection", 0, 0, T0);
        assert_false(model_take(model, T0, 0, &probe, &wait_ms));
        assert_int_equal(wait_ms, model_paused_ms(model, T0));
        const uint64_t later = T0 + wait_ms;
        assert_true(model_take(model, later, 0, &probe, &wait_ms));
        assert_true(probe);
        assert_false(model_take(model, later, 0, &other, &wait_ms));
        struct ai_reply reply = { .verdict = AI_OK };
        model_report(model, probe, 200, later, later + 50, 0, &reply);
        unsigned let_in = 0;
        while (model_take(model, later + 50, 0, &other, &wait_ms))
                let_in++;
        assert_int_equal(let_in, LIMITER_RAMP_FIRST);
}

static void a_probe_that_meets_a_429_closes_the_breaker_but_pauses(void **state)
{
        (void)state;
        unsigned probe;
        uint64_t wait_ms;
        for (int i = 0; i < BREAKER_LEAST; i++)
                ended(AI_TRANSIENT, "connection", 0, 0, T0);
        const uint64_t later = T0 + model_paused_ms(model, T0);
        assert_true(model_take(model, later, 0, &probe, &wait_ms));
        struct ai_reply reply = { .verdict = AI_WAIT, .wait_ms = 3000 };
        model_report(model, probe, 429, later, later + 50, 0, &reply);
        assert_int_equal(reply.wait_ms, 3000);
        assert_int_equal(breaker_open_ms(&model->breaker, later + 50), 0);
        assert_int_equal(model_paused_ms(model, later + 50), 3000);
}

static void a_probe_that_never_went_out_is_given_back(void **state)
{
        (void)state;
        unsigned probe;
        uint64_t wait_ms;
        for (int i = 0; i < BREAKER_LEAST; i++)
                ended(AI_TRANSIENT, "connection", 0, 0, T0);
        const uint64_t later = T0 + model_paused_ms(model, T0);
        assert_true(model_take(model, later, 0, &probe, &wait_ms));
        model_forget(model, probe, later);
        assert_true(model_take(model, later, 0, &probe, &wait_ms));
        assert_true(probe);
}

/* Its key was refused: no model is asked for a while, then one call finds out, and its success lets all others in. */
static void an_endpoint_that_serves_nobody_is_probed(void **state)
{
        (void)state;
        unsigned probe;
        uint64_t wait_ms;
        struct model *other = models_get(all, "other");
        struct ai_reply refused = { .verdict = AI_WAIT, .fault = AI_FAULT_ENDPOINT }, served = { .verdict = AI_OK };
        assert_non_null(other);
        model_report(model, 0, 401, T0, T0, 0, &refused);
        assert_false(model_take(other, T0, 0, &probe, &wait_ms));
        const uint64_t later = T0 + model_paused_ms(other, T0);
        assert_true(model_take(other, later, 0, &probe, &wait_ms));
        assert_false(model_take(model, later, 0, &(unsigned){ 0 }, &wait_ms));
        model_report(other, probe, 200, later, later + 50, 0, &served);
        assert_true(model_take(model, later + 50, 0, &probe, &wait_ms));
}

static void another_key_is_tried_at_once(void **state)
{
        (void)state;
        unsigned probe;
        uint64_t wait_ms;
        struct ai_reply refused = { .verdict = AI_WAIT, .fault = AI_FAULT_ENDPOINT };
        model_report(model, 0, 401, T0, T0, 0, &refused);
        models_endpoint_renewed(all, T0 + 1);
        model_report(model, 0, 401, T0, T0 + 2, 0, &refused); /* a call that began with the key before */
        assert_true(model_take(model, T0 + 3, 0, &probe, &wait_ms));
}

int main(void)
{
#define WITH_MODELS(test) cmocka_unit_test_setup_teardown(test, open_models, close_models)
        const struct CMUnitTest tests[] = {
                WITH_MODELS(a_model_is_known_by_its_name),
                WITH_MODELS(a_429_pauses_one_model_and_no_other),
                WITH_MODELS(a_429_without_a_length_gets_one),
                WITH_MODELS(only_a_failing_provider_opens_the_breaker),
                WITH_MODELS(a_failure_of_a_model_that_is_out_says_so),
                WITH_MODELS(who_is_out_waits_as_long_as_it_says),
                WITH_MODELS(it_is_known_when_a_model_served_somebody),
                WITH_MODELS(the_way_back_is_one_probe_and_then_a_ramp),
                WITH_MODELS(a_probe_that_meets_a_429_closes_the_breaker_but_pauses),
                WITH_MODELS(a_probe_that_never_went_out_is_given_back),
                WITH_MODELS(an_endpoint_that_serves_nobody_is_probed),
                WITH_MODELS(another_key_is_tried_at_once),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
