/* SPDX-License-Identifier: Apache-2.0 */
/* Which provider is chosen, and the life of calls, shown with the one that needs no network. */
#include "ai/ai.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uv_loop_t loop;
static struct ai *ai;

static int hook(const struct ai_request *request, json_t **answer, void *arg, struct problem *why)
{
        (void)arg;
        if (strcmp(request->task, "refused") == 0)
                return problem_set(why, "provider", "no_rule", "no rule for that");
        if (strcmp(request->task, "bug") == 0)
                return -ENOMEM;
        *answer = json_pack("{ss}", "task", request->task);
        return 0;
}

static int open_offline(void **state)
{
        (void)state;
        const struct ai_config config = { .loop = &loop, .model = "m", .vision_model = "v", .offline = hook };
        uv_loop_init(&loop);
        return ai_open(&ai, &config, NULL);
}

static void close_ai(void)
{
        ai_close(ai);
        ai = NULL;
        uv_run(&loop, UV_RUN_DEFAULT);
}

static int close_offline(void **state)
{
        (void)state;
        if (ai)
                close_ai();
        return uv_loop_close(&loop);
}

/* ---- which provider ---- */

static void the_provider_follows_from_the_settings(void **state)
{
        (void)state;
        static const struct {
                const char *provider, *base_url, *api_key;
                const char *name; /* NULL = refused */
        } rows[] = {
                { NULL, NULL, NULL, "offline" },
                { "", "", "", "offline" },
                { "", "", "sk-1", "openai" },
                { "", "http://localhost:1/v1", "", "openai" },
                { "openai", NULL, "sk-1", "openai" },
                { "openai", "http://localhost:1/v1", NULL, "openai" },
                { "offline", "http://localhost:1/v1", "sk-1", "offline" },
                { "openai", NULL, NULL, NULL },
                { "openai", "ftp://x", NULL, NULL },
                { "openia", NULL, "sk-1", NULL },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct problem why = { 0 };
                const struct ai_config config = { .loop = &loop,
                                                  .provider = rows[i].provider,
                                                  .base_url = rows[i].base_url,
                                                  .api_key = rows[i].api_key,
                                                  .max_connections = 10 };
                uv_loop_init(&loop);
                const int result = ai_open(&ai, &config, &why);
                assert_int_equal(result, rows[i].name ? 0 : 1);
                if (result == 0) {
                        assert_string_equal(ai_provider_name(ai), rows[i].name);
                        close_ai();
                } else {
                        assert_string_equal(why.source, "settings");
                        assert_string_equal(why.code, "bad_setting");
                }
                assert_int_equal(uv_loop_close(&loop), 0);
        }
        ai = NULL;
}

/* ---- calls ---- */

struct offline_heard {
        int times;
        enum ai_verdict verdict;
        char code[48];
        bool content;
        struct ai_call *other; /* to be taken back from inside `done` */
        int asks;              /* to be asked again from inside `done` */
        const struct ai_request *request;
};

static void hear(const struct ai_reply *reply, void *arg)
{
        struct offline_heard *heard = arg;
        heard->times++;
        heard->verdict = reply->verdict;
        strcpy(heard->code, reply->why.code);
        heard->content = reply->content != NULL;
        assert_string_equal(reply->provider, "offline");
        if (reply->verdict == AI_OK) {
                assert_string_equal(reply->model, "offline");
                assert_int_equal(reply->cost_nano, 0);
                assert_int_equal(reply->wait_ms, 0);
        }
        if (heard->other)
                ai_cancel(ai, heard->other);
        heard->other = NULL;
        if (heard->asks-- > 0)
                assert_int_equal(ai_ask(ai, heard->request, hear, heard, NULL), 0);
}

static void the_hooks_word_is_judged(void **state)
{
        (void)state;
        json_t *fits = json_pack("{s[s]}", "required", "task"), *breaks = json_pack("{s[s]}", "required", "other");
        const struct {
                const char *task;
                const json_t *schema;
                enum ai_verdict verdict;
                const char *code;
        } rows[] = {
                { "t", NULL, AI_OK, "" },
                { "t", fits, AI_OK, "" },
                { "t", breaks, AI_PERMANENT, "schema_mismatch" },
                { "refused", fits, AI_PERMANENT, "no_rule" },
                { "bug", fits, AI_PERMANENT, "offline" },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct offline_heard heard = { 0 };
                const struct ai_request request = { .task = rows[i].task, .schema = rows[i].schema };
                assert_int_equal(ai_ask(ai, &request, hear, &heard, NULL), 0);
                assert_int_equal(heard.times, 0); /* never from inside ai_ask */
                assert_int_equal(ai_in_flight(ai), 1);
                uv_run(&loop, UV_RUN_DEFAULT);
                assert_int_equal(heard.times, 1);
                assert_int_equal(heard.verdict, rows[i].verdict);
                assert_string_equal(heard.code, rows[i].code);
                assert_int_equal(heard.content, rows[i].verdict == AI_OK);
                assert_int_equal(ai_in_flight(ai), 0);
        }
        json_decref(fits);
        json_decref(breaks);
}

