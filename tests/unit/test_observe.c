/* SPDX-License-Identifier: Apache-2.0 */
/* What a process shows of itself: a queue's picture, the address, and what runs come to in figures. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "observe/picture.h"
#include "observe/runs.h"
#include "observe/show.h"
#include "tests/unit/task_try.h"
#include "tests/unit/worker_fakes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- pictures ---- */

enum { NOW = 1000000 };

#define WORKER(age, queues) "{\"age_ms\":" age ",\"state\":{\"consuming\":true,\"queues\":" queues "}}"
#define HAS(in_hand, free, taken) \
        "{\"q\":{\"in_hand\":" in_hand ",\"slots_free\":" free ",\"taken_ms\":" taken "},\"other\":{\"in_hand\":9}}"

static const struct queue_depth three = { .ready = 3, .unacked = -1, .consumers = 1 },
                                none = { .ready = 0, .unacked = -1 }, aged = { .ready = 1, .oldest_ms = NOW - 500 },
                                later = { .ready = 1, .oldest_ms = NOW + 500 }, gone = { .ready = -1, .missing = true },
                                silent = { .ready = -1, .unacked = -1, .consumers = -1 };

static void test_pictures(void **state)
{
        static const struct {
                const struct queue_depth *depth;
                const char *rows; /* NULL: the store said nothing */
                int64_t ready, in_flight, slots_free, age_ms;
                bool missing;
        } rows[] = {
                { &three, "[]", 3, 0, 0, -1, false },
                { &none, "[]", 0, 0, 0, 0, false },
                { &gone, "[]", -1, 0, 0, -1, true },
                { NULL, "[]", -1, 0, 0, -1, false },
                { &silent, "[]", -1, 0, 0, -1, false },
                { &three, NULL, 3, -1, -1, -1, false },
                { &three, "[" WORKER("100", HAS("2", "8", "0")) "]", 3, 2, 8, -1, false },
                { &three, "[" WORKER("100", HAS("2", "8", "999000")) "," WORKER("0", HAS("1", "0", "999900")) "]", 3, 3,
                  8, 100, false },
                { &none, "[" WORKER("100", HAS("2", "8", "999000")) "]", 0, 2, 8, 0, false },
                { &three, "[" WORKER("100", HAS("2", "8", "1000900")) "]", 3, 2, 8, 0, false }, /* clocks differ */
                { &aged, "[" WORKER("100", HAS("2", "8", "1")) "]", 1, 2, 8, 500, false },
                { &later, "[]", 1, 0, 0, 0, false },
                { &three, "[" WORKER("6001", HAS("2", "8", "999000")) "]", 3, 0, 0, -1, false }, /* dead */
                { &three, "[" WORKER("100", "{}") "]", 3, 0, 0, -1, false },                     /* consumes others */
                { &three, "[{\"age_ms\":0,\"state\":{}}]", 3, 0, 0, -1, false },                 /* not begun */
                { &three, "[{\"age_ms\":0,\"state\":{\"role\":\"keeper\"}}]", 3, 0, 0, -1, false },
                { &three, "[{\"age_ms\":0,\"state\":{\"consuming\":true}}," WORKER("1", HAS("2", "8", "0")) "]", 3, -1,
                  -1, -1, false }, /* of another version */
        };
        (void)state;
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                int64_t taken_ms = 0;
                json_t *list = rows[i].rows ? json_loads(rows[i].rows, 0, NULL) : NULL;
                assert_true(list || !rows[i].rows);
                const struct picture p = picture_of("q", rows[i].depth, list, NOW, &taken_ms);
                if (p.ready != rows[i].ready || p.in_flight != rows[i].in_flight ||
                    p.slots_free != rows[i].slots_free || p.oldest_age_ms != rows[i].age_ms ||
                    p.missing != rows[i].missing)
                        fail_msg("row %zu: %lld %lld %lld %lld", i, (long long)p.ready, (long long)p.in_flight,
                                 (long long)p.slots_free, (long long)p.oldest_age_ms);
                json_decref(list);
        }
}

