/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/jobs/client.h"

int jobs_client_open(struct jobs_client *c, const struct command *self, const struct settings *s,
                     const struct catalog *catalog, unsigned doors)
{
        char name[64];
        *c = (struct jobs_client){ .self = self };
        wait_open(&c->wait);
        int code = 0;
        if (!catalog)
                catalog = c->made = command_catalog(self, s, &code);
        if (!catalog)
                return code;
        c->catalog = catalog;
        snprintf(name, sizeof(name), "chard %s", self->name);
        const struct jobs_config config = {
                .loop = &c->wait.loop,
                .catalog = catalog,
                .broker_urls = doors & JOBS_BROKER ? s->broker_url : NULL,
                .broker_ca_file = setting_or_null(s->broker_ca_file),
                .store_url = doors & JOBS_STORE ? s->store_url : NULL,
                .name = name,
                .heartbeat_s = (unsigned)s->heartbeat_s,
                .connect_timeout_ms = (unsigned)s->connect_timeout_ms,
                .broker_optional = doors & (JOBS_BROKER_OPTIONAL & ~JOBS_BROKER),
        };
        code = jobs_open(&c->jobs, &config, &c->why);
        return code ? command_fail(self, code, &c->why) : 0;
}

void jobs_client_close(struct jobs_client *c)
{
        jobs_close(c->jobs);
        wait_close(&c->wait);
        catalog_unref(c->made);
        json_decref(c->value);
        *c = (struct jobs_client){ 0 };
}

void jobs_client_on_value(json_t *value, const struct problem *why, void *arg)
{
        struct jobs_client *c = (struct jobs_client *)arg;
        json_decref(c->value);
        c->value = json_incref(value);
        c->failed = why != NULL;
        if (why)
                c->why = *why;
        wait_done(&c->wait);
}

int jobs_client_wait(struct jobs_client *c, uint64_t ms)
{
        if (!wait_for(&c->wait, ms)) {
                fprintf(stderr, "chard %s: the store does not answer\n", c->self->name);
                return EXIT_UNREACHABLE;
        }
        return c->failed ? command_fail(c->self, 1, &c->why) : 0;
}
