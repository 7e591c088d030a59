/* SPDX-License-Identifier: Apache-2.0 */
#include "consumers/think.h"

#include "core/json.h"
#include "dlq/letter.h"

#include <errno.h>
#include <string.h>

/* ---- the event as a task's message: what is known of tasks then holds for it, as in the dead letters ---- */

static const char *think_queue(struct heard *h, const struct thinking *t)
{
        return arena_printf(&h->arena, CONSUMER_QUEUE "%s", t->consumer->def->name);
}

static struct message *think_message(struct heard *h, const struct thinking *t)
{
        const struct consumer_def *def = t->consumer->def;
        const char *user = json_text(h->event.payload, "user_id", NULL);
        JSON_OWNED json_t *kwargs = json_pack("{s:O}", "event", h->whole);
        const char *queue = think_queue(h, t);
        const char *id = arena_printf(&h->arena, "%s/%s", def->name, h->id);
        if (!kwargs || !queue || !id || (user && json_object_set_new(kwargs, "user_id", json_string(user)) != 0))
                return NULL;
        const struct signature s = { .name = def->name, .id = id, .queue = queue, .kwargs = kwargs };
        const struct send_options options = {
                .exchange = "", .routing_key = queue, .origin = t->worker, .trace = h->trace
        };
        return chain_message(&s, 1, &options);
}

/* ---- a dead letter ---- */

static int think_letter(struct heard *h, const struct thinking *t)
{
        struct message *m = think_message(h, t);
        const char *queue = think_queue(h, t);
        const char *dead_queue = arena_printf(&h->arena, "%s.dead", queue ? queue : "");
        const struct dead_record record = {
                .source = h->why.source,
                .code = h->why.code,
                .text = h->why.text,
                .at_ms = t->now_ms,
                .attempts = h->attempts + 1,
                .trace_id = h->trace.parent,
                .worker = t->worker,
                .verdict = h->transient ? "transient" : "permanent",
        };
        message_free(h->letter_message);
        h->letter_message = m && queue ? message_dead(queue, m->properties, m->body, &record) : NULL;
        message_free(m);
        h->verdict = HEARD_DIES;
        const bool ok = h->letter_message && dead_queue &&
                        letter_read(&h->arena, dead_queue, h->letter_message->properties, h->letter_message->body,
                                    SIZE_MAX, t->now_ms, &h->letter);
        return ok ? 0 : -ENOMEM;
}

/* ---- what it sends ---- */

static const char *think_queue_of(const char *name, void *catalog)
{
        const struct task *task = catalog_task(catalog, name);
        return task ? task->def->queue : NULL;
}

static int think_schedule(struct heard *h, struct message *list, int64_t now_ms)
{
        size_t count = 0;
        h->messages = list;
        for (const struct message *m = list; m; m = m->next)
                count++;
        h->scheduled = arena_alloc(&h->arena, (count + 1) * sizeof(*h->scheduled));
        if (!h->scheduled)
                return -ENOMEM;
        for (const struct message *m = list; m; m = m->next)
                h->scheduled[h->message_count++] =
                        (struct scheduled){ .message = m, .due_ms = now_ms, .reason = "event" };
        return 0;
}

/* Their ids are made from the event's: whoever gets one twice knows it. */
static int think_sends(struct heard *h, const struct thinking *t, struct problem *why)
{
        struct message *m = think_message(h, t);
        struct task_message of = { 0 };
        struct following following = { 0 };
        struct buffer result = { 0 };
        const struct follow_how how = { .queue_of = think_queue_of,
                                        .arg = (void *)(uintptr_t)t->catalog,
                                        .routes = t->routes,
                                        .now_ms = t->now_ms };
        int rc = m ? task_message_decode(&h->arena, m->properties, m->body, SIZE_MAX, &of, why) : -ENOMEM;
        buffer_add_string(&result, "null");
        if (rc == 0)
                rc = task_message_sends(&of, h->outcome.sends, &how, &result, &following, why);
        if (rc == 0 && following.chords)
                rc = problem_set(why, "consumer_logic", "unsupported_canvas", "a consumer can send no chord");
        if (rc == 0) {
                rc = think_schedule(h, following.messages, t->now_ms);
                following.messages = NULL;
        }
        following_clear(&following);
        task_message_clear(&of);
        buffer_free(&result);
        message_free(m);
        return rc;
}

/* ---- what those before it must undo ---- */

/* Only of what it understood: an event that nobody can read, or of a later version, may be acted on after all. */
static bool think_compensates(const struct heard *h, const struct thinking *t)
{
        return t->consumer->def->compensate && strcmp(h->why.source, "consumer") != 0;
}

static int think_compensate(struct heard *h, const struct thinking *t)
{
        const struct consumer_input in = {
                .consumer = t->consumer->def, .event = &h->event, .data = t->consumer->data, .arena = &h->arena
        };
        const struct problem died = h->why;
        struct problem fault = { 0 };
        heard_forget(h);
        int rc = outcome_open(&h->outcome, &h->arena);
        if (rc == 0)
                rc = t->consumer->def->compensate(&in, &died, &h->outcome);
        if (rc == 0 && h->outcome.sends)
                rc = think_sends(h, t, &fault);
        if (rc == 1 && fault.code[0])
                problem_set(&h->why, died.source, died.code, "%.250s (and what is to be undone can't be sent: %.180s)",
                            died.text, fault.text);
        h->undone = rc == 0;
        return rc < 0 ? rc : 0;
}

