/* SPDX-License-Identifier: Apache-2.0 */
/* What rows mean, the same for every backend: a backend locks, fetches and writes; what is made of what it found is decided here. Pure.
 * What is decided in SQL all the same, so that claims and commits cost one statement a group, is held together by one table of cases for both
 * backends (tests/e2e/test_store_cases.py): may a task start, and what does a commit make of a task's and a job's rows. */
#ifndef CHARD_STORE_MEANING_H
#define CHARD_STORE_MEANING_H

#include "store/dead_letter.h"
#include "store/run.h"

/* ---- claims ---- */

/* A task's row as a claim left it. */
struct claim_seen {
        const char *state;
        bool granted; /* it was started by this claim */
        int64_t attempts, replaced;
};

enum claim_verdict claim_verdict_of(const struct claim *claim, const struct claim_seen *seen);

/* How long somebody else's lease is waited for: `left_ms` is what is left of it, and may be over. */
uint64_t claim_wait_ms(int64_t left_ms);

/* ---- dead letters ---- */

/* What an entry, its task and its job are, when something is to be done to the entry. A sum of these. */
enum dead_seen {
        DEAD_SEEN = 1,            /* there is such an entry */
        DEAD_SEEN_KEPT = 2,       /* it is kept */
        DEAD_SEEN_MINE = 4,       /* it is not kept, because this very batch settled it, and its answer was lost */
        DEAD_SEEN_RESOLVED = 8,   /* it is resolved */
        DEAD_SEEN_CHANGED = 16,   /* it has another version than what was asked for */
        DEAD_SEEN_REVOKED = 32,   /* its task was revoked */
        DEAD_SEEN_SUCCEEDED = 64, /* its task has succeeded */
        DEAD_SEEN_FOLLOWED = 128, /* its task's job has succeeded or has no row, or a task that follows it is known */
        DEAD_SEEN_LEASED = 256,   /* its task runs under a lease, of a worker that lives */
        DEAD_SEEN_WAITS = 512,    /* a message of its task is scheduled */
        DEAD_SEEN_AGAIN = 1024,   /* an earlier entry of the same batch is about the same task */
};

enum dead_outcome dead_outcome_of(const struct dead_action *action, unsigned seen);

/* The entry changes its state. */
bool dead_outcome_changes(enum dead_outcome outcome);

/* The state that it changes to. */
const char *dead_outcome_state(const struct dead_action *action, enum dead_outcome outcome);

/* ---- error records ---- */

/* A failure's error record, as the store keeps it: see struct claim_reply. New reference; NULL when memory ran out. */
json_t *failure_error(const struct failure *f);

/* The record of a job that stood still: of what no attempt failed. New reference; NULL when memory ran out. */
json_t *stale_error(const struct problem *why);

#endif
