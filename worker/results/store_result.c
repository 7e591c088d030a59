/* SPDX-License-Identifier: Apache-2.0 */
/* The step "result": of a task that has ended the result is stored, and FAILURE for those that can't run any more, and its errbacks are
 * called. It comes after the commit and before the ack, so a crash does it again; everything here may be repeated. */
#include "worker/run/run.h"

#include "core/clock.h"
#include "core/json.h"
#include "core/log.h"
#include "core/text/utf8.h"
#include "store/meaning.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static const char *const states[] = {
        [RESULT_NONE] = "",       [RESULT_SUCCESS] = "SUCCESS", [RESULT_FAILURE] = "FAILURE",
        [RESULT_RETRY] = "RETRY", [RESULT_REVOKED] = "REVOKED",
};

void run_set_result_state(struct run *run, enum result_state state)
{
        run->result.state = state;
}

enum result_state run_result_state(const struct run *run)
{
        return run->result.state;
}

void run_set_children(struct run *run, json_t *children)
{
        json_decref(run->result.children);
        run->result.children = json_incref(children);
}

void run_mark_unsent(struct run *run)
{
        run->result.unsent = true;
}

void run_mark_starved(struct run *run)
{
        run->result.starved = true;
}

void run_mark_away(struct run *run)
{
        run->result.away = true;
}

/* ---- is one wanted? ---- */

static struct results_address store_result_address(const struct run *run, const char *task_id)
{
        const struct task_message *m = &run->message;
        const bool own = strcmp(task_id, m->id) == 0;
        return (struct results_address){ .task_id = task_id,
                                         .reply_to = m->reply_to,
                                         .correlation_id = own ? m->correlation_id : NULL,
                                         .late = run->result.late,
                                         .interim = run->result.state == RESULT_RETRY };
}

static bool store_result_wanted(const struct run *run)
{
        if (!run->message.id || run->message.ignore_result)
                return false;
        const struct results_address to = store_result_address(run, run->message.id);
        return results_wanted(run->worker->results, &to);
}

static bool in_chord(const struct run *run)
{
        const struct task_message *m = &run->message;
        return m->id && m->chord && m->group_id && results_chords(run->worker->results);
}

/* Does what was to follow never run? */
static bool ends_chain(enum result_state state)
{
        return state == RESULT_FAILURE || state == RESULT_REVOKED;
}

enum step run_result_or_ack(struct run *run)
{
        const enum result_state state = run->result.state;
        if (state == RESULT_NONE)
                return STEP_ACK;
        if (store_result_wanted(run) || (state != RESULT_RETRY && in_chord(run)))
                return STEP_RESULT;
        /* Those that can't run any more may be parts of chords. */
        const bool counted = run_has_successor(run) && results_chords(run->worker->results);
        const bool fails = state == RESULT_FAILURE && run->message.errbacks;
        return run->message.id && (fails || (ends_chain(state) && counted)) ? STEP_RESULT : STEP_ACK;
}

/* ---- one result ---- */

static const char *store_result_status(const struct run *run)
{
        switch (run->result.state) {
        case RESULT_SUCCESS: return "SUCCESS";
        case RESULT_RETRY: return "RETRY";
        case RESULT_REVOKED: return "REVOKED";
        case RESULT_NONE:
        case RESULT_FAILURE: break;
        }
        return strcmp(run->why->code, "expired") == 0 ? "REVOKED" : "FAILURE";
}

/* As Celery's, NotRegistered says the task's name and nothing else: the client makes a sentence of it. */
struct result_exception run_exception_of(const struct run *run, const struct problem *why)
{
        struct result_exception e = results_exception_of(why);
        if (why == run->why && !run->def && run->message.name && strcmp(why->code, "unknown_task") == 0)
                e.text = run->message.name;
        return e;
}

static const char *store_result_worker(const struct run *run)
{
        return run->result.worker ? run->result.worker : run->worker->config->name;
}

