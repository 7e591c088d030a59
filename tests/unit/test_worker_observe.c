/* SPDX-License-Identifier: Apache-2.0 */
/* Each step tells what has happened, once, with what only it knows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/clock.h"
#include "tests/unit/short_memory.h"
#include "tests/unit/task_try.h"
#include "tests/unit/worker_fakes.h"

#include <string.h>

/* ---- an observer that writes all down ---- */

struct notebook {
        struct observer observer;
        char text[1024];
};

static void note(struct notebook *n, const char *text)
{
        assert_true(strlen(n->text) + strlen(text) + 2 < sizeof(n->text));
        strcat(n->text, text);
}

static void note_word(struct notebook *n, const char *text)
{
        if (text && *text) {
                note(n, " ");
                note(n, text);
        }
}

static void on_event(struct observer *o, const struct run_event *e)
{
        struct notebook *n = (struct notebook *)o;
        if (*n->text)
                note(n, ", ");
        note(n, run_event_name(e->kind));
        note_word(n, e->first ? "first" : "");
        note_word(n, e->held ? "held" : "");
        note_word(n, e->last ? "last" : "");
        note_word(n, e->committed ? "committed" : "");
        note_word(n, e->again ? "again" : "");
        note_word(n, e->reason);
        note_word(n, e->why ? e->why->code : "");
        /* a wait before a try is drawn from 0 on */
        note_word(n, e->wait_ms || e->kind == RUN_RETRYING ? "waits" : "");
        note_word(n, e->kind == RUN_ANSWERED ? e->usage.provider : "");
        if (e->kind == RUN_SENDING)
                note_word(n, e->sent->routing_key);
        assert_ptr_equal(e->message, &e->run->message);
        assert_true(e->at_us > 0 && clock_mono_us() - e->at_us < 60000000);
        assert_string_equal(e->ids.queue, "chard.tasks");
        if (e->ids.id) {
                assert_string_equal(e->ids.id, "i");
                assert_string_equal(e->ids.root_id, "i");
                assert_int_equal(e->attempt, 1);
        }
}

static const unsigned all_kinds = (1u << RUN_EVENT_KINDS) - 1;

/* ---- what is told of a message, from its delivery to its end ---- */

static void nothing(struct bench *b)
{
        (void)b;
}

static void done_before(struct bench *b)
{
        (void)b;
        fake.claim = CLAIM_DONE;
}

static void superseded(struct bench *b)
{
        (void)b;
        fake.claim = CLAIM_SUPERSEDED;
}

static void leased(struct bench *b)
{
        (void)b;
        fake.claim = CLAIM_LEASED;
}

static void dead_before(struct bench *b)
{
        (void)b;
        fake.claim = CLAIM_DEAD;
}

static void claim_refused(struct bench *b)
{
        (void)b;
        fake.claim = CLAIM_REFUSED;
}

static void revoked(struct bench *b)
{
        (void)b;
        fake.claim = CLAIM_REVOKED;
}

static void committed_by_another(struct bench *b)
{
        (void)b;
        fake.commit = STORE_ALREADY;
}

static void commit_refused(struct bench *b)
{
        (void)b;
        fake.commit = STORE_REFUSED;
}

static void schedule_refused(struct bench *b)
{
        (void)b;
        fake.fail = STORE_REFUSED;
}

static void unroutable(struct bench *b)
{
        (void)b;
        fake.publish = PUBLISH_RETURNED;
}

static void started_too_often(struct bench *b)
{
        b->config.max_starts = 0;
}

static void stopping(struct bench *b)
{
        b->worker.phase = WORKER_CLOSED; /* shutdown.c needs no more of a worker then */
}

#define NEXT \
        "{\"task\":\"chard.same\",\"args\":[],\"kwargs\":{},\"options\":{\"task_id\":\"next\"},\"subtask_type\":null}"
#define CHAT "[[],{\"user_id\":\"u\",\"lang\":\"en\",\"text\":\"Where does a milk carton go?\"},{}]"

