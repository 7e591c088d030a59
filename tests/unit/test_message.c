/* SPDX-License-Identifier: Apache-2.0 */
/* What chard sends: chains and retries. */
#include "message_support.h"
#include "message/wire/base64.h"
#include "message/wire/wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- one allocation ---- */

static void a_message_holds_copies(void **state)
{
        (void)state;
        char exchange[] = "x", key[] = "k", properties[] = "pp", body[] = "bbb";
        struct message *m = message_new(exchange, key, bytes_of(properties, 2), bytes_of(body, 3));
        exchange[0] = key[0] = properties[0] = body[0] = '!';
        assert_null(m->next);
        assert_string_equal(m->exchange, "x");
        assert_string_equal(m->routing_key, "k");
        assert_int_equal(m->properties.size, 2);
        assert_memory_equal(m->properties.data, "pp", 2);
        assert_memory_equal(m->body.data, "bbb", 3);
        message_free(m);
        m = message_new("", "", (struct bytes){ NULL, 0 }, (struct bytes){ NULL, 0 });
        assert_int_equal(m->body.size, 0);
        message_free(m);
        message_free(NULL);
        message_free_list(NULL);
}

/* ---- chains ---- */

static const char TRACE[] = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/* Three tasks, as a pipeline starts them. */
static struct message *scan_chain(size_t count)
{
        json_t *kwargs =
                parse("{\"image_url\":\"https://example.org/a.jpg\",\"lang\":\"ko\",\"text\":\"it's \\\"빈 병\\\"\"}");
        json_t *args = parse("[7,null,true,{\"a\":[1.5]}]");
        const struct signature tasks[] = {
                { "scan.vision", "11111111-0000-4000-8000-000000000001", "scan.vision", NULL, kwargs },
                { "scan.answer", "11111111-0000-4000-8000-000000000002", "scan.answer", NULL, NULL },
                { "scan.reward", "11111111-0000-4000-8000-000000000003", NULL, args, kwargs },
        };
        const struct send_options options = { .exchange = "scan.commands",
                                              .routing_key = "scan.vision",
                                              .origin = "gen1@client",
                                              .expires_ms = 1900000000123,
                                              .trace = { .parent = TRACE } };
        struct message *m = chain_message(tasks, count, &options);
        json_decref(kwargs);
        json_decref(args);
        assert_non_null(m);
        return m;
}

static void decode_message(const struct message *m, struct arena *a, struct task_message *t)
{
        struct problem why = { 0 };
        if (task_message_decode(a, m->properties, m->body, LARGEST_BODY, t, &why) != 0)
                fail_msg("%s: %s", why.code, why.text);
}

static void a_chain_is_read_as_it_was_meant(void **state)
{
        (void)state;
        struct arena a = { 0 };
        struct task_message t;
        struct message *m = scan_chain(3);
        decode_message(m, &a, &t);
        assert_string_equal(m->exchange, "scan.commands");
        assert_string_equal(m->routing_key, "scan.vision");
        assert_string_equal(t.name, "scan.vision");
        assert_string_equal(t.id, "11111111-0000-4000-8000-000000000001");
        assert_string_equal(t.root_id, t.id);
        assert_string_equal(t.correlation_id, t.id);
        assert_string_equal(t.traceparent, TRACE);
        assert_string_equal(t.origin, "gen1@client");
        assert_null(t.parent_id);
        assert_int_equal(t.expires_ms, 1900000000123);
        assert_int_equal(json_array_size(t.args), 0);
        assert_int_equal(json_object_size(t.kwargs), 3);
        assert_int_equal(json_array_size(t.chain), 2);
        const json_t *next = json_array_get(t.chain, 1), *options = json_object_get(next, "options");
        assert_string_equal(json_string_value(json_object_get(next, "task")), "scan.answer");
        assert_string_equal(json_string_value(json_object_get(options, "exchange")), "scan.answer");
        assert_string_equal(json_string_value(json_object_get(options, "routing_key")), "scan.answer");
        assert_null(json_object_get(json_object_get(json_array_get(t.chain, 0), "options"), "exchange"));
        assert_header(m, "lang", "\"py\"");
        assert_header(m, "timelimit", "[null,null]");
        assert_header(m, "argsrepr", "\"()\"");
        task_message_clear(&t);
        message_free(m);
        arena_free(&a);
}

static void a_chain_of_one_goes_to_its_queue(void **state)
{
        (void)state;
        struct arena a = { 0 };
        struct task_message t;
        const struct signature task = { "my.profile", "id-1", "my.profile", NULL, NULL };
        const struct send_options options = { 0 };
        struct message *m = chain_message(&task, 1, &options);
        decode_message(m, &a, &t);
        assert_string_equal(m->exchange, "my.profile");
        assert_string_equal(m->routing_key, "my.profile");
        assert_null(t.chain);
        assert_null(t.origin);
        assert_int_equal(t.expires_ms, 0);
        task_message_clear(&t);
        message_free(m);
        arena_free(&a);
}

