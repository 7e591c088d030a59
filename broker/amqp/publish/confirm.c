/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/amqp/connection/frames.h"

#include "broker/amqp/publish/publisher.h"
#include "core/log.h"

#include <string.h>

static struct bytes bytes_from(amqp_bytes_t from)
{
        return bytes_of(from.bytes, from.len);
}

void publisher_again(struct publisher *p)
{
        struct publishing_list again = { 0 };
        window_restart(&p->window, &again);
        publishing_list_prepend(&p->waiting, &again);
        p->current = NULL;
        p->returned = NULL;
}

int publisher_open_channel(struct publisher *p)
{
        struct amqp_link *l = &p->io.link;
        struct problem why = { .code = "" };
        if (amqp_link_settle(l, l->config->connect_timeout_ms) < 0)
                return -1;
        amqp_channel_open(l->conn, PUBLISH_CHANNEL);
        int result = amqp_link_result(l, PUBLISH_CHANNEL, "opening a channel", &why);
        if (result == 0) {
                amqp_confirm_select(l->conn, PUBLISH_CHANNEL);
                result = amqp_link_result(l, PUBLISH_CHANNEL, "asking for confirms", &why);
        }
        return result > 0 ? amqp_link_fail(l, why.code, "%s", why.text) : result;
}

/* "NOT_FOUND - no exchange 'x' in vhost '/'". */
static struct bytes exchange_in(amqp_bytes_t text)
{
        static const char before[] = "no exchange '", behind[] = "' in vhost '";
        const char *from = memmem(text.bytes, text.len, before, strlen(before));
        if (!from)
                return (struct bytes){ 0 };
        from += strlen(before);
        const char *end = (const char *)text.bytes + text.len;
        const char *to = memmem(from, (size_t)(end - from), behind, strlen(behind));
        return to ? bytes_of(from, (size_t)(to - from)) : (struct bytes){ 0 };
}

/* A publishing closed the channel. All that wait for their confirm are suspects. One that names its exchange is found at once;
 * otherwise they go one at a time until it is alone. */
static void find_culprit(struct publisher *p, uint16_t code, amqp_bytes_t text)
{
        p->window.writing = false; /* what is not written yet will not be, here */
        const struct bytes exchange = code == AMQP_NOT_FOUND ? exchange_in(text) : (struct bytes){ 0 };
        if (exchange.size && window_refuse_exchange(&p->window, exchange, &p->finished))
                return;
        if (p->window.count == 1)
                (void)window_settle(&p->window, 0, true, true, &p->finished);
        p->careful = p->window.count;
}

static int confirm_channel_closed(struct publisher *p, const amqp_channel_close_t *close)
{
        struct problem why = { .code = "" };
        amqp_link_channel_closed(&p->io.link, PUBLISH_CHANNEL, close, "a publish closed the channel", &why);
        log_warn("broker", "%s", why.text);
        find_culprit(p, close->reply_code, close->reply_text);
        publisher_again(p);
        return publisher_open_channel(p);
}

static int confirm_connection_method(struct publisher *p, const amqp_method_t *method)
{
        const amqp_connection_close_t *close = method->decoded;
        switch (method->id) {
        case AMQP_CONNECTION_CLOSE_METHOD:
                if (close->class_id == AMQP_BASIC_CLASS)
                        find_culprit(p, close->reply_code, close->reply_text);
                return amqp_link_connection_closed(&p->io.link, close);
        case AMQP_CONNECTION_BLOCKED_METHOD:
                p->blocked = true;
                log_warn("broker", "%s takes no messages now (memory or disk alarm); they wait here", p->io.link.peer);
                return 0;
        case AMQP_CONNECTION_UNBLOCKED_METHOD:
                p->blocked = false;
                log_info("broker", "%s takes messages again", p->io.link.peer);
                return 0;
        default: return 0;
        }
}

static int confirm_settled(struct publisher *p, uint64_t number, bool multiple, bool refused)
{
        /* What is still being sent is ours: nobody else may end it. */
        if (window_settle(&p->window, number, multiple, refused, &p->finished) < 0)
                return amqp_link_fail(&p->io.link, "unreachable", "it confirmed a message that it doesn't have");
        p->returned = NULL; /* it was rabbitmq-c's memory */
        amqp_link_release(&p->io.link, PUBLISH_CHANNEL);
        return 0;
}

static int confirm_method(struct publisher *p, const amqp_method_t *method)
{
        const amqp_basic_ack_t *ack = method->decoded;
        const amqp_basic_nack_t *nack = method->decoded;
        switch (method->id) {
        case AMQP_BASIC_ACK_METHOD: return confirm_settled(p, ack->delivery_tag, ack->multiple, false);
        case AMQP_BASIC_NACK_METHOD: return confirm_settled(p, nack->delivery_tag, nack->multiple, true);
        case AMQP_BASIC_RETURN_METHOD: p->returned = method->decoded; return 0;
        case AMQP_CHANNEL_CLOSE_METHOD: return confirm_channel_closed(p, method->decoded);
        default: break;
        }
        p->returned = NULL;
        amqp_link_release(&p->io.link, PUBLISH_CHANNEL);
        return 0;
}

static void came_back(struct publisher *p, const amqp_frame_t *header)
{
        const amqp_basic_return_t *r = p->returned;
        p->returned = NULL;
        if (!window_returned(&p->window, bytes_from(r->exchange), bytes_from(r->routing_key),
                             bytes_from(header->payload.properties.raw), header->payload.properties.body_size))
                log_warn("broker", "a message came back that was not published here");
}

int publisher_frame(struct publisher *p, const amqp_frame_t *frame)
{
        if (frame->channel == 0)
                return frame->frame_type == AMQP_FRAME_METHOD ? confirm_connection_method(p, &frame->payload.method)
                                                              : 0;
        if (frame->channel != PUBLISH_CHANNEL)
                return 0;
        if (frame->frame_type == AMQP_FRAME_METHOD)
                return confirm_method(p, &frame->payload.method);
        if (frame->frame_type == AMQP_FRAME_HEADER && p->returned)
                came_back(p, frame);
        amqp_link_release(&p->io.link, PUBLISH_CHANNEL);
        return 0;
}
