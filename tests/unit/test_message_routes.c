/* SPDX-License-Identifier: Apache-2.0 */
/* Where tasks go that their signature names no queue for. */
#include "message/routes.h"
#include "message_support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void same(const char *text, const char *expected, const char *what)
{
        if (text && expected ? strcmp(text, expected) != 0 : text != expected)
                fail_msg("%s: %s, not %s", what, text ? text : "none", expected ? expected : "none");
}

static void the_first_that_fits(void **state)
{
        (void)state;
        struct task_routes r;
        struct problem why;
        assert_int_equal(task_routes_read(&r, " py.* = pyq ;\n other.task=queue; py.add=never; ; *=rest ", "", &why),
                         0);
        static const struct {
                const char *task, *queue;
        } rows[] = { { "py.add", "pyq" },       { "py.", "pyq" },          { "py", "rest" },
                     { "other.task", "queue" }, { "other.task2", "rest" }, { "", "rest" } };
        assert_int_equal(r.count, 4);
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
                same(task_routes_find(&r, rows[i].task), rows[i].queue, rows[i].task);
        task_routes_free(&r);
        assert_int_equal(task_routes_read(&r, NULL, NULL, &why), 0);
        same(task_routes_find(&r, "py.add"), NULL, "no rule");
        same(r.otherwise, NULL, "no default");
        task_routes_free(&r);
        same(task_routes_find(NULL, "py.add"), NULL, "none at all");
}

static void what_is_refused(void **state)
{
        (void)state;
        static char long_name[400];
        memset(long_name, 'q', sizeof(long_name) - 1);
        memcpy(long_name, "a=", 2);
        const struct {
                const char *routes, *otherwise, *says;
        } rows[] = { { "py.*", "", "TASK=QUEUE" },        { "py.*=", "", "TASK=QUEUE" },
                     { "=q", "", "TASK=QUEUE" },          { "py.*.add=q", "", "at its end" },
                     { "**=q", "", "at its end" },        { "a b=q", "", "at its end" },
                     { "a=q r", "", "is no queue" },      { "a=q=r", "", "is no queue" },
                     { "a=q*", "", "is no queue" },       { long_name, "", "255" },
                     { "", "a b", "CHARD_DEFAULT_QUEUE" } };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct task_routes r;
                struct problem why = { 0 };
                assert_int_equal(task_routes_read(&r, rows[i].routes, rows[i].otherwise, &why), 1);
                assert_string_equal(why.code, "bad_setting");
                if (!strstr(why.text, rows[i].says))
                        fail_msg("%s: %s", rows[i].routes, why.text);
                task_routes_free(&r);
        }
        struct buffer many = { 0 };
        for (int i = 0; i <= ROUTES_MOST; i++)
                buffer_addf(&many, "t%d=q;", i);
        buffer_add_byte(&many, '\0');
        struct task_routes r;
        struct problem why = { 0 };
        assert_int_equal(task_routes_read(&r, (const char *)many.data, "", &why), 1);
        task_routes_free(&r);
        buffer_free(&many);
}

/* ---- what follows a task goes by them ---- */

static const char *known_queue(const char *name, void *arg)
{
        (void)arg;
        return strncmp(name, "known", 5) == 0 ? "known.queue" : NULL;
}

static void where_they_go(void **state)
{
        (void)state;
        static const struct {
                const char *signature, *exchange, *key;
        } rows[] = {
                { "{\"task\":\"py.add\"}", "", "pyq" },
                { "{\"task\":\"py.add\",\"options\":{\"queue\":\"own\"}}", "own", "own" },
                { "{\"task\":\"py.add\",\"options\":{\"exchange\":\"x\"}}", "x", "pyq" },
                { "{\"task\":\"py.add\",\"options\":{\"exchange\":\"x\",\"routing_key\":\"k\"}}", "x", "k" },
                { "{\"task\":\"known\"}", "known.queue", "known.queue" },
                { "{\"task\":\"known.too\"}", "", "elsewhere" },
                { "{\"task\":\"stranger\"}", "", "celery" },
                { "{\"task\":\"celery.map\",\"kwargs\":{\"task\":{\"task\":\"py.add\"},\"it\":[]}}", "", "pyq" },
                { "{\"task\":\"celery.group\",\"subtask_type\":\"group\",\"kwargs\":{\"tasks\":[{\"task\":\"py.add\"}]}}",
                  "", "pyq" },
                { "{\"task\":\"celery.chain\",\"subtask_type\":\"chain\",\"kwargs\":{\"tasks\":[{\"task\":\"py.add\"},"
                  "{\"task\":\"known\"}]}}",
                  "", "pyq" },
                { "{\"task\":\"celery.chord\",\"subtask_type\":\"chord\",\"kwargs\":{\"header\":[{\"task\":\"py.add\"}],"
                  "\"body\":{\"task\":\"stranger\"}}}",
                  "", "pyq" },
        };
        struct task_routes routes;
        struct problem why = { 0 };
        assert_int_equal(task_routes_read(&routes, "py.*=pyq;known.too=elsewhere", "celery", &why), 0);
        const struct follow_how how = { .queue_of = known_queue, .routes = &routes, .chords = true };
        for (size_t i = 0; i < 2 * sizeof(rows) / sizeof(rows[0]); i++) {
                struct buffer body = { 0 };
                struct arena a = { 0 };
                struct task_message t;
                struct following following;
                const bool errback = i % 2;
                buffer_addf(&body, "[[],{},{\"%s\":[%s]}]", errback ? "errbacks" : "callbacks", rows[i / 2].signature);
                buffer_add_byte(&body, '\0');
                struct made m = make_task(bytes_of(NULL, 0), (const char *)body.data);
                const struct failure_told told = { .exception = bytes_of_string("{}"), .worker = "w" };
                decode_made(&m, &a, &t);
                assert_int_equal(task_message_check(&t, &how, &why), 0);
                const int rc = errback ? task_message_errbacks(&t, &told, &how, &following, &why)
                                       : task_message_successors(&t, bytes_of_string("1"), &how, &following, &why);
                if (rc != 0)
                        fail_msg("%s: %s", rows[i / 2].signature, why.text);
                same(following.messages->exchange, rows[i / 2].exchange, rows[i / 2].signature);
                same(following.messages->routing_key, rows[i / 2].key, rows[i / 2].signature);
                following_clear(&following);
                task_message_clear(&t);
                arena_free(&a);
                made_free(&m);
                buffer_free(&body);
        }
        task_routes_free(&routes);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_first_that_fits),
                cmocka_unit_test(what_is_refused),
                cmocka_unit_test(where_they_go),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
