/* SPDX-License-Identifier: Apache-2.0 */
#include "tasks/saga_act.h"

#include "core/json.h"
#include "tasks/task.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { SAGA_KEY_SIZE = CONSUMER_MOST_NAME + 24, SAGA_DOUBLINGS = 6 };

enum saga_state { SAGA_RUNNING, SAGA_UNDOING, SAGA_DONE, SAGA_FAILED };

static const char *const saga_states[] = { "RUNNING", "UNDOING", "DONE", "FAILED" };

/* Where one stands; filled from its last fact, changed by a move, and written as the next. */
struct saga_stand {
        const struct consumer_input *in;
        const struct saga_def *saga;
        const char *id;
        json_int_t number;
        enum saga_state state;
        size_t step;
        json_int_t asked;   /* how often the step has been asked for, or its undo */
        const char *heard;  /* what led to this move */
        const char *reason; /* why it is undone; or NULL */
        json_t *context;    /* the payload of what it writes; owned */
        struct outcome *out;
};

/* ---- where it stands ---- */

const json_t *saga_last(const json_t *facts, const char *name)
{
        char key[SAGA_KEY_SIZE];
        const json_t *last = NULL, *found;
        for (unsigned n = 1;; n++) {
                snprintf(key, sizeof(key), "%s/%u", name, n);
                if (!(found = json_object_get(facts, key)))
                        return last;
                last = found;
        }
}

static size_t saga_step_called(const struct saga_def *saga, const char *name)
{
        size_t i = 0;
        while (i < saga_count(saga) && strcmp(saga->steps[i].name, name) != 0)
                i++;
        return i;
}

static enum saga_state saga_state_called(const char *name)
{
        enum saga_state state = SAGA_RUNNING;
        while (state < SAGA_FAILED && strcmp(saga_states[state], name) != 0)
                state++;
        return state;
}

static void saga_read(struct saga_stand *s, const json_t *last)
{
        s->number = json_number(last, "number", 0);
        s->state = saga_state_called(json_text(last, "state", "RUNNING"));
        s->step = saga_step_called(s->saga, json_text(last, "step", ""));
        s->asked = json_number(last, "asked", 0);
        s->reason = json_text(last, "reason", NULL);
        s->heard = s->in->event->type;
        s->context = json_copy(json_object_get(last, "context"));
}

static int saga_write(struct saga_stand *s)
{
        const struct saga_step *step = &s->saga->steps[s->step];
        const bool over = s->state == SAGA_DONE || s->state == SAGA_FAILED;
        const char *key = arena_printf(s->in->arena, "%s/%lld", s->in->consumer->name, (long long)s->number);
        json_t *fact = json_pack("{s:I, s:s, s:s*, s:I, s:s, s:s, s:s*, s:O}", "number", s->number, "state",
                                 saga_states[s->state], "step", over ? NULL : step->name, "asked", s->asked, "heard",
                                 s->heard, "event_id", s->in->event->id, "reason", s->reason, "context", s->context);
        if (!key) {
                json_decref(fact);
                return -ENOMEM;
        }
        return outcome_fact_once(s->out, FACT_SAGA, s->id, key, fact);
}

/* ---- what it writes ---- */

static int saga_tell(struct saga_stand *s, const struct saga_event *event)
{
        if (!event->type)
                return 0;
        json_t *payload = json_copy(s->context);
        if (s->reason && json_object_set_new(payload, "reason", json_string(s->reason)) != 0) {
                json_decref(payload);
                return -ENOMEM;
        }
        return outcome_event(s->out, event->aggregate_type, s->id, event->type, payload);
}

/* A time-out is the event at hand come again, as another type, that says which move it belongs to. */
static int saga_wait(struct saga_stand *s, uint64_t wait_ms)
{
        const char *id = arena_printf(s->in->arena, "%s/%s/%lld", s->in->consumer->name, s->id, (long long)s->number);
        json_t *event = json_copy((json_t *)(uintptr_t)s->in->event->whole);
        json_t *payload = json_copy((json_t *)(uintptr_t)s->in->event->payload);
        json_object_set_new(payload, "saga_move", json_integer(s->number));
        json_object_set_new(event, "payload", payload);
        json_object_set_new(event, "type", json_string(SAGA_TIME_OUT));
        json_object_set_new(event, "id", json_string(id ? id : ""));
        return outcome_later(s->out, id, wait_ms < UINT32_MAX ? (unsigned)wait_ms : UINT32_MAX, event);
}

/* ---- moves ---- */

/* The step asks: for the first time, or once more. */
static int saga_ask(struct saga_stand *s)
{
        const struct saga_step *step = &s->saga->steps[s->step];
        s->asked++;
        int rc = saga_tell(s, &step->asks);
        if (rc == 0 && step->timeout_ms)
                rc = saga_wait(s, step->timeout_ms);
        return rc;
}

