/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/top/layout.h"

#include "core/json.h"

#include <string.h>

enum { TOP_LATE_MS = 60000, TOP_BEAT_LEAST_MS = 500 /* two looks at one sign of life differ by less */ };

/* ---- queues ---- */

static json_t *top_known(int64_t number)
{
        return number < 0 ? json_null() : json_integer(number);
}

json_t *top_queue(const char *name, const struct picture *p)
{
        return json_pack("{s:s, s:o, s:o, s:o, s:o}", "queue", name, "ready", top_known(p->ready), "in_flight",
                         top_known(p->in_flight), "slots_free", top_known(p->slots_free), "oldest_age_s",
                         p->oldest_age_ms < 0 ? json_null() : json_real((double)p->oldest_age_ms / 1000));
}

/* ---- workers ---- */

static const json_t *top_row_of(const json_t *rows, const char *key, const char *name)
{
        size_t i;
        const json_t *row;
        json_array_foreach(rows, i, row)
                if (strcmp(json_text(row, key, ""), name) == 0)
                        return row;
        return NULL;
}

/* What it finishes a second, by its last two signs of life; null while one alone is known. */
static json_t *top_rate(json_t *memory, const char *name, int64_t finished, int64_t beat_ms)
{
        const json_t *before = json_object_get(memory, name);
        const int64_t span_ms = beat_ms - json_number(before, "beat_ms", beat_ms),
                      more = finished - json_number(before, "finished", finished);
        if (before && span_ms < TOP_BEAT_LEAST_MS)
                return json_incref(json_object_get(before, "rate_s"));
        json_t *rate = before && more >= 0 ? json_real((double)more * 1000 / (double)span_ms) : json_null();
        json_object_set_new(memory, name,
                            json_pack("{s:I, s:I, s:O}", "finished", (json_int_t)finished, "beat_ms",
                                      (json_int_t)beat_ms, "rate_s", rate));
        return rate;
}

/* The sum of a member over all of an object's members. */
static json_int_t top_sum(const json_t *object, const char *key)
{
        const char *name;
        const json_t *value;
        json_int_t sum = 0;
        json_object_foreach((json_t *)(uintptr_t)object, name, value)
                sum += json_number(value, key, 0);
        return sum;
}

static json_t *top_worker(const struct top_said *said, const json_t *row, json_t *memory)
{
        const json_t *state = json_object_get(row, "state"), *tasks = json_object_get(state, "tasks");
        const char *name = json_text(row, "name", "?");
        const json_t *held = top_row_of(json_object_get(said->load, "held"), "owner", name);
        json_t *oldest = json_object_get(state, "oldest");
        const int64_t age_ms = json_number(row, "age_ms", 0);
        return json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:o, s:I, s:O?, s:O?}", "worker", name, "role",
                         picture_role(row), "state", picture_state(row), "why", json_text(state, "why", ""), "age_ms",
                         (json_int_t)age_ms, "in_hand", json_number(state, "in_hand", 0), "slots_free",
                         top_sum(json_object_get(state, "queues"), "slots_free"), "calls",
                         json_number(state, "ai_in_flight", 0), "ended",
                         top_sum(tasks, "ok") + top_sum(tasks, "failed"), "rate_s",
                         top_rate(memory, name, json_number(state, "finished", 0), said->now_ms - age_ms), "held",
                         json_number(held, "count", 0), "held_until", json_object_get(held, "until"), "oldest",
                         json_is_object(oldest) ? oldest : NULL);
}

static bool top_is_live(const json_t *worker)
{
        const char *state = json_text(worker, "state", "");
        return strcmp(state, "consuming") == 0 || strcmp(state, "not_consuming") == 0;
}

static json_t *top_workers(const struct top_said *said, json_t *memory)
{
        json_t *workers = json_array();
        size_t i;
        const json_t *row;
        json_array_foreach(json_object_get(said->figures, "workers"), i, row)
                json_array_append_new(workers, top_worker(said, row, memory));
        return workers;
}

/* ---- tasks ---- */

static void top_add(json_t *sums, const char *key, json_int_t more)
{
        json_object_set_new(sums, key, json_integer(json_number(sums, key, 0) + more));
}

static void top_add_task(json_t *tasks, const char *name, const json_t *told)
{
        json_t *sums = json_object_get(tasks, name);
        const json_int_t paused_ms = json_number(told, "paused_ms", 0);
        if (!sums && json_object_set_new(tasks, name, sums = json_pack("{s:s}", "task", name)) != 0)
                return;
        top_add(sums, "ok", json_number(told, "ok", 0));
        top_add(sums, "failed", json_number(told, "failed", 0));
        top_add(sums, "took_ms", json_number(told, "took_ms", 0));
        top_add(sums, "cost_nano", json_number(told, "cost_nano", 0));
        if (paused_ms >= json_number(sums, "paused_ms", 0))
                json_object_set_new(sums, "paused_ms", json_integer(paused_ms));
}

static json_t *top_task(const json_t *sums)
{
        const json_int_t ok = json_number(sums, "ok", 0);
        return json_pack("{s:s, s:I, s:I, s:o, s:f, s:I}", "task", json_text(sums, "task", "?"), "ok", ok, "failed",
                         json_number(sums, "failed", 0), "average_ms",
                         ok ? json_integer(json_number(sums, "took_ms", 0) / ok) : json_null(), "cost_usd",
                         (double)json_number(sums, "cost_nano", 0) / 1e9, "paused_ms",
                         json_number(sums, "paused_ms", 0));
}

