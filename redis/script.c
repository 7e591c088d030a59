/* SPDX-License-Identifier: Apache-2.0 */
#include "redis/script.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

int redis_script_send(struct redis_link *l, const struct redis_script_call *call, redis_answer *answer, void *arg)
{
        enum { HEAD = 3 };
        char count[8];
        struct bytes words[HEAD + REDIS_SCRIPT_MOST];
        assert(call->key_count + call->arg_count <= REDIS_SCRIPT_MOST);
        snprintf(count, sizeof(count), "%u", (unsigned)call->key_count);
        words[0] = bytes_of_string("EVAL");
        words[1] = bytes_of_string(call->script);
        words[2] = bytes_of_string(count);
        size_t size = HEAD;
        for (size_t i = 0; i < call->key_count; i++)
                words[size++] = call->keys[i];
        for (size_t i = 0; i < call->arg_count; i++)
                words[size++] = call->args[i];
        return redis_link_send(l, words, size, answer, arg);
}
