/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/jobs/view.h"

#include "cli/jobs/client.h"

enum { JOB_ANSWER_MS = 10000 };

static int job_print_found(const struct command *self, const json_t *found, const char *text, bool json)
{
        if (!json_is_object(found))
                return job_print_unfound(self, found, text, json);
        if (json)
                job_print_json(found, true);
        else
                job_print(found);
        return job_exit_code(found);
}

static int job_show(const struct command *self, const struct settings *s, const char *text, bool json)
{
        struct jobs_client c;
        int code = jobs_client_open(&c, self, s, NULL, JOBS_STORE);
        if (code == 0) {
                jobs_look(c.jobs, text, jobs_client_on_value, &c);
                code = jobs_client_wait(&c, JOB_ANSWER_MS);
        }
        if (code == 0)
                code = job_print_found(self, c.value, text, json);
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
                code = command_misuse(self, "name one job by an id");
        settings_free(&s);
        return code;
}

const struct command command_job = {
        .name = "job",
        .summary = "Show a job: its state, tasks, events and document; exit code 1 when it failed",
        .usage = "ID [--json]",
        .details =
                "Any id leads to its job: the job's own, one of its tasks' (a chain's last one too), a scheduled message's, or how one begins.",
        .example = "  chard job 0b2f0f0e-6d7e-4b55-a3c4-0d9a8f6c1d11",
        .run = job_run,
};