void run_add_traceback(const struct run *run, const struct problem *why, struct buffer *out)
{
        const struct result_exception e = run_exception_of(run, why);
        const struct task_message *m = &run->message;
        buffer_addf(out, "Traceback (most recent call last):\n  worker %s, task %s[%s], attempt %u, in %s\n%s.%s: %s",
                    store_result_worker(run), m->name ? m->name : "?", m->id, m->retries + 1, why->source, e.module,
                    e.type, why->text);
}

/* False when memory ran out: then neither is whole, and neither may be used. */
static bool store_result_describe_failure(const struct run *run, const struct problem *why, struct buffer *exception,
                                          struct buffer *traceback)
{
        const struct result_exception e = run_exception_of(run, why);
        results_exception(&e, exception);
        run_add_traceback(run, why, traceback);
        buffer_add_byte(traceback, '\0');
        return !traceback->failed && !exception->failed;
}

void run_results_begin(struct run *run, run_then *then)
{
        run->result.open = 1; /* nothing goes on before all is asked for */
        run->result.then = then;
        run->result.starved = false;
}

static enum step store_result_after(struct run *run)
{
        if (run->result.closed)
                return STEP_END;
        return run->result.starved ? run_out_of_memory(run) : run->result.then(run);
}

enum step run_results_end(struct run *run)
{
        return --run->result.open == 0 ? store_result_after(run) : STEP_WAIT;
}

static void store_result_on_stored(enum results_answer answer, const struct problem *why, void *arg)
{
        struct run *run = (struct run *)arg;
        if (answer == RESULTS_REFUSED)
                log_error("worker", "task=%s its result can't be stored: %s", run->message.id, why->text);
        if (answer == RESULTS_AWAY)
                run->result.away = true;
        if (answer == RESULTS_STARVED)
                run->result.starved = true;
        if (answer == RESULTS_CLOSED)
                run->result.closed = true;
        if (--run->result.open == 0)
                run_go(run, store_result_after(run));
}

/* Told so late that it would have been forgotten by now? */
static bool is_forgotten(const struct run *run)
{
        const int64_t kept_ms = (int64_t)run->worker->config->result_expires_s * 1000;
        return run->result.late && kept_ms && clock_wall_ms() - run->result.done_ms >= kept_ms;
}

static void store_result_one(struct run *run, const struct result_meta *meta)
{
        struct buffer text = { 0 };
        const struct results_address to = store_result_address(run, meta->task_id);
        results_meta(meta, &text);
        run->result.starved = run->result.starved || text.failed;
        if (!text.failed && results_wanted(run->worker->results, &to) && !is_forgotten(run)) {
                run->result.open++;
                results_store(run->worker->results, &to, buffer_view(&text), store_result_on_stored, run);
        }
        buffer_free(&text);
}

/* ---- the step ---- */

static enum step send_errbacks(struct run *run);
static enum step after_errbacks(struct run *run);

static void store_own(struct run *run)
{
        const struct task_message *m = &run->message;
        const bool success = run->result.state == RESULT_SUCCESS;
        struct buffer children = { 0 }, exception = { 0 }, traceback = { 0 };
        if (run->result.children)
                json_write(run->result.children, &children);
        const bool whole = success || store_result_describe_failure(run, run->why, &exception, &traceback);
        const struct result_meta meta = {
                .status = store_result_status(run),
                .result = success ? run_result(run) : buffer_view(&exception),
                .traceback = success ? NULL : (const char *)traceback.data,
                .children = buffer_view(&children),
                .done_ms = run->result.state == RESULT_RETRY ? 0 : run->result.done_ms,
                .task_id = m->id,
                .group_id = m->group_id,
                .parent_id = m->parent_id,
        };
        if (whole && !children.failed)
                store_result_one(run, &meta);
        else
                run->result.starved = true;
        buffer_free(&children);
        buffer_free(&exception);
        buffer_free(&traceback);
}

