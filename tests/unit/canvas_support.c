/* SPDX-License-Identifier: Apache-2.0 */
#include "canvas_support.h"

#include "core/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const char *known_queue(const char *name, void *arg)
{
        (void)arg;
        return strncmp(name, "known", 5) == 0 ? "known.queue" : NULL;
}

static bool wants_failure(const char *name, void *arg)
{
        (void)arg;
        return strcmp(name, "known.new") == 0;
}

const struct follow_how canvas_how = {
        .queue_of = known_queue, .now_ms = 1800000000000, .chords = true, .wants_failure = wants_failure
};
static const char exception[] = CANVAS_EXCEPTION;
const struct failure_told canvas_failure = { .exception = { (const unsigned char *)exception, sizeof(exception) - 1 },
                                             .traceback = "T",
                                             .worker = "w" };

bool try_to_give(struct canvas_given *g, const char *key, json_t *takes_value)
{
        *g = (struct canvas_given){ 0 };
        json_t *body = json_pack("[[i], {s:i}, {s:o}]", 1, "k", 2, key, takes_value);
        struct buffer text = { 0 };
        struct problem why = { 0 };
        json_write(body, &text);
        buffer_add_byte(&text, '\0');
        assert_false(text.failed);
        g->made = make_task((struct bytes){ NULL, 0 }, (const char *)text.data);
        const int rc = task_message_decode(&g->arena, buffer_view(&g->made.properties), buffer_view(&g->made.body),
                                           LARGEST_BODY, &g->task, &why);
        json_decref(body);
        buffer_free(&text);
        assert_true(rc == 0 || strstr(why.text, "nested deeper"));
        return rc == 0;
}

void give(struct canvas_given *g, const char *key, json_t *takes_value)
{
        assert_true(try_to_give(g, key, takes_value));
}

void take_back(struct canvas_given *g)
{
        task_message_clear(&g->task);
        made_free(&g->made);
        arena_free(&g->arena);
}

size_t count_and_clear(struct following *f)
{
        size_t count = 0;
        for (const struct message *m = f->messages; m; m = m->next)
                count++;
        following_clear(f);
        return count;
}

json_t *canvas(const char *type, json_t *takes_tasks)
{
        return json_pack("{s:s, s:[], s:{s:o}, s:{}, s:s}", "task", "celery.x", "args", "kwargs", "tasks", takes_tasks,
                         "options", "subtask_type", type);
}