static void test_an_age_outlives_the_message_that_told_it(void **state)
{
        int64_t taken_ms = 0;
        json_t *some = json_loads("[" WORKER("0", HAS("1", "0", "999000")) "]", 0, NULL), *nothing = json_array();
        (void)state;
        assert_int_equal(picture_of("q", &three, some, NOW, &taken_ms).oldest_age_ms, 1000);
        assert_int_equal(picture_of("q", &three, nothing, NOW + 50, &taken_ms).oldest_age_ms, 1050);
        json_decref(some);
        json_decref(nothing);
}

static void test_what_is_not_known_is_said_so(void **state)
{
        struct picture p = { .ready = 1, .in_flight = 2, .slots_free = 3, .oldest_age_ms = -1 };
        json_t *value = picture_json(&p);
        (void)state;
        assert_null(picture_lacks(&p));
        assert_true(json_is_null(json_object_get(value, "oldest_age_s")));
        assert_int_equal(json_integer_value(json_object_get(value, "slots_free")), 3);
        json_decref(value);
        p.slots_free = -1;
        assert_string_equal(picture_lacks(&p), "how many slots are free");
        p.in_flight = -1;
        assert_string_equal(picture_lacks(&p), "how many messages workers have in hand");
        p.ready = -1;
        assert_string_equal(picture_lacks(&p), "how many messages are ready");
}

static void test_states_of_processes(void **state)
{
        static const struct {
                const char *row, *role, *state;
        } rows[] = {
                { "{\"age_ms\":0,\"state\":{\"consuming\":true}}", "worker", "consuming" },
                { "{\"age_ms\":0,\"state\":{\"consuming\":false,\"why\":\"stopping\"}}", "worker", "not_consuming" },
                { "{\"age_ms\":60000,\"state\":{\"consuming\":false,\"why\":\"stopping\"}}", "worker", "stopped" },
                { "{\"age_ms\":60000,\"state\":{\"consuming\":true}}", "worker", "dead" },
                { "{\"age_ms\":0,\"state\":{\"consuming\":true,\"role\":\"keeper\"}}", "keeper", "consuming" },
                { "{}", "worker", "not_consuming" },
        };
        (void)state;
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                json_t *row = json_loads(rows[i].row, 0, NULL);
                assert_string_equal(picture_role(row), rows[i].role);
                assert_string_equal(picture_state(row), rows[i].state);
                json_decref(row);
        }
}

/* ---- the address ---- */

static void test_only_a_named_address_is_for_others(void **state)
{
        static const struct {
                const char *text, *where; /* NULL: none */
        } rows[] = {
                { "9464", "127.0.0.1:9464" },
                { ":9464", "127.0.0.1:9464" },
                { "0", "127.0.0.1:0" },
                { "0.0.0.0:9464", "0.0.0.0:9464" },
                { "[::]:9464", "[::]:9464" },
                { "localhost:1", "localhost:1" },
                { "", NULL },
                { "nowhere", NULL },
                { "127.0.0.1", NULL },
                { "127.0.0.1:99999", NULL },
                { "::1:9464", NULL },
                { "99999", NULL },
        };
        char where[80], longest[200];
        (void)state;
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                const bool is = show_where(rows[i].text, where);
                if (is != (rows[i].where != NULL) || (is && strcmp(where, rows[i].where) != 0))
                        fail_msg("\"%s\"", rows[i].text);
        }
        memset(longest, '1', sizeof(longest) - 1);
        longest[sizeof(longest) - 1] = '\0';
        assert_false(show_where(longest, where));
}

/* ---- runs ---- */

struct stand {
        struct bench bench;
        struct meter *meter;
        struct run_meter *runs;
};

static void stand_open(struct stand *s)
{
        bench_open(&s->bench);
        assert_int_equal(meter_open(&s->meter, &s->bench.loop, "worker", "w"), 0);
        assert_int_equal(run_meter_open(&s->runs, s->meter), 0);
        observing_add(&s->bench.worker.observing, run_meter_observer(s->runs));
}

