/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/look/look.h"

#include "core/json.h"
#include "gateway/own.h"
#include "observe/picture.h"

/* New reference or NULL. */
static json_t *workers_row(json_t *row)
{
        json_t *shown = json_copy(row);
        if (shown)
                json_object_update_new(
                        shown, json_pack("{s:s, s:s}", "role", picture_role(row), "status", picture_state(row)));
        return shown;
}

static void on_workers_load(json_t *load, const struct problem *why, void *arg)
{
        struct exchange *x = (struct exchange *)arg;
        size_t i;
        json_t *row;
        if (why) {
                exchange_answer_problem(x, why);
        } else {
                JSON_OWNED json_t *shown = json_copy(load);
                json_t *rows = json_array();
                json_array_foreach(json_object_get(load, "workers"), i, row)
                        json_array_append_new(rows, workers_row(row));
                json_object_set_new(shown, "workers", rows);
                exchange_answer_json(x, 200, shown);
        }
        exchange_drop(x);
}

void look_workers(void *owner, struct exchange *x)
{
        struct gateway *g = (struct gateway *)owner;
        exchange_keep(x, GATEWAY_ANSWER_MS);
        jobs_load(g->jobs, on_workers_load, x);
}
