/* SPDX-License-Identifier: Apache-2.0 */
/* chard consume: consumers of events, as a process; and where each of them stands. */
#include "cli/serve/serve.h"

#include "cli/common/seek.h"
#include "cli/common/store_client.h"
#include "cli/common/view.h"
#include "core/clock.h"
#include "core/json.h"
#include "core/log.h"
#include "store/consumer.h"
#include "tasks/saga.h"

#include <stdio.h>
#include <string.h>

/* ---- where they stand ---- */

static const json_t *consume_row(const json_t *rows, const char *name)
{
        size_t i;
        json_t *row;
        json_array_foreach((json_t *)(uintptr_t)rows, i, row)
                if (strcmp(json_text(row, "name", ""), name) == 0)
                        return row;
        return NULL;
}

/* What a program ships and what the store knows of it. */
static json_t *consume_listed(const struct consumer *one, const json_t *row)
{
        json_t *o = row ? json_copy((json_t *)(uintptr_t)row) : json_pack("{s:s}", "name", one->def->name);
        json_t *hears = json_array();
        const char *type;
        for (size_t n = 0; (type = one->def->saga ? saga_heard(one->def->saga, n) : one->def->hears[n]); n++)
                json_array_append_new(hears, json_string(type));
        json_object_set_new(o, "hears", hears);
        json_t *writes = json_array();
        for (const struct read_model *m = one->def->writes; m->name; m++)
                json_array_append_new(writes, json_string(m->name));
        json_object_set_new(o, "writes", writes);
        json_object_set_new(o, "named", json_boolean(one->def->flags & CONSUMER_NAMED));
        return o;
}

static void consume_print(const json_t *row)
{
        char age[32];
        const int64_t moved_ms = json_number(row, "moved_ms", 0);
        const json_t *position = json_object_get(row, "position");
        size_t i;
        json_t *type;
        printf("%-16s  ", json_text(row, "name", "?"));
        if (!position)
                printf("%-16s  %8s  %7s  %-8s", "never ran", "", "", "");
        else
                printf("%-16s  %8lld  %7lld  %-8s", *json_string_value(position) ? json_string_value(position) : "-",
                       (long long)json_number(row, "behind", 0), (long long)json_number(row, "waiting", 0),
                       moved_ms ? view_age(moved_ms, clock_wall_ms(), age) : "-");
        json_array_foreach(json_object_get(row, "hears"), i, type)
                printf("%s%s", i ? ", " : "  ", json_string_value(type));
        putchar('\n');
}

static void consume_print_all(const struct catalog *catalog, const json_t *rows, bool json)
{
        size_t count;
        const struct consumer *all = catalog_consumers(catalog, &count);
        JSON_OWNED json_t *list = json_array();
        for (size_t i = 0; i < count; i++)
                json_array_append_new(list, consume_listed(&all[i], consume_row(rows, all[i].def->name)));
        if (json) {
                view_json(list);
                return;
        }
        printf("%-16s  %-16s  %8s  %7s  %-8s  %s\n", "CONSUMER", "POSITION", "BEHIND", "WAITING", "MOVED", "HEARS");
        for (size_t i = 0; i < json_array_size(list); i++)
                consume_print(json_array_get(list, i));
}

static int consume_list(const struct command *self, const struct settings *s, bool json)
{
        struct store_client client = { 0 };
        int code = store_client_open(&client, self, s);
        if (code == 0) {
                client.store->consumer->list(client.store, store_client_on_json, &client);
                code = store_client_wait(&client);
        }
        if (code == 0)
                consume_print_all(client.catalog, client.value, json);
        store_client_close(&client);
        return code;
}

/* ---- consuming ---- */

struct consume {
        uv_loop_t loop;
        struct consumers *consumers;
        struct figures figures;
        struct seek broker; /* for what is shown of the queues; no consumer needs one */
        bool seeks;
        struct tracing tracing;
};

static void consume_stop(void *arg)
{
        consumers_stop(((struct consume *)arg)->consumers);
}

static void consume_close(void *arg)
{
        struct consume *p = (struct consume *)arg;
        figures_hide(&p->figures);
        if (p->seeks)
                seek_close(&p->broker);
        consumers_close(p->consumers);
        figures_end(&p->figures);
        tracing_end(&p->tracing);
}

static void consume_on_stopped(void *arg)
{
        uv_stop(&((struct consume *)arg)->loop);
}

struct consumers_config serve_consumers_config(const struct settings *s, const struct catalog *catalog, uv_loop_t *loop,
                                               const char *name)
{
        return (struct consumers_config){
                .loop = loop,
                .catalog = catalog,
                .store_url = s->store_url,
                .name = name,
                .lease_ms = (unsigned)s->duties_lease_s * 1000,
                .connect_timeout_ms = (unsigned)s->connect_timeout_ms,
                .search_url = s->search_url,
                .models_redis_url = s->models_redis_url,
                .task_routes = s->task_routes,
                .default_queue = s->default_queue,
        };
}

static bool consume_ready(const char **why, void *arg)
{
        return consumers_ready(((const struct consume *)arg)->consumers, why);
}

static void consume_on_broker(struct broker *broker, void *arg)
{
        show_use(((struct consume *)arg)->figures.show, broker);
}

