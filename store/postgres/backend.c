/* SPDX-License-Identifier: Apache-2.0 */
/* Opening and closing the PostgreSQL store. */
#include "store/postgres/postgres.h"

#include "core/clock.h"
#include "store/postgres/statements.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define CONNECT_MS 5000

#define COMMIT_FOR_GOOD                                        \
        "select set_config('synchronous_commit', 'on', false)" \
        " where current_setting('synchronous_commit') = 'off'; "

static const struct session_kind kinds[PG_LINK_COUNT] = {
        /* A claim that is lost in a crash is only claimed again: it need not wait for the disk. */
        [PG_LINK_CLAIMS] = { "claims", "set synchronous_commit = off; listen chard_scheduled; ",
                             pg_sql_prepared_claims },
        /* What is committed stays, whatever the server's default is. */
        [PG_LINK_COMMITS] = { "commits", COMMIT_FOR_GOOD, pg_sql_prepared_commits },
        /* A forgotten row that comes back is published again, which claims make harmless. */
        [PG_LINK_RELEASES] = { "releases", "set synchronous_commit = off; ", pg_sql_prepared_releases },
        /* A page of entries is read along an index. The planner, which thinks little of what filters leave, would rather collect all
         * that is kept, by a bitmap, and sort it, for every page. */
        [PG_LINK_DEAD] = { "dead letters", "set enable_bitmapscan = off; " COMMIT_FOR_GOOD, pg_sql_prepared_dead },
};

static const struct pg_verb *const verbs[LANE_COUNT] = {
        [LANE_CLAIM] = &verb_claim,
        [LANE_READ] = &verb_read,
        [LANE_BEAT] = &verb_beat,
        [LANE_EVENTS] = &verb_events,
        [LANE_JOBS] = &verb_jobs,
        [LANE_CANCEL] = &verb_cancel,
        [LANE_DROP] = &verb_drop,
        [LANE_COMMIT] = &verb_commit,
        [LANE_FAIL] = &verb_fail,
        [LANE_GIVE_BACK] = &verb_give_back,
        [LANE_SCHEDULE] = &verb_schedule,
        [LANE_REVOKE] = &verb_revoke,
        [LANE_RESOLVE] = &verb_resolve,
        [LANE_RELEASE] = &verb_release,
        [LANE_FORGET] = &verb_forget,
        [LANE_DEAD_FILE] = &verb_dead_file,
        [LANE_DEAD_PAGE] = &verb_dead_page,
        [LANE_DEAD_ASK] = &verb_dead_ask,
        [LANE_DEAD_LOOK] = &verb_dead_look,
        [LANE_DEAD_SETTLE] = &verb_dead_settle,
        [LANE_DEAD_EDIT] = &verb_dead_edit,
        [LANE_STALE_FIND] = &verb_stale_find,
        [LANE_STALE_SETTLE] = &verb_stale_settle,
        [LANE_CARRY] = &verb_carry,
        [LANE_OWE] = &verb_owe,
        [LANE_OWED_TAKE] = &verb_owed_take,
        [LANE_OWED_SETTLE] = &verb_owed_settle,
        [LANE_INBOX] = &verb_inbox,
        [LANE_CONSUMER] = &verb_consumer,
        [LANE_CONSUMER_ASK] = &verb_consumer_ask,
        [LANE_CONSUMER_FACTS] = &verb_consumer_facts,
        [LANE_LEASE] = &verb_lease,
        [LANE_ONCE_BEGIN] = &verb_once_begin,
        [LANE_ONCE_SETTLE] = &verb_once_settle,
        [LANE_KEYS] = &verb_keys,
        [LANE_WEBHOOK_ADD] = &verb_webhook_add,
        [LANE_WEBHOOK] = &verb_webhook,
        [LANE_BLOB_PUT] = &verb_blob_put,
        [LANE_BLOB_GET] = &verb_blob_get,
        [LANE_BLOB_TOUCH] = &verb_blob_touch,
        [LANE_BLOB_FORGET] = &verb_blob_forget,
        [LANE_CDC] = &verb_cdc,
        [LANE_PROBE_CLAIMS] = &verb_probe_claims,
        [LANE_PROBE_COMMITS] = &verb_probe_commits,
        [LANE_PROBE_DEAD] = &verb_probe_dead,
};

void store_hold(struct pg_store *s)
{
        atomic_fetch_add(&s->handles, 1);
}

static void backend_release_memory(struct pg_store *s)
{
        for (int i = 0; i < PG_LINK_COUNT; i++)
                groups_free(&s->links[i]);
        arguments_free(&s->arguments);
        conninfo_free(&s->conninfo);
        free((char *)(uintptr_t)s->config.owner);
        free(s->released);
        if (s->maintain_cancel >= 0)
                close(s->maintain_cancel);
        free(s);
}

void store_drop(struct pg_store *s)
{
        if (atomic_fetch_sub(&s->handles, 1) == 1 && s->closing)
                backend_release_memory(s);
}