static const struct row {
        const char *task, *body;
        void (*prepare)(struct bench *b);
        const char *told;
} rows[] = {
        { "chard.add", "[[1,2],{},{}]", nothing, "received, claimed, calling first, worked, committed last, acked" },
        { "chard.add", "[[1,2],{},{\"chain\":[" NEXT "]}]", nothing,
          "received, claimed, calling first, worked, committed, sending chard.tasks, published, acked" },
        { "chard.echo", "[[],{},{}]", nothing, "received, calling first, committed last, acked" },
        { "chat.classify", CHAT, nothing,
          "received, claimed, calling first, answered offline, worked, committed last, acked" },
        { "chard.add", "[[1,2],{},{}]", done_before, "received, acked" },
        { "chard.add", "[[1,2],{},{}]", superseded, "received, acked" },
        { "chard.add", "[[1,2],{},{}]", leased, "received, scheduled leased waits, acked" },
        { "chard.add", "[[1,2],{},{}]", revoked, "received, revoked revoked, acked" },
        { "chard.add", "[[1,2],{},{}]", dead_before, "received, dead again failed, buried, acked" },
        { "chard.add", "[[1,2],{},{}]", claim_refused, "received, dead refused, buried, acked" },
        { "chard.add", "[[1,2],{},{}]", started_too_often, "received, dead poison, buried, acked" },
        { "chard.add", "[[1,2],{},{}]", committed_by_another,
          "received, claimed, calling first, worked, committed last, acked" },
        { "chard.add", "[[1,2],{},{}]", commit_refused,
          "received, claimed, calling first, worked, dead bad_data, buried, acked" },
        { "chard.add", "[[\"x\"],{},{}]", nothing,
          "received, claimed, calling first, dead bad_arguments, buried, acked" },
        { "chard.fail", "[[],{\"broken\":true},{}]", nothing,
          "received, claimed, calling first, retrying broken waits, acked" },
        { "chard.fail", "[[],{\"broken\":true},{}]", schedule_refused,
          "received, claimed, calling first, dead bad_data, buried, acked" },
        { "chard.add", "[[1,2],{},{\"chain\":[" NEXT "]}]", unroutable,
          "received, claimed, calling first, worked, committed, sending chard.tasks, retrying committed unroutable waits, acked" },
        { "chard.add", "[[1,2],{},{}]", stopping, "handed back" },
        { "no.such.task", "[[],{},{}]", nothing, "received, dead unknown_task, buried, acked" },
        { "chard.add", "no JSON", nothing, "received, dead bad_body, buried, acked" },
};

static void run_row(const struct row *row)
{
        struct bench b;
        struct notebook n = { .observer = { .kinds = all_kinds, .tell = on_event } };
        bench_open(&b);
        bench_open_ai(&b);
        b.config.deadline_ms = b.config.lease_slack_ms = 10000;
        observing_add(&b.worker.observing, &n.observer);
        row->prepare(&b);
        bench_deliver(&b, row->task, row->body, false);
        while (ai_in_flight(b.worker.ai) > 0)
                uv_run(&b.loop, UV_RUN_ONCE);
        fake_answer_all();
        assert_string_equal(n.text, row->told);
        ai_close(b.worker.ai);
        bench_close(&b);
}

static void every_step_tells_its_event_once(void **state)
{
        (void)state;
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
                run_row(&rows[i]);
}

/* ---- pauses ---- */

static void a_pause_is_told_once_wherever_it_is_spent(void **state)
{
        (void)state;
        static const struct {
                uint64_t wait_ms;
                const char *told;
        } pauses[] = {
                { 10, "paused held waits" },      /* within hold_ms: here */
                { 60000, "paused waits, acked" }, /* in the store */
        };
        for (size_t i = 0; i < sizeof(pauses) / sizeof(pauses[0]); i++) {
                struct bench b;
                struct notebook n = { .observer = { .tell = on_event } };
                bench_open(&b);
                b.config.hold_ms = b.config.lease_slack_ms = 1000;
                fake.silent = true;
                observing_add(&b.worker.observing, &n.observer);
                bench_deliver(&b, "chard.add", "[[1,2],{},{}]", false);
                observing_want(&b.worker.observing, &n.observer, all_kinds);
                struct run *run = b.worker.runs.next;
                if (holds_unless_short(b.worker.run_count == 1)) {
                        run->call.wait_ms = pauses[i].wait_ms;
                        run->lease.asked_ms = clock_mono_ms();
                        run_go(run, STEP_PAUSE);
                        holds_unless_short(strcmp(n.text, pauses[i].told) == 0);
                }
                bench_close(&b);
        }
}

