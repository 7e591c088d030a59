/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/common/store_client.h"

#include <pwd.h>
#include <stdio.h>
#include <unistd.h>

enum { ANSWER_MS = 30000 };

int store_client_open(struct store_client *c, const struct command *self, const struct settings *s)
{
        *c = (struct store_client){ .self = self, .answer_ms = c->answer_ms };
        int code = 0;
        c->catalog = command_catalog(self, s, &code);
        if (!c->catalog)
                return code;
        wait_open(&c->wait);
        const struct store_config config = { .loop = &c->wait.loop,
                                             .url = s->store_url,
                                             .owner = "chard dlq",
                                             .connect_timeout_ms = (unsigned)s->connect_timeout_ms,
                                             .answer_timeout_ms = c->answer_ms };
        code = store_open(&c->store, &config, &c->why);
        return code ? command_fail(self, code, &c->why) : 0;
}

void store_client_close(struct store_client *c)
{
        if (!c->catalog)
                return;
        if (c->store)
                c->store->backend->close(c->store);
        wait_close(&c->wait);
        catalog_unref(c->catalog);
        json_decref(c->value);
}

int store_client_wait(struct store_client *c)
{
        if (!wait_for(&c->wait, c->answer_ms ? c->answer_ms : ANSWER_MS)) {
                fprintf(stderr, "chard %s: the store does not answer\n", c->self->name);
                return EXIT_UNREACHABLE;
        }
        return c->failed ? command_fail(c->self, 1, &c->why) : 0;
}

static void store_client_heard(struct store_client *c, const struct problem *why)
{
        c->failed = why != NULL;
        if (why)
                c->why = *why;
        wait_done(&c->wait);
}

void store_client_on_json(json_t *value, const struct problem *why, void *arg)
{
        struct store_client *c = (struct store_client *)arg;
        json_decref(c->value);
        c->value = json_incref(value);
        store_client_heard(c, why);
}

void store_client_on_result(enum store_result result, struct bytes stored, const struct problem *why, void *arg)
{
        struct store_client *c = (struct store_client *)arg;
        (void)stored;
        c->result = result;
        store_client_heard(c,
                           result == STORE_REFUSED || result == STORE_CLOSED || result == STORE_STARVED ? why : NULL);
}

const char *store_client_who(struct store_client *c)
{
        const struct passwd *entry = getpwuid(getuid());
        if (entry)
                snprintf(c->who, sizeof(c->who), "os:%s", entry->pw_name);
        else
                snprintf(c->who, sizeof(c->who), "os:%lu", (unsigned long)getuid());
        return c->who;
}
