/* SPDX-License-Identifier: Apache-2.0 */
/* Sending on: the step "publish", and whatever else a task's end sends. First the chords in it are begun, so that their parts can be
 * counted; then the messages go out, and all must be confirmed (I3). */
#include "core/clock.h"
#include "core/json.h"
#include "core/log.h"
#include "worker/run/run.h"

#include <errno.h>
#include <string.h>

static bool wants_failure(const char *name, void *catalog)
{
        const struct task *task = catalog_task(catalog, name);
        return task && task->def->flags & TASK_ERRBACK;
}

int run_branches(const struct run *run)
{
        const struct task_message *m = &run->message;
        const size_t count = json_array_size(m->chain);
        const json_t *next = json_array_get(m->chain, count - 1), *sends = run_sends(run);
        const struct follow_how how = run_how(run);
        if (!m->callbacks && !sends && !json_object_get(next, "subtask_type") &&
            (!next || chain_is_heard(m->chain, &how)))
                return next ? 1 : 0;
        const struct bytes written = run_result(run);
        struct following following = { 0 };
        struct buffer result = { 0 };
        struct problem why; /* publish says it */
        buffer_add(&result, written.data, written.size);
        const int code = task_message_sends(m, sends, &how, &result, &following, &why);
        const int branches = code < 0 ? code : code ? 1 : (int)following.branches;
        buffer_free(&result);
        following_clear(&following);
        return branches;
}

struct follow_how run_how(const struct run *run)
{
        return (struct follow_how){ .queue_of = run_queue_of,
                                    .arg = run->catalog,
                                    .routes = &run->worker->routes,
                                    .now_ms = clock_wall_ms(),
                                    .chords = results_chords(run->worker->results),
                                    .queue = run_queue(run),
                                    .wants_failure = wants_failure,
                                    .keeps = run_keeps_state_of };
}

/* ---- publish: what follows this task ---- */

enum step run_publish(struct run *run)
{
        struct following following = { 0 };
        run_set_result_state(run, run_is_replaced(run) ? RESULT_NONE : RESULT_SUCCESS);
        if (!run_sends(run) && !run_has_successor(run) && !run->message.callbacks)
                return run_result_or_ack(run);
        const int code = run_make_following(run, &following, run->why);
        if (code)
                return run_refused(run, code);
        run_set_children(run, following.children);
        return run_send(run, &following, run_result_or_ack);
}

/* ---- sending ---- */

bool run_is_unsent(const struct run *run)
{
        return run->sending.worst != PUBLISH_CONFIRMED;
}

static enum step publish_all(struct run *run);
static enum step after_begun(struct run *run);
static enum step after_publish(struct run *run);
static void publish_on_begun(enum results_answer answer, const struct problem *why, void *arg);
static void publish_on_published(enum publish_result result, void *arg);

static void begin_chord(struct run *run, const json_t *chord)
{
        const json_t *tree = json_object_get(chord, "saved");
        const char *more = json_text(chord, "more", NULL), *group = json_text(chord, "group", "");
        const size_t size = (size_t)json_number(chord, "size", 0);
        struct buffer saved = { 0 };
        if (more) {
                results_chord_more(run->worker->results, group, more, size, publish_on_begun, run);
                return;
        }
        if (tree)
                json_write(tree, &saved);
        if (saved.failed) {
                run->sending.starved = true;
                run->sending.open--;
        } else {
                results_chord_begin(run->worker->results, group, size, buffer_view(&saved), publish_on_begun, run);
        }
        buffer_free(&saved);
}

enum step run_send(struct run *run, struct following *takes, run_then *then)
{
        run->sending.starved = false;
        run->sending.following = *takes;
        *takes = (struct following){ 0 };
        run->sending.then = then;
        const json_t *chords = run->sending.following.chords;
        if (json_array_size(chords) == 0)
                return publish_all(run);
        run->sending.open = (unsigned)json_array_size(chords) +
                            1; /* one may be answered at once; nothing goes on before all are asked for */
        for (size_t i = 0; i < json_array_size(chords); i++)
                begin_chord(run, json_array_get(chords, i));
        return --run->sending.open == 0 ? after_begun(run) : STEP_WAIT;
}

/* A chord that nobody counts must not be sent: all that follows waits with what is to be told. */
static enum step after_begun(struct run *run)
{
        if (run->sending.closed)
                return STEP_END;
        if (run->sending.starved)
                return run_out_of_memory(run);
        if (!run->sending.unbegun)
                return publish_all(run);
        run->sending.unbegun = false;
        if (run->step == STEP_PUBLISH)
                run_mark_unsent(run);
        following_clear(&run->sending.following);
        return STEP_OWE;
}

static void publish_on_begun(enum results_answer answer, const struct problem *why, void *arg)
{
        struct run *run = (struct run *)arg;
        if (answer == RESULTS_CLOSED) {
                run->sending.closed = true;
        } else if (answer == RESULTS_AWAY) {
                run->sending.unbegun = true;
        } else if (answer == RESULTS_REFUSED) {
                log_error("worker", "task=%s a chord that follows can't be counted: %s", run->message.id, why->text);
        }
        if (--run->sending.open == 0)
                run_go(run, after_begun(run));
}

static enum step publish_all(struct run *run)
{
        struct message *first = run->sending.following.messages;
        run->sending.following.messages = NULL;
        following_clear(&run->sending.following);
        run->sending.worst = PUBLISH_CONFIRMED;
        if (!first)
                return run->sending.then(run);
        run->sending.open = 1; /* nothing goes on before all are on their way */
        for (const struct message *m = first; m; m = m->next)
                run->sending.open++;
        for (struct message *m = first, *after; m; m = after) {
                after = m->next;
                m->next = NULL;
                run_observed(run, RUN_SENDING, .sent = m);
                broker_publish(run->worker->broker, m, publish_on_published, run);
        }
        return --run->sending.open == 0 ? after_publish(run) : STEP_WAIT;
}

static enum step after_publish(struct run *run)
{
        if (run->sending.worst == PUBLISH_CONFIRMED) {
                run_observed(run, RUN_PUBLISHED);
                return run->sending.then(run);
        }
        if (run->sending.worst == PUBLISH_CLOSED)
                return STEP_END;
        problem_set(
                run->why, "broker", "unroutable",
                "the next task's message was %s; check the queue that its signature, CHARD_TASK_ROUTES or CHARD_DEFAULT_QUEUE names; "
                "those of this program: chard topology apply",
                run->sending.worst == PUBLISH_RETURNED ? "returned: no queue takes it" : "refused by the broker");
        if (run_result_state(run) == RESULT_SUCCESS || run_is_replaced(run))
                return STEP_RETRY;
        log_error("worker", "task=%s what was to be sent at its failure: %s", run->message.id, run->why->text);
        return run->sending.then(run);
}

static void publish_on_published(enum publish_result result, void *arg)
{
        struct run *run = (struct run *)arg;
        if (result > run->sending.worst)
                run->sending.worst = result;
        if (--run->sending.open == 0)
                run_go(run, after_publish(run));
}
