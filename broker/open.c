/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/broker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

const struct broker_backend *broker_backend_of(const char *urls)
{
        const char *scheme = urls + strspn(urls, " \t\r\n");
        const size_t size = strcspn(scheme, ":");
        for (const struct broker_backend *const *b = broker_backends; *b; b++)
                for (const char *const *s = (*b)->schemes; *s; s++)
                        if (strlen(*s) == size && strncasecmp(*s, scheme, size) == 0)
                                return *b;
        return NULL;
}

/* Each scheme, a blank before it. */
static void list_schemes(char *out, size_t size)
{
        size_t used = 0;
        for (const struct broker_backend *const *b = broker_backends; *b; b++)
                for (const char *const *s = (*b)->schemes; *s && used < size; s++)
                        used += (size_t)snprintf(out + used, size - used, " %s:", *s);
}

int broker_open(struct broker **out, const struct broker_config *config, const struct broker_listener *listener,
                struct problem *why)
{
        const struct broker_backend *backend = broker_backend_of(config->urls ? config->urls : "");
        char schemes[128] = "";
        if (!backend) {
                list_schemes(schemes, sizeof(schemes));
                return problem_set(why, "broker", "bad_url",
                                   "the broker URL names no known broker: it starts with one of%s", schemes);
        }
        return backend->open(out, config, listener, why);
}

void delivery_free(struct delivery *d)
{
        free(d);
}
