/* SPDX-License-Identifier: Apache-2.0 */
/* Spans and lines of the log as OTLP has them, which traces are recorded, and an exporter whose collector is away. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/log.h"
#include "core/text/hex.h"
#include "observe/otlp/export.h"
#include "observe/otlp/logs.h"
#include "observe/otlp/sampling.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define TRACE "4bf92f3577b34da6a3ce929d0e0e4736"
#define LONG  "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

/* The same request as opentelemetry-proto for Python writes it. */
static const char expected[] =
        "0a89040a3a0a170a0c736572766963652e6e616d6512070a0563686172640a1f0a166465706c6f796d656e742e656e7669726f6e6d656e"
        "7412050a0361206212ca030a0e0a0563686172641205302e312e3012380a104bf92f3577b34da6a3ce929d0e0e4736120800f067aa0ba9"
        "02b72a06636f6d6d6974300139e8032a36fe9c971741d0072a36fe9c971712fd020a104bf92f3577b34da6a3ce929d0e0e47361208ffff"
        "ffffffffffff220800f067aa0ba902b72a8001787878787878787878787878787878787878787878787878787878787878787878787878"
        "78787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878"
        "78787878787878787878787878787878787878787878787878787878787878787878787878300539e8032a36fe9c971741d0072a36fe9c"
        "97174a140a0a63686172642e7461736b12060a04ebb3913f4a130a0d63686172642e617474656d7074120218004a230a1967656e5f6169"
        "2e75736167652e696e7075745f746f6b656e73120618ffffffff0f4a1f0a1263686172642e636f73745f646f6c6c617273120921000000"
        "000000d03f4a1c0a0d63686172642e776169745f6d73120b18ffffffffffffffffff015a2b09e8032a36fe9c9717120777616974696e67"
        "1a170a0c63686172642e726561736f6e12070a0572657472797a021802";

static const struct otlp_attribute attributes[] = {
        { .name = NAME_TASK, .text = "\xeb\xb3\x91\xff" }, /* the last byte is no character */
        { .name = NAME_ATTEMPT, .number = 0 },
        { .name = NAME_AI_TOKENS_IN, .number = UINT32_MAX },
        { .name = NAME_COST, .real = 0.25 },
        { .name = NAME_WAIT_MS, .number = -1 },
};
static const struct otlp_attribute reason[] = { { .name = NAME_REASON, .text = "retry" } };
static const struct otlp_event event = { "waiting", 1700000000000001, reason, 1 };
static const struct otlp_span spans[] = {
        { .trace = TRACE,
          .parent = "",
          .name = "commit",
          .id = 0x00f067aa0ba902b7,
          .kind = OTLP_INTERNAL,
          .begin_us = 1700000000000001,
          .end_us = 1700000000000002 },
        { .trace = TRACE,
          .parent = "00f067aa0ba902b7",
          .name = LONG LONG,
          .id = UINT64_MAX,
          .kind = OTLP_CONSUMER,
          .failed = true,
          .begin_us = 1700000000000001,
          .end_us = 1700000000000002,
          .attributes = attributes,
          .attribute_count = sizeof(attributes) / sizeof(attributes[0]),
          .events = &event,
          .event_count = 1 },
};

static void a_request_is_what_others_write_of_it(void **state)
{
        (void)state;
        struct buffer resource = { 0 }, list = { 0 }, request = { 0 };
        otlp_add_resource(&resource, &(struct otlp_attribute){ .name = NAME_SERVICE, .text = "chard" });
        otlp_add_named(&resource, "deployment.environment", "a b");
        for (size_t i = 0; i < sizeof(spans) / sizeof(spans[0]); i++)
                otlp_add_span(&list, &spans[i]);
        otlp_write_request(&request, buffer_view(&resource), buffer_view(&list));
        char *digits = calloc(1, 2 * request.size + 1);
        if (!request.failed && digits) {
                hex_write(digits, request.data, request.size);
                assert_string_equal(digits, expected);
        }
        free(digits);
        buffer_free(&resource);
        buffer_free(&list);
        buffer_free(&request);
}

