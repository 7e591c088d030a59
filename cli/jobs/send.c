/* SPDX-License-Identifier: Apache-2.0 */
/* `chard send`: any one task, confirmed. */
#include "cli/common/input.h"

#include "cli/common/times.h"
#include "cli/jobs/submit.h"
#include "core/clock.h"
#include "core/json.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SEND_CONFIRM_MS = 15000 };

struct send_progress {
        struct task_request request;
        json_t *args, *kwargs; /* owned */
        const char *args_text, *kwargs_text, *countdown, *eta, *expires, *priority;
        bool json;
};

/* Seconds from now; false when it is no such number. */
static bool send_seconds(const char *text, int64_t *wall_ms)
{
        char *end = NULL;
        const double seconds = strtod(text, &end);
        if (end == text || *end || !(seconds >= 0 && seconds < 1e9))
                return false;
        *wall_ms = clock_wall_ms() + (int64_t)(seconds * 1000);
        return true;
}

static int send_times(const struct command *self, struct send_progress *s)
{
        struct task_request *r = &s->request;
        if (s->countdown && s->eta)
                return command_misuse(self, "--countdown and --eta both say when: give one");
        if (s->countdown && !send_seconds(s->countdown, &r->eta_ms))
                return command_misuse(self, "--countdown: \"%.40s\" is no number of seconds", s->countdown);
        if (s->eta && clock_parse(s->eta, &r->eta_ms))
                return command_misuse(self, "--eta: \"%.40s\" is no time; write 2026-11-21T08:00:00Z", s->eta);
        if (s->expires && !send_seconds(s->expires, &r->expires_ms) && clock_parse(s->expires, &r->expires_ms))
                return command_misuse(self, "--expires: \"%.40s\" is neither a number of seconds nor a time",
                                      s->expires);
        return 0;
}

static int send_priority(const struct command *self, struct send_progress *s)
{
        char *end = NULL;
        const long number = s->priority ? strtol(s->priority, &end, 10) : -1;
        if (s->priority && (!isdigit((unsigned char)*s->priority) || *end || number > 255))
                return command_misuse(self, "--priority: \"%.40s\" is no number from 0 to 255", s->priority);
        s->request.priority = (int)number;
        return 0;
}

static int send_json(const struct command *self, const char *flag, const char *text, json_t **out)
{
        struct problem why;
        if (!text || json_parse(bytes_of_string(text), "input", out, &why) == 0)
                return 0;
        return command_misuse(self, "%s: %s", flag, why.text);
}

static int send_words(const struct command *self, struct send_progress *s, char **words, int count)
{
        struct problem why = { 0 };
        int code = send_json(self, "--args", s->args_text, &s->args);
        if (code == 0)
                code = send_json(self, "--kwargs", s->kwargs_text, &s->kwargs);
        if (code == 0 && !s->kwargs)
                s->kwargs = json_object();
        for (int i = 1; i < count && code == 0; i++)
                if (!json_is_object(s->kwargs) || input_word(s->kwargs, words[i], &why))
                        code = command_misuse(self, "%s", *why.text ? why.text : "--kwargs: a JSON object is wanted");
        s->request.args = s->args;
        s->request.kwargs = s->kwargs;
        return code;
}

static int send_task(const struct command *self, const struct settings *settings, const struct send_progress *s)
{
        struct submitter sub = { 0 };
        struct problem why = { 0 };
        char id[JOBS_ID_SIZE];
        int code = jobs_client_open(&sub.client, self, settings, NULL, JOBS_BROKER);
        if (code == 0) {
                code = jobs_send(sub.client.jobs, &s->request, id, submit_on_done, &sub, &why);
                if (code)
                        code = command_fail(self, code, &why);
                else
                        sub.open++;
        }
        if (code == 0)
                code = submit_drain(&sub, 0, SEND_CONFIRM_MS);
        if (code == 0 && sub.failed)
                code = EXIT_FAILED;
        if (code == 0 && s->json)
                printf("{\"id\":\"%s\",\"state\":\"PENDING\"}\n", id);
        else if (code == 0)
                puts(id);
        jobs_client_close(&sub.client);
        return code;
}

static int send_run(const struct command *self, int argc, char **argv)
{
        struct send_progress s = { 0 };
        const struct own_flag own[] = {
                { "--args", 0, NULL, &s.args_text, "JSON", "positional arguments, an array" },
                { "--kwargs", 0, NULL, &s.kwargs_text, "JSON", "keyword arguments, an object; words add to it" },
                { "--queue", 0, NULL, &s.request.queue, "NAME",
                  "where to (default: the task's own, else one of its name)" },
                { "--countdown", 0, NULL, &s.countdown, "SECONDS", "not before so many seconds from now" },
                { "--eta", 0, NULL, &s.eta, "TIME", "not before then, ISO 8601" },
                { "--expires", 0, NULL, &s.expires, "SECONDS",
                  "not after so many seconds from now, or then (ISO 8601)" },
                { "--priority", 0, NULL, &s.priority, "N", "0 to 255, where the queue has priorities" },
                { "--id", 0, NULL, &s.request.id, "ID", "the task's id (default: a new one)" },
                { "--json", 0, &s.json, NULL, NULL, "print {\"id\", \"state\"}" },
                { 0 },
        };
        struct settings settings;
        int operands, code;
        if (!command_load(self, own, &settings, argc, argv, &operands, &code))
                return code;
        if (operands < 1 || strchr(argv[0], '='))
                code = command_misuse(self, "name a task");
        else
                code = send_words(self, &s, argv, operands);
        s.request.name = operands > 0 ? argv[0] : "";
        if (code == 0)
                code = send_times(self, &s);
        if (code == 0)
                code = send_priority(self, &s);
        if (code == 0)
                code = send_task(self, &settings, &s);
        json_decref(s.args);
        json_decref(s.kwargs);
        settings_free(&settings);
        return code;
}

const struct command command_send = {
        .name = "send",
        .summary = "Send any task; prints its id once the broker has confirmed it",
        .usage =
                "TASK [key=value…] [--args JSON] [--kwargs JSON] [--queue NAME] [--countdown SECONDS] [--eta TIME] [--expires SECONDS] [--priority N] [--id ID] [--json]",
        .example = "  chard send chard.echo --args '[1, 2]'\n"
                   "  chard send mail.welcome user_id=u1 --countdown 60 --queue mail",
        .details = "A value is text (key=text), JSON (key:=[1,2]) or a file (key=@FILE), as for submit.",
        .run = send_run,
};
