/* SPDX-License-Identifier: Apache-2.0 */
#include "store/postgres/statements.h"

#include <stddef.h>

const struct statement *const statements_of_claims[] = {
        &statement_claim,
        &statement_claim_jobs,
        &statement_facts,
        &statement_job,
        &statement_worker,
        &statement_workers,
        &statement_upcoming,
        &statement_events,
        &statement_beat,
        &statement_chord_parts,
        NULL,
};

const struct statement *const statements_of_commits[] = {
        &statement_commit_results,
        &statement_commit,
        &statement_lock,
        &statement_once,
        &statement_undo_once,
        &statement_resolve,
        &statement_fail,
        &statement_give_back,
        &statement_schedule,
        &statement_notify,
        NULL,
};

const struct statement *const statements_of_releases[] = {
        &statement_due, &statement_next, &statement_forget, &statement_later, NULL,
};

const struct statement *const statements_of_dead[] = {
        &statement_dead_file,    &statement_dead_lock,        &statement_dead_lock_tasks,
        &statement_dead_settle,  &statement_dead_edit,        &statement_dead_page,
        &statement_dead_along,   &statement_dead_along_kept,  &statement_dead_some,
        &statement_dead_groups,  &statement_dead_count,       &statement_dead_history,
        &statement_dead_stats,   &statement_dead_alarms,      &statement_dead_told,
        &statement_stale_find,   &statement_stale_lock_tasks, &statement_stale_lock_jobs,
        &statement_stale_settle, &statement_notify,           NULL,
};
