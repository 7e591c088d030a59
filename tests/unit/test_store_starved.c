/* SPDX-License-Identifier: Apache-2.0 */
/* What a store answers when memory is short: it was not asked, or it waits. A refusal would be a verdict about the data, which kills a task. */
#include "core/bytes.h"
#include "store/dead_letter.h"
#include "store/inbox.h"
#include "store/run.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

enum { STALE_US = 1 }; /* when the stale job moved last */

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

static void on_settled(size_t settled, const struct problem *why, void *arg)
{
        (void)settled;
        never_refused(why && strcmp(why->code, "refused") == 0);
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
        const struct message message = { .exchange = "", .routing_key = "q", .body = bytes_of_string("[]") };
        const struct scheduled again = { .message = &message, .due_ms = 1, .reason = "retry", .task_id = "r" };
        const struct failure attempt = {
                .id = "r", .root_id = "r", .name = "n", .pipeline = "scan", .attempts = 1, .why = &why, .again = &again
        };
        const struct stale_next next = { .task_id = "n", .task_name = "n" };
        const struct stale_item stale = { .root_id = "s",
                                          .updated_us = STALE_US,
                                          .since_us = STALE_US + 1,
                                          .next = &next,
                                          .next_count = 1,
                                          .why = &why };
        const struct revocation revocation = { .id = "c", .root_id = "c", .name = "n" };
        const struct owed_result owed = { .task_id = "a", .queue = "q", .telling = bytes_of_string("{}") };
        const struct inbox_item items[] = { { .consumer = "c", .event_id = "e1" },
                                            { .consumer = "c", .event_id = "e2" } };
        struct asked a = { .open = 8 };

        s->run->claim(s, &claim, on_claimed, &a);
        (s->run->fail)(s, &failure, on_stored, &a); /* cmocka has a macro of this name */
        (s->run->fail)(s, &attempt, on_stored, &a);
        s->dead->stale_settle(s, &stale, 1, on_settled, &a);
        s->run->revoke(s, &revocation, on_stored, &a);
        s->run->owe(s, &owed, on_stored, &a);
        s->run->beat(s, state, on_stored, &a);
        inbox_apply(s, items, 2, on_applied, &a);
        wait_answered(loop, &a);
        a.open = 1;
        s->run->commit(s, &commit, on_stored, &a);
        wait_answered(loop, &a);
}

/* The number that the file answers, by a client that is not the engine; -1 where there is none. */
static int ask_file(const char *path, const char *sql)
{
        sqlite3 *db = NULL;
        sqlite3_stmt *statement = NULL;
        int answer = -1;
        if (sqlite3_open(path, &db) == SQLITE_OK && sqlite3_prepare_v2(db, sql, -1, &statement, NULL) == SQLITE_OK &&
            sqlite3_step(statement) == SQLITE_ROW)
                answer = sqlite3_column_int(statement, 0);
        sqlite3_finalize(statement);
        sqlite3_close(db);
        return answer;
}

struct file {
        char folder[32], path[64], url[80];
};

static void file_remove(const struct file *f)
{
        static const char *const endings[] = { "", "-wal", "-shm" };
        for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
                char path[80];
                snprintf(path, sizeof(path), "%s%s", f->path, endings[i]);
                unlink(path);
        }
        rmdir(f->folder);
}

static void file_make(struct file *f)
{
        snprintf(f->folder, sizeof(f->folder), "/tmp/chard_starved_XXXXXX");
        assert_non_null(mkdtemp(f->folder));
        snprintf(f->path, sizeof(f->path), "%s/t.db", f->folder);
        snprintf(f->url, sizeof(f->url), "sqlite:%s", f->path);
}

/* A store with a job that has stood still, made once: each test has a copy of it. */
static int make_empty_store(void **state)
{
        static struct file empty;
        char insert[128];
        file_make(&empty);
        *state = &empty;
        const struct store_migration migration = { .url = empty.url, .connect_timeout_ms = 1000 };
        snprintf(insert, sizeof(insert), "insert into job (root_id, updated_at) values ('s', %d) returning 1",
                 STALE_US);
        return store_migrate(&migration, NULL) == 0 && ask_file(empty.path, insert) == 1 ? 0 : -1;
}

static int remove_empty_store(void **state)
{
        file_remove(*state);
        return 0;
}

static void file_copy(const struct file *from, const struct file *to)
{
        char copy[128];
        snprintf(copy, sizeof(copy), "vacuum into '%s'", to->path);
        ask_file(from->path, copy);
}

static bool ask_store(const struct file *f)
{
        uv_loop_t loop;
        struct store *s = NULL;
        json_t *value = json_pack("[i]", 1);
        uv_loop_init(&loop);
        const struct store_config config = { .loop = &loop, .url = f->url, .owner = "w" };
        const bool opened = store_open(&s, &config, NULL) == 0;
        if (opened) {
                ask_all(s, &loop, value);
                s->backend->close(s);
        }
        uv_run(&loop, UV_RUN_DEFAULT);
        uv_loop_close(&loop);
        json_decref(value);
        return opened;
}

/* What failed says why: without that a job would be taken for one that is sent on, and a letter would say nothing. */
static void nothing_is_refused_for_want_of_memory(void **state)
{
        struct file f;
        file_make(&f);
        file_copy(*state, &f);
        const bool opened = ask_store(&f);
        const int failed = ask_file(f.path, "select (select count(*) from job where state = 'FAILURE') +"
                                            " (select count(*) from task where state in ('FAILURE', 'RETRY'))");
        const int without = ask_file(
                f.path,
                "select (select count(*) from job where state = 'FAILURE' and coalesce(error, 'null') = 'null') +"
                " (select count(*) from task where state in ('FAILURE', 'RETRY') and coalesce(error, 'null') = 'null')");
        file_remove(&f);
        never_refused(without > 0);
        assert_true(opened);
        assert_int_equal(failed, 5); /* two jobs; of them a task each, and the one that never came; and an attempt */
}

int main(void)
{
        const struct CMUnitTest tests[] = { cmocka_unit_test(nothing_is_refused_for_want_of_memory) };
        return cmocka_run_group_tests(tests, make_empty_store, remove_empty_store);
}