static void stand_close(struct stand *s)
{
        meter_close(s->meter);
        run_meter_close(s->runs);
        bench_close(&s->bench);
}

static double stand_value(const struct stand *s, enum meter_row row, const char *task, const char *more)
{
        return series_value(METRICS_SERIES(meter_metrics(s->meter), row, task, "chard.tasks", more));
}

static void plain(void)
{
}

static void refuse_commit(void)
{
        fake.commit = STORE_REFUSED;
}

static void dead_before(void)
{
        fake.claim = CLAIM_DEAD;
}

static void leased(void)
{
        fake.claim = CLAIM_LEASED;
}

static void revoked(void)
{
        fake.claim = CLAIM_REVOKED;
}

static void test_what_runs_come_to(void **state)
{
        static const struct {
                const char *task, *body, *label;
                void (*prepare)(void);
                const char *code;
                int received, started, succeeded, failed, retried, dead, revoked, whole, commits;
        } rows[] = {
                { "chard.add", "[[1,2],{},{}]", "chard.add", plain, "", 1, 1, 1, 0, 0, 0, 0, 1, 1 },
                { "chard.echo", "[[],{},{}]", "chard.echo", plain, "", 1, 1, 1, 0, 0, 0, 0, 1, 0 },
                { "chard.add", "[[\"x\"],{},{}]", "chard.add", plain, "bad_arguments", 1, 1, 0, 1, 0, 1, 0, 1, 0 },
                { "chard.fail", "[[],{\"broken\":true},{}]", "chard.fail", plain, "broken", 1, 1, 0, 1, 1, 0, 0, 1, 0 },
                { "chard.add", "[[1,2],{},{}]", "chard.add", refuse_commit, "bad_data", 1, 1, 0, 1, 0, 1, 0, 1, 0 },
                { "chard.add", "[[1,2],{},{}]", "chard.add", dead_before, "failed", 1, 0, 0, 0, 0, 0, 0, 1, 0 },
                { "chard.add", "[[1,2],{},{}]", "chard.add", revoked, "", 1, 0, 0, 0, 0, 0, 1, 1, 0 },
                { "chard.add", "[[1,2],{},{}]", "chard.add", leased, "", 1, 0, 0, 0, 0, 0, 0, 1, 0 },
                { "no.such.task", "[[],{},{}]", "unknown", plain, "unknown_task", 1, 0, 0, 1, 0, 1, 0, 1, 0 },
                { "chard.add", "no JSON", "chard.add", plain, "bad_body", 1, 0, 0, 1, 0, 1, 0, 1, 0 },
        };
        (void)state;
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct stand s;
                stand_open(&s);
                s.bench.config.deadline_ms = s.bench.config.lease_slack_ms = 10000;
                rows[i].prepare();
                bench_deliver(&s.bench, rows[i].task, rows[i].body, false);
                fake_answer_all();
                const struct {
                        enum meter_row row;
                        const char *more;
                        int wanted;
                } all[] = {
                        { METER_TASKS_RECEIVED, NULL, rows[i].received },
                        { METER_TASKS_STARTED, NULL, rows[i].started },
                        { METER_TASKS_SUCCEEDED, NULL, rows[i].succeeded },
                        { METER_TASKS_FAILED, rows[i].code, rows[i].failed },
                        { METER_TASKS_RETRIED, NULL, rows[i].retried },
                        { METER_TASKS_DEAD, rows[i].code, rows[i].dead },
                        { METER_TASKS_REVOKED, NULL, rows[i].revoked },
                        { METER_TASK_WAIT_SECONDS, NULL, rows[i].started },
                        { METER_TASK_SECONDS, NULL, rows[i].whole },
                        { METER_TASK_COMMIT_SECONDS, NULL, rows[i].commits },
                        { METER_TASK_QUEUED_SECONDS, NULL, 0 },
                };
                for (size_t k = 0; k < sizeof(all) / sizeof(all[0]); k++) {
                        const double got = stand_value(&s, all[k].row, rows[i].label, all[k].more);
                        if (got != all[k].wanted)
                                fail_msg("row %zu, %s: %g", i, meter_table[all[k].row].name, got);
                }
                stand_close(&s);
        }
}

