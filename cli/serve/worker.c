/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/serve/serve.h"

static int worker_command_run(const struct command *self, int argc, char **argv)
{
        struct settings s;
        struct service service;
        int code;
        if (!command_load(self, NULL, &s, argc, argv, NULL, &code))
                return code;
        code = service_init(&service, self, &s, false);
        if (!code)
                code = service_run(&service, NULL);
        settings_free(&s);
        return code;
}

const struct command command_worker = {
        .name = "worker",
        .summary = "Consume task queues until SIGTERM",
        .usage = "[-Q QUEUE,…] [-c SLOTS] [-n NAME] [--tasks FILE,…] [--metrics ADDRESS:PORT]",
        .example = "  chard worker -Q scan.vision,scan.answer -c 2000 -n chard@worker-7",
        .details =
                "The first SIGTERM or SIGINT stops consuming and finishes what runs within the grace time, a second one hands everything\n"
                "back at once. What is handed back counts as no attempt.",
        .serves = true,
        .run = worker_command_run,
};
