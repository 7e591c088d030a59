/* SPDX-License-Identifier: Apache-2.0 */
/* An action over many entries, as dlq/bulk.c does it: the request is answered when it has ended. A client that leaves stops it after the batch that is under way. */
#include "gateway/letters/letters.h"

#include "core/id.h"
#include "core/json.h"
#include "dlq/dlq.h"
#include "gateway/own.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
        ACT_MOST = 10000, /* entries a request */
        ACT_MOST_RATE = 1000000,
        ACT_ANSWER_MS = 120000, /* what a slow store takes for so many */
        ACT_WHO_SIZE = EXCHANGE_WHO_SIZE + 8,
        ACT_MOST_TEXT = 1000,
};

struct letters_acting {
        struct gateway *gateway;
        struct exchange *exchange;
        const struct dlq_action *action;
        struct dlq_bulk *bulk; /* NULL: it has not begun */
        bool stops;            /* nobody waits for it any more */
        json_t *body;          /* owned: the filter's texts are in it */
        struct dlq_bulk_config config;
        int64_t entries[LETTERS_MOST_ENTRIES];
        int64_t after; /* the last one that was looked at */
        size_t total;  /* that the filter leaves, whatever the request's limit */
        char who[ACT_WHO_SIZE], operation[ID_TEXT_SIZE];
        char *scope; /* owned */
};

static void acting_end(struct letters_acting *a)
{
        exchange_on_over(a->exchange, NULL, NULL);
        exchange_drop(a->exchange);
        json_decref(a->body);
        free(a->scope);
        free(a);
}

/* ---- what was asked for ---- */

static const char *acting_text(const void *from, const char *name)
{
        return json_text((const json_t *)from, name, NULL);
}

static int acting_refuse(struct problem *why, const char *what)
{
        return problem_set(why, "request", "bad_request", "%s", what);
}

static int acting_read_entries(struct letters_acting *a, struct problem *why)
{
        const json_t *all = json_object_get(a->body, "entries");
        size_t i;
        json_t *one;
        if (!all)
                return 0;
        if (!json_is_array(all) || json_array_size(all) == 0 || json_array_size(all) > LETTERS_MOST_ENTRIES)
                return acting_refuse(why, "\"entries\" must be a list of 1 to 1000 numbers");
        json_array_foreach(all, i, one) {
                a->entries[i] = json_integer_value(one);
                if (a->entries[i] < 1 || (i > 0 && a->entries[i] <= a->entries[i - 1]))
                        return acting_refuse(why, "\"entries\" must be numbers of entries, each once, rising");
        }
        a->config.filter.entries = a->entries;
        a->config.filter.entry_count = json_array_size(all);
        return 0;
}

/* A filter that is there and leaves everything in is said so: {"filter": {}}. */
static int acting_read_filter(struct letters_acting *a, struct problem *why)
{
        static const char *const names[] = {
                "task", "queue", "code", "group", "user", "job", "text", "since", "until"
        };
        const json_t *given = json_object_get(a->body, "filter");
        const struct letters_filter filter = { acting_text, given };
        const char *name;
        json_t *value;
        if (!json_is_object(given) && !json_object_get(a->body, "entries"))
                return acting_refuse(why,
                                     "say which: {\"filter\": {…}}, {} for all of them, or {\"entries\": [numbers]}");
        json_object_foreach((json_t *)given, name, value) {
                bool known = false;
                for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
                        known = known || strcmp(names[i], name) == 0;
                if (!known || !json_is_string(value))
                        return problem_set(why, "request", "bad_request", "the filter's \"%.40s\" is none, or no text",
                                           name);
        }
        if (letters_filter_read(&filter, &a->config.filter, why))
                return 1;
        return acting_read_entries(a, why);
}

static int acting_read_numbers(struct letters_acting *a, struct problem *why)
{
        const json_int_t most = json_number(a->body, "most", ACT_MOST), rate = json_number(a->body, "rate", 0),
                         upto = json_number(a->body, "upto", 0), after = json_number(a->body, "after", 0);
        if (most < 1 || most > ACT_MOST)
                return acting_refuse(why, "\"most\" must be 1 to 10000");
        if (rate < 0 || rate > ACT_MOST_RATE)
                return acting_refuse(why, "\"rate\" must be 0 to 1000000");
        if (upto < 0 || after < 0)
                return acting_refuse(why, "\"upto\" and \"after\" must be numbers of entries");
        a->config.most = (size_t)most;
        a->config.rate = (unsigned)rate;
        a->config.filter.upto = upto;
        a->config.filter.after = a->after = after;
        return 0;
}

static int acting_read_texts(struct letters_acting *a, struct problem *why)
{
        const char *reason = json_text(a->body, "reason", ""), *operation = json_text(a->body, "operation", "");
        const char *who = exchange_who(a->exchange);
        if (strlen(reason) > ACT_MOST_TEXT)
                return acting_refuse(why, "\"reason\" is too long");
        if (strlen(operation) >= sizeof(a->operation))
                return acting_refuse(why, "\"operation\" must be the one of an earlier answer");
        snprintf(a->who, sizeof(a->who), "%s%s", *who ? "key:" : "http", who);
        if (*operation)
                snprintf(a->operation, sizeof(a->operation), "%s", operation);
        else
                id_new(a->operation);
        const json_t *scope = json_object_get(a->body, "filter");
        a->scope = json_dumps(scope ? scope : json_object_get(a->body, "entries"), JSON_COMPACT);
        if (!a->scope)
                return problem_set(why, "gateway", "out_of_memory", "out of memory");
        a->config.act =
                (struct dead_act){ .operation = a->operation, .who = a->who, .reason = reason, .scope = a->scope };
        a->config.to = json_text(a->body, "to", NULL);
        a->config.rehearse = json_is_true(json_object_get(a->body, "rehearse"));
        return 0;
}

