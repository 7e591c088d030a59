/* SPDX-License-Identifier: Apache-2.0 */
/* Transactions that failed, but not for what their rows hold: a lock, a full disk, an error that nobody knows. Their calls wait
 * here for as long as it takes, and are repeated after a pause that grows.
 *
 *   - A group that fails is halved, so that what ails one call leaves the others alone in the end.
 *   - A lane whose groups fail is stuck: the store counts as away, which is said once and stops the intake, until one of the
 *     lane's transactions is committed. Then all that waits for the lane is repeated at once.
 *   - A call that fails alone may be the only one that can't be stored. When others were stored since it failed last, it is.
 *     When nobody else came, a statement that took too long is followed by a probe: does somebody lock the tables, or only this
 *     row? After any other error, a call that is the only one that waits lets others in again after a few tries: they will show.
 *     Such a call waits alone and holds nobody up. */
#include "store/postgres/postgres.h"
#include "store/postgres/statements.h"

#include "core/backoff.h"
#include "core/clock.h"
#include "core/id.h"
#include "core/log.h"

#define PAUSE_FLOOR_MS 50
#define PAUSE_BASE_MS  100
#define PAUSE_CAP_MS   5000 /* while nothing goes through */
#define ALONE_CAP_MS   60000 /* of a call that alone does not: a try may keep the others waiting for a statement's time */

#define TRIES_BEFORE_TRIAL 8

/* ---- calls that wait for their pause ---- */

static void on_due(uv_timer_t *timer);

static void setback_rearm(struct pg_store *s)
{
        uint64_t now = clock_mono_ms(), first = UINT64_MAX;

        for (const struct pg_call *call = s->parked; call; call = call->next) {
                if (call->due_ms < first)
                        first = call->due_ms;
        }
        if (first == UINT64_MAX)
                uv_timer_stop(&s->parked_timer);
        else
                uv_timer_start(&s->parked_timer, on_due, first > now ? first - now : 1, 0);
}

/* Those of a lane, or all that are due. */
static void setback_unpark(struct pg_store *s, const struct pg_lane *lane)
{
        uint64_t now = clock_mono_ms();
        struct pg_call **at = &s->parked;

        while (*at) {
                struct pg_call *call = *at;

                if (lane ? lane->verb == call->verb : call->due_ms <= now) {
                        *at = call->next;
                        call_again(s, call->verb, call);
                } else {
                        at = &call->next;
                }
        }
        setback_rearm(s);
}

static void on_due(uv_timer_t *timer)
{
        setback_unpark(timer->data, NULL);
}

/* The longest pause: half of what a transaction may take while nothing goes through; far more for a call that alone does
 * not, because each of its tries may keep the others waiting for as long as a transaction may take. */
static uint64_t cap_of(const struct pg_store *s, bool alone)
{
        return alone ? 6 * (uint64_t)s->answer_timeout_ms : s->answer_timeout_ms / 2;
}

static void setback_park(struct pg_store *s, struct pg_call *call, unsigned failures)
{
        uint64_t pause = backoff_ms(PAUSE_BASE_MS, cap_of(s, call->told), failures, random_bits());

        call->due_ms = clock_mono_ms() + PAUSE_FLOOR_MS + pause;
        call->next = s->parked;
        s->parked = call;
}

struct pg_call *setback_take(struct pg_store *s)
{
        struct pg_call *call = s->parked;

        if (call)
                s->parked = call->next;
        return call;
}

/* ---- lanes ---- */

static const struct pg_verb *const probes[PG_LINK_COUNT] = {
        [PG_LINK_CLAIMS] = &verb_probe_claims,
        [PG_LINK_COMMITS] = &verb_probe_commits,
        [PG_LINK_DEAD] = &verb_probe_dead,
};

static bool is_probe(const struct pg_verb *verb)
{
        return probes[verb->link] == verb;
}

void lane_stick(struct pg_store *s, struct pg_lane *lane, const char *why)
{
        if (lane->stuck || lane->verb->tries > 0 || is_probe(lane->verb))
                return;
        lane->stuck = true;
        store_changed(s, why);
}

void lane_works(struct pg_store *s, struct pg_lane *lane)
{
        lane->wins++;
        lane->setbacks = 0;
        if (!lane->stuck || s->closing)
                return;
        lane->stuck = false;
        setback_unpark(s, lane);
        store_changed(s, NULL);
}

/* ---- the probe ---- */

static int send_probe(struct pg_link *link, struct pg_group *group)
{
        return pg_link_send_bare(link, group, pg_sql_probe.sql);
}

