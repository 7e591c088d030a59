/* SPDX-License-Identifier: Apache-2.0 */
/* Message protocol 1, read as what it is in protocol 2. */
#include "message_support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* As Celery 5 writes one. */
static const char whole[] =
        "{\"task\":\"t\",\"id\":\"i\",\"args\":[1,\"x\"],\"kwargs\":{\"a\":2},\"group\":\"g\",\"group_index\":3,\"retries\":2,"
        "\"eta\":\"2030-01-01T00:00:00+00:00\",\"expires\":\"2030-01-02T00:00:00\",\"utc\":true,"
        "\"callbacks\":[{\"task\":\"next\",\"options\":{\"queue\":\"q\"}}],\"errbacks\":[{\"task\":\"err\"}],\"timelimit\":[5,2.5],"
        "\"taskset\":\"g\",\"chord\":{\"task\":\"body\"}}";

static int decode(struct bytes headers, const char *body, struct arena *a, struct task_message *t, struct problem *why)
{
        struct made m = make_message(headers, bytes_of_string(body));
        const struct bytes p = bytes_of(arena_copy(a, m.properties.data, m.properties.size), m.properties.size);
        const struct bytes b = bytes_of(arena_copy(a, m.body.data, m.body.size), m.body.size);
        made_free(&m);
        assert_true((p.data || !p.size) && (b.data || !b.size)); /* memory ran out: nothing was received */
        return task_message_decode(a, p, b, LARGEST_BODY, t, why);
}

static void all_that_it_says(void **state)
{
        (void)state;
        struct arena a = { 0 };
        struct task_message t;
        struct problem why = { 0 };
        struct buffer table = { 0 };
        header_add_text(&table, "tenant", bytes_of_string("blue"));
        assert_int_equal(decode(buffer_view(&table), whole, &a, &t, &why), 0);
        assert_string_equal(t.name, "t");
        assert_string_equal(t.id, "i");
        assert_string_equal(t.root_id, "i");
        assert_null(t.parent_id);
        assert_string_equal(t.group_id, "g");
        assert_int_equal(t.group_index, 3);
        assert_int_equal(t.retries, 2);
        assert_int_equal(t.eta_ms, 1893456000000);
        assert_int_equal(t.expires_ms, 1893542400000);
        assert_int_equal(t.hard_limit_ms, 5000);
        assert_int_equal(t.soft_limit_ms, 2500);
        json_t *args = parse("[1,\"x\"]"), *kwargs = parse("{\"a\":2}");
        assert_json(t.args, args, "args");
        assert_json(t.kwargs, kwargs, "kwargs");
        assert_int_equal(json_array_size(t.callbacks), 1);
        assert_int_equal(json_array_size(t.errbacks), 1);
        assert_true(json_is_object(t.chord));
        assert_null(t.chain);
        json_decref(args);
        json_decref(kwargs);

        /* Once more, it is a message of protocol 2, with the client's own headers. */
        struct message *again = task_message_again(&t, "", "q", 3);
        json_t *headers = headers_of(again->properties);
        struct task_message second;
        assert_int_equal(task_message_decode(&a, again->properties, again->body, LARGEST_BODY, &second, &why), 0);
        assert_string_equal(second.name, "t");
        assert_int_equal(second.retries, 3);
        assert_int_equal(second.eta_ms, 0);
        assert_string_equal(json_string_value(json_object_get(headers, "task")), "t");
        assert_string_equal(json_string_value(json_object_get(headers, "tenant")), "blue");
        assert_string_equal(json_string_value(json_object_get(headers, "argsrepr")), "(1, 'x')");
        json_decref(headers);
        task_message_clear(&second);
        task_message_clear(&t);
        message_free(again);
        buffer_free(&table);
        arena_free(&a);
}

static void what_may_be_missing_and_what_not(void **state)
{
        (void)state;
        static const struct {
                const char *body, *code, *id;
        } rows[] = {
                { "{\"task\":\"t\",\"id\":\"i\"}", "", "i" },
                { "{\"task\":\"t\",\"id\":\"i\",\"args\":null,\"kwargs\":null,\"retries\":null,\"eta\":null,\"timelimit\":null}",
                  "", "i" },
                { "{\"task\":\"t\",\"id\":\"i\",\"callbacks\":[],\"chord\":null,\"unknown\":[1]}", "", "i" },
                { "{\"task\":\"t\",\"id\":\"i\",\"args\":{}}", "bad_body", "i" },
                { "{\"task\":\"t\",\"id\":\"i\",\"kwargs\":[]}", "bad_body", "i" },
                { "{\"task\":\"t\",\"id\":\"i\",\"callbacks\":{}}", "bad_body", "i" },
                { "{\"task\":\"t\",\"id\":\"i\",\"chord\":[]}", "bad_body", "i" },
                { "{\"task\":\"t\",\"id\":\"i\",\"retries\":-1}", "bad_header", "i" },
                { "{\"task\":\"t\",\"id\":\"i\",\"eta\":\"soon\"}", "bad_header", "i" },
                { "{\"task\":\"t\",\"id\":\"i\",\"timelimit\":5}", "bad_header", "i" },
                { "{\"task\":\"t\",\"id\":\"i\",\"taskset\":5}", "bad_header", "i" },
                { "{\"task\":\"t\",\"id\":\"\"}", "not_a_task", "" },
                { "{\"task\":\"t\",\"id\":5}", "not_a_task", NULL },
                { "{\"task\":\"t\"}", "not_a_task", NULL },
                { "{\"id\":\"i\"}", "not_a_task", NULL },
                { "{\"task_id\":\"i\",\"status\":\"SUCCESS\",\"result\":1}", "not_a_task", NULL },
                { "{\"task\":\"t\",\"id\":\"i\"", "not_a_task", NULL },
                { "[[],{},null]", "not_a_task", NULL },
                { "", "not_a_task", NULL },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct arena a = { 0 };
                struct task_message t;
                struct problem why = { 0 };
                decode((struct bytes){ NULL, 0 }, rows[i].body, &a, &t, &why);
                if (strcmp(why.code, rows[i].code) != 0)
                        fail_msg("%s: %s %s", rows[i].body, why.code, why.text);
                if ((t.id != NULL) != (rows[i].id != NULL) || (t.id && strcmp(t.id, rows[i].id) != 0))
                        fail_msg("%s: id %s", rows[i].body, t.id ? t.id : "none");
                task_message_clear(&t);
                arena_free(&a);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(all_that_it_says),
                cmocka_unit_test(what_may_be_missing_and_what_not),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
