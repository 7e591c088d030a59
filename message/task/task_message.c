/* SPDX-License-Identifier: Apache-2.0 */
#include "core/json.h"
#include "message/wire/base64.h"
#include "message/wire/compression.h"
#include "message/task/protocol1.h"
#include "message/task/task_headers.h"
#include "message/wire/wire.h"

#include <errno.h>
#include <stdio.h>

static int read_properties(struct arena *a, struct task_message *out, struct properties *p, struct body_form *form,
                           struct problem *why);
static int check_form(const struct properties *p, struct body_form *form, struct problem *why);
static int read_body(struct task_message *out, const struct body_form *form, size_t max_body, struct problem *why);

static int unpack_body(struct bytes raw, const struct body_form *form, size_t max_body, struct buffer *unpacked,
                       struct bytes *text, struct problem *why);

/* The messages of protocol 2 are the rule: those of protocol 1 are looked for only where the headers say nothing of a task. */
static bool may_be_protocol1(const struct task_message *t, const struct problem *why)
{
        return !t->name && !t->id && strcmp(why->code, "not_a_task") == 0;
}

static int task_message_read(struct arena *a, struct bytes properties, struct bytes body, size_t max_body,
                             struct task_message *out, struct properties *p, struct problem *why);

static int decode_protocol1(struct arena *a, const struct properties *p, size_t max_body, struct task_message *out,
                            struct problem *why)
{
        struct buffer unpacked = { 0 };
        struct bytes text, properties, body;
        struct body_form form = { 0 };
        struct header h;
        struct problem ignored;
        if (header_find(p->headers, "compression", &h))
                header_text(&h, &form.compression);
        if (out->raw_body.size > max_body || check_form(p, &form, &ignored) != 0)
                return 1;
        int rc = unpack_body(out->raw_body, &form, max_body, &unpacked, &text, &ignored);
        if (rc == 0)
                rc = protocol1_translate(a, p, text, &properties, &body);
        buffer_free(&unpacked);
        if (rc != 0)
                return rc;
        struct properties again;
        *why = (struct problem){ 0 };
        return task_message_read(a, properties, body, SIZE_MAX, out, &again, why);
}

int task_message_decode(struct arena *a, struct bytes properties, struct bytes body, size_t max_body,
                        struct task_message *out, struct problem *why)
{
        struct properties p;
        struct problem untold = { 0 };
        why = why ? why : &untold;
        const int rc = task_message_read(a, properties, body, max_body, out, &p, why);
        return rc > 0 && may_be_protocol1(out, why) ? decode_protocol1(a, &p, max_body, out, why) : rc;
}

static int task_message_read(struct arena *a, struct bytes properties, struct bytes body, size_t max_body,
                             struct task_message *out, struct properties *p, struct problem *why)
{
        struct body_form form = { 0 };
        *out = (struct task_message){ .group_index = -1, .properties = properties, .raw_body = body };
        int rc = read_properties(a, out, p, &form, why);
        if (rc == 0)
                rc = check_form(p, &form, why);
        if (rc == 0)
                rc = read_body(out, &form, max_body, why);
        return rc;
}

void task_message_clear(struct task_message *t)
{
        json_decref(t->body);
        *t = (struct task_message){ 0 };
}

/* ---- properties ---- */

static int read_short_text(struct arena *a, struct bytes text, const char *name, const char **out, struct problem *why)
{
        int rc = text.size ? task_text_copy(a, text, out) : 0;
        if (rc > 0)
                return problem_set(why, "message", "bad_properties", "the property %s is no UTF-8 text", name);
        return rc;
}

/* Before the headers, so that whoever waits can be told what is wrong with them. */
static int read_addresses(struct arena *a, const struct properties *p, struct task_message *out, struct problem *why)
{
        const int rc = read_short_text(a, p->reply_to, "reply_to", &out->reply_to, why);
        return rc == 0 ? read_short_text(a, p->correlation_id, "correlation_id", &out->correlation_id, why) : rc;
}

static int check_identity(const struct task_message *t, struct bytes headers, struct problem *why)
{
        if (t->name && *t->name && t->id && *t->id)
                return 0;
        if (headers.size == 0)
                return problem_set(why, "message", "not_a_task",
                                   "there are no headers, and the body is no task of message protocol 1 either");
        return problem_set(why, "message", "not_a_task", "the header \"%s\" is missing: this is no Celery task",
                           t->name && *t->name ? "id" : "task");
}

static int read_properties(struct arena *a, struct task_message *out, struct properties *p, struct body_form *form,
                           struct problem *why)
{
        int rc = properties_read(out->properties, p, why);
        if (rc != 0)
                return rc;
        const int addressed = read_addresses(a, p, out, why);
        rc = addressed < 0 ? addressed : task_headers_read(a, p->headers, out, form, why);
        if (rc < 0)
                return rc;
        if (!out->root_id || !*out->root_id)
                out->root_id = out->id;
        if (rc == 0 && out->properties.size > MESSAGE_MAX_PROPERTIES)
                rc = problem_set(why, "message", "bad_properties", "the headers take %zu bytes; %d are allowed",
                                 out->properties.size, MESSAGE_MAX_PROPERTIES);
        if (rc == 0)
                rc = check_identity(out, p->headers, why);
        return rc == 0 ? addressed : rc;
}

/* ---- how the body is written ---- */

static bool same_word(struct bytes text, const char *word)
{
        return text.size == strlen(word) && strncasecmp((const char *)text.data, word, text.size) == 0;
}

static bool is_json(struct bytes type)
{
        const unsigned char *end = type.size ? memchr(type.data, ';', type.size) : NULL;
        if (end)
                type.size = (size_t)(end - type.data);
        return same_word(type, "application/json");
}

