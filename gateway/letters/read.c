/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/letters/letters.h"

#include "core/json.h"
#include "dlq/letter.h"
#include "gateway/own.h"

#include <stdio.h>
#include <stdlib.h>

enum { LETTERS_GROUPS = 1000, LETTERS_PAGE = 50 };

#define LETTERS_PARAMS                                                                                           \
        { "state", ROUTE_TEXT, 0, 0, "kept, or as an action leaves them; kept without it; any: all" },           \
                { "task", ROUTE_TEXT, 0, 0, "of this task; a * at the end stands for any" },                     \
                { "queue", ROUTE_TEXT, 0, 0, "that came from this queue" },                                      \
                { "code", ROUTE_TEXT, 0, 0, "that died of this; a * at the end stands for any" },                \
                { "group", ROUTE_TEXT, 0, 0, "of this group" }, { "user", ROUTE_TEXT, 0, 0, "of this user" },    \
                { "job", ROUTE_TEXT, 0, 0, "of this job" },                                                      \
                { "text", ROUTE_TEXT, 0, 0, "whose error message has this text" },                               \
                { "since", ROUTE_TIME, 0, 0, "died at or after" }, { "until", ROUTE_TIME, 0, 0, "died before" }, \
        {                                                                                                        \
                "upto", ROUTE_TEXT, 0, 0, "no later ones than this entry"                                        \
        }

const struct route_param letters_list_params[] = {
        LETTERS_PARAMS,
        { "limit", ROUTE_NUMBER, 1, 1000, "so many at most; 50 without it" },
        { 0 },
};

const struct route_param letters_groups_params[] = { LETTERS_PARAMS, { 0 } };

/* Somebody who reads; kept until the answer. */
struct letters_reading {
        struct gateway *gateway;
        struct exchange *exchange;
        json_t *shown; /* owned; what is known of the answer so far */
        unsigned limit;
        struct dead_filter filter;
        int64_t entry;
};

static const char *letters_parameter(const void *from, const char *name)
{
        return target_value((const struct target *)from, name);
}

static void letters_reading_end(struct letters_reading *r)
{
        exchange_drop(r->exchange);
        json_decref(r->shown);
        free(r);
}

/* NULL after an answer. */
static struct letters_reading *letters_reading_new(struct gateway *g, struct exchange *x)
{
        const struct letters_filter given = { letters_parameter, exchange_target(x) };
        struct problem why;
        struct letters_reading *r = calloc(1, sizeof(*r));
        if (!r) {
                answer_starved(x);
                return NULL;
        }
        *r = (struct letters_reading){ .gateway = g, .exchange = x };
        if (letters_filter_read(&given, &r->filter, &why)) {
                exchange_answer_problem(x, &why);
                free(r);
                return NULL;
        }
        exchange_keep(x, GATEWAY_ANSWER_MS);
        return r;
}

/* ---- lists ---- */

static void on_letters_page(const struct dead_letter *letters, size_t count, const struct problem *why, void *arg)
{
        struct letters_reading *r = (struct letters_reading *)arg;
        if (why) {
                exchange_answer_problem(r->exchange, why);
                letters_reading_end(r);
                return;
        }
        json_t *rows = json_array();
        for (size_t i = 0; i < count; i++)
                json_array_append_new(rows, letter_json(&letters[i], LETTER_SHORT));
        JSON_OWNED json_t *page =
                json_pack("{s:o, s:o}", "letters", rows, "upto",
                          count == r->limit && letters[count - 1].entry > 1 ? json_integer(letters[count - 1].entry - 1)
                                                                            : json_null());
        exchange_answer_json(r->exchange, 200, page);
        letters_reading_end(r);
}

void letters_list(void *owner, struct exchange *x)
{
        struct gateway *g = (struct gateway *)owner;
        struct store *store = jobs_store(g->jobs);
        struct letters_reading *r = letters_reading_new(g, x);
        if (!r)
                return;
        r->limit = (unsigned)route_number(exchange_target(x), "limit", LETTERS_PAGE);
        const struct dead_query query = {
                .filter = r->filter, .sort = DEAD_BY_ENTRY, .descending = true, .limit = r->limit, .plain = true
        };
        store->dead->read(store, &query, on_letters_page, r);
}

