/* SPDX-License-Identifier: Apache-2.0 */
#include "consumers/batch.h"

#include "core/json.h"
#include "core/map.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- making one ---- */

/* The payload comes as text; one that is no JSON stays text, which no consumer takes. NULL when memory ran out. */
static json_t *heard_whole(const json_t *row)
{
        json_t *whole = json_copy((json_t *)(uintptr_t)row), *payload = NULL;
        const json_t *text = json_object_get(row, "payload");
        if (!whole || !json_is_string(text))
                return whole;
        int rc = json_parse(bytes_of(json_string_value(text), json_string_length(text)), "consumer", &payload, NULL);
        if (rc == 0 && json_object_set_new(whole, "payload", payload) != 0)
                rc = -ENOMEM;
        if (rc >= 0)
                return whole;
        json_decref(whole);
        return NULL;
}

static void heard_see(struct heard *h, const struct consumer_def *def)
{
        for (const struct task_sees *s = def->sees; s->kind; s++) {
                const char *owner = json_string_value(json_at(h->whole, s->owner));
                if (owner)
                        h->sees[h->see_count++] = (struct fact_set){ s->kind, owner };
        }
}

static int heard_fill(struct batch *b, struct heard *h, const struct consumer_def *def)
{
        if (!h->whole)
                return -ENOMEM;
        consumer_event_read(h->whole, &h->event);
        h->key = arena_printf(&b->arena, "%s/%s", h->event.aggregate_type, h->event.aggregate_id);
        if (!h->id)
                h->id = *h->event.id ? h->event.id : arena_printf(&b->arena, "@%s", h->position ? h->position : "");
        heard_see(h, def);
        return h->key && h->id ? 0 : -ENOMEM;
}

static int batch_open(struct batch *b, size_t count)
{
        *b = (struct batch){ .list = calloc(count + 1, sizeof(*b->list)) };
        return b->list ? 0 : -ENOMEM;
}

int batch_of_page(struct batch *b, const struct consumer_def *def, const json_t *page)
{
        size_t i;
        json_t *row;
        const unsigned long lost = json_memory_lost();
        int rc = batch_open(b, json_array_size(page));
        json_array_foreach((json_t *)(uintptr_t)page, i, row) {
                struct heard *h = rc == 0 ? &b->list[b->count++] : NULL;
                if (!h)
                        break;
                h->position = arena_string(&b->arena, json_text(row, "position", ""));
                if (!consumer_hears(def, json_text(row, "type", ""), json_text(row, "aggregate_type", "")))
                        h->state = HEARD_OVER;
                else
                        h->whole = heard_whole(row);
                rc = !h->position ? -ENOMEM : h->state == HEARD_OPEN ? heard_fill(b, h, def) : 0;
        }
        rc = json_whole_since(lost, rc);
        if (rc != 0)
                batch_clear(b);
        return rc;
}

int batch_of_waiting(struct batch *b, const struct consumer_def *def, const json_t *due)
{
        size_t i;
        json_t *row;
        const unsigned long lost = json_memory_lost();
        int rc = batch_open(b, json_array_size(due));
        b->waited = true;
        json_array_foreach((json_t *)(uintptr_t)due, i, row) {
                struct heard *h = rc == 0 ? &b->list[b->count++] : NULL;
                const char *text = json_text(row, "event", "");
                if (!h)
                        break;
                h->number = json_number(row, "number", 0);
                h->left = (size_t)json_number(row, "left", 1);
                h->attempts = (unsigned)json_number(row, "attempts", 0);
                h->id = arena_string(&b->arena, json_text(row, "event_id", ""));
                if (json_parse(bytes_of_string(text), "consumer", &h->whole, NULL) == 1)
                        h->whole = json_pack("{s:s}", "raw", text);
                rc = h->id ? heard_fill(b, h, def) : -ENOMEM;
                if (rc == 0 && !(h->key = arena_string(&b->arena, json_text(row, "key", ""))))
                        rc = -ENOMEM;
        }
        rc = json_whole_since(lost, rc);
        if (rc != 0)
                batch_clear(b);
        return rc;
}

void heard_forget(struct heard *h)
{
        if (h->outcome.arena)
                outcome_close(&h->outcome);
        message_free_list(h->messages);
        h->messages = NULL;
        h->scheduled = NULL;
        h->message_count = 0;
        h->undone = false;
}

static void heard_give_back(struct heard *h)
{
        heard_forget(h);
        message_free(h->letter_message);
        h->letter_message = NULL;
        buffer_free(&h->text);
        arena_free(&h->arena);
}

void batch_clear(struct batch *b)
{
        for (size_t i = 0; b->list && i < b->count; i++) {
                heard_give_back(&b->list[i]);
                json_decref(b->list[i].whole);
        }
        arena_free(&b->arena);
        free(b->list);
        *b = (struct batch){ 0 };
}

/* ---- what can be acted on at once ---- */

/* What an event touches, as names: its aggregate, and the facts that it sees. */
static const char *heard_token(const struct heard *h, unsigned n, struct arena *a)
{
        if (n == 0)
                return h->key;
        return arena_printf(a, "%s\x1f%s", h->sees[n - 1].kind, h->sees[n - 1].owner);
}

/* Is it free of all that was touched before? It touches its own from now on, either way. -ENOMEM when memory ran out. */
static int batch_is_free(struct map *touched, struct heard *h, struct arena *a)
{
        int is_free = 1;
        for (unsigned n = 0; n <= h->see_count; n++) {
                const char *token = heard_token(h, n, a);
                if (token && map_get(touched, token))
                        is_free = 0;
                else if (!token || map_put(touched, token, h) != 0)
                        return -ENOMEM;
        }
        return is_free;
}

int batch_wave(struct batch *b, unsigned most)
{
        struct arena names = { 0 };
        struct map *touched = NULL;
        unsigned count = 0;
        int rc = map_new(&touched);
        for (size_t i = 0; rc >= 0 && i < b->count && count < most; i++) {
                struct heard *h = &b->list[i];
                if (h->state != HEARD_OPEN)
                        continue;
                rc = batch_is_free(touched, h, &names);
                if (rc == 1) {
                        h->state = HEARD_NOW;
                        count++;
                }
        }
        if (touched)
                map_free(touched);
        arena_free(&names);
        if (rc < 0)
                batch_unmark(b, HEARD_OPEN);
        return rc < 0 ? rc : (int)count;
}

const char *batch_position(const struct batch *b)
{
        const char *position = NULL;
        for (size_t i = 0; i < b->count && b->list[i].state != HEARD_OPEN; i++)
                position = b->list[i].position;
        return position;
}

void batch_unmark(struct batch *b, enum heard_state state)
{
        for (size_t i = 0; i < b->count; i++) {
                if (b->list[i].state != HEARD_NOW)
                        continue;
                heard_give_back(&b->list[i]);
                b->list[i].state = state;
        }
}
