/* SPDX-License-Identifier: Apache-2.0 */
/* Why a task has failed, as the store, the event of its job's failure and its dead letter have it. */
#include "worker/run/run.h"

#include "core/clock.h"
#include "core/json.h"

#include <stdlib.h>

/* ---- where what is wrong is written ---- */

enum { SPARE_WHYS = 64 }; /* a burst of messages takes more for a moment */

struct kept_why {
        struct problem problem; /* first */
        struct kept_why *next;  /* of those that nobody needs now */
};

bool run_take_why(struct run *run)
{
        struct worker *w = run->worker;
        struct kept_why *kept = w->spare_whys;
        if (run->why)
                return true;
        if (kept) {
                w->spare_whys = kept->next;
                w->spare_why_count--;
        } else if (!(kept = malloc(sizeof(*kept)))) {
                return false;
        }
        run->why = &kept->problem;
        *run->why->source = *run->why->code = *run->why->text = '\0';
        run->why->raised = NULL;
        return true;
}

void run_drop_why(struct run *run)
{
        struct worker *w = run->worker;
        struct kept_why *kept = (struct kept_why *)run->why;
        run->why = NULL;
        if (!kept || w->spare_why_count == SPARE_WHYS) {
                free(kept);
                return;
        }
        kept->next = w->spare_whys;
        w->spare_whys = kept;
        w->spare_why_count++;
}

void run_free_whys(struct worker *w)
{
        for (struct kept_why *kept = w->spare_whys, *next; kept; kept = next) {
                next = kept->next;
                free(kept);
        }
        w->spare_whys = NULL;
        w->spare_why_count = 0;
}

/* ---- what failed before ---- */

void run_recall_failure(struct run *run, const json_t *error)
{
        const json_t *own = json_object_get(error, "exception");
        if (own)
                task_raise(run_input(run), run->why, json_text(own, "type", ""), json_text(own, "module", ""),
                           json_incref(json_object_get(own, "args")));
        const struct raised *raised = own ? run->why->raised : NULL;
        problem_set(run->why, json_text(error, "source", "task"), json_text(error, "code", "failed"), "%s",
                    json_text(error, "text", "failed before"));
        run->why->raised = raised;
        run->failure.attempts = (unsigned)json_number(error, "attempts", 0);
        run->failure.transient = json_is_true(json_object_get(error, "transient"));
}

void run_mark_transient(struct run *run, bool transient)
{
        run->failure.transient = transient;
}

/* ---- what the store is told ---- */

/* The event of its job's failure. Without memory for it there is none: the failure itself must not wait for that. */
static void failure_describe_event(struct run *run)
{
        struct failure_part *f = &run->failure;
        const char *user = json_text(json_object_get(run_document(run), "job"), "user_id", NULL);
        json_decref(f->event_payload);
        f->event_payload = failed_event_payload(f->row.root_id, user, f->row.why);
        if (!f->event_type)
                f->event_type = arena_alloc(&run->arena, FAILED_TYPE_SIZE);
        if (f->event_type)
                failed_event_type(f->row.pipeline, f->event_type);
        f->row.aggregate_type = *f->row.pipeline ? f->row.pipeline : "job";
        f->row.event_type = f->event_payload ? f->event_type : NULL;
        f->row.payload = f->event_payload;
        f->row.span_context = run_span_context(run);
}

static void failure_store(struct run *run, store_done *done)
{
        struct store *store = run->worker->store;
        store->run->fail(store, &run->failure.row, done, run);
}

void run_fail(struct run *run, const struct scheduled *again, store_done *done)
{
        const struct task_message *m = &run->message;
        const struct ai_reply *reply = run_reply(run);
        run->failure.row = (struct failure){
                .id = m->id,
                .root_id = m->root_id ? m->root_id : m->id,
                .parent_id = m->parent_id,
                .name = m->name,
                .pipeline = run_job_pipeline(run),
                .attempts = m->retries + 1,
                .why = run->why,
                .transient = run->failure.transient,
                .excused = run_is_excused(run),
                .again = again,
                .tokens_in = reply->tokens_in,
                .tokens_out = reply->tokens_out,
                .cost_nano = reply->cost_nano,
                .chord_part = run_chord_part(run),
        };
        if (!again && !m->aside)
                failure_describe_event(run);
        failure_store(run, done);
}

void run_fail_other(struct run *run, const char *id, const char *name, const struct problem *why, store_done *done)
{
        const struct task_message *m = &run->message;
        run->failure.row = (struct failure){ .id = id,
                                             .root_id = m->root_id ? m->root_id : m->id,
                                             .parent_id = m->id,
                                             .name = name,
                                             .pipeline = run_job_pipeline(run),
                                             .attempts = 1,
                                             .why = why };
        if (!m->aside)
                failure_describe_event(run);
        failure_store(run, done);
}

/* ---- what its dead letter says ---- */

struct dead_record run_describe_death(const struct run *run, char id[ID_TEXT_SIZE])
{
        const unsigned attempts = run->message.retries + 1;
        id_new(id);
        return (struct dead_record){
                .source = run->why->source,
                .code = run->why->code,
                .text = run->why->text,
                .at_ms = clock_wall_ms(),
                .attempts = run->failure.attempts > attempts ? run->failure.attempts : attempts,
                .trace_id = run->message.traceparent,
                .worker = run->worker->config->name,
                .verdict = run->failure.transient ? "transient" : "permanent",
                .id = id,
        };
}
