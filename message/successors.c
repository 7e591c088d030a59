/* SPDX-License-Identifier: Apache-2.0 */
/* What follows a task: celery.app.trace sends a chain's next element and the callbacks after a success,
 * celery.backends.base the errbacks after a failure. */
#include "core/json.h"
#include "message/derived_id.h"
#include "message/signature_options.h"
#include "message/wire.h"

#include <errno.h>

/* What all followers of one task have in common. */
struct followers {
        const struct task_message *of;
        struct bytes first; /* JSON text */
        queue_of_task *queue_of;
        void *arg;
        int64_t now_ms;
        struct problem *why;
        struct message **end; /* where the next one is linked */
};

static int add_follower(struct followers *f, const json_t *signature, const json_t *chain, const char *place,
                        size_t index);
static int route(const struct followers *f, struct signature_read *s);

/* ---- the three questions ---- */

static int add_each(struct followers *f, const json_t *list, const char *place)
{
        int rc = 0;
        for (size_t i = 0; rc == 0 && i < json_array_size(list); i++)
                rc = add_follower(f, json_array_get(list, i), NULL, place, i);
        return rc;
}

static int finish(int rc, struct message **out)
{
        if (rc != 0) {
                message_free_list(*out);
                *out = NULL;
        }
        return rc;
}

int task_message_successors(const struct task_message *done, struct bytes result, queue_of_task *queue_of, void *arg,
                            int64_t now_ms, struct message **out, struct problem *why)
{
        struct followers f = { done, result, queue_of, arg, now_ms, why, out };
        const size_t count = json_array_size(done->chain);
        int rc = 0;
        *out = NULL;
        if (f.first.size == 0)
                f.first = bytes_of_string("null");
        if (count > 0)
                rc = add_follower(&f, json_array_get(done->chain, count - 1), done->chain, "chain", 0);
        if (rc == 0)
                rc = add_each(&f, done->callbacks, "callback");
        return finish(rc, out);
}

int task_message_errbacks(const struct task_message *failed, queue_of_task *queue_of, void *arg, int64_t now_ms,
                          struct message **out, struct problem *why)
{
        struct buffer id = { 0 };
        struct followers f = { failed, { NULL, 0 }, queue_of, arg, now_ms, why, out };
        json_t *text = json_string(failed->id);
        *out = NULL;
        if (text)
                json_write(text, &id);
        json_decref(text);
        f.first = buffer_view(&id);
        int rc = text && !id.failed ? add_each(&f, failed->errbacks, "errback") : -ENOMEM;
        buffer_free(&id);
        return finish(rc, out);
}

static int check_each(const struct followers *f, const json_t *list)
{
        struct signature_read s;
        int rc = 0;
        for (size_t i = json_array_size(list); rc == 0 && i > 0; i--) {
                rc = signature_read(json_array_get(list, i - 1), 0, &s, f->why);
                if (rc == 0)
                        rc = route(f, &s);
        }
        return rc;
}

int task_message_check(const struct task_message *t, queue_of_task *queue_of, void *arg, struct problem *why)
{
        const struct followers f = { .of = t, .queue_of = queue_of, .arg = arg, .why = why };
        int rc = check_each(&f, t->chain);
        return rc == 0 ? check_each(&f, t->callbacks) : rc;
}

/* ---- one follower ---- */

static int route(const struct followers *f, struct signature_read *s)
{
        struct task_form *form = &s->form;
        if (form->exchange && form->routing_key)
                return 0;
        const char *queue = s->queue ? s->queue : f->queue_of ? f->queue_of(form->name, f->arg) : NULL;
        if (!queue)
                return problem_set(
                        f->why, "message", "unroutable",
                        "what follows is \"%s\", a task that is unknown here: its signature must name a queue, "
                        "or an exchange and a routing key",
                        form->name);
        if (!form->exchange)
                form->exchange = queue;
        if (!form->routing_key)
                form->routing_key = queue;
        return 0;
}

