/* SPDX-License-Identifier: Apache-2.0 */
/* The grouping machine, the same for every verb. */
#include "store/postgres/postgres.h"

#include "core/clock.h"
#include "core/log.h"
#include "store/postgres/link/trouble.h"

#include <errno.h>
#include <stdlib.h>

#define RACES_BEFORE_SPLIT 8
#define RACES_BEFORE_PAUSE 100

static void push_back(struct pg_lane *lane, struct pg_call *call)
{
        call->verb = lane->verb;
        call->next = NULL;
        *lane->end = call;
        lane->end = &call->next;
        lane->count++;
}

static void push_front(struct pg_lane *lane, struct pg_call *call)
{
        call->verb = lane->verb;
        call->next = lane->first;
        if (!lane->first)
                lane->end = &call->next;
        lane->first = call;
        lane->count++;
}

static struct pg_call *pg_lane_pop(struct pg_lane *lane)
{
        struct pg_call *call = lane->first;

        lane->first = call->next;
        if (!lane->first)
                lane->end = &lane->first;
        lane->count--;
        return call;
}

static void group_flush(uv_prepare_t *handle)
{
        struct pg_store *s = handle->data;

        s->flush_on = false;
        uv_prepare_stop(handle);
        for (int i = 0; i < PG_LINK_COUNT; i++)
                pg_link_serve(&s->links[i]);
}

static void flush_soon(struct pg_store *s)
{
        if (s->flush_on || s->closing)
                return;
        s->flush_on = true;
        uv_prepare_start(&s->flush, group_flush);
}

void call_refuse(const struct pg_verb *verb, void (*done)(void), void *arg, enum store_result result)
{
        struct pg_call call = { .done = done, .arg = arg };
        struct problem why;

        problem_set(&why, "store", result == STORE_CLOSED ? "closed" : "out_of_memory", "%s",
                    result == STORE_CLOSED ? "the store was closed" : "out of memory");
        verb->refuse(&call, result, &why);
}

void call_add(struct pg_store *s, const struct pg_verb *verb, const void *what, void *own, void (*done)(void),
              void *arg)
{
        struct pg_call *call = s->closing ? NULL : calloc(1, sizeof(*call));

        if (!call) {
                if (verb->lane == LANE_FORGET && !s->closing)
                        forget_starved(s);
                call_refuse(verb, done, arg, s->closing ? STORE_CLOSED : STORE_STARVED);
                free(own);
                return;
        }
        call->what = what;
        call->own = own;
        call->done = done;
        call->arg = arg;
        call->cap = verb->most;
        store_key_make(call->key);
        s->open_calls++;
        push_back(&s->lanes[verb->lane], call);
        flush_soon(s);
}

void call_again(struct pg_store *s, const struct pg_verb *verb, struct pg_call *call)
{
        push_front(&s->lanes[verb->lane], call);
        flush_soon(s);
}

void call_free(struct pg_store *s, struct pg_call *call)
{
        s->open_calls--;
        free(call->own);
        free(call);
}

struct pg_call *group_take(struct pg_group *group, size_t i)
{
        struct pg_call *call = group->calls[i];

        group->calls[i] = NULL;
        return call;
}

static void group_free(struct pg_group *group)
{
        for (unsigned i = 0; i < group->got; i++)
                PQclear(group->results[i]);
        PQclear(group->failure);
        free(group);
}

/* ---- answers of the verbs that take a store_done ---- */

void call_done(struct pg_store *s, struct pg_call *call, enum store_result result, struct bytes stored)
{
        store_done *done = (store_done *)call->done;
        void *arg = call->arg;

        call_free(s, call);
        done(result, stored, NULL, arg);
}

void answer_done(struct pg_link *link, struct pg_group *group)
{
        for (size_t i = 0; i < group->count; i++) {
                struct pg_call *call = group_take(group, i);

                if (call)
                        call_done(link->store, call, STORE_DONE, bytes_of(NULL, 0));
        }
}

void refuse_done(struct pg_call *call, enum store_result result, const struct problem *why)
{
        ((store_done *)call->done)(result, bytes_of(NULL, 0), why, call->arg);
}

/* ---- making a group ---- */

static int by_id(const void *a, const void *b, void *arg)
{
        const struct pg_verb *verb = arg;

        return strcmp(verb->id(*(struct pg_call *const *)a), verb->id(*(struct pg_call *const *)b));
}

/* Put in order, and leave what is there twice for the next group: a statement can change a row only once. */
static void sort_group(struct pg_lane *lane, struct pg_group *group)
{
        size_t kept = 1;

        if (!group->verb->id || group->count < 2)
                return;
        qsort_r(group->calls, group->count, sizeof(group->calls[0]), by_id, (void *)(uintptr_t)group->verb);
        for (size_t i = 1; i < group->count; i++) {
                if (by_id(&group->calls[kept - 1], &group->calls[i], (void *)(uintptr_t)group->verb) == 0)
                        push_front(lane, group->calls[i]);
                else
                        group->calls[kept++] = group->calls[i];
        }
        group->count = kept;
}

