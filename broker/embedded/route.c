/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/embedded/route.h"

#include "core/sqlite/sqlite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* So many are kept; delayed delivery's keys, for one, never come again. */
enum { ROUTES_MAX = 4096 };

/* ---- matching ---- */

static const char *word_end(const char *word)
{
        return word + strcspn(word, ".");
}

static const char *next_word(const char *word)
{
        const char *end = word_end(word);
        return *end ? end + 1 : NULL;
}

static bool word_is(const char *word, char c)
{
        return word[0] == c && word_end(word) == word + 1;
}

static bool embedded_route_same_word(const char *a, const char *b)
{
        const size_t size = (size_t)(word_end(a) - a);
        return size == (size_t)(word_end(b) - b) && memcmp(a, b, size) == 0;
}

/* The usual way with one wildcard that takes any number: remember the last one, and let it take one more when what follows fails. */
bool route_matches(const char *pattern, const char *key)
{
        const char *star = NULL, *star_key = NULL;
        while (key) {
                if (pattern && word_is(pattern, '#')) {
                        star = pattern = next_word(pattern);
                        star_key = key;
                        if (!star)
                                return true;
                } else if (pattern && (word_is(pattern, '*') || embedded_route_same_word(pattern, key))) {
                        pattern = next_word(pattern);
                        key = next_word(key);
                } else if (star) {
                        pattern = star;
                        key = star_key = next_word(star_key);
                } else {
                        return false;
                }
        }
        while (pattern && word_is(pattern, '#'))
                pattern = next_word(pattern);
        return !pattern;
}

/* ---- reading ---- */

static int count_rows(sqlite3 *db, const char *constant_sql, size_t *out)
{
        sqlite3_stmt *s = sqlite_statement(db, constant_sql);
        if (!s || sqlite3_step(s) != SQLITE_ROW)
                return sqlite3_errcode(db);
        *out = (size_t)sqlite3_column_int64(s, 0);
        return SQLITE_OK;
}

static const char *embedded_route_text_of(struct router *r, sqlite3_stmt *s, int column)
{
        return arena_copy(&r->arena, sqlite3_column_text(s, column), (size_t)sqlite3_column_bytes(s, column));
}

/* One row into its place. */
typedef bool read_row(struct router *r, sqlite3_stmt *s, size_t at);

static bool read_exchange(struct router *r, sqlite3_stmt *s, size_t at)
{
        return (r->exchanges[at] = embedded_route_text_of(r, s, 0)) != NULL;
}

static bool read_queue(struct router *r, sqlite3_stmt *s, size_t at)
{
        r->queues[at] = (struct route_queue){ embedded_route_text_of(r, s, 0), sqlite3_column_int64(s, 1) };
        return r->queues[at].name != NULL;
}

static bool read_binding(struct router *r, sqlite3_stmt *s, size_t at)
{
        struct route_binding *b = &r->bindings[at];
        *b = (struct route_binding){ embedded_route_text_of(r, s, 0), embedded_route_text_of(r, s, 1),
                                     embedded_route_text_of(r, s, 2), sqlite3_column_int(s, 3) };
        return b->source && b->routing_key && b->destination;
}

static int read_rows(struct router *r, sqlite3 *db, const char *constant_sql, size_t count, read_row *each)
{
        sqlite3_stmt *s = sqlite_statement(db, constant_sql);
        if (!s)
                return sqlite3_errcode(db);
        for (size_t i = 0; i < count; i++) {
                if (sqlite3_step(s) != SQLITE_ROW)
                        return sqlite3_errcode(db);
                if (!each(r, s, i))
                        return SQLITE_NOMEM;
        }
        return SQLITE_OK;
}

/* Everything is read inside one transaction, so the counts fit. */
static int embedded_route_read_all(struct router *r, sqlite3 *db)
{
        int code = count_rows(db, "select count(*) from broker_exchange", &r->exchange_count);
        if (!code)
                code = count_rows(db, "select count(*) from broker_queue", &r->queue_count);
        if (!code)
                code = count_rows(db, "select count(*) from broker_binding", &r->binding_count);
        if (code)
                return code;
        r->exchanges = arena_alloc(&r->arena, (r->exchange_count + 1) * sizeof(*r->exchanges));
        r->queues = arena_alloc(&r->arena, (r->queue_count + 1) * sizeof(*r->queues));
        r->bindings = arena_alloc(&r->arena, (r->binding_count + 1) * sizeof(*r->bindings));
        if (!r->exchanges || !r->queues || !r->bindings || map_new(&r->routes))
                return SQLITE_NOMEM;
        code = read_rows(r, db, "select name from broker_exchange", r->exchange_count, read_exchange);
        if (!code)
                code = read_rows(r, db, "select name, id from broker_queue", r->queue_count, read_queue);
        if (!code)
                code = read_rows(r, db, "select source, routing_key, destination, to_exchange from broker_binding",
                                 r->binding_count, read_binding);
        return code;
}

