/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/common/command.h"

#include <stdio.h>
#include <string.h>

static void print_commands(void)
{
        puts("chard runs chained AI tasks from RabbitMQ, or from one file.\n\nusage: chard COMMAND [flags]\n");
        for (size_t i = 0; commands[i]; i++)
                printf("  %-10s %s\n", commands[i]->name, commands[i]->summary);
        puts("\nEach has --help with an example. Settings: chard help settings");
}

static int help_command_run(const struct command *self, int argc, char **argv)
{
        bool markdown = false;
        const struct own_flag own[] = { { "--markdown", 0, &markdown, NULL, NULL, "as a table for a reference page" },
                                        { 0 } };
        struct settings s;
        int operands, code;
        if (argc == 0) {
                print_commands();
                return EXIT_DONE;
        }
        if (!command_load(self, own, &s, argc, argv, &operands, &code))
                return code;
        settings_free(&s);
        if (operands == 0) {
                print_commands();
                return EXIT_DONE;
        }
        if (strcmp(argv[0], "settings") == 0) {
                settings_print(stdout, markdown);
                return EXIT_DONE;
        }
        char *help[] = { (char[]){ "--help" } };
        for (size_t i = 0; commands[i]; i++)
                if (strcmp(commands[i]->name, argv[0]) == 0)
                        return commands[i]->run(commands[i], 1, help);
        return command_misuse(self, "there is no help on \"%.60s\"", argv[0]);
}

const struct command command_help = {
        .name = "help",
        .summary = "List the commands, or the settings, or explain one command",
        .usage = "[settings|COMMAND]",
        .example = "  chard help settings",
        .serverless = true,
        .run = help_command_run,
};
