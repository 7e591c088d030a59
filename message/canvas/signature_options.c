/* SPDX-License-Identifier: Apache-2.0 */
#include "message/canvas/signature_options.h"

#include "message/wire/wire.h"

#include <math.h>

/* Options being read; the first fault stays in `rc` and `why`, and what is read after it doesn't matter. */
struct reading {
        const char *task;
        const json_t *options;
        struct problem *why;
        int rc;
};

/* No delay that anybody means is longer (some 30 years), and the sum stays within the calendar. */
static const double longest_s = 1e9;

static void option_refuse(struct reading *r, const char *key, const char *wanted)
{
        if (r->rc == 0)
                r->rc = problem_set(r->why, "message", "bad_signature", "the signature of \"%s\": its %s must be %s",
                                    r->task, key, wanted);
}

static const json_t *option_get(const struct reading *r, const char *key)
{
        const json_t *value = json_object_get(r->options, key);
        return json_is_null(value) ? NULL : value;
}

/* Fit to be a header, a property or a route. */
static bool short_text(const json_t *value)
{
        const size_t size = json_string_length(value);
        return json_is_string(value) && size <= MESSAGE_MAX_NAME && strlen(json_string_value(value)) == size;
}

static const char *text_option(struct reading *r, const char *key)
{
        const json_t *value = option_get(r, key);
        if (value && !short_text(value))
                option_refuse(r, key, "a text of at most 255 bytes");
        return json_string_value(value);
}

static const json_t *count_option(struct reading *r, const char *key, json_int_t most)
{
        const json_t *value = option_get(r, key);
        if (value && (!json_is_integer(value) || json_integer_value(value) < 0 || json_integer_value(value) > most))
                option_refuse(r, key, "a number, not negative and not too large");
        return value;
}

static const json_t *limit_option(struct reading *r, const char *key)
{
        const json_t *value = option_get(r, key);
        if (value && (!json_is_number(value) || json_number_value(value) < 0))
                option_refuse(r, key, "a positive number of seconds");
        return value;
}

static const json_t *object_option(struct reading *r, const char *key)
{
        const json_t *value = option_get(r, key);
        if (value && !json_is_object(value))
                option_refuse(r, key, "an object");
        return value;
}

static const json_t *list_option(struct reading *r, const char *key)
{
        const json_t *value = option_get(r, key);
        if (value && !json_is_object(value) && !json_is_array(value))
                option_refuse(r, key, "a signature or an array of them");
        return value;
}

/* A time as text, or as kombu's typed value of it; NULL when it is neither. No longer than the decoder takes it. */
static const char *time_text(const json_t *value)
{
        int64_t ignored;
        const json_t *inner = value;
        if (json_is_object(value) && typed_json_read(value, &inner) != TYPED_DATETIME)
                return NULL;
        if (!short_text(inner) || json_string_length(inner) >= CLOCK_TEXT_SIZE)
                return NULL;
        return clock_parse(json_string_value(inner), &ignored) == 0 ? json_string_value(inner) : NULL;
}

/* An absolute time, or seconds from now written into `made`. */
static const char *time_option(struct reading *r, const char *key, bool relative, int64_t now_ms,
                               char made[CLOCK_TEXT_SIZE])
{
        const json_t *value = option_get(r, key);
        if (!value)
                return NULL;
        if (relative && json_is_number(value) && fabs(json_number_value(value)) <= longest_s) {
                clock_format(now_ms + (int64_t)(json_number_value(value) * 1000), made);
                return made;
        }
        const char *text = time_text(value);
        if (!text)
                option_refuse(r, key, "an ISO 8601 time or a number of seconds");
        return text;
}

static void read_times(struct reading *r, int64_t now_ms, struct signature_read *out)
{
        const json_t *countdown = option_get(r, "countdown");
        out->form.expires = time_option(r, "expires", true, now_ms, out->expires);
        if (json_number_value(countdown) != 0 || (countdown && !json_is_number(countdown)))
                out->form.eta = time_option(r, "countdown", true, now_ms, out->eta);
        else
                out->form.eta = time_option(r, "eta", false, now_ms, out->eta);
}

static void read_stamps(struct reading *r, struct task_form *form)
{
        form->stamped_headers = option_get(r, "stamped_headers");
        form->stamps = r->options;
        if (form->stamped_headers && !json_is_array(form->stamped_headers))
                option_refuse(r, "stamped_headers", "an array");
        for (size_t i = 0; i < json_array_size(form->stamped_headers); i++)
                if (!short_text(json_array_get(form->stamped_headers, i)))
                        option_refuse(r, "stamped_headers", "an array of texts of at most 255 bytes");
}

