/* SPDX-License-Identifier: Apache-2.0 */
#include "store/meaning.h"

#include <string.h>

/* ---- claims ---- */

/* A message older than the replacement is not this task's any more, whatever became of that since. */
enum claim_verdict claim_verdict_of(const struct claim *claim, const struct claim_seen *seen)
{
        static const struct {
                const char *state;
                enum claim_verdict verdict;
        } ended[] = { { "SUCCESS", CLAIM_DONE }, { "FAILURE", CLAIM_DEAD }, { "REVOKED", CLAIM_REVOKED } };

        if (claim->nesting < seen->replaced)
                return CLAIM_SUPERSEDED;
        if (seen->granted)
                return CLAIM_GRANTED;
        for (size_t i = 0; i < sizeof(ended) / sizeof(ended[0]); i++) {
                if (strcmp(seen->state, ended[i].state) == 0)
                        return ended[i].verdict;
        }
        return claim->retries < seen->attempts ? CLAIM_SUPERSEDED : CLAIM_LEASED;
}

uint64_t claim_wait_ms(int64_t left_ms)
{
        return left_ms > 0 ? (uint64_t)left_ms : CLAIM_AGAIN_MS;
}

/* ---- dead letters ---- */

/* A kept entry that is to be sent. */
static enum dead_outcome dead_requeue(unsigned seen)
{
        if (seen & DEAD_SEEN_REVOKED)
                return DEAD_REVOKED;
        if ((seen & DEAD_SEEN_SUCCEEDED) && (seen & DEAD_SEEN_FOLLOWED))
                return DEAD_SUCCEEDED;
        if (seen & DEAD_SEEN_LEASED)
                return DEAD_ALIVE;
        if (seen & (DEAD_SEEN_WAITS | DEAD_SEEN_AGAIN))
                return DEAD_WAITING;
        return seen & DEAD_SEEN_SUCCEEDED ? DEAD_RESUMED : DEAD_DONE;
}

enum dead_outcome dead_outcome_of(const struct dead_action *action, unsigned seen)
{
        if (!(seen & DEAD_SEEN))
                return DEAD_MISSING;
        if (!(seen & DEAD_SEEN_KEPT) && !(seen & DEAD_SEEN_MINE))
                return DEAD_SETTLED;
        if (!(seen & DEAD_SEEN_KEPT))
                return seen & DEAD_SEEN_RESOLVED ? DEAD_SUCCEEDED : DEAD_DONE;
        if (seen & DEAD_SEEN_CHANGED)
                return DEAD_CHANGED;
        return action->sends ? dead_requeue(seen) : DEAD_DONE;
}

bool dead_outcome_changes(enum dead_outcome outcome)
{
        return outcome == DEAD_DONE || outcome == DEAD_RESUMED || outcome == DEAD_SUCCEEDED;
}

const char *dead_outcome_state(const struct dead_action *action, enum dead_outcome outcome)
{
        return outcome == DEAD_SUCCEEDED ? "resolved" : action->state;
}

/* ---- error records ---- */

json_t *failure_error(const struct failure *f)
{
        const struct raised *own = f->why->raised;
        json_t *args = own ? json_loads(own->args, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL) : NULL;
        json_t *exception =
                own ? json_pack("{s:s, s:s, s:o}", "type", own->type, "module", own->module, "args", args) : NULL;

        if (own && !exception)
                return NULL;
        return json_pack("{s:s, s:s, s:s, s:I, s:o*, s:o*}", "source", f->why->source, "code", f->why->code, "text",
                         f->why->text, "attempts", (json_int_t)f->attempts, "exception", exception, "transient",
                         f->transient ? json_true() : NULL);
}

json_t *stale_error(const struct problem *why)
{
        return json_pack("{s:s, s:s, s:s, s:i}", "source", why->source, "code", why->code, "text", why->text,
                         "attempts", 0);
}
