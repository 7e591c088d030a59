/* SPDX-License-Identifier: Apache-2.0 */
#include "dlq/letter.h"

#include "core/json.h"
#include "message/wire/base64.h"
#include "pipelines/pipeline.h"

#include <errno.h>
#include <stdlib.h>

/* What is edited: the arguments of a body that can be read, and is sent as it is written. */
static int open_body(struct arena *a, const struct dead_letter *l, struct bytes body, struct task_message *m,
                     struct problem *why)
{
        const int code = task_message_decode(a, l->properties, body, SIZE_MAX, m, why);
        if (code > 0) {
                struct problem found = *why;
                return problem_set(why, "edit", "unreadable",
                                   "its arguments can't be edited, because it can't be read: %.400s", found.text);
        }
        return code;
}

static struct bytes dlq_edit_current(const struct dead_letter *l)
{
        return l->edited.data ? l->edited : l->body;
}

int letter_arguments(const struct dead_letter *l, struct buffer *out, struct problem *why)
{
        struct arena a = { 0 };
        struct task_message m = { 0 };
        int code = open_body(&a, l, dlq_edit_current(l), &m, why);
        if (code == 0) {
                JSON_OWNED json_t *shown = json_pack("{s:O,s:O}", "args", m.args, "kwargs", m.kwargs);
                char *text = shown ? json_dumps(shown, JSON_INDENT(2)) : NULL;
                buffer_add_string(out, text ? text : "");
                buffer_add_byte(out, '\n');
                code = text && !out->failed ? 0 : -ENOMEM;
                free(text);
        }
        task_message_clear(&m);
        arena_free(&a);
        return code;
}

static int read_arguments(struct bytes text, json_t **out, struct problem *why)
{
        if (json_parse(text, "edit", out, why) != 0)
                return 1;
        const json_t *args = json_object_get(*out, "args"), *kwargs = json_object_get(*out, "kwargs");
        if (!json_is_array(args) || !json_is_object(kwargs) || json_object_size(*out) != 2)
                return problem_set(why, "edit", "bad_arguments",
                                   "it must be {\"args\": […], \"kwargs\": {…}} and nothing else");
        return 0;
}

static bool has_text_header(const struct dead_letter *l, const char *name, struct bytes *value)
{
        struct properties p;
        struct header h;
        return properties_read(l->properties, &p, NULL) == 0 && header_find(p.headers, name, &h) &&
               header_text(&h, value);
}

/* As the headers say that it is written. */
static int dlq_edit_encode(const struct dead_letter *l, const json_t *body, struct buffer *out, struct problem *why)
{
        struct bytes form;
        struct buffer plain = { 0 };
        if (has_text_header(l, "compression", &form) && form.size > 0)
                return problem_set(why, "edit", "compressed",
                                   "its body is compressed (%.*s), which edit does not write", (int)form.size,
                                   (const char *)form.data);
        json_write(body, &plain);
        if (has_text_header(l, "body_encoding", &form) && form.size == 6 && memcmp(form.data, "base64", 6) == 0)
                base64_encode(buffer_view(&plain), out);
        else
                buffer_add(out, plain.data, plain.size);
        out->failed = out->failed || plain.failed;
        buffer_free(&plain);
        return out->failed ? -ENOMEM : 0;
}

int letter_check_arguments(const struct catalog *catalog, const struct task_message *message, struct problem *why)
{
        const struct task *task = catalog_task(catalog, message->name);
        json_t *document = NULL;
        const int code = task && !(task->def->flags & TASK_PLAIN)
                                 ? pipeline_document(message, task->pipeline, &document, why)
                                 : 0;
        json_decref(document);
        return code;
}

int letter_check_edited(const struct catalog *catalog, const struct dead_letter *l, struct bytes body,
                        struct problem *why)
{
        struct arena a = { 0 };
        struct task_message m = { 0 };
        int code = task_message_decode(&a, l->properties, body, SIZE_MAX, &m, why);
        if (code == 0)
                code = letter_check_arguments(catalog, &m, why);
        task_message_clear(&m);
        arena_free(&a);
        return code;
}

int letter_edited_body(const struct catalog *catalog, const struct dead_letter *l, struct bytes text,
                       struct buffer *out, struct problem *why)
{
        struct arena a = { 0 };
        struct task_message m = { 0 };
        JSON_OWNED json_t *arguments = NULL;
        int code = read_arguments(text, &arguments, why);
        if (code == 0)
                code = open_body(&a, l, l->body, &m, why);
        if (code == 0) {
                const json_t *embed = json_array_get(m.body, 2);
                JSON_OWNED json_t *body = json_pack("[O,O,O]", json_object_get(arguments, "args"),
                                                    json_object_get(arguments, "kwargs"), embed ? embed : json_null());
                code = body ? dlq_edit_encode(l, body, out, why) : -ENOMEM;
        }
        task_message_clear(&m);
        arena_free(&a);
        return code ? code : letter_check_edited(catalog, l, buffer_view(out), why);
}
