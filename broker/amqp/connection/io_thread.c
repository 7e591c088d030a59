/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/amqp/connection/io_thread.h"

#include "core/backoff.h"
#include "core/clock.h"
#include "core/id.h"
#include "core/thread/work.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

enum { RETRY_BASE_MS = 100, RETRY_CAP_MS = 10000, LASTED_MS = 10000 };

int io_thread_init(struct io_thread *s, const struct amqp_link_config *config, const char *role,
                   struct mailbox *to_loop)
{
        *s = (struct io_thread){ .to_loop = to_loop };
        s->link.config = config;
        s->link.role = role;
        s->link.fd = -1;
        s->ended.kind = REPORT_ENDED;
        pthread_mutex_init(&s->lock, NULL);
        return mailbox_new(&s->box);
}

int io_thread_start(struct io_thread *s, void *(*main)(void *), void *arg)
{
        const int result = thread_start(&s->thread, main, arg);
        s->started = result == 0;
        return result;
}

void io_thread_free(struct io_thread *s)
{
        amqp_link_drop(&s->link);
        buffer_free(&s->link.out);
        mailbox_free(s->box);
        pthread_mutex_destroy(&s->lock);
}

int io_thread_connect(struct io_thread *s, unsigned timeout_ms)
{
        const struct amqp_address_list *list = &s->link.config->addresses;
        const int result = amqp_link_open(&s->link, &list->items[s->next_address], timeout_ms);
        if (result == 0) {
                s->up_since_ms = clock_mono_ms();
                atomic_store(&s->received_ms, s->up_since_ms);
        } else {
                s->next_address = (s->next_address + 1) % list->count;
        }
        return result;
}

void io_thread_tell_up(struct io_thread *s)
{
        absence_back(s->absence, s->part, clock_mono_ms());
}

void io_thread_tell_away(struct io_thread *s)
{
        absence_lost(s->absence, s->part, s->link.why.text, clock_mono_ms());
}

void io_thread_failed(struct io_thread *s)
{
        const unsigned addresses = (unsigned)s->link.config->addresses.count;
        const unsigned rounds = s->failures++ / addresses;
        s->retry_at_ms = clock_mono_ms();
        if (s->failures % addresses == 0)
                s->retry_at_ms += backoff_ms(RETRY_BASE_MS, RETRY_CAP_MS, rounds, random_bits());
}

void io_thread_lost(struct io_thread *s)
{
        if (clock_mono_ms() - s->up_since_ms >= LASTED_MS)
                s->failures = 0;
        amqp_link_drop(&s->link);
        io_thread_failed(s);
}

void io_thread_pause(struct io_thread *s)
{
        const uint64_t now = clock_mono_ms();
        struct pollfd box = { .fd = mailbox_fd(s->box), .events = POLLIN };
        if (now < s->retry_at_ms)
                poll(&box, 1, (int)(s->retry_at_ms - now));
}

void io_thread_set_status(struct io_thread *s, const struct io_status *now)
{
        pthread_mutex_lock(&s->lock);
        const bool changed = now->up != s->status.up || now->blocked != s->status.blocked ||
                             now->registered != s->status.registered || now->wish != s->status.wish ||
                             strcmp(now->why, s->status.why) != 0;
        s->status = *now;
        pthread_mutex_unlock(&s->lock);
        if (changed)
                io_thread_report(s, REPORT_CHANGED, NULL, NULL);
}

int io_thread_report(struct io_thread *s, enum report_kind kind, struct delivery *takes_deliveries,
                     struct publishing_list *takes_finished)
{
        struct report *r = calloc(1, sizeof(*r));
        if (!r)
                return -ENOMEM;
        r->kind = kind;
        r->deliveries = takes_deliveries;
        if (takes_finished) {
                r->finished = *takes_finished;
                *takes_finished = (struct publishing_list){ 0 };
        }
        mailbox_put(s->to_loop, &r->mail);
        return 0;
}

void io_thread_end(struct io_thread *s)
{
        mailbox_put(s->to_loop, &s->ended.mail);
}

void io_thread_status_of(struct io_thread *s, struct io_status *out)
{
        pthread_mutex_lock(&s->lock);
        *out = s->status;
        pthread_mutex_unlock(&s->lock);
}
