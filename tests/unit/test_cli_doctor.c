/* SPDX-License-Identifier: Apache-2.0 */
/* What a doctor makes of figures and settings. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/doctor/doctor.h"
#include "core/bytes.h"
#include "core/json.h"
#include "core/log.h"
#include "tests/unit/short_memory.h"
#include "tests/unit/task_try.h"

#include <stdlib.h>
#include <string.h>

/* Each finding as "verdict check: text", and whether it says what to do. Fails the test where a complaint does not. */
static char *said(struct doctor *d)
{
        struct buffer b = { 0 };
        size_t i;
        json_t *row;
        json_array_foreach(d->checks, i, row) {
                const char *verdict = json_text(row, "verdict", "?");
                buffer_addf(&b, "%s %s: %s\n", verdict, json_text(row, "check", "?"), json_text(row, "text", "?"));
                assert_int_equal(strcmp(verdict, "ok") == 0, !*json_text(row, "advice", "?"));
        }
        buffer_add_byte(&b, '\0');
        json_decref(d->checks);
        d->checks = NULL;
        return (char *)b.data;
}

static void says(struct doctor *d, const char *expected)
{
        char *text = said(d);
        if (holds_unless_short(text && strcmp(text, expected) == 0))
                assert_string_equal(text, expected);
        else if (text)
                print_message("%s", text);
        free(text);
}

static void test_clocks(void **state)
{
        static const struct {
                int64_t skew_ms, unsure_ms;
                const char *text;
        } rows[] = {
                { 0, 1, "ok clock: it and this host agree to within 1 ms\n" },
                { -900, 50, "ok clock: it and this host agree to within 950 ms\n" },
                { 1500, 1000, "ok clock: it and this host agree to within 2500 ms\n" },
                { 1500, 10, "warn clock: it is 1.5 s ahead of this host\n" },
                { -29000, 10, "warn clock: it is 29.0 s behind this host\n" },
                { -31000, 10, "fail clock: it is 31.0 s behind this host\n" },
        };
        (void)state;
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct doctor d = { .checks = json_array() };
                doctor_judge_clock(&d, "it", rows[i].skew_ms, rows[i].unsure_ms);
                says(&d, rows[i].text);
        }
}

static void test_disks(void **state)
{
        static const struct {
                uint64_t free_mib, all_mib;
                const char *text;
        } rows[] = {
                { 50000, 100000, "ok disk: 50000 MiB are free where f lies\n" },
                { 500, 2000, "ok disk: 500 MiB are free where f lies\n" },
                { 500, 20000, "warn disk: 500 MiB are free where f lies\n" },
                { 63, 100, "fail disk: 63 MiB are free where f lies\n" },
        };
        (void)state;
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct doctor d = { .checks = json_array() };
                doctor_judge_disk(&d, "f", rows[i].free_mib << 20, rows[i].all_mib << 20);
                says(&d, rows[i].text);
        }
}

static void test_slots(void **state)
{
        struct doctor d = { .checks = json_array() };
        json_t *slots = json_of("[{'name':'a','active':true,'wal_status':'reserved','lag':1048576},"
                                "{'name':'b','active':false,'wal_status':'extended','lag':2097152},"
                                "{'name':'c','active':true,'wal_status':'reserved','lag':2147483648},"
                                "{'name':'d','active':false,'wal_status':'lost','lag':null},"
                                "{'name':'e','active':true,'wal_status':'unreserved','lag':1}]");
        (void)state;
        doctor_judge_slots(&d, slots);
        says(&d, "ok slot: replication slot a: WAL reserved, 1 MiB behind\n"
                 "warn slot: replication slot b: nobody reads it, 2 MiB behind\n"
                 "warn slot: replication slot c: WAL reserved, 2048 MiB behind\n"
                 "fail slot: replication slot d: its WAL is lost, events are missing behind it\n"
                 "fail slot: replication slot e: its WAL is unreserved, events are missing behind it\n");
        json_decref(slots);
}

