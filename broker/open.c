/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/broker.h"

#include "broker/amqp/amqp.h"
#include "broker/embedded/embedded.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* One line a backend. */
static const struct broker_backend *const BACKENDS[] = {
        &amqp_backend,
        &embedded_backend,
};

const struct broker_backend *broker_backend_of(const char *urls)
{
        const char *scheme = urls + strspn(urls, " \t\r\n");
        const size_t size = strcspn(scheme, ":");
        for (size_t i = 0; i < sizeof(BACKENDS) / sizeof(*BACKENDS); i++)
                for (const char *const *s = BACKENDS[i]->schemes; *s; s++)
                        if (strlen(*s) == size && strncasecmp(*s, scheme, size) == 0)
                                return BACKENDS[i];
        return NULL;
}

int broker_open(struct broker **out, const struct broker_config *config, const struct broker_listener *listener,
                struct problem *why)
{
        const struct broker_backend *backend = broker_backend_of(config->urls ? config->urls : "");
        if (!backend)
                return problem_set(
                        why, "broker", "bad_url",
                        "the broker URL names no known broker: it starts with amqp://, amqps:// or embedded:");
        return backend->open(out, config, listener, why);
}

void delivery_free(struct delivery *d)
{
        free(d);
}
