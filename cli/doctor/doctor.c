/* SPDX-License-Identifier: Apache-2.0 */
/* chard doctor: looks at an installation, says what is wrong and what to do. */
#include "cli/doctor/doctor.h"

#include "cli/common/view.h"
#include "core/json.h"
#include "core/log.h"
#include "core/text/utf8.h"
#include "tasks/task.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum { DOCTOR_TEXT_SIZE = 1024 };

static const char *const verdicts[] = { "ok", "warn", "fail" };

void doctor_say(struct doctor *d, enum doctor_verdict verdict, const char *check, const char *advice,
                const char *format, ...)
{
        char text[DOCTOR_TEXT_SIZE];
        va_list args;
        va_start(args, format);
        const int size = vsnprintf(text, sizeof(text), format, args);
        va_end(args);
        log_redact(text);
        utf8_repair(text, size >= (int)sizeof(text));
        json_array_append_new(d->checks, json_pack("{s:s, s:s, s:s, s:s}", "check", check, "verdict", verdicts[verdict],
                                                   "text", text, "advice", advice));
        d->warnings += verdict == DOCTOR_WARN;
        d->failures += verdict == DOCTOR_FAIL;
}

const char *doctor_file_of(const char *url)
{
        static const char *const schemes[] = { "sqlite:", "embedded:" };
        for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++)
                if (strncmp(url, schemes[i], strlen(schemes[i])) == 0)
                        return url + strlen(schemes[i]);
        return NULL;
}

bool doctor_asks_provider(const struct settings *s)
{
        return *s->ai_provider ? strcmp(s->ai_provider, "openai") == 0 : *s->openai_api_key || *s->openai_base_url;
}

/* ---- limits of this host ---- */

/* How many queues have tasks that ask somebody. */
static uint64_t doctor_asking_queues(const struct doctor *d)
{
        const struct task_set *set = catalog_tasks(d->catalog);
        uint64_t count = 0;
        for (size_t q = 0; q < d->queue_count; q++) {
                bool asks = false;
                for (size_t i = 0; i < set->count && !asks; i++) {
                        const struct task_def *def = set->tasks[i].def;
                        asks = def->ask && !(def->flags & TASK_DIAGNOSTIC) && strcmp(def->queue, d->queues[q]) == 0;
                }
                count += asks;
        }
        return count;
}

static void doctor_look_at_limits(struct doctor *d)
{
        const struct settings *s = d->settings;
        struct rlimit limit;
        uint64_t calls = doctor_asks_provider(s) ? doctor_asking_queues(d) * (uint64_t)s->slots : 0;
        if (calls > (uint64_t)s->ai_connections)
                calls = (uint64_t)s->ai_connections;
        if (getrlimit(RLIMIT_NOFILE, &limit) == 0) /* a worker raises its limit to the hard one */
                doctor_judge_files(d, limit.rlim_max == RLIM_INFINITY ? UINT64_MAX : limit.rlim_max, calls);
}

/* ---- the report ---- */

static void doctor_print(const struct doctor *d)
{
        size_t i;
        json_t *row;
        json_array_foreach(d->checks, i, row) {
                const char *advice = json_text(row, "advice", "");
                printf("%-5s %-9s ", json_text(row, "verdict", "?"), json_text(row, "check", "?"));
                view_plain(json_text(row, "text", ""));
                if (*advice)
                        printf("\n%16s-> %s", "", advice);
                putchar('\n');
        }
        if (d->failures || d->warnings)
                printf("%u failed, %u warnings\n", d->failures, d->warnings);
        else
                puts("all is well");
}

static int doctor_report(const struct doctor *d, bool json)
{
        JSON_OWNED json_t *whole = json_pack("{s:O, s:i, s:i}", "checks", d->checks, "warnings", (int)d->warnings,
                                             "failures", (int)d->failures);
        if (json)
                view_json(whole);
        else
                doctor_print(d);
        return d->failures ? EXIT_FAILED : EXIT_DONE;
}

static int doctor_examine(const struct command *self, const struct settings *s, bool provider, bool json)
{
        int code = EXIT_FAILED;
        struct doctor d = { .self = self, .settings = s };
        struct catalog *catalog = command_catalog(self, s, &code);
        if (!catalog)
                return code;
        d.catalog = catalog;
        d.queue_count = catalog_queues(catalog, d.queues, DOCTOR_QUEUES);
        d.checks = json_array();
        doctor_judge_settings(&d);
        doctor_look_at_limits(&d);
        doctor_look_at_broker(&d);
        doctor_look_at_store(&d);
        doctor_look_at_results(&d);
        if (provider)
                doctor_ask_provider(&d);
        code = doctor_report(&d, json);
        json_decref(d.checks);
        catalog_unref(catalog);
        return code;
}

static int doctor_command_run(const struct command *self, int argc, char **argv)
{
        bool json = false, provider = false;
        const struct own_flag own[] = {
                { "--json", 0, &json, NULL, NULL, "print one JSON object" },
                { "--provider", 0, &provider, NULL, NULL,
                  "also ask each model something short, which may cost a few tokens" },
                { 0 },
        };
        struct settings s;
        int code;
        if (!command_load(self, own, &s, argc, argv, NULL, &code))
                return code;
        code = doctor_examine(self, &s, provider, json);
        settings_free(&s);
        return code;
}

const struct command command_doctor = {
        .name = "doctor",
        .summary =
                "Look at broker, topology, store, results, clocks, limits and settings, and say what is wrong and what to do",
        .usage = "[--provider] [--json]",
        .details =
                "A line each: ok, warn or fail, what was found, and what to do. Exit code 1 when something failed, else 0. Nothing is changed, and no secret is\n"
                "printed. Run it with the settings and as the user that the worker has. What works right now says chard status.",
        .example = "  chard doctor\n  chard doctor --provider --json",
        .run = doctor_command_run,
};