static int acting_read(struct letters_acting *a, struct problem *why)
{
        if (!json_is_object(a->body))
                return acting_refuse(why, "the body must be an object");
        if (acting_read_filter(a, why) || acting_read_numbers(a, why) || acting_read_texts(a, why))
                return 1;
        return 0;
}

/* ---- what became of it ---- */

static json_t *acting_outcomes(const struct dlq_tally *t)
{
        static const char *const names[] = {
                [DEAD_DONE] = "done",       [DEAD_RESUMED] = "resumed", [DEAD_SUCCEEDED] = "succeeded",
                [DEAD_ALIVE] = "alive",     [DEAD_WAITING] = "waiting", [DEAD_REVOKED] = "revoked",
                [DEAD_CHANGED] = "changed", [DEAD_SETTLED] = "settled", [DEAD_MISSING] = "missing",
        };
        json_t *all = json_object();
        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
                if (t->outcomes[i])
                        json_object_set_new(all, names[i], json_integer((json_int_t)t->outcomes[i]));
        return all;
}

static void on_acting_done(enum dlq_end end, const struct dlq_tally *tally, void *arg)
{
        static const char *const ends[] = { [DLQ_ENDED] = "ended", [DLQ_STOPPED] = "stopped", [DLQ_FAILED] = "failed" };
        struct letters_acting *a = (struct letters_acting *)arg;
        if (end == DLQ_FAILED) {
                exchange_answer_problem(a->exchange, &tally->why);
        } else {
                JSON_OWNED json_t *done = json_pack(
                        "{s:s, s:b, s:s, s:s, s:I, s:I, s:I, s:I, s:o, s:o, s:o, s:I, s:s}", "action",
                        a->action->does.name, "rehearse", (int)a->config.rehearse, "end", ends[end], "operation",
                        a->operation, "total", (json_int_t)a->total, "seen", (json_int_t)tally->seen, "upto",
                        (json_int_t)tally->upto, "after", (json_int_t)a->after, "outcomes", acting_outcomes(tally),
                        a->config.rehearse ? "would" : "not_tried", dlq_dispositions_json(tally->dispositions),
                        "die_again", dlq_dispositions_json(tally->doomed), "refused", (json_int_t)tally->refused, "why",
                        tally->refused ? tally->why.text : "");
                exchange_answer_json(a->exchange, 200, done);
        }
        acting_end(a);
}

static void on_acting_became(int64_t entry, int disposition, int outcome, void *arg)
{
        struct letters_acting *a = (struct letters_acting *)arg;
        (void)disposition;
        (void)outcome;
        a->after = entry > a->after ? entry : a->after;
}

/* Its client has left, or its time is up, or the server stops. */
static void on_acting_over(struct exchange *x, void *arg)
{
        struct letters_acting *a = (struct letters_acting *)arg;
        (void)x;
        a->stops = true;
        if (a->bulk)
                dlq_bulk_stop(a->bulk);
}

/* The bulk counts no further than it will go: whoever looks wants to know of all. */
static void on_acting_count(json_t *count, const struct problem *why, void *arg)
{
        struct letters_acting *a = (struct letters_acting *)arg;
        if (why || a->stops) {
                if (why)
                        exchange_answer_problem(a->exchange, why);
                acting_end(a);
                return;
        }
        a->total = (size_t)json_number(count, "count", 0);
        if (dlq_bulk_start(&a->bulk, &a->config) < 0) {
                answer_starved(a->exchange);
                acting_end(a);
        }
}

/* ---- beginning ---- */

void letters_act(void *owner, struct exchange *x)
{
        struct gateway *g = (struct gateway *)owner;
        struct store *store = jobs_store(g->jobs);
        const char *name = route_part(exchange_route(x), exchange_target(x), "action");
        const struct dlq_action *action = dlq_action_named(name);
        struct problem why;
        json_t *body = action ? body_json(x) : NULL;
        struct letters_acting *a = body ? calloc(1, sizeof(*a)) : NULL;
        if (!action) {
                problem_set(&why, "request", "not_found", "nothing that is done to dead letters is called \"%.40s\"",
                            name);
                exchange_answer_problem(x, &why);
                return;
        }
        if (body && !a) {
                json_decref(body);
                answer_starved(x);
        }
        if (!a)
                return;
        *a = (struct letters_acting){
                .gateway = g,
                .exchange = x,
                .action = action,
                .body = body,
                .config = { .store = store,
                            .catalog = g->config.catalog,
                            .action = action,
                            .max_body = g->config.body_most,
                            .done = on_acting_done,
                            .became = on_acting_became,
                            .arg = a },
        };
        exchange_keep(x, ACT_ANSWER_MS);
        exchange_on_over(x, on_acting_over, a);
        if (acting_read(a, &why)) {
                exchange_answer_problem(x, &why);
                acting_end(a);
                return;
        }
        a->config.filter.state = "kept"; /* as the bulk has it */
        store->dead->count(store, &a->config.filter, on_acting_count, a);
}
