/* SPDX-License-Identifier: Apache-2.0 */
/* Celery's events of tasks: which there are, and what each says. */
#include "observe/celery/own.h"

#include "core/clock.h"
#include "core/json.h"
#include "message/message.h"
#include "message/wire/repr.h"
#include "results/results.h"

#include <string.h>

/* ---- what happened to a task ---- */

static void time_field(struct buffer *b, const char *key, int64_t wall_ms)
{
        char text[CLOCK_TEXT_SIZE];
        if (wall_ms)
                clock_format(wall_ms, text);
        celery_events_text(b, key, wall_ms ? text : NULL);
}

static void task_events_received(struct celery_events *all, const struct run_event *e)
{
        const struct task_message *m = e->message;
        struct buffer args = { 0 }, kwargs = { 0 };
        struct buffer *b = celery_events_begin(all, "task-received", m->id);
        repr_args(bytes_of(NULL, 0), m->args, &args);
        repr_kwargs(m->kwargs, &kwargs);
        celery_events_bytes(b, "name", task_message_shown_name(m));
        celery_events_bytes(b, "args", buffer_view(&args));
        celery_events_bytes(b, "kwargs", buffer_view(&kwargs));
        celery_events_text(b, "root_id", m->root_id);
        celery_events_text(b, "parent_id", m->parent_id);
        buffer_addf(b, ",\"retries\":%u", m->retries);
        time_field(b, "eta", m->eta_ms);
        time_field(b, "expires", m->expires_ms);
        celery_events_text(b, "queue", e->ids.queue); /* Celery leaves it out; monitors count by it */
        celery_events_end(all);
        buffer_free(&args);
        buffer_free(&kwargs);
}

static void task_events_started(struct celery_events *all, const struct run_event *e)
{
        celery_events_begin(all, "task-started", e->ids.id);
        celery_events_end(all);
}

static void task_events_succeeded(struct celery_events *all, const struct run_event *e)
{
        struct buffer result = { 0 };
        struct buffer *b = celery_events_begin(all, "task-succeeded", e->ids.id);
        repr_value(e->result, &result);
        celery_events_bytes(b, "result", buffer_view(&result));
        buffer_addf(b, ",\"runtime\":%.3f", (double)e->took_ms / 1000);
        celery_events_end(all);
        buffer_free(&result);
}

static void quote_text(const char *said, struct buffer *text)
{
        buffer_add_string(text, "('");
        for (const char *at = said; *at; at++) {
                if (*at == '\'' || *at == '\\')
                        buffer_add_byte(text, '\\');
                buffer_add_byte(text, (unsigned char)*at);
        }
        buffer_add_string(text, "')");
}

/* A tuple of one ends in ",)", a call does not. */
static void remove_comma(struct buffer *text)
{
        if (text->size > 2 && text->data[text->size - 2] == ',') {
                text->data[text->size - 2] = ')';
                text->size--;
        }
}

/* As Python shows an exception: ValueError('it broke'). */
static void exception_field(struct buffer *b, const struct run_event *of)
{
        struct buffer text = { 0 };
        const struct result_exception e = run_event_exception(of);
        JSON_OWNED json_t *args = e.args ? json_loads(e.args, JSON_ALLOW_NUL, NULL) : NULL;
        buffer_addf(&text, "%s", e.type);
        if (args)
                repr_args((struct bytes){ NULL, 0 }, args, &text);
        if (args && json_array_size(args) == 1)
                remove_comma(&text);
        if (!args)
                quote_text(e.text, &text);
        celery_events_bytes(b, "exception", buffer_view(&text));
        buffer_free(&text);
}

static void task_event_failed(struct celery_events *all, const struct run_event *e, const char *type)
{
        struct buffer *b = celery_events_begin(all, type, e->ids.id);
        struct buffer trace = { 0 };
        exception_field(b, e);
        run_event_traceback(e, &trace);
        celery_events_bytes(b, "traceback", buffer_view(&trace));
        celery_events_end(all);
        buffer_free(&trace);
}

