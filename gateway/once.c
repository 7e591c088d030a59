/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/once.h"

#include "core/http/request_key.h"
#include "core/json.h"
#include "core/text/digest.h"
#include "gateway/own.h"
#include "store/access.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A first attempt that has not been heard of for that long may be made again: its process is gone, or its answer will be the same. */
enum { ONCE_LEASE_MS = 10000 };

struct once {
        struct gateway *gateway; /* NULL once it was closed */
        struct once *next;
        struct exchange *exchange; /* until the verdict */
        struct once_ask ask;
        once_said *said;
        void (*then)(void *arg);
        void *arg;
};

static void once_end(struct once *o)
{
        for (struct once **at = o->gateway ? &o->gateway->onces : NULL; at && *at; at = &(*at)->next) {
                if (*at == o) {
                        *at = o->next;
                        break;
                }
        }
        free(o);
}

void onces_leave(struct gateway *g)
{
        for (struct once *o = g->onces; o; o = o->next)
                o->gateway = NULL;
        g->onces = NULL;
}

/* ---- the verdict ---- */

static void once_wait(struct once *o, int64_t wait_ms, struct problem *why)
{
        char seconds[24];
        snprintf(seconds, sizeof(seconds), "%lld", wait_ms > 1000 ? (long long)(wait_ms + 999) / 1000 : 1LL);
        exchange_add_header(o->exchange, "Retry-After", seconds);
        problem_set(why, "request", "key_in_use",
                    "a request with this Idempotency-Key is under way; send it again in %s s to hear what became of it",
                    seconds);
}

static enum once_verdict once_judge(struct once *o, const json_t *row, struct problem *why)
{
        const char *verdict = json_text(row, "verdict", "");
        if (strcmp(verdict, "mine") == 0)
                return ONCE_NEW;
        if (strcmp(verdict, "done") == 0)
                return ONCE_DONE;
        if (strcmp(verdict, "open") == 0)
                once_wait(o, json_number(row, "wait_ms", 0), why);
        else
                problem_set(why, "request", "key_reused",
                            "this Idempotency-Key was sent with another request; a new request needs a new key");
        return ONCE_REFUSED;
}

static void on_once_begun(json_t *row, const struct problem *failed, void *arg)
{
        struct once *o = (struct once *)arg;
        struct problem why;
        const enum once_verdict verdict = failed ? ONCE_REFUSED : once_judge(o, row, &why);
        snprintf(o->ask.job_id, sizeof(o->ask.job_id), "%s", json_text(row, "id", ""));
        if (verdict == ONCE_NEW) {
                o->said(verdict, o->ask.job_id, NULL, o->arg);
                return;
        }
        o->said(verdict, o->ask.job_id, failed ? failed : &why, o->arg);
        once_end(o);
}

/* ---- asking ---- */

/* A request is the same when it goes to the same route with the same body. */
static bool once_digest(struct once *o, const char *who, const char *key)
{
        const struct bytes keys[] = { bytes_of_string(who), bytes_of_string(key) };
        const struct bytes asked[] = { bytes_of_string(exchange_route(o->exchange)->pattern),
                                       exchange_body(o->exchange) };
        return digest_text(keys, 2, o->ask.key) && digest_text(asked, 2, o->ask.fingerprint);
}

static int once_new(struct once **out, struct gateway *g, struct exchange *x, const char *key, const char *id,
                    struct problem *why)
{
        struct once *o = calloc(1, sizeof(*o));
        if (!o)
                return problem_set(why, "gateway", "out_of_memory", "out of memory");
        o->exchange = x;
        o->ask.lease_ms = ONCE_LEASE_MS;
        id_new(o->ask.token);
        if (id)
                snprintf(o->ask.job_id, sizeof(o->ask.job_id), "%s", id);
        else
                id_new(o->ask.job_id);
        if (!once_digest(o, exchange_who(x), key)) {
                free(o);
                return problem_set(why, "gateway", "out_of_memory", "out of memory");
        }
        o->gateway = g;
        o->next = g->onces;
        g->onces = o;
        *out = o;
        return 0;
}

int once_begin(struct once **out, struct gateway *g, struct exchange *x, const char *id, once_said *said, void *arg,
               struct problem *why)
{
        char key[REQUEST_KEY_SIZE];
        struct store *store = jobs_store(g->jobs);
        const char *header = exchange_header(x, "Idempotency-Key");
        if (!header)
                return 0;
        if (request_key_read(header, key, why))
                return 1;
        if (!store->backend->up(store))
                return problem_set(why, "store", "away",
                                   "the store, which keeps Idempotency-Keys, is away; nothing was done: ask again");
        const int code = once_new(out, g, x, key, id, why);
        if (code)
                return code;
        struct once *o = *out;
        o->said = said;
        o->arg = arg;
        store->access->once_begin(store, &o->ask, on_once_begun, o);
        return ONCE_ASKED;
}

/* ---- the end ---- */

static void once_then(struct once *o)
{
        void (*then)(void *arg) = o->then;
        o->then = NULL;
        if (then)
                then(o->arg);
}

/* Where it was not written down its lease ends by itself, and who asks again then does the same again. */
static void on_once_settled(enum store_result result, struct bytes stored, const struct problem *why, void *arg)
{
        struct once *o = (struct once *)arg;
        (void)result, (void)stored, (void)why;
        once_then(o);
        once_end(o);
}

void once_settle(struct once *o, bool done, void (*then)(void *arg), void *arg)
{
        struct once_end end = { .done = done };
        o->then = then;
        o->arg = arg;
        if (!o->gateway) {
                once_then(o);
                once_end(o);
                return;
        }
        struct store *store = jobs_store(o->gateway->jobs);
        memcpy(end.key, o->ask.key, sizeof(end.key));
        memcpy(end.job_id, o->ask.job_id, sizeof(end.job_id));
        memcpy(end.token, o->ask.token, sizeof(end.token));
        if (!store->backend->up(store))
                once_then(o);
        store->access->once_settle(store, &end, on_once_settled, o);
}
