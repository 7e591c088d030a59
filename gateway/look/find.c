/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/look/look.h"

#include "core/clock.h"
#include "core/json.h"
#include "gateway/own.h"
#include "jobs/timeline.h"

const struct route_param look_find_params[] = {
        { "id", ROUTE_TEXT, 0, 0, "of a job, a task, a dead letter or a scheduled message; or how it begins" },
        { 0 },
};

/* ---- any id ---- */

static void on_find_looked(json_t *found, const struct problem *why, void *arg)
{
        struct exchange *x = (struct exchange *)arg;
        if (why) {
                exchange_answer_problem(x, why);
        } else {
                JSON_OWNED json_t *all =
                        json_is_array(found) ? json_pack("{s:O}", "jobs", found)
                        : json_is_object(found)
                                ? json_pack("{s:[{s:O, s:O, s:s, s:O}]}", "jobs", "job", json_object_get(found, "id"),
                                            "id", json_object_get(found, "id"), "kind", "job", "name",
                                            json_object_get(found, "pipeline"))
                                : json_pack("{s:[]}", "jobs");
                exchange_answer_json(x, 200, all);
        }
        exchange_drop(x);
}

void look_find(void *owner, struct exchange *x)
{
        struct gateway *g = (struct gateway *)owner;
        const char *id = target_value(exchange_target(x), "id");
        struct problem why;
        if (!id) {
                problem_set(&why, "request", "bad_parameter", "name an id, or how it begins: ?id=");
                exchange_answer_problem(x, &why);
                return;
        }
        exchange_keep(x, GATEWAY_ANSWER_MS);
        jobs_look(g->jobs, id, on_find_looked, x);
}

/* ---- a job's life ---- */

static void on_find_traced(json_t *job, const struct problem *why, void *arg)
{
        struct exchange *x = (struct exchange *)arg;
        struct problem unknown;
        if (why) {
                exchange_answer_problem(x, why);
        } else if (json_is_object(job)) {
                JSON_OWNED json_t *timeline = timeline_of(job, clock_wall_ms(), true);
                exchange_answer_json(x, 200, timeline);
        } else {
                problem_set(&unknown, "request", "no_job",
                            job ? "several jobs have ids that begin so; see: /v1/find"
                                : "the store knows no job with such an id");
                exchange_answer_problem(x, &unknown);
        }
        exchange_drop(x);
}

void look_trace(void *owner, struct exchange *x)
{
        struct gateway *g = (struct gateway *)owner;
        exchange_keep(x, GATEWAY_ANSWER_MS);
        jobs_trace(g->jobs, route_part(exchange_route(x), exchange_target(x), "id"), on_find_traced, x);
}
