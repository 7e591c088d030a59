/* SPDX-License-Identifier: Apache-2.0 */
/* Opening and closing the SQLite store, `sqlite:FILE`. */
#include "store/sqlite/dead/dead.h"

#include <errno.h>
#include <stdlib.h>

#define CONNECT_MS 5000

static const char *const schemes[] = { "sqlite", NULL };

/* Made at run time: the number of embedded files is known to the linker alone. */
static struct sqlite_part lite_backend_tables(void)
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

/* ---- open, close ---- */

static int void_leases(const struct lite_store *s, sqlite3 *db)
{
        struct query q = query_of(db, &lite_sql_store_started);
        int rc;

        query_text(&q, s->owner);
        query_number(&q, lite_now_us());
        rc = query_run(&q);
        if (rc != SQLITE_OK)
                return rc;
        q = query_of(db, &lite_sql_store_unlock);
        query_text(&q, s->owner);
        return query_run(&q);
}

/* On the file's thread, while the opener waits. */
static int backend_prepare(sqlite3 *db, void *arg)
{
        struct lite_store *s = arg;
        int rc = s->config.release_leases ? void_leases(s, db) : SQLITE_OK;
        struct query q;

        if (rc != SQLITE_OK)
                return rc;
        q = query_of(db, &lite_sql_store_newest);
        if (query_row(&q))
                s->seen_id = query_read_number(&q, 0);
        return query_end(&q);
}

static void lite_backend_changed(bool up, const char *why, void *arg)
{
        struct lite_store *s = arg;

        if (s->config.changed && !s->closing)
                s->config.changed(up, up ? NULL : why, s->config.arg);
}