/* More models than are remembered: each is counted under its own name. */
static void test_calls_count_for_their_model(void **state)
{
        enum { MODELS = 40 };
        static const struct run_times times = { 0 };
        struct stand s;
        (void)state;
        stand_open(&s);
        for (int i = 0; i < 3 * MODELS; i++) {
                char model[16];
                const struct task_message message = { .id = "t" };
                snprintf(model, sizeof(model), "m%d", i % MODELS);
                const struct run_event e = { .kind = RUN_ANSWERED,
                                             .message = &message,
                                             .times = &times,
                                             .usage = { .provider = i % 2 ? "openai" : "offline",
                                                        .model = model,
                                                        .tokens_in = 5,
                                                        .cost_nano = i % MODELS ? 0 : 500000000,
                                                        .verdict = i < MODELS ? AI_TRANSIENT : AI_OK,
                                                        .asked = true } };
                observing_tell(&s.bench.worker.observing, &e);
        }
        struct metrics *m = meter_metrics(s.meter);
        assert_true(series_value(METRICS_SERIES(m, METER_AI_REQUESTS, "offline", "m0", "failed")) == 1);
        assert_true(series_value(METRICS_SERIES(m, METER_AI_REQUESTS, "openai", "m39", "ok")) == 2);
        assert_true(series_value(METRICS_SERIES(m, METER_AI_REQUESTS, "offline", "m39", "ok")) == 0);
        assert_true(series_value(METRICS_SERIES(m, METER_AI_REQUEST_SECONDS, "openai", "m39")) == 3);
        assert_true(series_value(METRICS_SERIES(m, METER_AI_TOKENS, "openai", "m7", "input")) == 15);
        assert_true(series_value(METRICS_SERIES(m, METER_AI_TOKENS, "openai", "m7", "output")) == 0);
        assert_true(series_value(METRICS_SERIES(m, METER_AI_COST, "offline", "m0")) == 1.5);
        stand_close(&s);
}

/* ---- the table ---- */

static void test_names_follow_the_conventions(void **state)
{
        (void)state;
        for (size_t i = 0; i < METER_ROWS; i++) {
                const struct metric *m = &meter_table[i];
                assert_non_null(m->name);
                assert_non_null(m->help);
                if (strncmp(m->name, "chard_", 6) != 0 && strncmp(m->name, "process_", 8) != 0)
                        fail_msg("%s: prefix", m->name);
                if (m->name[strspn(m->name, "abcdefghijklmnopqrstuvwxyz_")])
                        fail_msg("%s: letters", m->name);
                const size_t size = strlen(m->name), unit = m->unit ? strlen(m->unit) : 0;
                if (unit && (size <= unit || strcmp(m->name + size - unit, m->unit) != 0))
                        fail_msg("%s: its unit is last", m->name);
                if (strstr(m->name, "_total") || strstr(m->name, "_info") || strstr(m->name, "_ms"))
                        fail_msg("%s: a suffix that is not its own", m->name);
                if ((m->kind == METRIC_HISTOGRAM) != (m->buckets != NULL))
                        fail_msg("%s: buckets", m->name);
                for (size_t k = 0; k < i; k++)
                        if (strcmp(meter_table[k].name, m->name) == 0)
                                fail_msg("%s: twice", m->name);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_pictures),
                cmocka_unit_test(test_an_age_outlives_the_message_that_told_it),
                cmocka_unit_test(test_what_is_not_known_is_said_so),
                cmocka_unit_test(test_states_of_processes),
                cmocka_unit_test(test_only_a_named_address_is_for_others),
                cmocka_unit_test(test_what_runs_come_to),
                cmocka_unit_test(test_calls_count_for_their_model),
                cmocka_unit_test(test_names_follow_the_conventions),
        };
        return cmocka_run_group_tests(tests, build_shipped, NULL);
}
