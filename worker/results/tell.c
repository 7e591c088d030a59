/* SPDX-License-Identifier: Apache-2.0 */
/* What the world is told of a task that has ended: the step "tell" stores its result, and FAILURE for those that can't run any more, and
 * calls its errbacks. It comes after the commit and before the ack, so a crash tells again; everything here may be repeated. */
#include "worker/run/run.h"

#include "core/clock.h"
#include "core/json.h"
#include "core/log.h"
#include "core/text/utf8.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* ---- is there anything to tell? ---- */

static struct results_address address_of(const struct run *run, const char *task_id)
{
        const struct task_message *m = &run->message;
        const bool own = strcmp(task_id, m->id) == 0;
        return (struct results_address){ .task_id = task_id,
                                         .reply_to = m->reply_to,
                                         .correlation_id = own ? m->correlation_id : NULL,
                                         .late = run->telling.late,
                                         .interim = run->telling.what == TELL_RETRY };
}

static bool run_tell_wanted(const struct run *run)
{
        if (!run->message.id || run->message.ignore_result)
                return false;
        const struct results_address to = address_of(run, run->message.id);
        return results_wanted(run->worker->results, &to);
}

static bool in_chord(const struct run *run)
{
        const struct task_message *m = &run->message;
        return m->id && m->chord && m->group_id && results_chords(run->worker->results);
}

/* Does what was to follow never run? */
static bool ends_chain(enum tell what)
{
        return what == TELL_FAILURE || what == TELL_REVOKED;
}

enum step run_tell_or_ack(struct run *run)
{
        const enum tell what = run->telling.what;
        if (what == TELL_NOTHING)
                return STEP_ACK;
        if (run_tell_wanted(run) || (what != TELL_RETRY && in_chord(run)))
                return STEP_TELL;
        /* Those that can't run any more may be parts of chords. */
        const bool counted = run_has_successor(run) && results_chords(run->worker->results);
        const bool fails = what == TELL_FAILURE && run->message.errbacks;
        return run->message.id && (fails || (ends_chain(what) && counted)) ? STEP_TELL : STEP_ACK;
}

/* ---- one result ---- */

static const char *status_of(const struct run *run)
{
        switch (run->telling.what) {
        case TELL_SUCCESS: return "SUCCESS";
        case TELL_RETRY: return "RETRY";
        case TELL_REVOKED: return "REVOKED";
        case TELL_NOTHING:
        case TELL_FAILURE: break;
        }
        return strcmp(run->why.code, "expired") == 0 ? "REVOKED" : "FAILURE";
}

/* As Celery's, NotRegistered says the task's name and nothing else: the client makes a sentence of it. */
struct result_exception run_exception_of(const struct run *run, const struct problem *why)
{
        struct result_exception e = results_exception_of(why);
        if (why == &run->why && !run->def && run->message.name && strcmp(why->code, "unknown_task") == 0)
                e.text = run->message.name;
        return e;
}

static const char *ran_by(const struct run *run)
{
        return run->telling.worker ? run->telling.worker : run->worker->config->name;
}

void run_add_traceback(const struct run *run, const struct problem *why, struct buffer *out)
{
        const struct result_exception e = run_exception_of(run, why);
        const struct task_message *m = &run->message;
        buffer_addf(out, "Traceback (most recent call last):\n  worker %s, task %s[%s], attempt %u, in %s\n%s.%s: %s",
                    ran_by(run), m->name ? m->name : "?", m->id, m->retries + 1, why->source, e.module, e.type,
                    why->text);
}

/* False when memory ran out: then neither is whole, and neither may be used. */
static bool run_tell_describe_failure(const struct run *run, const struct problem *why, struct buffer *exception,
                                      struct buffer *traceback)
{
        const struct result_exception e = run_exception_of(run, why);
        results_exception(&e, exception);
        run_add_traceback(run, why, traceback);
        buffer_add_byte(traceback, '\0');
        return !traceback->failed && !exception->failed;
}