static void test_room(void **state)
{
        struct doctor d = { .checks = json_array() };
        (void)state;
        doctor_judge_connections(&d, 90, 100);
        doctor_judge_connections(&d, 91, 100);
        doctor_judge_files(&d, 1100, 1000);
        doctor_judge_files(&d, 1099, 1000);
        says(&d,
             "ok store: 90 of 100 connections are taken\n"
             "warn store: 91 of 100 connections are taken\n"
             "ok limits: 1100 files may be open, 1000 calls under way\n"
             "warn limits: 1099 files may be open, but 1000 calls under way, each with a connection of its own where HTTP/2 is "
             "not spoken\n");
}

static void test_permissions(void **state)
{
        static const struct {
                struct broker_server server;
                const char *text;
        } rows[] = {
                { { .user = "u", .configure = ".*", .write = ".*", .read = ".*" },
                  "ok broker: the user u may configure, write and read all queues\n" },
                { { .user = "u", .configure = "", .write = "^scan\\.", .read = "^(scan|chat)\\." },
                  "fail broker: the user u may not configure scan.vision\nfail broker: the user u may not write chat.answer\n" },
                { { .user = "u", .configure = "(?<", .write = ".", .read = "." },
                  "ok broker: the user u may configure, write and read all queues\n" },
        };
        (void)state;
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct doctor d = { .checks = json_array(),
                                    .queues = { "scan.vision", "chat.answer" },
                                    .queue_count = 2 };
                doctor_judge_permissions(&d, &rows[i].server);
                says(&d, rows[i].text);
        }
}

static void test_redis(void **state)
{
        static const struct {
                const char *info, *text;
        } rows[] = {
                { "# Server\r\nredis_version:7.0.15\r\nrole:master\r\nused_memory:1048576\r\nmaxmemory:0\r\nmaxmemory_policy:allkeys-lru\r\n",
                  "ok results: Redis 7.0.15 answers\n" },
                { "redis_version:7\r\nrole:slave\r\n",
                  "ok results: Redis 7 answers\nfail results: it is a replica, which takes no writes\n" },
                { "redis_version:7\nrole:master\nused_memory:99614720\nmaxmemory:104857600\nmaxmemory_policy:volatile-ttl",
                  "ok results: Redis 7 answers\nwarn results: Redis drops keys (volatile-ttl) once it holds 100 MiB\n"
                  "warn results: Redis holds 95 of 100 MiB\n" },
                { "used_memory:52428800\nmaxmemory:104857600\nmaxmemory_policy:noeviction\nredis_version:7\n",
                  "ok results: Redis 7 answers\n" },
                { "", "ok results: Redis  answers\n" },
        };
        (void)state;
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct doctor d = { .checks = json_array() };
                doctor_judge_redis(&d, rows[i].info);
                says(&d, rows[i].text);
        }
}

static struct settings plain_settings(void)
{
        static char empty[] = "", amqp[] = "amqp://h/", pg[] = "postgresql://h/x";
        return (struct settings){ .broker_url = amqp,
                                  .broker_ca_file = empty,
                                  .broker_admin_url = empty,
                                  .store_url = pg,
                                  .ai_provider = empty,
                                  .openai_base_url = empty,
                                  .openai_api_key = empty,
                                  .result_url = empty,
                                  .metrics = empty,
                                  .gateway_listen = empty,
                                  .dlq_webhook_url = empty,
                                  .dlq_webhook_shape = empty,
                                  .slots = 1000,
                                  .ai_connections = 20000,
                                  .result_expires_s = 86400,
                                  .chord_lost_ms = 300000 };
}

