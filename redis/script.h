/* SPDX-License-Identifier: Apache-2.0 */
/* Lua that a Redis carries out as one step. It goes along with each call, by EVAL: EVALSHA would be another command that an administrator must allow, and
 * a master that was chosen meanwhile does not know it. */
#ifndef CHARD_REDIS_SCRIPT_H
#define CHARD_REDIS_SCRIPT_H

#include "redis/link.h"

/* KEYS and ARGV together. */
enum { REDIS_SCRIPT_MOST = 24 };

/* What a script gets; borrowed. */
struct redis_script_call {
        const char *script;
        const struct bytes *keys, *args;
        size_t key_count, arg_count;
};

/* As redis_link_send: whatever is repeated may be repeated. */
int redis_script_send(struct redis_link *l, const struct redis_script_call *call, redis_answer *answer, void *arg);

#endif
