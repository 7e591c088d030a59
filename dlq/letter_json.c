/* SPDX-License-Identifier: Apache-2.0 */
#include "dlq/letter.h"

#include "core/clock.h"
#include "core/json.h"
#include "message/wire/base64.h"

#include <errno.h>
#include <string.h>

/* The texts of an entry, by the names that lists, exports and the API use. */
static const struct {
        const char *name;
        size_t offset;
} texts[] = {
        { "task", offsetof(struct dead_letter, name) },
        { "task_id", offsetof(struct dead_letter, task_id) },
        { "job", offsetof(struct dead_letter, root_id) },
        { "queue", offsetof(struct dead_letter, queue) },
        { "source", offsetof(struct dead_letter, error_source) },
        { "code", offsetof(struct dead_letter, error_code) },
        { "message", offsetof(struct dead_letter, error_message) },
        { "group", offsetof(struct dead_letter, group) },
        { "cause", offsetof(struct dead_letter, cause) },
        { "trace_id", offsetof(struct dead_letter, trace_id) },
        { "user", offsetof(struct dead_letter, user_id) },
        { "worker", offsetof(struct dead_letter, worker) },
        { "next_task", offsetof(struct dead_letter, next_task) },
        { "verdict", offsetof(struct dead_letter, verdict) },
};
enum { TEXTS = sizeof(texts) / sizeof(texts[0]) };

static const char **letter_json_text_at(const struct dead_letter *l, size_t i)
{
        return (const char **)((uintptr_t)l + texts[i].offset);
}

static json_t *time_json(int64_t ms)
{
        char text[CLOCK_TEXT_SIZE];
        if (!ms)
                return json_null();
        clock_format(ms, text);
        return json_string(text);
}

static json_t *base64_json(struct bytes raw)
{
        struct buffer text = { 0 };
        if (!raw.data)
                return json_null();
        base64_encode(raw, &text);
        json_t *value = text.failed ? NULL : json_stringn(text.data ? (const char *)text.data : "", text.size);
        buffer_free(&text);
        return value;
}

/* ---- readable ---- */

/* The JSON that a body is, in whatever encoding; NULL when it is none. */
static int letter_json_decode(struct arena *a, const struct dead_letter *l, struct bytes body, struct task_message *out,
                              struct problem *why)
{
        return task_message_decode(a, l->properties, body, SIZE_MAX, out, why);
}

static void add_body(json_t *o, const struct dead_letter *l, struct bytes body, const char *args, const char *kwargs)
{
        struct arena a = { 0 };
        struct task_message m = { 0 };
        struct problem why = { 0 };
        if (letter_json_decode(&a, l, body, &m, &why) == 0) {
                json_object_set(o, args, m.args);
                json_object_set(o, kwargs, m.kwargs);
                if (body.data == l->body.data && m.chain)
                        json_object_set(o, "chain", m.chain);
        } else {
                json_object_set_new(o, "unreadable", json_string(why.text));
        }
        task_message_clear(&m);
        arena_free(&a);
}

/* Bodies that can't be read as a task are shown as text, cut, where they are text at all. */
static void add_raw_body(json_t *o, struct bytes body)
{
        enum { MOST = 4096 };
        json_t *text = json_stringn((const char *)body.data, body.size < MOST ? body.size : MOST);
        json_object_set_new(o, "body",
                            text ? text : base64_json(bytes_of(body.data, body.size < MOST ? body.size : MOST)));
        if (!text)
                json_object_set_new(o, "body_is_base64", json_true());
        if (body.size > MOST)
                json_object_set_new(o, "body_is_cut", json_true());
}

static void add_readable(json_t *o, const struct dead_letter *l)
{
        struct properties p;
        json_t *headers = properties_read(l->properties, &p, NULL) == 0 ? headers_to_json(p.headers) : NULL;
        json_object_set_new(o, "headers", headers ? headers : json_null());
        add_body(o, l, l->body, "args", "kwargs");
        if (l->edited.data)
                add_body(o, l, l->edited, "edited_args", "edited_kwargs");
        if (json_object_get(o, "unreadable"))
                add_raw_body(o, l->body);
}

