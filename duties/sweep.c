/* SPDX-License-Identifier: Apache-2.0 */
/* Looks for jobs that do not move any more. One whose next task's message was lost gets it once more, with the same ids, so that a message
 * which only took its time does no harm; any other fails, with an event that lets others make good for it. */
#include "duties/sweep.h"

#include "core/clock.h"
#include "core/json.h"
#include "core/log.h"
#include "duties/duty.h"
#include "message/message.h"
#include "message/routes.h"
#include "pipelines/failed.h"
#include "pipelines/pipeline.h"
#include "store/dead_letter.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { CHUNK = 200, MOST_PIPELINES = 64, MOST_RESTARTS = 1, MOST_BYTES = 64 << 20, CHORDS_MS = 3000 };

/* What becomes of a job. */
enum prospect { SENT_ON, FAILS, LEFT_ALONE };

struct sweeper {
        struct duty_run *run;
        struct task_routes routes;
        struct stale_limit limits[MOST_PIPELINES + 1];
        struct stale_query query;
        json_t *jobs;                    /* in hand */
        json_t *chords;                  /* that what is sent on begins */
        struct arena arena;              /* what the items point to */
        struct message *messages[CHUNK]; /* owned: each job's, linked by `next` */
        struct stale_item items[CHUNK];
        struct problem whys[CHUNK];
        char types[CHUNK][FAILED_TYPE_SIZE];
        bool chorded[CHUNK]; /* it begins a chord */
        size_t count, restarts, left, bytes;
        bool full;     /* there may be more than are in hand */
        size_t begins; /* chords whose beginning is not answered yet, of this round or of one that waited for it in vain */
        bool away;     /* … because the result backend is */
        bool waiting; /* for them */
        bool closing;
};

static void on_found(json_t *jobs, const struct problem *why, void *arg);
static void begin_chords(struct sweeper *s);
static void sweep_on_settled(size_t settled, const struct problem *why, void *arg);

/* ---- how long a job may take without a change ---- */

static int64_t task_ms(const struct task_def *def, unsigned deadline_ms)
{
        const int64_t once = deadline_ms ? deadline_ms : def->deadline_ms;
        int64_t sum = once * (def->retry.limit + 1);
        for (unsigned i = 0; i < def->retry.limit; i++) {
                const uint64_t wait_ms = i < 32 ? (uint64_t)def->retry.base_ms << i : UINT64_MAX;
                sum += (int64_t)(wait_ms < def->retry.cap_ms ? wait_ms : def->retry.cap_ms);
        }
        return sum;
}

int64_t sweep_pipeline_ms(const struct catalog *catalog, const struct pipeline *p, unsigned deadline_ms)
{
        int64_t sum = 0;
        for (size_t i = 0; p->steps[i]; i++) {
                const struct task *task = catalog_task(catalog, p->steps[i]);
                sum += task ? task_ms(task->def, deadline_ms) : 0;
        }
        return sum;
}

/* Jobs of no pipeline are of one task: the longest there is. */
static void set_limits(struct sweeper *s)
{
        const struct duties_config *c = s->run->config;
        const int64_t slack_ms = (int64_t)c->stale_slack_s * 1000;
        int64_t longest = 0;
        size_t count = 0;
        const struct pipeline *const *all = catalog_pipelines(c->catalog);
        for (; count < MOST_PIPELINES && all[count]; count++)
                s->limits[count] =
                        (struct stale_limit){ all[count]->name,
                                              sweep_pipeline_ms(c->catalog, all[count], c->deadline_ms) + slack_ms };
        const struct task_set *set = catalog_tasks(c->catalog);
        for (size_t i = 0; i < set->count; i++)
                if (task_ms(set->tasks[i].def, c->deadline_ms) > longest)
                        longest = task_ms(set->tasks[i].def, c->deadline_ms);
        s->limits[count++] = (struct stale_limit){ "", longest + slack_ms };
        s->query = (struct stale_query){ .limits = s->limits, .limit_count = count, .limit = CHUNK };
}

