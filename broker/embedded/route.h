/* SPDX-License-Identifier: Apache-2.0 */
/* Which queues a message goes to: exchanges and bindings, read from the file and kept until they change. Owned by the file's thread. */
#ifndef CHARD_BROKER_EMBEDDED_ROUTE_H
#define CHARD_BROKER_EMBEDDED_ROUTE_H

#include "core/arena.h"
#include "core/map.h"

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct route_queue {
        const char *name;
        int64_t id;
};

struct route_binding {
        const char *source, *routing_key, *destination;
        bool to_exchange;
};

/* Zero-initialise to start. */
struct router {
        struct arena arena; /* all texts and lists of this version */
        int64_t version;
        const char **exchanges;
        struct route_queue *queues;
        struct route_binding *bindings;
        size_t exchange_count, queue_count, binding_count;
        struct map *routes; /* found before, by exchange and key */
};

struct routing {
        const char *key;
        bool exchange_exists;
        size_t count;
        int64_t queues[];
};

/* Does a binding's key (words between dots, * = one word, # = any number) match a routing key? Pure. */
bool route_matches(const char *pattern, const char *key);

/* Find the queues of a message; borrowed until the next call. Returns SQLITE_OK or why not. */
int router_find(struct router *r, sqlite3 *db, const char *exchange, const char *key, const struct routing **out);

void router_free(struct router *r);

#endif
