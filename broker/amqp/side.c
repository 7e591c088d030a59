/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/amqp/side.h"

#include "core/backoff.h"
#include "core/clock.h"
#include "core/id.h"
#include "core/work.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

enum { RETRY_BASE_MS = 100, RETRY_CAP_MS = 10000, LASTED_MS = 10000 };

int side_init(struct side *s, const struct amqp_link_config *config, const char *role, struct mailbox *to_loop)
{
        *s = (struct side){ .to_loop = to_loop };
        s->link.config = config;
        s->link.role = role;
        s->link.fd = -1;
        s->ended.kind = REPORT_ENDED;
        pthread_mutex_init(&s->lock, NULL);
        return mailbox_new(&s->box);
}

int side_start(struct side *s, void *(*main)(void *), void *arg)
{
        const int result = thread_start(&s->thread, main, arg);
        s->started = result == 0;
        return result;
}

void side_free(struct side *s)
{
        amqp_link_drop(&s->link);
        buffer_free(&s->link.out);
        mailbox_free(s->box);
        pthread_mutex_destroy(&s->lock);
}

int side_connect(struct side *s, unsigned timeout_ms)
{
        const struct address_list *list = &s->link.config->addresses;
        const int result = amqp_link_open(&s->link, &list->items[s->next_address], timeout_ms);
        if (result == 0) {
                s->up_since_ms = clock_mono_ms();
                atomic_store(&s->received_ms, s->up_since_ms);
        } else {
                s->next_address = (s->next_address + 1) % list->count;
        }
        return result;
}

void side_tell_up(struct side *s)
{
        absence_back(s->absence, s->part, clock_mono_ms());
}

void side_tell_away(struct side *s)
{
        absence_lost(s->absence, s->part, s->link.why.text, clock_mono_ms());
}

void side_failed(struct side *s)
{
        const unsigned addresses = (unsigned)s->link.config->addresses.count;
        const unsigned rounds = s->failures++ / addresses;
        s->retry_at_ms = clock_mono_ms();
        if (s->failures % addresses == 0)
                s->retry_at_ms += backoff_ms(RETRY_BASE_MS, RETRY_CAP_MS, rounds, random_bits());
}

void side_lost(struct side *s)
{
        if (clock_mono_ms() - s->up_since_ms >= LASTED_MS)
                s->failures = 0;
        amqp_link_drop(&s->link);
        side_failed(s);
}

void side_pause(struct side *s)
{
        const uint64_t now = clock_mono_ms();
        struct pollfd box = { .fd = mailbox_fd(s->box), .events = POLLIN };
        if (now < s->retry_at_ms)
                poll(&box, 1, (int)(s->retry_at_ms - now));
}

void side_set_status(struct side *s, const struct side_status *now)
{
        pthread_mutex_lock(&s->lock);
        const bool changed = now->up != s->status.up || now->blocked != s->status.blocked ||
                             now->registered != s->status.registered || now->wish != s->status.wish ||
                             strcmp(now->why, s->status.why) != 0;
        s->status = *now;
        pthread_mutex_unlock(&s->lock);
        if (changed)
                side_report(s, REPORT_CHANGED, NULL, NULL);
}

int side_report(struct side *s, enum report_kind kind, struct delivery *takes_deliveries,
                struct publish_list *takes_finished)
{
        struct report *r = calloc(1, sizeof(*r));
        if (!r)
                return -ENOMEM;
        r->kind = kind;
        r->deliveries = takes_deliveries;
        if (takes_finished) {
                r->finished = *takes_finished;
                *takes_finished = (struct publish_list){ 0 };
        }
        mailbox_put(s->to_loop, &r->mail);
        return 0;
}

void side_end(struct side *s)
{
        mailbox_put(s->to_loop, &s->ended.mail);
}

void side_status_of(struct side *s, struct side_status *out)
{
        pthread_mutex_lock(&s->lock);
        *out = s->status;
        pthread_mutex_unlock(&s->lock);
}
