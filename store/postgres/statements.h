/* SPDX-License-Identifier: Apache-2.0 */
/* The statements of sql/ *.sql, those that a link prepares (NULL-terminated), and the verbs that are carried out beside their statements. */
#ifndef CHARD_STORE_POSTGRES_STATEMENTS_H
#define CHARD_STORE_POSTGRES_STATEMENTS_H

#include "store/postgres/postgres.h"

extern const struct store_backend store_postgres;

/* cdc.sql */
extern const struct statement pg_sql_cdc_look, pg_sql_cdc_place, pg_sql_cdc_count, pg_sql_cdc_backfill;
/* carry.sql */
extern const struct statement pg_sql_carry_jobs, pg_sql_carry_tasks, pg_sql_carry_events, pg_sql_carry_facts,
        pg_sql_carry_inbox, pg_sql_carry_once, pg_sql_carry_keys, pg_sql_carry_audits, pg_sql_carry_dead,
        pg_sql_carry_scheduled, pg_sql_carry_untold, pg_sql_carry_webhooks;
/* access.sql */
extern const struct statement pg_sql_once_begin, pg_sql_once_settle, pg_sql_key_add, pg_sql_key_list, pg_sql_key_revoke;
/* webhook.sql */
extern const struct statement pg_sql_webhook_add, pg_sql_webhook_take, pg_sql_webhook_settle, pg_sql_webhook_list,
        pg_sql_webhook_resend, pg_sql_webhook_forget;
/* blob.sql */
extern const struct statement pg_sql_blob_put, pg_sql_blob_get, pg_sql_blob_touch, pg_sql_blob_forget;
/* claim.sql */
extern const struct statement pg_sql_claim, pg_sql_claim_jobs, pg_sql_facts;
/* commit.sql */
extern const struct statement pg_sql_commit_results, pg_sql_commit_jobs, pg_sql_commit, pg_sql_commit_lost, pg_sql_lock,
        pg_sql_once, pg_sql_undo_once, pg_sql_resolve;
/* dead.sql */
extern const struct statement pg_sql_dead_file, pg_sql_dead_lock, pg_sql_dead_lock_tasks, pg_sql_dead_look,
        pg_sql_dead_settle, pg_sql_dead_edit, pg_sql_dead_page, pg_sql_dead_along, pg_sql_dead_along_kept,
        pg_sql_dead_back, pg_sql_dead_back_kept, pg_sql_dead_some, pg_sql_dead_groups, pg_sql_dead_count,
        pg_sql_dead_history, pg_sql_dead_stats, pg_sql_dead_alarms, pg_sql_dead_told;
/* fail.sql */
extern const struct statement pg_sql_fail, pg_sql_give_back, pg_sql_owe, pg_sql_owed_take, pg_sql_owed_told,
        pg_sql_owed_untold, pg_sql_revoke;
/* inbox.sql */
extern const struct statement pg_sql_inbox_once, pg_sql_inbox, pg_sql_inbox_undo_once;
/* consumer.sql */
extern const struct statement pg_sql_consumer_take, pg_sql_consumer_held, pg_sql_consumer_waiting, pg_sql_consumer_list,
        pg_sql_consumer_hold, pg_sql_consumer_acted, pg_sql_consumer_wait, pg_sql_consumer_history,
        pg_sql_consumer_aggregates, pg_sql_consumer_missed;
/* fleet.sql */
extern const struct statement pg_sql_lease_take;
/* jobs.sql */
extern const struct statement pg_sql_job_list_all, pg_sql_job_list_open, pg_sql_job_list_unlucky, pg_sql_job_list_user,
        pg_sql_job_find, pg_sql_job_follow, pg_sql_job_cancel, pg_sql_load, pg_sql_figures, pg_sql_examine,
        pg_sql_job_trail, pg_sql_scheduled_list, pg_sql_scheduled_drop;
