/* SPDX-License-Identifier: Apache-2.0 */
/* What a task sends on when memory is short: all of it, or nothing, so that it is sent once more. jansson builds on without what it had no memory for. */
#include "core/json.h"
#include "message_support.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define TASK(name) "{\"task\":\"" name "\",\"args\":[],\"kwargs\":{},\"options\":{\"headers\":{\"mine\":1}}}"
#define GROUP(tasks)                                                           \
        "{\"task\":\"celery.group\",\"args\":[],\"kwargs\":{\"tasks\":[" tasks \
        "]},\"options\":{},\"immutable\":false,"                               \
        "\"subtask_type\":\"group\"}"
#define CHORD(header, body)                                                                         \
        "{\"task\":\"celery.chord\",\"args\":[],\"kwargs\":{\"header\":[" header "],\"body\":" body \
        "},\"options\":{},"                                                                         \
        "\"immutable\":false,\"subtask_type\":\"chord\"}"
#define CHAIN(tasks)                                                           \
        "{\"task\":\"celery.chain\",\"args\":[],\"kwargs\":{\"tasks\":[" tasks \
        "]},\"options\":{},\"immutable\":false,"                               \
        "\"subtask_type\":\"chain\"}"

/* Everything that may follow a task, and what it may send by itself. */
static const char body[] = "[[1],{\"k\":2},{\"callbacks\":[" TASK("linked") "," GROUP(TASK("a") "," CHAIN(
        TASK("b") "," TASK("c"))) "],"
                                  "\"errbacks\":[" TASK("told") "," TASK(
                                          "told.new") "],"
                                                      "\"chain\":[" TASK("last") "," CHORD(
                                                              TASK("d") "," GROUP(TASK("e") "," TASK("f")),
                                                              TASK("body")) "],"
                                                                            "\"chord\":" TASK("counted") "}]";
static const char in_its_place[] = "[{\"as\":\"beside\",\"canvas\":" TASK(
        "beside") "},"
                  "{\"as\":\"chord\",\"canvas\":" CHAIN(TASK("g") "," TASK(
                          "h")) "},"
                                "{\"as\":\"replacement\",\"canvas\":" GROUP(TASK("i") "," TASK("j")) "}]";

/* How much there is of what is sent. Counted without an allocation. */
struct sum {
        size_t messages, bytes, values, branches;
};

static size_t values_in(const json_t *value)
{
        size_t sum = value != NULL, at;
        const char *key;
        json_t *part;
        json_object_foreach((json_t *)(uintptr_t)value, key, part)
                sum += values_in(part);
        json_array_foreach(value, at, part)
                sum += values_in(part);
        return sum;
}

static struct sum sum_of(const struct following *f)
{
        struct sum s = { .values = values_in(f->chords) + values_in(f->children), .branches = f->branches };
        for (const struct message *m = f->messages; m; m = m->next) {
                s.messages++;
                s.bytes += m->properties.size + m->body.size;
        }
        return s;
}

static const char *any_queue(const char *name, void *arg)
{
        (void)name, (void)arg;
        return "q";
}

static bool wants_failure(const char *name, void *arg)
{
        (void)arg;
        return strcmp(name, "told.new") == 0;
}

static bool all_keep(const char *name, bool heir, void *arg)
{
        (void)heir, (void)arg;
        return strncmp(name, "celery.", strlen("celery.")) != 0;
}

static const struct follow_how how = { .queue_of = any_queue,
                                       .now_ms = 1800000000000,
                                       .chords = true,
                                       .queue = "q",
                                       .keeps = all_keep,
                                       .wants_failure = wants_failure };
static const char exception[] = "{\"exc_type\":\"E\"}";
static const struct failure_told failure = { .exception = { (const unsigned char *)exception, sizeof(exception) - 1 },
                                             .traceback = "T",
                                             .worker = "w" };

enum sending { FOLLOWING, REPLACING, FAILING, JOINING, UNJOINING, SENDINGS };

struct whole {
        struct arena arena;
        struct made made;
        struct task_message task;
        json_t *sends;
        struct sum sums[SENDINGS];
};