enum step run_after_told(struct run *run)
{
        if (run->closing)
                return STEP_END;
        return run->telling.starved ? run_out_of_memory(run) : run->then(run);
}

static void on_told(enum results_answer answer, const struct problem *why, void *arg)
{
        struct run *run = (struct run *)arg;
        if (answer == RESULTS_REFUSED)
                log_error("worker", "task=%s its result can't be stored: %s", run->message.id, why->text);
        if (answer == RESULTS_AWAY)
                run->telling.away = true;
        if (answer == RESULTS_STARVED)
                run->telling.starved = true;
        if (answer == RESULTS_CLOSED)
                run->closing = true;
        if (--run->publishes == 0)
                run_go(run, run_after_told(run));
}

/* Told so late that it would have been forgotten by now? */
static bool is_forgotten(const struct run *run)
{
        const int64_t kept_ms = (int64_t)run->worker->config->result_expires_s * 1000;
        return run->telling.late && kept_ms && clock_wall_ms() - run->telling.done_ms >= kept_ms;
}

static void store(struct run *run, const struct result_meta *meta)
{
        struct buffer text = { 0 };
        const struct results_address to = address_of(run, meta->task_id);
        results_meta(meta, &text);
        run->telling.starved = run->telling.starved || text.failed;
        if (!text.failed && results_wanted(run->worker->results, &to) && !is_forgotten(run)) {
                run->publishes++;
                results_store(run->worker->results, &to, buffer_view(&text), on_told, run);
        }
        buffer_free(&text);
}

/* ---- tell ---- */

static enum step send_errbacks(struct run *run);

static void store_own(struct run *run)
{
        const struct task_message *m = &run->message;
        const bool success = run->telling.what == TELL_SUCCESS;
        struct buffer children = { 0 }, exception = { 0 }, traceback = { 0 };
        if (run->telling.children)
                json_write(run->telling.children, &children);
        const bool whole = success || run_tell_describe_failure(run, &run->why, &exception, &traceback);
        const struct result_meta meta = {
                .status = status_of(run),
                .result = success ? buffer_view(&run->result) : buffer_view(&exception),
                .traceback = success ? NULL : (const char *)traceback.data,
                .children = buffer_view(&children),
                .done_ms = run->telling.what == TELL_RETRY ? 0 : run->telling.done_ms,
                .task_id = m->id,
                .group_id = m->group_id,
                .parent_id = m->parent_id,
        };
        if (whole && !children.failed)
                store(run, &meta);
        else
                run->telling.starved = true;
        buffer_free(&children);
        buffer_free(&exception);
        buffer_free(&traceback);
}

/* Celery's worker finds there what was sent until then in the name of the task in hand: its own children, and errbacks. New reference, or NULL. */
static json_t *children_of(const struct run *run, const json_t *row)
{
        const struct following *sent = &run->following;
        const json_t *count = json_object_get(sent->owners, json_text(row, "id", ""));
        const size_t all = json_array_size(sent->children);
        const size_t some = json_is_integer(count)          ? (size_t)json_integer_value(count)
                            : json_object_get(row, "group") ? all
                                                            : 0;
        json_t *children = some > 0 ? json_array() : NULL;
        if (some > 0)
                json_array_extend(children, run->telling.children);
        for (size_t i = 0; i < some && i < all; i++)
                json_array_append(children, json_array_get(sent->children, i));
        return children;
}

void run_abandon(struct run *run, json_t *abandoned_takes, const struct problem *why, struct bytes cause)
{
        struct buffer exception = { 0 }, traceback = { 0 };
        if (!abandoned_takes || !run_tell_describe_failure(run, why, &exception, &traceback))
                run->telling.starved = true;
        const struct bytes shown = cause.size ? cause : buffer_view(&exception);
        for (size_t i = 0; !run->telling.starved && i < json_array_size(abandoned_takes); i++) {
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
                        .done_ms = run->telling.done_ms,
                        .task_id = json_text(row, "id", ""),
                        .group_id = json_text(row, "group_id", NULL),
                        .parent_id = json_text(row, "parent_id", NULL),
                };
                run->telling.starved = run->telling.starved || children.failed;
                if (!run->message.ignore_result && !children.failed)
                        store(run, &meta);
                buffer_free(&children);
                run_add_part(run, row, "FAILURE", shown);
        }
        json_decref(abandoned_takes);
        buffer_free(&exception);
        buffer_free(&traceback);
}