/* Events are acted on whether or not a broker is there to say what its queues hold. */
static int consume_show(struct consume *p, const struct consumers_config *config, const struct settings *s,
                        struct problem *why)
{
        if (!p->figures.meter)
                return 0;
        p->broker = (struct seek){
                .loop = &p->loop, .settings = s, .name = config->name, .found = consume_on_broker, .arg = p
        };
        p->seeks = true;
        seek_open(&p->broker);
        const struct show_config show = {
                .loop = &p->loop,
                .catalog = config->catalog,
                .broker = p->broker.broker,
                .store = consumers_store(p->consumers),
                .ready = consume_ready,
                .arg = p,
        };
        return figures_show(&p->figures, show, s->metrics, why);
}

static int consume_serve(const struct command *self, struct consume *p, struct consumers_config *config,
                         const struct settings *s)
{
        const struct serve_part part = { &p->loop, "consumer", consume_stop, consume_close, p };
        struct problem why = { 0 };
        config->stopped = consume_on_stopped;
        config->arg = p;
        int code = *s->metrics ? figures_begin(&p->figures, &p->loop, "consumer", config->name) : 0;
        config->meter = p->figures.meter;
        if (code == 0)
                code = tracing_begin(&p->tracing, s, &p->loop, config->name, p->figures.meter, &why);
        config->spans = tracing_source(&p->tracing);
        if (code == 0)
                code = consumers_open(&p->consumers, config, &why);
        if (code == 0)
                code = consume_show(p, config, s, &why);
        return serve_alone(self, &part, code, &why);
}

static int consume_names(const struct command *self, const struct settings *s, bool kafka, char **names, int count)
{
        struct consume p = { 0 };
        char name[256];
        int code = 0;
        struct catalog *catalog = command_catalog(self, s, &code);
        if (!catalog)
                return code;
        serve_name(s, "consumer", name, sizeof(name));
        struct consumers_config config = serve_consumers_config(s, catalog, &p.loop, name);
        config.names = (const char *const *)names;
        config.name_count = (size_t)count;
        config.kafka_servers = kafka ? s->kafka_servers : NULL;
        config.kafka_properties = s->kafka_properties;
        config.kafka_prefix = s->kafka_prefix;
        uv_loop_init(&p.loop);
        log_info("consumer", "chard " CHARD_VERSION " consumes events as %s", name);
        code = consume_serve(self, &p, &config, s);
        uv_loop_close(&p.loop);
        catalog_unref(catalog);
        return code;
}

static int consume_run(const struct command *self, int argc, char **argv)
{
        struct settings s;
        const char *from = "store";
        bool list = false, json = false, all = false, rebuild = false;
        const struct own_flag own[] = {
                { "--from", 0, NULL, &from, "WHERE",
                  "where the events are read: store (the outbox), the default; or kafka" },
                { "--all", 0, &all, NULL, NULL, "all consumers that need not be named" },
                { "--list", 0, &list, NULL, NULL, "print the consumers, where each stands and what waits, and end" },
                { "--json", 0, &json, NULL, NULL, "with --list: as JSON" },
                { "--rebuild", 0, &rebuild, NULL, NULL,
                  "make the read models of NAME anew from the event store, beside those that serve, put them in their place, and end" },
                { 0 },
        };
        int operands, code;
        if (!command_load(self, own, &s, argc, argv, &operands, &code))
                return code;
        const bool kafka = strcmp(from, "kafka") == 0;
        if (!kafka && strcmp(from, "store") != 0)
                code = command_misuse(self, "--from: \"%.40s\" is not known; known are store and kafka", from);
        else if (kafka && !*s.kafka_servers)
                code = command_misuse(self,
                                      "--from kafka: say where Kafka is, with --kafka-servers or CHARD_KAFKA_SERVERS");
        else if (rebuild && (operands != 1 || all || list || kafka))
                code = command_misuse(self, "--rebuild: name one consumer, which may run meanwhile");
        else if (rebuild)
                code = serve_rebuild(self, &s, argv[0]);
        else if (list)
                code = consume_list(self, &s, json);
        else if (operands == 0 && !all)
                code = command_misuse(self, "name the consumers, or say --all; `chard consume --list` prints them");
        else
                code = consume_names(self, &s, kafka, argv, all ? 0 : operands);
        settings_free(&s);
        return code;
}

const struct command command_consume = {
        .name = "consume",
        .summary = "Act on events: run consumers until SIGTERM, or see where they stand",
        .usage =
                "NAME… | --all | --list [--json] | NAME --rebuild   [--from store|kafka] [-n NAME] [--metrics ADDRESS:PORT]",
        .example = "  chard consume --all\n"
                   "  chard consume notification -n push@host-1\n"
                   "  chard consume --list\n"
                   "  chard consume scans --rebuild",
        .details =
                "Each event has its effects once, whatever is killed when; events of one aggregate are acted on in their order. What a consumer\n"
                "refuses becomes a dead letter (chard dlq), and what it can't do yet waits; neither holds up other aggregates. Several processes\n"
                "may run the same consumer: one of them acts, another goes on when it ends. From Kafka (--kafka-servers) they share its\n"
                "partitions, in a group that is called as the consumer is.",
        .serves = true,
        .run = consume_run,
};
