/* SPDX-License-Identifier: Apache-2.0 */
/* `chard move`: from one file to servers. Everything is there before it is gone here, in an order in which a task's row arrives before
 * its message; so it may be interrupted at any time and begun again. */
#include "cli/move/move.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int move_command_all(struct move *m);

static int check_words(const struct command *self, const char *from, const char *to, const char *broker)
{
        static const char scheme[] = "sqlite:";
        if (!from || !to || !broker)
                return command_misuse(
                        self, "say --from sqlite:FILE, --to postgresql://… and --broker amqp://…; the last two may "
                              "come from CHARD_STORE_URL and CHARD_BROKER_URL, or from CHARD_…_FILE");
        if (strncmp(from, scheme, sizeof(scheme) - 1) != 0)
                return command_misuse(self, "--from: \"%.60s\" is no sqlite:FILE, and only from one can be moved",
                                      from);
        if (access(from + sizeof(scheme) - 1, R_OK | W_OK) != 0)
                return command_misuse(self, "--from: %s: %s", from + sizeof(scheme) - 1, strerror(errno));
        if (strncmp(to, scheme, sizeof(scheme) - 1) == 0 || strncmp(broker, "embedded:", 9) == 0)
                return command_misuse(self, "--to and --broker must name servers: postgresql://… and amqp://…");
        return 0;
}

/* A setting that somebody made, in the environment or a file: a URL with a password belongs there, where `ps` does not show it. */
static const char *named_elsewhere(const char *variable, const char *value)
{
        char file[64];
        snprintf(file, sizeof(file), "%s_FILE", variable);
        const char *text = getenv(variable), *path = getenv(file);
        return (text && *text) || (path && *path) ? value : NULL;
}

static int move_command_run(const struct command *self, int argc, char **argv)
{
        struct settings s;
        struct move m = { .self = self, .settings = &s };
        const char *from = NULL;
        const struct own_flag own[] = {
                { "--from", 0, NULL, &from, "URL", "sqlite:FILE, the file of `chard dev`" },
                { "--to", 0, NULL, &m.to_store, "URL",
                  "postgresql://…, the new store (else CHARD_STORE_URL); its schema is made where it is missing" },
                { "--broker", 0, NULL, &m.to_broker, "URL",
                  "amqp://…, the new broker (else CHARD_BROKER_URL); the topology is declared there" },
                { 0 },
        };
        int code;
        if (!command_load(self, own, &s, argc, argv, NULL, &code))
                return code;
        m.to_store = m.to_store ? m.to_store : named_elsewhere("CHARD_STORE_URL", s.store_url);
        m.to_broker = m.to_broker ? m.to_broker : named_elsewhere("CHARD_BROKER_URL", s.broker_url);
        code = check_words(self, from, m.to_store, m.to_broker);
        if (code == 0) {
                m.file = strchr(from, ':') + 1;
                wait_open(&m.wait);
                code = move_command_all(&m);
                wait_close(&m.wait);
        }
        free(m.from_broker_url);
        settings_free(&s);
        return code;
}

/* ---- all of it ---- */

static int move_command_open_store(struct move *m, const char *url, bool alone, struct store **out)
{
        struct problem why = { 0 };
        const struct store_config config = { .loop = &m->wait.loop,
                                             .url = url,
                                             .owner = "chard move",
                                             .alone = alone,
                                             .connect_timeout_ms = (unsigned)m->settings->connect_timeout_ms };
        const int code = store_open(out, &config, &why);
        return code ? command_fail(m->self, code, &why) : 0;
}

static int open_stores(struct move *m)
{
        struct problem why = { 0 };
        char *from = NULL;
        int code = 0;
        m->catalog = command_catalog(m->self, m->settings, &code);
        if (!m->catalog)
                return code;
        if (asprintf(&m->from_broker_url, "embedded:%s", m->file) < 0) {
                m->from_broker_url = NULL; /* undefined, says its manual */
                return EXIT_FAILED;
        }
        if (asprintf(&from, "sqlite:%s", m->file) < 0)
                return EXIT_FAILED;
        code = move_command_open_store(m, from, true, &m->from);
        free(from);
        if (code)
                return code;
        code = command_migrate_store(m->to_store, (unsigned)m->settings->connect_timeout_ms, NULL, &why);
        return code ? command_fail(m->self, code, &why) : move_command_open_store(m, m->to_store, false, &m->to);
}

static int move_command_all(struct move *m)
{
        int code = open_stores(m);
        if (code == 0)
                code = move_open_brokers(m);
        if (code == 0)
                code = move_rows(m);
        if (code == 0)
                code = move_messages(m);
        move_close_brokers(m);
        if (m->from)
                m->from->backend->close(m->from);
        if (m->to)
                m->to->backend->close(m->to);
        catalog_unref(m->catalog);
        if (code)
                return code;
        if (m->refused) {
                fprintf(stderr, "chard %s: %zu could not be moved and are still in %s\n", m->self->name, m->refused,
                        m->file);
                return EXIT_FAILED;
        }
        printf("all of %s is there; start workers with CHARD_STORE_URL and CHARD_BROKER_URL as given, and put the file away\n",
               m->file);
        return EXIT_DONE;
}

const struct command command_move = {
        .name = "move",
        .summary = "Carry everything from the file of chard dev to servers",
        .usage = "--from sqlite:FILE [--to postgresql://…] [--broker amqp://…]",
        .example =
                "  chard move --from sqlite:chard.db --to postgresql://chard@db/chard --broker amqp://chard@rabbit/prod",
        .details =
                "Carried are jobs, tasks, events and unsent outbox rows, facts, dead letters, scheduled and waiting messages. Stop chard dev and\n"
                "its workers first. It may be interrupted and run again: what is there already is left as it is, and nothing runs twice.",
        .serverless = true,
        .run = move_command_run,
};
