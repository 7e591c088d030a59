/* SPDX-License-Identifier: Apache-2.0 */
/* Every prepared statement, each defined on top of the file that uses it, and which link prepares which; and the verbs
 * that are carried out beside their statements. */
#ifndef CHARD_STORE_POSTGRES_STATEMENTS_H
#define CHARD_STORE_POSTGRES_STATEMENTS_H

#include "store/postgres/postgres.h"

extern const struct store_backend store_postgres;

/* claim.c */
extern const struct statement statement_claim, statement_claim_jobs, statement_owned;
/* commit.c */
extern const struct statement statement_commit_results, statement_commit, statement_lock, statement_grant,
        statement_ungrant, statement_resolve;
/* fail.c */
extern const struct statement statement_fail, statement_give_back;
/* scheduled.c */
extern const struct statement statement_schedule, statement_notify;
/* release.c */
extern const struct statement statement_due, statement_next, statement_forget, statement_later;
/* read.c */
extern const struct statement statement_job, statement_worker, statement_beat;

/* events.c */
extern const struct statement statement_events;

/* NULL-terminated; statements.c */
extern const struct statement *const statements_of_claims[], *const statements_of_commits[],
                                                                     *const statements_of_releases[];

void pg_release(struct store *s, int64_t now_ms, unsigned limit, release_done *done, void *arg);
void pg_forget(struct store *s, const int64_t ids[], size_t count, store_done *done, void *arg);
void pg_beat(struct store *s, const json_t *state, store_done *done, void *arg);
void pg_worker(struct store *s, const char *name, json_done *done, void *arg);
void pg_events(struct store *s, const char *since, unsigned limit, json_done *done, void *arg);
void pg_job(struct store *s, const char *root_id, json_done *done, void *arg);

#endif
