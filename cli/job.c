/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/job_view.h"

#include <stdio.h>

enum { ANSWER_MS = 10000 };

static int show(const struct command *self, const struct settings *s, const char *id, bool json)
{
        struct wait wait;
        struct job_view view;
        wait_open(&wait);
        int code = job_view_open(&view, self, s, &wait);
        if (code == 0)
                code = job_view_read(&view, self, id, ANSWER_MS);
        if (code == 0 && !view.job) {
                fprintf(stderr, "chard job: no job \"%.100s\": no worker has begun it yet, or it was never submitted\n",
                        id);
                code = EXIT_FAILED;
        } else if (code == 0) {
                if (json)
                        job_view_print_json(view.job, true);
                else
                        job_view_print(&view);
                code = job_view_exit_code(&view);
        }
        job_view_close(&view);
        wait_close(&wait);
        return code;
}

static int run(const struct command *self, int argc, char **argv)
{
        bool json = false;
        const struct own_flag own[] = {
                { "--json", 0, &json, NULL, NULL, "print one JSON object with tasks and events" }, { 0 }
        };
        struct settings s;
        int operands, code;
        if (!command_load(self, own, &s, argc, argv, &operands, &code))
                return code;
        if (operands == 1)
                code = show(self, &s, argv[0], json);
        else
                code = command_misuse(self, "name one job by its id");
        settings_free(&s);
        return code;
}

const struct command command_job = {
        .name = "job",
        .summary = "Show a job: its state, tasks, events and document; exit code 1 when it failed",
        .usage = "ID [--json]",
        .example = "  chard job 0b2f0f0e-6d7e-4b55-a3c4-0d9a8f6c1d11",
        .run = run,
};
