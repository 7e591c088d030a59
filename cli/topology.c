/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/common/command.h"

#include "broker/check.h"
#include "cli/common/view.h"
#include "cli/common/wait.h"
#include "core/text/print.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_QUEUES = 256 };

/* What a verb works on. */
struct layout {
        const struct command *self;
        const struct settings *settings;
        struct topology topology,
                declared; /* all there is to look at; without the task queues that are left as they stand there */
        const char *queues[MOST_QUEUES];
        size_t count;
        unsigned losses, notes;
};

/* ---- policies, for who sets them by hand ---- */

/* In single quotes for a shell. */
static void print_quoted(FILE *out, const char *text)
{
        putc('\'', out);
        for (const char *c = text ? text : ""; *c; c++)
                if (*c == '\'')
                        fputs("'\\''", out);
                else
                        putc(*c, out);
        putc('\'', out);
}

static void print_policy(FILE *out, const char *queue)
{
        json_t *definition = queue_policy_definition(queue, "quorum");
        char *texts[] = { queue_policy_name(queue), queue_policy_pattern(queue),
                          definition ? json_dumps(definition, 0) : NULL };
        fputs("rabbitmqctl set_policy", out);
        for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
                putc(' ', out);
                print_quoted(out, texts[i]);
                free(texts[i]);
        }
        fputs(" --apply-to queues\n", out);
        json_decref(definition);
}

static int cli_topology_policies(struct layout *t, FILE *out)
{
        for (size_t i = 0; i < t->count; i++)
                print_policy(out, t->queues[i]);
        return EXIT_DONE;
}

/* ---- what the management API shows, and sets ---- */

static struct broker_check_config check_config(const struct layout *t)
{
        return (struct broker_check_config){
                .urls = t->settings->broker_url,
                .ca_file = setting_or_null(t->settings->broker_ca_file),
                .admin_url = t->settings->broker_admin_url,
                .topology = &t->topology,
                .leaves_tasks = !t->settings->declare_queues,
        };
}

static void print_risk(enum risk risk, const char *queue, const char *text, void *arg)
{
        struct layout *t = arg;
        printf("%s  %-20s ", risk == RISK_LOSS ? "LOSES" : "note ", queue);
        print_plain(stdout, text);
        putchar('\n');
        t->losses += risk == RISK_LOSS;
        t->notes += risk == RISK_NOTE;
}

static int cannot_see(struct layout *t, int code, const struct problem *why)
{
        code = command_fail(t->self, code, why);
        fputs("AMQP shows neither a queue's limits nor its policies, and sets none. These lines, run by an operator of RabbitMQ (with -p for\n"
              "another virtual host than /), keep limits from losing messages:\n",
              stderr);
        cli_topology_policies(t, stderr);
        return code;
}

static int topology_command_check(struct layout *t)
{
        struct problem why = { 0 };
        const struct broker_check_config config = check_config(t);
        const int code = broker_check(&config, print_risk, t, &why);
        if (code)
                return cannot_see(t, code, &why);
        if (t->losses)
                fputs("chard topology apply sets chard's policies; what other policies and arguments say is the operator's to change\n",
                      stderr);
        else
                printf("no message gets lost by a limit of its queue: %zu queues\n", t->count);
        return t->losses ? EXIT_FAILED : EXIT_DONE;
}

/* Without the API the declarations still hold, so that no deployment needs it; one that names it wants it. */
static int cli_topology_protect(struct layout *t)
{
        struct problem why = { 0 };
        const struct broker_check_config config = check_config(t);
        if (!broker_is_checked(config.urls))
                return EXIT_DONE;
        int code = broker_protect(&config, print_risk, t, &why);
        if (code) {
                code = cannot_see(t, code, &why);
                return *t->settings->broker_admin_url ? code : EXIT_DONE;
        }
        printf("policies: %zu queues\n", t->count);
        code = broker_check(&config, print_risk, t, &why);
        return code ? command_fail(t->self, code, &why) : EXIT_DONE;
}

