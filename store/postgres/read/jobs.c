/* SPDX-License-Identifier: Apache-2.0 */
/* Jobs as those see them who do not run them; most of it is in store/postgres/schema/, as functions. */
#include "store/postgres/postgres.h"
#include "store/postgres/statements.h"

#include "store/job_cursor.h"

#include <stdlib.h>
#include <string.h>

/* One call of any of them: how it fills the arguments in, and the statement. */
struct jobs_call {
        const struct statement *(*fill)(struct pg_arguments *a, const struct jobs_call *call);
        const struct job_follow *follows; /* behind the call, with their ids */
        size_t count;
        const char *id;
};

/* The list's filter stands behind its call. */
static struct job_list_call *jobs_list_of(const struct jobs_call *call)
{
        return (struct job_list_call *)(uintptr_t)(call + 1);
}

static int send_jobs(struct pg_link *link, struct pg_group *group)
{
        const struct jobs_call *call = group->calls[0]->what;

        arguments_reset(&link->store->arguments);
        return pg_link_send_once(link, group, call->fill(&link->store->arguments, call));
}

const struct pg_verb verb_jobs = {
        .lane = LANE_JOBS,
        .link = PG_LINK_CLAIMS,
        .most = 1,
        .tries = READ_TRIES,
        .send = send_jobs,
        .answer = answer_rows,
        .refuse = refuse_json,
};

static const char *cancel_id(const struct pg_call *call)
{
        return ((const struct jobs_call *)call->what)->id;
}

static int send_cancel(struct pg_link *link, struct pg_group *group)
{
        struct pg_arguments *a = &link->store->arguments;
        struct column *ids;

        arguments_reset(a);
        ids = arguments_array(a, COLUMN_TEXT);
        for (size_t i = 0; i < group->count; i++)
                column_text(ids, cancel_id(group->calls[i]));
        return pg_link_send_once(link, group, &pg_sql_job_cancel);
}

/* What it did must last. Whoever asks for it can ask again. */
const struct pg_verb verb_cancel = {
        .lane = LANE_CANCEL,
        .link = PG_LINK_COMMITS,
        .most = GROUP_CALLS_MAX,
        .tries = READ_TRIES,
        .id = cancel_id,
        .send = send_cancel,
        .answer = answer_each,
        .refuse = refuse_json,
};

const struct pg_verb verb_drop = {
        .lane = LANE_DROP,
        .link = PG_LINK_COMMITS,
        .most = 1,
        .tries = READ_TRIES,
        .send = send_jobs,
        .answer = answer_rows,
        .refuse = refuse_json,
};

/* ---- list ---- */

/* So many rows are looked at: no more than asked for where all of them count. */
static int64_t list_rows(const struct job_filter *f)
{
        if (!*f->pipeline && !*f->state && !*f->user_id && !*f->task && !*f->text)
                return f->limit;
        return *f->text ? JOB_PAGE_TEXTS : JOB_PAGE_ROWS;
}

static const struct statement *fill_list(struct pg_arguments *a, const struct jobs_call *call)
{
        const struct job_list_call *c = jobs_list_of(call);
        const struct job_filter *f = &c->filter;
        int64_t created_us = c->cursor.created_us;
        const char *root_id = c->cursor.root_id;

        if (f->until_ms > 0 && f->until_ms < created_us / 1000) {
                created_us = f->until_ms * 1000;
                root_id = "";
        }
        arguments_number(a, created_us < INT64_MAX / 2 ? created_us : (int64_t)4102444800 * 1000000 * 10);
        arguments_text(a, root_id);
        arguments_number(a, f->since_ms);
        arguments_number(a, list_rows(f));
        arguments_text(a, f->pipeline);
        arguments_text(a, f->state);
        arguments_text(a, f->user_id);
        arguments_text(a, f->task);
        arguments_text(a, f->text);
        arguments_number(a, f->limit);
        if (*f->user_id)
                return &pg_sql_job_list_user;
        if (c->open)
                return &pg_sql_job_list_open;
        return c->unlucky || strcmp(f->state, "FAILURE") == 0 || strcmp(f->state, "REVOKED") == 0
                       ? &pg_sql_job_list_unlucky
                       : &pg_sql_job_list_all;
}

void pg_job_list(struct store *s, const struct job_filter *filter, json_done *done, void *arg)
{
        struct jobs_call *call = calloc(1, sizeof(*call) + job_list_size(filter));
        struct problem why;

        if (!call) {
                call_refuse(&verb_jobs, (void (*)(void))done, arg, STORE_STARVED);
                return;
        }
        if (job_list_copy(filter, jobs_list_of(call), &why)) {
                free(call);
                done(NULL, &why, arg);
                return;
        }
        call->fill = fill_list;
        call_add(pg_of(s), &verb_jobs, call, call, (void (*)(void))done, arg);
}

/* ---- find, cancel ---- */

static struct jobs_call *call_of_id(const char *id)
{
        const size_t size = strlen(id) + 1;
        struct jobs_call *call = calloc(1, sizeof(*call) + 2 * size);

        if (!call)
                return NULL;
        call->id = memcpy(call + 1, id, size);
        return call;
}

static const struct statement *fill_find(struct pg_arguments *a, const struct jobs_call *call)
{
        char *upto = (char *)(uintptr_t)(call->id + strlen(call->id) + 1);

        arguments_text(a, call->id);
        arguments_text(a, job_prefix_upto(call->id, upto) ? upto : "\x7f");
        return &pg_sql_job_find;
}

void pg_job_find(struct store *s, const char *prefix, json_done *done, void *arg)
{
        struct jobs_call *call = call_of_id(prefix);

        if (!call) {
                call_refuse(&verb_jobs, (void (*)(void))done, arg, STORE_STARVED);
                return;
        }
        call->fill = fill_find;
        call_add(pg_of(s), &verb_jobs, call, call, (void (*)(void))done, arg);
}

