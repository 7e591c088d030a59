/* SPDX-License-Identifier: Apache-2.0 */
/* The pure parts of dead letters: what an entry is made of, what groups it, and whether it can be sent back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/json.h"
#include "core/text/utf8.h"
#include "tests/unit/task_try.h"
#include "dlq/letter.h"

#include <stdlib.h>
#include <string.h>

/* Properties with these headers. */
static struct bytes with_headers(struct buffer *out, const char *json)
{
        struct buffer table = { 0 };
        const char *key;
        json_t *value, *headers = json_loads(json, JSON_ALLOW_NUL, NULL);
        struct properties p = { .delivery_mode = 2, .priority = -1, .timestamp = -1 };
        p.content_type = bytes_of_string("application/json");
        p.content_encoding = bytes_of_string("utf-8");
        json_object_foreach(headers, key, value)
                header_add_json(&table, key, value);
        p.headers = buffer_view(&table);
        buffer_reset(out);
        properties_write(&p, out);
        buffer_free(&table);
        json_decref(headers);
        return buffer_view(out);
}

static void read_as(struct arena *a, const char *queue, struct bytes properties, const char *body,
                    struct dead_letter *l)
{
        assert_true(letter_read(a, queue, properties, bytes_of_string(body), SIZE_MAX, 1700000000000, l));
}

#define GOOD_BODY "[[],{\"user_id\":\"u1\",\"image_url\":\"https://x.example/a.jpg\"},{}]"
#define TASK      "\"task\":\"scan.vision\",\"id\":\"i1\",\"root_id\":\"r1\",\"retries\":3,\"traceparent\":\"00-t\""
#define RECORD                                                                                               \
        "\"errorSource\":\"provider\",\"errorCode\":\"timeout\",\"errorMessage\":\"no answer within 5 ms\"," \
        "\"timestamp\":\"2026-11-21T08:00:00.500+00:00\",\"attempts\":4,\"deadWorker\":\"w1\""
#define BODY "[[],{\"user_id\":\"u1\"},{\"chain\":[{\"task\":\"scan.reward\"},{\"task\":\"scan.answer\"}]}]"

static void a_letter_of_a_worker(void **state)
{
        (void)state;
        struct arena a = { 0 };
        struct buffer b = { 0 };
        struct dead_letter l;
        read_as(&a, "scan.vision.dead", with_headers(&b, "{" TASK "," RECORD "}"), BODY, &l);
        assert_string_equal(l.name, "scan.vision");
        assert_string_equal(l.task_id, "i1");
        assert_string_equal(l.root_id, "r1");
        assert_string_equal(l.queue, "scan.vision");
        assert_string_equal(l.error_code, "timeout");
        assert_string_equal(l.cause, "no answer within <n> ms");
        assert_string_equal(l.user_id, "u1");
        assert_string_equal(l.worker, "w1");
        assert_string_equal(l.next_task, "scan.answer");
        assert_string_equal(l.trace_id, "00-t");
        assert_int_equal(l.attempts, 4);
        assert_int_equal(strlen(l.group), 12);
        assert_true(l.died_ms == 1795248000500);
        buffer_free(&b);
        arena_free(&a);
}

#define DEATH(reason, time) \
        "\"x-death\":[{\"reason\":\"" reason "\",\"queue\":\"q1\",\"count\":2,\"time\":\"" time "\"}]"

static void a_letter_of_the_broker(void **state)
{
        (void)state;
        static const struct {
                const char *headers, *source, *code, *queue;
        } rows[] = {
                { "{" TASK "," DEATH("expired", "2026-11-21T08:00:00Z") "}", "broker", "expired", "q1" },
                { "{" TASK "," DEATH("delivery_limit", "2026-11-21T08:00:00Z") "}", "broker", "delivery_limit", "q1" },
                { "{" TASK "," RECORD "," DEATH("maxlen", "2026-11-21T07:00:00Z") "}", "provider", "timeout",
                  "scan.vision" },
                { "{" TASK "," RECORD "," DEATH("rejected", "2026-11-21T09:00:00Z") "}", "broker", "rejected", "q1" },
                { "{" TASK ",\"x-death\":7}", "message", "no_record", "scan.vision" },
                { "{" TASK ",\"x-death\":[7]}", "message", "no_record", "scan.vision" },
                { "{}", "message", "no_record", "scan.vision" },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct arena a = { 0 };
                struct buffer b = { 0 };
                struct dead_letter l;
                read_as(&a, "scan.vision.dead", with_headers(&b, rows[i].headers), BODY, &l);
                assert_string_equal(l.error_source, rows[i].source);
                assert_string_equal(l.error_code, rows[i].code);
                assert_string_equal(l.queue, rows[i].queue);
                buffer_free(&b);
                arena_free(&a);
        }
}

