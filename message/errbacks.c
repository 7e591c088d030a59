/* SPDX-License-Identifier: Apache-2.0 */
/* What a failure sends: errbacks, as celery.backends.base of Celery 5.7 tells those of the old style from those of the new one. The former
 * get the failed task's id; the latter (request, exc, traceback), which Celery hands over in its own process and chard in a message. */
#include "core/json.h"
#include "message/canvas.h"

#include <errno.h>

/* What an errback of the new style learns of the task, by the names of Celery's request. New reference. */
static json_t *request_of(const struct task_message *t, const char *worker)
{
        json_t *index = t->group_index < 0 ? json_null() : json_integer(t->group_index);
        return json_pack("{s:s?, s:s?, s:O?, s:O?, s:s?, s:s?, s:s?, s:o, s:I, s:s?, s:s?, s:s?, s:s?}", "id", t->id,
                         "task", t->name, "args", t->args, "kwargs", t->kwargs, "root_id", t->root_id, "parent_id",
                         t->parent_id, "group", t->group_id, "group_index", index, "retries", (json_int_t)t->retries,
                         "origin", t->origin, "reply_to", t->reply_to, "correlation_id", t->correlation_id, "hostname",
                         worker);
}

/* Of a chord's body, which never was a message. Borrowed. */
static struct task_message body_as_task(const struct task_message *by, const json_t *body)
{
        const json_t *options = json_object_get(body, "options");
        json_t *args = json_object_get(body, "args"), *kwargs = json_object_get(body, "kwargs");
        return (struct task_message){ .id = json_text(options, "task_id", by->id),
                                      .name = json_text(body, "task", NULL),
                                      .args = json_is_array(args) ? args : NULL,
                                      .kwargs = json_is_object(kwargs) ? kwargs : NULL,
                                      .root_id = by->root_id,
                                      .parent_id = by->id,
                                      .group_id = json_text(options, "group_id", NULL),
                                      .group_index = json_number(options, "group_index", -1) };
}

static int write_value(json_t *takes, struct buffer *out)
{
        if (takes)
                json_write(takes, out);
        json_decref(takes);
        return takes && !out->failed ? 0 : -ENOMEM;
}

/* request, exc and traceback, as three arguments. */
static int write_failure(const struct task_message *failed, const struct failure_told *told, struct buffer *out)
{
        int rc = write_value(request_of(failed, told->worker), out);
        buffer_add_byte(out, ',');
        buffer_add(out, told->exception.data, told->exception.size);
        buffer_add_byte(out, ',');
        if (rc == 0)
                rc = write_value(told->traceback ? json_string(told->traceback) : json_null(), out);
        return rc;
}

static bool is_new_style(const struct followers *f, const json_t *errback)
{
        const char *name = json_text(errback, "task", NULL);
        return name && canvas_is_plain(errback) && f->how->wants_failure && f->how->wants_failure(name, f->how->arg);
}

static int send_all(struct followers *f, const json_t *errbacks, const struct task_message *failed,
                    const struct failure_told *told)
{
        struct buffer id = { 0 }, whole = { 0 };
        int rc = write_value(json_string(failed->id), &id);
        for (size_t i = 0; rc == 0 && i < json_array_size(errbacks); i++) {
                const json_t *errback = json_array_get(errbacks, i);
                const bool is_new = is_new_style(f, errback);
                if (is_new && whole.size == 0)
                        rc = write_failure(failed, told, &whole);
                if (rc == 0)
                        rc = followers_add(f, errback, buffer_view(is_new ? &whole : &id), "errback", i, NULL);
        }
        buffer_free(&id);
        buffer_free(&whole);
        return rc;
}

/* A signature's link_error is a list, or one alone. */
static int send(struct followers *f, const json_t *errbacks, const struct task_message *failed,
                const struct failure_told *told)
{
        json_t *alone = json_is_object(errbacks) ? json_pack("[O]", errbacks) : NULL;
        const int rc = send_all(f, alone ? alone : errbacks, failed, told);
        json_decref(alone);
        return rc;
}

int task_message_errbacks(const struct task_message *failed, const struct failure_told *told,
                          const struct follow_how *how, struct following *out, struct problem *why)
{
        struct followers f = followers_of(failed, how, out, why);
        return followers_end(send(&f, failed->errbacks, failed, told), out);
}

/* Each task of a group has errbacks of its own; of a chain, only those of the whole count. */
static int unjoin(struct followers *f, const json_t *body, const struct failure_told *told)
{
        const json_t *tasks = canvas_tasks(body);
        const struct task_message failed = body_as_task(f->of, body);
        const enum canvas_kind kind = canvas_kind_of(body);
        int rc = send(f, json_object_get(json_object_get(body, "options"), "link_error"), &failed, told);
        if (kind == CANVAS_CHORD && rc == 0)
                return unjoin(f, canvas_body(body), told);
        for (size_t i = 0; rc == 0 && kind == CANVAS_GROUP && i < json_array_size(tasks); i++)
                rc = unjoin(f, json_array_get(tasks, i), told);
        return rc;
}

int task_message_unjoined(const struct task_message *by, const json_t *body, const struct failure_told *told,
                          const struct follow_how *how, struct following *out, struct problem *why)
{
        struct followers f = followers_of(by, how, out, why);
        return followers_end(unjoin(&f, body, told), out);
}
