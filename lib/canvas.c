/* SPDX-License-Identifier: Apache-2.0 */
/* From a signature to the messages that start it, laid out as celery.canvas of Celery 5.7 does on the client's side:
 * chains are spliced, a group that something follows becomes a chord, all get their ids, the rest of a chain travels with its first task and a
 * chord's body with each task of its header. What a worker must send on later stays a signature inside those. */
#include "core/json.h"
#include "lib/lib.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { DEEPEST = 50 };

/* What a task becomes part of. */
struct place {
        const char *group_id; /* or NULL */
        json_int_t index;     /* in the group; -1 = none */
        json_t *chord;        /* its body, or NULL */
};
static const struct place nowhere = { NULL, -1, NULL };

struct planning {
        const char *reply_to;
        struct plan *out;
        struct problem *why;
        bool failed; /* memory ran out */
};

static json_t *steps_of(struct planning *p, const json_t *signature, unsigned depth);
static void freeze_steps(struct planning *p, json_t *steps, const struct place *place, bool sent_now);
static void emit(struct planning *p, json_t *steps);

static json_t *refuse(struct planning *p, const char *what)
{
        problem_set(p->why, "lib", "unsupported_canvas", "%s", what);
        return NULL;
}

static json_t *options_of(json_t *signature)
{
        return json_object_get(signature, "options");
}

static void set(struct planning *p, json_t *object, const char *key, json_t *takes)
{
        if (json_object_set_new(object, key, takes) != 0)
                p->failed = true;
}

/* ---- laying open: a list of steps, each a task, a chord with a task as body, or (the last one only) a group ---- */

/* Append the members of a group to `out`, those of groups in it laid open. */
static bool lay_open(const json_t *group, json_t *out, unsigned depth)
{
        size_t i;
        json_t *part;
        bool fits = depth < DEEPEST;
        json_array_foreach(canvas_parts(group), i, part) {
                if (!fits)
                        return false;
                if (canvas_kind(part) == CANVAS_GROUP)
                        fits = lay_open(part, out, depth + 1);
                else
                        json_array_append(out, part);
        }
        return fits;
}

static json_t *flat_group(struct planning *p, const json_t *group, unsigned depth)
{
        json_t *members = json_array();
        if (lay_open(group, members, depth))
                return canvas_group(members);
        json_decref(members);
        return refuse(p, "the canvas is nested too deep");
}

/* A chord whose body is a chain: the chord with the body's first task, then the others, so that not every task of its header carries
 * them all. */
static bool collect_chord(struct planning *p, const json_t *chord, json_t *out, unsigned depth)
{
        const json_t *kwargs = json_object_get(chord, "kwargs");
        JSON_OWNED json_t *body = steps_of(p, json_object_get(kwargs, "body"), depth + 1);
        json_t *header = body ? flat_group(p, json_object_get(kwargs, "header"), depth + 1) : NULL;
        if (!header)
                return false;
        if (canvas_kind(json_array_get(body, 0)) != CANVAS_TASK) {
                json_decref(header);
                return refuse(p, "a chord's body must be a task, or a chain that begins with one") != NULL;
        }
        json_array_append_new(out, canvas_chord(header, json_incref(json_array_get(body, 0))));
        json_array_remove(body, 0);
        json_array_extend(out, body);
        return true;
}

static bool collect(struct planning *p, const json_t *signature, json_t *out, unsigned depth)
{
        size_t i;
        json_t *part;
        if (depth > DEEPEST)
                return refuse(p, "the canvas is nested too deep") != NULL;
        switch (canvas_kind(signature)) {
        case CANVAS_TASK: return json_array_append(out, (json_t *)signature) == 0;
        case CANVAS_CHORD: return collect_chord(p, signature, out, depth);
        case CANVAS_GROUP: {
                JSON_OWNED json_t *group = flat_group(p, signature, depth + 1);
                if (json_array_size(canvas_parts(group)) == 1 && depth > 0)
                        return collect(p, json_array_get(canvas_parts(group), 0), out, depth + 1);
                return group && json_array_append(out, group) == 0;
        }
        case CANVAS_CHAIN:
                json_array_foreach(canvas_parts(signature), i, part)
                        if (!collect(p, part, out, depth + 1))
                                return false;
                return true;
        }
        return false;
}

/* From the end to the beginning: a group and the task after it become a chord. */
static bool join_groups(struct planning *p, json_t *steps)
{
        for (size_t i = json_array_size(steps); i-- > 0;) {
                json_t *step = json_array_get(steps, i), *next = json_array_get(steps, i + 1);
                if (canvas_kind(step) != CANVAS_GROUP || !next)
                        continue;
                if (canvas_kind(next) != CANVAS_TASK)
                        return refuse(p, "after a group in a chain a task must follow, to gather its results") != NULL;
                json_array_set_new(steps, i, canvas_chord(json_incref(step), json_incref(next)));
                json_array_remove(steps, i + 1);
        }
        return true;
}

