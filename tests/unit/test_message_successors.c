/* SPDX-License-Identifier: Apache-2.0 */
/* What follows a task, compared with what a real Celery worker sent, and what no worker may be asked to send. */
#include "message_support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { NOW = 1800000000 };
#define NOW_MS ((int64_t)NOW * 1000)

static const char *known_queue(const char *name, void *arg)
{
        (void)arg;
        return strcmp(name, "known") == 0 ? "known.queue" : NULL;
}

static const struct follow_how how = { .queue_of = known_queue, .now_ms = NOW_MS }, nowhere = { .now_ms = NOW_MS };

static const struct failure_told told = { .exception = { (const unsigned char *)"{\"exc_type\":\"E\"}", 16 },
                                          .worker = "w" };

/* Of what follows, the messages. */
static int successors(const struct task_message *t, struct bytes result, const struct follow_how *as,
                      struct message **first, struct problem *why)
{
        struct following following;
        const int rc = task_message_successors(t, result, as, &following, why);
        *first = following.messages;
        following.messages = NULL;
        following_clear(&following);
        return rc;
}

static int errbacks(const struct task_message *t, struct message **first, struct problem *why)
{
        struct following following;
        const int rc = task_message_errbacks(t, &told, &how, &following, why);
        *first = following.messages;
        following.messages = NULL;
        following_clear(&following);
        return rc;
}

/* ---- as Celery ---- */

static const json_t *expected_of(const json_t *followers, const char *task)
{
        for (size_t i = 0; i < json_array_size(followers); i++) {
                const json_t *one = json_array_get(followers, i);
                if (strcmp(json_string_value(json_object_get(json_object_get(one, "headers"), "task")), task) == 0)
                        return one;
        }
        fail_msg("Celery sends no %s", task);
        return NULL;
}

/* A callback has neither id nor reply queue in its signature: Celery makes up an id and names its own queue, chard derives the id and
 * passes on the reply queue of the task before. */
static bool is_callback(const json_t *headers)
{
        return strcmp(json_string_value(json_object_get(headers, "task")), "next.link") == 0;
}

static void compare_headers(const json_t *headers, const json_t *expected)
{
        /* Each sender's own: who it is, and how it shows the arguments. */
        static const char *const own[] = { "origin", "argsrepr", "kwargsrepr", "x-delivery-count" };
        const char *key;
        json_t *value;
        json_object_foreach((json_t *)expected, key, value) {
                bool same = !(strcmp(key, "id") == 0 && is_callback(headers));
                for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
                        same = same && strcmp(key, own[i]) != 0;
                if (same)
                        assert_json(json_object_get(headers, key), value, key);
        }
        json_object_foreach((json_t *)headers, key, value) {
                if (!json_object_get(expected, key) && strcmp(key, "x-tenant") != 0)
                        fail_msg("the header %s is ours alone", key);
        }
        assert_true(json_string_length(json_object_get(headers, "argsrepr")) > 1);
        assert_true(json_is_string(json_object_get(headers, "origin")));
}

static void assert_text(struct bytes text, const json_t *expected)
{
        assert_int_equal(text.size, json_string_length(expected));
        assert_memory_equal(text.data, json_string_value(expected), text.size);
}

static void compare_properties(struct bytes encoded, const json_t *expected, bool callback)
{
        struct properties p;
        assert_int_equal(properties_read(encoded, &p, NULL), 0);
        assert_text(p.content_type, json_object_get(expected, "content_type"));
        assert_text(p.content_encoding, json_object_get(expected, "content_encoding"));
        assert_int_equal(p.delivery_mode, json_integer_value(json_object_get(expected, "delivery_mode")));
        assert_int_equal(p.priority, json_integer_value(json_object_get(expected, "priority")));
        if (callback)
                return;
        assert_text(p.reply_to, json_object_get(expected, "reply_to"));
        assert_text(p.correlation_id, json_object_get(expected, "correlation_id"));
}

static void compare_follower(const struct vector *v, const struct message *m)
{
        json_t *headers = headers_of(m->properties);
        const json_t *expected =
                expected_of(json_object_get(v->json, "followers"), json_string_value(json_object_get(headers, "task")));
        json_t *body = json_loadb((const char *)m->body.data, m->body.size, 0, NULL);
        assert_string_equal(m->exchange, json_string_value(json_object_get(expected, "exchange")));
        assert_string_equal(m->routing_key, json_string_value(json_object_get(expected, "routing_key")));
        compare_properties(m->properties, json_object_get(expected, "properties"), is_callback(headers));
        compare_headers(headers, json_object_get(expected, "headers"));
        assert_json(body, json_object_get(expected, "body"), "body");
        json_decref(headers);
        json_decref(body);
}

