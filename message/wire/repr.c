/* SPDX-License-Identifier: Apache-2.0 */
#include "message/wire/repr.h"

#include "core/text/utf8.h"
#include "message/wire/wire.h"

/* As Celery's task_repr_maxlevels: what lies deeper is shown as "...". */
enum { LEVELS = 3 };

struct repr {
        struct buffer *out;
        size_t end; /* no new item starts beyond it */
};

static void add_value(struct repr *r, const json_t *value, unsigned levels);

static size_t repr_left(const struct repr *r)
{
        return r->out->size < r->end ? r->end - r->out->size : 0;
}

static void add_cut(struct repr *r, struct bytes text)
{
        const size_t size = utf8_cut(text, repr_left(r));
        buffer_add(r->out, text.data, size);
        if (size < text.size)
                buffer_add(r->out, "...", 3);
}

/* In single quotes; control characters and quotes are left out rather than escaped, one byte for one. */
static void add_quoted(struct repr *r, const char *text, size_t size)
{
        const size_t start = r->out->size + 1;
        buffer_add_byte(r->out, '\'');
        add_cut(r, bytes_of(text, size));
        for (size_t i = start; i < r->out->size; i++)
                if (r->out->data[i] < ' ' || r->out->data[i] == '\'')
                        r->out->data[i] = r->out->data[i] == '\'' ? '"' : ' ';
        buffer_add_byte(r->out, '\'');
}

/* A comma before every item but the first; false when there is no room for one more. */
static bool repr_next(struct repr *r, size_t index)
{
        if (index > 0)
                buffer_add(r->out, ", ", 2);
        if (repr_left(r) > 0)
                return true;
        buffer_add(r->out, "...", 3);
        return false;
}

static void add_items(struct repr *r, const json_t *array, size_t before, unsigned levels)
{
        const size_t count = json_array_size(array);
        for (size_t i = 0; i < count && repr_next(r, i + before); i++)
                add_value(r, json_array_get(array, i), levels);
}

static void add_members(struct repr *r, const json_t *object, unsigned levels)
{
        const char *key;
        json_t *value;
        size_t i = 0;
        json_object_foreach((json_t *)object, key, value) {
                if (!repr_next(r, i++))
                        return;
                add_quoted(r, key, strlen(key));
                buffer_add(r->out, ": ", 2);
                add_value(r, value, levels);
        }
}

static void add_nested(struct repr *r, const json_t *value, unsigned levels)
{
        const bool object = json_is_object(value);
        buffer_add_byte(r->out, object ? '{' : '[');
        if (levels == 0)
                buffer_add(r->out, "...", 3);
        else if (object)
                add_members(r, value, levels - 1);
        else
                add_items(r, value, 0, levels - 1);
        buffer_add_byte(r->out, object ? '}' : ']');
}

static void add_value(struct repr *r, const json_t *value, unsigned levels)
{
        if (!value) /* a task that sends a canvas on has no result of its own */
                value = json_null();
        switch (json_typeof(value)) {
        case JSON_OBJECT:
        case JSON_ARRAY: add_nested(r, value, levels); return;
        case JSON_STRING: add_quoted(r, json_string_value(value), json_string_length(value)); return;
        case JSON_INTEGER: buffer_addf(r->out, "%" JSON_INTEGER_FORMAT, json_integer_value(value)); return;
        case JSON_REAL: buffer_addf(r->out, "%.17g", json_real_value(value)); return;
        case JSON_TRUE: buffer_add_string(r->out, "True"); return;
        case JSON_FALSE: buffer_add_string(r->out, "False"); return;
        case JSON_NULL: buffer_add_string(r->out, "None"); return;
        }
}

void repr_value(const json_t *value, struct buffer *out)
{
        struct repr r = { out, out->size + REPR_MAX };
        add_value(&r, value, LEVELS);
}

void repr_kwargs(const json_t *object, struct buffer *out)
{
        struct repr r = { out, out->size + REPR_MAX };
        buffer_add_byte(out, '{');
        if (object)
                add_members(&r, object, LEVELS - 1);
        buffer_add_byte(out, '}');
}

void repr_args(struct bytes first, const json_t *array, struct buffer *out)
{
        struct repr r = { out, out->size + REPR_MAX };
        const size_t before = first.size ? 1 : 0;
        buffer_add_byte(out, '(');
        add_cut(&r, first);
        add_items(&r, array, before, LEVELS - 1);
        buffer_add_string(out, before + json_array_size(array) == 1 ? ",)" : ")");
}
