/* SPDX-License-Identifier: Apache-2.0 */
/* A plug-in made with nothing but chard.h: the tasks of support/kit_app.py once more, for comparing what a client sees of either. */
#include <chard.h>

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ERRORS "support.kit_errors"

static const char *format(const struct chard_input *in, const char *form, ...) __attribute__((format(printf, 2, 3)));

static const char *format(const struct chard_input *in, const char *form, ...)
{
        va_list first, second;
        va_start(first, form);
        va_copy(second, first);
        const size_t size = (size_t)vsnprintf(NULL, 0, form, first) + 1;
        char *text = chard_allocate(in, size);
        if (text)
                vsnprintf(text, size, form, second);
        va_end(first);
        va_end(second);
        return text ? text : "";
}

static const char *keyword(const struct chard_input *in, const char *name, const char *otherwise)
{
        const char *value = chard_argument_json(in, format(in, "/kwargs/%s", name));
        return value ? value : otherwise;
}

static double number(const char *json)
{
        return json ? strtod(json, NULL) : 0;
}

/* ---- values ---- */

static int add_up(const struct chard_input *in, const char *at, double *total)
{
        const char *value;
        for (int i = 0; (value = chard_argument_json(in, format(in, "%s/%d", at, i))); i++) {
                if (value[0] == '[') {
                        if (!add_up(in, format(in, "%s/%d", at, i), total))
                                return 0;
                } else if (!strchr("-0123456789", value[0])) {
                        return 0;
                } else {
                        *total += number(value);
                }
        }
        return 1;
}

static int add(const struct chard_input *in, struct chard_outcome *out)
{
        double total = 0;
        if (!add_up(in, "/args", &total))
                return chard_raise(in, "TypeError", "builtins", "[\"kit.add adds numbers\"]");
        return chard_result(out, format(in, "%g", total));
}

static int same(const struct chard_input *in, struct chard_outcome *out)
{
        const char *value = chard_argument_json(in, "/args/0");
        return value ? chard_result(out, value)
                     : chard_raise(in, "TypeError", "builtins", "[\"kit.same wants a value\"]");
}

static int told(const struct chard_input *in, struct chard_outcome *out)
{
        return chard_result(out, format(in, "{\"args\": %s, \"kwargs\": %s}", chard_argument_json(in, "/args"),
                                        chard_argument_json(in, "/kwargs")));
}

/* Celery has its limits in one list. */
static const char *about_place(const struct chard_input *in, const char *place)
{
        if (strcmp(place, "/timelimit") != 0)
                return chard_request_json(in, place);
        const char *hard = chard_request_json(in, "/time_limit"), *soft = chard_request_json(in, "/soft_time_limit");
        return format(in, "[%s, %s]", hard ? hard : "null", soft ? soft : "null");
}

/* What the request says at each of these places. */
static int about(const struct chard_input *in, struct chard_outcome *out)
{
        const char *list = "", *place;
        for (int i = 0; (place = chard_argument_text(in, format(in, "/kwargs/at/%d", i))); i++) {
                const char *value = about_place(in, place);
                list = format(in, "%s%s%s", list, i ? "," : "", value ? value : "null");
        }
        return chard_result(out, format(in, "[%s]", list));
}

/* ---- failing and trying again ---- */

static int fail(const struct chard_input *in, struct chard_outcome *out)
{
        (void)out;
        return chard_raise(in, "KitError", ERRORS, chard_argument_json(in, "/args"));
}

static int again(const struct chard_input *in, struct chard_outcome *out)
{
        const long retries = (long)number(chard_request_json(in, "/retries"));
        const int limit = (int)number(keyword(in, "limit", "3"));
        if (retries >= (long)number(keyword(in, "times", "1")))
                return chard_result(out, format(in, "%ld", retries));
        if (strcmp(keyword(in, "reason", "true"), "true") == 0)
                chard_raise(in, "KitError", ERRORS, format(in, "[\"attempt\", %ld]", retries));
        return chard_retry(in, (long)(number(keyword(in, "delay", "0.02")) * 1000), limit);
}

/* Not by the worker that has it first. */
static int elsewhere(const struct chard_input *in, struct chard_outcome *out)
{
        const char *redelivered = chard_request_json(in, "/delivery_info/redelivered");
        if (!redelivered || strcmp(redelivered, "true") != 0)
                return CHARD_ELSEWHERE;
        return chard_result(out, format(in, "[true, %s]", chard_request_json(in, "/retries")));
}

/* ---- canvases ---- */

static int send(const struct chard_input *in, struct chard_outcome *out)
{
        const int rc = chard_send(out, keyword(in, "canvas", NULL));
        return rc == CHARD_DONE ? chard_result(out, "\"sent\"") : rc;
}

