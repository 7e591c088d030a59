/* SPDX-License-Identifier: Apache-2.0 */
/* Who is told when a job has ended. */
#include "store/webhook.h"

#include "store/postgres/postgres.h"
#include "store/postgres/statements.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WEBHOOK_TEXTS = 5, WEBHOOK_MOST = 200 };

/* Of any verb here: its texts lie behind the struct. */
struct pg_webhook_call {
        const struct statement *statement;
        size_t count;
        const char *texts[WEBHOOK_TEXTS];
};

static struct pg_webhook_call *webhook_call_new(const struct statement *statement, const char *const texts[],
                                                size_t count)
{
        size_t size = 0;
        for (size_t i = 0; i < count; i++)
                size += strlen(texts[i]) + 1;
        struct pg_webhook_call *call = malloc(sizeof(*call) + size);

        if (!call)
                return NULL;
        char *at = (char *)(call + 1);

        call->statement = statement;
        call->count = count;
        for (size_t i = 0; i < count; i++) {
                size = strlen(texts[i]) + 1;
                call->texts[i] = memcpy(at, texts[i], size);
                at += size;
        }
        return call;
}

/* ---- add ---- */

static const char *webhook_add_id(const struct pg_call *call)
{
        return ((const struct pg_webhook_call *)call->what)->texts[1];
}

static int send_webhook_add(struct pg_link *link, struct pg_group *group)
{
        struct pg_arguments *a = &link->store->arguments;

        arguments_reset(a);
        struct column *id = arguments_array(a, COLUMN_TEXT), *job_id = arguments_array(a, COLUMN_TEXT);
        struct column *url = arguments_array(a, COLUMN_TEXT);
        for (size_t i = 0; i < group->count; i++) {
                const struct pg_webhook_call *call = group->calls[i]->what;

                column_text(id, call->texts[0]);
                column_text(job_id, call->texts[1]);
                column_text(url, call->texts[2]);
        }
        return pg_link_send_once(link, group, &pg_sql_webhook_add);
}

const struct pg_verb verb_webhook_add = {
        .lane = LANE_WEBHOOK_ADD,
        .link = PG_LINK_COMMITS,
        .most = WEBHOOK_MOST,
        .id = webhook_add_id,
        .send = send_webhook_add,
        .answer = answer_done,
        .refuse = refuse_done,
};

void pg_webhook_add(struct store *s, const struct webhook_wish *wish, store_done *done, void *arg)
{
        const char *const texts[] = { wish->id, wish->job_id, wish->url };
        struct pg_webhook_call *call = webhook_call_new(&pg_sql_webhook_add, texts, 3);

        if (call)
                call_add(pg_of(s), &verb_webhook_add, call, call, (void (*)(void))done, arg);
        else
                call_refuse(&verb_webhook_add, (void (*)(void))done, arg, STORE_STARVED);
}

/* ---- the others: one at a time, nothing is prepared for them ---- */

static int send_webhook(struct pg_link *link, struct pg_group *group)
{
        const struct pg_webhook_call *call = group->calls[0]->what;

        arguments_reset(&link->store->arguments);
        for (size_t i = 0; i < call->count; i++)
                arguments_text(&link->store->arguments, call->texts[i]);
        return pg_link_send_once(link, group, call->statement);
}

const struct pg_verb verb_webhook = {
        .lane = LANE_WEBHOOK,
        .link = PG_LINK_COMMITS,
        .most = 1,
        .tries = READ_TRIES,
        .send = send_webhook,
        .answer = answer_json,
        .refuse = refuse_json,
};

static void webhook_call(struct store *s, const struct statement *statement, const char *const texts[], size_t count,
                         json_done *done, void *arg)
{
        struct pg_webhook_call *call = webhook_call_new(statement, texts, count);

        if (call)
                call_add(pg_of(s), &verb_webhook, call, call, (void (*)(void))done, arg);
        else
                call_refuse(&verb_webhook, (void (*)(void))done, arg, STORE_STARVED);
}

void pg_webhook_take(struct store *s, unsigned limit, unsigned lease_ms, json_done *done, void *arg)
{
        char many[16], lease[16];
        const char *const texts[] = { many, lease };

        snprintf(many, sizeof(many), "%u", limit);
        snprintf(lease, sizeof(lease), "%u", lease_ms);
        webhook_call(s, &pg_sql_webhook_take, texts, 2, done, arg);
}

void pg_webhook_settle(struct store *s, const struct webhook_try *what, json_done *done, void *arg)
{
        char wait[24], status[16];
        const char *const texts[WEBHOOK_TEXTS] = { what->id, webhook_state(what->end), wait, status, what->why };

        snprintf(wait, sizeof(wait), "%lld", (long long)what->wait_ms);
        snprintf(status, sizeof(status), "%u", what->status);
        webhook_call(s, &pg_sql_webhook_settle, texts, WEBHOOK_TEXTS, done, arg);
}

void pg_webhook_list(struct store *s, const char *which, json_done *done, void *arg)
{
        webhook_call(s, &pg_sql_webhook_list, &which, 1, done, arg);
}

void pg_webhook_resend(struct store *s, const char *which, json_done *done, void *arg)
{
        webhook_call(s, &pg_sql_webhook_resend, &which, 1, done, arg);
}

void pg_webhook_forget(struct store *s, json_done *done, void *arg)
{
        webhook_call(s, &pg_sql_webhook_forget, NULL, 0, done, arg);
}
