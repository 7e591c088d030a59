/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/run/run.h"

#include "core/backoff.h"
#include "core/clock.h"
#include "core/id.h"
#include "core/json.h"
#include "worker/run/excuse.h"

#include <stdlib.h>
#include <string.h>

struct run *run_new(struct worker *w)
{
        struct run *run = w->spare;
        if (run) {
                w->spare = run->next;
        } else {
                run = calloc(1, sizeof(*run));
                if (!run)
                        return NULL;
                uv_timer_init(w->loop, &run->timer);
                run->timer.data = run;
        }
        run->worker = w;
        run->catalog = catalog_ref(w->catalog);
        run->wish = (struct task_wish){ .delay_ms = -1, .limit = -1 };
        run->previous = w->runs.previous;
        run->next = &w->runs;
        run->previous->next = run->next->previous = run;
        w->run_count++;
        return run;
}

static void forget_contents(struct run *run)
{
        outcome_close(&run->outcome);
        task_message_clear(&run->message);
        json_decref(run->document);
        json_decref(run->facts);
        json_decref(run->reply.content);
        json_decref(run->failed_payload);
        json_decref(run->telling.children);
        json_decref(run->telling.parts);
        following_clear(&run->following);
        message_free(run->again_message);
        buffer_free(&run->result);
        buffer_free(&run->owing_text);
        arena_free(&run->arena);
        delivery_free(run->delivery);
}

void run_end(struct run *run)
{
        struct worker *w = run->worker;
        struct run *behind = run->behind;
        struct owed_item *owed = run->owed;
        if (run->in_map)
                map_take(w->by_id, run->message.id);
        run->previous->next = run->next;
        run->next->previous = run->previous;
        w->run_count--;

        forget_contents(run);
        catalog_unref(run->catalog);
        const uv_timer_t timer = run->timer; /* stopped; stays initialised */
        *run = (struct run){ .next = w->spare, .timer = timer };
        w->spare = run;
        if (owed)
                teller_run_ended(owed);
        if (w->phase != WORKER_CLOSED)
                intake_wake(behind);
        if (w->phase != WORKER_RUNNING)
                shutdown_adjust(w);
}

/* ---- what the steps ask of it ---- */

bool run_keeps_state(const struct run *run)
{
        return run->def && (run->message.heir || !(run->def->flags & TASK_STATELESS));
}

bool run_is_replaced(const struct run *run)
{
        return sends_replace(run->outcome.sends);
}

bool run_has_successor(const struct run *run)
{
        return json_array_size(run->message.chain) > 0;
}

/* The deadline of the task itself, whatever its message says. */
static unsigned own_deadline_ms(const struct run *run)
{
        const unsigned all = run->worker->config->deadline_ms;
        return all ? all : run->def->deadline_ms;
}

/* The sooner of the message's limits; 0 = none. */
static unsigned message_limit_ms(const struct task_message *m)
{
        const unsigned hard = m->hard_limit_ms, soft = m->soft_limit_ms;
        return soft && (!hard || soft < hard) ? soft : hard;
}

unsigned run_deadline_ms(const struct run *run)
{
        const unsigned own = own_deadline_ms(run), limit = message_limit_ms(&run->message);
        return limit && limit < own ? limit : own;
}

bool run_out_of_time(struct run *run)
{
        const unsigned limit = message_limit_ms(&run->message);
        if (!limit || limit >= own_deadline_ms(run) || strcmp(run->reply.why.code, "timeout") != 0)
                return false;
        const bool soft = limit == run->message.soft_limit_ms;
        problem_set(&run->why, "task", soft ? "soft_time_limit" : "time_limit", "%g", (double)limit / 1000);
        return true;
}

bool run_write_result(struct run *run)
{
        buffer_reset(&run->result);
        const json_t *own = run->outcome.result;
        if (own || run->def->flags & TASK_PLAIN) {
                json_write(own ? own : json_null(), &run->result);
                return !run->result.failed;
        }
        if (json_object_update(run->document, run->outcome.sections) != 0)
                return false;
        json_write(run->document, &run->result);
        return !run->result.failed;
}

static unsigned retry_limit(const struct run *run)
{
        return run->wish.limit >= 0 ? (unsigned)run->wish.limit : run->def->retry.limit;
}