/* ---- opening and closing ---- */

static int sweep_open(struct duty_run *run, struct problem *why)
{
        struct sweeper *s = calloc(1, sizeof(*s));
        if (!s)
                return -ENOMEM;
        s->run = run;
        run->state = s;
        set_limits(s);
        return task_routes_read(&s->routes, run->config->task_routes, run->config->default_queue, why);
}

static void free_jobs(struct sweeper *s)
{
        for (size_t i = 0; i < s->count; i++) {
                message_free_list(s->messages[i]);
                json_decref((json_t *)(uintptr_t)s->items[i].payload);
        }
        s->count = s->restarts = s->left = s->bytes = 0;
        s->full = s->waiting = false;
        arena_free(&s->arena);
        json_decref(s->chords);
        json_decref(s->jobs);
        s->chords = s->jobs = NULL;
}

static void sweep_close(struct duty_run *run)
{
        struct sweeper *s = (struct sweeper *)run->state;
        if (!s)
                return;
        free_jobs(s);
        task_routes_free(&s->routes);
        free(s);
}

static uint64_t sweep_period(const struct duty_run *run)
{
        return (uint64_t)run->config->stale_every_s * 1000;
}

static void sweep_round(struct duty_run *run)
{
        struct sweeper *s = (struct sweeper *)run->state;
        run->config->store->dead->stale_find(run->config->store, &s->query, on_found, s);
}

/* ---- what to do about one ---- */

static const char *queue_of(const char *name, void *catalog)
{
        const struct task *task = catalog_task(catalog, name);
        return task ? task->def->queue : NULL;
}

/* What its last task published, or should have: made again from its result and its chain, by the same rules and with the same ids. */
static int make_following(const struct sweeper *s, const json_t *job, struct following *out, struct problem *why)
{
        const struct follow_how how = { .queue_of = queue_of,
                                        .arg = (void *)s->run->config->catalog,
                                        .routes = &s->routes,
                                        .now_ms = clock_wall_ms(),
                                        .chords = s->run->config->results && results_chords(s->run->config->results) };
        const struct properties none = { .delivery_mode = 2, .priority = -1, .timestamp = -1 };
        struct buffer result = { 0 }, properties = { 0 };
        properties_write(&none, &properties);
        json_write(json_object_get(job, "last_result"), &result);
        const struct task_message done = {
                .name = json_text(job, "last_name", ""),
                .id = json_text(job, "last_id", ""),
                .root_id = json_text(job, "id", ""),
                .parent_id = json_text(job, "last_parent_id", NULL),
                .group_index = -1,
                .chain = json_object_get(job, "chain"),
                .properties = buffer_view(&properties),
        };
        const int code = result.failed || properties.failed
                                 ? -ENOMEM
                                 : task_message_successors(&done, buffer_view(&result), &how, out, why);
        buffer_free(&result);
        buffer_free(&properties);
        return code;
}

static const char *sweep_header_as_text(struct arena *a, const struct message *m, const char *name)
{
        struct properties p;
        struct header h;
        struct bytes text;
        if (properties_read(m->properties, &p, NULL) != 0 || !header_find(p.headers, name, &h) ||
            !header_text(&h, &text))
                return NULL;
        return arena_copy(a, text.data, text.size);
}

/* The tasks that these messages start. NULL when memory ran out. */
static const struct stale_next *sweep_list_next(struct arena *a, const struct message *messages, size_t *count)
{
        *count = 0;
        for (const struct message *m = messages; m; m = m->next)
                ++*count;
        struct stale_next *list = arena_alloc(a, (*count + 1) * sizeof(*list));
        size_t i = 0;
        for (const struct message *m = messages; list && m; m = m->next)
                list[i++] =
                        (struct stale_next){ sweep_header_as_text(a, m, "id"), sweep_header_as_text(a, m, "task"), m };
        return list;
}

/* Is there a task among them of which the store never hears: another program's, or one that keeps no state? Whether that one ran, nobody
 * here can tell. */
