/* SPDX-License-Identifier: Apache-2.0 */
/* The step "join": a task in a chord's header is counted; the one that makes it complete sends the chord's body, or, where one of them
 * has failed, fails it. Parts wait in here: the task's own, and those of tasks that failed with it. */
#include "worker/run/run.h"

#include "core/json.h"
#include "core/log.h"

#include <errno.h>
#include <string.h>

static void run_join_on_counted(const struct chord_reply *reply, void *arg);

void run_add_part(struct run *run, json_t *row, const char *status, struct bytes result)
{
        if (!json_object_get(row, "chord") || !json_object_get(row, "group_id") ||
            !results_chords(run->worker->results))
                return;
        struct buffer member = { 0 };
        json_t *id = json_object_get(row, "id");
        buffer_add_string(&member, "[1, ");
        json_write(id, &member);
        buffer_addf(&member, ", \"%s\", ", status);
        buffer_add(&member, result.data, result.size);
        buffer_add_byte(&member, ']');
        if (!run->join.parts)
                run->join.parts = json_array();
        json_t *part = json_copy(row);
        if (member.failed ||
            json_object_set_new(part, "member", json_stringn((const char *)member.data, member.size)) != 0 ||
            json_array_append(run->join.parts, part) != 0)
                run_mark_starved(run);
        json_decref(part);
        buffer_free(&member);
}

bool run_look_again(struct run *run, json_t *part)
{
        run->join.parts = json_pack("[O]", part);
        run->join.looks = true;
        return run->join.parts != NULL;
}

void run_looked(struct run *run)
{
        run->join.looks = false;
}

const struct problem *run_unjoined(const struct run *run)
{
        return run->join.unjoined;
}

const struct following *run_unjoined_errbacks(const struct run *run)
{
        return &run->join.errbacks;
}

const json_t *run_part(const struct run *run)
{
        return json_array_get(run->join.parts, run->join.part);
}

enum step run_join(struct run *run)
{
        const json_t *row = run_part(run), *member = json_object_get(row, "member");
        if (!row)
                return run_all_stored(run);
        const struct chord_part part = {
                .group_id = json_text(row, "group_id", ""),
                .task_id = json_text(row, "id", ""),
                .index = json_number(row, "group_index", -1),
                .member = bytes_of(json_string_value(member), json_string_length(member)),
                .body_id = json_text(json_object_get(json_object_get(row, "chord"), "options"), "task_id", NULL),
                .again = run->join.looks,
        };
        results_chord_part(run->worker->results, &part, run_join_on_counted, run);
        return STEP_WAIT;
}

/* ---- the header is complete ---- */

static void on_ended(enum results_answer answer, const struct problem *why, void *arg)
{
        struct run *run = (struct run *)arg;
        (void)why; /* what is left of the chord expires */
        if (answer == RESULTS_AWAY)
                run_mark_away(run);
        run_go(run, answer == RESULTS_CLOSED ? STEP_END : run_next_part(run));
}

enum step run_next_part(struct run *run)
{
        run->join.part++;
        return STEP_JOIN;
}

static enum step end_chord(struct run *run)
{
        if (run->join.unjoined && strcmp(run->join.unjoined->code, "chord_broken") == 0)
                return run_fail_body(run);
        return run_end_chord(run);
}

enum step run_end_chord(struct run *run)
{
        const json_t *row = run_part(run);
        results_chord_end(run->worker->results, json_text(row, "group_id", ""), json_text(row, "id", ""),
                          run->join.unjoined != NULL, on_ended, run);
        return STEP_WAIT;
}

/* The errbacks of the body, to be sent once its failure is stored: what that says of children are these. False when memory ran out. */
static bool make_unjoined(struct run *run)
{
        const struct follow_how how = run_how(run);
        const struct result_exception e = results_exception_of(run->join.unjoined);
        struct problem why = { 0 };
        struct buffer exception = { 0 };
        results_exception(&e, &exception);
        const struct bytes cause = run->join.cause;
        const struct failure_told told = { .exception = cause.size ? cause : buffer_view(&exception),
                                           .worker = run->worker->config->name };
        const json_t *body = json_object_get(run_part(run), "chord");
        const int code = exception.failed
                                 ? -ENOMEM
                                 : task_message_unjoined(&run->message, body, &told, &how, &run->join.errbacks, &why);
        buffer_free(&exception);
        if (code > 0)
                log_error("worker", "task=%s the errbacks of its chord can't be sent: %s", run->message.id, why.text);
        return code >= 0;
}

