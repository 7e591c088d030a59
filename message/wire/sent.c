/* SPDX-License-Identifier: Apache-2.0 */
/* When a message came to its broker. RabbitMQ writes it with message_interceptors.incoming.set_header_timestamp: the property, in seconds, and a header of its own,
 * in milliseconds. Source: RabbitMQ documentation, "Message Interceptors". */
#include "message/message.h"

int64_t message_sent_ms(struct bytes properties)
{
        struct properties p;
        struct header h;
        int64_t ms = 0;
        if (properties_read(properties, &p, NULL) || p.timestamp <= 0)
                return 0;
        if (header_find(p.headers, "timestamp_in_ms", &h) && header_number(&h, &ms) && ms > 0)
                return ms;
        return p.timestamp < INT64_MAX / 1000 ? p.timestamp * 1000 : 0;
}
