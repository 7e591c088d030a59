/* SPDX-License-Identifier: Apache-2.0 */
/* A task's message as its request, by the names of Celery's (celery.app.task.Context). */
#include "message/message.h"

#include "core/clock.h"
#include "core/json.h"

json_t *task_message_identity(const struct task_message *t, const char *worker)
{
        json_t *index = t->group_index < 0 ? json_null() : json_integer(t->group_index);
        return json_pack("{s:s?, s:s?, s:O?, s:O?, s:s?, s:s?, s:s?, s:o, s:I, s:s?, s:s?, s:s?, s:s?}", "id", t->id,
                         "task", t->name, "args", t->args, "kwargs", t->kwargs, "root_id", t->root_id, "parent_id",
                         t->parent_id, "group", t->group_id, "group_index", index, "retries", (json_int_t)t->retries,
                         "origin", t->origin, "reply_to", t->reply_to, "correlation_id", t->correlation_id, "hostname",
                         worker);
}

static json_t *time_of(int64_t at_ms)
{
        char text[CLOCK_TEXT_SIZE];
        if (!at_ms)
                return json_null();
        clock_format(at_ms, text);
        return json_string(text);
}

static json_t *limit_of(unsigned limit_ms)
{
        if (!limit_ms)
                return json_null();
        return limit_ms % 1000 ? json_real((double)limit_ms / 1000) : json_integer(limit_ms / 1000);
}

static json_t *request_or_null(json_t *value)
{
        return value ? json_incref(value) : json_null();
}

/* The time before which it was not to run, as its sender wrote it. */
static json_t *eta_of(const json_t *headers)
{
        json_t *eta = json_object_get(headers, "eta");
        return request_or_null(json_is_string(eta) ? eta : json_object_get(headers, "chard_eta"));
}

static void add_message(json_t *request, const struct task_message *t, const struct request_place *place)
{
        struct properties p = { .priority = -1 };
        if (properties_read(t->properties, &p, NULL) != 0)
                p = (struct properties){ .delivery_mode = -1, .priority = -1, .timestamp = -1 };
        json_t *headers = headers_to_json(p.headers),
               *priority = p.priority < 0 ? json_null() : json_integer(p.priority);
        json_object_set_new(request, "eta", eta_of(headers));
        json_object_set_new(request, "stamped_headers", request_or_null(json_object_get(headers, "stamped_headers")));
        json_object_set_new(request, "stamps", request_or_null(json_object_get(headers, "stamps")));
        json_object_set_new(request, "shadow", request_or_null(json_object_get(headers, "shadow")));
        json_object_set_new(request, "headers", headers);
        json_object_set_new(request, "properties", properties_to_json(&p));
        json_object_set(request, "priority", priority);
        json_object_set_new(request, "delivery_info",
                            json_pack("{s:s?, s:s?, s:s?, s:o, s:b}", "queue", place->queue, "exchange",
                                      place->exchange, "routing_key", place->routing_key, "priority", priority,
                                      "redelivered", (int)place->redelivered));
}

json_t *task_message_request(const struct task_message *t, const struct request_place *place)
{
        json_t *request = task_message_identity(t, place->worker);
        if (!request)
                return NULL;
        json_object_set_new(request, "expires", time_of(t->expires_ms));
        json_object_set_new(request, "time_limit", limit_of(t->hard_limit_ms));
        json_object_set_new(request, "soft_time_limit", limit_of(t->soft_limit_ms));
        json_object_set_new(request, "ignore_result", json_boolean(t->ignore_result));
        json_object_set_new(request, "replaced_task_nesting", json_integer(t->nesting));
        json_object_set_new(request, "callbacks", request_or_null(t->callbacks));
        json_object_set_new(request, "errbacks", request_or_null(t->errbacks));
        json_object_set_new(request, "chain", request_or_null(t->chain));
        json_object_set_new(request, "chord", request_or_null(t->chord));
        add_message(request, t, place);
        return request;
}

struct bytes task_message_shown_name(const struct task_message *t)
{
        struct properties p;
        struct header h;
        struct bytes shadow = { NULL, 0 };
        if (properties_read(t->properties, &p, NULL) == 0 && header_find(p.headers, "shadow", &h))
                header_text(&h, &shadow);
        JSON_OWNED json_t *is_text = json_stringn((const char *)shadow.data, shadow.size);
        return is_text && shadow.size ? shadow : bytes_of_string(t->name);
}
