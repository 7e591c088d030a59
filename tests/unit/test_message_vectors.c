/* SPDX-License-Identifier: Apache-2.0 */
/* Messages of the real Celery client, as RabbitMQ delivered them: chard must read in them what Celery's own worker reads. */
#include "message_support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static json_t *text_or_null(const char *text)
{
        return text ? json_string(text) : json_null();
}

static json_t *value_or_null(json_t *value)
{
        return value ? json_incref(value) : json_null();
}

static json_t *number_or_null(int number)
{
        return number >= 0 ? json_integer(number) : json_null();
}

/* A decoded task in the recorder's words. */
static json_t *view_of(const struct task_message *t)
{
        struct properties p;
        assert_int_equal(properties_read(t->properties, &p, NULL), 0);
        return json_pack(
                "{s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:I, s:i, s:I, s:I, s:i, s:i, s:b, s:o,"
                " s:O, s:O, s:o, s:o, s:o, s:o, s:o}",
                "name", t->name, "id", t->id, "root_id", t->root_id, "parent_id", text_or_null(t->parent_id),
                "group_id", text_or_null(t->group_id), "reply_to", text_or_null(t->reply_to), "correlation_id",
                text_or_null(t->correlation_id), "origin", text_or_null(t->origin), "group_index", t->group_index,
                "retries", (int)t->retries, "eta_ms", (json_int_t)t->eta_ms, "expires_ms", (json_int_t)t->expires_ms,
                "hard_limit_ms", (int)t->hard_limit_ms, "soft_limit_ms", (int)t->soft_limit_ms, "ignore_result",
                t->ignore_result, "priority", number_or_null(p.priority), "args", t->args, "kwargs", t->kwargs,
                "callbacks", value_or_null(t->callbacks), "errbacks", value_or_null(t->errbacks), "chain",
                value_or_null(t->chain), "chord", value_or_null(t->chord), "headers", headers_to_json(p.headers));
}

static void decode(const struct vector *v, struct arena *a, struct task_message *t)
{
        const struct made m = { v->properties, v->body };
        decode_made(&m, a, t);
}

static void compare_fields(const struct vector *v)
{
        struct arena a = { 0 };
        struct task_message t;
        decode(v, &a, &t);
        json_t *view = view_of(&t), *expected;
        const char *key;
        assert_non_null(view);
        json_object_foreach(json_object_get(v->json, "expected"), key, expected) {
                if (strcmp(key, "types") != 0)
                        assert_json(json_object_get(view, key), expected, key);
        }
        json_decref(view);
        task_message_clear(&t);
        arena_free(&a);
}

static void every_field_is_what_celery_reads(void **state)
{
        (void)state;
        assert_true(each_vector("celery", compare_fields) >= 30);
}

static void compare_types(const struct vector *v)
{
        static const char *const names[] = {
                [TYPED_DATETIME] = "datetime", [TYPED_DATE] = "date",   [TYPED_TIME] = "time",   [TYPED_UUID] = "uuid",
                [TYPED_DECIMAL] = "decimal",   [TYPED_BYTES] = "bytes", [TYPED_BASE64] = "bytes"
        };
        struct arena a = { 0 };
        struct task_message t;
        const char *key;
        json_t *type;
        const json_t *inner = NULL;
        decode(v, &a, &t);
        json_object_foreach(json_object_get(json_object_get(v->json, "expected"), "types"), key, type) {
                const enum typed_kind kind = typed_json_read(json_object_get(t.kwargs, key), &inner);
                assert_in_range(kind, TYPED_DATETIME, TYPED_BASE64);
                assert_string_equal(names[kind], json_string_value(type));
                assert_non_null(inner);
        }
        task_message_clear(&t);
        arena_free(&a);
}

static void typed_values_are_of_the_type_that_kombu_makes(void **state)
{
        (void)state;
        each_vector("celery", compare_types);
}

static void rewrite(const struct vector *v)
{
        struct properties p;
        struct buffer again = { 0 };
        assert_int_equal(properties_read(buffer_view(&v->properties), &p, NULL), 0);
        properties_write(&p, &again);
        assert_int_equal(again.size, v->properties.size);
        assert_memory_equal(again.data, v->properties.data, again.size);
        buffer_free(&again);
}

static void properties_are_written_as_they_were_read(void **state)
{
        (void)state;
        each_vector("celery", rewrite);
}

/* Everything but what must differ. */
static json_t *stable_headers(struct bytes properties)
{
        json_t *headers = headers_of(properties);
        json_object_del(headers, "retries");
        json_object_del(headers, "eta");
        json_object_del(headers, "x-delivery-count");
        return headers;
}

static void repeat(const struct vector *v)
{
        struct arena a = { 0 };
        struct task_message t, after;
        struct problem why;
        decode(v, &a, &t);
        struct message *m = task_message_again(&t, "x", "key", t.retries + 1);
        assert_non_null(m);
        assert_string_equal(m->exchange, "x");
        assert_string_equal(m->routing_key, "key");
        assert_int_equal(m->body.size, v->body.size);
        assert_memory_equal(m->body.data, v->body.data, v->body.size);
        assert_int_equal(task_message_decode(&a, m->properties, m->body, LARGEST_BODY, &after, &why), 0);
        assert_int_equal(after.retries, t.retries + 1);
        assert_int_equal(after.eta_ms, 0);
        assert_int_equal(after.expires_ms, t.expires_ms);
        json_t *before = stable_headers(t.properties), *now = stable_headers(m->properties);
        assert_json(now, before, "headers");
        json_decref(before);
        json_decref(now);
        task_message_clear(&t);
        task_message_clear(&after);
        message_free(m);
        arena_free(&a);
}

static void a_retry_changes_only_retries_and_eta(void **state)
{
        (void)state;
        each_vector("celery", repeat);
}

static void bury(const struct vector *v)
{
        const struct dead_record record = { "message", "bad_body", "why", 1700000000123, 2, NULL, NULL, NULL, NULL };
        struct message *m = message_dead("q", buffer_view(&v->properties), buffer_view(&v->body), &record);
        struct properties p;
        struct header h;
        assert_non_null(m);
        assert_int_equal(m->body.size, v->body.size);
        assert_int_equal(properties_read(m->properties, &p, NULL), 0);
        assert_true(header_find(p.headers, "errorCode", &h));
        assert_true(header_find(p.headers, "id", &h));
        assert_false(header_find(p.headers, "x-delivery-count", &h));
        assert_false(header_find(p.headers, "originalProperties", &h));
        message_free(m);
}

static void a_dead_letter_keeps_the_message(void **state)
{
        (void)state;
        each_vector("celery", bury);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(every_field_is_what_celery_reads),
                cmocka_unit_test(typed_values_are_of_the_type_that_kombu_makes),
                cmocka_unit_test(properties_are_written_as_they_were_read),
                cmocka_unit_test(a_retry_changes_only_retries_and_eta),
                cmocka_unit_test(a_dead_letter_keeps_the_message),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