static struct pg_group *pg_group_of(struct pg_lane *lane)
{
        const struct pg_verb *verb = lane->verb;
        size_t capacity = lane->count < verb->most ? lane->count : verb->most, bytes = 0;
        unsigned cap = verb->most;
        struct pg_group *group = malloc(sizeof(*group) + capacity * sizeof(group->calls[0]));

        if (!group)
                return NULL;
        *group = (struct pg_group){ .verb = verb };
        while (lane->first && group->count < capacity && bytes < GROUP_BYTES_MAX) {
                if (lane->first->cap < cap)
                        cap = lane->first->cap;
                if (group->count >= cap)
                        break;
                if (verb->size)
                        bytes += verb->size(lane->first);
                group->calls[group->count++] = pg_lane_pop(lane);
        }
        sort_group(lane, group);
        return group;
}

/* A release waits until the rows of the one before it are forgotten. */
static bool may_go(const struct pg_link *link, const struct pg_lane *lane)
{
        if (lane->count == 0 || &link->store->links[lane->verb->link] != link)
                return false;
        return lane->verb->lane != LANE_RELEASE ||
               (!link->in_transaction && link->flying == 0 && link->store->lanes[LANE_FORGET].count == 0);
}

/* The link's lanes take turns. */
static struct pg_lane *next_lane(struct pg_link *link)
{
        for (unsigned n = 1; n <= LANE_COUNT; n++) {
                unsigned turn = (link->turn + n) % LANE_COUNT;

                if (may_go(link, &link->store->lanes[turn])) {
                        link->turn = turn;
                        return &link->store->lanes[turn];
                }
        }
        return NULL;
}

static void group_split(struct pg_group *group)
{
        unsigned half = group->count > 1 ? (unsigned)group->count / 2 : 1;

        for (size_t i = 0; i < group->count; i++) {
                if (group->calls[i] && group->calls[i]->cap > half)
                        group->calls[i]->cap = half;
        }
}

static void group_return(struct pg_link *link, struct pg_group *group)
{
        struct pg_lane *lane = &link->store->lanes[group->verb->lane];

        for (size_t i = group->count; i-- > 0;) {
                struct pg_call *call = group_take(group, i);

                if (call)
                        push_front(lane, call);
        }
        group_free(group);
}

static void refuse_only(struct pg_link *link, struct pg_group *group, const struct problem *why)
{
        struct pg_call *call = group_take(group, 0);

        if (call) {
                struct pg_call copy = *call;

                copy.own = NULL;
                call_free(link->store, call);
                group->verb->refuse(&copy, STORE_REFUSED, why);
        }
        group_free(group);
}

static void count_try(struct pg_group *group)
{
        for (size_t i = 0; i < group->count; i++) {
                if (group->calls[i])
                        group->calls[i]->tries++;
        }
}

/* Could not even be put together: memory is short. That says nothing of the data. */
static void pg_group_unsendable(struct pg_link *link, struct pg_group *group)
{
        count_try(group);
        group_split(group);
        setback(link, group, false, "out of memory");
        group_free(group);
}

static void send_group(struct pg_link *link, struct pg_group *group)
{
        int rc = group->verb->send(link, group);

        if (rc == -ENOMEM && group->expected == 0) {
                pg_group_unsendable(link, group);
                return;
        }
        group->sent_us = clock_mono_us();
        *link->flight_end = group;
        link->flight_end = &group->next;
        link->flying++;
        if (rc != 0)
                group_split(group); /* it may be too large for libpq, and is the last in flight */
        if (rc != 0 || PQpipelineSync(link->pg) != 1)
                pg_link_lose(link, PQerrorMessage(link->pg), false);
}

void pg_link_serve(struct pg_link *link)
{
        struct pg_lane *lane = next_lane(link);

        if (lane && link->state == PG_LINK_IDLE)
                pg_link_want(link);
        while (lane && link->state == PG_LINK_READY && link->flying < GROUPS_IN_FLIGHT) {
                struct pg_group *group = pg_group_of(lane);

                if (!group)
                        return;
                send_group(link, group);
                lane = next_lane(link);
        }
        pg_link_flush(link);
}

/* ---- the end of a group ---- */

/* What our own functions raise says what does not hold any more; anything else was refused. */
static const char *failure_code(const char *sqlstate)
{
        if (sqlstate && strcmp(sqlstate, "CH001") == 0)
                return "overtaken";
        return sqlstate && strcmp(sqlstate, "CH002") == 0 ? "stale" : "refused";
}

static void failure_why(const struct pg_group *group, struct problem *why)
{
        const char *text = PQresultErrorField(group->failure, PG_DIAG_MESSAGE_PRIMARY);
        const char *detail = PQresultErrorField(group->failure, PG_DIAG_MESSAGE_DETAIL);
        const char *state = PQresultErrorField(group->failure, PG_DIAG_SQLSTATE);

        problem_set(why, "store", failure_code(state), "%s%s%s (SQLSTATE %s)",
                    text ? text : PQresultErrorMessage(group->failure), detail ? ": " : "", detail ? detail : "",
                    state ? state : "none");
}

