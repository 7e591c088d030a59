/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/amqp/consume/consumer.h"

#include "broker/amqp/connection/frames.h"

static struct subscription *of_epoch(const struct amqp_consumer *c, uint32_t epoch)
{
        for (size_t i = 0; i < c->count; i++)
                if (c->subscriptions[i]->open && c->subscriptions[i]->epoch == epoch)
                        return c->subscriptions[i];
        return NULL;
}

/* Mark those of the batch that are acks (or those that are not) as settled; what is not outstanding gets number 0. */
static void consumer_settle_mark(struct amqp_consumer *c, struct order *o, bool ack)
{
        for (size_t i = 0; i < o->count; i++) {
                struct settlement *it = &o->settlements[i];
                if (it->ack != ack)
                        continue;
                struct subscription *s = of_epoch(c, it->tag.epoch);
                if (!s || !tags_settle(&s->tags, it->tag.number))
                        it->tag.number = 0;
        }
        for (size_t i = 0; i < c->count; i++)
                tags_advance(&c->subscriptions[i]->tags);
}

static void write_frame(struct amqp_consumer *c, const struct subscription *s, uint64_t number, bool ack, bool multiple)
{
        if (ack)
                frame_ack(&c->io.link.out, s->channel, number, multiple);
        else
                frame_hand_back(&c->io.link.out, s->channel, number, multiple);
}

static void write_batch(struct amqp_consumer *c, const struct order *o, bool ack)
{
        for (size_t i = 0; i < o->count; i++) {
                const struct settlement *it = &o->settlements[i];
                if (it->ack != ack || it->tag.number == 0)
                        continue;
                struct subscription *s = of_epoch(c, it->tag.epoch);
                if (it->tag.number >= s->tags.oldest) {
                        write_frame(c, s, it->tag.number, ack, false);
                        continue;
                }
                s->covered++;
                if (it->tag.number > s->highest)
                        s->highest = it->tag.number;
        }
        for (size_t i = 0; i < c->count; i++) {
                struct subscription *s = c->subscriptions[i];
                if (s->covered)
                        write_frame(c, s, s->highest, ack, s->covered > 1);
                s->covered = 0;
                s->highest = 0;
        }
}

void consumer_settle(struct amqp_consumer *c, struct order *o)
{
        /* Hand-backs first: a `multiple` ack may name what lies below it only when nothing there still has to be handed
         * back. */
        static const bool passes[] = { false, true };
        for (size_t i = 0; i < 2; i++) {
                consumer_settle_mark(c, o, passes[i]);
                write_batch(c, o, passes[i]);
        }
}
