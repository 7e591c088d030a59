/* SPDX-License-Identifier: Apache-2.0 */
/* release and forget: due messages are locked and handed over, and stay locked, in a transaction on a connection of their
 * own, until those that the broker confirmed are forgotten. A crash in between unlocks them: they are published again. */
#include "store/postgres/postgres.h"
#include "store/postgres/statements.h"

#include <errno.h>
#include <stdlib.h>

struct pg_release_call {
        int64_t now_ms;
        unsigned limit;
};

struct pg_forget_call {
        size_t count, returned;
        int64_t ids[]; /* the confirmed ones, then the returned ones */
};

/* ---- release ---- */

static int send_release(struct pg_link *link, struct pg_group *group)
{
        const struct pg_release_call *call = group->calls[0]->what;
        struct pg_arguments *a = &link->store->arguments;
        int rc = pg_link_send_bare(link, group, "begin");

        arguments_reset(a);
        arguments_number(a, call->now_ms);
        arguments_number(a, call->limit);
        if (rc == 0)
                rc = pg_link_send(link, group, &pg_sql_due);
        a->count = 1;
        return rc == 0 ? pg_link_send(link, group, &pg_sql_next) : rc;
}

static void pg_release_free_due(struct due *due, size_t count)
{
        for (size_t i = 0; i < count; i++)
                message_free(due[i].message);
        free(due);
}

/* The due messages, or NULL when memory ran out. */
static struct due *release_due_of(const PGresult *r, size_t count)
{
        struct due *due = calloc(count + 1, sizeof(*due));

        for (size_t i = 0; due && i < count; i++) {
                int row = (int)i;

                due[i].id = field_number(r, row, 0);
                due[i].due_ms = field_number(r, row, 1);
                due[i].returns = (unsigned)field_number(r, row, 6);
                due[i].message = message_new(field_text(r, row, 2), field_text(r, row, 3), field_bytes(r, row, 4),
                                             field_bytes(r, row, 5));
                if (!due[i].message) {
                        pg_release_free_due(due, count);
                        return NULL;
                }
        }
        return due;
}

/* Remember what is locked, so that forget can put off what was not confirmed. */
static void pg_release_remember(struct pg_store *s, const struct due *due, size_t count)
{
        free(s->released);
        s->released = calloc(count + 1, sizeof(*s->released));
        s->released_count = s->released ? count : 0;
        for (size_t i = 0; i < s->released_count; i++)
                s->released[i] = due[i].id;
}

static void nothing_to_do(enum store_result result, struct bytes stored, const struct problem *why, void *arg)
{
        (void)result;
        (void)stored;
        (void)why;
        (void)arg;
}

static void pg_release_answer_release(struct pg_link *link, struct pg_group *group)
{
        struct pg_store *s = link->store;
        struct pg_call *call = group_take(group, 0);
        const struct pg_release_call *asked = call->what;
        int64_t now_ms = asked->now_ms, next_ms = field_number(group->results[2], 0, 0);
        size_t count = (size_t)PQntuples(group->results[1]), limit = asked->limit;
        struct due *due = release_due_of(group->results[1], count);
        release_done *done = (release_done *)call->done;
        void *arg = call->arg;

        if (!due) { /* short of memory: the rows stay where they are */
                count = 0;
                next_ms = now_ms + 1000;
        } else if (count == limit) {
                next_ms = now_ms;
        }
        link->in_transaction = true;
        call_free(s, call);
        pg_release_remember(s, due, count);
        if (count == 0) /* nobody will call forget */
                pg_forget(&s->store, &(struct forgetting){ 0 }, nothing_to_do, NULL);
        done(due, count, next_ms, arg);
        pg_release_free_due(due, count);
}

static void refuse_release(struct pg_call *call, enum store_result result, const struct problem *why)
{
        (void)result;
        (void)why;
        ((release_done *)call->done)(NULL, 0, 0, call->arg);
}

const struct pg_verb verb_release = {
        .lane = LANE_RELEASE,
        .link = PG_LINK_RELEASES,
        .most = 1,
        .send = send_release,
        .answer = pg_release_answer_release,
        .refuse = refuse_release,
};

void pg_release(struct store *s, int64_t now_ms, unsigned limit, release_done *done, void *arg)
{
        struct pg_release_call *call = malloc(sizeof(*call));

        if (call)
                *call = (struct pg_release_call){ now_ms, limit };
        if (call)
                call_add(pg_of(s), &verb_release, call, call, (void (*)(void))done, arg);
        else
                done(NULL, 0, now_ms + 1000, arg);
}

/* ---- forget ---- */

static void release_add_ids(struct pg_arguments *a, const int64_t *ids, size_t count)
{
        struct column *c = arguments_array(a, COLUMN_INT8);

        for (size_t i = 0; i < count; i++)
                column_int8(c, ids[i]);
}

static int send_forget(struct pg_link *link, struct pg_group *group)
{
        const struct pg_forget_call *call = group->calls[0]->what;
        struct pg_store *s = link->store;
        int rc = 0;

        arguments_reset(&s->arguments);
        release_add_ids(&s->arguments, call->ids, call->count);
        if (call->count > 0)
                rc = pg_link_send(link, group, &pg_sql_forget);
        if (rc == 0 && link->in_transaction && call->count < s->released_count) {
                arguments_reset(&s->arguments);
                release_add_ids(&s->arguments, s->released, s->released_count);
                release_add_ids(&s->arguments, call->ids + call->count, call->returned);
                rc = pg_link_send(link, group, &pg_sql_later);
        }
        return rc == 0 ? pg_link_send_bare(link, group, "commit") : rc;
}

static void answer_forget(struct pg_link *link, struct pg_group *group)
{
        link->in_transaction = false;
        link->store->released_count = 0;
        answer_done(link, group);
}

const struct pg_verb verb_forget = {
        .lane = LANE_FORGET,
        .link = PG_LINK_RELEASES,
        .most = 1,
        .send = send_forget,
        .answer = answer_forget,
        .refuse = refuse_done,
};

/* Nobody will end the transaction that holds the rows: with its connection it is rolled back, and they are due again. */
void forget_starved(struct pg_store *s)
{
        pg_link_lose(&s->links[PG_LINK_RELEASES], "out of memory", false);
}

void pg_forget(struct store *s, const struct forgetting *what, store_done *done, void *arg)
{
        const size_t confirmed = what->confirmed_count, returned = what->returned_count;
        struct pg_forget_call *call = malloc(sizeof(*call) + (confirmed + returned) * sizeof(int64_t));

        if (!call) {
                forget_starved(pg_of(s));
                call_refuse(&verb_forget, (void (*)(void))done, arg, STORE_STARVED);
                return;
        }
        call->count = confirmed;
        call->returned = returned;
        if (confirmed > 0)
                memcpy(call->ids, what->confirmed, confirmed * sizeof(int64_t));
        if (returned > 0)
                memcpy(call->ids + confirmed, what->returned, returned * sizeof(int64_t));
        call_add(pg_of(s), &verb_forget, call, call, (void (*)(void))done, arg);
}
