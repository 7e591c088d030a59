/* SPDX-License-Identifier: Apache-2.0 */
/* What results answer when memory is short: told again later, never a refusal, which would be a verdict about what was to be said. Nor is who waits at
 * a queue of the broker's told later: only what is told from the start reaches it. */
#include "results/results.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* Not an assertion: those may fail while memory is short. A run that a signal ends is a bad one. */
static void never_refused(bool refused)
{
        if (refused)
                raise(SIGKILL);
}

struct fake {
        struct broker broker; /* first */
        enum publish_result says;
        enum results_answer told;
        unsigned open;
};

/* From inside, as a broker that has no memory. */
static void fake_publish(struct broker *b, struct message *takes, publish_done *done, void *arg)
{
        message_free(takes);
        done(((const struct fake *)b)->says, arg);
}

static void on_replied(enum results_answer answer, const struct problem *why, void *arg)
{
        struct fake *f = arg;
        (void)why;
        never_refused(answer == RESULTS_REFUSED || answer == RESULTS_AWAY);
        f->told = answer;
        f->open--;
}

static void on_answered(enum results_answer answer, const struct problem *why, void *arg)
{
        (void)why;
        never_refused(answer == RESULTS_REFUSED);
        --*(unsigned *)arg;
}

static void on_counted(const struct chord_reply *reply, void *arg)
{
        never_refused(reply->verdict == CHORD_REFUSED);
        --*(unsigned *)arg;
}

static void ask_all(struct results *r, unsigned *open)
{
        const struct results_address to = { .task_id = "t" };
        const struct chord_part part = {
                .group_id = "g", .task_id = "t", .member = bytes_of_string("[1,\"t\",\"SUCCESS\",1]"), .body_id = "b"
        };
        *open = 6;
        results_store(r, &to, bytes_of_string("{\"status\":\"SUCCESS\"}"), on_answered, open);
        results_chord_begin(r, "g", 2, bytes_of_string("{}"), on_answered, open);
        results_chord_more(r, "g", "t", 1, on_answered, open);
        results_chord_part(r, &part, on_counted, open);
        results_chord_restore(r, "g", 2, bytes_of_string("[]"), on_answered, open);
        results_chord_end(r, "g", "t", false, on_answered, open);
}

static void a_reply_is_sent_or_told_again(void **state)
{
        static const struct broker_backend backend = { .publish = fake_publish };
        static const struct {
                enum publish_result says;
                enum results_answer told;
        } rows[] = { { PUBLISH_CONFIRMED, RESULTS_DONE }, { PUBLISH_REFUSED, RESULTS_STARVED } };
        const struct results_address to = { .task_id = "t", .reply_to = "q" };
        (void)state;
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct fake f = { .broker.backend = &backend, .says = rows[i].says, .open = 1 };
                const struct results_config config = { .urls = "rpc://", .broker = &f.broker };
                struct results *r = NULL;
                const int opened = results_open(&r, &config, NULL);
                if (opened == 0) {
                        results_store(r, &to, bytes_of_string("{\"status\":\"SUCCESS\"}"), on_replied, &f);
                        never_refused(f.open > 0);
                        results_close(r);
                }
                assert_int_equal(opened, 0);
                assert_int_equal(f.told, rows[i].told);
        }
}

static void nothing_is_refused_for_want_of_memory(void **state)
{
        uv_loop_t loop;
        struct results *r = NULL;
        unsigned open = 0;
        (void)state;
        uv_loop_init(&loop);
        const struct results_config config = {
                .loop = &loop, .urls = "redis://127.0.0.1:1/", .expires_s = 60, .connect_timeout_ms = 1000
        };
        const int opened = results_open(&r, &config, NULL);
        if (opened == 0) {
                ask_all(r, &open);
                uv_run(&loop, UV_RUN_NOWAIT);
                results_close(r);
        }
        uv_run(&loop, UV_RUN_DEFAULT);
        uv_loop_close(&loop);
        never_refused(open > 0); /* each was answered, this way or that */
        assert_int_equal(opened, 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = { cmocka_unit_test(nothing_is_refused_for_want_of_memory),
                                            cmocka_unit_test(a_reply_is_sent_or_told_again) };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
