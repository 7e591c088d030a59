/* SPDX-License-Identifier: Apache-2.0 */
#include "dlq/action.h"

#include <string.h>

const struct dlq_action *dlq_action_named(const char *name)
{
        const struct dlq_action *const *found = dlq_actions;
        while (*found && strcmp((*found)->does.name, name) != 0)
                found++;
        return *found;
}
