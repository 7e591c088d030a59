/* SPDX-License-Identifier: Apache-2.0 */
/* What is sent now becomes a planned task, what a worker must send on later stays a signature inside of those. */
#include "message/canvas/plan.h"

#include "core/id.h"
#include "core/json.h"
#include "message/canvas/plan_own.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* How deep canvases may nest: while they are composed (chains of groups nest, on the way), and in a message, where workers must read it. */
enum { DEEPEST = 400, DEEPEST_SENT = 40 };

/* ---- what all of them share ---- */

bool plan_enter(struct planning *p)
{
        if (p->depth >= DEEPEST || p->why->code[0]) {
                if (!p->why->code[0])
                        problem_set(p->why, "message", "unsupported_canvas", "the canvas is nested too deep");
                return false;
        }
        p->depth++;
        return true;
}

void plan_leave(struct planning *p)
{
        p->depth--;
}

void plan_set(struct planning *p, json_t *object, const char *key, json_t *takes)
{
        if (json_object_set_new(object, key, takes) != 0)
                p->failed = true;
}

void plan_push(struct planning *p, json_t *array, json_t *takes)
{
        if (json_array_append_new(array, takes) != 0)
                p->failed = true;
}

const char *plan_id(const json_t *signature)
{
        return json_text(canvas_options_given(signature), "task_id", "");
}

json_t *plan_new_id(void)
{
        char id[ID_TEXT_SIZE];
        id_new(id);
        return json_string(id);
}

/* ---- sending; `over`: options from outside, over the signature's own. All return the result's tree (new reference) ---- */

static json_t *plan_apply(struct planning *p, json_t *signature, json_t *over);

static void plan_drop(json_t *options, const char *const names[])
{
        for (size_t i = 0; names[i]; i++)
                json_object_del(options, names[i]);
}

/* New reference; JSON's null counts as absent. */
static json_t *plan_take(json_t *options, const char *name)
{
        json_t *value = json_incref(json_object_get(options, name));
        json_object_del(options, name);
        if (!json_is_null(value))
                return value;
        json_decref(value);
        return NULL;
}

static json_t *plan_apply_task(struct planning *p, json_t *task, json_t *over)
{
        json_t *sent = json_copy(task), *options = plan_merged(p, canvas_options_given(task), over), *value;
        const char *key;
        void *next;
        json_object_foreach_safe(options, next, key, value) {
                if (json_is_null(value))
                        json_object_del(options, key);
        }
        plan_set(p, sent, "options", options);
        json_t *result = plan_freeze(p, sent, NULL, &plan_nowhere);
        plan_push(p, p->out->tasks, sent);
        return result;
}

static json_t *plan_frozen_member(struct planning *p, json_t *member, const char *group_id, size_t index,
                                  json_t *results)
{
        const struct place its = { group_id, NULL, (json_int_t)index };
        json_t *own = plan_clone(p, member);
        plan_push(p, results, plan_freeze(p, own, NULL, &its));
        return own;
}

/* The last of them says how many parts its chord has. */
static json_t *plan_apply_members(struct planning *p, json_t *members, const char *group_id, json_t *options,
                                  json_t *chord)
{
        json_t *results = json_array();
        json_int_t size = 0;
        for (size_t i = 0; i < json_array_size(members); i++) {
                JSON_OWNED json_t *own = plan_frozen_member(p, json_array_get(members, i), group_id, i, results);
                JSON_OWNED json_t *over = json_copy(options);
                json_t *its = chord ? chord : json_object_get(canvas_options_given(own), "chord");
                size += (json_int_t)canvas_size(own);
                if (its && i + 1 == json_array_size(members))
                        plan_set(p, p->out->chords, group_id, json_pack("{s:I}", "size", size));
                plan_set(p, over, "chord", its ? json_incref(its) : json_null());
                plan_set(p, over, "add_to_parent", json_false());
                json_decref(plan_apply(p, own, over));
        }
        return results;
}