/* It fails for good. */
static int think_die(struct heard *h, const struct thinking *t)
{
        const int rc = think_compensates(h, t) ? think_compensate(h, t) : 0;
        return rc == 0 ? think_letter(h, t) : rc;
}

int think_refused(struct heard *h, const struct thinking *t, const struct problem *why)
{
        if (h->verdict == HEARD_DIES) {
                heard_forget(h);
                return letter_reduce(&h->arena, &h->letter) ? 0 : -ENOMEM;
        }
        h->why = *why;
        h->transient = false;
        return think_die(h, t);
}

/* ---- the answer ---- */

/* It waits, with those behind it; too often, and it is a dead letter. */
static int think_again(struct heard *h, const struct thinking *t)
{
        h->transient = true;
        if (h->attempts >= t->consumer->def->retry.limit)
                return think_die(h, t);
        h->again = true;
        h->verdict = HEARD_WAITS;
        return 0;
}

/* What it asked for, and not what others of its wave did. New reference; NULL when memory ran out. */
static json_t *think_facts(const struct heard *h, const struct thinking *t)
{
        json_t *facts = json_object();
        for (unsigned i = 0; i < h->see_count; i++) {
                const struct fact_set *set = &h->sees[i];
                json_t *owners = json_object_get(facts, set->kind);
                if (!owners && json_object_set_new(facts, set->kind, owners = json_object()) != 0)
                        continue;
                json_object_set(owners, set->owner, json_object_get(json_object_get(t->facts, set->kind), set->owner));
        }
        return facts;
}

/* Its aggregate's events; NULL: none are known. */
static const json_t *think_history(const struct heard *h, const struct thinking *t)
{
        const json_t *list =
                json_object_get(json_object_get(t->history, h->event.aggregate_type), h->event.aggregate_id);
        return json_is_array(list) ? list : NULL;
}

/* What is to be heard later is kept as text, under a key of its own: nothing waits behind it. */
static int think_keep_later(struct heard *h)
{
        buffer_free(&h->text);
        h->later_key = arena_printf(&h->arena, "@later/%s", h->outcome.later->id);
        json_write(h->outcome.later->event, &h->text);
        return h->text.failed || !h->later_key ? -ENOMEM : 0;
}

static int think_run(struct heard *h, const struct thinking *t)
{
        const json_t *history = think_history(h, t);
        JSON_OWNED json_t *facts = think_facts(h, t);
        const struct consumer_input in = {
                .consumer = t->consumer->def,
                .event = &h->event,
                .facts = facts,
                .history = history,
                .version =
                        history ? json_number(json_array_get(history, json_array_size(history) - 1), "version", 0) : 0,
                .data = t->consumer->data,
                .arena = &h->arena,
        };
        int rc = facts ? outcome_open(&h->outcome, &h->arena) : -ENOMEM;
        if (rc == 0)
                rc = consumer_run(t->consumer->def, &in, &h->outcome, &h->why);
        if (rc == 0 && h->outcome.sends)
                rc = think_sends(h, t, &h->why);
        if (rc == TASK_AGAIN)
                return think_again(h, t);
        if (rc == 0 && h->outcome.later)
                rc = think_keep_later(h);
        return rc > 0 ? think_die(h, t) : rc;
}

/* One of a page that waits is kept as text. */
static int think_keep(struct heard *h)
{
        if (!h->position)
                return 0;
        json_write(h->whole, &h->text);
        return h->text.failed ? -ENOMEM : 0;
}

/* What it sends and writes goes on from its span. An event without a context is of its aggregate's trace, which is the job's where that is what the aggregate is. */
static void think_begin_span(struct heard *h, const struct thinking *t)
{
        h->trace = trace_read_properties(&h->arena, json_text(h->whole, "tracingspancontext", ""));
        live_span_begin(&h->span, t->spans, h->trace.parent);
        live_span_name(&h->span, h->event.aggregate_id);
        h->trace.parent = live_span_context(&h->span, h->trace.parent);
        h->span_context = trace_write_properties(&h->arena, &h->trace);
}

static int think_one(struct heard *h, const struct thinking *t)
{
        h->again = h->transient = false;
        h->verdict = HEARD_ACTS;
        h->why = (struct problem){ 0 };
        think_begin_span(h, t);
        int rc = 0;
        if (h->position && map_get(t->held, h->key))
                h->verdict = HEARD_WAITS;
        else
                rc = think_run(h, t);
        return rc == 0 && h->verdict == HEARD_WAITS ? think_keep(h) : rc;
}

int think_later(struct heard *h, const struct problem *why)
{
        h->why = *why;
        h->again = h->transient = true;
        h->verdict = HEARD_WAITS;
        return think_keep(h);
}

int think(struct batch *b, const struct thinking *t)
{
        const unsigned long lost = json_memory_lost();
        int rc = 0;
        for (size_t i = 0; rc == 0 && i < b->count; i++)
                if (b->list[i].state == HEARD_NOW)
                        rc = think_one(&b->list[i], t);
        return json_whole_since(lost, rc);
}
