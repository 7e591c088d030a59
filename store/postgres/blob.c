/* SPDX-License-Identifier: Apache-2.0 */
/* Pictures that messages only name. They are large: they go over the link of what nobody hurries for, one at a time, so that no claim and no commit stands behind one. */
#include "store/blob.h"

#include "store/postgres/statements.h"
#include "store/postgres/texts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- put ---- */

static int send_blob_put(struct pg_link *link, struct pg_group *group)
{
        const struct blob *blob = group->calls[0]->what;
        struct pg_arguments *a = &link->store->arguments;

        arguments_reset(a);
        column_text(arguments_array(a, COLUMN_TEXT), blob->digest);
        column_text(arguments_array(a, COLUMN_TEXT), blob->type);
        column_bytes(arguments_array(a, COLUMN_BYTEA), blob->content);

        const int code = pg_link_send_once(link, group, &pg_sql_blob_put);

        arguments_free(a); /* it would keep the room for a picture */
        return code;
}

const struct pg_verb verb_blob_put = {
        .lane = LANE_BLOB_PUT,
        .link = PG_LINK_DEAD,
        .most = 1,
        .tries = READ_TRIES,
        .send = send_blob_put,
        .answer = answer_done,
        .refuse = refuse_done,
};

void pg_blob_put(struct store *s, const struct blob *blob, store_done *done, void *arg)
{
        call_add(pg_of(s), &verb_blob_put, blob, NULL, (void (*)(void))done, arg);
}

/* ---- get ---- */

static void answer_blob_get(struct pg_link *link, struct pg_group *group)
{
        struct pg_call *call = group_take(group, 0);
        const PGresult *r = group->results[0];

        if (call)
                call_done(link->store, call, STORE_DONE, PQntuples(r) > 0 ? field_bytes(r, 0, 0) : bytes_of(NULL, 0));
}

const struct pg_verb verb_blob_get = {
        .lane = LANE_BLOB_GET,
        .link = PG_LINK_DEAD,
        .most = 1,
        .send = send_texts,
        .answer = answer_blob_get,
        .refuse = refuse_done,
};

void pg_blob_get(struct store *s, const char *digest, store_done *done, void *arg)
{
        struct texts_call *call = texts_call_new(&pg_sql_blob_get, &digest, 1);

        if (call)
                call_add(pg_of(s), &verb_blob_get, call, call, (void (*)(void))done, arg);
        else
                call_refuse(&verb_blob_get, (void (*)(void))done, arg, STORE_STARVED);
}

/* ---- touch ---- */

static int send_blob_touch(struct pg_link *link, struct pg_group *group)
{
        const struct blob_touch *touch = group->calls[0]->what;
        struct pg_arguments *a = &link->store->arguments;

        arguments_reset(a);
        struct column *digests = arguments_array(a, COLUMN_TEXT);
        for (size_t i = 0; i < touch->count; i++)
                column_text(digests, touch->digests[i]);
        return pg_link_send_once(link, group, &pg_sql_blob_touch);
}

const struct pg_verb verb_blob_touch = {
        .lane = LANE_BLOB_TOUCH,
        .link = PG_LINK_COMMITS,
        .most = 1,
        .tries = READ_TRIES,
        .send = send_blob_touch,
        .answer = answer_rows,
        .refuse = refuse_json,
};

void pg_blob_touch(struct store *s, const struct blob_touch *touch, json_done *done, void *arg)
{
        call_add(pg_of(s), &verb_blob_touch, touch, NULL, (void (*)(void))done, arg);
}

/* ---- forget ---- */

const struct pg_verb verb_blob_forget = {
        .lane = LANE_BLOB_FORGET,
        .link = PG_LINK_DEAD,
        .most = 1,
        .tries = READ_TRIES,
        .send = send_texts,
        .answer = answer_rows,
        .refuse = refuse_json,
};

void pg_blob_forget(struct store *s, uint64_t unused_ms, json_done *done, void *arg)
{
        char unused[24];
        const char *const texts[] = { unused };

        snprintf(unused, sizeof(unused), "%llu", (unsigned long long)unused_ms);
        texts_call_add(s, &verb_blob_forget, &pg_sql_blob_forget, texts, 1, done, arg);
}