static bool all_up(const struct pg_store *s)
{
        for (int i = 0; i < PG_LINK_COUNT; i++) {
                if (s->links[i].lost)
                        return false;
        }
        for (int i = 0; i < LANE_COUNT; i++) {
                if (s->lanes[i].stuck)
                        return false;
        }
        return !s->closing;
}

void store_changed(struct pg_store *s, const char *why)
{
        bool up = all_up(s);

        if (up == s->up || s->closing)
                return;
        s->up = up;
        s->store.counts.losses += !up;
        if (s->config.changed)
                s->config.changed(up, up ? NULL : why, s->config.arg);
}

static void pg_backend_init(struct pg_store *s, const struct store_config *config)
{
        s->config = *config;
        s->config.url = NULL;
        s->answer_timeout_ms = config->answer_timeout_ms ? config->answer_timeout_ms : ANSWER_TIMEOUT_MS;
        for (int i = 0; i < LANE_COUNT; i++) {
                s->lanes[i].verb = verbs[i];
                s->lanes[i].end = &s->lanes[i].first;
        }
        for (int i = 0; i < PG_LINK_COUNT; i++) {
                s->links[i].store = s;
                s->links[i].kind = &kinds[i];
                s->links[i].flight_end = &s->links[i].flight;
        }
        s->up = true;
        s->maintain_cancel = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

/* From here on the loop knows the store. */
static void backend_start(struct pg_store *s)
{
        uv_prepare_init(s->config.loop, &s->flush);
        s->flush.data = s;
        store_hold(s);
        uv_timer_init(s->config.loop, &s->parked_timer);
        s->parked_timer.data = s;
        store_hold(s);
        for (int i = 0; i < PG_LINK_COUNT; i++) {
                uv_timer_init(s->config.loop, &s->links[i].timer);
                s->links[i].timer.data = &s->links[i];
                store_hold(s);
        }
}

static int connect_first(struct pg_store *s, PGconn **pg, struct problem *why)
{
        unsigned timeout = s->config.connect_timeout_ms ? s->config.connect_timeout_ms : CONNECT_MS;
        struct patience patience = { clock_mono_ms() + timeout, -1 };
        int rc = session_open(&s->conninfo, &kinds[PG_LINK_CLAIMS], s->answer_timeout_ms, &patience, pg, why);

        if (rc == 0 && s->config.release_leases) {
                rc = session_execute(*pg, pg_sql_void_leases.sql, s->config.owner, &patience, why);
                if (rc != 0)
                        PQfinish(*pg);
        }
        return rc;
}

static void handle_closed(uv_handle_t *handle)
{
        store_drop(handle->data);
}

static void pg_close(struct store *store)
{
        struct pg_store *s = pg_of(store);

        s->closing = true;
        pg_maintenance_give_up(s);
        uv_close((uv_handle_t *)&s->flush, handle_closed);
        uv_close((uv_handle_t *)&s->parked_timer, handle_closed);
        for (int i = 0; i < PG_LINK_COUNT; i++)
                pg_link_close(&s->links[i]);
        for (int i = 0; i < LANE_COUNT; i++)
                lane_close(s, &s->lanes[i]);
        parked_close(s);
}

static int pg_open(struct store **out, const struct store_config *config, struct problem *why)
{
        struct pg_store *s = calloc(1, sizeof(*s));
        PGconn *pg = NULL;
        int rc;

        if (!s)
                return -ENOMEM;
        pg_backend_init(s, config);
        s->store.backend = &store_postgres;
        s->config.owner = strdup(config->owner ? config->owner : "");
        rc = s->config.owner ? conninfo_read(&s->conninfo, config->url, config->owner, config->connect_timeout_ms,
                                             s->answer_timeout_ms, why)
                             : -ENOMEM;
        if (rc == 0)
                rc = connect_first(s, &pg, why);
        if (rc != 0) {
                backend_release_memory(s);
                return rc;
        }
        backend_start(s);
        rc = pg_link_adopt(&s->links[PG_LINK_CLAIMS], pg);
        if (rc != 0)
                pg_close(&s->store);
        else
                *out = &s->store;
        return rc;
}

/* ---- the verbs ---- */

static void pg_claim(struct store *s, const struct claim *claim, claim_done *done, void *arg)
{
        struct pg_store *pg = pg_of(s);

        /* Its commit will want that link: open both at once. */
        if (pg->links[PG_LINK_COMMITS].state == PG_LINK_IDLE && !pg->closing)
                pg_link_want(&pg->links[PG_LINK_COMMITS]);
        call_add(pg, &verb_claim, claim, NULL, (void (*)(void))done, arg);
}

static void pg_commit(struct store *s, const struct commit *commit, store_done *done, void *arg)
{
        call_add(pg_of(s), &verb_commit, commit, NULL, (void (*)(void))done, arg);
}

static void pg_fail(struct store *s, const struct failure *failure, store_done *done, void *arg)
{
        call_add(pg_of(s), &verb_fail, failure, NULL, (void (*)(void))done, arg);
}

static void pg_give_back(struct store *s, const struct release_lease *release, store_done *done, void *arg)
{
        call_add(pg_of(s), &verb_give_back, release, NULL, (void (*)(void))done, arg);
}

static void pg_schedule(struct store *s, const struct scheduled *scheduled, store_done *done, void *arg)
{
        call_add(pg_of(s), &verb_schedule, scheduled, NULL, (void (*)(void))done, arg);
}

static void pg_on_scheduled(struct store *s, void (*heard)(int64_t due_ms, void *arg), void *arg)
{
        pg_of(s)->heard = heard;
        pg_of(s)->heard_arg = arg;
}

static bool pg_up(const struct store *s)
{
        return ((const struct pg_store *)s)->up && !((const struct pg_store *)s)->closing;
}

static size_t pg_waiting(const struct store *s)
{
        return ((const struct pg_store *)s)->open_calls;
}

static const char *const schemes[] = { "postgresql", "postgres", NULL };

static const struct store_run pg_run_door = {
        .claim = pg_claim,
        .commit = pg_commit,
        .fail = pg_fail,
        .give_back = pg_give_back,
        .revoke = pg_revoke,
        .cancel = pg_job_cancel,
        .owe = pg_owe,
        .owed_take = pg_owed_take,
        .owed_settle = pg_owed_settle,
        .beat = pg_beat,
};

static const struct store_schedule pg_schedule_door = {
        .add = pg_schedule,
        .release = pg_release,
        .forget = pg_forget,
        .on_scheduled = pg_on_scheduled,
        .list = pg_scheduled_list,
        .drop = pg_scheduled_drop,
        .upcoming = pg_upcoming,
};

static const struct store_read pg_read_door = {
        .worker = pg_worker,
        .job = pg_job,
        .job_list = pg_job_list,
        .job_find = pg_job_find,
        .job_trail = pg_job_trail,
        .job_follow = pg_job_follow,
        .on_touched = pg_on_touched,
        .load = pg_load,
        .examine = pg_examine,
        .figures = pg_figures,
        .workers = pg_workers,
        .events = pg_events,
        .chord_parts = pg_chord_parts,
};

static const struct store_dead pg_dead_door = {
        .file = pg_dead_file,
        .read = pg_dead_read,
        .groups = pg_dead_groups,
        .count = pg_dead_count,
        .settle = pg_dead_settle,
        .edit = pg_dead_edit,
        .history = pg_dead_history,
        .stats = pg_dead_stats,
        .alarms = pg_dead_alarms,
        .alarms_told = pg_dead_alarms_told,
        .stale_find = pg_stale_find,
        .stale_settle = pg_stale_settle,
};

static const struct store_inbox pg_inbox_door = {
        .apply = pg_inbox_apply,
};

static const struct store_consumer pg_consumer_door = {
        .take = pg_consumer_take,
        .held = pg_consumer_held,
        .waiting = pg_consumer_waiting,
        .page = pg_consumer_page,
        .facts = pg_consumer_facts,
        .history = pg_consumer_history,
        .aggregates = pg_consumer_aggregates,
        .step = pg_consumer_step,
        .list = pg_consumer_list,
        .missed = pg_consumer_missed,
};

static const struct store_seal pg_seal_door = {
        .days = pg_seal_days,
        .day = pg_seal_day,
        .make = pg_seal_make,
};

static const struct store_cdc pg_cdc_door = {
        .look = pg_cdc_look,
        .place = pg_cdc_place,
        .count = pg_cdc_count,
        .backfill = pg_cdc_backfill,
};

static const struct store_carry pg_carry_door = {
        .in = pg_carry_in,
};

static const struct store_fleet pg_fleet_door = {
        .lease = pg_lease,
        .maintain = pg_maintain,
        .forget_workers = pg_forget_workers,
};

static const struct store_access pg_access_door = {
        .once_begin = pg_once_begin,
        .once_settle = pg_once_settle,
        .key_add = pg_key_add,
        .key_list = pg_key_list,
        .key_revoke = pg_key_revoke,
};

static const struct store_webhook pg_webhook_door = {
        .add = pg_webhook_add,
        .take = pg_webhook_take,
        .settle = pg_webhook_settle,
        .list = pg_webhook_list,
        .resend = pg_webhook_resend,
        .forget = pg_webhook_forget,
};

static const struct store_blob pg_blob_door = {
        .put = pg_blob_put,
        .get = pg_blob_get,
        .touch = pg_blob_touch,
        .forget = pg_blob_forget,
};

const struct store_backend store_postgres = {
        .schemes = schemes,
        .open = pg_open,
        .run = &pg_run_door,
        .schedule = &pg_schedule_door,
        .read = &pg_read_door,
        .dead = &pg_dead_door,
        .inbox = &pg_inbox_door,
        .consumer = &pg_consumer_door,
        .seal = &pg_seal_door,
        .cdc = &pg_cdc_door,
        .carry = &pg_carry_door,
        .fleet = &pg_fleet_door,
        .access = &pg_access_door,
        .webhook = &pg_webhook_door,
        .blob = &pg_blob_door,
        .up = pg_up,
        .waiting = pg_waiting,
        .close = pg_close,
        .migrate = pg_migrate,
};