static json_t *plan_apply_group(struct planning *p, json_t *group, json_t *over)
{
        static const char *const unused[] = { "group_index", "add_to_parent", NULL };
        JSON_OWNED json_t *options = plan_merged(p, canvas_options_given(group), over);
        JSON_OWNED json_t *given = plan_take(options, "task_id");
        JSON_OWNED json_t *id = given ? json_incref(given) : plan_new_id();
        JSON_OWNED json_t *chord = plan_take(options, "chord");
        plan_drop(options, unused);
        plan_set(p, options, "group_id", json_incref(id));
        json_t *results = plan_apply_members(p, canvas_tasks(group), json_string_value(id), options, chord);
        json_t *only = json_array_size(results) == 1 ? json_array_get(results, 0) : NULL;
        if (!json_is_array(json_array_get(only, 1)))
                return json_pack("[[O, n], o]", id, results);
        json_incref(only);
        json_decref(results);
        return only;
}

static json_t *plan_with_rest(json_t *outer_takes, const json_t *rest)
{
        json_t *all = outer_takes ? json_copy(outer_takes) : json_array();
        json_array_extend(all, (json_t *)rest);
        json_decref(outer_takes);
        return all;
}

/* The rest of a chain travels with its first task. */
static json_t *plan_apply_chain(struct planning *p, json_t *chain, json_t *over)
{
        static const char *const own[] = { "link", "link_error", "root_id", "parent_id", NULL };
        JSON_OWNED json_t *options = json_copy(canvas_options_given(chain));
        json_object_update(options, over);
        plan_drop(options, own);
        JSON_OWNED json_t *id = plan_take(options, "task_id"), *group_id = plan_take(options, "group_id");
        JSON_OWNED json_t *chord = plan_take(options, "chord"), *index = plan_take(options, "group_index");
        const struct place at = { json_string_value(group_id), chord, index ? json_integer_value(index) : -1 };
        JSON_OWNED json_t *tasks = NULL;
        json_t *result = plan_prepare(p, chain, json_string_value(id), &at, &tasks);
        const size_t last = json_array_size(tasks);
        if (last == 0)
                return result;
        JSON_OWNED json_t *first = json_incref(json_array_get(tasks, last - 1));
        json_array_remove(tasks, last - 1);
        plan_set(p, options, "chain", plan_with_rest(plan_take(options, "chain"), tasks));
        json_t *of_first = plan_apply(p, first, options);
        if (last > 1) {
                json_decref(of_first);
                return result;
        }
        json_decref(result);
        return of_first;
}

/* Its header, as a group of our own. */
static json_t *plan_own_header(struct planning *p, json_t *chord)
{
        json_t *header = canvas_header(chord), *id = json_object_get(canvas_options_given(chord), "task_id");
        if (json_is_object(header))
                return plan_clone(p, header);
        header = canvas_group(json_copy(header));
        plan_set(p, canvas_options_given(header), "task_id", json_is_string(id) ? json_incref(id) : plan_new_id());
        return header;
}

/* The body gets the chord's options and its ids. */
static json_t *plan_own_body(struct planning *p, json_t *chord, json_t *over, json_t *options)
{
        json_t *body = plan_clone(p, canvas_body(chord));
        JSON_OWNED json_t *called = json_copy(over), *all = json_copy(options);
        json_object_del(called, "parent_id");
        json_object_del(all, "parent_id");
        plan_set(p, body, "options", plan_merged(p, canvas_options_given(body), called));
        json_object_update(canvas_options_given(body), all);
        if (canvas_kind_of(body) == CANVAS_CHAIN)
                plan_unroll_chords(p, body);
        return body;
}

/* Where results are more than a list, whoever joins them must know their tree. */
static void plan_save_tree(struct planning *p, const char *group_id, json_t *tree)
{
        const json_t *results = json_array_get(tree, 1);
        for (size_t i = 0; i < json_array_size(results); i++) {
                if (!json_is_array(json_array_get(json_array_get(results, i), 1)))
                        continue;
                plan_set(p, json_object_get(p->out->chords, group_id), "tree", json_incref(tree));
                return;
        }
}

