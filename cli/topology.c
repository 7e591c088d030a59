/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/command.h"

#include "broker/broker.h"

#include <stdio.h>
#include <string.h>

enum { MOST_QUEUES = 256 };

static int apply(const struct command *self, const struct settings *s, const struct topology *topology)
{
        struct wait w;
        struct problem why = { 0 };
        struct broker *broker = NULL;
        const struct broker_listener deaf = { 0 };
        wait_open(&w);
        const struct broker_config config = {
                .loop = &w.loop,
                .urls = s->broker_url,
                .ca_file = setting_or_null(s->broker_ca_file),
                .name = "chard topology",
                .heartbeat_s = (unsigned)s->heartbeat_s,
                .connect_timeout_ms = (unsigned)s->connect_timeout_ms,
                .topology = topology,
        };
        int code = broker_open(&broker, &config, &deaf, &why);
        if (code == 0) {
                broker_close(broker);
                printf("declared: %zu rows\n", topology->count);
                fputs("A queue's limits are policies, which AMQP neither sets nor shows: see chard topology policies\n",
                      stderr);
        } else {
                code = command_fail(self, code, &why);
        }
        wait_close(&w);
        return code;
}

/* One policy a queue, because the routing key is its name. The limit is one that RabbitMQ 3 takes as well, where -1 is none since 4.0. */
static void print_policy(const char *queue)
{
        printf("rabbitmqctl set_policy 'chard-%s' '^", queue);
        for (const char *c = queue; *c; c++)
                printf(*c == '.' ? "\\%c" : "%c", *c);
        printf("$' '{\"delivery-limit\": 1000000, \"dead-letter-exchange\": \"chard.dead\", \"dead-letter-routing-key\": \"%s\"}'"
               " --apply-to queues\n",
               queue);
}

static int show_or_apply(const struct command *self, const struct settings *s, const char *verb)
{
        const char *queues[MOST_QUEUES];
        struct topology topology = { 0 };
        int code = EXIT_DONE;
        struct catalog *catalog = command_catalog(self, s, &code);
        if (!catalog)
                return code;
        const size_t count = catalog_queues(catalog, queues, MOST_QUEUES);
        if (topology_build(&topology, queues, count) < 0)
                code = EXIT_FAILED;
        else if (strcmp(verb, "show") == 0)
                topology_print(&topology, stdout);
        else if (strcmp(verb, "policies") == 0)
                for (size_t i = 0; i < count; i++)
                        print_policy(queues[i]);
        else
                code = apply(self, s, &topology);
        topology_free(&topology);
        catalog_unref(catalog);
        return code;
}

static int run(const struct command *self, int argc, char **argv)
{
        struct settings s;
        int operands, code;
        if (!command_load(self, NULL, &s, argc, argv, &operands, &code))
                return code;
        if (operands != 1 ||
            (strcmp(argv[0], "show") != 0 && strcmp(argv[0], "apply") != 0 && strcmp(argv[0], "policies") != 0))
                code = command_misuse(self, "say show, apply or policies");
        else
                code = show_or_apply(self, &s, argv[0]);
        settings_free(&s);
        return code;
}

const struct command command_topology = {
        .name = "topology",
        .summary = "Show the exchanges, queues and bindings that chard uses, or declare them on the broker",
        .usage = "show|apply|policies [--broker-url URL]",
        .example = "  chard topology apply --broker-url amqp://chard:secret@rabbit.internal/prod",
        .details =
                "Declaring what is there already changes nothing. What stands there with other arguments is left as it is and named.\n"
                "policies prints the lines that an operator of RabbitMQ runs once (with -p for another virtual host than /), so that no limit of a\n"
                "queue loses a message: RabbitMQ 4 drops what was delivered 20 times, and what expires while nobody consumes vanishes without a\n"
                "dead-letter exchange. AMQP shows neither policies nor limits, so chard can't see whether they are set.",
        .run = run,
};
