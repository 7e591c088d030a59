/* SPDX-License-Identifier: Apache-2.0 */
/* Every prepared statement, each defined on top of the file that uses it, and which link prepares which; and the verbs
 * that are carried out beside their statements. */
#ifndef CHARD_STORE_POSTGRES_STATEMENTS_H
#define CHARD_STORE_POSTGRES_STATEMENTS_H

#include "store/postgres/postgres.h"

extern const struct store_backend store_postgres;

/* claim.c */
extern const struct statement statement_claim, statement_claim_jobs, statement_facts;
/* commit.c */
extern const struct statement statement_commit_results, statement_commit, statement_lock, statement_once,
        statement_undo_once, statement_resolve;
/* fail.c */
extern const struct statement statement_fail, statement_give_back;
/* scheduled.c */
extern const struct statement statement_schedule, statement_notify;
/* release.c */
extern const struct statement statement_due, statement_next, statement_forget, statement_later;
/* read.c */
extern const struct statement statement_job, statement_worker, statement_workers, statement_upcoming, statement_beat,
        statement_chord_parts;

/* revoke.c */
void pg_revoke(struct store *s, const struct revocation *revocation, store_done *done, void *arg);

/* jobs.c */
void pg_job_list(struct store *s, const struct job_filter *filter, json_done *done, void *arg);
void pg_job_find(struct store *s, const char *prefix, json_done *done, void *arg);
void pg_job_follow(struct store *s, const struct job_follow *follows, size_t count, json_done *done, void *arg);
bool pg_on_touched(struct store *s, void (*touched)(void *arg), void *arg);
void pg_load(struct store *s, json_done *done, void *arg);
void pg_scheduled_list(struct store *s, const json_t *which, json_done *done, void *arg);
void pg_scheduled_drop(struct store *s, const json_t *which, json_done *done, void *arg);
void pg_job_cancel(struct store *s, const char *root_id, json_done *done, void *arg);

/* owed.c */
void pg_owe(struct store *s, const struct owed_result *owed, store_done *done, void *arg);
void pg_owed_take(struct store *s, unsigned limit, json_done *done, void *arg);
void pg_owed_settle(struct store *s, const int64_t told[], size_t told_count, const int64_t untold[],
                    size_t untold_count, store_done *done, void *arg);

/* inbox.c */
extern const struct statement pg_sql_inbox, pg_sql_inbox_once, pg_sql_inbox_undo_once;
void pg_inbox_apply(struct store *s, const struct inbox_item *item, store_done *done, void *arg);

/* carry.c */
void pg_carry_in(struct store *s, enum carried kind, const json_t *rows, json_done *done, void *arg);

/* events.c */
extern const struct statement statement_events;

/* dead.c */
extern const struct statement statement_dead_file, statement_dead_lock, statement_dead_lock_tasks,
        statement_dead_settle, statement_dead_edit;
/* dead_read.c */
extern const struct statement statement_dead_page, statement_dead_along, statement_dead_along_kept, statement_dead_some,
        statement_dead_groups, statement_dead_count, statement_dead_history, statement_dead_stats,
        statement_dead_alarms, statement_dead_told;
/* stale.c */
extern const struct statement statement_stale_find, statement_stale_lock_tasks, statement_stale_lock_jobs,
        statement_stale_settle;

/* NULL-terminated; statements.c */
extern const struct statement *const statements_of_claims[],
        *const statements_of_commits[], *const statements_of_releases[], *const statements_of_dead[];

void pg_release(struct store *s, int64_t now_ms, unsigned limit, release_done *done, void *arg);
void pg_forget(struct store *s, const struct forgetting *what, store_done *done, void *arg);
void pg_beat(struct store *s, const json_t *state, store_done *done, void *arg);
void pg_worker(struct store *s, const char *name, json_done *done, void *arg);
void pg_events(struct store *s, const char *since, unsigned limit, json_done *done, void *arg);
void pg_job(struct store *s, const char *root_id, json_done *done, void *arg);
void pg_chord_parts(struct store *s, const char *group_id, json_done *done, void *arg);
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
