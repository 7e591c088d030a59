/* SPDX-License-Identifier: Apache-2.0 */
/* The database file's thread, for ThreadSanitizer too: work from several loops goes into one file, in order, each piece once;
 * a bad piece harms only itself; and what one writes the others hear of. */
#include "core/sqlite/sqlite.h"

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static const char first_sql[] = "create table t (n integer primary key, who integer, body blob) strict;";
static const char second_sql[] = "alter table t add column more text;";
static const struct embedded_file migrations[] = {
        { "0001_t.sql", (const unsigned char *)first_sql, sizeof(first_sql) - 1 },
        { "0002_more.sql", (const unsigned char *)second_sql, sizeof(second_sql) - 1 },
};
static const struct sqlite_part part = { "test", migrations, 2 };

struct file {
        char folder[64], path[96];
};

static void remove_files(const struct file *f)
{
        static const char *const endings[] = { "", "-wal", "-shm" };
        char name[128];
        for (size_t i = 0; i < 3; i++) {
                snprintf(name, sizeof(name), "%s%s", f->path, endings[i]);
                unlink(name);
        }
        rmdir(f->folder);
}

static void make_folder(struct file *f)
{
        snprintf(f->folder, sizeof(f->folder), "/tmp/chard_sqlite_XXXXXX");
        assert_non_null(mkdtemp(f->folder));
        snprintf(f->path, sizeof(f->path), "%s/t.db", f->folder);
}

/* One user of the file, with a loop of its own. */
struct user {
        uv_loop_t loop;
        struct sqlite_file *file;
        unsigned wanted, ended[3], touched, lines, id;
        unsigned long last; /* order of the answers */
        bool out_of_order, close_inside;
};

struct insert {
        struct sqlite_work work;
        struct user *user;
        int64_t n;
        unsigned long number;
};

static int insert_run(struct sqlite_work *work, sqlite3 *db)
{
        const struct insert *i = (struct insert *)work;
        sqlite3_stmt *s = sqlite_statement(db, "insert into t (n, who) values (?1, ?2)");
        if (!s)
                return sqlite3_errcode(db);
        sqlite3_bind_int64(s, 1, i->n);
        sqlite3_bind_int64(s, 2, i->user->id);
        const int code = sqlite3_step(s);
        return code == SQLITE_DONE ? SQLITE_OK : code;
}

static void close_user(struct user *u)
{
        struct sqlite_file *file = u->file;
        u->file = NULL;
        if (file)
                sqlite_file_close(file);
}

static void insert_done(struct sqlite_work *work, enum sqlite_end end, const struct problem *why)
{
        struct insert *i = (struct insert *)work;
        struct user *u = i->user;
        unsigned total = 1;
        if (end == SQLITE_END_REFUSED)
                assert_string_equal(why->code, "constraint");
        u->out_of_order = u->out_of_order || i->number < u->last;
        u->last = i->number;
        u->ended[end]++;
        for (int k = 0; k < 3; k++)
                total += u->ended[k];
        free(i);
        if (u->close_inside || total > u->wanted)
                close_user(u);
}

static const struct sqlite_verb insert_verb = { .run = insert_run, .done = insert_done };

static void on_touched(void *arg)
{
        struct user *u = arg;
        u->touched++;
}

static void on_line(const char *line, void *arg)
{
        struct user *u = arg;
        (void)line;
        u->lines++;
}

static int open_user(struct user *u, const char *path, bool migrate, struct problem *why)
{
        const struct sqlite_config config = { .loop = &u->loop,
                                              .path = path,
                                              .part = &part,
                                              .timeout_ms = 5000,
                                              .migrate = migrate,
                                              .said = on_line,
                                              .touched = on_touched,
                                              .arg = u };
        uv_loop_init(&u->loop);
        return sqlite_file_open(&u->file, &config, why);
}

static void add(struct user *u, int64_t n, unsigned long number)
{
        struct insert *i = calloc(1, sizeof(*i));
        assert_non_null(i);
        i->user = u;
        i->n = n;
        i->number = number;
        sqlite_do(u->file, &i->work, &insert_verb);
}

static void finish(struct user *u)
{
        close_user(u);
        uv_run(&u->loop, UV_RUN_DEFAULT);
        assert_int_equal(uv_loop_close(&u->loop), 0);
}

static int64_t number_of(const char *path, const char *sql)
{
        sqlite3 *db;
        sqlite3_stmt *s;
        assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
        assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &s, NULL), SQLITE_OK);
        assert_int_equal(sqlite3_step(s), SQLITE_ROW);
        const int64_t number = sqlite3_column_int64(s, 0);
        sqlite3_finalize(s);
        sqlite3_close(db);
        return number;
}

