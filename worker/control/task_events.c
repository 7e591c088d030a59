/* SPDX-License-Identifier: Apache-2.0 */
/* Celery's events of tasks, as an observer of runs. It wants nothing until somebody asks for them. */
#include "worker/control/control.h"

#include "core/clock.h"
#include "core/json.h"
#include "core/log.h"
#include "message/wire/repr.h"
#include "results/results.h"

#include <string.h>

/* ---- events of tasks ---- */

static void time_field(struct buffer *b, const char *key, int64_t wall_ms)
{
        char text[CLOCK_TEXT_SIZE];
        if (wall_ms)
                clock_format(wall_ms, text);
        celery_events_text(b, key, wall_ms ? text : NULL);
}

struct bytes control_name_of(const struct task_message *m)
{
        struct properties p;
        struct header h;
        struct bytes shadow = { NULL, 0 };
        if (properties_read(m->properties, &p, NULL) == 0 && header_find(p.headers, "shadow", &h))
                header_text(&h, &shadow);
        JSON_OWNED json_t *is_text = json_stringn((const char *)shadow.data, shadow.size);
        return is_text && shadow.size ? shadow : bytes_of_string(m->name);
}

static void task_events_received(struct control *c, const struct run *run)
{
        const struct task_message *m = &run->message;
        struct buffer args = { 0 }, kwargs = { 0 };
        struct buffer *b = celery_events_begin(&c->events, "task-received", m->id);
        repr_args(bytes_of(NULL, 0), m->args, &args);
        repr_kwargs(m->kwargs, &kwargs);
        celery_events_bytes(b, "name", control_name_of(m));
        celery_events_bytes(b, "args", buffer_view(&args));
        celery_events_bytes(b, "kwargs", buffer_view(&kwargs));
        celery_events_text(b, "root_id", m->root_id);
        celery_events_text(b, "parent_id", m->parent_id);
        buffer_addf(b, ",\"retries\":%u", m->retries);
        time_field(b, "eta", m->eta_ms);
        time_field(b, "expires", m->expires_ms);
        celery_events_text(b, "queue", run_queue(run)); /* Celery leaves it out; monitors count by it */
        celery_events_end(&c->events);
        buffer_free(&args);
        buffer_free(&kwargs);
}

static void task_events_started(struct control *c, const struct run *run)
{
        celery_events_begin(&c->events, "task-started", run->message.id);
        celery_events_end(&c->events);
}

static void task_events_succeeded(struct control *c, const struct run *run, uint64_t took_ms)
{
        struct buffer result = { 0 };
        struct buffer *b = celery_events_begin(&c->events, "task-succeeded", run->message.id);
        const bool plain = run_own_result(run) || run->def->flags & TASK_PLAIN;
        repr_value(plain ? run_own_result(run) : run_document(run), &result);
        celery_events_bytes(b, "result", buffer_view(&result));
        buffer_addf(b, ",\"runtime\":%.3f", (double)took_ms / 1000);
        celery_events_end(&c->events);
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
static void exception_field(struct buffer *b, const struct run *run)
{
        struct buffer text = { 0 };
        const struct result_exception e = run_exception_of(run, &run->why);
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
static void task_event_failed(struct control *c, const struct run *run, const char *type)
{
        struct buffer *b = celery_events_begin(&c->events, type, run->message.id);
        struct buffer trace = { 0 };
        exception_field(b, run);
        run_add_traceback(run, &run->why, &trace);
        celery_events_bytes(b, "traceback", buffer_view(&trace));
        celery_events_end(&c->events);
        buffer_free(&trace);
}

static void task_events_revoked(struct control *c, const struct run *run, bool expired)
{
        enum { TERMINATED = 15 };
        struct buffer *b = celery_events_begin(&c->events, "task-revoked", run->message.id);
        buffer_addf(b, ",\"terminated\":%s,\"expired\":%s,\"signum\":", run_is_terminated(run) ? "true" : "false",
                    expired ? "true" : "false");
        buffer_addf(b, run_is_terminated(run) ? "%d" : "null", TERMINATED);
        celery_events_end(&c->events);
}

static void task_events_rejected(struct control *c, const struct run *run)
{
        struct buffer *b = celery_events_begin(&c->events, "task-rejected", run->message.id);
        buffer_add_string(b, ",\"requeue\":true");
        celery_events_end(&c->events);
}

static void task_events_died(struct control *c, const struct run *run)
{
        if (strcmp(run->why.code, "expired") == 0)
                task_events_revoked(c, run, true);
        else
                task_event_failed(c, run, "task-failed");
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

static void task_events_sent(struct control *c, const struct message *m)
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
        struct buffer *b = celery_events_begin(&c->events, "task-sent", task_id);
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
        celery_events_end(&c->events);
}

/* ---- which event is which ---- */

static void task_event_tell(struct control *c, const struct run_event *e)
{
        const struct run *run = e->run;
        switch (e->kind) {
        case RUN_RECEIVED: task_events_received(c, run); break;
        case RUN_CALLING:
                if (e->first)
                        task_events_started(c, run);
                break;
        case RUN_COMMITTED:
                if (!e->replaced)
                        task_events_succeeded(c, run, e->took_ms);
                break;
        case RUN_SENDING: task_events_sent(c, e->sent); break;
        case RUN_RETRYING: task_event_failed(c, run, "task-retried"); break;
        case RUN_DEAD:
                if (!e->again)
                        task_events_died(c, run);
                break;
        case RUN_REVOKED: task_events_revoked(c, run, false); break;
        case RUN_HANDED_BACK:
                if (e->times->received_us) /* else no monitor has heard of it */
                        task_events_rejected(c, run);
                break;
        default: break;
        }
}

static void task_events_tell(struct observer *o, const struct run_event *e)
{
        struct control *c = (struct control *)((char *)o - offsetof(struct control, task_events));
        if (e->ids.id && e->ids.name)
                task_event_tell(c, e);
}

static const unsigned wanted = RUN_BIT(RUN_RECEIVED) | RUN_BIT(RUN_CALLING) | RUN_BIT(RUN_COMMITTED) |
                               RUN_BIT(RUN_SENDING) | RUN_BIT(RUN_RETRYING) | RUN_BIT(RUN_DEAD) | RUN_BIT(RUN_REVOKED) |
                               RUN_BIT(RUN_HANDED_BACK);

void task_events_open(struct control *c)
{
        c->task_events.tell = task_events_tell;
        observing_add(&c->worker->observing, &c->task_events);
        task_events_ask(c, c->worker->config->events == WORKER_EVENTS_ON);
}

bool task_events_asked(const struct control *c)
{
        return c->task_events.kinds != 0;
}

void task_events_ask(struct control *c, bool on)
{
        observing_want(&c->worker->observing, &c->task_events, on ? wanted : 0);
}
