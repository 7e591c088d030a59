/* SPDX-License-Identifier: Apache-2.0 */
/* What follows a task: celery.app.trace sends a chain's next element and the callbacks after a success. */
#include "core/json.h"

#include "message/canvas/canvas.h"
#include "message/canvas/derived_id.h"
#include "message/canvas/signature_options.h"
#include "message/routes.h"
#include "message/wire/wire.h"

#include <errno.h>

static int follower_route(const struct followers *f, struct signature_read *s);

struct followers followers_of(const struct task_message *of, const struct follow_how *how, struct following *out,
                              struct problem *why)
{
        *out = (struct following){ 0 };
        return (struct followers){ .of = of,
                                   .parent_id = of->id,
                                   .seed = of->id,
                                   .aside = of->aside,
                                   .how = how,
                                   .why = why,
                                   .out = out,
                                   .end = &out->messages,
                                   .lost = json_memory_lost() };
}

int followers_end(const struct followers *f, int rc)
{
        rc = json_whole_since(f->lost, rc);
        if (rc != 0)
                following_clear(f->out);
        return rc;
}

void following_clear(struct following *f)
{
        message_free_list(f->messages);
        json_decref(f->chords);
        json_decref(f->children);
        json_decref(f->owners);
        *f = (struct following){ 0 };
}

/* ---- the questions ---- */

void followers_add_child(struct followers *f, json_t *takes)
{
        if (takes && !f->out->children)
                f->out->children = json_array();
        if (takes)
                json_array_append_new(f->out->children, takes);
}

int followers_add(struct followers *f, const json_t *signature, struct bytes first, const char *place, size_t index,
                  json_t **result)
{
        return canvas_is_plain(signature) ? follower_add(f, signature, first, NULL, place, index, result)
                                          : canvas_apply(f, signature, first, NULL, result);
}

static int followers_add_callback(struct followers *f, const json_t *callback, struct bytes first)
{
        json_t *child = NULL;
        const int rc = followers_add(f, callback, first, "callback", 0, &child);
        followers_add_child(f, child);
        return rc;
}

/* Several are a group, and the groups among them stay such of their own: that is what the client finds as children. */
static int followers_add_callbacks(struct followers *f, const json_t *list, struct bytes first)
{
        if (json_array_size(list) < 2)
                return json_array_size(list) == 1 ? followers_add_callback(f, json_array_get(list, 0), first) : 0;
        int rc = 0;
        json_t *tasks = json_array();
        for (size_t i = 0; rc == 0 && i < json_array_size(list); i++) {
                json_t *callback = json_array_get(list, i);
                if (canvas_kind_of(callback) == CANVAS_GROUP)
                        rc = followers_add_callback(f, callback, first);
                else
                        json_array_append(tasks, callback);
        }
        JSON_OWNED json_t *group = canvas_group(tasks);
        if (rc == 0 && !group)
                rc = -ENOMEM;
        return rc == 0 && json_array_size(tasks) > 0 ? followers_add_callback(f, group, first) : rc;
}

/* The chain without its last element, as options for that one. */
static json_t *followers_rest_of(const json_t *chain)
{
        json_t *rest = json_copy((json_t *)chain);
        json_array_remove(rest, json_array_size(rest) - 1);
        return json_pack("{s:o}", "chain", rest);
}

static int followers_add_next(struct followers *f, const json_t *chain, struct bytes first)
{
        const json_t *next = json_array_get(chain, json_array_size(chain) - 1);
        json_t *child = NULL;
        int rc;
        if (canvas_is_plain(next)) {
                rc = follower_add(f, next, first, chain, "chain", 0, &child);
        } else {
                json_t *over = followers_rest_of(chain);
                rc = over ? canvas_apply(f, next, first, over, &child) : -ENOMEM;
                json_decref(over);
        }
        followers_add_child(f, child);
        return rc;
}

int followers_follow(struct followers *f, struct bytes result)
{
        const struct bytes first = result.size ? result : bytes_of_string("null");
        int rc = followers_add_callbacks(f, f->of->callbacks, first);
        if (rc == 0 && json_array_size(f->of->chain) > 0)
                rc = followers_add_next(f, f->of->chain, first);
        return rc;
}