/* ---- who is told ---- */

static void only_what_is_wanted_is_told(void **state)
{
        (void)state;
        struct bench b;
        struct notebook one = { .observer = { .kinds = RUN_BIT(RUN_COMMITTED), .tell = on_event } };
        struct notebook two = { .observer = { .kinds = RUN_BIT(RUN_ACKED), .tell = on_event } };
        bench_open(&b);
        assert_false(observing_wants(&b.worker.observing, RUN_COMMITTED, false));
        observing_add(&b.worker.observing, &one.observer);
        observing_add(&b.worker.observing, &two.observer);
        assert_true(observing_wants(&b.worker.observing, RUN_ACKED, false));
        assert_false(observing_wants(&b.worker.observing, RUN_CLAIMED, false));
        bench_deliver(&b, "chard.add", "[[1,2],{},{}]", false);
        fake_answer_all();
        assert_string_equal(one.text, "committed last");
        assert_string_equal(two.text, "acked");
        observing_want(&b.worker.observing, &two.observer, 0);
        assert_false(observing_wants(&b.worker.observing, RUN_ACKED, false));
        bench_close(&b);
}

/* An observer may want some kinds only of runs that are recorded. */
static void some_is_told_only_of_what_is_recorded(void **state)
{
        (void)state;
        struct bench b;
        struct notebook n = {
                .observer = { .kinds = RUN_BIT(RUN_ACKED), .kinds_of_recorded = RUN_BIT(RUN_PAUSED), .tell = on_event }
        };
        bench_open(&b);
        fake.silent = true;
        observing_add(&b.worker.observing, &n.observer);
        bench_deliver(&b, "chard.add", "[[1,2],{},{}]", false);
        struct run *run = b.worker.runs.next;
        if (!holds_unless_short(b.worker.run_count == 1)) {
                bench_close(&b);
                return;
        }
        run_observed(run, RUN_PAUSED);
        assert_string_equal(n.text, "");
        static struct tracer any;
        b.config.tracer = &any;
        run->times.trace.on = true;
        run_observed(run, RUN_PAUSED);
        assert_string_equal(n.text, "paused");
        run->times.trace.on = false;
        run_observed(run, RUN_ACKED);
        assert_string_equal(n.text, "paused, acked");
        b.config.tracer = NULL;
        bench_close(&b);
}

static uint64_t look_up(unsigned *looked)
{
        (*looked)++;
        return 7;
}

/* What an event would say costs nothing where nobody hears it. */
static void nothing_is_looked_up_for_nobody(void **state)
{
        (void)state;
        struct bench b;
        struct notebook n = { .observer = { .kinds = RUN_BIT(RUN_PAUSED), .tell = on_event } };
        unsigned looked = 0;
        bench_open(&b);
        fake.silent = true;
        bench_deliver(&b, "chard.add", "[[1,2],{},{}]", false);
        struct run *run = b.worker.runs.next;
        if (!holds_unless_short(b.worker.run_count == 1)) {
                bench_close(&b);
                return;
        }
        run_observed(run, RUN_PAUSED, .wait_ms = look_up(&looked));
        assert_int_equal(looked, 0);
        observing_add(&b.worker.observing, &n.observer);
        run_observed(run, RUN_RETRYING, .wait_ms = look_up(&looked));
        assert_int_equal(looked, 0);
        run_observed(run, RUN_PAUSED, .wait_ms = look_up(&looked));
        assert_int_equal(looked, 1);
        assert_string_equal(n.text, "paused waits");
        bench_close(&b);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(every_step_tells_its_event_once),
                cmocka_unit_test(a_pause_is_told_once_wherever_it_is_spent),
                cmocka_unit_test(only_what_is_wanted_is_told),
                cmocka_unit_test(some_is_told_only_of_what_is_recorded),
                cmocka_unit_test(nothing_is_looked_up_for_nobody),
        };
        return cmocka_run_group_tests(tests, build_shipped, NULL);
}