/* ---- kept messages, which the end-to-end tests give to a real Celery ---- */

static const char *queue_of(const char *name, void *arg)
{
        (void)arg;
        return name;
}

static struct message *successor_of(const struct message *first)
{
        struct arena a = { 0 };
        struct task_message t;
        struct following out;
        struct problem why;
        const struct follow_how how = { .queue_of = queue_of, .now_ms = 1800000000000 };
        decode_message(first, &a, &t);
        assert_int_equal(task_message_successors(&t, bytes_of_string("{\"job\":{\"id\":\"j\"},\"input\":{\"n\":1}}"),
                                                 &how, &out, &why),
                         0);
        task_message_clear(&t);
        arena_free(&a);
        struct message *next = out.messages;
        out.messages = NULL;
        following_clear(&out);
        return next;
}

static struct message *retry_of(const struct message *first)
{
        struct arena a = { 0 };
        struct task_message t;
        decode_message(first, &a, &t);
        struct message *m = task_message_again(&t, "", "scan.vision", 2);
        task_message_clear(&t);
        arena_free(&a);
        return m;
}

static json_t *json_base64(struct bytes raw)
{
        struct buffer text = { 0 };
        base64_encode(raw, &text);
        json_t *value = json_stringn((const char *)text.data, text.size);
        buffer_free(&text);
        return value;
}

/* The file holds exactly this message; with CHARD_KEEP_VECTORS set it is written instead. */
static void kept(const char *name, struct message *m)
{
        char path[512];
        const char *root = getenv("CHARD_VECTORS");
        snprintf(path, sizeof(path), "%s/chard/%s.json", root ? root : "tests/vectors", name);
        json_t *is = json_pack("{s:s, s:s, s:o, s:o}", "exchange", m->exchange, "routing_key", m->routing_key,
                               "properties", json_base64(m->properties), "body", json_base64(m->body));
        if (getenv("CHARD_KEEP_VECTORS"))
                assert_int_equal(json_dump_file(is, path, JSON_INDENT(1)), 0);
        json_t *was = json_load_file(path, 0, NULL);
        assert_json(is, was, path);
        json_decref(is);
        json_decref(was);
        message_free(m);
}

static void messages_are_those_that_celery_was_shown(void **state)
{
        (void)state;
        struct message *first = scan_chain(3);
        kept("successor", successor_of(first));
        kept("retry", retry_of(first));
        kept("chain", first);
        kept("single", scan_chain(1));
}

/* ---- again ---- */

static struct message *again(const char *headers_json, unsigned retries, const struct properties *with)
{
        struct arena a = { 0 };
        struct task_message t;
        struct buffer table = { 0 }, properties = { 0 };
        const char *key;
        json_t *value, *headers = parse(headers_json);
        json_object_foreach(headers, key, value)
                header_add_json(&table, key, value);
        struct made made = make_task(buffer_view(&table), "[[],{},null]");
        if (with) {
                struct properties p;
                properties_read(buffer_view(&made.properties), &p, NULL);
                p.expiration = with->expiration;
                p.user_id = with->user_id;
                p.message_id = with->message_id;
                p.timestamp = with->timestamp;
                properties_write(&p, &properties);
                buffer_free(&made.properties);
                made.properties = properties;
        }
        decode_made(&made, &a, &t);
        struct message *m = task_message_again(&t, "x", "k", retries);
        assert_non_null(m);
        task_message_clear(&t);
        made_free(&made);
        buffer_free(&table);
        json_decref(headers);
        arena_free(&a);
        return m;
}

static void a_retry_has_its_headers(void **state)
{
        (void)state;
        static const struct {
                const char *before;
                unsigned retries;
                const char *after; /* beside task and id */
        } rows[] = {
                { "{}", 1, "{\"retries\":1}" },
                { "{\"retries\":3}", 3, "{\"retries\":3}" },
                { "{\"retries\":0,\"eta\":\"2030-01-01T00:00:00\"}", 4294967295,
                  "{\"retries\":4294967295,\"eta\":null}" },
                { "{\"x\":{\"deep\":[1,{}]},\"expires\":\"2030-01-01T00:00:00\"}", 1,
                  "{\"retries\":1,\"x\":{\"deep\":[1,{}]},\"expires\":\"2030-01-01T00:00:00\"}" },
                { "{\"x-death\":[{}],\"x-first-death-queue\":\"a\",\"x-last-death-reason\":\"b\",\"x-delivery-count\":3,"
                  "\"CC\":[\"q\"],\"BCC\":[\"q\"],\"x-other\":1}",
                  0, "{\"retries\":0,\"x-other\":1}" },
                { "{\"errorCode\":\"kept\",\"trace_id\":\"kept\"}", 0,
                  "{\"retries\":0,\"errorCode\":\"kept\",\"trace_id\":\"kept\"}" },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct message *m = again(rows[i].before, rows[i].retries, NULL);
                json_t *headers = headers_of(m->properties), *expected = parse(rows[i].after);
                json_object_set_new(expected, "task", json_string("t"));
                json_object_set_new(expected, "id", json_string("i"));
                assert_json(headers, expected, "headers");
                json_decref(headers);
                json_decref(expected);
                message_free(m);
        }
}

