/* SPDX-License-Identifier: Apache-2.0 */
/* What a store answers when memory is short: it was not asked, or it waits. A refusal would be a verdict about the data, which kills a task. */
#include "store/inbox.h"
#include "store/run.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

struct asked {
        unsigned open;
};

/* Not an assertion: those may fail while memory is short. A run that a signal ends is a bad one. */
static void never_refused(bool refused)
{
        if (refused)
                raise(SIGKILL);
}

static void on_claimed(const struct claim_reply *reply, void *arg)
{
        never_refused(reply->verdict == CLAIM_REFUSED);
        ((struct asked *)arg)->open--;
}

static void on_stored(enum store_result result, struct bytes stored, const struct problem *why, void *arg)
{
        (void)stored, (void)why;
        never_refused(result == STORE_REFUSED);
        ((struct asked *)arg)->open--;
}

static void on_applied(const enum store_result *results, size_t count, const struct problem *why, void *arg)
{
        (void)why;
        for (size_t i = 0; i < count; i++)
                never_refused(results[i] == STORE_REFUSED);
        ((struct asked *)arg)->open--;
}

static void wait_answered(uv_loop_t *loop, const struct asked *a)
{
        while (a->open > 0)
                uv_run(loop, UV_RUN_ONCE);
}

static void ask_all(struct store *s, uv_loop_t *loop, json_t *state)
{
        const struct problem why = { .source = "task", .code = "x", .text = "no" };
        const struct claim claim = { .id = "a", .root_id = "a", .name = "n", .pipeline = "scan", .lease_ms = 1000 };
        const struct commit commit = { .id = "a",
                                       .root_id = "a",
                                       .result = bytes_of_string("{\"t\":\"\xc3\xa9\"}"),
                                       .has_job = true,
                                       .chain = state };
        const struct failure failure = {
                .id = "b", .root_id = "b", .name = "n", .pipeline = "scan", .attempts = 1, .why = &why
        };
        const struct revocation revocation = { .id = "c", .root_id = "c", .name = "n" };
        const struct owed_result owed = { .task_id = "a", .queue = "q", .telling = bytes_of_string("{}") };
        const struct inbox_item items[] = { { .consumer = "c", .event_id = "e1" },
                                            { .consumer = "c", .event_id = "e2" } };
        struct asked a = { .open = 6 };

        s->run->claim(s, &claim, on_claimed, &a);
        (s->run->fail)(s, &failure, on_stored, &a); /* cmocka has a macro of this name */
        s->run->revoke(s, &revocation, on_stored, &a);
        s->run->owe(s, &owed, on_stored, &a);
        s->run->beat(s, state, on_stored, &a);
        inbox_apply(s, items, 2, on_applied, &a);
        wait_answered(loop, &a);
        a.open = 1;
        s->run->commit(s, &commit, on_stored, &a);
        wait_answered(loop, &a);
}

static void nothing_is_refused_for_want_of_memory(void **state)
{
        char folder[] = "/tmp/chard_starved_XXXXXX", url[96], path[96];
        static const char *const endings[] = { "", "-wal", "-shm" };
        uv_loop_t loop;
        struct store *s = NULL;
        json_t *value = json_pack("[i]", 1);
        (void)state;
        assert_non_null(mkdtemp(folder));
        snprintf(url, sizeof(url), "sqlite:%s/t.db", folder);
        uv_loop_init(&loop);
        const struct store_config config = { .loop = &loop, .url = url, .owner = "w" };
        const bool opened =
                store_migrate(&(struct store_migration){ .url = url, .connect_timeout_ms = 1000 }, NULL) == 0 &&
                store_open(&s, &config, NULL) == 0;
        if (opened) {
                ask_all(s, &loop, value);
                s->backend->close(s);
        }
        uv_run(&loop, UV_RUN_DEFAULT);
        uv_loop_close(&loop);
        json_decref(value);
        for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
                snprintf(path, sizeof(path), "%s/t.db%s", folder, endings[i]);
                unlink(path);
        }
        rmdir(folder);
        assert_true(opened);
}

int main(void)
{
        const struct CMUnitTest tests[] = { cmocka_unit_test(nothing_is_refused_for_want_of_memory) };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
