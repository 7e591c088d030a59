/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/amqp/publish/publisher.h"

#include "broker/amqp/connection/frames.h"
#include "core/clock.h"
#include "core/log.h"

#include <stdio.h>

enum {
        GOODBYE_MS = 300,
        OUT_LIMIT = 256 * 1024, /* encoded ahead of the socket */
};

static size_t publisher_unwritten(const struct publisher *p)
{
        return p->io.link.out.size - p->io.link.written;
}

static bool may_start(const struct publisher *p)
{
        if (!p->waiting.first || p->blocked || window_full(&p->window))
                return false;
        return p->careful == 0 || p->window.count == 0;
}

static void start_next(struct publisher *p)
{
        struct amqp_link *l = &p->io.link;
        struct publishing *next = publishing_list_take(&p->waiting);
        if (p->careful)
                p->careful--;
        if (!frame_can_publish(next->message, l->frame_max)) {
                next->result = PUBLISH_REFUSED;
                publishing_list_add(&p->finished, next);
                return;
        }
        window_add(&p->window, next);
        if (next->transient)
                frame_publish_transient(&l->out, PUBLISH_CHANNEL, next->message);
        else
                frame_publish(&l->out, PUBLISH_CHANNEL, next->message);
        p->body_sent = 0;
        p->current = next->message->body.size ? next : NULL;
        p->window.writing = p->current != NULL;
}

static void continue_body(struct publisher *p)
{
        const struct bytes body = p->current->message->body;
        const size_t most = p->io.link.frame_max - FRAME_OVERHEAD, left = body.size - p->body_sent;
        const size_t size = left < most ? left : most;
        frame_body(&p->io.link.out, PUBLISH_CHANNEL, bytes_of(body.data + p->body_sent, size));
        p->body_sent += size;
        if (p->body_sent == body.size) {
                p->current = NULL;
                p->window.writing = false;
        }
}

/* Encode what may go. Returns true when only the room for it ended. */
static bool publisher_fill(struct publisher *p)
{
        while (publisher_unwritten(p) < OUT_LIMIT && !p->io.link.out.failed) {
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
                const bool more = publisher_fill(p);
                if (amqp_link_flush(&p->io.link) < 0)
                        return -1;
                if (!more || publisher_unwritten(p))
                        return 0;
        }
}

static int publisher_read_frames(struct publisher *p)
{
        amqp_frame_t frame;
        int result;
        while ((result = amqp_link_read(&p->io.link, &frame)) == 1) {
                result = publisher_frame(p, &frame);
                if (result < 0)
                        break;
        }
        atomic_store(&p->io.received_ms, p->io.link.received_ms);
        return result;
}

static void publisher_take_orders(struct publisher *p)
{
        struct mail *mail = mailbox_take(p->io.box);
        while (mail) {
                struct publishing *next = (struct publishing *)mail;
                mail = mail->next;
                if (next == &p->stop)
                        p->stopping = true;
                else
                        publishing_list_add(&p->waiting, next);
        }
}

/* When memory runs out they stay for the next time. */
static void publisher_hand_over(struct publisher *p)
{
        if (p->finished.first)
                io_thread_report(&p->io, REPORT_FINISHED, NULL, &p->finished);
}

static void publisher_show(struct publisher *p)
{
        struct io_status now = { .up = amqp_link_up(&p->io.link), .blocked = p->blocked };
        if (!now.up)
                snprintf(now.why, sizeof(now.why), "%.159s", p->io.link.why.text);
        else if (now.blocked)
                snprintf(now.why, sizeof(now.why), "the broker takes no messages (memory or disk alarm)");
        io_thread_set_status(&p->io, &now);
}

static void publisher_lost(struct publisher *p)
{
        io_thread_tell_away(&p->io);
        publisher_again(p);
        p->blocked = false;
        io_thread_lost(&p->io);
}

static void publisher_turn(struct publisher *p)
{
        amqp_link_wait(&p->io.link, mailbox_fd(p->io.box), -1);
        publisher_take_orders(p);
        int result = publisher_read_frames(p);
        if (result == 0)
                result = send_waiting(p);
        if (result < 0)
                publisher_lost(p);
        publisher_hand_over(p);
        publisher_show(p);
}

static void publisher_revive(struct publisher *p)
{
        struct io_thread *s = &p->io;
        io_thread_pause(s);
        publisher_take_orders(p);
        if (p->stopping || clock_mono_ms() < s->retry_at_ms)
                return;
        int result = io_thread_connect(s, s->link.config->connect_timeout_ms);
        if (result == 0) {
                publisher_again(p);
                result = publisher_open_channel(p);
        }
        if (result == 0)
                result = send_waiting(p);
        if (result) {
                io_thread_tell_away(s);
                amqp_link_drop(&s->link);
                io_thread_failed(s);
        } else {
                io_thread_tell_up(s);
        }
        publisher_show(p);
}

void *publisher_main(void *publisher)
{
        struct publisher *p = publisher;
        pthread_setname_np(pthread_self(), "chard-publish");
        while (!p->stopping) {
                if (amqp_link_up(&p->io.link))
                        publisher_turn(p);
                else
                        publisher_revive(p);
        }
        publisher_hand_over(p);
        amqp_link_close(&p->io.link, GOODBYE_MS);
        io_thread_end(&p->io);
        return NULL;
}

void publisher_free(struct publisher *p)
{
        io_thread_free(&p->io);
}