/* They travel with the task, through what puts it away and another failure, but not beyond its death. */
static void what_is_known_of_failures_stays_with_the_task(void **state)
{
        (void)state;
        static const struct task_failures first = { 1, 1700000000123, 1700000009123 },
                                          second = { 2, 1700000000123, 1700000099123 };
        struct arena a = { 0 };
        struct task_message t;
        struct made made = make_task(bytes_of("\7retriesI\0\0\0\1", 13), "[[],{},null]");
        decode_made(&made, &a, &t);
        assert_int_equal(t.failures.excused + (uint64_t)t.failures.first_ms + (uint64_t)t.failures.last_ms, 0);
        struct message *m = task_message_retry(&t, "", "q", &first), *put_away, *again, *revived = NULL;
        struct problem why;
        task_message_clear(&t);
        decode_message(m, &a, &t);
        assert_int_equal(t.retries, 2);
        assert_memory_equal(&t.failures, &first, sizeof(first));
        put_away = task_message_again(&t, "", "q", 2);
        task_message_clear(&t);
        decode_message(put_away, &a, &t);
        assert_memory_equal(&t.failures, &first, sizeof(first));
        again = task_message_retry(&t, "", "q", &second);
        task_message_clear(&t);
        decode_message(again, &a, &t);
        assert_int_equal(t.retries, 3);
        assert_memory_equal(&t.failures, &second, sizeof(second));
        assert_int_equal(message_revive("q", again->properties, again->body, &revived, &why), 0);
        task_message_clear(&t);
        decode_message(revived, &a, &t);
        assert_int_equal(t.failures.excused + (uint64_t)t.failures.first_ms + (uint64_t)t.failures.last_ms, 0);
        task_message_clear(&t);
        message_free(m);
        message_free(put_away);
        message_free(again);
        message_free(revived);
        made_free(&made);
        arena_free(&a);
}

static void a_retry_keeps_its_properties_but_those_that_are_spent(void **state)
{
        (void)state;
        const struct properties with = { .expiration = bytes_of_string("60000"),
                                         .user_id = bytes_of_string("somebody"),
                                         .message_id = bytes_of_string("m-1"),
                                         .timestamp = 7 };
        struct message *m = again("{}", 1, &with);
        struct properties p;
        assert_int_equal(properties_read(m->properties, &p, NULL), 0);
        assert_null(p.expiration.data);
        assert_null(p.user_id.data);
        assert_true(bytes_equal(p.message_id, with.message_id));
        assert_int_equal(p.timestamp, 7);
        assert_int_equal(p.delivery_mode, 2);
        message_free(m);
}

static void two_headers_of_a_name_become_one(void **state)
{
        (void)state;
        struct arena a = { 0 };
        struct task_message t;
        struct made made = make_task(bytes_of("\7retriesI\0\0\0\1\7retriesI\0\0\0\2", 26), "[[],{},null]");
        decode_made(&made, &a, &t);
        assert_int_equal(t.retries, 2);
        struct message *m = task_message_again(&t, "", "", 9);
        struct properties p;
        struct header h;
        unsigned count = 0;
        properties_read(m->properties, &p, NULL);
        for (size_t at = 0; header_next(p.headers, &at, &h);)
                count++;
        assert_int_equal(count, 3);
        assert_header(m, "retries", "9");
        message_free(m);
        task_message_clear(&t);
        made_free(&made);
        arena_free(&a);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_message_holds_copies),
                cmocka_unit_test(a_chain_is_read_as_it_was_meant),
                cmocka_unit_test(a_chain_of_one_goes_to_its_queue),
                cmocka_unit_test(messages_are_those_that_celery_was_shown),
                cmocka_unit_test(what_is_known_of_failures_stays_with_the_task),
                cmocka_unit_test(a_retry_has_its_headers),
                cmocka_unit_test(a_retry_keeps_its_properties_but_those_that_are_spent),
                cmocka_unit_test(two_headers_of_a_name_become_one),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