/* New reference; NULL when refused or memory ran out. */
static json_t *steps_of(struct planning *p, const json_t *signature, unsigned depth)
{
        json_t *steps = json_array();
        if (steps && collect(p, signature, steps, depth) && join_groups(p, steps))
                return steps;
        json_decref(steps);
        return NULL;
}

/* ---- ids ---- */

static const char *id_of(json_t *signature)
{
        return json_text(options_of(signature), "task_id", "");
}

static void give_id(struct planning *p, json_t *signature)
{
        char id[ID_TEXT_SIZE];
        if (*id_of(signature))
                return;
        id_new(id);
        set(p, options_of(signature), "task_id", json_string(id));
}

static void freeze_task(struct planning *p, json_t *task, const struct place *place)
{
        json_t *options = options_of(task);
        give_id(p, task);
        if (p->reply_to)
                set(p, options, "reply_to", json_string(p->reply_to));
        if (place->group_id)
                set(p, options, "group_id", json_string(place->group_id));
        if (place->index >= 0)
                set(p, options, "group_index", json_integer(place->index));
        if (place->chord)
                set(p, options, "chord", json_incref(place->chord));
}

static json_t *header_of(json_t *chord)
{
        return json_object_get(json_object_get(chord, "kwargs"), "header");
}

static json_t *body_of(json_t *chord)
{
        return json_object_get(json_object_get(chord, "kwargs"), "body");
}

/* A group's members are kept as lists of steps from here on: planned once, sent or written later. */
static bool plan_members(struct planning *p, json_t *group)
{
        json_t *members = canvas_parts(group);
        for (size_t i = 0; i < json_array_size(members); i++) {
                json_t *steps = steps_of(p, json_array_get(members, i), 1);
                if (!steps)
                        return false;
                const json_t *last = json_array_get(steps, json_array_size(steps) - 1);
                json_array_set_new(members, i, steps);
                if (canvas_kind(last) != CANVAS_TASK)
                        return refuse(p, "a member of a group must be a task, or a chain that ends with one") != NULL;
        }
        return true;
}

/* Every group of these steps. */
static bool plan_groups(struct planning *p, json_t *steps)
{
        size_t i;
        json_t *step;
        json_array_foreach(steps, i, step) {
                const enum canvas_kind kind = canvas_kind(step);
                if (kind == CANVAS_TASK)
                        continue;
                json_t *group = kind == CANVAS_CHORD ? header_of(step) : step;
                if (!plan_members(p, group))
                        return false;
                size_t k;
                json_t *member;
                json_array_foreach(canvas_parts(group), k, member)
                        if (!plan_groups(p, member))
                                return false;
        }
        return true;
}

static void freeze_members(struct planning *p, json_t *group, const struct place *common, bool sent_now)
{
        struct place place = *common;
        json_t *members = canvas_parts(group);
        for (size_t i = 0; i < json_array_size(members); i++) {
                place.index = (json_int_t)i;
                freeze_steps(p, json_array_get(members, i), &place, sent_now);
        }
}

/* A member as the signature that a worker will send: a task, or a chain of the frozen steps. */
static json_t *written_member(json_t *steps)
{
        if (json_array_size(steps) == 1)
                return json_incref(json_array_get(steps, 0));
        return json_pack("{s:s, s:[], s:{s:O}, s:{s:s}, s:s, s:b}", "task", "celery.chain", "args", "kwargs", "tasks",
                         steps, "options", "task_id", id_of(json_array_get(steps, json_array_size(steps) - 1)),
                         "subtask_type", "chain", "immutable", 0);
}

/* A group within a signature that travels: as Celery freezes it there. */
static void write_group(struct planning *p, json_t *group)
{
        json_t *members = canvas_parts(group);
        give_id(p, group);
        set(p, options_of(group), "root_id", json_null());
        set(p, options_of(group), "parent_id", json_null());
        freeze_members(p, group, &nowhere, false);
        for (size_t i = 0; i < json_array_size(members); i++)
                if (json_array_set_new(members, i, written_member(json_array_get(members, i))) != 0)
                        p->failed = true;
}

/* A step that a worker will send on. */
static void freeze_later(struct planning *p, json_t *step, const struct place *place)
{
        switch (canvas_kind(step)) {
        case CANVAS_CHORD:
                freeze_task(p, body_of(step), place);
                write_group(p, header_of(step));
                set(p, options_of(step), "task_id", json_string(id_of(header_of(step))));
                break;
        case CANVAS_GROUP: write_group(p, step); break;
        default: freeze_task(p, step, place);
        }
}

/* With sent_now we send the first step of these ourselves; its own group, if it has one, is frozen when that is done. */
static void freeze_steps(struct planning *p, json_t *steps, const struct place *place, bool sent_now)
{
        const size_t count = json_array_size(steps);
        for (size_t i = count; i-- > 0;) {
                json_t *step = json_array_get(steps, i);
                const struct place *its = i + 1 == count ? place : &nowhere;
                if (!sent_now || i > 0 || canvas_kind(step) == CANVAS_TASK)
                        freeze_later(p, step, its);
                else
                        give_id(p, canvas_kind(step) == CANVAS_CHORD ? header_of(step) : step);
        }
}

