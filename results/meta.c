/* SPDX-License-Identifier: Apache-2.0 */
/* Results as Celery writes them: the member order is that of Backend._get_result_meta. */
#include "core/clock.h"

#include "core/json.h"
#include "core/text/utf8.h"
#include "results/results.h"

#include <stdlib.h>
#include <string.h>

/* What comes from a message's headers may be anything. */
static void meta_add_text(struct buffer *out, const char *text)
{
        const bool whole = !text || utf8_is(text);
        char *copy = whole ? NULL : strdup(text);
        if (copy)
                utf8_repair(copy, false);
        else if (!whole)
                out->failed = true;
        if (text)
                json_write_text(bytes_of_string(copy ? copy : text), out);
        else
                buffer_add_string(out, "null");
        free(copy);
}

static void add_json(struct buffer *out, struct bytes text, const char *otherwise)
{
        if (text.size)
                buffer_add(out, text.data, text.size);
        else
                buffer_add_string(out, otherwise);
}

void results_meta(const struct result_meta *m, struct buffer *out)
{
        char done[CLOCK_TEXT_SIZE];
        if (m->done_ms)
                clock_format(m->done_ms, done);
        buffer_add_string(out, "{\"status\": ");
        meta_add_text(out, m->status);
        buffer_add_string(out, ", \"result\": ");
        add_json(out, m->result, "null");
        buffer_add_string(out, ", \"traceback\": ");
        meta_add_text(out, m->traceback);
        buffer_add_string(out, ", \"children\": ");
        add_json(out, m->children, "[]");
        buffer_add_string(out, ", \"date_done\": ");
        meta_add_text(out, m->done_ms ? done : NULL);
        if (m->group_id) {
                buffer_add_string(out, ", \"group_id\": ");
                meta_add_text(out, m->group_id);
        }
        if (m->parent_id) {
                buffer_add_string(out, ", \"parent_id\": ");
                meta_add_text(out, m->parent_id);
        }
        buffer_add_string(out, ", \"task_id\": ");
        meta_add_text(out, m->task_id);
        buffer_add_string(out, "}");
}

void results_exception(const struct result_exception *e, struct buffer *out)
{
        buffer_add_string(out, "{\"exc_type\": ");
        meta_add_text(out, e->type);
        buffer_add_string(out, ", \"exc_message\": ");
        if (e->args) {
                buffer_add_string(out, e->args);
        } else {
                buffer_add_byte(out, '[');
                meta_add_text(out, e->text);
                buffer_add_byte(out, ']');
        }
        buffer_add_string(out, ", \"exc_module\": ");
        meta_add_text(out, e->module);
        buffer_add_string(out, "}");
}

/* Only types that every Python has, or Celery itself: others would arrive as made-up classes that nobody can catch. */
struct result_exception results_exception_of(const struct problem *why)
{
        static const struct {
                const char *code, *type, *module;
        } known[] = {
                { "revoked", "TaskRevokedError", "celery.exceptions" },
                { "retries_exhausted", "MaxRetriesExceededError", "celery.exceptions" },
                { "bad_replacement", "ImproperlyConfigured", "celery.exceptions" },
                { "unknown_task", "NotRegistered", "celery.exceptions" },
                { "chord", "ChordError", "celery.exceptions" },
                { "chord_broken", "ChordError", "celery.exceptions" },
                { "time_limit", "TimeLimitExceeded", "billiard.exceptions" },
                { "soft_time_limit", "SoftTimeLimitExceeded", "billiard.exceptions" },
                { "not_a_task", "InvalidTaskError", "celery.exceptions" },
                { "bad_content_type", "ContentDisallowed", "kombu.exceptions" },
                { "bad_body", "DecodeError", "kombu.exceptions" },
                { "bad_compression", "DecodeError", "kombu.exceptions" },
                { "body_too_large", "DecodeError", "kombu.exceptions" },
                { "bad_arguments", "TypeError", "builtins" },
                { "bad_value", "ValueError", "builtins" },
                { "bad_addition", "ValueError", "builtins" },
                { "overflow", "OverflowError", "builtins" },
                { "bad_document", "ValueError", "builtins" },
                { "missing_section", "ValueError", "builtins" },
                { "bad_section", "ValueError", "builtins" },
                { "timeout", "TimeoutError", "builtins" },
                { "connection", "ConnectionError", "builtins" },
                { "out_of_memory", "MemoryError", "builtins" },
                { "unsupported", "NotImplementedError", "builtins" },
        };
        const struct raised *own = why->raised;
        if (own)
                return (struct result_exception){ own->type, own->module, why->text, own->args };
        if (strcmp(why->code, "expired") == 0) /* a reason of one word, as Celery has it */
                return (struct result_exception){ "TaskRevokedError", "celery.exceptions", "expired", NULL };
        for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
                if (strcmp(known[i].code, why->code) == 0)
                        return (struct result_exception){ known[i].type, known[i].module, why->text, NULL };
        return (struct result_exception){ "RuntimeError", "builtins", why->text, NULL };
}