bool run_attempts_used_up(struct run *run)
{
        const struct task_message *m = &run->message;
        const struct failed_attempt attempt = { .reply = &run->reply,
                                                .now_ms = clock_wall_ms(),
                                                .patience_ms =
                                                        1000 * (uint64_t)run->worker->config->outage_patience_s };
        run->failures = excuse_add(&m->failures, m->retries, &attempt);
        run->excused = run->failures.excused > m->failures.excused;
        return excuse_counted(&run->failures, m->retries, &attempt) > retry_limit(run);
}

uint64_t run_retry_wait_ms(const struct run *run)
{
        const struct retry_policy *policy = &run->def->retry;
        if (run->wish.delay_ms >= 0)
                return (uint64_t)run->wish.delay_ms;
        uint64_t wait_ms = backoff_ms(policy->base_ms, policy->cap_ms, run->message.retries, random_bits());
        if (run->excused && wait_ms < excuse_wait_ms(run->failures.excused))
                wait_ms = excuse_wait_ms(run->failures.excused);
        if (run->reply.out)
                return run_spread_ms(wait_ms < run->reply.wait_ms ? run->reply.wait_ms : wait_ms);
        return wait_ms < run->reply.wait_ms ? run->reply.wait_ms : wait_ms;
}

uint64_t run_spread_ms(uint64_t wait_ms)
{
        enum { MOST_SPREAD_MS = 300000 };
        const uint64_t spread_ms = wait_ms < MOST_SPREAD_MS ? wait_ms : MOST_SPREAD_MS;
        return wait_ms + random_bits() % (spread_ms + 1);
}

const char *run_queue_of(const char *name, void *catalog)
{
        const struct task *task = catalog_task(catalog, name);
        return task ? task->def->queue : NULL;
}

void run_describe_input(struct run *run)
{
        const struct task_message *m = &run->message;
        const struct delivery *d = run->delivery;
        run->place = (struct request_place){ .queue = d->queue,
                                             .exchange = d->exchange,
                                             .routing_key = d->routing_key,
                                             .worker = run->worker->config->name,
                                             .redelivered = d->redelivered };
        run->input = (struct task_input){ .document = run->document,
                                          .args = m->args,
                                          .kwargs = m->kwargs,
                                          .arena = &run->arena,
                                          .task = run->task,
                                          .message = m,
                                          .place = &run->place,
                                          .wish = &run->wish };
}

void run_recall_failure(struct run *run, const json_t *error)
{
        const json_t *own = json_object_get(error, "exception");
        if (own)
                task_raise(&run->input, &run->why, json_text(own, "type", ""), json_text(own, "module", ""),
                           json_incref(json_object_get(own, "args")));
        const struct raised *raised = own ? run->why.raised : NULL;
        problem_set(&run->why, json_text(error, "source", "task"), json_text(error, "code", "failed"), "%s",
                    json_text(error, "text", "failed before"));
        run->why.raised = raised;
        run->died_of = (unsigned)json_number(error, "attempts", 0);
        run->transient = json_is_true(json_object_get(error, "transient"));
}

enum step run_give_up(struct run *run)
{
        if (run->wish.unexplained)
                problem_set(&run->why, "task", "retries_exhausted", "Can't retry %s[%s] args:%s kwargs:%s",
                            run->message.name, run->message.id, ask_json(&run->input, run->message.args),
                            ask_json(&run->input, run->message.kwargs));
        return STEP_DEAD;
}

/* ---- what the store is told of it ---- */

static const char *pipeline_name(const struct run *run)
{
        return run->pipeline ? run->pipeline->name : "";
}

/* NULL: an errback is no branch of its job, whose state and document stay as they are. */
static const char *job_pipeline(const struct run *run)
{
        return run->message.aside ? NULL : pipeline_name(run);
}

/* Without memory for it the store can't count it, should Redis forget. */
static const char *run_chord_part(struct run *run)
{
        const struct task_message *m = &run->message;
        if (!m->chord || !m->group_id)
                return NULL;
        return m->group_index < 0 ? arena_printf(&run->arena, "%s:+inf", m->group_id)
                                  : arena_printf(&run->arena, "%s:%lld", m->group_id, (long long)m->group_index);
}

void run_describe_claim(struct run *run)
{
        const struct task_message *m = &run->message;
        run->claim = (struct claim){
                .id = m->id,
                .root_id = m->root_id,
                .parent_id = m->parent_id,
                .name = m->name,
                .pipeline = job_pipeline(run),
                .retries = m->retries,
                .nesting = m->nesting,
                .lease_ms = run_deadline_ms(run) + run->worker->config->lease_slack_ms,
                .sees = run->sees,
        };
        for (const struct task_sees *s = run->def->sees; s->kind; s++)
                run->sees[run->claim.see_count++] =
                        (struct fact_set){ s->kind, json_string_value(json_at(run->document, s->owner)) };
}

