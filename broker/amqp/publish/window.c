/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/amqp/publish/window.h"

#include <errno.h>

void publishing_list_add(struct publishing_list *list, struct publishing *p)
{
        p->mail.next = NULL;
        if (list->last)
                list->last->mail.next = &p->mail;
        else
                list->first = p;
        list->last = p;
        list->count++;
}

/* `mail` is a publishing's first member. */
static struct publishing *publishing_of(struct mail *mail)
{
        return (struct publishing *)mail;
}

struct publishing *publishing_list_take(struct publishing_list *list)
{
        struct publishing *p = list->first;
        if (!p)
                return NULL;
        list->first = publishing_of(p->mail.next);
        if (!list->first)
                list->last = NULL;
        list->count--;
        return p;
}

void publishing_list_prepend(struct publishing_list *list, struct publishing_list *front)
{
        if (!front->first)
                return;
        front->last->mail.next = list->first ? &list->first->mail : NULL;
        if (!list->first)
                list->last = front->last;
        list->first = front->first;
        list->count += front->count;
        *front = (struct publishing_list){ 0 };
}

static struct publishing **window_slot(struct window *w, uint64_t number)
{
        return &w->slots[number % WINDOW_SIZE];
}

static void window_advance(struct window *w)
{
        while (w->oldest < w->next && !*window_slot(w, w->oldest))
                w->oldest++;
}

void window_add(struct window *w, struct publishing *p)
{
        p->returned = false;
        *window_slot(w, w->next++) = p;
        w->count++;
}

static void window_finish(struct window *w, uint64_t number, enum publish_result result,
                          struct publishing_list *finished)
{
        struct publishing *p = *window_slot(w, number);
        if (!p)
                return;
        *window_slot(w, number) = NULL;
        w->count--;
        p->result = p->returned && result == PUBLISH_CONFIRMED ? PUBLISH_RETURNED : result;
        publishing_list_add(finished, p);
}

int window_settle(struct window *w, uint64_t number, bool multiple, bool refused, struct publishing_list *finished)
{
        const enum publish_result result = refused ? PUBLISH_REFUSED : PUBLISH_CONFIRMED;
        const uint64_t end = w->next - w->writing; /* the first that was not sent */
        if (number >= end || (number == 0 && !multiple))
                return -EPROTO;
        const uint64_t last = number == 0 ? end - 1 : number;
        for (uint64_t n = multiple || last < w->oldest ? w->oldest : last; n <= last; n++)
                window_finish(w, n, result, finished);
        window_advance(w);
        return 0;
}

static bool window_same(struct bytes a, struct bytes b)
{
        return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

static bool addressed_to(const struct message *m, struct bytes exchange, struct bytes routing_key)
{
        return window_same(bytes_of_string(m->exchange), exchange) &&
               window_same(bytes_of_string(m->routing_key), routing_key);
}

/* The oldest that could have come back; `exact` asks for the same content too. 0 when there is none. */
static uint64_t find_returned(struct window *w, struct bytes exchange, struct bytes routing_key,
                              struct bytes properties, uint64_t body_size, bool exact)
{
        uint64_t number = w->return_from > w->oldest ? w->return_from : w->oldest;
        for (; number < w->next; number++) {
                const struct publishing *p = *window_slot(w, number);
                if (!p || p->returned || !addressed_to(p->message, exchange, routing_key))
                        continue;
                if (!exact || (p->message->body.size == body_size && window_same(p->message->properties, properties)))
                        return number;
        }
        return 0;
}

bool window_returned(struct window *w, struct bytes exchange, struct bytes routing_key, struct bytes properties,
                     uint64_t body_size)
{
        uint64_t number = find_returned(w, exchange, routing_key, properties, body_size, true);
        if (!number)
                number = find_returned(w, exchange, routing_key, properties, body_size, false);
        if (!number)
                return false;
        (*window_slot(w, number))->returned = true;
        w->return_from = number + 1;
        return true;
}

size_t window_refuse_exchange(struct window *w, struct bytes exchange, struct publishing_list *finished)
{
        size_t count = 0;
        for (uint64_t n = w->oldest; n < w->next; n++) {
                const struct publishing *p = *window_slot(w, n);
                if (p && window_same(bytes_of_string(p->message->exchange), exchange)) {
                        window_finish(w, n, PUBLISH_REFUSED, finished);
                        count++;
                }
        }
        window_advance(w);
        return count;
}

void window_restart(struct window *w, struct publishing_list *again)
{
        for (uint64_t n = w->oldest; n < w->next; n++) {
                struct publishing *p = *window_slot(w, n);
                if (p)
                        publishing_list_add(again, p);
                *window_slot(w, n) = NULL;
        }
        w->oldest = w->next = w->return_from = 1;
        w->count = 0;
        w->writing = false;
}
