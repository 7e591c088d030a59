/* SPDX-License-Identifier: Apache-2.0 */
/* Who is told when a job has ended. */
#include "store/webhook.h"

#include "store/postgres/statements.h"
#include "store/postgres/texts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WEBHOOK_MOST = 200 };

/* ---- add ---- */

static const char *webhook_add_id(const struct pg_call *call)
{
        return ((const struct texts_call *)call->what)->texts[1];
}

static int send_webhook_add(struct pg_link *link, struct pg_group *group)
{
        struct pg_arguments *a = &link->store->arguments;

        arguments_reset(a);
        struct column *id = arguments_array(a, COLUMN_TEXT), *job_id = arguments_array(a, COLUMN_TEXT);
        struct column *url = arguments_array(a, COLUMN_TEXT), *trace = arguments_array(a, COLUMN_TEXT);
        for (size_t i = 0; i < group->count; i++) {
                const struct texts_call *call = group->calls[i]->what;

                column_text(id, call->texts[0]);
                column_text(job_id, call->texts[1]);
                column_text(url, call->texts[2]);
                column_text(trace, call->texts[3]);
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
        const char *const texts[] = { wish->id, wish->job_id, wish->url, wish->trace ? wish->trace : "" };
        struct texts_call *call = texts_call_new(&pg_sql_webhook_add, texts, 4);

        if (call)
                call_add(pg_of(s), &verb_webhook_add, call, call, (void (*)(void))done, arg);
        else
                call_refuse(&verb_webhook_add, (void (*)(void))done, arg, STORE_STARVED);
}

/* ---- the others: one at a time ---- */

const struct pg_verb verb_webhook = {
        .lane = LANE_WEBHOOK,
        .link = PG_LINK_COMMITS,
        .most = 1,
        .tries = READ_TRIES,
        .send = send_texts,
        .answer = answer_rows,
        .refuse = refuse_json,
};

void pg_webhook_take(struct store *s, unsigned limit, unsigned lease_ms, json_done *done, void *arg)
{
        char many[16], lease[16];
        const char *const texts[] = { many, lease };

        snprintf(many, sizeof(many), "%u", limit);
        snprintf(lease, sizeof(lease), "%u", lease_ms);
        texts_call_add(s, &verb_webhook, &pg_sql_webhook_take, texts, 2, done, arg);
}

void pg_webhook_settle(struct store *s, const struct webhook_try *what, json_done *done, void *arg)
{
        char wait[24], status[16];
        const char *const texts[] = { what->id, webhook_state(what->end), wait, status, what->why };

        snprintf(wait, sizeof(wait), "%lld", (long long)what->wait_ms);
        snprintf(status, sizeof(status), "%u", what->status);
        texts_call_add(s, &verb_webhook, &pg_sql_webhook_settle, texts, 5, done, arg);
}

void pg_webhook_list(struct store *s, const char *which, json_done *done, void *arg)
{
        texts_call_add(s, &verb_webhook, &pg_sql_webhook_list, &which, 1, done, arg);
}

void pg_webhook_resend(struct store *s, const char *which, json_done *done, void *arg)
{
        texts_call_add(s, &verb_webhook, &pg_sql_webhook_resend, &which, 1, done, arg);
}

void pg_webhook_forget(struct store *s, json_done *done, void *arg)
{
        texts_call_add(s, &verb_webhook, &pg_sql_webhook_forget, NULL, 0, done, arg);
}