static void lite_backend_touched(void *arg)
{
        struct lite_store *s = arg;

        lite_look(s);
        if (s->touched && !s->closing)
                s->touched(s->touched_arg);
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

static int open_file(struct sqlite_file **out, const struct sqlite_config *config, struct problem *why)
{
        int rc = sqlite_file_open(out, config, why);

        if (rc > 0 && why)
                strcpy(why->source, "store");
        return rc;
}

static int backend_open_store(struct lite_store *s, const char *path, struct problem *why)
{
        struct sqlite_config file = {
                .loop = s->config.loop,
                .path = path,
                .part = &s->part,
                .alone = s->config.alone,
                .timeout_ms = s->config.connect_timeout_ms ? s->config.connect_timeout_ms : CONNECT_MS,
                .prepare = backend_prepare,
                .changed = lite_backend_changed,
                .touched = lite_backend_touched,
                .arg = s,
                .counts = &s->store.counts,
        };

        return open_file(&s->file, &file, why);
}

static int lite_open(struct store **out, const struct store_config *config, struct problem *why)
{
        const char *path;
        int rc = read_url(config->url, &path, why);
        struct lite_store *s = rc == 0 ? calloc(1, sizeof(*s)) : NULL;

        if (!s)
                return rc == 0 ? -ENOMEM : rc;
        s->store.backend = &store_sqlite;
        s->part = lite_backend_tables();
        s->holds = 1;
        s->config = *config;
        s->config.url = NULL;
        s->config.owner = NULL;
        s->owner = strdup(config->owner ? config->owner : "");
        rc = s->owner ? backend_open_store(s, path, why) : -ENOMEM;
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
struct notifier {
        const struct store_migration *asked;
        bool spoke;
};

static void backend_tell(const char *line, void *arg)
{
        struct notifier *t = arg;

        t->spoke = true;
        if (t->asked->said)
                t->asked->said(line, t->asked->arg);
}

/* Whether there is a view of that name, and whether it is this one. */
static int look_at_view(sqlite3 *db, const char *name, const char *wanted, bool *there, bool *same)
{
        struct query q = query_of(db, &lite_sql_store_view);

        query_text(&q, name);
        *there = query_row(&q);
        *same = *there && strcmp(query_read_text(&q, 0), wanted) == 0;
        return query_end(&q);
}

/* A view is left alone while it is this one: making it anew has everybody prepare their statements again. */
static int backend_make_view(sqlite3 *db, const struct fact_view *view)
{
        static const char keys[] =
                "json_group_object(key, case when json_valid(value) then json(value) else value end)";
        struct buffer create = { 0 }, drop = { 0 };
        bool there, same = false;
        int rc;

        buffer_addf(&create, "create view %s as ", view->name);
        fact_view_query(view, "fact", keys, &create);
        buffer_add_byte(&create, '\0');
        buffer_addf(&drop, "drop view %s", view->name);
        buffer_add_byte(&drop, '\0');
        rc = create.failed || drop.failed ? SQLITE_NOMEM
                                          : look_at_view(db, view->name, (const char *)create.data, &there, &same);
        if (rc == SQLITE_OK && there && !same)
                rc = sqlite3_exec(db, (const char *)drop.data, NULL, NULL, NULL);
        if (rc == SQLITE_OK && !same)
                rc = sqlite3_exec(db, (const char *)create.data, NULL, NULL, NULL);
        buffer_free(&create);
        buffer_free(&drop);
        return rc;
}

/* On the file's thread, while the opener waits. */
static int backend_make_views(sqlite3 *db, void *arg)
{
        const struct notifier *t = arg;
        const struct fact_view *const *list = t->asked->views;
        int rc = SQLITE_OK;

        for (; rc == SQLITE_OK && list && *list; list++) {
                for (const struct fact_view *view = *list; rc == SQLITE_OK && view->name; view++)
                        rc = backend_make_view(db, view);
        }
        return rc;
}

static int lite_migrate(const struct store_migration *migration, struct problem *why)
{
        uv_loop_t loop;
        struct sqlite_part part = lite_backend_tables();
        struct notifier teller = { .asked = migration };
        struct sqlite_file *file;
        struct sqlite_config config = {
                .loop = &loop,
                .part = &part,
                .timeout_ms = migration->connect_timeout_ms ? migration->connect_timeout_ms : CONNECT_MS,
                .migrate = true,
                .prepare = migration->views ? backend_make_views : NULL,
                .said = backend_tell,
                .arg = &teller,
        };
        int rc = read_url(migration->url, &config.path, why);

        if (rc != 0)
                return rc;
        uv_loop_init(&loop);
        rc = open_file(&file, &config, why);
        if (rc == 0)
                sqlite_file_close(file);
        uv_run(&loop, UV_RUN_DEFAULT);
        uv_loop_close(&loop);
        if (rc == 0 && !teller.spoke)
                backend_tell("up to date", &teller);
        return rc;
}

static const struct store_run lite_run_door = {
        .claim = lite_claim,
        .commit = lite_commit,
        .fail = lite_fail,
        .give_back = lite_give_back,
        .revoke = lite_revoke,
        .cancel = lite_job_cancel,
        .owe = lite_owe,
        .owed_take = lite_owed_take,
        .owed_settle = lite_owed_settle,
        .beat = lite_beat,
};

static const struct store_schedule lite_schedule_door = {
        .add = lite_schedule,
        .release = lite_release,
        .forget = lite_forget,
        .on_scheduled = lite_on_scheduled,
        .list = lite_scheduled_list,
        .drop = lite_scheduled_drop,
        .upcoming = lite_upcoming,
};

static const struct store_read lite_read_door = {
        .worker = lite_worker,
        .job = lite_job,
        .job_list = lite_job_list,
        .job_find = lite_job_find,
        .job_trail = lite_job_trail,
        .job_follow = lite_job_follow,
        .on_touched = lite_on_touched,
        .load = lite_load,
        .examine = lite_examine,
        .figures = lite_figures,
        .workers = lite_workers,
        .events = lite_events,
        .chord_parts = lite_chord_parts,
};

static const struct store_dead lite_dead_door = {
        .file = lite_dead_file,
        .read = lite_dead_read,
        .groups = lite_dead_groups,
        .count = lite_dead_count,
        .settle = lite_dead_settle,
        .edit = lite_dead_edit,
        .history = lite_dead_history,
        .stats = lite_dead_stats,
        .alarms = lite_dead_alarms,
        .alarms_told = lite_dead_alarms_told,
        .stale_find = lite_stale_find,
        .stale_settle = lite_stale_settle,
};

static const struct store_inbox lite_inbox_door = {
        .apply = lite_inbox_apply,
};

static const struct store_consumer lite_consumer_door = {
        .take = lite_consumer_take,
        .held = lite_consumer_held,
        .waiting = lite_consumer_waiting,
        .page = lite_consumer_page,
        .facts = lite_consumer_facts,
        .history = lite_consumer_history,
        .aggregates = lite_consumer_aggregates,
        .step = lite_consumer_step,
        .list = lite_consumer_list,
        .missed = lite_consumer_missed,
};

static const struct store_seal lite_seal_door = {
        .days = lite_seal_days,
        .day = lite_seal_day,
        .make = lite_seal_make,
};

static const struct store_cdc lite_cdc_door = {
        .look = lite_cdc_look,
        .place = lite_cdc_place,
        .count = lite_cdc_count,
        .backfill = lite_cdc_backfill,
};

static const struct store_carry lite_carry_door = {
        .out = lite_carry_out,
        .off = lite_carry_off,
};

static const struct store_fleet lite_fleet_door = {
        .lease = lite_lease,
        .maintain = lite_maintain,
        .forget_workers = lite_forget_workers,
};

static const struct store_access lite_access_door = {
        .once_begin = lite_once_begin,
        .once_settle = lite_once_settle,
        .key_add = lite_key_add,
        .key_list = lite_key_list,
        .key_revoke = lite_key_revoke,
};

static const struct store_webhook lite_webhook_door = {
        .add = lite_webhook_add,
        .take = lite_webhook_take,
        .settle = lite_webhook_settle,
        .list = lite_webhook_list,
        .resend = lite_webhook_resend,
        .forget = lite_webhook_forget,
};

static const struct store_blob lite_blob_door = {
        .put = lite_blob_put,
        .get = lite_blob_get,
        .touch = lite_blob_touch,
        .forget = lite_blob_forget,
};

const struct store_backend store_sqlite = {
        .schemes = schemes,
        .open = lite_open,
        .run = &lite_run_door,
        .schedule = &lite_schedule_door,
        .read = &lite_read_door,
        .dead = &lite_dead_door,
        .inbox = &lite_inbox_door,
        .consumer = &lite_consumer_door,
        .seal = &lite_seal_door,
        .cdc = &lite_cdc_door,
        .carry = &lite_carry_door,
        .fleet = &lite_fleet_door,
        .access = &lite_access_door,
        .webhook = &lite_webhook_door,
        .blob = &lite_blob_door,
        .up = lite_up,
        .waiting = lite_waiting,
        .close = lite_close,
        .migrate = lite_migrate,
};