static void answer_probe(struct pg_link *link, struct pg_group *group)
{
        struct pg_call *call = group_take(group, 0);
        struct pg_lane *lane = call->arg;

        call_free(link->store, call);
        lane->probing = false;
        lane_works(link->store, lane);
}

static void refuse_probe(struct pg_call *call, enum store_result result, const struct problem *why)
{
        (void)result;
        (void)why;
        ((struct pg_lane *)call->arg)->probing = false;
}

#define PROBE(name, which_lane, which_link) \
        const struct pg_verb name = {       \
                .lane = which_lane,         \
                .link = which_link,         \
                .most = 1,                  \
                .send = send_probe,         \
                .answer = answer_probe,     \
                .refuse = refuse_probe,     \
        }

PROBE(verb_probe_claims, LANE_PROBE_CLAIMS, PG_LINK_CLAIMS);
PROBE(verb_probe_commits, LANE_PROBE_COMMITS, PG_LINK_COMMITS);
PROBE(verb_probe_dead, LANE_PROBE_DEAD, PG_LINK_DEAD);

static void setback_probe(struct pg_store *s, struct pg_lane *lane)
{
        const struct pg_verb *verb = probes[lane->verb->link];

        if (!verb || lane->probing)
                return;
        lane->probing = true;
        call_add(s, verb, NULL, NULL, NULL, lane);
}

static void probe_failed(struct pg_store *s, struct pg_group *group, const char *why)
{
        struct pg_call *call = group_take(group, 0);
        struct pg_lane *lane = call->arg;

        call_free(s, call);
        lane->probing = false;
        lane_stick(s, lane, why);
}

/* ---- setbacks ---- */

static const char *name_of(const struct pg_call *call)
{
        return call->verb->id ? call->verb->id(call) : "";
}

static void tell_alone(const struct pg_link *link, struct pg_call *call, const char *why)
{
        if (!call->told)
                log_warn("store", "%s: %s can't be stored, and waits alone: %s", link->kind->name, name_of(call), why);
        call->told = true;
}

void setback_over(const struct pg_link *link, const struct pg_group *group)
{
        for (size_t i = 0; i < group->count; i++) {
                if (group->calls[i] && group->calls[i]->told)
                        log_info("store", "%s: %s is stored, after %u tries", link->kind->name,
                                 name_of(group->calls[i]), group->calls[i]->tries + 1);
        }
}

/* Nothing else waits to be written. */
static bool is_only_one(const struct pg_link *link, const struct pg_lane *lane)
{
        const struct pg_store *s = link->store;

        for (const struct pg_call *call = s->parked; call; call = call->next) {
                if (call->verb->tries == 0)
                        return false;
        }
        for (const struct pg_group *group = link->flight; group; group = group->next) {
                if (group->verb == lane->verb)
                        return false;
        }
        return lane->count == 0;
}

/* Let others in again. */
static void try_others(struct pg_store *s, struct pg_lane *lane)
{
        if (!lane->stuck)
                return;
        lane->stuck = false;
        store_changed(s, NULL);
}

/* It failed alone: is it the only one? */
static void judge_alone(struct pg_link *link, struct pg_lane *lane, struct pg_call *call, bool locked, const char *why)
{
        if (!lane->stuck && call->tries > 1 && call->wins != lane->wins) {
                tell_alone(link, call, why);
        } else if (locked) {
                setback_probe(link->store, lane);
        } else if (call->tries >= TRIES_BEFORE_TRIAL && is_only_one(link, lane)) {
                tell_alone(link, call, why);
                try_others(link->store, lane);
        } else {
                lane_stick(link->store, lane, why);
        }
}

void setback(struct pg_link *link, struct pg_group *group, bool locked, const char *why)
{
        struct pg_store *s = link->store;
        struct pg_lane *lane = &s->lanes[group->verb->lane];

        if (is_probe(group->verb)) {
                probe_failed(s, group, why);
                return;
        }
        lane->setbacks++;
        if (group->count > 1)
                lane_stick(s, lane, why);
        else if (group->calls[0] && group->verb->tries == 0)
                judge_alone(link, lane, group->calls[0], locked, why);
        for (size_t i = 0; i < group->count; i++) {
                struct pg_call *call = group_take(group, i);

                if (!call)
                        continue;
                call->wins = lane->wins;
                setback_park(s, call, group->count > 1 ? lane->setbacks : call->tries);
        }
        setback_rearm(s);
}
