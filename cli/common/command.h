/* SPDX-License-Identifier: Apache-2.0 */
/* One sub-command = one file = one constant of this type; main.c lists them. */
#ifndef CHARD_CLI_COMMON_COMMAND_H
#define CHARD_CLI_COMMON_COMMAND_H

#include "catalog/catalog.h"
#include "core/problem.h"
#include "core/settings/settings.h"

#include <stdbool.h>
#include <stdio.h>

/* The exit codes of every sub-command. */
enum exit_code {
        EXIT_DONE = 0,
        EXIT_FAILED = 1,      /* the job or action failed */
        EXIT_USAGE = 2,       /* a wrong flag, setting or input; a schema that is too new or too old */
        EXIT_UNREACHABLE = 3, /* broker, store or provider out of reach */
        EXIT_TIMED_OUT = 4,
};

struct command {
        const char *name, *summary;
        const char *usage;   /* the words after "chard NAME" */
        const char *example; /* one or more lines to copy */
        const char *details; /* a paragraph, or NULL */
        bool serves;         /* runs on and logs what it does; the others log warnings only, unless asked for debug */
        bool serverless;     /* takes no broker and no store from the settings */
        int (*run)(const struct command *self, int argc, char **argv);
};

extern const struct command command_worker, command_keep, command_consume, command_submit, command_send, command_try,
        command_status, command_doctor, command_job, command_jobs, command_cancel, command_ping, command_dlq,
        command_topology, command_trace, command_migrate, command_events, command_events_verify, command_cdc,
        command_scheduled, command_dev, command_gateway, command_key, command_webhook, command_move, command_help,
        command_version, command_top;

/* All sub-commands, NULL-terminated. */
extern const struct command *const commands[];

/* Read settings and flags for a sub-command, set up the log and hide secrets. `own` may be NULL; --help is handled here.
 * *operands is how many words there are beside the flags, first in argv; NULL: the command takes none, and one is misuse.
 * Returns true to go on; false when *code is the exit code already (help was printed, or a usage error). */
bool command_load(const struct command *self, const struct own_flag *own, struct settings *s, int argc, char **argv,
                  int *operands, int *code);

/* What this program ships and the plug-ins that the settings name, as a catalogue, which the caller gives back with catalog_unref after all that
 * uses it. NULL after a complaint, with *code the exit code. */
struct catalog *command_catalog(const struct command *self, const struct settings *s, int *code);

/* Print "chard NAME: …" on stderr and return the exit code that fits the problem; `code` is what the failing call returned. */
int command_fail(const struct command *self, int code, const struct problem *why);

/* store_migrate, with the views of the facts of what this program ships. */
int command_migrate_store(const char *url, unsigned connect_timeout_ms, void (*said)(const char *line, void *arg),
                          struct problem *why);

/* Print a usage error on stderr; returns EXIT_USAGE. */
int command_misuse(const struct command *self, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The setting, or NULL where it is empty. */
const char *setting_or_null(const char *value);

#endif
