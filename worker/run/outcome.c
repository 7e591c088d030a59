/* SPDX-License-Identifier: Apache-2.0 */
/* What a task has worked out: its result, what it sends, and the commit of both with its events and facts (I2, I4). */
#include "worker/run/run.h"

#include "core/json.h"

#include <errno.h>
#include <string.h>

struct outcome *run_new_outcome(struct run *run)
{
        return outcome_open(&run->outcome.wants, &run->arena) < 0 ? NULL : &run->outcome.wants;
}

void run_drop_outcome(struct run *run)
{
        outcome_close(&run->outcome.wants);
}

void run_take_sends(struct run *run, json_t *sends)
{
        run->outcome.wants.sends = json_incref(sends);
}

bool run_take_result(struct run *run, struct bytes result)
{
        buffer_reset(&run->outcome.result);
        buffer_add(&run->outcome.result, result.data, result.size);
        return !run->outcome.result.failed;
}

bool run_is_replaced(const struct run *run)
{
        return sends_replace(run_sends(run));
}

/* Is its result what its task gave, rather than its document? */
static bool outcome_is_plain(const struct run *run)
{
        return run_own_result(run) || run->def->flags & TASK_PLAIN;
}

const json_t *run_result_value(const struct run *run)
{
        return outcome_is_plain(run) ? run_own_result(run) : run_document(run);
}

bool run_write_result(struct run *run)
{
        struct buffer *result = &run->outcome.result;
        const json_t *own = run_own_result(run);
        buffer_reset(result);
        if (outcome_is_plain(run)) {
                json_write(own ? own : json_null(), result);
                return !result->failed;
        }
        if (json_object_update(run_document(run), run->outcome.wants.sections) != 0)
                return false;
        json_write(run_document(run), result);
        return !result->failed;
}

/* Does what it sends say its result? */
static bool says_result(const json_t *sends)
{
        for (size_t i = 0; i < json_array_size(sends); i++)
                if (strcmp(json_text(json_array_get(sends, i), "as", ""), "result") == 0)
                        return true;
        return false;
}

int run_make_following(struct run *run, struct following *out, struct problem *why)
{
        const struct follow_how how = run_how(run);
        const bool written = run->outcome.result.size > 0 || says_result(run_sends(run)) || run_is_replaced(run);
        if (!written && !run_write_result(run))
                return -ENOMEM;
        return task_message_sends(&run->message, run_sends(run), &how, &run->outcome.result, out, why);
}

/* ---- the commit ---- */

const char *run_span_context(struct run *run)
{
        const struct trace_context trace = run_trace_context(run, RUN_SPAN_COMMIT);
        return trace_write_properties(&run->arena, &trace);
}

/* Before it is stored: the result as text, empty where the task is replaced. 0; 1 with run->why; or -errno. */
static int outcome_settle_result(struct run *run)
{
        struct following following = { 0 };
        buffer_reset(&run->outcome.result);
        if (run_is_replaced(run))
                return 0;
        if (!says_result(run_sends(run)))
                return run_write_result(run) ? 0 : -ENOMEM;
        const int code = run_make_following(run, &following, run->why);
        following_clear(&following);
        return code;
}

/* False when memory ran out. */
static bool outcome_describe_commit(struct run *run)
{
        const int branches = run_branches(run);
        const struct task_message *m = &run->message;
        struct commit *commit = &run->outcome.commit;
        *commit = (struct commit){
                .id = m->id,
                .root_id = m->root_id,
                .name = m->name,
                .pipeline = run_pipeline_name(run),
                .span_context = run->outcome.wants.events ? run_span_context(run) : NULL,
                .result = run_result(run),
                .nesting = m->nesting,
                .sends = run_sends(run),
                .outcome = &run->outcome.wants,
                .branches = branches < 0 ? 0 : (unsigned)branches,
                .chain = m->chain,
                .has_job = !m->aside,
                .chord_part = run_chord_part(run),
        };
        if (run->def->ask) {
                const struct ai_reply *reply = run_reply(run);
                commit->provider = reply->provider;
                commit->model = reply->model;
                commit->tokens_in = reply->tokens_in;
                commit->tokens_out = reply->tokens_out;
                commit->cost_nano = reply->cost_nano;
                commit->elapsed_ms = reply->elapsed_ms;
        }
        return branches >= 0;
}

int run_commit(struct run *run, store_done *done)
{
        struct store *store = run->worker->store;
        const int code = outcome_settle_result(run);
        if (code)
                return code;
        if (!outcome_describe_commit(run))
                return -ENOMEM;
        store->run->commit(store, &run->outcome.commit, done, run);
        return 0;
}

void run_observed_committed(struct run *run)
{
        const bool kept = run_keeps_state(run), replaced = run_is_replaced(run);
        run_observed(run, RUN_COMMITTED, .replaced = replaced,
                     .last = kept ? run->outcome.commit.branches == 0 : !replaced && !run_has_successor(run));
}