static enum step send_unjoined(struct run *run)
{
        struct following following = run->join.errbacks;
        run->join.errbacks = (struct following){ 0 };
        return run_send(run, &following, end_chord);
}

static bool is_group(const json_t *signature)
{
        return strcmp(json_text(signature, "subtask_type", ""), "group") == 0;
}

/* The tasks of a group, and the group itself, get the exception that the header failed with, what follows it the chord's. */
static void join_abandon(struct run *run, const json_t *body, const struct problem *why)
{
        const struct bytes none = { NULL, 0 };
        json_t *options = json_object_get(body, "options"), *id = json_object_get(options, "task_id");
        JSON_OWNED json_t *bare = json_copy(options), *own = json_copy((json_t *)body);
        json_object_del(bare, "chain");
        json_object_set(own, "options", bare);
        JSON_OWNED json_t *alone = json_pack("[O]", own);
        json_t *rows = signatures_abandoned(alone);
        if (!alone || (is_group(body) && json_is_string(id) &&
                       json_array_append_new(rows, json_pack("{s:O, s:b}", "id", id, "group", 1)) != 0))
                run_mark_starved(run);
        run_abandon(run, rows, why, run->join.cause);
        run_abandon(run, signatures_abandoned(json_object_get(options, "chain")), why, none);
}

/* The body can't run: it fails, as does what follows it; and it may be part of another chord. */
enum step run_unjoin(struct run *run, const struct problem *why, struct bytes cause)
{
        const json_t *body = json_object_get(run_part(run), "chord");
        log_warn("worker", "task=%s its chord fails: %s", run->message.id, why->text);
        run->join.unjoined = arena_alloc(&run->arena, sizeof(*why));
        if (!run->join.unjoined)
                return run_out_of_memory(run);
        *run->join.unjoined = *why;
        run->join.cause = (struct bytes){ NULL, 0 };
        if (cause.size && is_group(body)) {
                const char *copy = arena_copy(&run->arena, cause.data, cause.size);
                if (!copy)
                        return run_out_of_memory(run);
                run->join.cause = bytes_of(copy, cause.size);
        }
        if (!make_unjoined(run))
                return run_out_of_memory(run);
        run_results_begin(run, send_unjoined);
        const unsigned long lost = json_memory_lost();
        join_abandon(run, body, why);
        if (json_memory_lost() != lost)
                run_mark_starved(run);
        return run_results_end(run);
}

static enum step send_body(struct run *run, struct bytes results)
{
        const struct follow_how how = run_how(run);
        struct following following = { 0 };
        struct problem why = { 0 }, told;
        const json_t *body = json_object_get(run_part(run), "chord");
        run->join.unjoined = NULL;
        const int code = task_message_joined(&run->message, body, results, &how, &following, &why);
        if (code == 0)
                return run_send(run, &following, end_chord);
        if (code < 0)
                return run_out_of_memory(run);
        problem_set(&told, "results", "chord_broken", "Callback error: %s", why.text);
        return run_unjoin(run, &told, (struct bytes){ NULL, 0 });
}

static void run_join_on_counted(const struct chord_reply *reply, void *arg)
{
        struct run *run = (struct run *)arg;
        enum step step = STEP_END;
        switch (reply->verdict) {
        case CHORD_WAITS: step = run_next_part(run); break;
        case CHORD_READY: step = send_body(run, reply->results); break;
        case CHORD_FAILED: step = run_unjoin(run, &reply->why, reply->cause); break;
        case CHORD_UNKNOWN: step = run_watch_chord(run); break;
        case CHORD_LOST: step = run_recount(run); break;
        case CHORD_REFUSED:
                log_error("worker", "task=%s its chord can't be counted: %s", run->message.id, reply->why.text);
                step = run_next_part(run);
                break;
        case CHORD_AWAY:
                run_mark_away(run);
                step = run_next_part(run);
                break;
        case CHORD_CLOSED: break;
        }
        run_go(run, step);
}