static void follow(const struct vector *v)
{
        struct arena a = { 0 };
        struct task_message t;
        struct problem why = { 0 };
        struct message *first = NULL;
        size_t count = 0;
        const struct made made = { v->properties, v->body };
        decode_made(&made, &a, &t);
        assert_int_equal(task_message_check(&t, &nowhere, &why), 0);
        const char *result = json_string_value(json_object_get(v->json, "result"));
        assert_int_equal(successors(&t, bytes_of_string(result), &nowhere, &first, &why), 0);
        for (struct message *m = first; m; m = m->next, count++)
                compare_follower(v, m);
        assert_int_equal(count, json_array_size(json_object_get(v->json, "followers")));
        message_free_list(first);
        task_message_clear(&t);
        arena_free(&a);
}

static void followers_are_those_of_a_celery_worker(void **state)
{
        (void)state;
        assert_true(each_vector("successors", follow) >= 9);
}

/* ---- by hand ---- */

/* A task with this embed; what follows it, of which there must be `count`. */
static struct message *followers_of(const char *embed, const char *result, size_t count)
{
        struct arena a = { 0 };
        struct task_message t;
        struct problem why = { 0 };
        struct message *first = NULL;
        char body[4096];
        snprintf(body, sizeof(body), "[[],{},%s]", embed);
        struct made made = make_task((struct bytes){ NULL, 0 }, body);
        decode_made(&made, &a, &t);
        if (successors(&t, bytes_of_string(result), &how, &first, &why) != 0)
                fail_msg("%s: %s", why.code, why.text);
        for (struct message *m = first; m; m = m->next)
                count--;
        assert_int_equal(count, 0);
        task_message_clear(&t);
        made_free(&made);
        arena_free(&a);
        return first;
}

static void assert_body(const struct message *m, const char *expected)
{
        assert_int_equal(m->body.size, strlen(expected));
        assert_memory_equal(m->body.data, expected, m->body.size);
}

static void options_become_headers(void **state)
{
        (void)state;
        static const struct {
                const char *options, *header, *value;
        } rows[] = {
                { "\"countdown\":10.5", "eta", "\"2027-01-15T08:00:10.500+00:00\"" },
                { "\"countdown\":0,\"eta\":\"2030-01-01T00:00:00\"", "eta", "\"2030-01-01T00:00:00\"" },
                { "\"countdown\":null", "eta", "null" },
                { "\"eta\":{\"__type__\":\"datetime\",\"__value__\":\"2030-01-01T00:00:00+09:00\"}", "eta",
                  "\"2030-01-01T00:00:00+09:00\"" },
                { "\"expires\":60", "expires", "\"2027-01-15T08:01:00.000+00:00\"" },
                { "\"expires\":-1", "expires", "\"2027-01-15T07:59:59.000+00:00\"" },
                { "\"time_limit\":5", "timelimit", "[5,null]" },
                { "\"soft_time_limit\":1.5", "timelimit", "[null,1.5]" },
                { "\"group_id\":\"g\"", "group", "\"g\"" },
                { "\"group_index\":3", "group_index", "3" },
                { "\"retries\":2", "retries", "2" },
                { "\"origin\":\"me\"", "origin", "\"me\"" },
                { "\"stamped_headers\":[\"a\",\"b\"],\"a\":{\"x\":[1]}", "stamps", "{\"a\":{\"x\":[1]},\"b\":null}" },
                { "\"headers\":{\"id\":\"other\",\"CC\":[\"x\"],\"mine\":1}", "id", "\"given\"" },
                { "\"headers\":{\"id\":\"other\",\"CC\":[\"x\"],\"mine\":1}", "mine", "1" },
                { "\"headers\":{\"id\":\"other\",\"CC\":[\"x\"],\"mine\":1}", "CC", "null" },
                { "\"root_id\":\"other\",\"parent_id\":\"other\"", "root_id", "\"i\"" },
                { "\"root_id\":\"other\",\"parent_id\":\"other\"", "parent_id", "\"i\"" },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                char embed[1024];
                snprintf(embed, sizeof(embed),
                         "{\"chain\":[{\"task\":\"known\",\"options\":{\"task_id\":\"given\",%s}}]}", rows[i].options);
                struct message *m = followers_of(embed, "null", 1);
                assert_header(m, rows[i].header, rows[i].value);
                message_free_list(m);
        }
}