/* ---- groups ---- */

static void on_letters_count(json_t *count, const struct problem *why, void *arg)
{
        struct letters_reading *r = (struct letters_reading *)arg;
        if (why) {
                exchange_answer_problem(r->exchange, why);
        } else {
                JSON_OWNED json_t *all =
                        json_pack("{s:O, s:O, s:O}", "groups", r->shown, "count", json_object_get(count, "count"),
                                  "upto", json_object_get(count, "upto"));
                exchange_answer_json(r->exchange, 200, all);
        }
        letters_reading_end(r);
}

static void on_letters_groups(json_t *groups, const struct problem *why, void *arg)
{
        struct letters_reading *r = (struct letters_reading *)arg;
        struct store *store = jobs_store(r->gateway->jobs);
        if (why || exchange_is_over(r->exchange)) {
                if (why)
                        exchange_answer_problem(r->exchange, why);
                letters_reading_end(r);
                return;
        }
        r->shown = json_incref(groups);
        store->dead->count(store, &r->filter, on_letters_count, r); /* its texts are the request's */
}

void letters_groups(void *owner, struct exchange *x)
{
        struct gateway *g = (struct gateway *)owner;
        struct store *store = jobs_store(g->jobs);
        struct letters_reading *r = letters_reading_new(g, x);
        if (r)
                store->dead->groups(store, &r->filter, LETTERS_GROUPS, on_letters_groups, r);
}

/* ---- one entry ---- */

/* What requeueing it would do, and why where a worker could not read it. */
static void letters_add_prospect(const struct letters_reading *r, const struct dead_letter *l)
{
        struct problem why = { 0 };
        char text[sizeof(why.text) + 256];
        const struct gateway_config *config = &r->gateway->config;
        const enum letter_disposition disposition =
                letter_judge(config->catalog, l, NULL, config->body_most, NULL, &why);
        const bool told = *why.text && (letter_disposition_dooms(disposition) || disposition == DISPOSITION_UNREADABLE);
        snprintf(text, sizeof(text), "the task %s%s%s%s", letter_disposition_text(disposition), told ? " (" : "",
                 told ? why.text : "", told ? ")" : "");
        json_object_set_new(r->shown, "on_requeue", json_string(text));
}

static void on_letters_history(json_t *history, const struct problem *why, void *arg)
{
        struct letters_reading *r = (struct letters_reading *)arg;
        if (why) {
                exchange_answer_problem(r->exchange, why);
        } else {
                json_object_set(r->shown, "history", history);
                exchange_answer_json(r->exchange, 200, r->shown);
        }
        letters_reading_end(r);
}

static void on_letters_entry(const struct dead_letter *letters, size_t count, const struct problem *why, void *arg)
{
        struct letters_reading *r = (struct letters_reading *)arg;
        struct store *store = jobs_store(r->gateway->jobs);
        struct problem none;
        if (why || count == 0) {
                problem_set(&none, "request", "not_found", "there is no such entry");
                exchange_answer_problem(r->exchange, why ? why : &none);
                letters_reading_end(r);
                return;
        }
        r->shown = letter_json(&letters[0], LETTER_READABLE);
        letters_add_prospect(r, &letters[0]);
        store->dead->history(store, letters[0].entry, on_letters_history, r);
}

void letters_entry(void *owner, struct exchange *x)
{
        struct gateway *g = (struct gateway *)owner;
        struct store *store = jobs_store(g->jobs);
        struct letters_reading *r = letters_reading_new(g, x);
        if (!r)
                return;
        r->entry = strtoll(route_part(exchange_route(x), exchange_target(x), "entry"), NULL, 10);
        const struct dead_query query = { .filter = { .entries = &r->entry, .entry_count = 1 },
                                          .limit = 1,
                                          .content = true };
        store->dead->read(store, &query, on_letters_entry, r);
}