/* query_canceled by the statement's timeout, or lock_not_available. */
static bool is_locked(const char *sqlstate)
{
        return sqlstate && (strcmp(sqlstate, "57014") == 0 || strcmp(sqlstate, "55P03") == 0);
}

static void group_give_up(struct pg_link *link, struct pg_group *group, const struct problem *why)
{
        struct pg_lane *lane = &link->store->lanes[group->verb->lane];

        refuse_only(link, group, why);
        lane_works(link->store, lane); /* the server has answered */
}

static void group_again(struct pg_link *link, struct pg_group *group, bool smaller, const struct problem *why)
{
        log_debug("store", "%s of %zu is repeated: %s", link->kind->name, group->count, why->text);
        if (smaller)
                group_split(group);
        group_return(link, group);
}

static void group_wait(struct pg_link *link, struct pg_group *group, const struct problem *why)
{
        log_debug("store", "%s of %zu waits: %s", link->kind->name, group->count, why->text);
        group_split(group);
        setback(link, group, is_locked(PQresultErrorField(group->failure, PG_DIAG_SQLSTATE)), why->text);
        group_free(group);
}

static void group_lost(struct pg_link *link, struct pg_group *group, const struct problem *why)
{
        lane_stick(link->store, &link->store->lanes[group->verb->lane], why->text);
        group_return(link, group);
        pg_link_lose(link, why->text, false);
}

static unsigned tries_of(const struct pg_group *group)
{
        return group->calls[0] ? group->calls[0]->tries : 0;
}

static void group_failed(struct pg_link *link, struct pg_group *group)
{
        enum trouble trouble = trouble_of(PQresultErrorField(group->failure, PG_DIAG_SQLSTATE));
        unsigned most = group->verb->tries;
        struct problem why;

        failure_why(group, &why);
        count_try(group);
        if (trouble == TROUBLE_LINK ||
            group->verb->link == PG_LINK_RELEASES) /* the latter is in a transaction of its own */
                group_lost(link, group, &why);
        else if (group->count == 1 && (trouble == TROUBLE_DATA || (most > 0 && tries_of(group) >= most)))
                group_give_up(link, group, &why);
        else if (trouble == TROUBLE_DATA)
                group_again(link, group, true, &why);
        else if (trouble == TROUBLE_RACE && tries_of(group) <= RACES_BEFORE_PAUSE)
                group_again(link, group, tries_of(group) > RACES_BEFORE_SPLIT, &why);
        else
                group_wait(link, group, &why);
}

static struct pg_group *take_first(struct pg_link *link)
{
        struct pg_group *group = link->flight;

        link->flight = group->next;
        if (!link->flight)
                link->flight_end = &link->flight;
        link->flying--;
        return group;
}

static void count_group(struct pg_link *link, const struct pg_group *group)
{
        door_counts_add(&link->store->store.counts, group->count, group->failure ? group->count : 0,
                        clock_mono_us() - group->sent_us);
}

/* While its calls are answered the group stays where pg_link_close finds it: a callback may close the store. */
void group_end(struct pg_link *link)
{
        struct pg_group *group = link->flight;
        struct pg_lane *lane = &link->store->lanes[group->verb->lane];

        count_group(link, group);
        if (group->failure) {
                group_failed(link, take_first(link));
                return;
        }
        link->failures = 0;
        setback_over(link, group);
        group->verb->answer(link, group);
        lane_works(link->store, lane);
        if (link->flight == group)
                group_free(take_first(link));
}

/* The oldest group may be what kept the server busy for too long: it comes back smaller. */
void groups_return(struct pg_link *link, bool smaller, const char *why)
{
        struct pg_group *reversed = NULL;

        if (smaller && link->flight)
                group_split(link->flight);
        while (link->flight) {
                struct pg_group *group = take_first(link);

                group->next = reversed;
                reversed = group;
        }
        while (reversed) {
                struct pg_group *group = reversed;

                reversed = group->next;
                lane_stick(link->store, &link->store->lanes[group->verb->lane], why);
                group_return(link, group);
        }
}

/* ---- closing ---- */

static void close_call(struct pg_store *s, const struct pg_verb *verb, struct pg_call *call)
{
        struct pg_call copy = *call;
        struct problem why;

        copy.own = NULL;
        problem_set(&why, "store", "closed", "the store was closed");
        call_free(s, call);
        verb->refuse(&copy, STORE_CLOSED, &why);
}

void lane_close(struct pg_store *s, struct pg_lane *lane)
{
        while (lane->first)
                close_call(s, lane->verb, pg_lane_pop(lane));
}

void parked_close(struct pg_store *s)
{
        struct pg_call *call;

        while ((call = setback_take(s)))
                close_call(s, call->verb, call);
}

void groups_close(struct pg_link *link)
{
        for (struct pg_group *group = link->flight; group; group = group->next) {
                for (size_t i = 0; i < group->count; i++) {
                        struct pg_call *call = group_take(group, i);

                        if (call)
                                close_call(link->store, group->verb, call);
                }
        }
}

void groups_free(struct pg_link *link)
{
        while (link->flight)
                group_free(take_first(link));
}