static void test_contradictions(void **state)
{
        static char openai[] = "openai", offline[] = "offline", key[] = "sk-1234", file[] = "sqlite:f",
                    embedded[] = "embedded:f", other[] = "embedded:g", redis[] = "redis://h", ca[] = "ca.pem",
                    tls[] = "https://h/v1", port[] = "0.0.0.0:8780", slack[] = "slack", admin[] = "http://h:15672",
                    empty[] = "";
        static const struct {
                size_t field[3];
                char *value[3];
                const char *holds;
        } rows[] = {
#define F(name) offsetof(struct settings, name)
                { { 0 }, { NULL }, "ok settings: no two contradict" },
                { { F(ai_provider) }, { openai }, "fail settings: CHARD_AI_PROVIDER is openai" },
                { { F(ai_provider), F(openai_api_key) }, { openai, key }, "ok settings" },
                { { F(ai_provider), F(openai_base_url) }, { openai, tls }, "ok settings" },
                { { F(ai_provider), F(openai_api_key) }, { offline, key }, "warn settings: OPENAI_API_KEY is set" },
                { { F(broker_ca_file) }, { ca }, "warn settings: CHARD_BROKER_CA_FILE" },
                { { F(broker_url) },
                  { embedded },
                  "warn settings: one of CHARD_BROKER_URL and CHARD_STORE_URL is a file" },
                { { F(broker_url), F(store_url) }, { embedded, file }, "ok settings" },
                { { F(broker_url), F(store_url) },
                  { other, file },
                  "warn settings: CHARD_BROKER_URL and CHARD_STORE_URL name two" },
                { { F(broker_url), F(store_url), F(result_url) },
                  { embedded, file, redis },
                  "warn settings: CHARD_RESULT_URL" },
                { { F(broker_url), F(store_url), F(broker_admin_url) },
                  { embedded, file, admin },
                  "warn settings: CHARD_BROKER_ADMIN_URL" },
                { { F(metrics), F(gateway_listen) }, { port, port }, "warn settings: CHARD_METRICS and" },
                { { F(dlq_webhook_shape) }, { slack }, "warn settings: CHARD_DLQ_WEBHOOK_SHAPE" },
                { { F(dlq_webhook_shape) }, { empty }, "ok settings" },
#undef F
        };
        (void)state;
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct settings s = plain_settings();
                struct doctor d = { .settings = &s, .checks = json_array() };
                for (size_t f = 0; f < 3 && rows[i].value[f]; f++)
                        *(char **)(void *)((char *)&s + rows[i].field[f]) = rows[i].value[f];
                doctor_judge_settings(&d);
                assert_true(json_array_size(d.checks) <= 1);
                char *text = said(&d);
                if (holds_unless_short(text && strncmp(text, rows[i].holds, strlen(rows[i].holds)) == 0))
                        assert_non_null(strstr(text, rows[i].holds));
                free(text);
        }
}

static void test_numbers_that_contradict(void **state)
{
        static char key[] = "sk-1234";
        struct settings s = plain_settings();
        struct doctor d = { .settings = &s, .checks = json_array() };
        (void)state;
        s.openai_api_key = key;
        s.slots = 30000;
        s.ai_http2_plain = true;
        s.chord_lost_ms = 60000;
        s.result_expires_s = 60;
        doctor_judge_settings(&d);
        char *text = said(&d);
        if (holds_unless_short(text && strstr(text, "CHARD_SLOTS is more"))) {
                assert_non_null(strstr(text, "warn settings: CHARD_AI_HTTP2_PLAIN"));
                assert_non_null(strstr(text, "warn settings: CHARD_CHORD_LOST_MS"));
        }
        free(text);
}

static void test_no_secret_is_said(void **state)
{
        struct doctor d = { .checks = json_array() };
        (void)state;
        log_hide("planted-secret");
        doctor_say(&d, DOCTOR_FAIL, "broker", "do", "amqp://u:planted-secret@h and %s", "planted-secret");
        says(&d, "fail broker: amqp://u:***@h and ***\n");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_clocks),
                cmocka_unit_test(test_disks),
                cmocka_unit_test(test_slots),
                cmocka_unit_test(test_room),
                cmocka_unit_test(test_permissions),
                cmocka_unit_test(test_redis),
                cmocka_unit_test(test_contradictions),
                cmocka_unit_test(test_numbers_that_contradict),
                cmocka_unit_test(test_no_secret_is_said),
        };
        return cmocka_run_group_tests(tests, build_shipped, NULL);
}
