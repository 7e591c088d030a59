/* SPDX-License-Identifier: Apache-2.0 */
/* chard trace: a job's whole life, from the store alone. */
#include "cli/jobs/trace_view.h"

#include "cli/common/view.h"
#include "cli/jobs/client.h"
#include "cli/jobs/view.h"
#include "core/clock.h"
#include "core/json.h"
#include "jobs/timeline.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TRACE_ANSWER_MS = 10000, TRACE_WIDTH = 80 };

struct trace_flags {
        bool json, texts;
};

/* Line by line: what steers a terminal becomes a space, so must the lines' ends not be among it. */
static void trace_print(const json_t *timeline)
{
        struct buffer out = { 0 };
        trace_lay_out(&out, timeline, view_width(TRACE_WIDTH));
        buffer_add_byte(&out, '\0');
        for (char *save, *line = out.failed ? NULL : strtok_r((char *)out.data, "\n", &save); line;
             line = strtok_r(NULL, "\n", &save)) {
                view_plain(line);
                putchar('\n');
        }
        buffer_free(&out);
}

static int trace_show_job(const json_t *job, const struct trace_flags *flags)
{
        JSON_OWNED json_t *timeline = timeline_of(job, clock_wall_ms(), flags->texts);
        if (!timeline) {
                fputs("chard trace: out of memory\n", stderr);
                return EXIT_FAILED;
        }
        if (flags->json)
                view_json(timeline);
        else
                trace_print(timeline);
        return EXIT_DONE;
}

static int trace_show(struct jobs_client *c, const char *text, const struct trace_flags *flags)
{
        jobs_trace(c->jobs, text, jobs_client_on_value, c);
        const int code = jobs_client_wait(c, TRACE_ANSWER_MS);
        if (code)
                return code;
        return json_is_object(c->value) ? trace_show_job(c->value, flags)
                                        : job_print_unfound(c->self, c->value, text, flags->json);
}

static int trace_command_run(const struct command *self, int argc, char **argv)
{
        struct trace_flags flags = { 0 };
        const struct own_flag own[] = {
                { "--json", 0, &flags.json, NULL, NULL, "print one JSON object" },
                { "--texts", 0, &flags.texts, NULL, NULL,
                  "also what users wrote or were told: payloads, texts of errors" },
                { 0 },
        };
        struct settings s;
        struct jobs_client client;
        int operands, code;
        if (!command_load(self, own, &s, argc, argv, &operands, &code))
                return code;
        if (operands != 1)
                code = command_misuse(self, "name one job by an id");
        else {
                code = jobs_client_open(&client, self, &s, NULL, JOBS_STORE);
                if (code == 0)
                        code = trace_show(&client, argv[0], &flags);
                jobs_client_close(&client);
        }
        settings_free(&s);
        return code;
}

const struct command command_trace = {
        .name = "trace",
        .summary = "Show a job's whole life in the order of time, from the store alone, and name the gaps",
        .usage = "ID [--texts] [--json]",
        .details =
                "Any id leads to its job, as with chard job. A line each: how long after the first, the time of day (UTC), the task, what happened. Of a task\n"
                "the store knows its first claim, its last, and its end; what a message waited for while it was in the broker is told by the gap.",
        .example = "  chard trace 0b2f0f0e-6d7e-4b55-a3c4-0d9a8f6c1d11\n  chard trace 0b2f --json",
        .run = trace_command_run,
};