static int send_as(enum sending sending, const struct whole *w, struct following *out)
{
        const struct task_message *t = &w->task;
        struct problem why = { 0 };
        struct buffer result = { 0 };
        int rc = 0;
        switch (sending) {
        case FOLLOWING: rc = task_message_successors(t, bytes_of_string("7"), &how, out, &why); break;
        case REPLACING: rc = task_message_sends(t, w->sends, &how, &result, out, &why); break;
        case FAILING: rc = task_message_errbacks(t, &failure, &how, out, &why); break;
        case JOINING:
                rc = task_message_joined(t, json_array_get(t->chain, 1), bytes_of_string("[7]"), &how, out, &why);
                break;
        case UNJOINING: rc = task_message_unjoined(t, json_array_get(t->chain, 1), &failure, &how, out, &why); break;
        case SENDINGS: break;
        }
        buffer_free(&result);
        return rc;
}

static int send_all_whole(void **state)
{
        static struct whole w;
        struct problem why = { 0 };
        struct following out = { 0 };
        json_watch_memory();
        w.made = make_task((struct bytes){ NULL, 0 }, body);
        w.sends = json_loads(in_its_place, 0, NULL);
        *state = &w;
        if (!w.sends || task_message_decode(&w.arena, buffer_view(&w.made.properties), buffer_view(&w.made.body),
                                            LARGEST_BODY, &w.task, &why) != 0)
                return -1;
        w.task.group_id = "g";
        w.task.group_index = 1;
        for (enum sending s = 0; s < SENDINGS; s++) {
                if (send_as(s, &w, &out) != 0)
                        return -1;
                w.sums[s] = sum_of(&out);
                following_clear(&out);
        }
        return w.sums[FOLLOWING].messages >= 6 && w.sums[REPLACING].messages == 4 && w.sums[FAILING].messages == 2 ? 0
                                                                                                                   : -1;
}

static int forget_whole(void **state)
{
        struct whole *w = *state;
        task_message_clear(&w->task);
        made_free(&w->made);
        arena_free(&w->arena);
        json_decref(w->sends);
        return 0;
}

/* Not an assertion: those may fail while memory is short. A run that a signal ends is a bad one. */
static void whole_or_nothing(int rc, const struct sum *sent, const struct sum *whole)
{
        if (rc > 0 || (rc == 0 && memcmp(sent, whole, sizeof(*sent)) != 0))
                raise(SIGKILL);
}

static void check_sending(void **state, enum sending sending)
{
        const struct whole *w = *state;
        struct following out = { 0 };
        const int rc = send_as(sending, w, &out);
        struct sum sent = sum_of(&out);
        whole_or_nothing(rc, &sent, &w->sums[sending]);
        following_clear(&out);
        assert_int_equal(rc, 0);
}

static void what_follows(void **state)
{
        check_sending(state, FOLLOWING);
}

static void what_takes_its_place(void **state)
{
        check_sending(state, REPLACING);
}

static void its_errbacks(void **state)
{
        check_sending(state, FAILING);
}

static void a_chords_body(void **state)
{
        check_sending(state, JOINING);
}

static void a_failed_chords_errbacks(void **state)
{
        check_sending(state, UNJOINING);
}

/* Nor is a message refused for want of memory: that would make a dead letter of it. */
static void a_message_is_read_or_not(void **state)
{
        const struct whole *w = *state;
        struct arena arena = { 0 };
        struct task_message t = { 0 };
        struct problem why = { 0 };
        const int rc = task_message_decode(&arena, buffer_view(&w->made.properties), buffer_view(&w->made.body),
                                           LARGEST_BODY, &t, &why);
        if (rc > 0 || (rc == 0 && task_message_check(&t, &how, &why) > 0))
                raise(SIGKILL);
        task_message_clear(&t);
        arena_free(&arena);
        assert_int_equal(rc, 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_follows),
                cmocka_unit_test(what_takes_its_place),
                cmocka_unit_test(its_errbacks),
                cmocka_unit_test(a_chords_body),
                cmocka_unit_test(a_failed_chords_errbacks),
                cmocka_unit_test(a_message_is_read_or_not),
        };
        return cmocka_run_group_tests(tests, send_all_whole, forget_whole);
}
