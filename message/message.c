/* SPDX-License-Identifier: Apache-2.0 */
#include "message/message.h"

#include <stdlib.h>

static unsigned char *message_put(unsigned char *at, const void *data, size_t size)
{
        if (size)
                memcpy(at, data, size);
        return at + size;
}

struct message *message_new(const char *exchange, const char *routing_key, struct bytes properties, struct bytes body)
{
        const size_t exchange_size = strlen(exchange) + 1, key_size = strlen(routing_key) + 1;
        struct message *m = malloc(sizeof(*m) + exchange_size + key_size + properties.size + body.size);
        if (!m)
                return NULL;
        unsigned char *at = (unsigned char *)(m + 1);
        m->next = NULL;
        m->exchange = (const char *)at;
        at = message_put(at, exchange, exchange_size);
        m->routing_key = (const char *)at;
        at = message_put(at, routing_key, key_size);
        m->properties = bytes_of(at, properties.size);
        at = message_put(at, properties.data, properties.size);
        m->body = bytes_of(at, body.size);
        message_put(at, body.data, body.size);
        return m;
}

void message_free(struct message *m)
{
        free(m);
}

void message_free_list(struct message *first)
{
        while (first) {
                struct message *next = first->next;
                message_free(first);
                first = next;
        }
}