static void read_headers(struct reading *r, struct signature_read *out)
{
        const char *key;
        json_t *value;
        out->headers = object_option(r, "headers");
        json_object_foreach((json_t *)out->headers, key, value) {
                if (strlen(key) > MESSAGE_MAX_NAME)
                        option_refuse(r, "headers", "an object whose names have at most 255 bytes");
        }
}

static void read_options(struct reading *r, int64_t now_ms, struct signature_read *out)
{
        struct task_form *form = &out->form;
        const json_t *priority = count_option(r, "priority", UINT8_MAX);
        form->exchange = text_option(r, "exchange");
        form->routing_key = text_option(r, "routing_key");
        form->id = text_option(r, "task_id");
        form->origin = text_option(r, "origin");
        form->shadow = text_option(r, "shadow");
        form->group_id = text_option(r, "group_id");
        form->reply_to = text_option(r, "reply_to");
        form->priority = (int)json_integer_value(priority);
        form->group_index = count_option(r, "group_index", INT64_MAX);
        form->retries = count_option(r, "retries", INT32_MAX);
        form->replaced_task_nesting = count_option(r, "replaced_task_nesting", INT32_MAX);
        form->hard_limit = limit_option(r, "time_limit");
        form->soft_limit = limit_option(r, "soft_time_limit");
        form->ignore_result = option_get(r, "ignore_result");
        if (form->ignore_result && !json_is_boolean(form->ignore_result))
                option_refuse(r, "ignore_result", "true, false or null");
        out->queue = text_option(r, "queue");
        out->link = list_option(r, "link");
        out->link_error = list_option(r, "link_error");
        out->chain = option_get(r, "chain");
        if (out->chain && !json_is_array(out->chain))
                option_refuse(r, "chain", "an array");
        out->chord = object_option(r, "chord");
        read_times(r, now_ms, out);
        read_stamps(r, form);
        read_headers(r, out);
}

static const json_t *signature_part(const json_t *signature, const char *key)
{
        const json_t *value = json_object_get(signature, key);
        return json_is_null(value) ? NULL : value;
}

/* Groups, chains and chords are taken apart before. A map, and chunks of one, go where the task goes that they are a map of. */
static int check_type(const char *task, const json_t *subtask_type, struct signature_read *out, struct problem *why)
{
        const char *type = short_text(subtask_type) ? json_string_value(subtask_type) : "of an unknown type";
        if (subtask_type)
                return problem_set(why, "message", "unsupported_canvas",
                                   "what follows is a %s (\"%s\"): that can't be sent on", type, task);
        if (strcmp(task, "celery.map") == 0 || strcmp(task, "celery.starmap") == 0 ||
            strcmp(task, "celery.chunks") == 0) {
                const json_t *mapped = json_object_get(out->form.kwargs, "task");
                const json_t *of = json_is_string(mapped) ? mapped : json_object_get(mapped, "task");
                out->route_name = short_text(of) ? json_string_value(of) : NULL;
        }
        return 0;
}

int signature_read(const json_t *signature, int64_t now_ms, struct signature_read *out, struct problem *why)
{
        const json_t *name = json_object_get(signature, "task");
        *out = (struct signature_read){ 0 };
        if (!short_text(name) || json_string_length(name) == 0)
                return problem_set(why, "message", "bad_signature",
                                   "a signature must be an object whose task is a name of at most 255 bytes");
        struct reading r = { json_string_value(name), signature_part(signature, "options"), why, 0 };
        out->form.name = r.task;
        out->form.args = signature_part(signature, "args");
        out->form.kwargs = signature_part(signature, "kwargs");
        out->immutable = json_is_true(signature_part(signature, "immutable"));
        if (check_type(r.task, signature_part(signature, "subtask_type"), out, why) != 0)
                return 1;
        if (out->form.args && !json_is_array(out->form.args))
                option_refuse(&r, "args", "an array");
        if (out->form.kwargs && !json_is_object(out->form.kwargs))
                option_refuse(&r, "kwargs", "an object");
        if (r.options && !json_is_object(r.options))
                option_refuse(&r, "options", "an object");
        else
                read_options(&r, now_ms, out);
        return r.rc;
}
