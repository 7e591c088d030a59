/* SPDX-License-Identifier: Apache-2.0 */
/* How a task ends other than with its outcome: an exception of its own, another try. */
#include "core/json.h"
#include "message/wire/repr.h"
#include "tasks/task.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

/* As Python has it: a name, and a dotted one. */
static bool task_ending_is_name(const char *text, bool dotted)
{
        const size_t size = text ? strlen(text) : 0;
        for (size_t i = 0; i < size; i++)
                if (!isalnum((unsigned char)text[i]) && text[i] != '_' && !(dotted && text[i] == '.'))
                        return false;
        return size > 0 && size < 200 && !isdigit((unsigned char)text[0]);
}

static const char *text_in_arena(const struct task_input *in, struct buffer *b)
{
        const char *text = b->failed ? NULL : arena_copy(in->arena, b->size ? (const void *)b->data : "", b->size);
        buffer_free(b);
        return text;
}

/* As Python's str() of it: one text stands for itself. */
static const char *ending_said(const struct task_input *in, const json_t *args)
{
        struct buffer b = { 0 };
        if (json_array_size(args) == 0)
                return "";
        if (json_array_size(args) > 1)
                repr_args((struct bytes){ NULL, 0 }, args, &b);
        else if (json_is_string(json_array_get(args, 0)))
                return json_string_value(json_array_get(args, 0));
        else
                repr_value(json_array_get(args, 0), &b);
        return text_in_arena(in, &b);
}

static int ending_raise(const struct task_input *in, struct problem *why, const char *type, const char *module,
                        const json_t *args)
{
        struct raised *own = arena_alloc(in->arena, sizeof(*own));
        const char *text = ending_said(in, args);
        if (!own || !text)
                return -ENOMEM;
        own->type = arena_string(in->arena, type);
        own->module = arena_string(in->arena, module);
        own->args = ask_json(in, args);
        if (!own->type || !own->module || !own->args)
                return -ENOMEM;
        problem_set(why, "task", type, "%s", text);
        why->raised = own;
        return 1;
}

int task_raise(const struct task_input *in, struct problem *why, const char *type, const char *module, json_t *takes)
{
        JSON_OWNED json_t *args = takes;
        if (!task_ending_is_name(type, false) || !task_ending_is_name(module, true) || !json_is_array(args))
                return args ? -EINVAL : -ENOMEM;
        return ending_raise(in, why, type, module, args);
}

int task_retry(const struct task_input *in, struct problem *why, int64_t delay_ms, int limit)
{
        const bool explained = why->code[0] != '\0';
        if (!explained)
                problem_set(why, "task", "retry", "%s wants to be tried again", in->task->def->name);
        if (in->wish)
                *in->wish = (struct task_wish){ .delay_ms = delay_ms, .limit = limit, .unexplained = !explained };
        return TASK_AGAIN;
}

json_t *task_request(const struct task_input *in)
{
        static const struct request_place nowhere = { 0 };
        return in->message ? task_message_request(in->message, in->place ? in->place : &nowhere) : NULL;
}
