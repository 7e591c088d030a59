/* SPDX-License-Identifier: Apache-2.0 */
/* `chard cdc check`: are connector, slot, publication and topics as they must be? */
#include "cli/cdc/cdc.h"

#include "cdc/check.h"
#include "cdc/connect.h"
#include "cdc/connector.h"
#include "cdc/topics.h"
#include "cli/common/flags.h"
#include "cli/common/store_client.h"
#include "cli/common/view.h"
#include "core/json.h"
#include "core/text/print.h"
#include "store/cdc.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct checking {
        struct store_client client;
        struct cdc_names names;
        const struct settings *settings;
        json_t *report;
        json_int_t most_lag;
};

/* ---- Kafka Connect ---- */

static struct cdc_subject check_of_connector(const struct checking *c)
{
        return (struct cdc_subject){ "connector", c->names.connector };
}

static int check_out_of_reach(struct checking *c, struct cdc_subject of, int code, const struct problem *why)
{
        if (code > 0)
                cdc_say(c->report, CDC_DIFFERS, of, NULL, "%s", why->text);
        return code < 0 ? code : 0;
}

/* What is said of one thing that Connect was asked for: 0 or -errno. */
static int check_connector_parts(struct checking *c, struct connect *connect)
{
        struct problem why = { 0 };
        JSON_OWNED json_t *config = NULL;
        JSON_OWNED json_t *status = NULL;
        JSON_OWNED json_t *offsets = NULL;
        int code = connect_get(connect, "config", &config, &why);
        if (code == 0 && !config) {
                cdc_say(c->report, CDC_DIFFERS, check_of_connector(c),
                        "put what `chard cdc config` prints to /connectors/NAME/config of Kafka Connect",
                        "there is none");
                return 0;
        }
        if (code == 0)
                code = connect_get(connect, "status", &status, &why);
        if (code)
                return check_out_of_reach(c, check_of_connector(c), code, &why);
        connector_compare(c->report, &c->names, config);
        connector_status(c->report, &c->names, status);
        code = connect_get(connect, "offsets", &offsets, &why); /* Connect before 3.6 has none */
        if (code < 0)
                return code;
        if (json_is_object(c->client.value))
                connector_offsets(c->report, offsets, cdc_slot_confirmed(c->client.value));
        return 0;
}

static int check_connector(struct checking *c)
{
        struct connect *connect = NULL;
        struct problem why = { 0 };
        if (!*c->settings->connect_url) {
                cdc_say(c->report, CDC_UNCHECKED, check_of_connector(c), "set CHARD_CONNECT_URL, or --connect-url",
                        "nobody said where Kafka Connect is");
                return 0;
        }
        int code = connect_open(&connect, c->settings->connect_url, c->names.connector, &why);
        if (code)
                return check_out_of_reach(c, check_of_connector(c), code, &why);
        code = check_connector_parts(c, connect);
        connect_close(connect);
        return code;
}

/* ---- Kafka ---- */

static void check_want_topic(json_t *wanted, const char *name)
{
        size_t i;
        const json_t *one;
        json_array_foreach(wanted, i, one)
                if (strcmp(json_string_value(one), name) == 0)
                        return;
        json_array_append_new(wanted, json_string(name));
}

/* Those that consumers read, and those that are there and hold events. New reference. */
static json_t *check_wanted_topics(const struct checking *c, const json_t *kafka)
{
        const char *prefix = c->settings->kafka_prefix, *name;
        json_t *wanted = json_array();
        size_t count, i;
        const json_t *topic;
        char text[256];
        const struct consumer *all = catalog_consumers(c->client.catalog, &count);
        for (i = 0; i < count; i++)
                for (const char *const *type = all[i].def->aggregates; *type; type++) {
                        snprintf(text, sizeof(text), "%s%s", prefix, *type);
                        check_want_topic(wanted, text);
                }
        json_array_foreach(json_object_get(kafka, "topics"), i, topic) {
                name = json_text(topic, "name", "");
                const size_t size = strlen(name);
                const bool dead = size > 4 && strcmp(name + size - 4, ".dlt") == 0;
                if (!dead && strncmp(name, "chard.chard.", 12) != 0) /* the tables themselves: the heartbeat */
                        check_want_topic(wanted, name);
        }
        return wanted;
}