static bool goes_elsewhere(const struct catalog *catalog, const struct stale_next *next, size_t count)
{
        for (size_t i = 0; i < count; i++) {
                const struct task *task = next[i].task_name ? catalog_task(catalog, next[i].task_name) : NULL;
                if (!task || task->def->flags & TASK_STATELESS)
                        return true;
        }
        return false;
}

/* Where the store shows that nothing of what follows has ever begun, all of it is sent again: the one task, or a group's or header's tasks. */
static enum prospect look_ahead(struct sweeper *s, const json_t *job, struct stale_item *item)
{
        struct following following = { 0 };
        struct problem why = { 0 };
        if (!json_is_string(json_object_get(job, "last_id")))
                return FAILS;
        const int code = make_following(s, job, &following, &why);
        const bool unsupported = code > 0 && strcmp(why.code, "unsupported_canvas") == 0;
        if (unsupported)
                log_warn("duties", "stale job %s can't be sent on: %s", item->root_id, why.text);
        if (code)
                return unsupported || code < 0 || strcmp(why.code, "unroutable") == 0 ? LEFT_ALONE : FAILS;
        s->messages[s->count] = following.messages;
        following.messages = NULL;
        item->next = sweep_list_next(&s->arena, s->messages[s->count], &item->next_count);
        enum prospect prospect = FAILS;
        if (!item->next || goes_elsewhere(s->run->config->catalog, item->next, item->next_count))
                prospect = LEFT_ALONE;
        else if (item->next_count > 0 && json_number(job, "restarts", 0) < MOST_RESTARTS)
                prospect = SENT_ON;
        if (prospect == SENT_ON && following.chords) {
                json_array_extend(s->chords, following.chords);
                s->chorded[s->count] = json_array_size(following.chords) > 0;
        }
        if (prospect == LEFT_ALONE)
                item->next_count = 0;
        following_clear(&following);
        return prospect;
}

static void describe_failure(struct sweeper *s, size_t i, const json_t *job)
{
        struct stale_item *item = &s->items[i];
        struct problem *why = &s->whys[i];
        const char *pipeline = json_text(job, "pipeline", "");
        const char *next = item->next_count > 0 ? item->next[0].task_name : NULL;
        const json_t *about = json_object_get(json_object_get(job, "document"), "job");
        problem_set(why, "sweeper", "stale", "nothing has happened for longer than its tasks may take%s%s%s%s",
                    next ? "; the message of " : "", next ? next : "",
                    item->next_count > 1 ? " and those of the tasks beside it" : "",
                    item->next_count > 1 ? " were lost twice"
                    : next               ? " was lost twice"
                                         : "");
        failed_event_type(pipeline, s->types[i]);
        item->why = why;
        item->aggregate_type = *pipeline ? pipeline : "job";
        item->event_type = s->types[i];
        item->payload = failed_event_payload(item->root_id, json_text(about, "user_id", NULL), why);
}

static void add_job(struct sweeper *s, const json_t *job)
{
        struct stale_item *item = &s->items[s->count];
        *item = (struct stale_item){ .root_id = json_text(job, "id", ""),
                                     .updated_us = json_number(job, "updated_us", 0),
                                     .since_us = json_number(job, "since_us", 0) };
        s->messages[s->count] = NULL;
        s->chorded[s->count] = false;
        switch (look_ahead(s, job, item)) {
        case SENT_ON:
                item->restart = true;
                s->restarts++;
                break;
        case LEFT_ALONE: s->left++; break;
        case FAILS: describe_failure(s, s->count, job); break;
        }
        for (const struct message *m = s->messages[s->count]; m; m = m->next)
                s->bytes += m->properties.size + m->body.size;
        s->count++;
}

/* ---- doing it ---- */