static void routes_come_from_the_signature_first(void **state)
{
        (void)state;
        static const struct {
                const char *options, *exchange, *routing_key;
        } rows[] = {
                { "", "known.queue", "known.queue" },
                { "\"queue\":\"q\"", "q", "q" },
                { "\"exchange\":\"x\",\"routing_key\":\"k\"", "x", "k" },
                { "\"exchange\":\"\",\"routing_key\":\"k\"", "", "k" },
                { "\"exchange\":\"x\",\"queue\":\"q\"", "x", "q" },
                { "\"exchange\":\"x\",\"routing_key\":null", "x", "known.queue" },
                { "\"routing_key\":\"k\"", "known.queue", "k" },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                char embed[256];
                snprintf(embed, sizeof(embed), "{\"chain\":[{\"task\":\"known\",\"options\":{%s}}]}", rows[i].options);
                struct message *m = followers_of(embed, "null", 1);
                assert_string_equal(m->exchange, rows[i].exchange);
                assert_string_equal(m->routing_key, rows[i].routing_key);
                message_free_list(m);
        }
}

static void the_result_is_put_in_as_text(void **state)
{
        (void)state;
        static const char tail[] = ",{},{\"callbacks\":null,\"errbacks\":null,\"chain\":[],\"chord\":null}]";
        static const struct {
                const char *result, *signature, *args;
        } rows[] = {
                { "{\"a\": 1.0}", "\"args\":[]", "[[{\"a\": 1.0}]" },
                { "{\"a\": 1.0}", "\"args\":[2,\"x\"]", "[[{\"a\": 1.0},2,\"x\"]" },
                { "[1]", "\"args\":null", "[[[1]]" },
                { "", "\"args\":[2]", "[[null,2]" },
                { "[1]", "\"args\":[2],\"immutable\":true", "[[2]" },
                { "[1]", "\"immutable\":true", "[[]" },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                char embed[256], body[256];
                snprintf(embed, sizeof(embed), "{\"chain\":[{\"task\":\"known\",%s}]}", rows[i].signature);
                snprintf(body, sizeof(body), "%s%s", rows[i].args, tail);
                struct message *m = followers_of(embed, rows[i].result, 1);
                assert_body(m, body);
                message_free_list(m);
        }
}

static void lists_and_the_rest_of_the_chain_travel_on(void **state)
{
        (void)state;
        struct message *m = followers_of(
                "{\"chain\":[{\"task\":\"c\",\"x\":{\"__type__\":\"new\",\"__value__\":1}},{\"task\":\"b\"},"
                "{\"task\":\"known\",\"options\":{\"link\":{\"task\":\"l\"},\"link_error\":"
                "[{\"task\":\"e\"}],\"chord\":{\"task\":\"d\"}}}],\"callbacks\":[]}",
                "1", 1);
        assert_body(
                m,
                "[[1],{},{\"callbacks\":[{\"task\":\"l\"}],\"errbacks\":[{\"task\":\"e\"}],\"chain\":[{\"task\":\"c\","
                "\"x\":{\"__type__\":\"new\",\"__value__\":1}},{\"task\":\"b\"}],\"chord\":{\"task\":\"d\"}}]");
        message_free_list(m);
}

static void a_missing_id_is_derived_and_stays_the_same(void **state)
{
        (void)state;
        static const char embed[] = "{\"chain\":[{\"task\":\"known\"}],\"callbacks\":[{\"task\":\"known\"},"
                                    "{\"task\":\"known\"}]}";
        struct message *one = followers_of(embed, "1", 3), *two = followers_of(embed, "2", 3);
        char ids[3][40];
        size_t i = 0;
        for (struct message *m = one, *n = two; m; m = m->next, n = n->next, i++) {
                json_t *headers = headers_of(m->properties), *others = headers_of(n->properties);
                const char *id = json_string_value(json_object_get(headers, "id"));
                assert_int_equal(strlen(id), 36);
                assert_int_equal(id[14], '8');
                assert_non_null(strchr("89ab", id[19]));
                assert_string_equal(id, json_string_value(json_object_get(others, "id")));
                snprintf(ids[i], sizeof(ids[i]), "%s", id);
                json_decref(headers);
                json_decref(others);
        }
        assert_string_not_equal(ids[0], ids[1]);
        assert_string_not_equal(ids[1], ids[2]);
        message_free_list(one);
        message_free_list(two);
}

