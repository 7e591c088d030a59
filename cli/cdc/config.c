/* SPDX-License-Identifier: Apache-2.0 */
/* `chard cdc config`: how Debezium's connector must be configured, for whoever makes it. */
#include "cli/cdc/cdc.h"

#include "cdc/connector.h"
#include "cli/common/view.h"
#include "core/text/url.h"

#include <stdio.h>
#include <string.h>

/* The database as the store's URL names it; what that does not say stays a word in its place. */
static void cdc_config_names(struct cdc_names *names, const struct url *u)
{
        names->host = u->host;
        names->port = u->port;
        names->user = u->user;
        names->database = u->path && u->path[0] == '/' && u->path[1] ? u->path + 1 : NULL;
}

static int cdc_config_print(const struct command *self, const struct cdc_names *names)
{
        json_t *config = connector_config(names);
        if (!config) {
                fprintf(stderr, "chard %s: out of memory\n", self->name);
                return EXIT_FAILED;
        }
        view_indented(config);
        json_decref(config);
        return EXIT_DONE;
}

static int cdc_config_run(const struct command *self, int argc, char **argv)
{
        struct settings s;
        struct url u = { 0 };
        int code;
        if (!command_load(self, NULL, &s, argc, argv, NULL, &code))
                return code;
        struct cdc_names names = { .connector = CDC_CONNECTOR, .prefix = s.kafka_prefix };
        if (strncmp(s.store_url, "postgres", 8) == 0 && url_read(s.store_url, &u) == 0)
                cdc_config_names(&names, &u);
        code = cdc_config_print(self, &names);
        url_free(&u);
        settings_free(&s);
        return code;
}

const struct command command_cdc_config = {
        .name = "cdc config",
        .summary = "Print how Debezium's connector must be configured",
        .usage = "[--store-url URL] [--kafka-prefix PREFIX]",
        .example =
                "  chard cdc config | curl -X PUT -H 'Content-Type: application/json' -d @- http://connect:8083/connectors/chard-outbox/config",
        .details =
                "Host, port, user and name of the database are those of the store's URL. The password is one that Kafka Connect looks up, in its\n"
                "environment's CHARD_CONNECT_PASSWORD; its worker needs config.providers=env and\n"
                "config.providers.env.class=org.apache.kafka.common.config.provider.EnvVarConfigProvider. The user must be allowed to replicate, to\n"
                "read chard.outbox and chard.heartbeat, and to update the latter.",
        .serverless = true,
        .run = cdc_config_run,
};
