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

/* Does the store hear of it? */
static bool keeps(const char *name, bool heir, void *catalog)
{
        const struct task *task = catalog_task(catalog, name);
        return task && (heir || !(task->def->flags & TASK_STATELESS));
}

int run_branches(const struct run *run)
{
        const struct task_message *m = &run->message;
        const size_t count = json_array_size(m->chain);
        const json_t *next = json_array_get(m->chain, count - 1);
        if (!m->callbacks && !run->outcome.sends && !json_object_get(next, "subtask_type"))
                return next ? 1 : 0;
        const struct follow_how how = run_how(run);
        struct following following = { 0 };
        struct buffer result = { 0 };
        struct problem why; /* publish says it */
        buffer_add(&result, run->result.data, run->result.size);
        const int code = task_message_sends(m, run->outcome.sends, &how, &result, &following, &why);
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
                                    .queue = run->delivery->queue,
                                    .wants_failure = wants_failure,
                                    .keeps = keeps };
}

/* ---- publish: what follows this task ---- */

/* Does what it sends say its result? */
static bool says_result(const json_t *sends)
{
        for (size_t i = 0; i < json_array_size(sends); i++)
                if (strcmp(json_text(json_array_get(sends, i), "as", ""), "result") == 0)
                        return true;
        return false;
}

int run_settle_result(struct run *run)
{
        const struct follow_how how = run_how(run);
        struct following following = { 0 };
        buffer_reset(&run->result);
        if (run_is_replaced(run))
                return 0;
        if (!says_result(run->outcome.sends))
                return run_write_result(run) ? 0 : -ENOMEM;
        const int code =
                task_message_sends(&run->message, run->outcome.sends, &how, &run->result, &following, &run->why);
        following_clear(&following);
        return code;
}

enum step run_publish(struct run *run)
{
        const struct follow_how how = run_how(run);
        const json_t *sends = run->outcome.sends;
        struct following following = { 0 };
        run->telling.what = run_is_replaced(run) ? TELL_NOTHING : TELL_SUCCESS;
        if (!sends && !run_has_successor(run) && !run->message.callbacks)
                return run_tell_or_ack(run);
        if (run->result.size == 0 && !says_result(sends) && !run_is_replaced(run) && !run_write_result(run))
                return run_out_of_memory(run);
        const int code = task_message_sends(&run->message, sends, &how, &run->result, &following, &run->why);
        if (code)
                return run_refused(run, code);
        run->telling.children = json_incref(following.children);
        return run_send(run, &following, run_tell_or_ack);
}

/* ---- sending ---- */

static enum step publish_all(struct run *run);
static enum step after_begun(struct run *run);
static enum step after_publish(struct run *run);
static void run_follow_on_begun(enum results_answer answer, const struct problem *why, void *arg);
static void run_follow_on_published(enum publish_result result, void *arg);

static void begin_chord(struct run *run, const json_t *chord)
{
        const json_t *tree = json_object_get(chord, "saved");
        const char *more = json_text(chord, "more", NULL), *group = json_text(chord, "group", "");
        const size_t size = (size_t)json_number(chord, "size", 0);
        struct buffer saved = { 0 };
        if (more) {
                results_chord_more(run->worker->results, group, more, size, run_follow_on_begun, run);
                return;
        }
        if (tree)
                json_write(tree, &saved);
        if (saved.failed) {
                run->telling.starved = true;
                run->publishes--;
        } else {
                results_chord_begin(run->worker->results, group, size, buffer_view(&saved), run_follow_on_begun, run);
        }
        buffer_free(&saved);
}

enum step run_send(struct run *run, struct following *takes, run_then *then)
{
        run->telling.starved = false;
        run->following = *takes;
        *takes = (struct following){ 0 };
        run->then = then;
        const json_t *chords = run->following.chords;
        if (json_array_size(chords) == 0)
                return publish_all(run);
        run->publishes = (unsigned)json_array_size(chords) +
                         1; /* one may be answered at once; nothing goes on before all are asked for */
        for (size_t i = 0; i < json_array_size(chords); i++)
                begin_chord(run, json_array_get(chords, i));
        return --run->publishes == 0 ? after_begun(run) : STEP_WAIT;
}

/* A chord that nobody counts must not be sent: all that follows waits with what is to be told. */
static enum step after_begun(struct run *run)
{
        if (run->closing)
                return STEP_END;
        if (run->telling.starved)
                return run_out_of_memory(run);
        if (!run->unbegun)
                return publish_all(run);
        run->unbegun = false;
        run->telling.unsent = run->step == STEP_PUBLISH;
        following_clear(&run->following);
        return STEP_OWE;
}

static void run_follow_on_begun(enum results_answer answer, const struct problem *why, void *arg)
{
        struct run *run = (struct run *)arg;
        if (answer == RESULTS_CLOSED) {
                run->closing = true;
        } else if (answer == RESULTS_AWAY) {
                run->unbegun = true;
        } else if (answer == RESULTS_REFUSED) {
                log_error("worker", "task=%s a chord that follows can't be counted: %s", run->message.id, why->text);
        }
        if (--run->publishes == 0)
                run_go(run, after_begun(run));
}

static enum step publish_all(struct run *run)
{
        struct message *first = run->following.messages;
        run->following.messages = NULL;
        following_clear(&run->following);
        run->published = PUBLISH_CONFIRMED;
        if (!first)
                return run->then(run);
        run->publishes = 1; /* nothing goes on before all are on their way */
        for (const struct message *m = first; m; m = m->next)
                run->publishes++;
        for (struct message *m = first, *after; m; m = after) {
                after = m->next;
                m->next = NULL;
                run_observed(run, (struct run_event){ .kind = RUN_SENDING, .sent = m });
                broker_publish(run->worker->broker, m, run_follow_on_published, run);
        }
        return --run->publishes == 0 ? after_publish(run) : STEP_WAIT;
}

static enum step after_publish(struct run *run)
{
        if (run->published == PUBLISH_CONFIRMED) {
                run_observed(run, (struct run_event){ .kind = RUN_PUBLISHED });
                return run->then(run);
        }
        if (run->published == PUBLISH_CLOSED)
                return STEP_END;
        problem_set(
                &run->why, "broker", "unroutable",
                "the next task's message was %s; check the queue that its signature, CHARD_TASK_ROUTES or CHARD_DEFAULT_QUEUE names; "
                "those of this program: chard topology apply",
                run->published == PUBLISH_RETURNED ? "returned: no queue takes it" : "refused by the broker");
        if (run->telling.what == TELL_SUCCESS || run_is_replaced(run))
                return STEP_RETRY;
        log_error("worker", "task=%s what was to be sent at its failure: %s", run->message.id, run->why.text);
        return run->then(run);
}

static void run_follow_on_published(enum publish_result result, void *arg)
{
        struct run *run = (struct run *)arg;
        if (result > run->published)
                run->published = result;
        if (--run->publishes == 0)
                run_go(run, after_publish(run));
}