/* Two lines of a log, as opentelemetry-proto for Python writes them. */
static const char expected_lines[] =
        "0aec030a190a170a0c736572766963652e6e616d6512070a05636861726412ce030a0e0a0563686172641205302e312e30126d09e8032a"
        "36fe9c9717100d1a047761726e2a080a066661696c656432160a0a63686172642e6172656112080a06776f726b657232130a0d63686172"
        "642e617474656d7074120218024a104bf92f3577b34da6a3ce929d0e0e4736520800f067aa0ba902b759e8032a36fe9c971712cc0209e8"
        "032a36fe9c971710091a04696e666f2aaf020aac0278787878787878787878787878787878787878787878787878787878787878787878"
        "78787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878"
        "78787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878"
        "78787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878"
        "78787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878"
        "7878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787859e8032a36fe9c9717";

static void lines_of_a_log_are_what_others_write_of_them(void **state)
{
        (void)state;
        char longer[301];
        struct buffer resource = { 0 }, list = { 0 }, request = { 0 };
        static const struct otlp_pair pairs[] = { { "chard.area", "worker", false }, { "chard.attempt", "2", true } };
        memset(longer, 'x', sizeof(longer) - 1);
        longer[sizeof(longer) - 1] = '\0';
        otlp_add_resource(&resource, &(struct otlp_attribute){ .name = NAME_SERVICE, .text = "chard" });
        otlp_add_record(&list, &(struct otlp_record){ .at_us = 1700000000000001,
                                                      .severity = 13,
                                                      .severity_text = "warn",
                                                      .body = "failed",
                                                      .trace = TRACE,
                                                      .span = "00f067aa0ba902b7",
                                                      .pairs = pairs,
                                                      .pair_count = 2 });
        otlp_add_record(&list, &(struct otlp_record){ .at_us = 1700000000000001,
                                                      .severity = 9,
                                                      .severity_text = "info",
                                                      .body = longer,
                                                      .trace = "",
                                                      .span = "" });
        otlp_write_request(&request, buffer_view(&resource), buffer_view(&list));
        char *digits = calloc(1, 2 * request.size + 1);
        if (!request.failed && digits) {
                hex_write(digits, request.data, request.size);
                assert_string_equal(digits, expected_lines);
        }
        free(digits);
        buffer_free(&resource);
        buffer_free(&list);
        buffer_free(&request);
}

/* ---- the lines of the log, from any thread ---- */

enum { LOG_THREADS = 4, LOG_LINES = 200, LOG_FLOOD = 20000 };

static void otlp_nowhere(const char *line, size_t size, void *arg)
{
        (void)line, (void)size, (void)arg;
}

static void *write_lines(void *arg)
{
        for (int i = 0; i < LOG_LINES; i++)
                log_info("test", "task=%s attempt=%d %s", "t", i, (const char *)arg);
        return NULL;
}

static void otlp_on_awake(uv_timer_t *timer)
{
        (void)timer;
}

static void lines_are_handed_over_and_bounded(void **state)
{
        (void)state;
        uv_loop_t loop;
        uv_timer_t awake; /* a loop that nothing keeps awake does not turn */
        struct otlp *o = NULL;
        struct otlp_logs *logs = NULL;
        struct problem why;
        pthread_t threads[LOG_THREADS];
        const struct otlp_config config = {
                .loop = &loop, .what = "log lines", .url = "http://127.0.0.1:1/", .service = "s", .instance = "i"
        };
        log_to(otlp_nowhere, NULL);
        log_setup(LOG_INFO, false);
        assert_int_equal(uv_loop_init(&loop), 0);
        uv_timer_init(&loop, &awake);
        uv_timer_start(&awake, otlp_on_awake, 3600000, 0);
        if (otlp_open(&o, &config, &why) == 0 && otlp_logs_open(&logs, &loop, o) == 0) {
                for (int i = 0; i < LOG_THREADS; i++)
                        assert_int_equal(pthread_create(&threads[i], NULL, write_lines, (void *)"from a thread"), 0);
                for (int i = 0; i < LOG_THREADS; i++)
                        pthread_join(threads[i], NULL);
                uv_run(&loop, UV_RUN_NOWAIT);
                if (otlp_counts(o).dropped == 0)
                        assert_int_equal(otlp_counts(o).waiting, LOG_THREADS * LOG_LINES);
                /* the loop does not turn: no more than has room is kept */
                for (int i = 0; i < LOG_FLOOD; i++)
                        log_info("test", "%s", LONG);
                uv_run(&loop, UV_RUN_NOWAIT);
                const struct otlp_counts counts = otlp_counts(o);
                assert_true(counts.dropped > 0);
                assert_true(counts.waiting + counts.dropped + counts.sent >= LOG_THREADS * LOG_LINES + LOG_FLOOD);
        }
        uv_close((uv_handle_t *)&awake, NULL);
        otlp_logs_close(logs);
        otlp_close(o);
        while (uv_run(&loop, UV_RUN_DEFAULT) != 0)
                ;
        assert_int_equal(uv_loop_close(&loop), 0);
        log_to(NULL, NULL);
}

