/* SPDX-License-Identifier: Apache-2.0 */
/* libchard without a server: signatures, what must be sent for them, and what a stored result says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/json.h"
#include "lib/lib.h"
#include "tests/unit/short_memory.h"
#include "tests/unit/task_try.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct chard_signature *task(const char *name)
{
        return chard_signature_new(name, NULL, NULL, NULL);
}

static struct chard_signature *chain(struct chard_signature *one, struct chard_signature *two)
{
        struct chard_signature *const parts[] = { one, two };
        return chard_chain(parts, 2, NULL);
}

static struct chard_signature *group(struct chard_signature *one, struct chard_signature *two)
{
        struct chard_signature *const parts[] = { one, two };
        return chard_group(parts, 2, NULL);
}

static struct chard_signature *chord(struct chard_signature *header, struct chard_signature *body)
{
        return chard_chord(header, body, NULL);
}

static void a_task_is_refused_with_its_reason(void **state)
{
        (void)state;
        char long_name[258];
        memset(long_name, 'n', sizeof(long_name));
        long_name[257] = '\0';
        const struct {
                const char *name, *args, *kwargs, *why; /* NULL: it is none */
        } rows[] = {
                { "a", NULL, NULL, NULL },          { "a", "[1]", "{\"k\":2}", NULL },
                { "", NULL, NULL, "bad_name" },     { NULL, NULL, NULL, "bad_name" },
                { "\xff", NULL, NULL, "bad_name" }, { long_name, NULL, NULL, "bad_name" },
                { "a", "{}", NULL, "bad_json" },    { "a", NULL, "[]", "bad_json" },
                { "a", "[1", NULL, "bad_json" },    { "a", "[] x", NULL, "bad_json" },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct chard_error why = { 0 };
                struct chard_signature *s = chard_signature_new(rows[i].name, rows[i].args, rows[i].kwargs, &why);
                if (holds_unless_short(why.code != CHARD_NO_MEMORY)) {
                        assert_int_equal(s != NULL, rows[i].why == NULL);
                        if (rows[i].why)
                                assert_string_equal(why.name, rows[i].why);
                }
                chard_signature_free(s);
        }
}

static void a_canvas_takes_no_options_of_its_own(void **state)
{
        (void)state;
        struct chard_error why = { 0 };
        struct chard_signature *s = chain(task("a"), task("b"));
        if (!holds_unless_short(s != NULL))
                return;
        assert_int_equal(chard_signature_queue(s, "q", &why), CHARD_BAD_ARGUMENT);
        assert_int_equal(chard_signature_option(s, "priority", "7", &why), CHARD_BAD_ARGUMENT);
        assert_int_equal(chard_signature_immutable(s, &why), CHARD_BAD_ARGUMENT);
        assert_int_equal(chard_signature_link(s, task("c"), &why), CHARD_BAD_ARGUMENT);
        chard_signature_free(s);
}

static void parts_that_failed_fail_the_whole(void **state)
{
        (void)state;
        struct chard_error why = { 0 };
        struct chard_signature *const parts[] = { task("a"), chard_signature_new("", NULL, NULL, &why), task("b") };
        assert_null(chard_chain(parts, 3, &why));
        assert_string_equal(why.name, "bad_name"); /* the first reason stays */
        assert_null(chard_group(NULL, 0, &why));
        assert_null(chard_chord(NULL, task("b"), &why));
        assert_null(chard_chord(task("a"), NULL, &why));
}

static void nesting_has_an_end(void **state)
{
        (void)state;
        struct chard_error why = { 0 };
        struct chard_signature *s = task("a");
        unsigned deep = 0;
        for (; s && deep < 300; deep++) {
                struct chard_signature *const parts[] = { s };
                s = deep % 2 ? chard_group(parts, 1, &why) : chard_chord(s, task("b"), &why);
        }
        assert_null(s);
        if (holds_unless_short(deep > 50 && why.code != CHARD_NO_MEMORY))
                assert_true(deep < 300 && why.code == CHARD_UNSUPPORTED);
}

/* What is sent at once, "name>what follows it", in order; and how many chords are announced. */
static void a_canvas_is_laid_out(void **state)
{
        (void)state;
        struct {
                const char *label;
                struct chard_signature *s;
                const char *sent;
                size_t chords, members;
        } rows[] = {
                { "a task", task("a"), "a", 0, 0 },
                { "a chain", chain(task("a"), task("b")), "a>b", 0, 0 },
                { "a chain in a chain", chain(chain(task("a"), task("b")), task("c")), "a>b,c", 0, 0 },
                { "a group", group(task("a"), task("b")), "a b", 0, 2 },
                { "a group of chains", group(chain(task("a"), task("b")), task("c")), "a>b c", 0, 2 },
                { "a chord", chord(group(task("a"), task("b")), task("c")), "a|c b|c", 1, 0 },
                { "a group that something follows", chain(group(task("a"), task("b")), task("c")), "a|c b|c", 1, 0 },
                { "a chain that ends in a group", chain(task("a"), group(task("b"), task("c"))), "a>(group)", 0, 2 },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct plan plan = { 0 };
                struct problem why = { 0 };
                struct buffer sent = { 0 };
                const int rc = rows[i].s ? plan_make(rows[i].s->json, NULL, &plan, &why) : -ENOMEM;
                size_t k, m;
                json_t *one, *next;
                json_array_foreach(plan.tasks, k, one) {
                        const json_t *options = json_object_get(one, "options");
                        buffer_addf(&sent, "%s%s", k ? " " : "", json_text(one, "task", "?"));
                        const json_t *rest = json_object_get(options, "chain");
                        for (m = json_array_size(rest); m > 0; m--) { /* Celery keeps it backwards */
                                next = json_array_get(rest, m - 1);
                                buffer_addf(&sent, "%s%s", m == json_array_size(rest) ? ">" : ",",
                                            *json_text(next, "subtask_type", "") ? "(group)"
                                                                                 : json_text(next, "task", "?"));
                        }
                        if (json_is_object(json_object_get(options, "chord")))
                                buffer_addf(&sent, "|%s", json_text(json_object_get(options, "chord"), "task", "?"));
                }
                buffer_add_byte(&sent, '\0');
                if (holds_unless_short(rc == 0 && !sent.failed)) {
                        if (strcmp((const char *)sent.data, rows[i].sent) != 0)
                                fail_msg("%s: %s", rows[i].label, (const char *)sent.data);
                        assert_int_equal(json_object_size(plan.chords), rows[i].chords);
                        assert_int_equal(json_array_size(plan.members), rows[i].members);
                        assert_true(plan.id[0] && plan.first[0]);
                } else {
                        assert_int_equal(rc < 0 ? rc : -ENOMEM, -ENOMEM);
                }
                buffer_free(&sent);
                plan_clear(&plan);
                chard_signature_free(rows[i].s);
        }
}