int task_message_successors(const struct task_message *done, struct bytes result, const struct follow_how *how,
                            struct following *out, struct problem *why)
{
        struct followers f = followers_of(done, how, out, why);
        return followers_end(&f, followers_follow(&f, result));
}

int task_message_joined(const struct task_message *by, const json_t *body, struct bytes results,
                        const struct follow_how *how, struct following *out, struct problem *why)
{
        struct followers f = followers_of(by, how, out, why);
        char seed[ID_TEXT_SIZE]; /* another than that of the task's own successors */
        derived_id(json_text(json_object_get(body, "options"), "task_id", by->id), "body", 0, seed);
        f.seed = seed;
        return followers_end(&f, canvas_apply(&f, body, results, NULL, NULL));
}

static int followers_check_each(const struct followers *f, const json_t *list)
{
        int rc = 0;
        for (size_t i = json_array_size(list); rc == 0 && i > 0; i--)
                rc = canvas_check(f, json_array_get(list, i - 1));
        return rc;
}

static int followers_check_all(const struct followers *f)
{
        const struct task_message *t = f->of;
        int rc = followers_check_each(f, t->chain);
        if (rc == 0)
                rc = followers_check_each(f, t->callbacks);
        if (rc != 0 || !t->chord || !t->group_id)
                return rc;
        if (!f->how->chords)
                return problem_set(
                        f->why, "message", "unsupported_canvas",
                        "it is part of a chord, whose parts can only be counted in Redis: set CHARD_RESULT_URL to "
                        "the redis:// URL that the client has as its result backend");
        return canvas_check(f, t->chord);
}

int task_message_check(const struct task_message *t, const struct follow_how *how, struct problem *why)
{
        const struct followers f = { .of = t, .how = how, .why = why, .lost = json_memory_lost() };
        return json_whole_since(f.lost, followers_check_all(&f));
}

/* ---- one plain follower ---- */

int follower_check(const struct followers *f, const json_t *signature, bool routed)
{
        struct signature_read s;
        int rc = signature_read(signature, 0, &s, f->why);
        return rc == 0 && !routed ? follower_route(f, &s) : rc;
}

/* Where a task goes that names no queue. *straight: by the default exchange, because others made that queue and may have bound it to any. */
static const char *follower_queue(const struct followers *f, const char *name, bool *straight)
{
        const struct follow_how *how = f->how;
        const char *routed = task_routes_find(how->routes, name);
        const char *own = !routed && how->queue_of ? how->queue_of(name, how->arg) : NULL;
        *straight = !own;
        return routed ? routed : own ? own : how->routes ? how->routes->otherwise : NULL;
}

static int follower_route(const struct followers *f, struct signature_read *s)
{
        struct task_form *form = &s->form;
        if (form->exchange && form->routing_key)
                return 0;
        const char *name = s->route_name ? s->route_name : form->name;
        bool straight = false;
        const char *queue = s->queue ? s->queue : follower_queue(f, name, &straight);
        if (!queue)
                return problem_set(
                        f->why, "message", "unroutable",
                        "what follows is \"%s\", a task that is unknown here: its signature must name a queue, or an exchange "
                        "and a routing key, or CHARD_TASK_ROUTES or CHARD_DEFAULT_QUEUE must say where it goes",
                        form->name);
        if (!form->exchange)
                form->exchange = straight ? "" : queue;
        if (!form->routing_key)
                form->routing_key = queue;
        return 0;
}

/* The producer's own headers: those in the signature's options, then those of the task before, where they name others. */
static void follower_add_headers(const struct followers *f, const struct signature_read *s, struct buffer *table)
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

static void follower_add_json(struct buffer *body, const json_t *value)
{
        if (value)
                json_write(value, body);
        else
                buffer_add_string(body, "null");
}

