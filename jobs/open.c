/* SPDX-License-Identifier: Apache-2.0 */
/* Opening and closing. */
#include "jobs/own.h"

#include <errno.h>
#include <stdlib.h>

static int jobs_open_broker(struct jobs *j, const struct jobs_config *config, struct problem *why)
{
        const struct broker_listener deaf = { 0 };
        const struct broker_config broker = {
                .loop = config->loop,
                .urls = config->broker_urls,
                .ca_file = config->broker_ca_file,
                .name = config->name,
                .heartbeat_s = config->heartbeat_s,
                .connect_timeout_ms = config->connect_timeout_ms,
        };
        const int code = config->broker_urls ? broker_open(&j->broker, &broker, &deaf, why) : 0;
        return config->broker_optional && code == 1 ? 0 : code;
}

static int jobs_open_store(struct jobs *j, const struct jobs_config *config, struct problem *why)
{
        const struct store_config store = {
                .loop = config->loop,
                .url = config->store_url,
                .owner = config->name,
                .connect_timeout_ms = config->connect_timeout_ms,
        };
        return config->store_url ? store_open(&j->store, &store, why) : 0;
}

int jobs_over(struct jobs **out, uv_loop_t *loop, const struct catalog *catalog, struct store *store,
              struct broker *broker)
{
        struct jobs *j = calloc(1, sizeof(*j));
        if (!j)
                return -ENOMEM;
        *j = (struct jobs){ .loop = loop, .catalog = catalog, .store = store, .broker = broker };
        *out = j;
        return 0;
}

int jobs_open(struct jobs **out, const struct jobs_config *config, struct problem *why)
{
        struct jobs *j = NULL;
        int code = jobs_over(&j, config->loop, config->catalog, NULL, NULL);
        if (code)
                return code;
        j->owns = true;
        code = jobs_open_store(j, config, why);
        if (code == 0)
                code = jobs_open_broker(j, config, why);
        if (code)
                jobs_close(j);
        else
                *out = j;
        return code;
}

void jobs_close(struct jobs *j)
{
        if (!j)
                return;
        j->closing = true;
        cancels_leave(j);
        blobs_leave(j);
        if (j->watch)
                watch_close(j->watch);
        if (j->outlast)
                outlast_close(j->outlast);
        if (j->owns && j->broker)
                broker_close(j->broker);
        if (j->owns && j->store)
                j->store->backend->close(j->store);
        free(j);
}

struct broker *jobs_broker(const struct jobs *j)
{
        return j->broker;
}

struct store *jobs_store(const struct jobs *j)
{
        return j->store;
}

int jobs_without(struct problem *why, const char *door)
{
        return problem_set(why, door, *door == 's' ? "no_store" : "no_broker", "the %s is not open", door);
}

bool jobs_unstored(const struct jobs *j, json_done *done, void *arg)
{
        struct problem why;
        if (j->store && !j->closing)
                return false;
        jobs_without(&why, "store");
        done(NULL, &why, arg);
        return true;
}