static void a_signature_gets_new_ids_each_time(void **state)
{
        (void)state;
        struct chard_signature *s = chain(task("a"), task("b"));
        struct plan one = { 0 }, two = { 0 };
        struct problem why = { 0 };
        const int rc = s ? plan_make(s->json, NULL, &one, &why) || plan_make(s->json, NULL, &two, &why) : -ENOMEM;
        if (holds_unless_short(rc == 0)) {
                assert_string_not_equal(one.id, two.id);
                assert_string_not_equal(one.first, two.first);
                assert_string_not_equal(one.first, one.id);
        }
        plan_clear(&one);
        plan_clear(&two);
        chard_signature_free(s);
}

static void options_are_checked_when_it_is_sent(void **state)
{
        (void)state;
        static const struct {
                const char *option, *json;
                int set, sent; /* of the set and of the message; 0 = taken */
        } rows[] = {
                { "priority", "7", 0, 0 },
                { "countdown", "1.5", 0, 0 },
                { "eta", "\"2031-05-06T07:08:09Z\"", 0, 0 },
                { "expires", "60", 0, 0 },
                { "eta", "\"tomorrow\"", 0, 1 },
                { "countdown", "\"soon\"", 0, 1 },
                { "priority", "[", CHARD_BAD_ARGUMENT, 0 },
                { "", "1", CHARD_BAD_ARGUMENT, 0 },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct chard_signature *s = task("a");
                struct chard_error why = { 0 };
                struct plan plan = { 0 };
                struct problem p = { 0 };
                struct message *m = NULL;
                const int set = s ? chard_signature_option(s, rows[i].option, rows[i].json, &why) : CHARD_NO_MEMORY;
                if (holds_unless_short(set != CHARD_NO_MEMORY))
                        assert_int_equal(set, rows[i].set);
                if (set == CHARD_OK && holds_unless_short(plan_make(s->json, NULL, &plan, &p) == 0)) {
                        const int sent = lib_message(json_array_get(plan.tasks, 0), "me", 0, &m, &p);
                        if (holds_unless_short(sent != -ENOMEM))
                                assert_int_equal(sent, rows[i].sent);
                }
                message_free_list(m);
                plan_clear(&plan);
                chard_signature_free(s);
        }
}

static void a_stored_result_says_how_it_ended(void **state)
{
        (void)state;
        static const struct {
                const char *meta;
                bool final;
                int code;
                const char *name, *text;
        } rows[] = {
                { "{'status':'SUCCESS','result':3}", true, CHARD_OK, "", "" },
                { "{'status':'FAILURE','result':{'exc_type':'ValueError','exc_message':['no','way']}}", true,
                  CHARD_TASK_FAILED, "ValueError", "no" },
                { "{'status':'FAILURE','result':{'exc_type':'KeyError','exc_message':'k'}}", true, CHARD_TASK_FAILED,
                  "KeyError", "k" },
                { "{'status':'REVOKED','result':null}", true, CHARD_TASK_FAILED, "REVOKED", "" },
                { "{'status':'RETRY'}", false, CHARD_TASK_FAILED, "RETRY", "" },
                { "{}", false, CHARD_TASK_FAILED, "", "" },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct chard_error why = { 0 };
                json_t *value = NULL, *meta = json_of(rows[i].meta);
                assert_int_equal(result_is_final(meta), rows[i].final);
                assert_int_equal(result_verdict(meta, &value, &why), rows[i].code);
                assert_string_equal(why.name, rows[i].name);
                assert_string_equal(why.text, rows[i].text);
                json_decref(value);
                json_decref(meta);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_task_is_refused_with_its_reason),
                cmocka_unit_test(a_canvas_takes_no_options_of_its_own),
                cmocka_unit_test(parts_that_failed_fail_the_whole),
                cmocka_unit_test(nesting_has_an_end),
                cmocka_unit_test(a_canvas_is_laid_out),
                cmocka_unit_test(a_signature_gets_new_ids_each_time),
                cmocka_unit_test(options_are_checked_when_it_is_sent),
                cmocka_unit_test(a_stored_result_says_how_it_ended),
        };
        return cmocka_run_group_tests(tests, build_shipped, NULL);
}