static void a_share_of_traces_is_kept(void **state)
{
        (void)state;
        static const struct {
                const char *share, *trace;
                bool fine, kept;
        } rows[] = {
                { "0", "ffffffffffffffffff00000000000000", true, false },
                { "1", "00000000000000000fffffffffffffff", true, true },
                { "0.5", "fffffffffffffffff07fffffffffffff", true, true },
                { "0.5", "00000000000000000080000000000000", true, false },
                { "0.01", "00000000000000000002000000000000", true, true },
                { "0.01", "00000000000000000003000000000000", true, false },
                { "", NULL, false, false },
                { "1.01", NULL, false, false },
                { "-0.1", NULL, false, false },
                { "nan", NULL, false, false },
                { "0.1x", NULL, false, false },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct sampling s = { 0 };
                if (sampling_read(rows[i].share, &s) != rows[i].fine ||
                    (rows[i].fine && sampling_keeps(s, rows[i].trace) != rows[i].kept))
                        fail_msg("row %zu: %s", i, rows[i].share);
        }
}

static void a_job_gives_its_trace_the_name(void **state)
{
        (void)state;
        char id[TRACE_ID_SIZE + 1], other[TRACE_ID_SIZE + 1];
        sampling_trace_of("4BF92F35-77b3-4da6-a3ce-929d0e0e4736", id);
        assert_string_equal(id, TRACE);
        static const char *const none[] = { NULL, "", "job-1", "4bf92f3577b34da6a3ce929d0e0e47360",
                                            "00000000-0000-0000-0000-000000000000" };
        for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
                sampling_trace_of(none[i], id);
                sampling_trace_of(none[i], other);
                assert_true(strlen(id) == TRACE_ID_SIZE && strcmp(id, other) != 0);
        }
}

/* The loop does not turn: nothing can go out, and no more than has room is kept. */
static void what_finds_no_room_is_dropped_and_counted(void **state)
{
        (void)state;
        enum { SPANS = 40000 };
        uv_loop_t loop;
        struct otlp *o = NULL;
        struct problem why;
        const struct otlp_config config = { .loop = &loop,
                                            .what = "spans",
                                            .url = "http://127.0.0.1:1/v1/traces",
                                            .service = "s",
                                            .instance = "i",
                                            .resource = "a=b" };
        assert_int_equal(uv_loop_init(&loop), 0);
        if (otlp_open(&o, &config, &why) == 0) {
                for (int i = 0; i < SPANS; i++)
                        otlp_add(o, &spans[1]);
                assert_true(otlp_counts(o).dropped > 0 && otlp_counts(o).dropped < SPANS);
                assert_int_equal(otlp_counts(o).sent, 0);
                otlp_close(o);
        }
        while (uv_run(&loop, UV_RUN_DEFAULT) != 0)
                ;
        assert_int_equal(uv_loop_close(&loop), 0);
}

static void an_address_that_is_none_is_refused(void **state)
{
        (void)state;
        static const char *const urls[] = { "localhost:4318", "ftp://a", "" };
        for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
                struct otlp *o = NULL;
                struct problem why;
                const struct otlp_config config = { .url = urls[i] };
                assert_int_equal(otlp_open(&o, &config, &why), 1);
                assert_string_equal(why.code, "bad_setting");
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_request_is_what_others_write_of_it),
                cmocka_unit_test(lines_of_a_log_are_what_others_write_of_them),
                cmocka_unit_test(lines_are_handed_over_and_bounded),
                cmocka_unit_test(a_share_of_traces_is_kept),
                cmocka_unit_test(a_job_gives_its_trace_the_name),
                cmocka_unit_test(what_finds_no_room_is_dropped_and_counted),
                cmocka_unit_test(an_address_that_is_none_is_refused),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