bool run_describe_commit(struct run *run)
{
        const int branches = run_branches(run);
        run->commit = (struct commit){
                .id = run->message.id,
                .root_id = run->message.root_id,
                .name = run->message.name,
                .pipeline = pipeline_name(run),
                .traceparent = run->message.traceparent,
                .result = buffer_view(&run->result),
                .nesting = run->message.nesting,
                .sends = run->outcome.sends,
                .outcome = &run->outcome,
                .branches = branches < 0 ? 0 : (unsigned)branches,
                .chain = run->message.chain,
                .has_job = !run->message.aside,
                .chord_part = run_chord_part(run),
        };
        if (run->def->ask) {
                run->commit.provider = run->reply.provider;
                run->commit.model = run->reply.model;
                run->commit.tokens_in = run->reply.tokens_in;
                run->commit.tokens_out = run->reply.tokens_out;
                run->commit.cost_nano = run->reply.cost_nano;
                run->commit.elapsed_ms = run->reply.elapsed_ms;
        }
        return branches >= 0;
}

/* Without memory for it there is none: the failure itself must not wait for that. */
static void run_describe_event(struct run *run)
{
        const char *user = json_text(json_object_get(run->document, "job"), "user_id", NULL);
        json_decref(run->failed_payload);
        run->failed_payload = failed_event_payload(run->failure.root_id, user, run->failure.why);
        failed_event_type(run->failure.pipeline, run->failed_type);
        run->failure.aggregate_type = *run->failure.pipeline ? run->failure.pipeline : "job";
        run->failure.event_type = run->failed_payload ? run->failed_type : NULL;
        run->failure.payload = run->failed_payload;
        run->failure.traceparent = run->message.traceparent;
}

void run_describe_failure(struct run *run, const struct scheduled *again)
{
        const struct task_message *m = &run->message;
        run->failure = (struct failure){
                .id = m->id,
                .root_id = m->root_id ? m->root_id : m->id,
                .parent_id = m->parent_id,
                .name = m->name,
                .pipeline = job_pipeline(run),
                .attempts = m->retries + 1,
                .why = &run->why,
                .transient = run->transient,
                .excused = run->excused,
                .again = again,
                .tokens_in = run->reply.tokens_in,
                .tokens_out = run->reply.tokens_out,
                .cost_nano = run->reply.cost_nano,
                .chord_part = run_chord_part(run),
        };
        if (!again && !m->aside)
                run_describe_event(run);
}

void run_describe_body_failure(struct run *run, const char *id, const char *name)
{
        const struct task_message *m = &run->message;
        run->failure = (struct failure){ .id = id,
                                         .root_id = m->root_id ? m->root_id : m->id,
                                         .parent_id = m->id,
                                         .name = name,
                                         .pipeline = job_pipeline(run),
                                         .attempts = 1,
                                         .why = run->telling.unjoined };
        if (!m->aside)
                run_describe_event(run);
}

struct dead_record run_describe_death(const struct run *run, char id[ID_TEXT_SIZE])
{
        id_new(id);
        return (struct dead_record){
                .source = run->why.source,
                .code = run->why.code,
                .text = run->why.text,
                .at_ms = clock_wall_ms(),
                .attempts = run->died_of > run->message.retries ? run->died_of : run->message.retries + 1,
                .trace_id = run->message.traceparent,
                .worker = run->worker->config->name,
                .verdict = run->transient ? "transient" : "permanent",
                .id = id,
        };
}

bool run_make_again(struct run *run, int64_t due_ms, const char *reason, enum run_event_kind as)
{
        const unsigned retries = run->message.retries + (as == RUN_RETRYING ? 1 : 0);
        run->again_kind = as;
        message_free(run->again_message);
        run->again_message = as == RUN_RETRYING && run->def->ask
                                     ? task_message_retry(&run->message, "", run->delivery->queue, &run->failures)
                                     : task_message_again(&run->message, "", run->delivery->queue, retries);
        run->again = (struct scheduled){
                .message = run->again_message,
                .due_ms = due_ms,
                .reason = reason,
                .task_id = run->message.id,
                .root_id = as == RUN_SCHEDULED ? run->message.root_id : NULL, /* it may not have been claimed yet */
        };
        return run->again_message != NULL;
}