static int embedded_route_load(struct router *r, sqlite3 *db, int64_t version)
{
        router_free(r);
        const int code = embedded_route_read_all(r, db);
        if (code)
                router_free(r);
        r->version = version;
        return code;
}

/* ---- finding ---- */

struct search {
        const struct router *r;
        const char *key;
        bool *exchanges_seen, *queues_seen;
};

static void add_queue(struct search *s, const char *name)
{
        for (size_t i = 0; i < s->r->queue_count; i++)
                if (strcmp(s->r->queues[i].name, name) == 0)
                        s->queues_seen[i] = true;
}

static bool embedded_route_add_exchange(struct search *s, const char *name)
{
        for (size_t i = 0; i < s->r->exchange_count; i++)
                if (strcmp(s->r->exchanges[i], name) == 0)
                        return s->exchanges_seen[i] = true;
        return false;
}

static void embedded_route_follow(struct search *s, const char *exchange)
{
        for (size_t i = 0; i < s->r->binding_count; i++) {
                const struct route_binding *b = &s->r->bindings[i];
                if (strcmp(b->source, exchange) != 0 || !route_matches(b->routing_key, s->key))
                        continue;
                if (b->to_exchange)
                        embedded_route_add_exchange(s, b->destination);
                else
                        add_queue(s, b->destination);
        }
}

/* Follow the bindings of each exchange that was reached, until no further one is: they may lead round in circles. */
static void embedded_route_spread(struct search *s, bool *done)
{
        for (bool again = true; again;) {
                again = false;
                for (size_t i = 0; i < s->r->exchange_count; i++) {
                        if (!s->exchanges_seen[i] || done[i])
                                continue;
                        again = done[i] = true;
                        embedded_route_follow(s, s->r->exchanges[i]);
                }
        }
}

static struct routing *make_route(struct router *r, const char *exchange, const char *key, const char *name)
{
        struct arena scratch = { 0 };
        struct search s = { .r = r, .key = key };
        s.exchanges_seen = arena_alloc(&scratch, r->exchange_count + 1);
        s.queues_seen = arena_alloc(&scratch, r->queue_count + 1);
        bool *done = arena_alloc(&scratch, r->exchange_count + 1);
        struct routing *route = arena_alloc(&r->arena, sizeof(*route) + (r->queue_count + 1) * sizeof(int64_t));
        if (s.exchanges_seen && s.queues_seen && done && route && (route->key = arena_string(&r->arena, name))) {
                route->exchange_exists = !*exchange || embedded_route_add_exchange(&s, exchange);
                if (*exchange)
                        embedded_route_spread(&s, done);
                else
                        add_queue(&s, key);
                for (size_t i = 0; i < r->queue_count; i++)
                        if (s.queues_seen[i])
                                route->queues[route->count++] = r->queues[i].id;
        } else {
                route = NULL;
        }
        arena_free(&scratch);
        return route && map_put(r->routes, route->key, route) == 0 ? route : NULL;
}

static int current_version(sqlite3 *db, int64_t *out)
{
        sqlite3_stmt *s = sqlite_statement(db, "select version from broker_declared");
        if (!s || sqlite3_step(s) != SQLITE_ROW)
                return sqlite3_errcode(db);
        *out = sqlite3_column_int64(s, 0);
        return SQLITE_OK;
}

/* Exchange and key as one text: the exchange's size keeps them apart. */
static char *embedded_route_name_of(const char *exchange, const char *key, char *buffer, size_t size)
{
        char *made = buffer;
        const int wanted = snprintf(buffer, size, "%zu %s %s", strlen(exchange), exchange, key);
        if (wanted < 0)
                return NULL;
        if ((size_t)wanted >= size && asprintf(&made, "%zu %s %s", strlen(exchange), exchange, key) < 0)
                return NULL;
        return made;
}

int router_find(struct router *r, sqlite3 *db, const char *exchange, const char *key, const struct routing **out)
{
        char buffer[600];
        int64_t version = 0;
        int code = current_version(db, &version);
        if (!code && (!r->routes || r->version != version || map_count(r->routes) >= ROUTES_MAX))
                code = embedded_route_load(r, db, version);
        if (code)
                return code;
        char *name = embedded_route_name_of(exchange, key, buffer, sizeof(buffer));
        if (!name)
                return SQLITE_NOMEM;
        *out = map_get(r->routes, name);
        if (!*out)
                *out = make_route(r, exchange, key, name);
        if (name != buffer)
                free(name);
        return *out ? SQLITE_OK : SQLITE_NOMEM;
}

void router_free(struct router *r)
{
        map_free(r->routes);
        arena_free(&r->arena);
        *r = (struct router){ 0 };
}