static void errbacks_get_the_id_of_the_failed_task(void **state)
{
        (void)state;
        struct arena a = { 0 };
        struct task_message t;
        struct problem why = { 0 };
        struct message *first = NULL;
        struct made made =
                make_task((struct bytes){ NULL, 0 }, "[[],{},{\"errbacks\":[{\"task\":\"known\",\"args\":[1]}]}]");
        decode_made(&made, &a, &t);
        assert_int_equal(errbacks(&t, &first, &why), 0);
        assert_non_null(first);
        assert_null(first->next);
        assert_body(first, "[[\"i\",1],{},{\"callbacks\":null,\"errbacks\":null,\"chain\":null,\"chord\":null}]");
        message_free_list(first);
        task_message_clear(&t);
        made_free(&made);
        arena_free(&a);
}

/* ---- refused ---- */

static void wrong_signatures_are_refused(void **state)
{
        (void)state;
        static const struct {
                const char *signature, *code;
        } rows[] = {
                { "1", "bad_signature" },
                { "null", "bad_signature" },
                { "[]", "bad_signature" },
                { "{}", "bad_signature" },
                { "{\"task\":\"\"}", "bad_signature" },
                { "{\"task\":\"a\\u0000b\"}", "bad_signature" },
                { "{\"task\":[]}", "bad_signature" },
                { "{\"task\":\"unknown\"}", "unroutable" },
                { "{\"task\":\"unknown\",\"options\":{\"exchange\":\"x\"}}", "unroutable" },
                { "{\"task\":\"known\",\"args\":{}}", "bad_signature" },
                { "{\"task\":\"known\",\"kwargs\":[]}", "bad_signature" },
                { "{\"task\":\"known\",\"options\":[]}", "bad_signature" },
                { "{\"task\":\"celery.group\",\"subtask_type\":\"group\"}", "bad_signature" },
                { "{\"task\":\"celery.chord\",\"subtask_type\":\"chord\"}", "unsupported_canvas" },
                { "{\"task\":\"celery.chain\",\"subtask_type\":\"chain\"}", "bad_signature" },
                { "{\"task\":\"x\",\"subtask_type\":7}", "unsupported_canvas" },
                { "{\"task\":\"known\",\"options\":{\"queue\":7}}", "bad_signature" },
                { "{\"task\":\"known\",\"options\":{\"queue\":\"a\\u0000b\"}}", "bad_signature" },
                { "{\"task\":\"known\",\"options\":{\"task_id\":[]}}", "bad_signature" },
                { "{\"task\":\"known\",\"options\":{\"priority\":256}}", "bad_signature" },
                { "{\"task\":\"known\",\"options\":{\"priority\":-1}}", "bad_signature" },
                { "{\"task\":\"known\",\"options\":{\"priority\":1.5}}", "bad_signature" },
                { "{\"task\":\"known\",\"options\":{\"retries\":99999999999}}", "bad_signature" },
                { "{\"task\":\"known\",\"options\":{\"countdown\":\"soon\"}}", "bad_signature" },
                { "{\"task\":\"known\",\"options\":{\"countdown\":1e300}}", "bad_signature" },
                { "{\"task\":\"known\",\"options\":{\"countdown\":{}}}", "bad_signature" },
                { "{\"task\":\"known\",\"options\":{\"eta\":\"tomorrow\"}}", "bad_signature" },
                { "{\"task\":\"known\",\"options\":{\"eta\":5}}", "bad_signature" },
                { "{\"task\":\"known\",\"options\":{\"eta\":\"2030-01-01T00:00:00.0000000000000000000000000\"}}",
                  "bad_signature" },
                { "{\"task\":\"known\",\"options\":{\"expires\":\"2030\"}}", "bad_signature" },
                { "{\"task\":\"known\",\"options\":{\"expires\":{\"__type__\":\"date\",\"__value__\":\"2030-01-01\"}}}",
                  "bad_signature" },
                { "{\"task\":\"known\",\"options\":{\"time_limit\":-5}}", "bad_signature" },
                { "{\"task\":\"known\",\"options\":{\"time_limit\":\"5\"}}", "bad_signature" },
                { "{\"task\":\"known\",\"options\":{\"ignore_result\":1}}", "bad_signature" },
                { "{\"task\":\"known\",\"options\":{\"link\":\"x\"}}", "bad_signature" },
                { "{\"task\":\"known\",\"options\":{\"link_error\":1}}", "bad_signature" },
                { "{\"task\":\"known\",\"options\":{\"chain\":{}}}", "bad_signature" },
                { "{\"task\":\"known\",\"options\":{\"chord\":[]}}", "bad_signature" },
                { "{\"task\":\"known\",\"options\":{\"headers\":[]}}", "bad_signature" },
                { "{\"task\":\"known\",\"options\":{\"stamped_headers\":\"x\"}}", "bad_signature" },
                { "{\"task\":\"known\",\"options\":{\"stamped_headers\":[1]}}", "bad_signature" },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct arena a = { 0 };
                struct task_message t;
                struct problem why = { 0 }, checked = { 0 };
                struct message *first = (struct message *)&a; /* must become NULL */
                char body[1024];
                snprintf(body, sizeof(body), "[[],{},{\"callbacks\":[{\"task\":\"known\"},%s]}]", rows[i].signature);
                struct made made = make_task((struct bytes){ NULL, 0 }, body);
                decode_made(&made, &a, &t);
                assert_int_equal(task_message_check(&t, &how, &checked), 1);
                assert_string_equal(checked.code, rows[i].code);
                assert_int_equal(successors(&t, bytes_of_string("1"), &how, &first, &why), 1);
                assert_string_equal(why.source, "message");
                assert_string_equal(why.code, rows[i].code);
                assert_null(first);
                task_message_clear(&t);
                made_free(&made);
                arena_free(&a);
        }
}

