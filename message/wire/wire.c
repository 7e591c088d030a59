/* SPDX-License-Identifier: Apache-2.0 */
#include "message/wire/wire.h"

#define NAME(text)                                              \
        {                                                       \
                (const unsigned char *)(text), sizeof(text) - 1 \
        }

static const struct {
        struct bytes name;
        enum header_owner owner;
} owners[] = {
        /* Celery documentation, "Message Protocol", version 2, and celery.app.amqp.as_task_v2 */
        { NAME("lang"), HEADER_TASK },
        { NAME("task"), HEADER_TASK },
        { NAME("id"), HEADER_TASK },
        { NAME("shadow"), HEADER_TASK },
        { NAME("eta"), HEADER_TASK },
        { NAME("expires"), HEADER_TASK },
        { NAME("group"), HEADER_TASK },
        { NAME("group_index"), HEADER_TASK },
        { NAME("retries"), HEADER_TASK },
        { NAME("timelimit"), HEADER_TASK },
        { NAME("root_id"), HEADER_TASK },
        { NAME("parent_id"), HEADER_TASK },
        { NAME("argsrepr"), HEADER_TASK },
        { NAME("kwargsrepr"), HEADER_TASK },
        { NAME("origin"), HEADER_TASK },
        { NAME("ignore_result"), HEADER_TASK },
        { NAME("chard_aside"), HEADER_TASK },
        { NAME("chard_heir"), HEADER_TASK },
        { NAME("chard_excused"), HEADER_TASK },
        { NAME("chard_failed_first"), HEADER_TASK },
        { NAME("chard_failed_last"), HEADER_TASK },
        { NAME("chard_eta"), HEADER_TASK },
        { NAME("replaced_task_nesting"), HEADER_TASK },
        { NAME("stamped_headers"), HEADER_TASK },
        { NAME("stamps"), HEADER_TASK },
        { NAME("meth"), HEADER_TASK },
        { NAME("compression"), HEADER_BODY },
        { NAME("body_encoding"), HEADER_BODY },
        /* rabbitmq.com: "Sender-Selected Distribution", "Quorum Queues". x-death and its like: see below */
        { NAME("CC"), HEADER_BROKER },
        { NAME("BCC"), HEADER_BROKER },
        { NAME("x-delivery-count"), HEADER_BROKER },
        { NAME("x-acquired-count"), HEADER_BROKER },
        { NAME("errorSource"), HEADER_DEAD },
        { NAME("errorCode"), HEADER_DEAD },
        { NAME("errorMessage"), HEADER_DEAD },
        { NAME("errorVerdict"), HEADER_DEAD },
        { NAME("originalProperties"), HEADER_DEAD },
        { NAME("deadWorker"), HEADER_DEAD },
        { NAME("deadId"), HEADER_DEAD },
        { NAME("deadBefore"), HEADER_DEAD },
};

static bool starts_with(struct bytes name, const char *prefix)
{
        const size_t size = strlen(prefix);
        return name.size >= size && memcmp(name.data, prefix, size) == 0;
}

enum header_owner header_owner_of(struct bytes name)
{
        /* rabbitmq.com, "Dead Letter Exchanges": a message that comes by its own queue again with x-death is dropped as a cycle. */
        if (starts_with(name, "x-death") || starts_with(name, "x-first-death-") || starts_with(name, "x-last-death-"))
                return HEADER_BROKER;
        for (size_t i = 0; i < sizeof(owners) / sizeof(owners[0]); i++)
                if (bytes_equal(name, owners[i].name))
                        return owners[i].owner;
        return HEADER_CLIENT;
}