static json_t *plan_apply_chord(struct planning *p, json_t *chord, json_t *over)
{
        static const char *const bodys[] = { "chain", "chord", NULL };
        JSON_OWNED json_t *options = json_copy(canvas_options_given(chord));
        json_object_update(options, over);
        JSON_OWNED json_t *id = plan_take(options, "task_id"), *header = plan_own_header(p, chord);
        JSON_OWNED json_t *group_id = json_incref(json_object_get(canvas_options_given(header), "task_id"));
        JSON_OWNED json_t *body = plan_own_body(p, chord, over, options);
        const struct place at_end = { json_string_value(group_id), NULL, -1 };
        const struct place within = { json_string_value(group_id), body, -1 };
        json_t *result = plan_freeze(p, body, json_string_value(id), &at_end);
        plan_strip(body);
        plan_drop(options, bodys);
        JSON_OWNED json_t *tree = plan_freeze(p, header, NULL, &within);
        plan_set(p, options, "task_id", json_incref(group_id));
        json_decref(plan_apply_group(p, header, options));
        plan_save_tree(p, json_string_value(group_id), tree);
        return result;
}

static json_t *plan_apply(struct planning *p, json_t *signature, json_t *over)
{
        json_t *result = NULL;
        if (!plan_enter(p))
                return NULL;
        switch (canvas_kind_of(signature)) {
        case CANVAS_TASK: result = plan_apply_task(p, signature, over); break;
        case CANVAS_CHAIN: result = plan_apply_chain(p, signature, over); break;
        case CANVAS_GROUP: result = plan_apply_group(p, signature, over); break;
        case CANVAS_CHORD: result = plan_apply_chord(p, signature, over); break;
        }
        plan_leave(p);
        return result;
}

/* ---- the plan ---- */

static bool plan_fits(const json_t *signature, unsigned left);

static bool plan_all_fit(const json_t *signatures, unsigned left)
{
        for (size_t i = 0; i < json_array_size(signatures); i++)
                if (!plan_fits(json_array_get(signatures, i), left))
                        return false;
        return true;
}

static bool plan_options_fit(const json_t *signature, unsigned left)
{
        const json_t *options = canvas_options_given(signature), *chord = json_object_get(options, "chord");
        return (!json_is_object(chord) || plan_fits(chord, left)) &&
               plan_all_fit(json_object_get(options, "chain"), left);
}

/* Does nothing in it nest deeper than workers take it? */
static bool plan_fits(const json_t *signature, unsigned left)
{
        if (!plan_options_fit(signature, left))
                return false;
        switch (canvas_kind_of(signature)) {
        case CANVAS_TASK: return true;
        case CANVAS_CHORD:
                return left > 0 && plan_fits(canvas_body(signature), left - 1) &&
                       plan_all_fit(canvas_tasks(signature), left - 1);
        default: return left > 0 && plan_all_fit(canvas_tasks(signature), left - 1);
        }
}

static bool plan_tasks_fit(struct planning *p)
{
        size_t i;
        json_t *task;
        json_array_foreach(p->out->tasks, i, task) {
                if (plan_options_fit(task, DEEPEST_SENT))
                        continue;
                problem_set(p->why, "message", "unsupported_canvas",
                            "the canvas is nested more than %d deep: cut it into several", DEEPEST_SENT);
                return false;
        }
        return true;
}

static void plan_note_ids(struct planning *p, json_t *result)
{
        const char *id = json_string_value(json_array_get(json_array_get(result, 0), 0));
        json_t *members = json_array_get(result, 1);
        p->out->members = json_is_array(members) ? json_incref(members) : NULL;
        snprintf(p->out->id, sizeof(p->out->id), "%s", id ? id : "");
        snprintf(p->out->first, sizeof(p->out->first), "%s", plan_id(json_array_get(p->out->tasks, 0)));
}

int plan_make(const json_t *signature, const char *reply_to, struct plan *out, struct problem *why)
{
        *out = (struct plan){ .tasks = json_array(), .chords = json_object() };
        struct planning p = { reply_to, out, why, 0, false };
        why->code[0] = '\0';
        JSON_OWNED json_t *composed = plan_compose(&p, signature), *none = json_object();
        JSON_OWNED json_t *result = !p.failed && !why->code[0] ? plan_apply(&p, composed, none) : NULL;
        if (why->code[0] || (!p.failed && !plan_tasks_fit(&p)))
                return 1;
        plan_note_ids(&p, result);
        return p.failed || !result ? -ENOMEM : 0;
}

void plan_clear(struct plan *p)
{
        json_decref(p->tasks);
        json_decref(p->chords);
        json_decref(p->members);
        *p = (struct plan){ 0 };
}