/* Celery's worker finds there what was sent until then in the name of the task in hand: its own children, and errbacks. New reference, or NULL. */
static json_t *children_of(const struct run *run, const json_t *row)
{
        const struct following *sent = run_unjoined_errbacks(run);
        const json_t *count = json_object_get(sent->owners, json_text(row, "id", ""));
        const size_t all = json_array_size(sent->children);
        const size_t some = json_is_integer(count)          ? (size_t)json_integer_value(count)
                            : json_object_get(row, "group") ? all
                                                            : 0;
        json_t *children = some > 0 ? json_array() : NULL;
        if (some > 0)
                json_array_extend(children, run->result.children);
        for (size_t i = 0; i < some && i < all; i++)
                json_array_append(children, json_array_get(sent->children, i));
        return children;
}

void run_abandon(struct run *run, json_t *abandoned_takes, const struct problem *why, struct bytes cause)
{
        struct buffer exception = { 0 }, traceback = { 0 };
        if (!abandoned_takes || !store_result_describe_failure(run, why, &exception, &traceback))
                run->result.starved = true;
        const struct bytes shown = cause.size ? cause : buffer_view(&exception);
        for (size_t i = 0; !run->result.starved && i < json_array_size(abandoned_takes); i++) {
                json_t *row = json_array_get(abandoned_takes, i), *sent = children_of(run, row);
                struct buffer children = { 0 };
                if (sent)
                        json_write(sent, &children);
                json_decref(sent);
                const struct result_meta meta = {
                        .status = "FAILURE",
                        .children = buffer_view(&children),
                        .result = shown,
                        .traceback = (const char *)traceback.data,
                        .done_ms = run->result.done_ms,
                        .task_id = json_text(row, "id", ""),
                        .group_id = json_text(row, "group_id", NULL),
                        .parent_id = json_text(row, "parent_id", NULL),
                };
                run->result.starved = run->result.starved || children.failed;
                if (!run->message.ignore_result && !children.failed)
                        store_result_one(run, &meta);
                buffer_free(&children);
                run_add_part(run, row, "FAILURE", shown);
        }
        json_decref(abandoned_takes);
        buffer_free(&exception);
        buffer_free(&traceback);
}

/* JSON holds nothing but UTF-8; an id of a message may be anything, and such a part is nobody's. */
static void add_own_part(struct run *run)
{
        const struct task_message *m = &run->message;
        struct buffer exception = { 0 };
        const struct result_exception e = run_exception_of(run, run->why);
        json_t *row = json_pack("{s:s, s:s, s:I, s:O}", "id", m->id, "group_id", m->group_id, "group_index",
                                m->group_index, "chord", m->chord);
        results_exception(&e, &exception);
        if (!row && utf8_is(m->id) && utf8_is(m->group_id))
                run->result.starved = true;
        else if (!exception.failed)
                run_add_part(run, row, store_result_status(run),
                             run->result.state == RESULT_SUCCESS ? run_result(run) : buffer_view(&exception));
        else
                run->result.starved = true;
        buffer_free(&exception);
        json_decref(row);
}

enum step run_store_result(struct run *run)
{
        const enum result_state state = run->result.state;
        if (state == RESULT_SUCCESS && run_result(run).size == 0 && !run_write_result(run))
                return run_out_of_memory(run);
        if (!run->result.done_ms)
                run->result.done_ms = clock_wall_ms();
        run_results_begin(run, send_errbacks);
        const unsigned long lost = json_memory_lost();
        if (store_result_wanted(run))
                store_own(run);
        if (state != RESULT_RETRY && in_chord(run))
                add_own_part(run);
        if (ends_chain(state))
                run_abandon(run, signatures_abandoned(run->message.chain), run->why, (struct bytes){ NULL, 0 });
        run->result.starved = run->result.starved || json_memory_lost() != lost;
        return run_results_end(run);
}

static int make_errbacks(struct run *run, struct following *following, struct problem *why)
{
        const struct follow_how how = run_how(run);
        struct buffer exception = { 0 }, traceback = { 0 };
        const bool whole = store_result_describe_failure(run, run->why, &exception, &traceback);
        const struct failure_told told = { .exception = buffer_view(&exception),
                                           .traceback = (const char *)traceback.data,
                                           .worker = store_result_worker(run) };
        const int code = !whole ? -ENOMEM : task_message_errbacks(&run->message, &told, &how, following, why);
        buffer_free(&exception);
        buffer_free(&traceback);
        return code;
}