static void without_a_hook_nothing_can_be_answered(void **state)
{
        (void)state;
        struct offline_heard heard = { 0 };
        const struct ai_config config = { .loop = &loop };
        const struct ai_request request = { .task = "t" };
        close_ai();
        assert_int_equal(ai_open(&ai, &config, NULL), 0);
        assert_int_equal(ai_ask(ai, &request, hear, &heard, NULL), 0);
        uv_run(&loop, UV_RUN_DEFAULT);
        assert_int_equal(heard.verdict, AI_PERMANENT);
}

static void a_call_can_be_taken_back(void **state)
{
        (void)state;
        struct offline_heard heard = { 0 };
        struct ai_call *call;
        const struct ai_request request = { .task = "t" };
        assert_int_equal(ai_ask(ai, &request, hear, &heard, &call), 0);
        ai_cancel(ai, call);
        assert_int_equal(heard.times, 1);
        assert_int_equal(heard.verdict, AI_CANCELLED);
        uv_run(&loop, UV_RUN_DEFAULT);
        assert_int_equal(heard.times, 1);
}

static void a_call_can_be_taken_back_from_anothers_done(void **state)
{
        (void)state;
        struct offline_heard first = { 0 }, second = { 0 };
        const struct ai_request request = { .task = "t" };
        assert_int_equal(ai_ask(ai, &request, hear, &first, NULL), 0);
        assert_int_equal(ai_ask(ai, &request, hear, &second, &first.other), 0);
        uv_run(&loop, UV_RUN_DEFAULT);
        assert_int_equal(first.verdict, AI_OK);
        assert_int_equal(second.times, 1);
        assert_int_equal(second.verdict, AI_CANCELLED);
}

static void asking_from_done_is_heard_in_the_next_turn(void **state)
{
        (void)state;
        const struct ai_request request = { .task = "t" };
        struct offline_heard heard = { .asks = 3, .request = &request };
        assert_int_equal(ai_ask(ai, &request, hear, &heard, NULL), 0);
        for (int turn = 1; turn <= 4; turn++) {
                while (heard.times < turn)
                        uv_run(&loop, UV_RUN_ONCE);
                assert_int_equal(heard.times, turn);
        }
}

static void closing_takes_all_calls_back(void **state)
{
        (void)state;
        struct offline_heard heard = { 0 };
        const struct ai_request request = { .task = "t" };
        for (int i = 0; i < 100; i++)
                assert_int_equal(ai_ask(ai, &request, hear, &heard, NULL), 0);
        ai_close(ai);
        assert_int_equal(heard.times, 100);
        assert_int_equal(heard.verdict, AI_CANCELLED);
        assert_int_equal(ai_ask(ai, &request, hear, &heard, NULL), -ECANCELED);
        ai = NULL;
        uv_run(&loop, UV_RUN_DEFAULT);
        assert_int_equal(heard.times, 100);
}

static void close_from_inside(const struct ai_reply *reply, void *arg)
{
        (void)arg;
        if (reply->verdict == AI_OK)
                ai_close(ai);
}

static void closing_from_inside_done_is_fine(void **state)
{
        (void)state;
        const struct ai_request request = { .task = "t" };
        for (int i = 0; i < 3; i++)
                assert_int_equal(ai_ask(ai, &request, close_from_inside, NULL, NULL), 0);
        uv_run(&loop, UV_RUN_DEFAULT);
        ai = NULL;
}

int main(void)
{
#define OFFLINE(test) cmocka_unit_test_setup_teardown(test, open_offline, close_offline)
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_provider_follows_from_the_settings),
                OFFLINE(the_hooks_word_is_judged),
                OFFLINE(without_a_hook_nothing_can_be_answered),
                OFFLINE(a_call_can_be_taken_back),
                OFFLINE(a_call_can_be_taken_back_from_anothers_done),
                OFFLINE(asking_from_done_is_heard_in_the_next_turn),
                OFFLINE(closing_takes_all_calls_back),
                OFFLINE(closing_from_inside_done_is_fine),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