static int pass_on(const struct chard_input *in, struct chard_outcome *out)
{
        return chard_send_as_result(out, keyword(in, "canvas", NULL));
}

/* More parts of the chord that it is part of. */
static int grow(const struct chard_input *in, struct chard_outcome *out)
{
        const char *canvas;
        for (int i = 0; (canvas = chard_argument_json(in, format(in, "/kwargs/canvases/%d", i))); i++) {
                const int rc = chard_add_to_chord(out, canvas);
                if (rc != CHARD_DONE)
                        return rc;
        }
        return chard_result(out, "0");
}

static int replace(const struct chard_input *in, struct chard_outcome *out)
{
        return chard_replace(out, keyword(in, "canvas", NULL));
}

/* Replaced by one that is replaced, and so on. */
static int deeper(const struct chard_input *in, struct chard_outcome *out)
{
        const int left = (int)number(chard_argument_json(in, "/args/0"));
        if (left <= 0)
                return chard_result(out, chard_request_json(in, "/replaced_task_nesting"));
        return chard_replace(out, format(in, "{\"task\": \"kit.deeper\", \"args\": [%d]}", left - 1));
}

/* An errback of the new style. */
static int failed(const struct chard_input *in, struct chard_outcome *out)
{
        const char *task = chard_argument_json(in, "/args/0/task"), *type = chard_argument_json(in, "/args/1/exc_type");
        const char *args = chard_argument_json(in, "/args/1/exc_message");
        if (!task || !type || !args)
                return chard_refuse(in, "bad_arguments", "kit.failed wants request, exc and traceback");
        return chard_result(out, format(in, "{\"task\": %s, \"type\": %s, \"args\": %s}", task, type, args));
}

/* One call to a model, which takes as long as that takes. */
static int slow_ask(const struct chard_input *in, struct chard_request *request)
{
        (void)in;
        return chard_say(request, "user", CHARD_TEXT, "slow");
}

static int slow_overdue(const struct chard_input *in, struct chard_outcome *out)
{
        (void)in;
        return chard_result(out, "\"late\"");
}

static int slow_conclude(const struct chard_input *in, const struct chard_reply *reply, struct chard_outcome *out)
{
        (void)in, (void)reply;
        return chard_result(out, "null");
}

#define KIT(function, more)                                                              \
        static const struct chard_task kit_##function = { .name = "kit." #function,      \
                                                          .queue = "kit",                \
                                                          .deadline_ms = 10000,          \
                                                          .flags = CHARD_PLAIN | (more), \
                                                          .run = function }

KIT(add, 0);
KIT(same, 0);
KIT(told, 0);
KIT(about, 0);
KIT(fail, 0);
KIT(again, 0);
KIT(elsewhere, 0);
KIT(send, 0);
KIT(pass_on, 0);
KIT(replace, 0);
KIT(grow, 0);
KIT(deeper, 0);
KIT(failed, CHARD_ERRBACK);

static const struct chard_task kit_volatile = { .name = "kit.volatile",
                                                .queue = "kit",
                                                .deadline_ms = 10000,
                                                .flags = CHARD_PLAIN | CHARD_STATELESS,
                                                .run = replace };

static const struct chard_prompt slow_prompts[] = { { "en", "Take your time." }, { NULL, NULL } };

#define SLOW(called, hard_ms, soft_ms)                                                                \
        static const struct chard_task kit_##called = {                                               \
                .name = "kit." #called,                                                               \
                .queue = "kit",                                                                       \
                .deadline_ms = 60000,                                                                 \
                .time_limit_ms = (hard_ms),                                                           \
                .soft_time_limit_ms = (soft_ms),                                                      \
                .flags = CHARD_PLAIN,                                                                 \
                .prompts = slow_prompts,                                                              \
                .schema = "{\"type\": \"object\", \"properties\": {\"ok\": {\"type\": \"boolean\"}}," \
                          " \"required\": [\"ok\"], \"additionalProperties\": false}",                \
                .ask = slow_ask,                                                                      \
                .conclude = slow_conclude,                                                            \
                .overdue = slow_overdue,                                                              \
        }

SLOW(slow, 0, 0);
SLOW(hasty, 40000, 1000);

CHARD_PLUGIN(&kit_add, &kit_same, &kit_told, &kit_about, &kit_fail, &kit_again, &kit_send, &kit_pass_on, &kit_replace,
             &kit_grow, &kit_deeper, &kit_failed, &kit_volatile, &kit_slow, &kit_hasty, &kit_elsewhere);
