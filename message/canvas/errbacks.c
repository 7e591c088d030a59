/* SPDX-License-Identifier: Apache-2.0 */
/* What a failure sends: errbacks, as celery.backends.base of Celery 5.7 tells those of the old style from those of the new one. The former
 * get the failed task's id; the latter (request, exc, traceback), which Celery hands over in its own process and chard in a message. */
#include "core/json.h"
#include "message/canvas/canvas.h"
#include "message/canvas/derived_id.h"

#include <errno.h>

/* Of a chord's body, which never was a message. Borrowed. */
static struct task_message errbacks_body_as_task(const struct task_message *by, const json_t *body)
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

static int errbacks_write_value(json_t *takes, struct buffer *out)
{
        if (takes)
                json_write(takes, out);
        json_decref(takes);
        return takes && !out->failed ? 0 : -ENOMEM;
}

/* request, exc and traceback, as three arguments. */
static int errbacks_write_failure(const struct task_message *failed, const struct failure_told *told,
                                  struct buffer *out)
{
        int rc = errbacks_write_value(task_message_identity(failed, told->worker), out);
        buffer_add_byte(out, ',');
        buffer_add(out, told->exception.data, told->exception.size);
        buffer_add_byte(out, ',');
        if (rc == 0)
                rc = errbacks_write_value(told->traceback ? json_string(told->traceback) : json_null(), out);
        return rc;
}

static bool errback_is_new_style(const struct followers *f, const json_t *errback)
{
        const char *name = json_text(errback, "task", NULL);
        return name && canvas_is_plain(errback) && f->how->wants_failure && f->how->wants_failure(name, f->how->arg);
}

/* Those of the old style are sent as one group, which the client finds among the children. */
static int errbacks_send_old(struct followers *f, json_t *takes, const struct task_message *failed)
{
        struct buffer id = { 0 };
        JSON_OWNED json_t *group = takes ? canvas_group(takes) : NULL;
        json_t *child = NULL;
        int rc = group ? 0 : -ENOMEM;
        if (rc == 0 && json_array_size(canvas_tasks(group)) > 0) {
                rc = errbacks_write_value(json_string(failed->id), &id);
                rc = rc == 0 ? canvas_apply(f, group, buffer_view(&id), NULL, &child) : rc;
                followers_add_child(f, child);
        }
        buffer_free(&id);
        return rc;
}

static int errbacks_send_all(struct followers *f, const json_t *errbacks, const struct task_message *failed,
                             const struct failure_told *told)
{
        struct buffer whole = { 0 };
        json_t *old = json_array();
        int rc = 0;
        for (size_t i = 0; rc == 0 && i < json_array_size(errbacks); i++) {
                json_t *errback = json_array_get(errbacks, i);
                if (!errback_is_new_style(f, errback)) {
                        json_array_append(old, errback);
                        continue;
                }
                if (whole.size == 0)
                        rc = errbacks_write_failure(failed, told, &whole);
                if (rc == 0)
                        rc = follower_add(f, errback, buffer_view(&whole), NULL, "errback", i, NULL);
        }
        buffer_free(&whole);
        if (rc == 0)
                return errbacks_send_old(f, old, failed);
        json_decref(old);
        return rc;
}

/* A signature's link_error is a list, or one alone. New reference. */
static json_t *errbacks_list(const json_t *errbacks)
{
        return json_is_object(errbacks)  ? json_pack("[O]", errbacks)
               : json_is_array(errbacks) ? json_copy((json_t *)errbacks)
                                         : json_array();
}

static json_t *errbacks_of(const json_t *signature)
{
        return errbacks_list(json_object_get(json_object_get(signature, "options"), "link_error"));
}

/* They belong to the task that has failed, whoever sends them: ids are derived from it, and from the death that it was brought back from. So a
 * redelivery calls none again, and the next death each. */
static int errbacks_send(struct followers *f, json_t *errbacks_takes, const struct task_message *failed,
                         const struct failure_told *told)
{
        struct followers own = *f;
        char seed[ID_TEXT_SIZE];
        derived_id(failed->id, f->of->revived ? f->of->revived : "errbacks", 0, seed);
        own.seed = seed;
        own.aside = true;
        own.parent_id = failed->id;
        own.made = 0;
        const int rc = errbacks_takes ? errbacks_send_all(&own, errbacks_takes, failed, told) : -ENOMEM;
        own.seed = f->seed;
        own.aside = f->aside;
        own.parent_id = f->parent_id;
        own.made = f->made;
        *f = own;
        json_decref(errbacks_takes);
        if (!f->out->owners)
                f->out->owners = json_object();
        json_object_set_new(f->out->owners, failed->id, json_integer((json_int_t)json_array_size(f->out->children)));
        return rc;
}