static const struct statement *fill_trail(struct pg_arguments *a, const struct jobs_call *call)
{
        arguments_text(a, call->id);
        return &pg_sql_job_trail;
}

void pg_job_trail(struct store *s, const char *root_id, json_done *done, void *arg)
{
        struct jobs_call *call = call_of_id(root_id);

        if (!call) {
                call_refuse(&verb_jobs, (void (*)(void))done, arg, STORE_STARVED);
                return;
        }
        call->fill = fill_trail;
        call_add(pg_of(s), &verb_jobs, call, call, (void (*)(void))done, arg);
}

void pg_job_cancel(struct store *s, const char *root_id, json_done *done, void *arg)
{
        struct jobs_call *call = call_of_id(root_id);

        if (!call) {
                call_refuse(&verb_cancel, (void (*)(void))done, arg, STORE_STARVED);
                return;
        }
        call_add(pg_of(s), &verb_cancel, call, call, (void (*)(void))done, arg);
}

static const struct statement *fill_load(struct pg_arguments *a, const struct jobs_call *call)
{
        (void)a, (void)call;
        return &pg_sql_load;
}

static const struct statement *fill_figures(struct pg_arguments *a, const struct jobs_call *call)
{
        (void)a, (void)call;
        return &pg_sql_figures;
}

static const struct statement *fill_examine(struct pg_arguments *a, const struct jobs_call *call)
{
        (void)a, (void)call;
        return &pg_sql_examine;
}

static void ask_of_all(struct store *s,
                       const struct statement *(*fill)(struct pg_arguments *a, const struct jobs_call *call),
                       json_done *done, void *arg)
{
        struct jobs_call *call = calloc(1, sizeof(*call));

        if (!call) {
                call_refuse(&verb_jobs, (void (*)(void))done, arg, STORE_STARVED);
                return;
        }
        call->fill = fill;
        call_add(pg_of(s), &verb_jobs, call, call, (void (*)(void))done, arg);
}

void pg_load(struct store *s, json_done *done, void *arg)
{
        ask_of_all(s, fill_load, done, arg);
}

void pg_examine(struct store *s, json_done *done, void *arg)
{
        ask_of_all(s, fill_examine, done, arg);
}

void pg_figures(struct store *s, json_done *done, void *arg)
{
        ask_of_all(s, fill_figures, done, arg);
}

/* ---- scheduled messages, as an operator sees them ---- */

static const struct statement *fill_scheduled_list(struct pg_arguments *a, const struct jobs_call *call)
{
        arguments_text(a, call->id);
        return &pg_sql_scheduled_list;
}

static const struct statement *fill_scheduled_drop(struct pg_arguments *a, const struct jobs_call *call)
{
        arguments_text(a, call->id);
        return &pg_sql_scheduled_drop;
}

static void scheduled_ask(struct store *s, const struct pg_verb *verb,
                          const struct statement *(*fill)(struct pg_arguments *a, const struct jobs_call *call),
                          const json_t *which, json_done *done, void *arg)
{
        char *text = json_dumps(which, JSON_COMPACT);
        struct jobs_call *call = text ? call_of_id(text) : NULL;

        free(text);
        if (!call) {
                call_refuse(verb, (void (*)(void))done, arg, STORE_STARVED);
                return;
        }
        call->fill = fill;
        call_add(pg_of(s), verb, call, call, (void (*)(void))done, arg);
}

void pg_scheduled_list(struct store *s, const json_t *which, json_done *done, void *arg)
{
        scheduled_ask(s, &verb_jobs, fill_scheduled_list, which, done, arg);
}

void pg_scheduled_drop(struct store *s, const json_t *which, json_done *done, void *arg)
{
        scheduled_ask(s, &verb_drop, fill_scheduled_drop, which, done, arg);
}

/* ---- follow ---- */

static const struct statement *fill_follow(struct pg_arguments *a, const struct jobs_call *call)
{
        struct column *ids = arguments_array(a, COLUMN_TEXT), *afters = arguments_array(a, COLUMN_INT8),
                      *versions = arguments_array(a, COLUMN_INT8);

        for (size_t i = 0; i < call->count; i++) {
                column_text(ids, call->follows[i].id);
                column_int8(afters, call->follows[i].after);
                column_int8(versions, call->follows[i].version);
        }
        arguments_number(a, JOB_FOLLOW_MOST);
        return &pg_sql_job_follow;
}

void pg_job_follow(struct store *s, const struct job_follow *follows, size_t count, json_done *done, void *arg)
{
        size_t size = sizeof(struct jobs_call) + count * sizeof(*follows);
        struct jobs_call *call;
        struct job_follow *copies;
        char *at;

        for (size_t i = 0; i < count; i++)
                size += strlen(follows[i].id) + 1;
        call = calloc(1, size);
        if (!call) {
                call_refuse(&verb_jobs, (void (*)(void))done, arg, STORE_STARVED);
                return;
        }
        copies = (struct job_follow *)(call + 1);
        at = (char *)(copies + count);
        for (size_t i = 0; i < count; i++) {
                copies[i] = follows[i];
                copies[i].id = at;
                at = stpcpy(at, follows[i].id) + 1;
        }
        call->fill = fill_follow;
        call->follows = copies;
        call->count = count;
        call_add(pg_of(s), &verb_jobs, call, call, (void (*)(void))done, arg);
}

/* Notifications would make those who commit wait for each other: whoever follows asks. */
bool pg_on_touched(struct store *s, void (*touched)(void *arg), void *arg)
{
        (void)s, (void)touched, (void)arg;
        return false;
}
