/* SPDX-License-Identifier: Apache-2.0 */
/* Opening and closing the SQLite store, `sqlite:FILE`. */
#include "store/sqlite/lite.h"

#include "core/clock.h"

#include <errno.h>
#include <stdlib.h>

#define CONNECT_MS 5000

static const char *const schemes[] = { "sqlite", NULL };

/* Made at run time: the number of embedded files is known to the linker alone. */
static struct sqlite_part tables(void)
{
        return (struct sqlite_part){ "store", embedded_sqlite_store, embedded_sqlite_store_count };
}

void lite_hold(struct lite_store *s)
{
        s->holds++;
}

void lite_drop(struct lite_store *s)
{
        if (--s->holds > 0)
                return;
        free(s->owner);
        free(s->released);
        free(s);
}

/* ---- what is done once, before open returns: on a loop of its own, because the caller's does not turn ---- */

struct entry {
        struct sqlite_work work;
        const struct store_config *config;
        struct sqlite_part part;
        uv_loop_t loop;
        uv_timer_t timer;
        struct sqlite_file *file;
        int64_t seen_id;
        enum sqlite_end end;
        struct problem *why;
};

/* Leases of an earlier process of this name are void from here on: a claim compares their time with the worker's start. */
static const char started_sql[] = "insert into worker (name, started_at, beat_at) values (?1, ?2, ?2)"
                                  " on conflict (name) do update set started_at = ?2, beat_at = ?2";

static const char unlock_sql[] = "update scheduled set locked_by = null, locked_until = null where locked_by = ?1";

static const char newest_sql[] = "select max(id) from scheduled";

static int void_leases(const struct entry *e, sqlite3 *db)
{
        struct query q = query_of(db, started_sql);
        int rc;

        query_text(&q, e->config->owner);
        query_number(&q, lite_now_us());
        rc = query_run(&q);
        if (rc != SQLITE_OK)
                return rc;
        q = query_of(db, unlock_sql);
        query_text(&q, e->config->owner);
        return query_run(&q);
}

static int run_entry(struct sqlite_work *work, sqlite3 *db)
{
        struct entry *e = (struct entry *)work;
        int rc = e->config->release_leases ? void_leases(e, db) : SQLITE_OK;
        struct query q;

        if (rc != SQLITE_OK)
                return rc;
        q = query_of(db, newest_sql);
        if (query_row(&q))
                e->seen_id = query_read_number(&q, 0);
        return query_end(&q);
}

static void entered(struct sqlite_work *work, enum sqlite_end end, const struct problem *why)
{
        struct entry *e = (struct entry *)work;

        e->end = end;
        if (end == SQLITE_END_REFUSED)
                problem_set(e->why, "store", "refused", "%s", why->text);
        uv_stop(&e->loop);
}

static void too_late(uv_timer_t *timer)
{
        uv_stop(timer->loop);
}

static const struct sqlite_verb entry_verb = { .run = run_entry, .done = entered };
static const struct sqlite_verb look_verb = { .run = run_entry, .done = entered, .reads = true };

static void hear_trouble(bool up, const char *why, void *arg)
{
        struct entry *e = arg;

        if (!up)
                problem_set(e->why, "store", "unreachable", "%s", why);
}

static int open_file(struct sqlite_file **out, const struct sqlite_config *config, struct problem *why)
{
        int rc = sqlite_file_open(out, config, why);

        if (rc > 0 && why)
                strcpy(why->source, "store");
        return rc;
}

static int enter(const struct store_config *config, const char *path, unsigned timeout_ms, int64_t *seen_id,
                 struct problem *why)
{
        struct problem trouble;
        struct entry e = { .config = config, .part = tables(), .why = &trouble, .end = SQLITE_END_CLOSED };
        struct sqlite_config file = {
                .loop = &e.loop,
                .path = path,
                .part = &e.part,
                .timeout_ms = timeout_ms,
                .changed = hear_trouble,
                .arg = &e,
        };
        int rc;

        problem_set(&trouble, "store", "unreachable", "%.300s is locked by another program", path);
        uv_loop_init(&e.loop);
        uv_timer_init(&e.loop, &e.timer);
        rc = open_file(&e.file, &file, why);
        if (rc == 0) {
                uv_timer_start(&e.timer, too_late, timeout_ms, 0);
                sqlite_do(e.file, &e.work, config->release_leases ? &entry_verb : &look_verb);
                uv_run(&e.loop, UV_RUN_DEFAULT);
                sqlite_file_close(e.file);
                rc = e.end == SQLITE_END_COMMITTED ? 0 : 1;
                if (rc != 0 && why)
                        *why = trouble;
        }
        *seen_id = e.seen_id;
        uv_close((uv_handle_t *)&e.timer, NULL);
        uv_run(&e.loop, UV_RUN_DEFAULT);
        uv_loop_close(&e.loop);
        return rc;
}

