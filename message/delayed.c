/* SPDX-License-Identifier: Apache-2.0 */
#include "message/message.h"

#include <errno.h>

/* A key that was delayed before carries its old prefix: 28 times a binary digit and a dot. */
static const char *without_prefix(const char *key)
{
        const char *at = key;
        for (unsigned i = 0; i < DELAYED_LEVELS; i++, at += 2)
                if ((at[0] != '0' && at[0] != '1') || at[1] != '.')
                        return key;
        return at;
}

int delayed_routing_key(uint32_t seconds, const char *routing_key, struct buffer *out)
{
        int highest = 0;
        if (seconds >> DELAYED_LEVELS)
                return -ERANGE;
        for (int level = DELAYED_LEVELS - 1; level >= 0; level--) {
                const bool set = seconds >> level & 1;
                if (set && level > highest)
                        highest = level;
                buffer_add(out, set ? "1." : "0.", 2);
        }
        buffer_add_string(out, without_prefix(routing_key));
        return highest;
}
