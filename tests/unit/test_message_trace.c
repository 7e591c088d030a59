/* SPDX-License-Identifier: Apache-2.0 */
/* traceparent, tracestate and baggage are on every message that is made from one that had them, and stand there once. */
#include "message/wire/wire.h"
#include "message_support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define SIGNATURE(task)                                                                                                  \
        "{\"task\":\"" task "\",\"args\":[],\"kwargs\":{},\"options\":{\"task_id\":\"id-" task                           \
        "\",\"queue\":\"q\",\"link_error\":[{\"task\":\"late\",\"args\":[],\"kwargs\":{},\"options\":{\"queue\":\"q\"}," \
        "\"subtask_type\":null}]},\"subtask_type\":null}"
#define GROUP                                                                                           \
        "{\"task\":\"celery.group\",\"args\":[],\"kwargs\":{\"tasks\":[" SIGNATURE("g1") "," SIGNATURE( \
                "g2") "]},\"options\":{\"task_id\":\"group\"},\"subtask_type\":\"group\"}"
#define BODY                                                                    \
        "[[1],{},{\"chain\":[" SIGNATURE("next") "],\"callbacks\":[" SIGNATURE( \
                "link") "," GROUP "],\"errbacks\":[" SIGNATURE("errback") "],\"chord\":" SIGNATURE("body") "}]"

static const char *const names[] = { "traceparent", "tracestate", "baggage" };
static const char *const values[] = { "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "vendor=1",
                                      "user=me" };
enum { NAMES = 3 };

static void assert_traced(const struct message *m, const char *path)
{
        struct properties p;
        assert_int_equal(properties_read(m->properties, &p, NULL), 0);
        unsigned count[NAMES] = { 0 };
        struct header h;
        for (size_t at = 0; header_next(p.headers, &at, &h);)
                for (int i = 0; i < NAMES; i++)
                        count[i] += bytes_equal(h.name, bytes_of_string(names[i])) ? 1 : 0;
        for (int i = 0; i < NAMES; i++) {
                struct bytes text = { NULL, 0 };
                if (count[i] != 1)
                        fail_msg("%s has %s %u times", path, names[i], count[i]);
                assert_true(header_find(p.headers, names[i], &h) && header_text(&h, &text));
                assert_true(bytes_equal(text, bytes_of_string(values[i])));
        }
}

/* Takes what follows: so many messages. */
static void assert_following(int rc, struct following *takes, size_t count, const char *path)
{
        size_t seen = 0;
        assert_int_equal(rc, 0);
        for (const struct message *m = takes->messages; m; m = m->next, seen++)
                assert_traced(m, path);
        if (seen != count)
                fail_msg("%s: %zu messages", path, seen);
        following_clear(takes);
}

static void check_followers(const struct task_message *t)
{
        const struct follow_how how = { .now_ms = 1800000000000, .chords = true };
        const struct failure_told told = { .exception = bytes_of_string("{\"exc_type\":\"E\"}"), .worker = "w" };
        struct following f = { 0 };
        struct buffer result = { 0 };
        struct problem why;
        json_t *sends = json_pack("[{s:s, s:o}]", "as", "result", "canvas", parse(GROUP));
        assert_following(task_message_successors(t, bytes_of_string("7"), &how, &f, &why), &f, 4, "what follows");
        assert_following(task_message_errbacks(t, &told, &how, &f, &why), &f, 1, "an errback");
        assert_following(task_message_joined(t, t->chord, bytes_of_string("[7]"), &how, &f, &why), &f, 1,
                         "a chord's body");
        assert_following(task_message_unjoined(t, t->chord, &told, &how, &f, &why), &f, 1,
                         "the errback of a chord's body");
        assert_following(task_message_sends(t, sends, &how, &result, &f, &why), &f, 6, "what a task sends itself");
        json_decref(sends);
        buffer_free(&result);
}

static void check_once_more(const struct task_message *t)
{
        const struct dead_record record = {
                .source = "task", .code = "bad", .text = "no", .attempts = 1, .trace_id = t->traceparent, .id = "death"
        };
        struct problem why;
        struct message *again = task_message_again(t, "", "q", 2);
        struct message *dead = message_dead("q", t->properties, t->raw_body, &record), *revived = NULL;
        assert_non_null(again);
        assert_non_null(dead);
        assert_int_equal(message_revive("q", dead->properties, dead->body, &revived, &why), 0);
        assert_traced(again, "a retry, a pause, an ETA, what is handed back");
        assert_traced(dead, "a dead letter");
        assert_traced(revived, "a requeued dead letter");
        message_free(again);
        message_free(dead);
        message_free(revived);
}

static void a_trace_is_on_all_that_comes_of_a_message(void **state)
{
        (void)state;
        struct arena arena = { 0 };
        struct task_message t;
        struct buffer trace = { 0 };
        for (int i = 0; i < NAMES; i++)
                header_add_text(&trace, names[i], bytes_of_string(values[i]));
        struct made m = make_task(buffer_view(&trace), BODY);
        decode_made(&m, &arena, &t);
        assert_string_equal(t.traceparent, values[0]);
        check_followers(&t);
        check_once_more(&t);
        task_message_clear(&t);
        made_free(&m);
        buffer_free(&trace);
        arena_free(&arena);
}

int main(void)
{
        const struct CMUnitTest tests[] = { cmocka_unit_test(a_trace_is_on_all_that_comes_of_a_message) };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
