/* SPDX-License-Identifier: Apache-2.0 */
/* The statements of sql/ *.sql. */
#ifndef CHARD_STORE_SQLITE_STATEMENTS_H
#define CHARD_STORE_SQLITE_STATEMENTS_H

#include "store/statement.h"

/* carry.sql */
extern const struct statement lite_sql_carry_out_jobs, lite_sql_carry_out_tasks, lite_sql_carry_out_events,
        lite_sql_carry_out_facts, lite_sql_carry_out_inbox, lite_sql_carry_out_once, lite_sql_carry_out_keys,
        lite_sql_carry_out_audits, lite_sql_carry_out_dead, lite_sql_carry_out_untold, lite_sql_carry_out_scheduled,
        lite_sql_carry_off_dead, lite_sql_carry_off_untold, lite_sql_carry_off_scheduled, lite_sql_carry_out_webhooks,
        lite_sql_carry_off_webhooks;
/* claim.sql */
extern const struct statement lite_sql_claim_insert, lite_sql_claim_cancelled, lite_sql_claim_judge,
        lite_sql_claim_again, lite_sql_claim_name, lite_sql_claim_job, lite_sql_claim_facts;
/* commit.sql */
extern const struct statement lite_sql_commit_look, lite_sql_commit_task, lite_sql_commit_job;
/* dead.sql */
extern const struct statement lite_sql_dead_known, lite_sql_dead_kept, lite_sql_dead_before, lite_sql_dead_insert,
        lite_sql_dead_content, lite_sql_dead_renew, lite_sql_dead_renew_content, lite_sql_dead_audit, lite_sql_dead_act,
        lite_sql_dead_look, lite_sql_dead_settled, lite_sql_dead_task, lite_sql_dead_job, lite_sql_dead_ids,
        lite_sql_dead_is_kept, lite_sql_dead_edited, lite_sql_dead_edited_content, lite_sql_dead_groups,
        lite_sql_dead_count, lite_sql_dead_history, lite_sql_dead_totals, lite_sql_dead_rates, lite_sql_dead_gone,
        lite_sql_dead_due, lite_sql_dead_given, lite_sql_dead_told, lite_sql_dead_page, lite_sql_dead_along,
        lite_sql_dead_back;
/* effects.sql */
extern const struct statement lite_sql_fact_writer, lite_sql_fact_once, lite_sql_fact_merge;
/* fail.sql */
extern const struct statement lite_sql_fail, lite_sql_fail_succeeded, lite_sql_fail_job, lite_sql_give_back,
        lite_sql_owe, lite_sql_owed_take, lite_sql_owed_told, lite_sql_owed_untold, lite_sql_revoke_task,
        lite_sql_revoke_job, lite_sql_revoke_made;
/* inbox.sql */
extern const struct statement lite_sql_inbox_look, lite_sql_inbox, lite_sql_inbox_forget;
/* consumer.sql */
extern const struct statement lite_sql_consumer_take, lite_sql_consumer_taken, lite_sql_consumer_held,
        lite_sql_consumer_due, lite_sql_consumer_wait_ms, lite_sql_consumer_list, lite_sql_consumer_hold,
        lite_sql_consumer_over, lite_sql_consumer_later, lite_sql_consumer_wait, lite_sql_consumer_asked,
        lite_sql_consumer_history, lite_sql_consumer_aggregates, lite_sql_consumer_missed;
/* fleet.sql */
extern const struct statement lite_sql_lease_take, lite_sql_lease_read;
/* access.sql */
extern const struct statement lite_sql_once_begin, lite_sql_once_read, lite_sql_once_settle, lite_sql_once_forget,
        lite_sql_key_add, lite_sql_key_list, lite_sql_key_revoke, lite_sql_key_revoked;
/* webhook.sql */
extern const struct statement lite_sql_webhook_add, lite_sql_webhook_owe, lite_sql_webhook_take,
        lite_sql_webhook_settle, lite_sql_webhook_list, lite_sql_webhook_resend, lite_sql_webhook_forget;
/* blob.sql */
extern const struct statement lite_sql_blob_put, lite_sql_blob_get, lite_sql_blob_use, lite_sql_blob_forget;
/* jobs.sql */
extern const struct statement lite_sql_follow_unseen, lite_sql_follow_number, lite_sql_follow_steps,
        lite_sql_job_list_all, lite_sql_job_list_open, lite_sql_job_list_unlucky, lite_sql_job_list_user,
        lite_sql_job_find, lite_sql_job_chained, lite_sql_load_held, lite_sql_load_scheduled, lite_sql_load_leases,
        lite_sql_figures_late, lite_sql_figures_scheduled, lite_sql_figures_workers, lite_sql_job_ended,
        lite_sql_job_revoke, lite_sql_job_end, lite_sql_trail_tasks, lite_sql_trail_waiting, lite_sql_trail_dead,
        lite_sql_trail_acts, lite_sql_examine;
/* read.sql */
extern const struct statement lite_sql_events, lite_sql_events_text, lite_sql_event_add, lite_sql_outbox_add,
        lite_sql_job, lite_sql_job_tasks, lite_sql_job_events, lite_sql_worker, lite_sql_workers, lite_sql_beat,
        lite_sql_silent_workers, lite_sql_forget_workers, lite_sql_upcoming, lite_sql_chord_parts;
/* scheduled.sql */
extern const struct statement lite_sql_due, lite_sql_release_lock, lite_sql_release_renew, lite_sql_release_unlock,
        lite_sql_release_next, lite_sql_release_unlocked, lite_sql_release_forget, lite_sql_release_moved,
        lite_sql_release_later, lite_sql_release_returned, lite_sql_schedule, lite_sql_scheduled_look,
        lite_sql_scheduled_list, lite_sql_scheduled_drop, lite_sql_scheduled_audit;
/* cdc.sql */
extern const struct statement lite_sql_cdc_place, lite_sql_cdc_count, lite_sql_cdc_backfill;
/* seal.sql */
extern const struct statement lite_sql_seal_days, lite_sql_seal_events, lite_sql_seal_read, lite_sql_seal_make;
/* stale.sql */
extern const struct statement lite_sql_stale_find, lite_sql_stale_restart, lite_sql_stale_fail, lite_sql_stale_tasks,
        lite_sql_stale_missing;
/* store.sql */
extern const struct statement lite_sql_store_started, lite_sql_store_unlock, lite_sql_store_newest, lite_sql_store_view;
/* maintenance.sql */
extern const struct statement lite_sql_outbox_old, lite_sql_outbox_delete, lite_sql_steps_forget;

#endif
