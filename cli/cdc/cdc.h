/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs of `chard cdc`, a file each. */
#ifndef CHARD_CLI_CDC_H
#define CHARD_CLI_CDC_H

#include "cli/common/command.h"

extern const struct command command_cdc_check, command_cdc_config, command_cdc_backfill;

#endif
