/* SPDX-License-Identifier: Apache-2.0 */
/* Looks for jobs that do not move any more. One whose next task's message was lost gets it once more, with the same ids, so that a message
 * which only took its time does no harm; any other fails, with an event that lets others make good for it. */
#include "dlq/keeper.h"

#include "core/clock.h"
#include "core/json.h"
#include "core/log.h"
#include "pipelines/pipeline.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { CHUNK = 200, MOST_PIPELINES = 64, MOST_RESTARTS = 1 };

struct sweeper {
        struct dlq_keeper *keeper;
        uv_timer_t timer;
        struct stale_limit limits[MOST_PIPELINES + 1];
        struct stale_query query;
        json_t *jobs; /* in hand */
        struct stale_item items[CHUNK];
        struct problem whys[CHUNK];
        char types[CHUNK][64];
        size_t count, restarts, left;
};

static void on_tick(uv_timer_t *timer);
static void on_found(json_t *jobs, const struct problem *why, void *arg);
static void on_settled(size_t settled, const struct problem *why, void *arg);

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

int64_t sweep_pipeline_ms(const struct pipeline *p, unsigned deadline_ms)
{
        int64_t sum = 0;
        for (size_t i = 0; p->steps[i]; i++) {
                const struct task_def *def = task_find(p->steps[i]);
                sum += def ? task_ms(def, deadline_ms) : 0;
        }
        return sum;
}

/* Jobs of no pipeline are of one task: the longest there is. */
static void set_limits(struct sweeper *s)
{
        const struct dlq_config *c = s->keeper->config;
        const int64_t slack_ms = (int64_t)c->stale_slack_s * 1000;
        int64_t longest = 0;
        size_t count = 0;
        for (; count < MOST_PIPELINES && pipeline_registry[count]; count++)
                s->limits[count] =
                        (struct stale_limit){ pipeline_registry[count]->name,
                                              sweep_pipeline_ms(pipeline_registry[count], c->deadline_ms) + slack_ms };
        for (size_t i = 0; task_registry[i]; i++)
                if (task_ms(task_registry[i], c->deadline_ms) > longest)
                        longest = task_ms(task_registry[i], c->deadline_ms);
        s->limits[count++] = (struct stale_limit){ "", longest + slack_ms };
        s->query = (struct stale_query){ .limits = s->limits, .limit_count = count, .limit = CHUNK };
}

/* ---- opening and closing ---- */

int sweeper_open(struct sweeper **out, struct dlq_keeper *k)
{
        struct sweeper *s = calloc(1, sizeof(*s));
        if (!s)
                return -ENOMEM;
        s->keeper = k;
        set_limits(s);
        uv_timer_init(k->config->loop, &s->timer);
        s->timer.data = s;
        if (k->config->stale_every_s > 0)
                uv_timer_start(&s->timer, on_tick, 1000, 0);
        *out = s;
        return 0;
}

void sweeper_stop(struct sweeper *s)
{
        uv_timer_stop(&s->timer);
}

static void free_jobs(struct sweeper *s)
{
        for (size_t i = 0; i < s->count; i++) {
                message_free((struct message *)(uintptr_t)s->items[i].restart);
                json_decref((json_t *)(uintptr_t)s->items[i].payload);
        }
        s->count = s->restarts = s->left = 0;
        json_decref(s->jobs);
        s->jobs = NULL;
}

static void release_memory(uv_handle_t *timer)
{
        free_jobs(timer->data);
        free(timer->data);
}

void sweeper_close(struct sweeper *s)
{
        if (s)
                uv_close((uv_handle_t *)&s->timer, release_memory);
}

static void rest(struct sweeper *s)
{
        if (!s->keeper->stopping)
                uv_timer_start(&s->timer, on_tick, (uint64_t)s->keeper->config->stale_every_s * 1000, 0);
}

static void on_tick(uv_timer_t *timer)
{
        struct sweeper *s = (struct sweeper *)timer->data;
        struct store *store = s->keeper->store;
        if (store->backend->up(store))
                store->backend->stale_find(store, &s->query, on_found, s);
        else
                rest(s);
}

/* ---- what to do about one ---- */

static const char *queue_of(const char *name, void *unused)
{
        (void)unused;
        const struct task_def *def = task_find(name);
        return def ? def->queue : NULL;
}

/* The signature that comes next; a chain is kept in reverse. */
static const json_t *next_of(const json_t *last)
{
        const json_t *chain = json_object_get(last, "chain");
        return json_array_get(chain, json_array_size(chain) - 1);
}

