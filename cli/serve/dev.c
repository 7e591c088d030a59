/* SPDX-License-Identifier: Apache-2.0 */
/* `chard dev`: everything that a fleet runs, in one process, on one file. */
#include "cli/serve/serve.h"

#include "cli/common/database.h"
#include "core/log.h"
#include "observe/live.h"
#include "store/store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEV_PORT "8780"

static void dev_said(const char *line, void *arg)
{
        (void)arg;
        log_info("dev", "%s", line);
}

static void dev_began(struct service *s)
{
        const struct worker_config *c = &s->config;
        const bool offline = strcmp(worker_provider(s->worker), "offline") == 0;
        if (!isatty(STDOUT_FILENO))
                return;
        printf("chard dev: broker and store are %s, answers come from %s\n", strchr(c->store_url, ':') + 1,
               offline ? "the taxonomy and the rules alone (set OPENAI_API_KEY or OPENAI_BASE_URL for a model)"
                       : "the AI provider");
        if (s->gateway)
                printf("HTTP is at http://127.0.0.1:%u/v1/jobs\n", gateway_port(s->gateway));
        puts("in another terminal, in this folder:\n"
             "  chard submit chat user_id=you lang=en text=\"Where does a milk carton go?\" --wait 60\n"
             "  chard events --follow\n"
             "Ctrl-C ends it; what waits goes on when it is started again.\n");
        fflush(stdout);
}

static int check_port(const struct command *self, const char *port)
{
        char *end = NULL;
        const long number = strtol(port, &end, 10);
        if (end == port || *end || number < 0 || number > 65535)
                return command_misuse(self, "--port: \"%.40s\" is no port, 0 to 65535", port);
        return 0;
}

static int check_file(const struct command *self, const char *db)
{
        if (*db && !strstr(db, "://") && strcmp(db, ":memory:") != 0 && strncmp(db, "sqlite:", 7) != 0 &&
            strncmp(db, "embedded:", 9) != 0)
                return 0;
        return command_misuse(self, "--db: \"%.60s\" is no file's name", db);
}

static int dev_serve(const struct command *self, struct settings *s, const char *port)
{
        struct service service;
        char listen[32], name[300];
        struct observer live = live_view();
        struct problem why = { 0 };
        int code = command_migrate_store(s->store_url, (unsigned)s->connect_timeout_ms, dev_said, &why);
        if (code)
                return command_fail(self, code, &why);
        code = service_init(&service, self, s, true);
        if (code)
                return code;
        if (isatty(STDOUT_FILENO))
                service.config.observers = &live;
        snprintf(listen, sizeof(listen), "127.0.0.1:%s", port ? port : DEV_PORT);
        snprintf(name, sizeof(name), "%s/gateway", service.name);
        service.listen = serve_gateway_config(s, service.catalog, &service.loop, name);
        service.listen.listen = listen;
        service.listens = true;
        service.consumes = true;
        service.port_is_free = !port;
        return service_run(&service, dev_began);
}

static int dev_run(const struct command *self, int argc, char **argv)
{
        struct settings s;
        const char *db = NULL, *port = NULL;
        const struct own_flag own[] = {
                { "--db", 0, NULL, &db, "FILE",
                  "the file that broker and store are; made where there is none (default: " DATABASE_FILE ")" },
                { "--port", 0, NULL, &port, "N",
                  "where the HTTP gateway listens on 127.0.0.1 (default: " DEV_PORT "); 0 = a free one" },
                { 0 },
        };
        int code;
        if (!command_load(self, own, &s, argc, argv, NULL, &code))
                return code;
        if (isatty(STDOUT_FILENO) && strcmp(s.log_level, "info") == 0)
                log_setup(LOG_WARN, strcmp(s.log_format, "json") == 0); /* the live view says the rest */
        if ((db && (code = check_file(self, db)) != 0) || (port && (code = check_port(self, port)) != 0))
                ;
        else if (database_use(&s, db) < 0)
                code = EXIT_FAILED;
        else
                code = dev_serve(self, &s, port);
        settings_free(&s);
        return code;
}

const struct command command_dev = {
        .name = "dev",
        .summary = "Run everything in one process, on one file, with no server",
        .usage = "[--db FILE] [--port N]",
        .example = "  chard dev\n  chard dev --db /var/lib/chard/team.db",
        .details =
                "Broker and store are one SQLite file; other chard commands in the same folder find it without flags, also while this runs.\n"
                "Keeper, consumers of events and HTTP gateway are in it, too.\n"
                "Programs submit and follow jobs by HTTP on --port (docs/http.md). "
                "Several `chard worker` on this machine may share the file. When it gets too small: chard move.",
        .serves = true,
        .serverless = true,
        .run = dev_run,
};