/* A name of the broker's is cut between characters; and what any store takes. */
static void a_letter_is_cut_between_characters(void **state)
{
        (void)state;
        struct arena a = { 0 };
        struct buffer b = { 0 };
        struct dead_letter l;
        char headers[1024] = "{" TASK ",\"x-death\":[{\"reason\":\"expired\",\"queue\":\"a";
        for (int i = 0; i < 200; i++)
                strcat(headers, "\xC3\xA9");
        strcat(headers, "\"}]}");
        read_as(&a, "scan.vision.dead", with_headers(&b, headers), BODY, &l);
        assert_non_null(strstr(l.error_message, "\xC3\xA9, 1 times)"));
        for (const char *at = l.error_message; *at;) {
                size_t size;
                assert_true(utf8_next(at, &size));
                at += size;
        }
        l.kept_ms = 7;
        l.name = "tab\there, \xC3\xA9";
        assert_true(letter_reduce(&a, &l));
        assert_string_equal(l.name, "tab?here, ??");
        assert_int_equal(strlen(l.error_message), 200);
        assert_string_equal(l.user_id, "u1");
        assert_true(l.died_ms == 7 && l.body.size == strlen(BODY));
        buffer_free(&b);
        arena_free(&a);
}

static void what_is_the_same(void **state)
{
        (void)state;
        struct arena a = { 0 };
        struct buffer b = { 0 };
        struct dead_letter one, again, later, other, nobody, nobody2;
        read_as(&a, "q.dead", with_headers(&b, "{" TASK "," RECORD "}"), BODY, &one);
        read_as(&a, "q.dead", buffer_view(&b), BODY, &again);
        assert_memory_equal(one.key, again.key, DEAD_KEY_SIZE);
        read_as(&a, "q.dead", with_headers(&b, "{" TASK "," RECORD ",\"x-delivery-count\":1}"), BODY, &again);
        assert_memory_equal(one.key, again.key, DEAD_KEY_SIZE);
        read_as(&a, "q.dead", with_headers(&b, "{" RECORD ",\"x-delivery-count\":2," TASK "}"), BODY, &again);
        assert_memory_equal(one.key, again.key, DEAD_KEY_SIZE);
        read_as(&a, "q.dead", with_headers(&b, "{" TASK ",\"errorSource\":\"x\",\"errorCode\":\"later\"}"), BODY,
                &later);
        assert_memory_not_equal(one.key, later.key, DEAD_KEY_SIZE);
        assert_memory_equal(one.same, later.same, DEAD_KEY_SIZE);
        read_as(&a, "q.dead", buffer_view(&b), "[[],{},{}]", &other);
        assert_memory_not_equal(one.same, other.same, DEAD_KEY_SIZE);
        read_as(&a, "q.dead", with_headers(&b, "{\"a\":1}"), "x", &nobody);
        read_as(&a, "q.dead", with_headers(&b, "{\"a\":2}"), "x", &nobody2);
        assert_memory_not_equal(nobody.same, nobody2.same, DEAD_KEY_SIZE);
        buffer_free(&b);
        arena_free(&a);
}

static void hostile_letters(void **state)
{
        (void)state;
        struct buffer b = { 0 };
        const struct bytes properties[] = { { NULL, 0 },
                                            bytes_of("\xff\xff\xff", 3),
                                            bytes_of("\x20\x00\x00\x00\x00\xff", 6) };
        for (size_t i = 0; i < sizeof(properties) / sizeof(properties[0]); i++) {
                struct arena a = { 0 };
                struct dead_letter l;
                struct message *m = NULL;
                struct problem why;
                read_as(&a, i == 0 ? "odd" : ".dead", properties[i], "\xff", &l);
                assert_string_equal(l.queue, i == 0 ? "odd" : ".dead");
                json_decref(letter_json(&l, LETTER_READABLE));
                if (letter_message(&l, NULL, &m, &why) == 0)
                        message_free(m);
                arena_free(&a);
        }
        struct arena a = { 0 };
        struct dead_letter l;
        read_as(&a, "q.dead", with_headers(&b, "{\"errorSource\":\"a\\u0000b\",\"errorMessage\":7}"), "", &l);
        assert_string_equal(l.error_source, "a?b");
        assert_string_equal(l.error_message, "");
        buffer_free(&b);
        arena_free(&a);
}

