/* SPDX-License-Identifier: Apache-2.0 */
/* Sending a signature, and waiting for the confirms. */
#include "core/clock.h"
#include "lib/redis.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static int apply_fail(int rc, const struct problem *p, struct chard_error *why)
{
        if (rc < 0)
                return lib_no_memory(why);
        const bool canvas = strcmp(p->code, "unsupported_canvas") == 0;
        return lib_fail_problem(why, canvas ? CHARD_UNSUPPORTED : CHARD_BAD_ARGUMENT, p);
}

static void lib_batch_free(struct lib_batch *b)
{
        message_free_list(b->messages);
        free(b);
}

static int lib_batch_fill(const struct chard *c, const struct plan *plan, struct lib_batch *b, struct problem *p)
{
        struct message **end = &b->messages;
        int rc = 0;
        for (size_t i = 0; rc == 0 && i < json_array_size(plan->tasks); i++) {
                rc = lib_message(json_array_get(plan->tasks, i), c->origin, clock_wall_ms(), end, p);
                if (rc == 0) {
                        end = &(*end)->next;
                        b->open++;
                }
        }
        return rc;
}

static int lib_batch_make(const struct chard *c, const struct plan *plan, struct lib_batch **out,
                          struct chard_error *why)
{
        struct problem p = { 0 };
        *out = calloc(1, sizeof(**out));
        if (!*out)
                return lib_no_memory(why);
        (*out)->users = 2; /* this call, and the loop until it has settled all */
        const int rc = lib_batch_fill(c, plan, *out, &p);
        if (rc == 0)
                return CHARD_OK;
        lib_batch_free(*out);
        *out = NULL;
        return apply_fail(rc, &p, why);
}

/* Redis counts a chord's parts from its size; it must know it before the last of them has run. */
static int apply_announce_chords(struct chard *c, const struct plan *plan, struct chard_error *why)
{
        const char *group_id;
        json_t *chord;
        int code = CHARD_OK;
        if (json_object_size(plan->chords) == 0)
                return CHARD_OK;
        if (!c->redis)
                return lib_fail(why, CHARD_UNSUPPORTED, "no_chords",
                                "a chord's parts are counted in Redis: open with results redis://…, as the workers do");
        json_object_foreach(plan->chords, group_id, chord) {
                if (code == CHARD_OK)
                        code = lib_redis_chord(c, group_id, json_integer_value(json_object_get(chord, "size")),
                                               json_object_get(chord, "tree"), why);
        }
        return code;
}

/* Before the messages leave: a result may come at once. Over Redis only a group's members have to be remembered. */
static int apply_expect(struct chard *c, const struct plan *plan, struct chard_error *why)
{
        int rc = 0;
        if (!*c->reply_to && !(c->redis && plan->members))
                return CHARD_OK;
        pthread_mutex_lock(&c->lock);
        rc = expect_add(c, plan->id, plan->members);
        if (rc == 0 && *c->reply_to)
                rc = expect_members(c, plan->members);
        pthread_mutex_unlock(&c->lock);
        return rc == 0 ? CHARD_OK : lib_no_memory(why);
}

static int apply_verdict(const struct lib_batch *b, struct chard_error *why)
{
        if (b->open > 0)
                return lib_fail(why, CHARD_TIMED_OUT, "timed_out",
                                "the broker has not confirmed yet: it may or may not have been sent");
        switch (b->worst) {
        case PUBLISH_CONFIRMED: return CHARD_OK;
        case PUBLISH_RETURNED:
                return lib_fail(why, CHARD_UNROUTABLE, "unroutable",
                                "no queue takes it: no worker has declared it, or its name is misspelt");
        case PUBLISH_REFUSED:
                return lib_fail(
                        why, CHARD_REFUSED, "refused",
                        "the broker did not take it: no such exchange, a queue that is full, or more bytes than it takes");
        case PUBLISH_CLOSED: break;
        }
        return lib_fail(why, CHARD_UNCERTAIN, "closed",
                        "closed before it was confirmed: it may or may not have been sent");
}

/* Hand it to the loop and wait. Lets go of the batch. */
static int lib_batch_send(struct chard *c, struct lib_batch *b, long timeout_ms, struct chard_error *why)
{
        const uint64_t until_ms = client_until(timeout_ms);
        pthread_mutex_lock(&c->lock);
        if (c->state != CLIENT_OPEN) {
                pthread_mutex_unlock(&c->lock);
                lib_batch_free(b);
                return lib_fail(why, CHARD_UNCERTAIN, "closed", "the handle is being closed; nothing was sent");
        }
        *c->waiting_end = b;
        c->waiting_end = &b->next;
        uv_async_send(&c->wake);
        while (b->open > 0 && client_wait(c, until_ms))
                ;
        const int code = apply_verdict(b, why);
        const bool last = --b->users == 0;
        pthread_mutex_unlock(&c->lock);
        if (last)
                lib_batch_free(b);
        return code;
}

static int apply_plan(struct chard *c, const struct plan *plan, long timeout_ms, struct chard_error *why)
{
        struct lib_batch *b = NULL;
        int code = lib_batch_make(c, plan, &b, why);
        if (!b)
                return code;
        code = apply_announce_chords(c, plan, why);
        if (code == CHARD_OK)
                code = apply_expect(c, plan, why);
        if (code == CHARD_OK)
                return lib_batch_send(c, b, timeout_ms, why);
        lib_batch_free(b);
        return code;
}

int chard_apply(struct chard *c, const struct chard_signature *s, long timeout_ms, struct chard_ids *ids,
                struct chard_error *why)
{
        struct plan plan;
        struct problem p = { 0 };
        if (!c || !s)
                return lib_fail(why, CHARD_BAD_ARGUMENT, "missing_part", "there is no %s", c ? "signature" : "handle");
        if (client_is_ours(c, why) != CHARD_OK)
                return CHARD_BAD_ARGUMENT;
        client_enter(c);
        const int rc = plan_make(s->json, *c->reply_to ? c->reply_to : NULL, &plan, &p);
        if (rc == 0 && ids) {
                snprintf(ids->id, sizeof(ids->id), "%s", plan.id);
                snprintf(ids->first, sizeof(ids->first), "%s", plan.first);
        }
        const int code = rc == 0 ? apply_plan(c, &plan, timeout_ms, why) : apply_fail(rc, &p, why);
        plan_clear(&plan);
        client_leave(c);
        return code;
}
