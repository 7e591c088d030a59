/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/amqp/connection/declare.h"

#include "broker/amqp/connection/frames.h"
#include "core/clock.h"

#include <stdio.h>
#include <string.h>

#define METHOD_SIZE_MAX 2048 /* four short texts and five arguments, with room to spare */

struct declare_arguments {
        amqp_table_entry_t entries[5];
        int count;
};

static void argument_text(struct declare_arguments *a, const char *key, const char *text)
{
        a->entries[a->count++] = (amqp_table_entry_t){ .key = amqp_cstring_bytes(key),
                                                       .value = { .kind = AMQP_FIELD_KIND_UTF8,
                                                                  .value.bytes = amqp_cstring_bytes(text) } };
}

static void argument_number(struct declare_arguments *a, const char *key, int64_t number)
{
        amqp_field_value_t value = { .kind = AMQP_FIELD_KIND_I32, .value.i32 = (int32_t)number };
        if (number > INT32_MAX)
                value = (amqp_field_value_t){ .kind = AMQP_FIELD_KIND_I64, .value.i64 = number };
        a->entries[a->count++] = (amqp_table_entry_t){ .key = amqp_cstring_bytes(key), .value = value };
}

static void queue_arguments(struct declare_arguments *a, const struct topology_row *row, unsigned broker_major)
{
        argument_text(a, "x-queue-type", row->expires_ms ? "classic" : "quorum");
        if (row->expires_ms)
                argument_number(a, "x-expires", row->expires_ms);
        if (row->dead_letter_exchange)
                argument_text(a, "x-dead-letter-exchange", row->dead_letter_exchange);
        if (row->ttl_ms)
                argument_number(a, "x-message-ttl", row->ttl_ms);
        if (row->overflow_reject) {
                argument_text(a, "x-overflow", "reject-publish");
                argument_text(a, "x-dead-letter-strategy", "at-least-once");
        }
        /* RabbitMQ 4.0 made 20 deliveries the default and -1 no limit; 3.x refuses -1. */
        if (row->never_drop && broker_major >= 4)
                argument_number(a, "x-delivery-limit", -1);
}

static int send_method(struct amqp_link *l, amqp_method_number_t id, void *method)
{
        unsigned char encoded[METHOD_SIZE_MAX];
        const int size = amqp_encode_method(id, method, (amqp_bytes_t){ sizeof(encoded), encoded });
        if (size < 0)
                return amqp_link_fail(l, "unreachable", "a declaration is too long to be sent");
        frame_method(&l->out, DECLARE_CHANNEL, id, bytes_of(encoded, (size_t)size));
        return 0;
}

static int send_exchange(struct amqp_link *l, const struct topology_row *row)
{
        amqp_exchange_declare_t declare = { .exchange = amqp_cstring_bytes(row->name),
                                            .type = amqp_cstring_bytes("topic"),
                                            .durable = 1 };
        return send_method(l, AMQP_EXCHANGE_DECLARE_METHOD, &declare);
}

static int send_queue(struct amqp_link *l, const struct topology_row *row)
{
        struct declare_arguments arguments = { .count = 0 };
        queue_arguments(&arguments, row, l->broker_major);
        amqp_queue_declare_t declare = { .queue = amqp_cstring_bytes(row->name),
                                         .durable = 1,
                                         .arguments = { arguments.count, arguments.entries } };
        return send_method(l, AMQP_QUEUE_DECLARE_METHOD, &declare);
}

static int send_binding(struct amqp_link *l, const struct topology_row *row)
{
        const amqp_bytes_t target = amqp_cstring_bytes(row->name), source = amqp_cstring_bytes(row->source);
        const amqp_bytes_t key = amqp_cstring_bytes(row->routing_key);
        amqp_exchange_bind_t to_exchange = { .destination = target, .source = source, .routing_key = key };
        amqp_queue_bind_t to_queue = { .queue = target, .exchange = source, .routing_key = key };
        if (row->to_exchange)
                return send_method(l, AMQP_EXCHANGE_BIND_METHOD, &to_exchange);
        return send_method(l, AMQP_QUEUE_BIND_METHOD, &to_queue);
}