static int saga_ask_undo(struct saga_stand *s)
{
        const struct saga_step *step = &s->saga->steps[s->step];
        const unsigned doubled = s->asked < SAGA_DOUBLINGS ? (unsigned)s->asked : SAGA_DOUBLINGS;
        s->asked++;
        const int rc = saga_tell(s, &step->undoes);
        return rc ? rc : saga_wait(s, (uint64_t)step->timeout_ms << doubled);
}

/* The steps before number `above` are undone, last first: up to one whose undo is waited for. */
static int saga_undo(struct saga_stand *s, size_t above)
{
        int rc = 0;
        s->state = SAGA_UNDOING;
        s->asked = 0;
        for (s->step = above; rc == 0 && s->step-- > 0;) {
                if (s->saga->steps[s->step].undone)
                        return saga_ask_undo(s);
                rc = saga_tell(s, &s->saga->steps[s->step].undoes);
        }
        s->step = 0;
        s->state = SAGA_FAILED;
        return rc ? rc : saga_tell(s, &s->saga->fails);
}

static int saga_go_on(struct saga_stand *s)
{
        s->asked = 0;
        if (s->step < saga_count(s->saga))
                return saga_ask(s);
        s->step = 0;
        s->state = SAGA_DONE;
        return saga_tell(s, &s->saga->ends);
}

/* Its answer is part of what the later steps are told. */
static int saga_answered(struct saga_stand *s)
{
        const struct saga_step *step = &s->saga->steps[s->step];
        if (json_object_set(s->context, step->name, (json_t *)(uintptr_t)s->in->event->payload) != 0)
                return -ENOMEM;
        if (saga_is(step->done, s->heard)) {
                s->step++;
                return saga_go_on(s);
        }
        s->reason = json_text(s->in->event->payload, "reason", step->failed);
        return saga_undo(s, s->step);
}

/* Whoever was asked may have done it all the same, so its step is undone, too. */
static int saga_timed_out(struct saga_stand *s)
{
        const struct saga_step *step = &s->saga->steps[s->step];
        if (s->state == SAGA_UNDOING)
                return saga_ask_undo(s);
        if (s->asked < (step->times ? step->times : 1))
                return saga_ask(s);
        s->reason = arena_printf(s->in->arena, "%s: no answer", step->name);
        return s->reason ? saga_undo(s, s->step + 1) : -ENOMEM;
}

static int saga_begin(struct saga_stand *s)
{
        s->state = SAGA_RUNNING;
        s->step = 0;
        s->context = json_copy((json_t *)(uintptr_t)s->in->event->payload);
        json_object_del(s->context, "schema_version"); /* it is that event's alone */
        return saga_go_on(s);
}

typedef int saga_mover(struct saga_stand *s);

/* What a move does, in the state that it is made in; NULL: the event changes nothing. */
static saga_mover *saga_move(const struct saga_stand *s)
{
        const struct saga_step *step = &s->saga->steps[s->step];
        if (s->number == 0)
                return saga_is(s->saga->begins, s->heard) ? saga_begin : NULL;
        if (s->state == SAGA_DONE || s->state == SAGA_FAILED || s->step >= saga_count(s->saga))
                return NULL;
        if (strcmp(s->heard, SAGA_TIME_OUT) == 0)
                return json_number(s->in->event->payload, "saga_move", 0) == s->number ? saga_timed_out : NULL;
        if (s->state == SAGA_RUNNING)
                return saga_is(step->done, s->heard) || saga_is(step->failed, s->heard) ? saga_answered : NULL;
        return NULL;
}

static int saga_make_move(struct saga_stand *s)
{
        const struct saga_step *step = &s->saga->steps[s->step];
        const bool undone = s->number > 0 && s->state == SAGA_UNDOING && s->step < saga_count(s->saga) &&
                            saga_is(step->undone, s->heard);
        int (*move)(struct saga_stand * s) = saga_move(s);
        if (!move && !undone)
                return 0;
        s->number++;
        const int rc = undone ? saga_undo(s, s->step) : move(s);
        return rc ? rc : saga_write(s);
}

int saga_act(const struct consumer_input *in, struct outcome *out, struct problem *why)
{
        const char *id = json_string_value(json_at(in->event->whole, in->consumer->sees[0].owner));
        struct saga_stand s = { .in = in, .saga = in->consumer->saga, .id = id, .out = out };
        if (!id || !*id)
                return problem_set(why, "consumer_logic", "bad_payload", "%.60s does not say at %.60s what it is about",
                                   in->event->type, in->consumer->sees[0].owner);
        saga_read(&s, saga_last(consumer_facts(in, FACT_SAGA, id), in->consumer->name));
        const int rc = saga_make_move(&s);
        json_decref(s.context);
        return rc;
}