/* How much of a value from outside a problem's text shows; it repairs what is no UTF-8. */
static int task_message_shown(struct bytes text)
{
        return text.size < 80 ? (int)text.size : 80;
}

static int check_form(const struct properties *p, struct body_form *form, struct problem *why)
{
        static const char *const encodings[] = { "utf-8", "utf8", "us-ascii", "binary", "base64" };
        const struct bytes encoding = p->content_encoding;
        if (!is_json(p->content_type))
                return problem_set(why, "message", "bad_content_type",
                                   "the content type is \"%.*s\"; only application/json is understood "
                                   "(task_serializer = \"json\")",
                                   task_message_shown(p->content_type), (const char *)p->content_type.data);
        bool known = encoding.size == 0;
        for (size_t i = 0; i < sizeof(encodings) / sizeof(encodings[0]); i++)
                known = known || same_word(encoding, encodings[i]);
        if (!known)
                return problem_set(why, "message", "bad_content_type",
                                   "the content encoding is \"%.*s\"; utf-8 and base64 are understood",
                                   task_message_shown(encoding), (const char *)encoding.data);
        form->said_base64 = same_word(encoding, "base64");
        if (form->compression.size && !compression_known(form->compression))
                return problem_set(why, "message", "bad_compression",
                                   "the compression is \"%.*s\"; understood are " COMPRESSION_KNOWN,
                                   task_message_shown(form->compression), (const char *)form->compression.data);
        return 0;
}

/* ---- the body ---- */

static int body_too_large(size_t size, size_t max, struct problem *why)
{
        return problem_set(why, "message", "body_too_large", "the body has %zu bytes; %zu are allowed", size, max);
}

static int bad_body(struct problem *why, const char *what)
{
        return problem_set(why, "message", "bad_body", "%s", what);
}

/* The member of `embed` under `key`, if it is there, not null and not empty; false when it is no array. */
static bool embedded_list(const json_t *embed, const char *key, json_t **out)
{
        json_t *value = json_object_get(embed, key);
        *out = json_array_size(value) ? value : NULL;
        return !value || json_is_null(value) || json_is_array(value);
}

static int take_body_apart(struct task_message *t, struct problem *why)
{
        if (!json_is_array(t->body) || json_array_size(t->body) != 3)
                return bad_body(why, "the body must be [args, kwargs, embed]");
        const json_t *embed = json_array_get(t->body, 2);
        t->args = json_array_get(t->body, 0);
        t->kwargs = json_array_get(t->body, 1);
        if (!json_is_array(t->args))
                return bad_body(why, "args, the first part of the body, must be an array");
        if (!json_is_object(t->kwargs))
                return bad_body(why, "kwargs, the second part of the body, must be an object");
        if (!json_is_object(embed) && !json_is_null(embed))
                return bad_body(why, "embed, the third part of the body, must be an object or null");
        if (!embedded_list(embed, "callbacks", &t->callbacks) || !embedded_list(embed, "errbacks", &t->errbacks) ||
            !embedded_list(embed, "chain", &t->chain))
                return bad_body(why, "callbacks, errbacks and chain in the body must be arrays or null");
        t->chord = json_object_get(embed, "chord");
        if (json_is_null(t->chord))
                t->chord = NULL;
        return !t->chord || json_is_object(t->chord) ? 0 : bad_body(why, "chord in the body must be an object or null");
}

static int parse_body(struct task_message *t, struct bytes text, struct problem *why)
{
        struct problem parse;
        int rc = json_parse(text, "message", &t->body, &parse);
        if (rc > 0)
                return problem_set(why, "message", "bad_body", "the body: %s", parse.text);
        return rc < 0 ? rc : take_body_apart(t, why);
}

/* What the header body_encoding says is so. Of the content encoding Celery takes no notice in JSON, and celery-ts says base64 of
 * compressed bodies that are none. */
static int decode_text(struct bytes *raw, const struct body_form *form, struct buffer *decoded, struct problem *why)
{
        const bool is_base64 = form->body_encoding.size && same_word(form->body_encoding, "base64");
        if (!is_base64 && !form->said_base64)
                return 0;
        const int rc = base64_decode(*raw, decoded);
        if (decoded->failed)
                return -ENOMEM;
        if (rc > 0 && is_base64)
                return bad_body(why, "the body is no base64");
        if (rc == 0)
                *raw = buffer_view(decoded);
        else
                buffer_free(decoded);
        return 0;
}

/* *text is what to parse: in `unpacked`, which is the caller's to free, or `raw` itself where nothing had to be unpacked. */
static int unpack_body(struct bytes raw, const struct body_form *form, size_t max_body, struct buffer *unpacked,
                       struct bytes *text, struct problem *why)
{
        struct buffer decoded = { 0 };
        int rc = decode_text(&raw, form, &decoded, why);
        if (rc == 0 && form->compression.size) {
                rc = decompress(form->compression, raw, max_body, unpacked, why);
                buffer_free(&decoded);
        } else {
                *unpacked = decoded;
        }
        *text = unpacked->data ? buffer_view(unpacked) : raw;
        return rc;
}

static int read_body(struct task_message *out, const struct body_form *form, size_t max_body, struct problem *why)
{
        struct buffer unpacked = { 0 };
        struct bytes text;
        if (out->raw_body.size > max_body)
                return body_too_large(out->raw_body.size, max_body, why);
        int rc = unpack_body(out->raw_body, form, max_body, &unpacked, &text, why);
        if (rc == 0)
                rc = parse_body(out, text, why);
        buffer_free(&unpacked);
        return rc;
}
