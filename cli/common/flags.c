/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/common/flags.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

bool flag_number(const struct command *self, const char *flag, const char *value, unsigned least, unsigned most,
                 unsigned *out)
{
        char *end;
        if (!value)
                return true;
        errno = 0;
        const long number = strtol(value, &end, 10);
        if (end != value && (!*end || strcmp(end, "/s") == 0) && number >= (long)least && number <= (long)most &&
            errno == 0) {
                *out = (unsigned)number;
                return true;
        }
        command_misuse(self, "%s: \"%.40s\" is no number from %u to %u%s", flag, value, least, most,
                       least ? "; leave it out to have no such limit" : "");
        return false;
}
