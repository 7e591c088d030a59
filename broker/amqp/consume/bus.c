/* SPDX-License-Identifier: Apache-2.0 */
/* What the bus is made of. The arguments are those that Celery's own workers and clients give, because a declaration that differs
 * from one that stands there is refused. Source: kombu/pidbox.py and celery/events/event.py; the queue's limits are the defaults of
 * control_queue_ttl and control_queue_expires. */
#include "broker/amqp/consume/consumer.h"

enum { QUEUE_TTL_MS = 300000, QUEUE_EXPIRES_MS = 10000 };

static amqp_table_entry_t amqp_bus_number(const char *key, int32_t value)
{
        return (amqp_table_entry_t){ .key = amqp_cstring_bytes(key),
                                     .value = { .kind = AMQP_FIELD_KIND_I32, .value.i32 = value } };
}

static int declare_exchange(struct amqp_link *l, uint16_t channel, const char *name, const char *type, bool durable,
                            struct problem *why)
{
        amqp_exchange_declare(l->conn, channel, amqp_cstring_bytes(name), amqp_cstring_bytes(type), 0, durable, 0, 0,
                              amqp_empty_table);
        return amqp_link_result(l, channel, name, why);
}

static int declare_queue(struct amqp_link *l, uint16_t channel, const struct broker_bus *bus, struct problem *why)
{
        amqp_table_entry_t limits[] = { amqp_bus_number("x-message-ttl", QUEUE_TTL_MS),
                                        amqp_bus_number("x-expires", QUEUE_EXPIRES_MS) };
        const amqp_table_t arguments = { .num_entries = 2, .entries = limits };
        amqp_queue_declare(l->conn, channel, amqp_cstring_bytes(bus->queue), 0, 0, 1, 1, arguments);
        const int result = amqp_link_result(l, channel, bus->queue, why);
        if (result)
                return result;
        amqp_queue_bind(l->conn, channel, amqp_cstring_bytes(bus->queue), amqp_cstring_bytes(bus->commands),
                        amqp_empty_bytes, amqp_empty_table);
        return amqp_link_result(l, channel, bus->queue, why);
}

int bus_declare(struct amqp_link *l, uint16_t channel, const struct broker_bus *bus, struct problem *why)
{
        int result = declare_exchange(l, channel, bus->events, "topic", true, why);
        if (result == 0)
                result = declare_exchange(l, channel, bus->commands, "fanout", false, why);
        return result ? result : declare_queue(l, channel, bus, why);
}
