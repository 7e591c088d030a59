/* SPDX-License-Identifier: Apache-2.0 */
#include "consumers/step.h"

#include "core/backoff.h"
#include "core/id.h"

static unsigned step_delay(const struct consumer_def *def, const struct heard *h)
{
        return h->again ? (unsigned)backoff_ms(def->retry.base_ms, def->retry.cap_ms, h->attempts, random_bits()) : 0;
}

static void step_add_wait(struct step_draft *d, const struct consumer_def *def, struct heard *h)
{
        struct consumer_step *s = &d->step;
        h->delay_ms = step_delay(def, h);
        if (h->position)
                d->waits[s->wait_count++] = (struct consumer_wait){ .key = h->key,
                                                                    .event_id = h->id,
                                                                    .event = buffer_view(&h->text),
                                                                    .attempts = h->attempts + h->again,
                                                                    .delay_ms = h->delay_ms };
        else
                d->laters[s->later_count++] = (struct consumer_later){ h->number, h->attempts + h->again, h->delay_ms };
}

static void step_add(struct step_draft *d, const struct consumer_def *def, struct heard *h)
{
        struct consumer_step *s = &d->step;
        if (h->verdict == HEARD_WAITS) {
                step_add_wait(d, def, h);
                return;
        }
        if (h->verdict == HEARD_DIES)
                d->letters[s->letter_count++] = h->letter;
        if (h->verdict != HEARD_DIES || h->undone)
                d->items[s->item_count++] = (struct inbox_item){ .consumer = def->name,
                                                                 .event_id = h->id,
                                                                 .span_context = h->span_context,
                                                                 .outcome = &h->outcome,
                                                                 .messages = h->scheduled,
                                                                 .message_count = h->message_count };
        if (h->verdict == HEARD_ACTS && h->outcome.later)
                d->waits[s->wait_count++] = (struct consumer_wait){ .key = h->later_key,
                                                                    .event_id = h->outcome.later->id,
                                                                    .event = buffer_view(&h->text),
                                                                    .delay_ms = h->outcome.later->delay_ms };
        if (!h->position)
                d->overs[s->over_count++] = h->number;
}

void step_draw(struct step_draft *d, const struct consumer_def *def, int64_t epoch, struct batch *b)
{
        d->step = (struct consumer_step){ .consumer = def->name,
                                          .epoch = epoch,
                                          .position = batch_position(b),
                                          .items = d->items,
                                          .waits = d->waits,
                                          .laters = d->laters,
                                          .overs = d->overs,
                                          .letters = d->letters };
        for (size_t i = 0; i < b->count; i++)
                if (b->list[i].state == HEARD_NOW)
                        step_add(d, def, &b->list[i]);
}
