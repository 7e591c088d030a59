/* SPDX-License-Identifier: Apache-2.0 */
/* Values of flags that several commands take. */
#ifndef CHARD_CLI_COMMON_FLAGS_H
#define CHARD_CLI_COMMON_FLAGS_H

#include "cli/common/command.h"

/* A count that a flag was given, within least … most. False after a complaint. */
bool flag_number(const struct command *self, const char *flag, const char *value, unsigned least, unsigned most,
                 unsigned *out);

#endif