static int amqp_declare_send_rows(struct amqp_link *l, const struct topology *t)
{
        int result = 0;
        for (size_t i = 0; i < t->count && result == 0; i++) {
                switch (t->rows[i].kind) {
                case TOPOLOGY_EXCHANGE: result = send_exchange(l, &t->rows[i]); break;
                case TOPOLOGY_QUEUE: result = send_queue(l, &t->rows[i]); break;
                case TOPOLOGY_BINDING: result = send_binding(l, &t->rows[i]); break;
                }
        }
        return result;
}

static int row_refused(struct amqp_link *l, const struct topology_row *row, const amqp_channel_close_t *close,
                       struct problem *why)
{
        static const char *const kinds[] = { "exchange", "queue", "binding of" };
        static const char advice[] =
                "; it stands there declared in another way: move its messages away and delete it, "
                "and chard declares it anew; or consume task queues as they are: CHARD_DECLARE_QUEUES=no";
        char doing[300];
        snprintf(doing, sizeof(doing), "declaring %s %s", kinds[row->kind], row->name);
        amqp_link_channel_closed(l, DECLARE_CHANNEL, close, doing, why);
        const size_t used = strlen(why->text);
        if (close->reply_code == AMQP_PRECONDITION_FAILED)
                snprintf(why->text + used, sizeof(why->text) - used, "%s", advice);
        return 1;
}

/* One frame that came while answers are awaited; `done` rows are answered. */
static int take_frame(struct amqp_link *l, const amqp_frame_t *frame, const struct topology *t, size_t *done,
                      struct problem *why)
{
        if (frame->frame_type != AMQP_FRAME_METHOD)
                return 0;
        if (frame->payload.method.id == AMQP_CHANNEL_CLOSE_METHOD)
                return row_refused(l, &t->rows[*done], frame->payload.method.decoded, why);
        ++*done;
        return 0;
}

static int await_rows(struct amqp_link *l, const struct topology *t, other_frame *other, void *arg, struct problem *why)
{
        uint64_t deadline = clock_mono_ms() + l->config->connect_timeout_ms;
        size_t done = 0;
        int result = 0;
        while (done < t->count && result == 0) {
                amqp_frame_t frame;
                if (amqp_link_flush(l) < 0)
                        return -1;
                amqp_link_wait(l, -1, 100);
                while (done < t->count && result == 0 && (result = amqp_link_read(l, &frame)) == 1) {
                        const bool ours = frame.channel == DECLARE_CHANNEL;
                        result = ours ? take_frame(l, &frame, t, &done, why) : other(&frame, arg);
                        deadline = clock_mono_ms() + l->config->connect_timeout_ms;
                }
                if (clock_mono_ms() > deadline)
                        return amqp_link_fail(l, "unreachable", "no answer to a declaration");
        }
        return result;
}

int topology_declare(struct amqp_link *l, const struct topology *t, other_frame *other, void *arg, struct problem *why)
{
        if (amqp_link_settle(l, l->config->connect_timeout_ms) < 0)
                return -1;
        amqp_channel_open(l->conn, DECLARE_CHANNEL);
        int result = amqp_link_result(l, DECLARE_CHANNEL, "opening a channel", why);
        if (result == 0)
                result = amqp_declare_send_rows(l, t);
        if (result == 0)
                result = await_rows(l, t, other, arg, why);
        if (result < 0 || amqp_link_settle(l, l->config->connect_timeout_ms) < 0)
                return -1;
        if (result == 0) {
                amqp_channel_close(l->conn, DECLARE_CHANNEL, AMQP_REPLY_SUCCESS);
                amqp_link_release(l, DECLARE_CHANNEL);
        }
        return result;
}