static void out_and_in_again(void **state)
{
        (void)state;
        struct arena a = { 0 }, second = { 0 };
        struct buffer b = { 0 };
        struct dead_letter l, read;
        struct problem why;
        read_as(&a, "q.dead", with_headers(&b, "{" TASK "," RECORD "}"), BODY, &l);
        l.edited = bytes_of_string("[[],{\"user_id\":\"u1\",\"image_url\":\"https://x.example/a.jpg\"},{}]");
        json_t *whole = letter_json(&l, LETTER_WHOLE);
        assert_int_equal(letter_from_json(shipped(), &second, whole, &read, &why), 0);
        assert_memory_equal(l.key, read.key, DEAD_KEY_SIZE);
        assert_true(read.body.size == l.body.size && memcmp(read.body.data, l.body.data, l.body.size) == 0);
        assert_true(read.edited.size == l.edited.size);
        static const char *const bad[] = {
                "{}", "[]", "{\"queue\":\"q\"}", "{\"queue\":\"q\",\"died_at\":\"x\"}",
                "{\"queue\":\"q\",\"died_at\":\"2026-11-21T08:00:00Z\",\"properties_base64\":\"!\",\"body_base64\":\"\"}"
        };
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
                json_t *value = json_loads(bad[i], 0, NULL);
                assert_int_equal(letter_from_json(shipped(), &second, value, &read, &why), 1);
                json_decref(value);
        }
        static const char *const edits[] = { "", "!", "bm8gSlNPTg==",
                                             "W1tdLHt9LHt9XQ==" }; /* the last ones: no JSON, no arguments */
        for (size_t i = 0; i < sizeof(edits) / sizeof(edits[0]); i++) {
                json_object_set_new(whole, "edited_base64", json_string(edits[i]));
                assert_int_equal(letter_from_json(shipped(), &second, whole, &read, &why), 1);
        }
        json_decref(whole);
        buffer_free(&b);
        arena_free(&a);
        arena_free(&second);
}

static void edited_arguments(void **state)
{
        (void)state;
        struct arena a = { 0 };
        struct buffer b = { 0 }, out = { 0 };
        struct dead_letter l;
        struct problem why;
        static const struct {
                const char *text, *code;
        } rows[] = {
                { "{\"args\":[],\"kwargs\":{\"user_id\":\"u1\",\"image_url\":\"https://x.example/a.jpg\"}}", NULL },
                { "{\"args\":[],\"kwargs\":{\"user_id\":\"u1\"}}", "bad_arguments" },
                { "{\"args\":{},\"kwargs\":{}}", "bad_arguments" },
                { "{\"args\":[],\"kwargs\":{},\"chain\":[]}", "bad_arguments" },
                { "{", "bad_json" },
        };
        read_as(&a, "scan.vision.dead", with_headers(&b, "{" TASK "," RECORD "}"), BODY, &l);
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                buffer_reset(&out);
                const int code = letter_edited_body(shipped(), &l, bytes_of_string(rows[i].text), &out, &why);
                assert_int_equal(code, rows[i].code ? 1 : 0);
                if (rows[i].code)
                        assert_string_equal(why.code, rows[i].code);
                else
                        assert_non_null(memmem(out.data, out.size, "scan.answer", 11)); /* what follows stays */
        }
        buffer_free(&out);
        buffer_free(&b);
        arena_free(&a);
}

