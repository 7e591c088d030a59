/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/job_view.h"
#include "cli/jobs_client.h"

#include <stdio.h>

enum { JOB_ANSWER_MS = 10000 };

static int job_show(const struct command *self, const struct settings *s, const char *id, bool json)
{
        struct jobs_client c;
        int code = jobs_client_open(&c, self, s, JOBS_STORE);
        if (code == 0) {
                jobs_read(c.jobs, id, jobs_client_on_value, &c);
                code = jobs_client_wait(&c, JOB_ANSWER_MS);
        }
        if (code == 0 && !c.value) {
                fprintf(stderr, "chard job: no job \"%.100s\": no worker has begun it yet, or it was never submitted\n",
                        id);
                code = EXIT_FAILED;
        } else if (code == 0) {
                if (json)
                        job_print_json(c.value, true);
                else
                        job_print(c.value);
                code = job_exit_code(c.value);
        }
        jobs_client_close(&c);
        return code;
}

static int job_run(const struct command *self, int argc, char **argv)
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
                code = job_show(self, &s, argv[0], json);
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
        .run = job_run,
};
