/* SPDX-License-Identifier: Apache-2.0 */
#include "tasks/task.h"

#include <errno.h>

int outcome_open(struct outcome *o, struct arena *arena)
{
        *o = (struct outcome){ .arena = arena, .sections = json_object() };
        o->events_end = &o->events;
        o->facts_end = &o->facts;
        o->documents_end = &o->documents;
        return o->sections ? 0 : -ENOMEM;
}

void outcome_close(struct outcome *o)
{
        for (struct event *e = o->events; e; e = e->next)
                json_decref(e->payload);
        for (struct fact *f = o->facts; f; f = f->next)
                json_decref(f->value);
        for (struct document *d = o->documents; d; d = d->next)
                json_decref(d->value);
        if (o->later)
                json_decref(o->later->event);
        json_decref(o->sections);
        json_decref(o->result);
        json_decref(o->sends);
        *o = (struct outcome){ 0 };
}

int outcome_section(struct outcome *o, const char *name, json_t *takes)
{
        return json_object_set_new(o->sections, name, takes) == 0 ? 0 : -ENOMEM;
}

int outcome_result(struct outcome *o, json_t *takes)
{
        json_decref(o->result);
        o->result = takes;
        return takes ? 0 : -ENOMEM;
}

static int add_send(struct outcome *o, const char *as, json_t *takes)
{
        json_t *send = json_pack("{s:s, s:o}", "as", as, "canvas", takes);
        if (!o->sends)
                o->sends = json_array();
        return json_array_append_new(o->sends, send) == 0 ? 0 : -ENOMEM;
}

int outcome_send(struct outcome *o, json_t *takes)
{
        return add_send(o, "beside", takes);
}

int outcome_canvas(struct outcome *o, json_t *takes)
{
        return add_send(o, "result", takes);
}

int outcome_add_to_chord(struct outcome *o, json_t *takes)
{
        return add_send(o, "chord", takes);
}

int outcome_replace(struct outcome *o, json_t *takes)
{
        return add_send(o, "replacement", takes);
}

int outcome_event(struct outcome *o, const char *aggregate_type, const char *aggregate_id, const char *type,
                  json_t *takes)
{
        struct event *e = arena_alloc(o->arena, sizeof(*e));
        if (!e || !takes) {
                json_decref(takes);
                return -ENOMEM;
        }
        e->aggregate_type = arena_string(o->arena, aggregate_type);
        e->aggregate_id = arena_string(o->arena, aggregate_id);
        e->type = arena_string(o->arena, type);
        e->payload = takes;
        *o->events_end = e;
        o->events_end = &e->next;
        return e->aggregate_type && e->aggregate_id && e->type ? 0 : -ENOMEM;
}

static int add_fact(struct outcome *o, const struct fact *as, json_t *takes)
{
        struct fact *f = arena_alloc(o->arena, sizeof(*f));
        if (!f || !takes) {
                json_decref(takes);
                return -ENOMEM;
        }
        f->mode = as->mode;
        f->kind = arena_string(o->arena, as->kind);
        f->owner = arena_string(o->arena, as->owner);
        f->key = arena_string(o->arena, as->key);
        f->value = takes;
        *o->facts_end = f;
        o->facts_end = &f->next;
        return f->kind && f->owner && f->key ? 0 : -ENOMEM;
}

int outcome_fact_once(struct outcome *o, const char *kind, const char *owner, const char *key, json_t *takes)
{
        return add_fact(o, &(struct fact){ .mode = FACT_ONCE, .kind = kind, .owner = owner, .key = key }, takes);
}

int outcome_fact_merge(struct outcome *o, const char *kind, const char *owner, const char *key, json_t *takes)
{
        return add_fact(o, &(struct fact){ .mode = FACT_MERGE, .kind = kind, .owner = owner, .key = key }, takes);
}

static int add_document(struct outcome *o, const struct document *as, json_t *takes)
{
        struct document *d = arena_alloc(o->arena, sizeof(*d));
        if (!d) {
                json_decref(takes);
                return -ENOMEM;
        }
        *d = (struct document){ .version = as->version, .value = takes };
        d->model = arena_string(o->arena, as->model);
        d->id = arena_string(o->arena, as->id);
        d->part = arena_string(o->arena, as->part ? as->part : "");
        *o->documents_end = d;
        o->documents_end = &d->next;
        return d->model && d->id && d->part ? 0 : -ENOMEM;
}

int outcome_document(struct outcome *o, const struct document *as, json_t *takes)
{
        return takes ? add_document(o, as, takes) : -ENOMEM;
}

int outcome_document_delete(struct outcome *o, const struct document *as)
{
        return add_document(o, as, NULL);
}

int outcome_later(struct outcome *o, const char *id, unsigned delay_ms, json_t *takes)
{
        struct later *later = takes && id && !o->later ? arena_alloc(o->arena, sizeof(*later)) : NULL;
        if (!later) {
                json_decref(takes);
                return -ENOMEM;
        }
        *later = (struct later){ arena_string(o->arena, id), delay_ms, takes };
        o->later = later;
        return later->id ? 0 : -ENOMEM;
}