/* JSON holds nothing but UTF-8; an id of a message may be anything, and such a part is nobody's. */
static bool is_text(const char *text)
{
        size_t size = 0;
        while (*text && utf8_next(text, &size))
                text += size;
        return *text == '\0';
}

static void add_own_part(struct run *run)
{
        const struct task_message *m = &run->message;
        struct buffer exception = { 0 };
        const struct result_exception e = run_exception_of(run, &run->why);
        json_t *row = json_pack("{s:s, s:s, s:I, s:O}", "id", m->id, "group_id", m->group_id, "group_index",
                                m->group_index, "chord", m->chord);
        results_exception(&e, &exception);
        if (!row && is_text(m->id) && is_text(m->group_id))
                run->telling.starved = true;
        else if (!exception.failed)
                run_add_part(run, row, status_of(run),
                             run->telling.what == TELL_SUCCESS ? buffer_view(&run->result) : buffer_view(&exception));
        else
                run->telling.starved = true;
        buffer_free(&exception);
        json_decref(row);
}

enum step run_tell_result(struct run *run)
{
        const enum tell what = run->telling.what;
        if (what == TELL_SUCCESS && run->result.size == 0 && !run_write_result(run))
                return run_out_of_memory(run);
        if (!run->telling.done_ms)
                run->telling.done_ms = clock_wall_ms();
        run->publishes = 1; /* nothing goes on before all is asked for */
        run->then = send_errbacks;
        run->telling.starved = false;
        const unsigned long lost = json_memory_lost();
        if (run_tell_wanted(run))
                store_own(run);
        if (what != TELL_RETRY && in_chord(run))
                add_own_part(run);
        if (ends_chain(what))
                run_abandon(run, signatures_abandoned(run->message.chain), &run->why, (struct bytes){ NULL, 0 });
        run->telling.starved = run->telling.starved || json_memory_lost() != lost;
        return --run->publishes == 0 ? run_after_told(run) : STEP_WAIT;
}

static int make_errbacks(struct run *run, struct following *following, struct problem *why)
{
        const struct follow_how how = run_how(run);
        struct buffer exception = { 0 }, traceback = { 0 };
        const bool whole = run_tell_describe_failure(run, &run->why, &exception, &traceback);
        const struct failure_told told = { .exception = buffer_view(&exception),
                                           .traceback = (const char *)traceback.data,
                                           .worker = ran_by(run) };
        const int code = !whole ? -ENOMEM : task_message_errbacks(&run->message, &told, &how, following, why);
        buffer_free(&exception);
        buffer_free(&traceback);
        return code;
}

static enum step send_errbacks(struct run *run)
{
        struct following following = { 0 };
        struct problem why = { 0 };
        if (run->telling.what != TELL_FAILURE || !run->message.errbacks || run->telling.called)
                return STEP_JOIN;
        const int code = make_errbacks(run, &following, &why);
        if (code < 0)
                return run_out_of_memory(run);
        if (code) {
                log_error("worker", "task=%s its errbacks can't be sent: %s", run->message.id, why.text);
                return STEP_JOIN;
        }
        return run_send(run, &following, run_then_join);
}

enum step run_then_join(struct run *run)
{
        run->telling.called = true;
        return STEP_JOIN;
}

enum step run_all_told(const struct run *run)
{
        return run->telling.away ? STEP_OWE : STEP_ACK;
}

/* ---- started ---- */

static void on_ignored(enum results_answer answer, const struct problem *why, void *arg)
{
        (void)answer, (void)why, (void)arg; /* it is soon overwritten */
}

void run_tell_started(const struct run *run)
{
        if (!run->worker->config->track_started || !run_tell_wanted(run))
                return;
        const struct results_address to = address_of(run, run->message.id);
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