static enum step send_errbacks(struct run *run)
{
        struct following following = { 0 };
        struct problem why = { 0 };
        if (run->result.state != RESULT_FAILURE || !run->message.errbacks || run->result.called)
                return STEP_JOIN;
        const int code = make_errbacks(run, &following, &why);
        if (code < 0)
                return run_out_of_memory(run);
        if (code) {
                log_error("worker", "task=%s its errbacks can't be sent: %s", run->message.id, why.text);
                return STEP_JOIN;
        }
        return run_send(run, &following, after_errbacks);
}

static enum step after_errbacks(struct run *run)
{
        run->result.called = true;
        return STEP_JOIN;
}

enum step run_all_stored(const struct run *run)
{
        return run->result.away ? STEP_OWE : STEP_ACK;
}

/* ---- as a row of the store ---- */

json_t *run_result_json(const struct run *run)
{
        const struct result_part *t = &run->result;
        const struct bytes text = run_result(run);
        const struct failure failure = { .why = run->why };
        json_t *result = text.size ? json_stringn_nocheck((const char *)text.data, text.size) : json_string("");
        return json_pack("{s:s, s:s, s:s, s:o, s:O?, s:O?, s:o, s:I, s:b}", "step", t->unsent ? "publish" : "result",
                         "state", states[t->state], "worker", run->worker->config->name, "why", failure_error(&failure),
                         "children", t->children, "sends", run_sends(run), "result", result, "done_ms",
                         (json_int_t)t->done_ms, "called", (int)t->called);
}

static enum result_state state_of(const json_t *row)
{
        const char *said = json_text(row, "state", "");
        for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++)
                if (strcmp(states[i], said) == 0)
                        return (enum result_state)i;
        return RESULT_NONE;
}

/* What follows it was not sent. */
static enum step restore_unsent(struct run *run, json_t *row)
{
        json_t *sends = json_object_get(row, "sends");
        if (!run->def || !run_new_outcome(run))
                return STEP_END; /* somebody else may know that task */
        if (json_is_array(sends))
                run_take_sends(run, sends);
        return STEP_PUBLISH;
}

enum step run_result_restore(struct run *run, json_t *row)
{
        struct result_part *t = &run->result;
        const json_t *result = json_object_get(row, "result");
        t->state = state_of(row);
        t->worker = arena_string(&run->arena, json_text(row, "worker", run->worker->config->name));
        t->done_ms = json_number(row, "done_ms", 0);
        t->called = json_is_true(json_object_get(row, "called"));
        if (json_string_length(result))
                run_take_result(run, bytes_of(json_string_value(result), json_string_length(result)));
        if (strcmp(json_text(row, "step", ""), "publish") == 0)
                return restore_unsent(run, row);
        t->late = !json_is_true(json_object_get(row, "first"));
        run_set_children(run, json_object_get(row, "children"));
        return STEP_RESULT;
}

/* ---- started ---- */

static void on_ignored(enum results_answer answer, const struct problem *why, void *arg)
{
        (void)answer, (void)why, (void)arg; /* it is soon overwritten */
}

void run_store_started(const struct run *run)
{
        if (!run->worker->config->track_started || !store_result_wanted(run))
                return;
        const struct results_address to = store_result_address(run, run->message.id);
        struct buffer who = { 0 }, text = { 0 };
        buffer_addf(&who, "{\"pid\": %ld, \"hostname\": ", (long)getpid());
        json_write_text(bytes_of_string(run->worker->config->name), &who);
        buffer_add_byte(&who, '}');
        const struct result_meta meta = { .status = "STARTED",
                                          .result = buffer_view(&who),
                                          .task_id = run->message.id,
                                          .group_id = run->message.group_id,
                                          .parent_id = run->message.parent_id };
        results_meta(&meta, &text);
        if (!who.failed && !text.failed)
                results_store(run->worker->results, &to, buffer_view(&text), on_ignored, NULL);
        buffer_free(&who);
        buffer_free(&text);
}