/* ---- sending ---- */

/* The later steps, the next one last, as they travel in a message. */
static json_t *rest_of(json_t *steps)
{
        json_t *rest = json_array();
        for (size_t i = json_array_size(steps); i-- > 1;)
                json_array_append(rest, json_array_get(steps, i));
        return rest;
}

static void add_rest(struct planning *p, json_t *task, json_t *steps)
{
        if (json_array_size(steps) > 1)
                set(p, options_of(task), "chain", rest_of(steps));
}

static void emit_group(struct planning *p, json_t *group, json_t *body)
{
        const struct place place = { id_of(group), -1, body };
        size_t i;
        json_t *member;
        freeze_members(p, group, &place, true);
        json_array_foreach(canvas_parts(group), i, member)
                emit(p, member);
}

static bool only_tasks(const json_t *steps, size_t from)
{
        for (size_t i = from; i < json_array_size(steps); i++)
                if (canvas_kind(json_array_get(steps, i)) != CANVAS_TASK)
                        return false;
        return true;
}

/* The body and all tasks after it as one chain, whose last is the chord's result. */
static json_t *body_chain(struct planning *p, json_t *body, json_t *steps, const char *group_id)
{
        const size_t count = json_array_size(steps);
        JSON_OWNED json_t *chain = json_copy(steps);
        json_t *options = options_of(json_array_get(steps, count - 1));
        freeze_task(p, body, &nowhere);
        if (!json_object_get(options, "group_id"))
                set(p, options, "group_id", json_string(group_id));
        json_array_set(chain, 0, body);
        return written_member(chain);
}

/* What follows a chord goes with its body: tasks as a chain of which it is the first, other things as the rest of its chain. */
static json_t *whole_body(struct planning *p, json_t *chord, json_t *steps, const char *group_id)
{
        json_t *body = body_of(chord);
        const struct place place = { group_id, -1, NULL };
        if (json_array_size(steps) > 1 && only_tasks(steps, 1))
                return body_chain(p, body, steps, group_id);
        freeze_task(p, body, &place);
        add_rest(p, body, steps);
        return json_incref(body);
}

static void emit_chord(struct planning *p, json_t *chord, json_t *steps)
{
        json_t *header = header_of(chord);
        JSON_OWNED json_t *body = whole_body(p, chord, steps, id_of(header));
        set(p, p->out->chords, id_of(header), json_integer((json_int_t)json_array_size(canvas_parts(header))));
        emit_group(p, header, body);
}

static void emit(struct planning *p, json_t *steps)
{
        json_t *first = json_array_get(steps, 0);
        switch (canvas_kind(first)) {
        case CANVAS_CHORD: emit_chord(p, first, steps); break;
        case CANVAS_GROUP: emit_group(p, first, NULL); break;
        default:
                add_rest(p, first, steps);
                if (json_array_append(p->out->tasks, first) != 0)
                        p->failed = true;
        }
}

/* The ids of a group's members: of each the last step's. */
static void note_members(struct planning *p, json_t *group)
{
        size_t i;
        json_t *member;
        p->out->members = json_array();
        json_array_foreach(canvas_parts(group), i, member) {
                json_t *last = json_is_array(member) ? json_array_get(member, json_array_size(member) - 1) : member;
                if (json_array_append_new(p->out->members, json_string(id_of(last))) != 0)
                        p->failed = true;
        }
}

static void note_ids(struct planning *p, json_t *steps)
{
        struct chard_ids *ids = &p->out->ids;
        json_t *last = json_array_get(steps, json_array_size(steps) - 1);
        const enum canvas_kind kind = canvas_kind(last);
        if (kind == CANVAS_GROUP)
                note_members(p, last);
        snprintf(ids->id, sizeof(ids->id), "%s", id_of(kind == CANVAS_CHORD ? body_of(last) : last));
        snprintf(ids->first, sizeof(ids->first), "%s", id_of(json_array_get(p->out->tasks, 0)));
}

int plan_make(const json_t *signature, const char *reply_to, struct plan *out, struct problem *why)
{
        *out = (struct plan){ .tasks = json_array(), .chords = json_object() };
        struct planning p = { reply_to, out, why, false };
        JSON_OWNED json_t *steps = NULL;
        why->code[0] = '\0';
        JSON_OWNED json_t *found = steps_of(&p, signature, 0);
        if (found)
                steps = json_deep_copy(found); /* what is frozen below is ours alone, the same task at two places too */
        if (!steps || !plan_groups(&p, steps))
                return why->code[0] ? 1 : -ENOMEM;
        freeze_steps(&p, steps, &nowhere, true);
        emit(&p, steps);
        note_ids(&p, steps);
        return p.failed ? -ENOMEM : 0;
}

void plan_clear(struct plan *p)
{
        json_decref(p->tasks);
        json_decref(p->chords);
        json_decref(p->members);
        *p = (struct plan){ 0 };
}