static void dispositions(void **state)
{
        (void)state;
        static const struct {
                const char *state, *name, *queue, *task, *job, *to;
                enum letter_disposition disposition;
        } rows[] = {
                { "kept", "scan.vision", "scan.vision", "FAILURE", "FAILURE", NULL, DISPOSITION_SENT },
                { "kept", "scan.vision", "scan.vision", "", "", NULL, DISPOSITION_SENT },
                { "kept", "scan.vision", "scan.vision", "SUCCESS", "SUCCESS", NULL, DISPOSITION_SUCCEEDED },
                { "kept", "scan.vision", "scan.vision", "SUCCESS", "FAILURE", NULL, DISPOSITION_RESUMED },
                { "kept", "scan.vision", "scan.vision", "STARTED", "STARTED", NULL, DISPOSITION_SENT },
                { "kept", "scan.vision", "old.queue", "SUCCESS", "SUCCESS", NULL, DISPOSITION_NO_QUEUE },
                { "kept", "scan.vision", "scan.vision", "REVOKED", "FAILURE", NULL, DISPOSITION_REVOKED },
                { "kept", "scan.vision", "old.queue", "FAILURE", "FAILURE", NULL, DISPOSITION_NO_QUEUE },
                { "kept", "scan.vision", "old.queue", "FAILURE", "FAILURE", "scan.vision", DISPOSITION_SENT },
                { "kept", "old.task", "scan.vision", "", "", NULL, DISPOSITION_HOPELESS },
                { "requeued", "scan.vision", "scan.vision", "FAILURE", "FAILURE", NULL, DISPOSITION_CLOSED },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                const struct dead_letter l = { .state = rows[i].state,
                                               .name = rows[i].name,
                                               .queue = rows[i].queue,
                                               .task_state = rows[i].task,
                                               .job_state = rows[i].job,
                                               .error_source = "x",
                                               .error_code = "y" };
                assert_int_equal(letter_disposition_of(shipped(), &l, rows[i].to), rows[i].disposition);
                assert_int_equal(letter_judge(shipped(), &l, rows[i].to, SIZE_MAX, NULL, NULL), rows[i].disposition);
                assert_non_null(letter_disposition_text(rows[i].disposition));
        }
        static const struct {
                const char *task;
                bool waits, followed, leased;
                enum letter_disposition disposition;
        } standings[] = {
                { "STARTED", false, false, true, DISPOSITION_ALIVE },
                { "STARTED", true, false, true, DISPOSITION_ALIVE },
                { "STARTED", true, false, false, DISPOSITION_WAITING },
                { "RETRY", true, false, false, DISPOSITION_WAITING },
                { "", true, false, false, DISPOSITION_WAITING },
                { "SUCCESS", false, true, false, DISPOSITION_SUCCEEDED },
                { "SUCCESS", true, false, false, DISPOSITION_WAITING },
                { "SUCCESS", false, false, false, DISPOSITION_RESUMED },
                { "REVOKED", true, false, false, DISPOSITION_REVOKED },
        };
        for (size_t i = 0; i < sizeof(standings) / sizeof(standings[0]); i++) {
                const struct dead_letter l = { .state = "kept",
                                               .name = "scan.vision",
                                               .queue = "scan.vision",
                                               .task_state = standings[i].task,
                                               .job_state = "FAILURE",
                                               .waits = standings[i].waits,
                                               .followed = standings[i].followed,
                                               .leased = standings[i].leased };
                assert_int_equal(letter_disposition_of(shipped(), &l, NULL), standings[i].disposition);
        }
}

/* What a worker would find is what is said before it is sent. */
static void what_a_worker_could_read(void **state)
{
        (void)state;
        static const struct {
                const char *headers, *body, *code;
                size_t max_body;
                enum letter_disposition disposition;
        } rows[] = {
                { "{" TASK "," RECORD "}", GOOD_BODY, NULL, 1000, DISPOSITION_SENT },
                { "{" TASK "," RECORD "}", BODY, "bad_arguments", 1000, DISPOSITION_MISTAKEN },
                { "{\"task\":\"no.such\",\"id\":\"i\"," RECORD "}", BODY, NULL, 1000, DISPOSITION_HOPELESS },
                { "{" TASK "," RECORD "}", "no JSON", "bad_body", 1000, DISPOSITION_UNDECODABLE },
                { "{" TASK "," RECORD "}", BODY, "body_too_large", 10, DISPOSITION_UNDECODABLE },
                { "{\"task\":\"scan.vision\"," RECORD "}", BODY, "not_a_task", 1000, DISPOSITION_UNDECODABLE },
                { "{}", BODY, "not_a_task", 1000, DISPOSITION_UNDECODABLE },
                { "{" TASK ",\"compression\":\"x-lzma\"}", BODY, "bad_compression", 1000, DISPOSITION_UNDECODABLE },
                { "{" TASK ",\"originalProperties\":\"AAA=\"}", BODY, "bad_properties", 1000, DISPOSITION_UNREADABLE },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct arena a = { 0 };
                struct buffer b = { 0 };
                struct dead_letter l;
                struct problem why = { 0 };
                struct message *m = NULL;
                read_as(&a, "scan.vision.dead", with_headers(&b, rows[i].headers), rows[i].body, &l);
                assert_int_equal(letter_judge(shipped(), &l, NULL, rows[i].max_body, &m, &why), rows[i].disposition);
                assert_true((m == NULL) == (rows[i].disposition == DISPOSITION_UNREADABLE));
                if (rows[i].code)
                        assert_string_equal(why.code, rows[i].code);
                message_free(m);
                buffer_free(&b);
                arena_free(&a);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_letter_of_a_worker),
                cmocka_unit_test(a_letter_of_the_broker),
                cmocka_unit_test(a_letter_is_cut_between_characters),
                cmocka_unit_test(what_is_the_same),
                cmocka_unit_test(hostile_letters),
                cmocka_unit_test(out_and_in_again),
                cmocka_unit_test(edited_arguments),
                cmocka_unit_test(dispositions),
                cmocka_unit_test(what_a_worker_could_read),
        };
        return cmocka_run_group_tests(tests, build_shipped, NULL);
}
