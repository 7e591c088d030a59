/* SPDX-License-Identifier: Apache-2.0 */
#include "tasks/task.h"

#include <errno.h>
#include <string.h>

/* Schema names may not hold dots, so the name is what stands in every provider's log: "answer". */
static const char schema_name[] = "answer";

int ask_begin(const struct task_input *in, struct ai_request *request)
{
        const struct task_def *def = in->task->def;
        const struct task_prompt *prompt = task_prompt(in->task, document_lang(in->document));
        *request = (struct ai_request){
                .task = def->name,
                .model = def->model,
                .schema_name = schema_name,
                .schema = in->task->schema,
                .deadline_ms = def->deadline_ms,
                .connect_timeout_ms = def->connect_timeout_ms,
                .facts = in->document,
                .lang = prompt ? prompt->lang : document_lang(in->document),
        };
        request->constant = prompt ? prompt->text : NULL;
        return prompt ? ask_say(in, request, "system", AI_TEXT, prompt->text) : 0;
}

/* A copy of `count` elements with room for one more. */
static void *one_more(struct arena *arena, const void *array, size_t count, size_t size)
{
        char *copy = arena_alloc(arena, (count + 1) * size);
        if (copy && count)
                memcpy(copy, array, count * size);
        return copy;
}

/* Requests have a handful of parts, so each addition copies the few before it. */
int ask_say(const struct task_input *in, struct ai_request *request, const char *role, enum ai_part_kind kind,
            const char *text)
{
        size_t last = request->turn_count;
        bool joins = last > 0 && strcmp(request->turns[last - 1].role, role) == 0;
        size_t turn = joins ? last - 1 : last;
        struct ai_turn *turns = one_more(in->arena, request->turns, last, sizeof(*turns));
        if (!turns || !text)
                return -ENOMEM;
        struct ai_turn *t = &turns[turn];
        struct ai_part *parts = one_more(in->arena, t->parts, t->part_count, sizeof(*parts));
        if (!parts)
                return -ENOMEM;
        parts[t->part_count] = (struct ai_part){ kind, text };
        *t = (struct ai_turn){ role, parts, t->part_count + 1 };
        request->turns = turns;
        request->turn_count = turn + 1;
        return 0;
}

const char *ask_json(const struct task_input *in, const json_t *value)
{
        char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
        const char *kept = text ? arena_string(in->arena, text) : NULL;
        free(text);
        return kept;
}