/* What live workers say of their last five minutes, added up by task. */
static json_t *top_tasks(const json_t *rows)
{
        JSON_OWNED json_t *sums = json_object();
        json_t *tasks = json_array();
        size_t i;
        const json_t *row, *one;
        const char *name;
        json_array_foreach(rows, i, row) {
                json_t *told = json_object_get(json_object_get(row, "state"), "tasks");
                if (json_number(row, "age_ms", 0) > PICTURE_SILENT_MS)
                        continue;
                json_object_foreach(told, name, one)
                        top_add_task(sums, name, one);
        }
        json_object_foreach(sums, name, one)
                json_array_append_new(tasks, top_task(one));
        return tasks;
}

static double top_cost(const json_t *tasks)
{
        size_t i;
        const json_t *task;
        double cost = 0;
        json_array_foreach(tasks, i, task)
                cost += json_number_value(json_object_get(task, "cost_usd"));
        return cost;
}

static json_int_t top_count(const json_t *tasks, const char *key)
{
        size_t i;
        const json_t *task;
        json_int_t count = 0;
        json_array_foreach(tasks, i, task)
                count += json_number(task, key, 0);
        return count;
}

/* ---- what waits ---- */

static json_t *top_scheduled(const json_t *figures)
{
        const json_t *reasons = json_object_get(figures, "scheduled");
        json_t *late = json_object_get(figures, "late_ms");
        if (!figures)
                return json_null();
        return json_pack("{s:I, s:I, s:O?}", "count", top_count(reasons, "count"), "due", top_count(reasons, "due"),
                         "late_ms", late);
}

/* ---- what is wrong ---- */

static void top_wrong(json_t *wrong, json_t *takes)
{
        json_array_append_new(wrong, takes);
}

static void top_judge_worker(json_t *wrong, const json_t *w)
{
        const char *name = json_text(w, "worker", "?"), *state = json_text(w, "state", "");
        const json_int_t held = json_number(w, "held", 0);
        if (strcmp(state, "not_consuming") == 0)
                top_wrong(wrong, json_sprintf("%s does not consume: %s", name, json_text(w, "why", "?")));
        if (strcmp(state, "dead") == 0 && held > 0)
                top_wrong(wrong, json_sprintf("%s is dead and holds %lld tasks until %s", name, (long long)held,
                                              json_text(w, "held_until", "?")));
}

/* What of its AI a worker says is paused: {"endpoint" or a model: {"code","text"}}. */
static void top_judge_pauses(json_t *wrong, const json_t *row)
{
        const char *what;
        const json_t *why;
        json_object_foreach(json_object_get(json_object_get(row, "state"), "paused"), what, why)
                top_wrong(wrong, json_sprintf("%s is paused on %s: %s: %s", what, json_text(row, "name", "?"),
                                              json_text(why, "code", "?"), json_text(why, "text", "")));
}

static void top_judge_workers(json_t *wrong, const struct top_said *said, const json_t *workers)
{
        size_t i;
        const json_t *w;
        bool consumes = false;
        json_array_foreach(workers, i, w) {
                top_judge_worker(wrong, w);
                if (top_is_live(w))
                        top_judge_pauses(wrong,
                                         json_array_get(json_object_get(said->figures, "workers"), i)); /* its row */
                consumes = consumes || (strcmp(json_text(w, "state", ""), "consuming") == 0 &&
                                        strcmp(json_text(w, "role", ""), "worker") == 0);
        }
        if (said->figures && !consumes)
                top_wrong(wrong, json_string("no worker consumes"));
}

static json_t *top_all_wrong(const struct top_said *said, const json_t *workers)
{
        json_t *wrong = json_array();
        const json_int_t late_ms = json_number(said->figures, "late_ms", 0);
        if (said->store)
                top_wrong(wrong, json_sprintf("the store is away: %s", said->store));
        if (said->broker)
                top_wrong(wrong, json_sprintf("the broker is away: %s", said->broker));
        top_judge_workers(wrong, said, workers);
        if (late_ms > TOP_LATE_MS)
                top_wrong(wrong, json_sprintf("scheduled messages are stuck: the first has been due for %lld s",
                                              (long long)late_ms / 1000));
        if (said->load && !json_text(json_object_get(said->load, "leases"), "duties", NULL))
                top_wrong(wrong, json_string("nobody does the fleet's duties: chard keep"));
        return wrong;
}

/* ---- all of it ---- */

json_t *top_model(const struct top_said *said, json_t *memory)
{
        json_t *workers = top_workers(said, memory), *tasks = top_tasks(json_object_get(said->figures, "workers"));
        json_t *dead = json_object_get(said->figures, "dead");
        const char *leader = json_text(json_object_get(said->load, "leases"), "duties", NULL);
        const json_int_t failed = top_count(tasks, "failed");
        return json_pack("{s:I, s:s?, s:s?, s:O, s:o, s:o, s:o, s:O?, s:s?, s:I, s:I, s:f, s:o}", "at_ms",
                         (json_int_t)said->now_ms, "store", said->store, "broker", said->broker, "queues", said->queues,
                         "workers", workers, "tasks", tasks, "scheduled", top_scheduled(said->figures), "dead", dead,
                         "leader", leader, "ended", top_count(tasks, "ok") + failed, "failed", failed, "cost_usd",
                         top_cost(tasks), "wrong", top_all_wrong(said, workers));
}