static int check_kafka(struct checking *c)
{
        const struct cdc_subject of = { "topic", "" };
        struct problem why = { 0 };
        JSON_OWNED json_t *kafka = NULL;
        JSON_OWNED json_t *wanted = NULL;
        if (!*c->settings->kafka_servers) {
                cdc_say(c->report, CDC_UNCHECKED, of, "set CHARD_KAFKA_SERVERS, or --kafka-servers",
                        "nobody said where Kafka is");
                return 0;
        }
        const int code = topics_look(c->settings->kafka_servers, c->settings->kafka_properties,
                                     c->settings->kafka_prefix, &kafka, &why);
        if (code)
                return check_out_of_reach(c, of, code, &why);
        wanted = check_wanted_topics(c, kafka);
        cdc_check_topics(c->report, kafka, wanted);
        return 0;
}

/* ---- all of it ---- */

static int check_everything(struct checking *c)
{
        struct store *s = c->client.store;
        s->cdc->look(s, store_client_on_json, &c->client);
        int code = store_client_wait(&c->client);
        if (code)
                return code;
        const unsigned long lost = json_memory_lost();
        c->report = json_array();
        c->names.database = json_is_object(c->client.value) ? json_text(c->client.value, "database", NULL) : NULL;
        cdc_check_store(c->report, c->client.value, c->most_lag);
        code = check_connector(c);
        if (code == 0)
                code = check_kafka(c);
        code = json_whole_since(lost, code);
        return code < 0 ? command_fail(c->client.self, code, NULL) : EXIT_DONE;
}

static void check_print(const json_t *line)
{
        const char *name = json_text(line, "name", ""), *advice = json_text(line, "advice", "");
        printf("%-9s  %s%s", json_text(line, "verdict", "?"), json_text(line, "part", "?"), *name ? " " : "");
        print_plain(stdout, name);
        fputs(": ", stdout);
        print_plain(stdout, json_text(line, "text", ""));
        putchar('\n');
        if (*advice) {
                printf("%-9s  -> ", "");
                print_plain(stdout, advice);
                putchar('\n');
        }
}

static int check_tell(const struct checking *c, bool json)
{
        size_t i;
        const json_t *line;
        json_array_foreach(c->report, i, line) {
                if (json)
                        view_json(line);
                else
                        check_print(line);
        }
        return cdc_count(c->report, CDC_DIFFERS) > 0 ? EXIT_FAILED : EXIT_DONE;
}

static int cdc_check_with(const struct command *self, struct checking *c, bool json)
{
        int code = store_client_open(&c->client, self, c->settings);
        if (code == 0)
                code = check_everything(c);
        if (code == 0)
                code = check_tell(c, json);
        json_decref(c->report);
        store_client_close(&c->client);
        return code;
}

static int cdc_check_run(const struct command *self, int argc, char **argv)
{
        struct settings s;
        const char *connector = CDC_CONNECTOR, *lag = NULL;
        unsigned most_mb = CDC_MOST_LAG / 1000000;
        bool json = false;
        const struct own_flag own[] = {
                { "--connector", 0, NULL, &connector, "NAME", "what the connector is called; " CDC_CONNECTOR " else" },
                { "--most-lag-mb", 0, NULL, &lag, "N", "megabytes that the slot may be behind; 1000 else" },
                { "--json", 0, &json, NULL, NULL, "one JSON object a line" },
                { 0 },
        };
        int code = EXIT_USAGE;
        if (!command_load(self, own, &s, argc, argv, NULL, &code))
                return code;
        struct checking c = { .settings = &s, .names = { .connector = connector, .prefix = s.kafka_prefix } };
        if (flag_number(self, "--most-lag-mb", lag, 0, 100000000, &most_mb)) {
                c.most_lag = (json_int_t)most_mb * 1000000;
                code = cdc_check_with(self, &c, json);
        }
        settings_free(&s);
        return code;
}

const struct command command_cdc_check = {
        .name = "cdc check",
        .summary = "Compare connector, slot, publication and topics with what they must be",
        .usage = "[--connect-url URL] [--kafka-servers HOST:PORT,…] [--connector NAME] [--most-lag-mb N] [--json]",
        .example = "  chard cdc check --connect-url http://connect:8083 --kafka-servers kafka:9092",
        .details =
                "A line for each: ok, differs (and what to do), or unchecked, where nobody said whom to ask. Exit code 1 when something differs.\n"
                "Slot and publication are those of the store. Nothing is changed.",
        .run = cdc_check_run,
};
