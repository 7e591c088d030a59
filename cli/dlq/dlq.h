/* SPDX-License-Identifier: Apache-2.0 */
/* What the verbs of `chard dlq` share: each is a command of its own, named "dlq VERB". */
#ifndef CHARD_CLI_DLQ_DLQ_H
#define CHARD_CLI_DLQ_DLQ_H

#include "cli/common/command.h"
#include "dlq/action.h"

/* `chard dlq NAME` of an action. Returns the exit code. */
int dlq_act(const struct dlq_action *action, int argc, char **argv);

extern const struct command command_dlq_keep, command_dlq_ls, command_dlq_groups, command_dlq_show, command_dlq_edit,
        command_dlq_export, command_dlq_import, command_dlq_stats;

#endif
