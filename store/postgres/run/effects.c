/* SPDX-License-Identifier: Apache-2.0 */
#include "store/postgres/run/effects.h"

void effects_begin_once(struct pg_arguments *a, struct effect_columns *c)
{
        c->once_writer = arguments_array(a, COLUMN_TEXT);
        c->once_kind = arguments_array(a, COLUMN_TEXT);
        c->once_owner = arguments_array(a, COLUMN_TEXT);
        c->once_key = arguments_array(a, COLUMN_TEXT);
}

void effects_begin(struct pg_arguments *a, struct effect_columns *c)
{
        c->event_writer = arguments_array(a, COLUMN_TEXT);
        c->event_root = arguments_array(a, COLUMN_TEXT);
        c->aggregate_type = arguments_array(a, COLUMN_TEXT);
        c->aggregate_id = arguments_array(a, COLUMN_TEXT);
        c->type = arguments_array(a, COLUMN_TEXT);
        c->payload = arguments_array(a, COLUMN_JSONB);
        c->trace = arguments_array(a, COLUMN_TEXT);
        c->merge_writer = arguments_array(a, COLUMN_TEXT);
        c->merge_kind = arguments_array(a, COLUMN_TEXT);
        c->merge_owner = arguments_array(a, COLUMN_TEXT);
        c->merge_key = arguments_array(a, COLUMN_TEXT);
        c->merge_value = arguments_array(a, COLUMN_JSONB);
}

/* The first fact from `f` on that is written in that way, or NULL. */
static const struct fact *effects_in_mode(const struct fact *f, enum fact_mode mode)
{
        while (f && f->mode != mode)
                f = f->next;
        return f;
}

static const struct fact *pg_effects_facts(const struct pg_effects *e)
{
        return e->outcome ? e->outcome->facts : NULL;
}

const struct fact *effects_once(const struct pg_effects *e, const struct fact *f)
{
        return effects_in_mode(f ? f->next : pg_effects_facts(e), FACT_ONCE);
}

void effects_add_once(struct effect_columns *c, const struct pg_effects *e)
{
        for (const struct fact *f = effects_once(e, NULL); f; f = effects_once(e, f)) {
                column_text(c->once_writer, e->writer);
                column_text(c->once_kind, f->kind);
                column_text(c->once_owner, f->owner);
                column_text(c->once_key, f->key);
        }
}

static void effects_add_events(struct effect_columns *c, const struct pg_effects *e)
{
        for (const struct event *event = e->outcome ? e->outcome->events : NULL; event; event = event->next) {
                column_text(c->event_writer, e->writer);
                column_text(c->event_root, e->root_id);
                column_text(c->aggregate_type, event->aggregate_type);
                column_text(c->aggregate_id, event->aggregate_id);
                column_text(c->type, event->type);
                column_json(c->payload, event->payload);
                column_text(c->trace, e->span_context);
        }
}

void effects_add(struct effect_columns *c, const struct pg_effects *e)
{
        const struct fact *f = effects_in_mode(pg_effects_facts(e), FACT_MERGE);

        effects_add_events(c, e);
        for (; f; f = effects_in_mode(f->next, FACT_MERGE)) {
                column_text(c->merge_writer, e->writer);
                column_text(c->merge_kind, f->kind);
                column_text(c->merge_owner, f->owner);
                column_text(c->merge_key, f->key);
                column_json(c->merge_value, f->value);
        }
}

bool effects_none(const struct effect_columns *c)
{
        return c->once_writer->count + c->event_writer->count + c->merge_writer->count == 0;
}
