/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/common/command.h"

#include <stdio.h>

static int version_command_run(const struct command *self, int argc, char **argv)
{
        struct settings s;
        int operands, code;
        if (!command_load(self, NULL, &s, argc, argv, &operands, &code))
                return code;
        settings_free(&s);
        puts("chard " CHARD_VERSION);
        return EXIT_DONE;
}

const struct command command_version = {
        .name = "version",
        .summary = "Print the version",
        .usage = "",
        .example = "  chard version",
        .serverless = true,
        .run = version_command_run,
};
