/* SPDX-License-Identifier: Apache-2.0 */
#include "message/task/protocol1.h"

#include "core/json.h"
#include "message/task/task_form.h"
#include "message/wire/wire.h"

#include <errno.h>

/* NULL when it is absent or null. */
static const json_t *protocol1_member(const json_t *task, const char *key)
{
        const json_t *value = json_object_get(task, key);
        return json_is_null(value) ? NULL : value;
}

static void add_member(struct buffer *body, const char *key, const json_t *value)
{
        buffer_addf(body, "\"%s\":", key);
        if (value)
                json_write(value, body);
        else
                buffer_add_string(body, "null");
}

static void write_body(const json_t *task, struct buffer *body)
{
        const json_t *args = protocol1_member(task, "args"), *kwargs = protocol1_member(task, "kwargs");
        buffer_add_byte(body, '[');
        if (args)
                json_write(args, body);
        else
                buffer_add_string(body, "[]");
        buffer_add_byte(body, ',');
        if (kwargs)
                json_write(kwargs, body);
        else
                buffer_add_string(body, "{}");
        buffer_add_string(body, ",{");
        add_member(body, "callbacks", protocol1_member(task, "callbacks"));
        buffer_add_byte(body, ',');
        add_member(body, "errbacks", protocol1_member(task, "errbacks"));
        buffer_add_string(body, ",\"chain\":null,"); /* chains are callbacks of callbacks there */
        add_member(body, "chord", protocol1_member(task, "chord"));
        buffer_add_string(body, "}]");
}

/* Values of a wrong kind go on as they are: who reads the headers says what is wrong with them. */
static void write_headers(const json_t *task, struct bytes received, struct buffer *table)
{
        static const char *const same[] = { "eta", "expires", "retries", "timelimit", "group_index" };
        struct header h;
        const json_t *args = protocol1_member(task, "args"), *kwargs = protocol1_member(task, "kwargs"),
                     *group = protocol1_member(task, "taskset");
        const struct task_form shown = { .args = args, .kwargs = kwargs };
        header_add_json(table, "lang", NULL);
        header_add_json(table, "task", json_object_get(task, "task"));
        header_add_json(table, "id", json_object_get(task, "id"));
        header_add_json(table, "root_id", json_object_get(task, "id"));
        header_add_json(table, "parent_id", NULL);
        header_add_json(table, "group", group ? group : protocol1_member(task, "group"));
        for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++)
                header_add_json(table, same[i], protocol1_member(task, same[i]));
        task_form_reprs(&shown, table);
        for (size_t at = 0; header_next(received, &at, &h);)
                if (header_owner_of(h.name) == HEADER_CLIENT)
                        header_add_raw(table, &h);
}

static int protocol1_keep(struct arena *a, struct buffer *text, struct bytes *out)
{
        const char *copy = text->failed ? NULL : arena_copy(a, text->data, text->size);
        *out = bytes_of(copy, copy ? text->size : 0);
        buffer_free(text);
        return copy ? 0 : -ENOMEM;
}

int protocol1_translate(struct arena *a, const struct properties *p, struct bytes text, struct bytes *properties,
                        struct bytes *body)
{
        JSON_OWNED json_t *task = NULL;
        struct problem why;
        struct buffer table = { 0 }, encoded = { 0 }, written = { 0 };
        const int rc = json_parse(text, "message", &task, &why);
        if (rc != 0)
                return rc;
        if (!json_is_string(json_object_get(task, "task")) || !json_is_string(json_object_get(task, "id")))
                return 1;
        struct properties now = *p;
        write_headers(task, p->headers, &table);
        now.headers = buffer_view(&table);
        now.content_type = bytes_of_string("application/json");
        now.content_encoding = bytes_of_string("utf-8");
        properties_write(&now, &encoded);
        encoded.failed = encoded.failed || table.failed;
        buffer_free(&table);
        write_body(task, &written);
        const int failed = protocol1_keep(a, &encoded, properties), lost = protocol1_keep(a, &written, body);
        return failed ? failed : lost;
}
