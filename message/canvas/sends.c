/* SPDX-License-Identifier: Apache-2.0 */
/* What a task sends by itself, beside its result or in its place. */
#include "core/json.h"
#include "message/canvas/canvas.h"

#include <errno.h>
#include <string.h>

static bool send_is_as(const json_t *send, const char *as)
{
        return strcmp(json_text(send, "as", ""), as) == 0;
}

bool sends_replace(const json_t *sends)
{
        for (size_t i = 0; i < json_array_size(sends); i++)
                if (send_is_as(json_array_get(sends, i), "replacement"))
                        return true;
        return false;
}

int task_message_check_sends(const struct task_message *t, const json_t *sends, const struct follow_how *how,
                             struct problem *why)
{
        const struct followers f = { .of = t, .how = how, .why = why, .lost = json_memory_lost() };
        int rc = 0;
        for (size_t i = 0; rc == 0 && i < json_array_size(sends); i++) {
                const json_t *send = json_array_get(sends, i), *canvas = json_object_get(send, "canvas");
                if (send_is_as(send, "replacement"))
                        rc = canvas_check_replacement(&f, canvas);
                else if (send_is_as(send, "chord"))
                        rc = canvas_check_addition(&f, canvas);
                if (rc == 0)
                        rc = canvas_check(&f, canvas);
        }
        return json_whole_since(f.lost, rc);
}

static int sends_send_one(struct followers *f, const json_t *send, struct buffer *result)
{
        json_t *child = NULL, *whole = NULL;
        if (send_is_as(send, "replacement"))
                return canvas_replace(f, json_object_get(send, "canvas"));
        if (send_is_as(send, "chord"))
                return canvas_add_to_chord(f, json_object_get(send, "canvas"));
        const int rc =
                canvas_send(f, json_object_get(send, "canvas"), &child, send_is_as(send, "result") ? &whole : NULL);
        followers_add_child(f, child);
        if (rc == 0 && whole && result->size == 0)
                json_write(whole, result);
        json_decref(whole);
        return rc == 0 && result->failed ? -ENOMEM : rc;
}

/* The replacement comes last: once it runs, nobody sends the others again. */
static int sends_send_all(struct followers *f, const json_t *sends, struct buffer *result)
{
        int rc = 0;
        for (int last = 0; last <= 1; last++)
                for (size_t i = 0; rc == 0 && i < json_array_size(sends); i++) {
                        const json_t *send = json_array_get(sends, i);
                        if (send_is_as(send, "replacement") == (last == 1))
                                rc = sends_send_one(f, send, result);
                }
        return rc;
}

int task_message_sends(const struct task_message *done, const json_t *sends, const struct follow_how *how,
                       struct buffer *result, struct following *out, struct problem *why)
{
        struct followers f = followers_of(done, how, out, why);
        int rc = sends_send_all(&f, sends, result);
        if (rc == 0 && !sends_replace(sends))
                rc = followers_follow(&f, buffer_view(result));
        return followers_end(&f, rc);
}