/* ---- several loops ---- */

enum { USERS = 4, EACH = 5000 };

struct crowd_member {
        struct user user;
        const char *path;
        pthread_t thread;
        int result;
};

static void *live(void *arg)
{
        struct crowd_member *m = arg;
        m->user.wanted = EACH;
        m->result = open_user(&m->user, m->path, true, NULL);
        for (unsigned i = 0; m->result == 0 && i < EACH; i++) {
                add(&m->user, (int64_t)m->user.id * EACH + i, i);
                if (i % 50 == 0)
                        uv_run(&m->user.loop, UV_RUN_NOWAIT);
        }
        uv_run(&m->user.loop, UV_RUN_DEFAULT);
        return NULL;
}

static void several_loops_share_one_file(void **state)
{
        struct file f = { .folder = "" };
        struct crowd_member crowd[USERS] = { 0 };
        unsigned lines = 0;
        (void)state;
        make_folder(&f);
        for (unsigned i = 0; i < USERS; i++) {
                crowd[i].path = f.path;
                crowd[i].user.id = i;
                assert_int_equal(pthread_create(&crowd[i].thread, NULL, live, &crowd[i]), 0);
        }
        for (unsigned i = 0; i < USERS; i++) {
                pthread_join(crowd[i].thread, NULL);
                assert_int_equal(crowd[i].result, 0);
                assert_int_equal(crowd[i].user.ended[SQLITE_END_COMMITTED], EACH);
                assert_false(crowd[i].user.out_of_order);
                lines += crowd[i].user.lines;
                assert_int_equal(uv_loop_close(&crowd[i].user.loop), 0);
        }
        assert_int_equal(lines, 2); /* each migration once */
        assert_int_equal(number_of(f.path, "select count(*) from t"), USERS * EACH);
        assert_int_equal(number_of(f.path, "select version from part where name = 'test'"), 2);
        remove_files(&f);
}

static void a_bad_piece_is_refused_alone(void **state)
{
        struct file f = { .folder = "" };
        struct user u = { .wanted = 1000 };
        (void)state;
        make_folder(&f);
        assert_int_equal(open_user(&u, f.path, true, NULL), 0);
        for (unsigned i = 0; i < 1000; i++)
                add(&u, i % 100 == 50 ? 7 : 1000 + (int64_t)i, i); /* ten of them with the same key */
        uv_run(&u.loop, UV_RUN_DEFAULT);
        assert_int_equal(u.ended[SQLITE_END_COMMITTED], 991);
        assert_int_equal(u.ended[SQLITE_END_REFUSED], 9);
        assert_false(u.out_of_order);
        finish(&u);
        assert_int_equal(number_of(f.path, "select count(*) from t"), 991);
        remove_files(&f);
}

static void a_close_does_what_was_handed_over(void **state)
{
        struct file f = { .folder = "" };
        struct user u = { .wanted = 500 };
        (void)state;
        make_folder(&f);
        for (int inside = 0; inside < 2; inside++) {
                memset(u.ended, 0, sizeof(u.ended));
                u.close_inside = inside;
                assert_int_equal(open_user(&u, f.path, true, NULL), 0);
                for (unsigned i = 0; i < 500; i++)
                        add(&u, inside * 500 + (int64_t)i, i);
                if (inside)
                        uv_run(&u.loop, UV_RUN_DEFAULT);
                finish(&u);
                assert_int_equal(u.ended[SQLITE_END_COMMITTED], 500);
                u.last = 0;
        }
        assert_int_equal(number_of(f.path, "select count(*) from t"), 1000);
        remove_files(&f);
}

/* ---- hearing of one another ---- */

static void write_from_outside(const char *path, int64_t n)
{
        char sql[100];
        sqlite3 *db;
        snprintf(sql, sizeof(sql), "insert into t (n) values (%lld)", (long long)n);
        assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
        sqlite3_busy_timeout(db, 5000);
        assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
        sqlite3_close(db);
}