/* ---- open, close ---- */

static void changed(bool up, const char *why, void *arg)
{
        struct lite_store *s = arg;

        if (s->config.changed && !s->closing)
                s->config.changed(up, up ? NULL : why, s->config.arg);
}

static void touched(void *arg)
{
        lite_look(arg);
}

static const char *path_of(const char *url)
{
        return strchr(url, ':') + 1;
}

static int read_url(const char *url, const char **path, struct problem *why)
{
        *path = path_of(url);
        if (**path)
                return 0;
        return problem_set(why, "store", "bad_url", "the store's URL names no file; it must look like sqlite:FILE");
}

static int open_both(struct lite_store *s, const char *path, struct problem *why)
{
        unsigned timeout_ms = s->config.connect_timeout_ms ? s->config.connect_timeout_ms : CONNECT_MS;
        struct sqlite_config file = {
                .loop = s->config.loop,
                .path = path,
                .part = &s->part,
                .timeout_ms = timeout_ms,
                .changed = changed,
                .touched = touched,
                .arg = s,
        };
        struct store_config config = s->config;
        int rc = open_file(&s->file, &file, why);

        config.owner = s->owner;
        if (rc != 0)
                return rc;
        rc = enter(&config, path, timeout_ms, &s->seen_id, why);
        if (rc != 0)
                sqlite_file_close(s->file);
        return rc;
}

static int lite_open(struct store **out, const struct store_config *config, struct problem *why)
{
        const char *path;
        int rc = read_url(config->url, &path, why);
        struct lite_store *s = rc == 0 ? calloc(1, sizeof(*s)) : NULL;

        if (!s)
                return rc == 0 ? -ENOMEM : rc;
        s->store.backend = &store_sqlite;
        s->part = tables();
        s->holds = 1;
        s->config = *config;
        s->config.url = NULL;
        s->config.owner = NULL;
        s->owner = strdup(config->owner ? config->owner : "");
        rc = s->owner ? open_both(s, path, why) : -ENOMEM;
        if (rc != 0) {
                lite_drop(s);
                return rc;
        }
        uv_timer_init(config->loop, &s->renew);
        s->renew.data = s;
        *out = &s->store;
        return 0;
}

static void renew_closed(uv_handle_t *handle)
{
        lite_drop(handle->data);
}

static void lite_close(struct store *store)
{
        struct lite_store *s = lite_of(store);

        lite_unlock(s);
        s->closing = true;
        uv_close((uv_handle_t *)&s->renew, renew_closed);
        sqlite_file_close(s->file);
}

static bool lite_up(const struct store *store)
{
        const struct lite_store *s = (const struct lite_store *)store;

        return !s->closing && sqlite_file_up(s->file);
}

static size_t lite_waiting(const struct store *store)
{
        return ((const struct lite_store *)store)->open_calls;
}

/* Says something also when nothing was to do. */
struct teller {
        void (*said)(const char *line, void *arg);
        void *arg;
        bool spoke;
};

static void tell(const char *line, void *arg)
{
        struct teller *t = arg;

        t->spoke = true;
        if (t->said)
                t->said(line, t->arg);
}

static int lite_migrate(const char *url, unsigned connect_timeout_ms, void (*said)(const char *line, void *arg),
                        void *arg, struct problem *why)
{
        uv_loop_t loop;
        struct sqlite_part part = tables();
        struct teller teller = { .said = said, .arg = arg };
        struct sqlite_file *file;
        struct sqlite_config config = {
                .loop = &loop,
                .part = &part,
                .timeout_ms = connect_timeout_ms ? connect_timeout_ms : CONNECT_MS,
                .migrate = true,
                .said = tell,
                .arg = &teller,
        };
        int rc = read_url(url, &config.path, why);

        if (rc != 0)
                return rc;
        uv_loop_init(&loop);
        rc = open_file(&file, &config, why);
        if (rc == 0)
                sqlite_file_close(file);
        uv_run(&loop, UV_RUN_DEFAULT);
        uv_loop_close(&loop);
        if (rc == 0 && !teller.spoke)
                tell("up to date", &teller);
        return rc;
}

const struct store_backend store_sqlite = {
        .schemes = schemes,
        .open = lite_open,
        .claim = lite_claim,
        .commit = lite_commit,
        .fail = lite_fail,
        .give_back = lite_give_back,
        .schedule = lite_schedule,
        .release = lite_release,
        .forget = lite_forget,
        .on_scheduled = lite_on_scheduled,
        .beat = lite_beat,
        .worker = lite_worker,
        .job = lite_job,
        .events = lite_events,
        .carry_out = lite_carry_out,
        .carry_off = lite_carry_off,
        .workers = lite_workers,
        .up = lite_up,
        .waiting = lite_waiting,
        .close = lite_close,
        .migrate = lite_migrate,
};
