/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/common/command.h"

#include "core/json.h"
#include "core/text/nearest.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

const struct command *const commands[] = {
        &command_dev,     &command_worker, &command_keep,    &command_consume,
        &command_gateway, &command_key,    &command_webhook, &command_submit,
        &command_send,    &command_try,    &command_status,  &command_top,
        &command_doctor,  &command_job,    &command_jobs,    &command_trace,
        &command_cancel,  &command_ping,   &command_dlq,     &command_topology,
        &command_migrate, &command_events, &command_cdc,     &command_scheduled,
        &command_move,    &command_help,   &command_version, NULL,
};

static const struct command *main_find(const char *name)
{
        if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
                return &command_help;
        if (strcmp(name, "--version") == 0)
                return &command_version;
        for (size_t i = 0; commands[i]; i++)
                if (strcmp(commands[i]->name, name) == 0)
                        return commands[i];
        return NULL;
}

static int main_unknown(const char *name)
{
        const char *names[32];
        size_t count = 0;
        for (; commands[count]; count++)
                names[count] = commands[count]->name;
        char offer[NEAREST_OFFER_SIZE];
        fprintf(stderr, "chard: unknown command \"%.60s\"%s\n", name,
                nearest_offer(offer, name, names, count, "; see: chard help"));
        return EXIT_USAGE;
}

int main(int argc, char **argv)
{
        signal(SIGPIPE, SIG_IGN); /* a peer that goes away is an error code, not a death */
        json_watch_memory();
        if (argc < 2) {
                command_help.run(&command_help, 0, argv + 1);
                return EXIT_USAGE;
        }
        const struct command *command = main_find(argv[1]);
        if (!command)
                return main_unknown(argv[1]);
        const int code = command->run(command, argc - 2, argv + 2);
        errno = 0;
        if (fflush(stdout) == 0 && !ferror(stdout))
                return code;
        if (errno != EPIPE) /* who reads no further knows why */
                fprintf(stderr, "chard: what was to be printed could not all be written%s%s\n", errno ? ": " : "",
                        errno ? strerror(errno) : "");
        return code ? code : EXIT_FAILED;
}
