/* SPDX-License-Identifier: Apache-2.0 */
#include "message/task/task_form.h"

#include "core/json.h"
#include "message/wire/repr.h"
#include "message/wire/wire.h"

static void task_form_add_text(struct buffer *table, const char *name, const char *text)
{
        if (text)
                header_add_text(table, name, bytes_of_string(text));
        else
                header_add_null(table, name);
}

static void add_count(struct buffer *table, const char *name, const json_t *value)
{
        header_add_number(table, name, json_is_integer(value) ? json_integer_value(value) : 0);
}

static void add_limits(struct buffer *table, const struct task_form *f)
{
        wire_add_name(table, "timelimit");
        buffer_add_byte(table, 'A');
        const size_t start = wire_begin(table);
        wire_add_json(table, f->hard_limit);
        wire_add_json(table, f->soft_limit);
        wire_end(table, start);
}

static void add_stamps(struct buffer *table, const struct task_form *f)
{
        header_add_json(table, "stamped_headers", f->stamped_headers);
        wire_add_name(table, "stamps");
        buffer_add_byte(table, 'F');
        const size_t start = wire_begin(table);
        for (size_t i = 0; i < json_array_size(f->stamped_headers); i++) {
                const char *name = json_string_value(json_array_get(f->stamped_headers, i));
                header_add_json(table, name, json_object_get(f->stamps, name));
        }
        wire_end(table, start);
}

static void task_form_add_trace(struct buffer *table, const struct trace_context *trace)
{
        if (trace->parent)
                header_add_text(table, "traceparent", bytes_of_string(trace->parent));
        if (trace->state.size)
                header_add_text(table, "tracestate", trace->state);
        if (trace->baggage.size)
                header_add_text(table, "baggage", trace->baggage);
}

void task_form_reprs(const struct task_form *f, struct buffer *table)
{
        struct buffer text = { 0 };
        repr_args(f->first, f->args, &text);
        header_add_text(table, "argsrepr", buffer_view(&text));
        table->failed = table->failed || text.failed;
        buffer_reset(&text);
        repr_kwargs(f->kwargs, &text);
        header_add_text(table, "kwargsrepr", buffer_view(&text));
        table->failed = table->failed || text.failed;
        buffer_free(&text);
}

void task_form_headers(const struct task_form *f, struct buffer *table)
{
        task_form_add_text(table, "lang", "py");
        task_form_add_text(table, "task", f->name);
        task_form_add_text(table, "id", f->id);
        task_form_add_text(table, "shadow", f->shadow);
        task_form_add_text(table, "eta", f->eta);
        task_form_add_text(table, "expires", f->expires);
        task_form_add_text(table, "group", f->group_id);
        header_add_json(table, "group_index", f->group_index);
        add_count(table, "retries", f->retries);
        add_limits(table, f);
        task_form_add_text(table, "root_id", f->root_id);
        task_form_add_text(table, "parent_id", f->parent_id);
        task_form_reprs(f, table);
        task_form_add_text(table, "origin", f->origin);
        header_add_json(table, "ignore_result", f->ignore_result);
        add_count(table, "replaced_task_nesting", f->replaced_task_nesting);
        add_stamps(table, f);
        task_form_add_trace(table, &f->trace);
}

void task_form_body(const struct task_form *f, struct buffer *body)
{
        buffer_add_string(body, "[[");
        buffer_add(body, f->first.data, f->first.size);
        for (size_t i = 0; i < json_array_size(f->args); i++) {
                if (i > 0 || f->first.size)
                        buffer_add_byte(body, ',');
                json_write(json_array_get(f->args, i), body);
        }
        buffer_add_string(body, "],");
        if (f->kwargs)
                json_write(f->kwargs, body);
        else
                buffer_add_string(body, "{}");
        buffer_add_byte(body, ',');
}

struct message *task_form_message(const struct task_form *f, const struct buffer *table, const struct buffer *body)
{
        struct buffer properties = { 0 };
        struct message *m = NULL;
        const struct properties p = {
                .content_type = bytes_of_string("application/json"),
                .content_encoding = bytes_of_string("utf-8"),
                .headers = buffer_view(table),
                .delivery_mode = 2,
                .priority = f->priority,
                .correlation_id = bytes_of_string(f->id),
                .reply_to = f->reply_to ? bytes_of_string(f->reply_to) : (struct bytes){ NULL, 0 },
                .timestamp = -1,
        };
        properties_write(&p, &properties);
        if (!table->failed && !body->failed && !properties.failed)
                m = message_new(f->exchange, f->routing_key, buffer_view(&properties), buffer_view(body));
        buffer_free(&properties);
        return m;
}
