/* SPDX-License-Identifier: Apache-2.0 */
#include "core/json.h"
#include "lib/lib.h"
#include "message/canvas/signature_options.h"
#include "message/wire/wire.h"

#include <errno.h>

static void lib_message_add_headers(const struct signature_read *s, struct buffer *table)
{
        const char *key;
        json_t *value;
        json_object_foreach((json_t *)s->headers, key, value) {
                if (header_owner_of(bytes_of_string(key)) == HEADER_CLIENT)
                        header_add_json(table, key, value);
        }
}

static json_t *lib_message_or_null(const json_t *value)
{
        return value ? json_incref((json_t *)value) : json_null();
}

static void lib_message_add_embed(const struct signature_read *s, struct buffer *body)
{
        JSON_OWNED json_t *embed = json_pack("{s:o, s:o, s:o, s:o}", "callbacks", lib_message_or_null(s->link),
                                             "errbacks", lib_message_or_null(s->link_error), "chain",
                                             lib_message_or_null(s->chain), "chord", lib_message_or_null(s->chord));
        if (embed)
                json_write(embed, body);
        body->failed = body->failed || !embed;
        buffer_add_byte(body, ']');
}

/* Through the exchange of the queue's name; a task without a queue waits in the one of its own name. */
static void lib_message_route(struct signature_read *s)
{
        struct task_form *form = &s->form;
        const char *queue = s->queue ? s->queue : form->name;
        if (form->exchange && form->routing_key)
                return;
        form->exchange = queue;
        form->routing_key = queue;
}

int lib_message(const json_t *task, const char *origin, int64_t now_ms, struct message **out, struct problem *why)
{
        struct signature_read s;
        struct buffer table = { 0 }, body = { 0 };
        int rc = signature_read(task, now_ms, &s, why);
        if (rc != 0)
                return rc;
        lib_message_route(&s);
        s.form.root_id = json_text(json_object_get(task, "options"), "root_id", s.form.id);
        s.form.origin = origin;
        task_form_headers(&s.form, &table);
        lib_message_add_headers(&s, &table);
        task_form_body(&s.form, &body);
        lib_message_add_embed(&s, &body);
        *out = task_form_message(&s.form, &table, &body);
        buffer_free(&table);
        buffer_free(&body);
        if (*out && (*out)->properties.size > MESSAGE_MAX_PROPERTIES) {
                message_free(*out);
                *out = NULL;
                return problem_set(why, "message", "bad_signature", "the headers of \"%s\" take more than %d bytes",
                                   s.form.name, MESSAGE_MAX_PROPERTIES);
        }
        return *out ? 0 : -ENOMEM;
}