/* read.sql */
extern const struct statement pg_sql_events, pg_sql_events_text, pg_sql_job, pg_sql_worker, pg_sql_workers,
        pg_sql_upcoming, pg_sql_beat, pg_sql_forget_workers, pg_sql_chord_parts;
/* scheduled.sql */
extern const struct statement pg_sql_due, pg_sql_next, pg_sql_forget, pg_sql_later, pg_sql_schedule, pg_sql_notify;
/* seal.sql */
extern const struct statement pg_sql_seal_days, pg_sql_seal_day, pg_sql_seal_make;
/* stale.sql */
extern const struct statement pg_sql_stale_find, pg_sql_stale_lock_tasks, pg_sql_stale_lock_jobs, pg_sql_stale_settle;
/* store.sql */
extern const struct statement pg_sql_void_leases, pg_sql_migrate_prepare, pg_sql_migrate_applied, pg_sql_probe;

extern const struct statement *const pg_sql_prepared_claims[],
        *const pg_sql_prepared_commits[], *const pg_sql_prepared_releases[], *const pg_sql_prepared_dead[];

/* revoke.c */
void pg_revoke(struct store *s, const struct revocation *revocation, store_done *done, void *arg);

/* jobs.c */
void pg_job_list(struct store *s, const struct job_filter *filter, json_done *done, void *arg);
void pg_job_find(struct store *s, const char *prefix, json_done *done, void *arg);
void pg_job_trail(struct store *s, const char *root_id, json_done *done, void *arg);
void pg_job_follow(struct store *s, const struct job_follow *follows, size_t count, json_done *done, void *arg);
bool pg_on_touched(struct store *s, void (*touched)(void *arg), void *arg);
void pg_load(struct store *s, json_done *done, void *arg);
void pg_examine(struct store *s, json_done *done, void *arg);
void pg_scheduled_list(struct store *s, const json_t *which, json_done *done, void *arg);
void pg_scheduled_drop(struct store *s, const json_t *which, json_done *done, void *arg);
void pg_job_cancel(struct store *s, const char *root_id, json_done *done, void *arg);

/* owed.c */
void pg_owe(struct store *s, const struct owed_result *owed, store_done *done, void *arg);
void pg_owed_take(struct store *s, unsigned limit, json_done *done, void *arg);
void pg_owed_settle(struct store *s, const int64_t told[], size_t told_count, const int64_t untold[],
                    size_t untold_count, store_done *done, void *arg);

void pg_inbox_apply(struct store *s, const struct inbox_item *item, store_done *done, void *arg);

/* consumer.c, events.c */
void pg_consumer_take(struct store *s, const char *name, const char *holder, json_done *done, void *arg);
void pg_consumer_held(struct store *s, const char *name, json_done *done, void *arg);
void pg_consumer_waiting(struct store *s, const char *name, unsigned limit, json_done *done, void *arg);
void pg_consumer_page(struct store *s, const char *since, unsigned limit, json_done *done, void *arg);
void pg_consumer_facts(struct store *s, const struct fact_set *sets, size_t count, json_done *done, void *arg);
void pg_consumer_history(struct store *s, const struct fact_set *aggregates, size_t count, json_done *done, void *arg);
void pg_consumer_aggregates(struct store *s, const struct fact_set *after, unsigned limit, json_done *done, void *arg);
void pg_consumer_step(struct store *s, const struct consumer_step *step, consumer_done *done, void *arg);
void pg_consumer_list(struct store *s, json_done *done, void *arg);
void pg_consumer_missed(struct store *s, const char *name, const char *hears, unsigned limit, json_done *done,
                        void *arg);

/* fleet.c */
void pg_lease(struct store *s, const struct lease_ask *ask, json_done *done, void *arg);
void pg_maintain(struct store *s, store_done *done, void *arg);
void pg_forget_workers(struct store *s, uint64_t silent_ms, json_done *done, void *arg);

