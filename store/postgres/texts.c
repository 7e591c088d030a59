/* SPDX-License-Identifier: Apache-2.0 */
#include "store/postgres/texts.h"

#include <stdlib.h>
#include <string.h>

struct texts_call *texts_call_new(const struct statement *statement, const char *const texts[], size_t count)
{
        size_t size = 0;
        for (size_t i = 0; i < count; i++)
                size += strlen(texts[i]) + 1;
        struct texts_call *call = malloc(sizeof(*call) + size);

        if (!call)
                return NULL;
        char *at = (char *)(call + 1);

        call->statement = statement;
        call->count = count;
        for (size_t i = 0; i < count; i++) {
                size = strlen(texts[i]) + 1;
                call->texts[i] = memcpy(at, texts[i], size);
                at += size;
        }
        return call;
}

int send_texts(struct pg_link *link, struct pg_group *group)
{
        const struct texts_call *call = group->calls[0]->what;

        arguments_reset(&link->store->arguments);
        for (size_t i = 0; i < call->count; i++)
                arguments_text(&link->store->arguments, call->texts[i]);
        return pg_link_send_once(link, group, call->statement);
}

void texts_call_add(struct store *s, const struct pg_verb *verb, const struct statement *statement,
                    const char *const texts[], size_t count, json_done *done, void *arg)
{
        struct texts_call *call = texts_call_new(statement, texts, count);

        if (call)
                call_add(pg_of(s), verb, call, call, (void (*)(void))done, arg);
        else
                call_refuse(verb, (void (*)(void))done, arg, STORE_STARVED);
}