/* The producer's own headers: those in the signature's options, then those of the task before, where they name others. */
static void add_client_headers(const struct followers *f, const struct signature_read *s, struct buffer *table)
{
        const char *key;
        json_t *value;
        struct properties p;
        struct header h;
        json_object_foreach((json_t *)s->headers, key, value) {
                if (header_owner_of(bytes_of_string(key)) == HEADER_CLIENT)
                        header_add_json(table, key, value);
        }
        properties_read(f->of->properties, &p, NULL); /* the decoder has read them before */
        for (size_t at = 0; header_next(p.headers, &at, &h);)
                if (header_owner_of(h.name) == HEADER_CLIENT &&
                    !json_object_getn(s->headers, (const char *)h.name.data, h.name.size))
                        header_add_raw(table, &h);
}

static void add_json_or_null(struct buffer *body, const json_t *value)
{
        if (value)
                json_write(value, body);
        else
                buffer_add_string(body, "null");
}

/* A member of embed that is a list: as it is, or one signature alone put into a list, as Celery does. */
static void add_list(struct buffer *body, const json_t *value)
{
        const bool alone = json_is_object(value);
        buffer_add_string(body, alone ? "[" : "");
        add_json_or_null(body, value);
        buffer_add_string(body, alone ? "]" : "");
}

/* The chain without its last element, which is the task that is being sent. */
static void add_rest(struct buffer *body, const json_t *chain)
{
        const size_t count = json_array_size(chain) - 1;
        buffer_add_byte(body, '[');
        for (size_t i = 0; i < count; i++) {
                buffer_add_string(body, i > 0 ? "," : "");
                json_write(json_array_get(chain, i), body);
        }
        buffer_add_byte(body, ']');
}

static void add_embed(struct buffer *body, const struct signature_read *s, const json_t *chain)
{
        buffer_add_string(body, "{\"callbacks\":");
        add_list(body, s->link);
        buffer_add_string(body, ",\"errbacks\":");
        add_list(body, s->link_error);
        buffer_add_string(body, ",\"chain\":");
        if (chain)
                add_rest(body, chain);
        else
                add_json_or_null(body, s->chain);
        buffer_add_string(body, ",\"chord\":");
        add_json_or_null(body, s->chord);
        buffer_add_string(body, "}]");
}

static int too_large(const struct message *m, const struct followers *f, const char *name)
{
        return problem_set(f->why, "message", "bad_signature",
                           "the signature of \"%s\": its headers take %zu bytes; %d are allowed", name,
                           m->properties.size, MESSAGE_MAX_PROPERTIES);
}

static int link_message(struct followers *f, struct message *m, const char *name)
{
        if (!m)
                return -ENOMEM;
        *f->end = m;
        f->end = &m->next;
        return m->properties.size > MESSAGE_MAX_PROPERTIES ? too_large(m, f, name) : 0;
}

/* `chain`: that of the task before, when this is its next element. */
static int add_follower(struct followers *f, const json_t *signature, const json_t *chain, const char *place,
                        size_t index)
{
        struct signature_read s;
        struct buffer table = { 0 }, body = { 0 };
        char id[ID_TEXT_SIZE];
        int rc = signature_read(signature, f->now_ms, &s, f->why);
        if (rc == 0)
                rc = route(f, &s);
        if (rc != 0)
                return rc;
        struct task_form *form = &s.form;
        if (!form->id || !*form->id) {
                derived_id(f->of->id, place, index, id);
                form->id = id;
        }
        form->root_id = f->of->root_id;
        form->parent_id = f->of->id;
        form->origin = form->origin ? form->origin : f->of->origin;
        form->reply_to = form->reply_to ? form->reply_to : f->of->reply_to;
        form->first = s.immutable ? (struct bytes){ NULL, 0 } : f->first;
        task_form_headers(form, &table);
        add_client_headers(f, &s, &table);
        task_form_body(form, &body);
        add_embed(&body, &s, chain);
        rc = link_message(f, task_form_message(form, &table, &body), form->name);
        buffer_free(&table);
        buffer_free(&body);
        return rc;
}