static void others_commits_are_noticed_and_not_our_own(void **state)
{
        struct file f = { .folder = "" };
        struct user a = { .wanted = 100 }, b = { .wanted = 100, .id = 1 };
        (void)state;
        make_folder(&f);
        assert_int_equal(open_user(&a, f.path, true, NULL), 0);
        assert_int_equal(open_user(&b, f.path, false, NULL), 0);
        add(&a, 1, 1);
        while (a.ended[SQLITE_END_COMMITTED] < 1)
                uv_run(&a.loop, UV_RUN_ONCE);
        while (b.touched < 1)
                uv_run(&b.loop, UV_RUN_ONCE);
        assert_int_equal(a.touched, 0);

        write_from_outside(f.path, 2); /* another connection, as another process has */
        while (a.touched < 1)
                uv_run(&a.loop, UV_RUN_ONCE);
        while (b.touched < 2)
                uv_run(&b.loop, UV_RUN_ONCE);
        finish(&a);
        finish(&b);
        remove_files(&f);
}

/* ---- files that it can't use ---- */

static void make_foreign(const char *path)
{
        sqlite3 *db;
        assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
        assert_int_equal(sqlite3_exec(db, "create table theirs (n)", NULL, NULL, NULL), SQLITE_OK);
        sqlite3_close(db);
}

static void make_text(const char *path)
{
        const int fd = open(path, O_WRONLY | O_CREAT, 0600);
        assert_true(fd >= 0);
        for (int i = 0; i < 100; i++)
                assert_int_equal(write(fd, "This is a letter to my aunt.\n", 29), 29);
        close(fd);
}

static void make_newer(const char *path)
{
        struct user u = { 0 };
        sqlite3 *db;
        assert_int_equal(open_user(&u, path, true, NULL), 0);
        finish(&u);
        assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
        assert_int_equal(sqlite3_exec(db, "update part set version = 9", NULL, NULL, NULL), SQLITE_OK);
        sqlite3_close(db);
}

static void make_older(const char *path)
{
        struct user u = { 0 };
        sqlite3 *db;
        assert_int_equal(open_user(&u, path, true, NULL), 0);
        finish(&u);
        assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
        assert_int_equal(sqlite3_exec(db, "update part set version = 1", NULL, NULL, NULL), SQLITE_OK);
        sqlite3_close(db);
}

static void make_empty(const char *path)
{
        const int fd = open(path, O_WRONLY | O_CREAT, 0600);
        assert_true(fd >= 0);
        close(fd);
}

static void make_a_folder(const char *path)
{
        assert_int_equal(mkdir(path, 0700), 0);
}

static void make_nothing(const char *path)
{
        (void)path;
}

static void what_it_can_not_use_is_named_and_left_alone(void **state)
{
        static const struct {
                const char *what;
                void (*make)(const char *path);
                bool migrate;
                const char *code;
        } cases[] = {
                { "another program's database", make_foreign, true, "not_chard" },
                { "some text", make_text, true, "not_chard" },
                { "a newer one", make_newer, true, "schema_too_new" },
                { "a newer one, only looked at", make_newer, false, "schema_too_new" },
                { "an older one", make_older, false, "schema_too_old" },
                { "an empty one", make_empty, false, "schema_missing" },
                { "none", make_nothing, false, "schema_missing" },
                { "a folder", make_a_folder, true, "bad_path" },
        };
        (void)state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
                struct file f = { .folder = "" };
                struct user u = { 0 };
                struct problem why = { .code = "" };
                struct stat before = { 0 }, after = { 0 };
                make_folder(&f);
                cases[i].make(f.path);
                stat(f.path, &before);
                assert_int_equal(open_user(&u, f.path, cases[i].migrate, &why), 1);
                stat(f.path, &after);
                if (strcmp(why.code, cases[i].code) != 0 || !strstr(why.text, f.path))
                        fail_msg("%s: %s: %s", cases[i].what, why.code, why.text);
                assert_int_equal(before.st_size, after.st_size);
                assert_int_equal(before.st_mtim.tv_nsec, after.st_mtim.tv_nsec);
                finish(&u);
                if (cases[i].make == make_a_folder)
                        rmdir(f.path);
                remove_files(&f);
        }
}

static void a_missing_folder_is_out_of_reach(void **state)
{
        struct user u = { 0 };
        struct problem why = { .code = "" };
        (void)state;
        assert_int_equal(open_user(&u, "/nowhere/at/all.db", true, &why), 1);
        assert_string_equal(why.code, "unreachable");
        assert_non_null(strstr(why.text, "No such file or directory"));
        finish(&u);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(several_loops_share_one_file),
                cmocka_unit_test(a_bad_piece_is_refused_alone),
                cmocka_unit_test(a_close_does_what_was_handed_over),
                cmocka_unit_test(others_commits_are_noticed_and_not_our_own),
                cmocka_unit_test(what_it_can_not_use_is_named_and_left_alone),
                cmocka_unit_test(a_missing_folder_is_out_of_reach),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
