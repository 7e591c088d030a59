/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/amqp/publisher.h"

#include "broker/amqp/frames.h"
#include "core/clock.h"
#include "core/log.h"

#include <stdio.h>

enum {
        GOODBYE_MS = 300,
        OUT_LIMIT = 256 * 1024, /* encoded ahead of the socket */
};

static size_t unwritten(const struct publisher *p)
{
        return p->side.link.out.size - p->side.link.written;
}

static bool may_start(const struct publisher *p)
{
        if (!p->waiting.first || p->blocked || window_full(&p->window))
                return false;
        return p->careful == 0 || p->window.count == 0;
}

static void start_next(struct publisher *p)
{
        struct amqp_link *l = &p->side.link;
        struct publish *next = publish_list_take(&p->waiting);
        if (p->careful)
                p->careful--;
        if (!frame_can_publish(next->message, l->frame_max)) {
                next->result = PUBLISH_REFUSED;
                publish_list_add(&p->finished, next);
                return;
        }
        window_add(&p->window, next);
        if (next->casual)
                frame_cast(&l->out, PUBLISH_CHANNEL, next->message);
        else
                frame_publish(&l->out, PUBLISH_CHANNEL, next->message);
        p->body_sent = 0;
        p->current = next->message->body.size ? next : NULL;
        p->window.writing = p->current != NULL;
}

static void continue_body(struct publisher *p)
{
        const struct bytes body = p->current->message->body;
        const size_t most = p->side.link.frame_max - FRAME_OVERHEAD, left = body.size - p->body_sent;
        const size_t size = left < most ? left : most;
        frame_body(&p->side.link.out, PUBLISH_CHANNEL, bytes_of(body.data + p->body_sent, size));
        p->body_sent += size;
        if (p->body_sent == body.size) {
                p->current = NULL;
                p->window.writing = false;
        }
}

/* Encode what may go. Returns true when only the room for it ended. */
static bool fill(struct publisher *p)
{
        while (unwritten(p) < OUT_LIMIT && !p->side.link.out.failed) {
                if (p->current)
                        continue_body(p);
                else if (may_start(p))
                        start_next(p);
                else
                        return false;
        }
        return true;
}

static int send_waiting(struct publisher *p)
{
        for (;;) {
                const bool more = fill(p);
                if (amqp_link_flush(&p->side.link) < 0)
                        return -1;
                if (!more || unwritten(p))
                        return 0;
        }
}

static int read_frames(struct publisher *p)
{
        amqp_frame_t frame;
        int result;
        while ((result = amqp_link_read(&p->side.link, &frame)) == 1) {
                result = publisher_frame(p, &frame);
                if (result < 0)
                        break;
        }
        atomic_store(&p->side.received_ms, p->side.link.received_ms);
        return result;
}

static void take_orders(struct publisher *p)
{
        struct mail *mail = mailbox_take(p->side.box);
        while (mail) {
                struct publish *next = (struct publish *)mail;
                mail = mail->next;
                if (next == &p->stop)
                        p->stopping = true;
                else
                        publish_list_add(&p->waiting, next);
        }
}

/* When memory runs out they stay for the next time. */
static void hand_over(struct publisher *p)
{
        if (p->finished.first)
                side_report(&p->side, REPORT_FINISHED, NULL, &p->finished);
}

static void show(struct publisher *p)
{
        struct side_status now = { .up = amqp_link_up(&p->side.link), .blocked = p->blocked };
        if (!now.up)
                snprintf(now.why, sizeof(now.why), "%.159s", p->side.link.why.text);
        else if (now.blocked)
                snprintf(now.why, sizeof(now.why), "the broker takes no messages (memory or disk alarm)");
        side_set_status(&p->side, &now);
}

static void lost(struct publisher *p)
{
        side_tell_away(&p->side);
        publisher_again(p);
        p->blocked = false;
        side_lost(&p->side);
}

static void turn(struct publisher *p)
{
        amqp_link_wait(&p->side.link, mailbox_fd(p->side.box), -1);
        take_orders(p);
        int result = read_frames(p);
        if (result == 0)
                result = send_waiting(p);
        if (result < 0)
                lost(p);
        hand_over(p);
        show(p);
}

static void revive(struct publisher *p)
{
        struct side *s = &p->side;
        side_pause(s);
        take_orders(p);
        if (p->stopping || clock_mono_ms() < s->retry_at_ms)
                return;
        int result = side_connect(s, s->link.config->connect_timeout_ms);
        if (result == 0) {
                publisher_again(p);
                result = publisher_open_channel(p);
        }
        if (result == 0)
                result = send_waiting(p);
        if (result) {
                side_tell_away(s);
                amqp_link_drop(&s->link);
                side_failed(s);
        } else {
                side_tell_up(s);
        }
        show(p);
}

void *publisher_main(void *publisher)
{
        struct publisher *p = publisher;
        pthread_setname_np(pthread_self(), "chard-publish");
        while (!p->stopping) {
                if (amqp_link_up(&p->side.link))
                        turn(p);
                else
                        revive(p);
        }
        hand_over(p);
        amqp_link_close(&p->side.link, GOODBYE_MS);
        side_end(&p->side);
        return NULL;
}

void publisher_free(struct publisher *p)
{
        side_free(&p->side);
}