static int topology_command_apply(struct layout *t)
{
        struct wait w;
        struct problem why = { 0 };
        struct broker *broker = NULL;
        const struct settings *s = t->settings;
        const struct broker_listener deaf = { 0 };
        wait_open(&w);
        const struct broker_config config = {
                .loop = &w.loop,
                .urls = s->broker_url,
                .ca_file = setting_or_null(s->broker_ca_file),
                .name = "chard topology",
                .heartbeat_s = (unsigned)s->heartbeat_s,
                .connect_timeout_ms = (unsigned)s->connect_timeout_ms,
                .topology = &t->declared,
        };
        int code = broker_open(&broker, &config, &deaf, &why);
        if (code == 0) {
                broker_close(broker);
                printf("declared: %zu rows\n", t->declared.count);
                code = cli_topology_protect(t);
        } else {
                code = command_fail(t->self, code, &why);
        }
        wait_close(&w);
        return code;
}

/* ---- verbs ---- */

static int topology_command_show(struct layout *t)
{
        topology_print(&t->declared, stdout);
        return EXIT_DONE;
}

static int print_policies(struct layout *t)
{
        return cli_topology_policies(t, stdout);
}

static const struct verb {
        const char *name;
        int (*run)(struct layout *t);
} VERBS[] = { { "show", topology_command_show },
              { "apply", topology_command_apply },
              { "check", topology_command_check },
              { "policies", print_policies } };

static const struct verb *verb_of(const char *name)
{
        for (size_t i = 0; i < sizeof(VERBS) / sizeof(*VERBS); i++)
                if (strcmp(VERBS[i].name, name) == 0)
                        return &VERBS[i];
        return NULL;
}

static int topology_command_build(struct layout *t)
{
        const struct settings *s = t->settings;
        int rc = topology_build(&t->topology, t->queues, t->count, s->native_delay);
        if (rc == 0)
                rc = topology_build(&t->declared, t->queues, t->count, s->native_delay);
        if (rc == 0 && !s->declare_queues)
                topology_leave(&t->declared, t->queues, t->count);
        return rc;
}

static int run_verb(const struct verb *verb, const struct command *self, const struct settings *s)
{
        struct layout t = { .self = self, .settings = s };
        int code = EXIT_DONE;
        struct catalog *catalog = command_catalog(self, s, &code);
        if (!catalog)
                return code;
        t.count = catalog_queues(catalog, t.queues, MOST_QUEUES);
        code = topology_command_build(&t) ? EXIT_FAILED : verb->run(&t);
        topology_free(&t.declared);
        topology_free(&t.topology);
        catalog_unref(catalog);
        return code;
}

static int topology_command_run(const struct command *self, int argc, char **argv)
{
        struct settings s;
        int operands, code;
        if (!command_load(self, NULL, &s, argc, argv, &operands, &code))
                return code;
        const struct verb *verb = operands == 1 ? verb_of(argv[0]) : NULL;
        code = verb ? run_verb(verb, self, &s) : command_misuse(self, "say show, apply, check or policies");
        settings_free(&s);
        return code;
}

const struct command command_topology = {
        .name = "topology",
        .summary =
                "Show the exchanges, queues and bindings that chard uses, declare them on the broker, or see whether its limits lose messages",
        .usage = "show|apply|check|policies [--broker-url URL] [--broker-admin-url URL]",
        .example = "  chard topology apply --broker-url amqp://chard:secret@rabbit.internal/prod",
        .details =
                "Declaring what is there already changes nothing. What stands there with other arguments is left as it is and named.\n"
                "A limit of a queue can lose messages: RabbitMQ 4 drops what was delivered 20 times, and what expires while nobody consumes vanishes\n"
                "without a dead-letter exchange. AMQP shows neither limits nor policies, also not when a queue is declared passively; RabbitMQ's\n"
                "management API does (CHARD_BROKER_ADMIN_URL; without it, port 15672 of the broker's host is tried, or 15671 for amqps).\n"
                "apply sets a policy for each queue there; check says what is lost, with exit code 1, or 3 where nobody lets it look.\n"
                "policies prints the same as lines for rabbitmqctl.",
        .run = topology_command_run,
};