/* access.c */
void pg_once_begin(struct store *s, const struct once_ask *ask, json_done *done, void *arg);
void pg_once_settle(struct store *s, const struct once_end *end, store_done *done, void *arg);
void pg_key_add(struct store *s, const struct access_key *key, json_done *done, void *arg);
void pg_key_list(struct store *s, json_done *done, void *arg);
void pg_key_revoke(struct store *s, const char *which, json_done *done, void *arg);

/* webhook.c */
void pg_webhook_add(struct store *s, const struct webhook_wish *wish, store_done *done, void *arg);
void pg_webhook_take(struct store *s, unsigned limit, unsigned lease_ms, json_done *done, void *arg);
void pg_webhook_settle(struct store *s, const struct webhook_try *what, json_done *done, void *arg);
void pg_webhook_list(struct store *s, const char *which, json_done *done, void *arg);
void pg_webhook_resend(struct store *s, const char *which, json_done *done, void *arg);
void pg_webhook_forget(struct store *s, json_done *done, void *arg);

void pg_blob_put(struct store *s, const struct blob *blob, store_done *done, void *arg);
void pg_blob_get(struct store *s, const char *digest, store_done *done, void *arg);
void pg_blob_touch(struct store *s, const struct blob_touch *touch, json_done *done, void *arg);
void pg_blob_forget(struct store *s, uint64_t unused_ms, json_done *done, void *arg);

/* carry.c */
void pg_carry_in(struct store *s, enum carried kind, const json_t *rows, json_done *done, void *arg);

void pg_release(struct store *s, int64_t now_ms, unsigned limit, release_done *done, void *arg);
void pg_forget(struct store *s, const struct forgetting *what, store_done *done, void *arg);
void pg_beat(struct store *s, const json_t *state, store_done *done, void *arg);
void pg_worker(struct store *s, const char *name, json_done *done, void *arg);
void pg_events(struct store *s, const char *since, unsigned limit, json_done *done, void *arg);
void pg_job(struct store *s, const char *root_id, json_done *done, void *arg);
void pg_chord_parts(struct store *s, const char *group_id, json_done *done, void *arg);
void pg_figures(struct store *s, json_done *done, void *arg);
void pg_cdc_look(struct store *s, json_done *done, void *arg);
void pg_cdc_place(struct store *s, const char *position, bool until, json_done *done, void *arg);
void pg_cdc_count(struct store *s, const struct backfill *b, json_done *done, void *arg);
void pg_cdc_backfill(struct store *s, const struct backfill *b, json_done *done, void *arg);
void pg_seal_days(struct store *s, const char *since, json_done *done, void *arg);
void pg_seal_day(struct store *s, const char *day, json_done *done, void *arg);
void pg_seal_make(struct store *s, const char *day, json_done *done, void *arg);
void pg_workers(struct store *s, json_done *done, void *arg);
void pg_upcoming(struct store *s, json_done *done, void *arg);
void pg_dead_file(struct store *s, const struct dead_letter *letter, store_done *done, void *arg);
void pg_dead_read(struct store *s, const struct dead_query *query, dead_page_done *done, void *arg);
void pg_dead_groups(struct store *s, const struct dead_filter *filter, unsigned limit, json_done *done, void *arg);
void pg_dead_count(struct store *s, const struct dead_filter *filter, json_done *done, void *arg);
void pg_dead_settle(struct store *s, const struct dead_settle *settle, dead_settled *done, void *arg);
void pg_dead_edit(struct store *s, const struct dead_edit *edit, store_done *done, void *arg);
void pg_dead_history(struct store *s, int64_t entry, json_done *done, void *arg);
void pg_dead_stats(struct store *s, json_done *done, void *arg);
void pg_dead_alarms(struct store *s, const struct dead_alarm_query *query, json_done *done, void *arg);
void pg_dead_alarms_told(struct store *s, const json_t *groups, bool told, json_done *done, void *arg);
void pg_stale_find(struct store *s, const struct stale_query *query, json_done *done, void *arg);
void pg_stale_settle(struct store *s, const struct stale_item *items, size_t count, stale_settled *done, void *arg);

#endif