/* ---- writing ---- */

json_t *letter_json(const struct dead_letter *l, enum letter_form form)
{
        json_t *o = json_object();
        json_object_set_new(o, "entry", json_integer(l->entry));
        json_object_set_new(o, "state", json_string(l->state));
        for (size_t i = 0; i < TEXTS; i++)
                json_object_set_new(o, texts[i].name, json_string(*letter_json_text_at(l, i)));
        json_object_set_new(o, "attempts", json_integer(l->attempts));
        json_object_set_new(o, "rounds", json_integer(l->rounds));
        json_object_set_new(o, "died_at", time_json(l->died_ms));
        json_object_set_new(o, "kept_at", time_json(l->kept_ms));
        json_object_set_new(o, "settled_at", time_json(l->settled_ms));
        json_object_set_new(o, "body_size", json_integer(l->body_size));
        json_object_set_new(o, "edited", json_boolean(l->edited.data != NULL));
        json_object_set_new(o, "task_state", *l->task_state ? json_string(l->task_state) : json_null());
        json_object_set_new(o, "job_state", *l->job_state ? json_string(l->job_state) : json_null());
        if (form == LETTER_READABLE)
                add_readable(o, l);
        if (form == LETTER_WHOLE) {
                json_object_set_new(o, "properties_base64", base64_json(l->properties));
                json_object_set_new(o, "body_base64", base64_json(l->body));
                json_object_set_new(o, "edited_base64", base64_json(l->edited));
        }
        return o;
}

/* ---- reading ---- */

static int bad_entry(struct problem *why, const char *what)
{
        return problem_set(why, "import", "bad_entry", "it is no exported entry: %s", what);
}

static int read_bytes(struct arena *a, const json_t *from, const char *key, struct bytes *out, struct problem *why)
{
        const json_t *value = json_object_get(from, key);
        struct buffer raw = { 0 };
        if (!json_is_string(value))
                return bad_entry(why, key);
        const int code = base64_decode(bytes_of(json_string_value(value), json_string_length(value)), &raw);
        const char *copy = raw.failed ? NULL : arena_copy(a, raw.data ? (const void *)raw.data : "", raw.size);
        *out = bytes_of(copy, raw.size);
        buffer_free(&raw);
        return code ? bad_entry(why, key) : copy ? 0 : -ENOMEM;
}

/* The content says what it is; only what the content does not have is taken from the entry's texts. */
int letter_from_json(const struct catalog *catalog, struct arena *a, const json_t *from, struct dead_letter *out,
                     struct problem *why)
{
        struct bytes properties = { NULL, 0 }, body = { NULL, 0 }, edited = { NULL, 0 };
        struct problem found = { 0 };
        int64_t died_ms = 0;
        const char *queue = json_text(from, "queue", "");
        if (!json_is_object(from) || !*queue)
                return bad_entry(why, "queue");
        if (clock_parse(json_text(from, "died_at", ""), &died_ms) != 0)
                return bad_entry(why, "died_at");
        int code = read_bytes(a, from, "properties_base64", &properties, why);
        if (!code)
                code = read_bytes(a, from, "body_base64", &body, why);
        if (!code && json_is_string(json_object_get(from, "edited_base64")))
                code = read_bytes(a, from, "edited_base64", &edited, why);
        if (code)
                return code;
        const char *dead_queue = arena_printf(a, "%s.dead", queue);
        if (!dead_queue || !letter_read(a, dead_queue, properties, body, SIZE_MAX, died_ms, out))
                return -ENOMEM;
        out->edited = edited;
        code = edited.data ? letter_check_edited(catalog, out, edited, &found) : 0;
        return code > 0 ? problem_set(why, "import", "bad_entry", "it can't be sent as it was edited: %.440s",
                                      found.text)
                        : code;
}
