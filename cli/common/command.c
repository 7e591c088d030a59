/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/common/command.h"

#include "cli/common/database.h"
#include "cli/common/view.h"
#include "core/log.h"
#include "core/text/print.h"
#include "core/text/url.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What command_load had to guess (enum database_guess): command_fail says so when nobody answers there. */
static unsigned guessed;

static void print_help(const struct command *self, const struct own_flag *own);
static void hide_password(const char *urls);

static bool wants_help(int argc, char **argv)
{
        for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++)
                if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
                        return true;
        return false;
}

/* How long a flood of one message is counted before it is told. */
enum { FOLD_WINDOW_MS = 10000 };

/* What must show nowhere. */
static void command_hide_secrets(const struct settings *s)
{
        log_hide(s->openai_api_key);
        log_hide(s->dlq_webhook_url);
        log_hide(s->webhook_secret);
        hide_password(s->broker_url);
        hide_password(s->broker_admin_url);
        hide_password(s->store_url);
        hide_password(s->result_url);
        hide_password(s->connect_url);
        hide_password(s->search_url);
        hide_password(s->models_redis_url);
}

static void command_open_log(const struct command *self, const struct settings *s)
{
        enum log_level level = LOG_INFO;
        (void)log_level_read(s->log_level, &level);
        log_setup(level == LOG_INFO && !self->serves ? LOG_WARN : level, strcmp(s->log_format, "json") == 0);
        if (self->serves) {
                log_fold((unsigned)s->log_fold, FOLD_WINDOW_MS);
                signal(SIGUSR1, SIG_IGN); /* until it serves: they change its log (serve.h), and must not end it */
                signal(SIGUSR2, SIG_IGN);
        }
        command_hide_secrets(s);
}

bool command_load(const struct command *self, const struct own_flag *own, struct settings *s, int argc, char **argv,
                  int *operands, int *code)
{
        struct problem why;
        int words = 0;
        *s = (struct settings){ 0 };
        if (wants_help(argc, argv)) {
                print_help(self, own);
                *code = EXIT_DONE;
                return false;
        }
        int refused = settings_load(s, own, argv, argc, &words, &why);
        if (!refused && !self->serverless)
                refused = database_choose(s, &guessed, &why);
        if (refused) {
                *code = command_fail(self, refused, &why);
                settings_free(s);
                return false;
        }
        command_open_log(self, s);
        if (!operands && words > 0) {
                *code = command_misuse(self, "takes no word \"%.60s\"", argv[0]);
                settings_free(s);
                return false;
        }
        if (operands)
                *operands = words;
        return true;
}

struct catalog *command_catalog(const struct command *self, const struct settings *s, int *code)
{
        const struct catalog_source source = { shipped_domains, shipped_pipelines, s->tasks };
        struct catalog *catalog = NULL;
        struct problem why = { 0 };
        const int refused = catalog_new(&catalog, &source, &why);
        if (refused)
                *code = command_fail(self, refused, &why);
        return catalog;
}

/* The password of each of several comma-separated URLs (scheme://user:PASSWORD@…), as typed and as it is meant, must not show in a log. */
static void hide_password(const char *urls)
{
        for (const char *at = urls; (at = strstr(at, "://"));) {
                at += 3;
                const size_t authority = strcspn(at, "/,");
                const char *end = memrchr(at, '@', authority),
                           *colon = end ? memchr(at, ':', (size_t)(end - at)) : NULL;
                char *password = colon ? strndup(colon + 1, (size_t)(end - colon) - 1) : NULL,
                     *decoded = password ? url_decode(password, strlen(password), NULL, NULL) : NULL;
                /* "guest" and the like are words of every other line */
                if (password && strcmp(password, "guest") != 0)
                        log_hide(password);
                if (decoded && strcmp(decoded, password) != 0)
                        log_hide(decoded);
                free(password);
                free(decoded);
        }
}

/* ---- complaints ---- */

static int exit_code_of(const struct problem *why)
{
        static const char *const out_of_reach[] = { "unreachable", "access_refused", "timed_out" };
        for (size_t i = 0; i < sizeof(out_of_reach) / sizeof(out_of_reach[0]); i++)
                if (strcmp(why->code, out_of_reach[i]) == 0)
                        return EXIT_UNREACHABLE;
        return EXIT_USAGE;
}

/* Nobody named a server, and none is where servers usually are: what to do says more than which port was tried. A server that answered is quoted. */
static const char *advice_for(const struct problem *why)
{
        const unsigned door = strcmp(why->source, "store") == 0    ? DATABASE_STORE
                              : strcmp(why->source, "broker") == 0 ? DATABASE_BROKER
                                                                   : 0;
        if (!(guessed & door) || strcmp(why->code, "unreachable") != 0 || strstr(why->text, "FATAL"))
                return NULL;
        if (guessed == (DATABASE_BROKER | DATABASE_STORE))
                return door == DATABASE_STORE
                               ? "no " DATABASE_FILE
                                 " in this folder, and no server where one is by default: start `chard dev`, or set CHARD_STORE_URL"
                               : "no " DATABASE_FILE
                                 " in this folder, and no server where one is by default: start `chard dev`, or set CHARD_BROKER_URL and CHARD_STORE_URL";
        return door == DATABASE_STORE ? "no store where one is by default: set CHARD_STORE_URL"
                                      : "no broker where one is by default: set CHARD_BROKER_URL";
}

int command_fail(const struct command *self, int code, const struct problem *why)
{
        const char *advice;
        if (code < 0) {
                fprintf(stderr, "chard %s: %s\n", self->name, strerror(-code));
                return EXIT_FAILED;
        }
        fprintf(stderr, "chard %s: ", self->name);
        advice = advice_for(why);
        print_plain(stderr, advice ? advice : why->text);
        putc('\n', stderr);
        return exit_code_of(why);
}

int command_misuse(const struct command *self, const char *format, ...)
{
        va_list args;
        fprintf(stderr, "chard %s: ", self->name);
        va_start(args, format);
        vfprintf(stderr, format, args);
        va_end(args);
        fprintf(stderr, "\ntry: chard %s --help\n", self->name);
        return EXIT_USAGE;
}

const char *setting_or_null(const char *value)
{
        return value && *value ? value : NULL;
}

/* ---- what came from outside ---- */

/* ---- help ---- */

static void print_help(const struct command *self, const struct own_flag *own)
{
        printf("usage: chard %s %s\n\n%s.\n", self->name, self->usage, self->summary);
        if (self->details)
                printf("\n%s\n", self->details);
        if (own && own->name)
                puts("\nflags:");
        for (; own && own->name; own++) {
                char flag[64];
                snprintf(flag, sizeof(flag), "%s%s%s", own->name, own->text ? " " : "",
                         own->text ? own->value_name : "");
                printf("  %-18s %s\n", flag, own->help);
        }
        printf("\nEvery setting is a flag too: chard help settings\n\nexample:\n%s\n", self->example);
}
