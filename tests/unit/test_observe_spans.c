/* SPDX-License-Identifier: Apache-2.0 */
/* Which tasks have a span, and which spans are children of whose. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/clock.h"
#include "message/message.h"
#include "observe/otlp/spans.h"

#include <string.h>

#define PARENT  "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
#define UNKEPT  "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"
#define JOB     "4bf92f35-77b3-4da6-a3ce-929d0e0e4736"
#define JOBS_ID "4bf92f3577b34da6a3ce929d0e0e4736"

/* An exporter whose loop does not turn keeps what it is given. */
struct span_bench {
        uv_loop_t loop;
        struct span_source source;
};

static bool span_bench_open(struct span_bench *b, const char *share, uint64_t slow_ms)
{
        struct problem why;
        const struct otlp_config config = {
                .loop = &b->loop, .what = "spans", .url = "http://127.0.0.1:1/", .service = "s", .instance = "i"
        };
        *b = (struct span_bench){ .source = { .system = "chard", .slow_ms = slow_ms } };
        assert_true(sampling_read(share, &b->source.sampling));
        assert_int_equal(uv_loop_init(&b->loop), 0);
        return otlp_open(&b->source.otlp, &config, &why) == 0;
}

static size_t span_bench_count(const struct span_bench *b)
{
        return otlp_counts(b->source.otlp).waiting;
}

static void span_bench_close(struct span_bench *b)
{
        otlp_close(b->source.otlp);
        while (uv_run(&b->loop, UV_RUN_DEFAULT) != 0)
                ;
        assert_int_equal(uv_loop_close(&b->loop), 0);
}

/* One task, from its message to its ack. */
struct task_case {
        const char *share;
        uint64_t slow_ms, took_us;
        bool fails;
        const char *traceparent;
        size_t spans;
};

static void task_run(struct spans *s, const struct task_case *c)
{
        const struct task_message m = { .id = "t", .root_id = JOB, .traceparent = c->traceparent };
        const struct problem why = { .code = "timeout" };
        const uint64_t now_us = clock_mono_us();
        const struct run_times times = { .received_us = now_us - c->took_us };
        struct run_trace trace = { .on = false };
        struct run_event e = { .message = &m, .times = &times, .trace = &trace, .at_us = now_us, .attempt = 1 };
        struct tracer *tracer = spans_tracer(s);
        struct observer *o = spans_observer(s);
        tracer->begin(tracer, &m, &trace);
        if (c->fails) {
                e.kind = RUN_DEAD;
                e.why = &why;
                o->tell(o, &e);
        }
        e.kind = RUN_ACKED;
        e.why = NULL;
        o->tell(o, &e);
        if (trace.own)
                tracer->end(tracer, &trace);
}

static void failed_and_slow_tasks_are_kept(void **state)
{
        (void)state;
        static const struct task_case cases[] = {
                { "0", 2000, 1999999, false, NULL, 0 },   { "0", 2000, 2000000, false, NULL, 1 },
                { "0", 2000, 2000000, false, UNKEPT, 1 }, { "0", 2000, 2000000, true, NULL, 1 },
                { "0", 0, 2000000, false, NULL, 0 },      { "0", 0, 1, true, NULL, 1 },
                { "0", 2000, 1, false, NULL, 0 },         { "0", 0, 1, false, PARENT, 1 },
                { "1", 0, 1, false, UNKEPT, 0 },          { "1", 0, 1, false, NULL, 1 },
        };
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct span_bench b;
                struct spans *s = NULL;
                if (span_bench_open(&b, cases[i].share, cases[i].slow_ms)) {
                        if (spans_open(&s, &b.source) == 0) {
                                task_run(s, &cases[i]);
                                if (otlp_counts(b.source.otlp).dropped == 0 && span_bench_count(&b) != cases[i].spans)
                                        fail_msg("row %zu: %zu spans", i, span_bench_count(&b));
                        }
                        spans_close(s);
                }
                span_bench_close(&b);
        }
}

/* ---- spans of what is no task ---- */

static void a_span_is_of_the_trace_that_it_is_told(void **state)
{
        (void)state;
        static const struct {
                const char *share, *traceparent, *job;
                bool on;
                const char *trace, *parent; /* NULL: a new one */
        } cases[] = {
                { "0", PARENT, "x", true, JOBS_ID, "00f067aa0ba902b7" },
                { "1", UNKEPT, "x", false, JOBS_ID, "00f067aa0ba902b7" },
                { "1", "00-0-0-01", JOB, true, JOBS_ID, "" },
                { "1", NULL, JOB, true, JOBS_ID, "" },
                { "0", NULL, JOB, false, JOBS_ID, "" },
                { "1", NULL, "order-7", true, NULL, "" },
                { "1", NULL, NULL, true, NULL, "" },
        };
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct span_source source = { .slow_ms = 0 };
                struct live_span span;
                assert_true(sampling_read(cases[i].share, &source.sampling));
                live_span_begin(&span, &source, cases[i].traceparent);
                live_span_name(&span, cases[i].job);
                if (span.on != cases[i].on || strcmp(span.parent, cases[i].parent) != 0 ||
                    (cases[i].trace && strcmp(span.trace, cases[i].trace) != 0))
                        fail_msg("row %zu: %d %s %s", i, span.on, span.trace, span.parent);
                assert_int_equal(strlen(span.trace), TRACE_ID_SIZE);
                assert_true(trace_is_sampled(span.context) == span.on);
                assert_ptr_equal(live_span_context(&span, PARENT), span.on ? span.context : PARENT);
        }
}

static void where_nobody_wants_spans_there_is_none(void **state)
{
        (void)state;
        struct live_span span;
        live_span_begin(&span, NULL, PARENT);
        live_span_name(&span, JOB);
        assert_null(live_span_context(&span, NULL));
        live_span_end(&span, (struct otlp_span){ .failed = true });
}

/* What a request takes is its client's to say. */
static void of_those_that_are_not_recorded_failures_and_slow_ones_go_out(void **state)
{
        (void)state;
        static const struct {
                enum otlp_kind kind;
                bool failed;
                uint64_t took_us;
                size_t spans;
        } cases[] = { { OTLP_SERVER, true, 1, 1 },
                      { OTLP_SERVER, false, 2000000, 0 },
                      { OTLP_CONSUMER, false, 1, 0 },
                      { OTLP_CONSUMER, false, 2000000, 1 },
                      { OTLP_CLIENT, true, 1, 1 } };
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct span_bench b;
                struct live_span span;
                if (span_bench_open(&b, "0", 2000)) {
                        live_span_begin(&span, &b.source, NULL);
                        span.begun_us -= cases[i].took_us;
                        live_span_end(&span, (struct otlp_span){
                                                     .name = "n", .kind = cases[i].kind, .failed = cases[i].failed });
                        if (otlp_counts(b.source.otlp).dropped == 0 && span_bench_count(&b) != cases[i].spans)
                                fail_msg("row %zu", i);
                        live_span_end(&span, (struct otlp_span){ .name = "again", .failed = true });
                        assert_true(span_bench_count(&b) <= cases[i].spans);
                }
                span_bench_close(&b);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(failed_and_slow_tasks_are_kept),
                cmocka_unit_test(a_span_is_of_the_trace_that_it_is_told),
                cmocka_unit_test(where_nobody_wants_spans_there_is_none),
                cmocka_unit_test(of_those_that_are_not_recorded_failures_and_slow_ones_go_out),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
