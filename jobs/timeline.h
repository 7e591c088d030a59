/* SPDX-License-Identifier: Apache-2.0 */
/* A job's life in the order of time, made of what the store knows of it. Pure; loop thread (jansson). */
#ifndef CHARD_JOBS_TIMELINE_H
#define CHARD_JOBS_TIMELINE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* Of what jobs_trace gives of a job. With `texts` also what users wrote or were told: payloads of events, texts of errors.
 * {"id","pipeline","state","from_ms","to_ms" (null: it has not ended),"took_ms" (until then, or until `now_ms`),"tokens_in","tokens_out","cost_usd","timeline":[rows]}.
 * Each row: {"at_ms" (wall clock),"since_ms" (after the first row),"kind","name" (of the task, or ""),"task" (its id, or ""),"text"}, in order, and what its kind has:
 * "call": "provider","model","took_ms","tokens_in","tokens_out","cost_usd"; "gap": "gap_ms"; "waits": "due_ms","reason".
 * Kinds: begun, first, claim, call, waits, commit, failed, revoked, event, dead, filed, act, end, now; and gap, where nothing happened for a while: its text says
 * what went on meanwhile. New reference; NULL when memory ran out. */
json_t *timeline_of(const json_t *traced, int64_t now_ms, bool texts);

#endif