/* The message that its last task published, or should have: made again from its result and its chain. */
static struct message *make_next(const json_t *job, const json_t *last)
{
        struct message *next = NULL;
        struct following following = { 0 };
        const struct follow_how how = { .queue_of = queue_of, .now_ms = clock_wall_ms() };
        struct buffer result = { 0 };
        struct task_message done = {
                .name = json_text(last, "name", ""),
                .id = json_text(last, "id", ""),
                .root_id = json_text(job, "id", ""),
                .parent_id = json_text(last, "parent_id", NULL),
                .group_index = -1,
                .chain = json_object_get(last, "chain"),
        };
        const struct properties none = { .delivery_mode = 2, .priority = -1, .timestamp = -1 };
        struct buffer properties = { 0 };
        properties_write(&none, &properties);
        done.properties = buffer_view(&properties);
        json_write(json_object_get(last, "result"), &result);
        if (!result.failed && !properties.failed &&
            task_message_successors(&done, buffer_view(&result), &how, &following, NULL) == 0 && following.messages &&
            !following.messages->next) { /* a group's tasks may each have been lost or not: that is for a person */
                next = following.messages;
                following.messages = NULL;
        }
        following_clear(&following);
        buffer_free(&result);
        buffer_free(&properties);
        return next;
}

/* "ScanFailed" for "scan". */
static void event_type(const char *pipeline, char out[64])
{
        snprintf(out, 64, "%sFailed", *pipeline ? pipeline : "job");
        out[0] = (char)toupper((unsigned char)out[0]);
}

static void describe_failure(struct sweeper *s, size_t i, const json_t *job, const json_t *last)
{
        struct stale_item *item = &s->items[i];
        struct problem *why = &s->whys[i];
        const char *pipeline = json_text(job, "pipeline", ""), *next = json_text(next_of(last), "task", NULL);
        const json_t *about = json_object_get(json_object_get(job, "document"), "job");
        problem_set(why, "sweeper", "stale", "nothing has happened for longer than its tasks may take%s%s%s",
                    next ? "; the message of " : "", next ? next : "", next ? " was lost twice" : "");
        event_type(pipeline, s->types[i]);
        item->why = why;
        item->aggregate_type = *pipeline ? pipeline : "job";
        item->event_type = s->types[i];
        item->payload = json_pack("{s:s, s:s*, s:{s:s, s:s, s:s}}", "job_id", item->root_id, "user_id",
                                  json_text(about, "user_id", NULL), "error", "source", why->source, "code", why->code,
                                  "text", why->text);
}

/* Its next task is one that the store never hears of: another program's, or one that keeps no state. Whether it ran, nobody here can tell. */
static bool went_elsewhere(const json_t *last)
{
        const char *next = json_text(next_of(last), "task", NULL);
        const struct task_def *def = next ? task_find(next) : NULL;
        return next && (!def || def->flags & TASK_STATELESS);
}

static void add_job(struct sweeper *s, const json_t *job)
{
        const json_t *last = json_object_get(job, "last"), *options = json_object_get(next_of(last), "options");
        struct stale_item *item = &s->items[s->count];
        *item = (struct stale_item){
                .root_id = json_text(job, "id", ""),
                .updated_us = json_number(job, "updated_us", 0),
                .task_id = json_text(options, "task_id", NULL),
                .task_name = json_text(next_of(last), "task", NULL),
        };
        if (json_is_object(last) && !went_elsewhere(last) && json_number(job, "restarts", 0) < MOST_RESTARTS)
                item->restart = make_next(job, last);
        if (item->restart)
                s->restarts++;
        else if (went_elsewhere(last))
                s->left++;
        else
                describe_failure(s, s->count, job, last);
        s->count++;
}

/* ---- doing it ---- */

static void on_found(json_t *jobs, const struct problem *why, void *arg)
{
        struct sweeper *s = (struct sweeper *)arg;
        size_t i;
        json_t *job;
        if (why || s->keeper->stopping || json_array_size(jobs) == 0) {
                rest(s);
                return;
        }
        s->jobs = json_incref(jobs);
        json_array_foreach(jobs, i, job)
                if (s->count < CHUNK)
                        add_job(s, job);
        s->keeper->store->backend->stale_settle(s->keeper->store, s->items, s->count, on_settled, s);
}

static void on_settled(size_t settled, const struct problem *why, void *arg)
{
        struct sweeper *s = (struct sweeper *)arg;
        const bool more = !why && settled > 0 && s->count == CHUNK;
        if (why && strcmp(why->code, "closed") != 0)
                log_error("dlq", "stale jobs could not be settled: %s", why->text);
        if (settled > s->left)
                log_warn("dlq", "%zu stale jobs: %zu were sent on, the others failed (first: %s)", settled - s->left,
                         s->restarts, s->items[0].root_id);
        free_jobs(s);
        if (more && !s->keeper->stopping)
                uv_timer_start(&s->timer, on_tick, 0, 0);
        else
                rest(s);
}