/* A member of embed that is a list: as it is, or one signature alone put into a list, as Celery does. */
static void follower_add_list(struct buffer *body, const json_t *value)
{
        const bool alone = json_is_object(value);
        buffer_add_string(body, alone ? "[" : "");
        follower_add_json(body, value);
        buffer_add_string(body, alone ? "]" : "");
}

/* The chain without its last element, which is the task that is being sent. */
static void follower_add_rest(struct buffer *body, const json_t *chain)
{
        const size_t count = json_array_size(chain) - 1;
        buffer_add_byte(body, '[');
        for (size_t i = 0; i < count; i++) {
                buffer_add_string(body, i > 0 ? "," : "");
                json_write(json_array_get(chain, i), body);
        }
        buffer_add_byte(body, ']');
}

static void follower_add_embed(struct buffer *body, const struct signature_read *s, const json_t *chain)
{
        buffer_add_string(body, "{\"callbacks\":");
        follower_add_list(body, s->link);
        buffer_add_string(body, ",\"errbacks\":");
        follower_add_list(body, s->link_error);
        buffer_add_string(body, ",\"chain\":");
        if (chain)
                follower_add_rest(body, chain);
        else
                follower_add_json(body, s->chain);
        buffer_add_string(body, ",\"chord\":");
        follower_add_json(body, s->chord);
        buffer_add_string(body, "}]");
}

static int follower_too_large(const struct message *m, const struct followers *f, const char *name)
{
        return problem_set(f->why, "message", "bad_signature",
                           "the signature of \"%s\": its headers take %zu bytes; %d are allowed", name,
                           m->properties.size, MESSAGE_MAX_PROPERTIES);
}

static int followers_link_message(struct followers *f, struct message *m, const char *name)
{
        if (!m)
                return -ENOMEM;
        *f->end = m;
        f->end = &m->next;
        return m->properties.size > MESSAGE_MAX_PROPERTIES ? follower_too_large(m, f, name) : 0;
}

static int followers_too_much(struct followers *f, size_t more)
{
        f->bytes += more;
        if (++f->tasks > CANVAS_MOST_TASKS)
                return problem_set(f->why, "message", "bad_signature",
                                   "more than %d tasks follow at once: send them in smaller groups, or bigger chunks",
                                   CANVAS_MOST_TASKS);
        if (f->bytes <= CANVAS_MOST_BYTES)
                return 0;
        return problem_set(
                f->why, "message", "bad_signature",
                "what follows takes more than %zu MiB in all messages together: make the chord's body or the "
                "arguments smaller",
                CANVAS_MOST_BYTES >> 20);
}

int follower_add(struct followers *f, const json_t *signature, struct bytes first, const json_t *chain,
                 const char *place, size_t index, json_t **result)
{
        struct signature_read s;
        struct buffer table = { 0 }, body = { 0 };
        char id[ID_TEXT_SIZE];
        int rc = signature_read(signature, f->how->now_ms, &s, f->why);
        if (rc == 0)
                rc = follower_route(f, &s);
        if (rc != 0)
                return rc;
        struct task_form *form = &s.form;
        if (!form->id || !*form->id) {
                follower_id(f, place, index, id);
                form->id = id;
        }
        form->root_id = f->of->root_id;
        form->parent_id = f->parent_id;
        form->origin = form->origin ? form->origin : f->of->origin;
        form->reply_to = form->reply_to ? form->reply_to : f->of->reply_to;
        form->first = s.immutable ? (struct bytes){ NULL, 0 } : first;
        task_form_headers(form, &table);
        if (f->aside)
                header_add_bool(&table, "chard_aside", true);
        if (signature_is_heir(signature))
                header_add_bool(&table, "chard_heir", true);
        follower_add_headers(f, &s, &table);
        task_form_body(form, &body);
        follower_add_embed(&body, &s, chain);
        rc = followers_link_message(f, task_form_message(form, &table, &body), form->name);
        if (rc == 0)
                rc = followers_too_much(f, body.size);
        if (rc == 0 && branches_heard(f, signature, chain))
                f->out->branches++;
        if (rc == 0 && result)
                *result = json_pack("[[s, n], n]", form->id);
        buffer_free(&table);
        buffer_free(&body);
        return rc;
}