static void task_events_revoked(struct celery_events *all, const struct run_event *e, bool expired)
{
        enum { TERMINATED = 15 };
        struct buffer *b = celery_events_begin(all, "task-revoked", e->ids.id);
        buffer_addf(b, ",\"terminated\":%s,\"expired\":%s,\"signum\":", e->terminated ? "true" : "false",
                    expired ? "true" : "false");
        buffer_addf(b, e->terminated ? "%d" : "null", TERMINATED);
        celery_events_end(all);
}

static void task_events_rejected(struct celery_events *all, const struct run_event *e)
{
        struct buffer *b = celery_events_begin(all, "task-rejected", e->ids.id);
        buffer_add_string(b, ",\"requeue\":true");
        celery_events_end(all);
}

static void task_events_died(struct celery_events *all, const struct run_event *e)
{
        if (strcmp(e->why->code, "expired") == 0)
                task_events_revoked(all, e, true);
        else
                task_event_failed(all, e, "task-failed");
}

/* ---- what is sent on ---- */

static void header_field(struct buffer *b, const char *key, struct bytes headers, const char *name)
{
        struct header h;
        struct bytes text = { NULL, 0 };
        if (header_find(headers, name, &h) && header_text(&h, &text))
                celery_events_bytes(b, key, text);
        else
                celery_events_text(b, key, NULL);
}

static void task_events_sent(struct celery_events *all, const struct message *m)
{
        struct properties p;
        struct header id;
        struct bytes text = { NULL, 0 };
        char task_id[MESSAGE_MAX_NAME + 1];
        if (properties_read(m->properties, &p, NULL) != 0)
                return;
        if (!header_find(p.headers, "id", &id) || !header_text(&id, &text) || text.size >= sizeof(task_id))
                return;
        memcpy(task_id, text.data, text.size);
        task_id[text.size] = '\0';
        struct buffer *b = celery_events_begin(all, "task-sent", task_id);
        header_field(b, "root_id", p.headers, "root_id");
        header_field(b, "parent_id", p.headers, "parent_id");
        header_field(b, "name", p.headers, "task");
        header_field(b, "args", p.headers, "argsrepr");
        header_field(b, "kwargs", p.headers, "kwargsrepr");
        buffer_add_string(b, ",\"retries\":0");
        header_field(b, "eta", p.headers, "eta");
        header_field(b, "expires", p.headers, "expires");
        celery_events_text(b, "queue", m->routing_key);
        celery_events_text(b, "exchange", m->exchange);
        celery_events_text(b, "routing_key", m->routing_key);
        celery_events_end(all);
}

/* ---- which event is which ---- */

void task_events_add(struct celery_events *all, const struct run_event *e)
{
        switch (e->kind) {
        case RUN_RECEIVED: task_events_received(all, e); break;
        case RUN_CALLING:
                if (e->first)
                        task_events_started(all, e);
                break;
        case RUN_COMMITTED:
                if (!e->replaced)
                        task_events_succeeded(all, e);
                break;
        case RUN_SENDING: task_events_sent(all, e->sent); break;
        case RUN_RETRYING: task_event_failed(all, e, "task-retried"); break;
        case RUN_DEAD:
                if (!e->again)
                        task_events_died(all, e);
                break;
        case RUN_REVOKED: task_events_revoked(all, e, false); break;
        case RUN_HANDED_BACK:
                if (e->times->received_us) /* else no monitor has heard of it */
                        task_events_rejected(all, e);
                break;
        default: break;
        }
}

const unsigned task_events_wanted = RUN_BIT(RUN_RECEIVED) | RUN_BIT(RUN_CALLING) | RUN_BIT(RUN_COMMITTED) |
                                    RUN_BIT(RUN_SENDING) | RUN_BIT(RUN_RETRYING) | RUN_BIT(RUN_DEAD) |
                                    RUN_BIT(RUN_REVOKED) | RUN_BIT(RUN_HANDED_BACK);