int task_message_errbacks(const struct task_message *failed, const struct failure_told *told,
                          const struct follow_how *how, struct following *out, struct problem *why)
{
        struct followers f = followers_of(failed, how, out, why);
        return followers_end(&f, errbacks_send(&f, errbacks_list(failed->errbacks), failed, told));
}

/* ---- a chord's body ---- */

/* The tasks in it whose errbacks count: of a chord those of its body as well, of a group each task's, of a chain only its own. */
static void errbacks_gather(const json_t *signature, unsigned depth, json_t *out)
{
        JSON_OWNED json_t *own = errbacks_of(signature);
        const json_t *tasks = canvas_tasks(signature);
        json_array_extend(out, own);
        if (depth > CANVAS_DEEPEST)
                return;
        if (canvas_kind_of(signature) == CANVAS_CHORD && canvas_body(signature))
                errbacks_gather(canvas_body(signature), depth + 1, out);
        for (size_t i = 0; canvas_kind_of(signature) == CANVAS_GROUP && i < json_array_size(tasks); i++)
                errbacks_gather(json_array_get(tasks, i), depth + 1, out);
}

static bool errbacks_hold(const json_t *list, const json_t *errback, size_t upto)
{
        for (size_t i = 0; i < upto; i++)
                if (json_equal(json_array_get(list, i), errback))
                        return true;
        return false;
}

/* The task's, then the group's; each once. New reference. */
static json_t *errbacks_of_member(const json_t *task, const json_t *of_group)
{
        json_t *all = json_array();
        errbacks_gather(task, 0, all);
        json_array_extend(all, (json_t *)of_group);
        for (size_t i = json_array_size(all); i > 0; i--)
                if (errbacks_hold(all, json_array_get(all, i - 1), i - 1))
                        json_array_remove(all, i - 1);
        return all;
}

/* The signature whose id its result has: of a chord its body, of a chain its last task. */
static const json_t *errbacks_result_of(const json_t *signature)
{
        for (unsigned depth = 0; depth < CANVAS_DEEPEST; depth++) {
                const enum canvas_kind kind = canvas_kind_of(signature);
                const json_t *tasks = canvas_tasks(signature);
                if (kind == CANVAS_CHORD && canvas_body(signature))
                        signature = canvas_body(signature);
                else if (kind == CANVAS_CHAIN && json_array_size(tasks) > 0)
                        signature = json_array_get(tasks, json_array_size(tasks) - 1);
                else
                        break;
        }
        return signature;
}

static int errbacks_unjoin_group(struct followers *f, const json_t *group, const struct failure_told *told)
{
        JSON_OWNED json_t *of_group = errbacks_of(group), *tasks = canvas_flat(canvas_tasks(group), false);
        int rc = of_group && tasks ? 0 : -ENOMEM;
        for (size_t i = 0; rc == 0 && i < json_array_size(tasks); i++) {
                const json_t *task = json_array_get(tasks, i);
                const struct task_message failed = errbacks_body_as_task(f->of, errbacks_result_of(task));
                rc = errbacks_send(f, errbacks_of_member(task, of_group), &failed, told);
        }
        return rc;
}

/* A body that is in the header of another chord fails that one with it: errbacks that a client linked to both are called of the outer one, once. New
 * reference. */
static json_t *errbacks_of_body(const json_t *body)
{
        JSON_OWNED json_t *outer = errbacks_of(json_object_get(json_object_get(body, "options"), "chord"));
        json_t *own = errbacks_of(body);
        for (size_t i = json_array_size(own); i > 0; i--)
                if (errbacks_hold(outer, json_array_get(own, i - 1), json_array_size(outer)))
                        json_array_remove(own, i - 1);
        return own;
}

static int errbacks_unjoin(struct followers *f, const json_t *body, const struct failure_told *told)
{
        const struct task_message failed = errbacks_body_as_task(f->of, body);
        if (canvas_kind_of(body) == CANVAS_GROUP)
                return errbacks_unjoin_group(f, body, told);
        const int rc = errbacks_send(f, errbacks_of_body(body), &failed, told);
        return rc == 0 && canvas_kind_of(body) == CANVAS_CHORD ? errbacks_unjoin(f, canvas_body(body), told) : rc;
}

int task_message_unjoined(const struct task_message *by, const json_t *body, const struct failure_told *told,
                          const struct follow_how *how, struct following *out, struct problem *why)
{
        struct followers f = followers_of(by, how, out, why);
        return followers_end(&f, errbacks_unjoin(&f, body, told));
}
