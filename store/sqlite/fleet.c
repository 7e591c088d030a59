/* SPDX-License-Identifier: Apache-2.0 */
/* Leases that a fleet has among itself. */
#include "store/sqlite/lite.h"
#include "store/sqlite/statements.h"

#include <stdlib.h>
#include <string.h>

struct lite_lease_call {
        struct lite_call call; /* its text: the answer */
        char *name, *holder, *token;
        unsigned lease_ms;
};

static int lite_run_lease(struct sqlite_work *work, sqlite3 *db)
{
        struct lite_lease_call *c = (struct lite_lease_call *)work;
        const int64_t now_us = lite_now_us();
        struct query q = query_of(db, &lite_sql_lease_take);
        int rc;

        buffer_reset(&c->call.text);
        query_text(&q, c->name);
        query_text(&q, c->holder);
        query_text(&q, c->token);
        query_number(&q, now_us);
        query_number(&q, (int64_t)c->lease_ms * 1000);
        rc = query_run(&q);
        if (rc != SQLITE_OK)
                return rc;
        q = query_of(db, &lite_sql_lease_read);
        query_text(&q, c->name);
        query_text(&q, c->token);
        query_number(&q, now_us);
        return lite_answer(&c->call.text, &q);
}

/* Loose: a lease that a crash of the machine takes away can be asked for again. */
static const struct sqlite_verb lease_verb = { .run = lite_run_lease, .done = lite_read, .loose = true, .asks = true };

static void clear_lease(struct lite_call *call)
{
        struct lite_lease_call *c = (struct lite_lease_call *)call;

        free(c->name);
        free(c->holder);
        free(c->token);
}

void lite_lease(struct store *s, const struct lease_ask *ask, json_done *done, void *arg)
{
        struct lite_lease_call *c = lite_call_new(lite_of(s), sizeof(*c), (void (*)(void))done, arg);

        if (!c) {
                lite_refuse_read(done, arg);
                return;
        }
        c->call.clear = clear_lease;
        c->name = strdup(ask->name);
        c->holder = strdup(ask->holder);
        c->token = strdup(ask->token);
        c->lease_ms = ask->lease_ms;
        if (c->name && c->holder && c->token) {
                lite_call_start(&c->call, &lease_verb);
                return;
        }
        lite_call_free(&c->call);
        lite_refuse_read(done, arg);
}
