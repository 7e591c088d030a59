/* SPDX-License-Identifier: Apache-2.0 */
#include "store/store.h"

#include <string.h>
#include <strings.h>

static bool open_has_scheme(const struct store_backend *backend, const char *url, size_t length)
{
        for (const char *const *scheme = backend->schemes; *scheme; scheme++) {
                if (strlen(*scheme) == length && strncasecmp(*scheme, url, length) == 0)
                        return true;
        }
        return false;
}

static const struct store_backend *backend_of(const char *url, struct problem *why)
{
        size_t length = url ? strcspn(url, ":") : 0;

        for (const struct store_backend *const *b = store_backends; *b; b++)
                if (open_has_scheme(*b, url ? url : "", length))
                        return *b;
        /* The URL may hold a password, and without its scheme nobody can say where. */
        problem_set(why, "store", "bad_url", "the store's URL must start with postgresql:// or sqlite:");
        return NULL;
}

int store_open(struct store **out, const struct store_config *config, struct problem *why)
{
        const struct store_backend *backend = backend_of(config->url, why);
        int rc = backend ? backend->open(out, config, why) : 1;

        if (rc == 0) {
                (*out)->run = backend->run;
                (*out)->schedule = backend->schedule;
                (*out)->read = backend->read;
                (*out)->dead = backend->dead;
                (*out)->inbox = backend->inbox;
                (*out)->consumer = backend->consumer;
                (*out)->seal = backend->seal;
                (*out)->cdc = backend->cdc;
                (*out)->carry = backend->carry;
                (*out)->fleet = backend->fleet;
                (*out)->access = backend->access;
                (*out)->webhook = backend->webhook;
                (*out)->blob = backend->blob;
        }
        return rc;
}

int store_migrate(const struct store_migration *migration, struct problem *why)
{
        const struct store_backend *backend = backend_of(migration->url, why);

        return backend ? backend->migrate(migration, why) : 1;
}