static void on_found(json_t *jobs, const struct problem *why, void *arg)
{
        struct sweeper *s = (struct sweeper *)arg;
        size_t i;
        json_t *job;
        if (why || !duty_leads(s->run) || json_array_size(jobs) == 0) {
                duty_done(s->run);
                return;
        }
        const unsigned long lost = json_memory_lost();
        s->jobs = json_incref(jobs);
        s->chords = json_array();
        json_array_foreach(jobs, i, job)
                if (s->count < CHUNK && s->bytes < MOST_BYTES)
                        add_job(s, job);
        if (json_memory_lost() != lost) { /* one may be sent on without its chord, or fail though it could be sent on */
                sweep_on_settled(0, NULL, s);
                return;
        }
        s->full = s->count == CHUNK || s->bytes >= MOST_BYTES;
        begin_chords(s);
}

static void sweep_settle(struct sweeper *s)
{
        struct store *store = s->run->config->store;
        s->waiting = false;
        if (duty_leads(s->run))
                store->dead->stale_settle(store, s->items, s->count, sweep_on_settled, s);
        else
                sweep_on_settled(0, NULL, s);
}

static void settle_without_chords(struct sweeper *s);

static void on_begun(enum results_answer answer, const struct problem *why, void *arg)
{
        struct sweeper *s = (struct sweeper *)arg;
        if (answer == RESULTS_REFUSED)
                log_error("duties", "a chord of a stale job can't be counted: %s", why->text);
        s->closing = s->closing || answer == RESULTS_CLOSED;
        s->away = s->away || answer == RESULTS_AWAY;
        if (--s->begins == 0 && s->waiting && !s->closing) {
                duty_awake(s->run);
                if (s->away)
                        settle_without_chords(s);
                else
                        sweep_settle(s);
        }
}

/* Those whose chords can't be begun now stay as they are; the others don't wait for them. */
static void settle_without_chords(struct sweeper *s)
{
        size_t kept = 0;
        for (size_t i = 0; i < s->count; i++) {
                if (s->chorded[i]) {
                        message_free_list(s->messages[i]);
                        continue;
                }
                s->messages[kept] = s->messages[i];
                s->items[kept++] = s->items[i];
        }
        log_warn(
                "duties",
                "%zu stale jobs go on with a chord, and the results backend does not answer: they are left for the next round",
                s->count - kept);
        s->restarts -= s->count - kept;
        s->count = kept;
        if (kept > 0)
                sweep_settle(s);
        else
                sweep_on_settled(0, NULL, s);
}

static void on_late(struct duty_run *run)
{
        settle_without_chords((struct sweeper *)run->state);
}

/* As a worker does: whoever finishes first must find the chord that counts it. */
static void begin_chords(struct sweeper *s)
{
        size_t i;
        json_t *chord;
        if (json_array_size(s->chords) == 0) {
                sweep_settle(s);
                return;
        }
        if (s->begins > 0) {
                settle_without_chords(s);
                return;
        }
        s->begins = json_array_size(s->chords);
        s->away = false;
        s->waiting = true;
        duty_wait(s->run, CHORDS_MS, on_late);
        json_array_foreach(s->chords, i, chord) {
                const json_t *tree = json_object_get(chord, "saved");
                struct buffer saved = { 0 };
                if (tree)
                        json_write(tree, &saved);
                results_chord_begin(s->run->config->results, json_text(chord, "group", ""),
                                    (size_t)json_number(chord, "size", 0), buffer_view(&saved), on_begun, s);
                buffer_free(&saved);
        }
}

static void sweep_on_settled(size_t settled, const struct problem *why, void *arg)
{
        struct sweeper *s = (struct sweeper *)arg;
        const bool more = !why && settled > 0 && s->full;
        if (why && strcmp(why->code, "closed") != 0)
                log_error("duties", "stale jobs could not be settled: %s", why->text);
        if (settled > s->left)
                log_warn("duties", "%zu stale jobs: %zu were sent on, the others failed (first: %s)", settled - s->left,
                         s->restarts, s->items[0].root_id);
        free_jobs(s);
        if (more)
                duty_done_for(s->run, 0);
        else
                duty_done(s->run);
}

const struct duty duty_sweep = {
        .name = "sweep",
        .period_ms = sweep_period,
        .round = sweep_round,
        .open = sweep_open,
        .close = sweep_close,
};