static void a_wrong_element_far_down_the_chain_is_found_at_once(void **state)
{
        (void)state;
        struct arena a = { 0 };
        struct task_message t;
        struct problem why = { 0 };
        struct made made = make_task((struct bytes){ NULL, 0 },
                                     "[[],{},{\"chain\":[{\"task\":\"celery.chord\",\"subtask_type\":\"chord\"},"
                                     "{\"task\":\"known\"}]}]");
        decode_made(&made, &a, &t);
        assert_int_equal(task_message_check(&t, &how, &why), 1);
        assert_string_equal(why.code, "unsupported_canvas");
        task_message_clear(&t);
        made_free(&made);
        arena_free(&a);
}

static void headers_that_fit_no_frame_are_refused(void **state)
{
        (void)state;
        struct arena a = { 0 };
        struct task_message t;
        struct problem why = { 0 };
        struct message *first = NULL;
        struct buffer body = { 0 };
        buffer_add_string(&body, "[[],{},{\"chain\":[{\"task\":\"known\",\"options\":{\"headers\":{\"x\":\"");
        for (unsigned i = 0; i < MESSAGE_MAX_PROPERTIES; i++)
                buffer_add_byte(&body, 'x');
        buffer_add(&body, "\"}}}]}]", sizeof("\"}}}]}]"));
        struct made made = make_task((struct bytes){ NULL, 0 }, (const char *)body.data);
        decode_made(&made, &a, &t);
        assert_int_equal(successors(&t, bytes_of_string("1"), &how, &first, &why), 1);
        assert_string_equal(why.code, "bad_signature");
        assert_null(first);
        buffer_free(&body);
        task_message_clear(&t);
        made_free(&made);
        arena_free(&a);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(followers_are_those_of_a_celery_worker),
                cmocka_unit_test(options_become_headers),
                cmocka_unit_test(routes_come_from_the_signature_first),
                cmocka_unit_test(the_result_is_put_in_as_text),
                cmocka_unit_test(lists_and_the_rest_of_the_chain_travel_on),
                cmocka_unit_test(a_missing_id_is_derived_and_stays_the_same),
                cmocka_unit_test(errbacks_get_the_id_of_the_failed_task),
                cmocka_unit_test(wrong_signatures_are_refused),
                cmocka_unit_test(a_wrong_element_far_down_the_chain_is_found_at_once),
                cmocka_unit_test(headers_that_fit_no_frame_are_refused),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
