/* SPDX-License-Identifier: Apache-2.0 */
#include "core/clock.h"
#include "core/json.h"
#include "message/task/task_form.h"

#include <stdlib.h>

static json_t *chain_message_copy_or(const json_t *value, json_t *(*otherwise)(void))
{
        return value ? json_incref((json_t *)value) : otherwise();
}

/* A later element of the chain. It names exchange and routing key, so that a Celery worker that sends it declares nothing. */
static json_t *chain_message_element(const struct signature *s, const char *root_id, const char *parent_id)
{
        json_t *options = json_pack("{s:s, s:s, s:s}", "task_id", s->id, "root_id", root_id, "parent_id", parent_id);
        if (s->queue) {
                json_object_set_new(options, "exchange", json_string(s->queue));
                json_object_set_new(options, "routing_key", json_string(s->queue));
        }
        return json_pack("{s:s, s:o, s:o, s:o, s:n, s:b}", "task", s->name, "args",
                         chain_message_copy_or(s->args, json_array), "kwargs",
                         chain_message_copy_or(s->kwargs, json_object), "options", options, "subtask_type", "immutable",
                         0);
}

/* embed, and the end of the body. The chain stands in reverse: the next task is its last element. */
static void chain_message_add_embed(struct buffer *body, const struct signature tasks[], size_t count)
{
        buffer_add_string(body, "{\"callbacks\":null,\"errbacks\":null,\"chain\":");
        buffer_add_string(body, count > 1 ? "[" : "null");
        for (size_t i = count - 1; i > 0; i--) {
                json_t *value = chain_message_element(&tasks[i], tasks[0].id, tasks[i - 1].id);
                if (value)
                        json_write(value, body);
                else
                        body->failed = true;
                json_decref(value);
                buffer_add_byte(body, i > 1 ? ',' : ']');
        }
        buffer_add_string(body, ",\"chord\":null}]");
}

struct message *chain_message(const struct signature tasks[], size_t count, const struct send_options *options)
{
        char expires[CLOCK_TEXT_SIZE];
        struct buffer table = { 0 }, body = { 0 };
        const struct task_form form = {
                .exchange = options->exchange ? options->exchange : tasks[0].queue,
                .routing_key = options->routing_key ? options->routing_key : tasks[0].queue,
                .name = tasks[0].name,
                .id = tasks[0].id,
                .root_id = tasks[0].id,
                .origin = options->origin,
                .expires = options->expires_ms ? expires : NULL,
                .args = tasks[0].args,
                .kwargs = tasks[0].kwargs,
                .trace = options->trace,
        };
        const unsigned long lost = json_memory_lost();
        clock_format(options->expires_ms, expires);
        task_form_headers(&form, &table);
        task_form_body(&form, &body);
        chain_message_add_embed(&body, tasks, count);
        body.failed = json_whole_since(lost, body.failed) != 0;
        struct message *m = task_form_message(&form, &table, &body);
        buffer_free(&table);
        buffer_free(&body);
        return m;
}
