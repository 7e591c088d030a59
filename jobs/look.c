/* SPDX-License-Identifier: Apache-2.0 */
/* Finding a job by whatever id somebody has in hand. */
#include "core/json.h"
#include "jobs/own.h"
#include "message/message.h"
#include "pipelines/pipeline.h"
#include "store/consumer.h"
#include "tasks/saga_act.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct look {
        const struct catalog *catalog;
        struct store *store;
        json_done *done;
        void *arg;
        json_t *scheduled; /* owned: what to answer when the store has no such job */
        json_t *job;       /* owned: the answer, while its sagas are asked for; NULL: there may be a saga alone */
        char text[];
};

static void look_end(struct look *l, json_t *value, const struct problem *why)
{
        l->done(value, why, l->arg);
        json_decref(l->scheduled);
        json_decref(l->job);
        free(l);
}

/* ---- scheduled messages ---- */

static json_t *look_header(struct bytes table, const char *name)
{
        struct header h;
        struct bytes text;
        if (header_find(table, name, &h) && header_text(&h, &text))
                return json_stringn((const char *)text.data, text.size);
        return NULL;
}

/* Fill in what a scheduled message's headers say: whose it is, and which task. */
static void look_read_headers(json_t *row)
{
        struct buffer properties = { 0 };
        struct properties p;
        buffer_add_hex(&properties, json_text(row, "properties", ""));
        if (!properties.failed && properties_read(buffer_view(&properties), &p, NULL) == 0) {
                json_t *root = look_header(p.headers, "root_id"), *task = look_header(p.headers, "task");
                json_object_set(row, "reason", json_object_get(row, "name"));
                json_object_set_new(row, "job", root ? root : json_incref(json_object_get(row, "id")));
                if (task)
                        json_object_set_new(row, "name", task);
        }
        if (!json_is_string(json_object_get(row, "job")))
                json_object_set(row, "job", json_object_get(row, "id"));
        buffer_free(&properties);
}

/* A job that nobody has begun, as jobs_read would give it. */
static json_t *look_pending(const struct look *l, const json_t *row)
{
        const struct task *task = catalog_task(l->catalog, json_text(row, "name", ""));
        const struct pipeline *p = task ? task->pipeline : NULL;
        return json_pack("{s:O, s:s, s:s, s:n, s:n, s:n, s:n, s:[], s:[], s:{s:O*, s:O*, s:O*}}", "id",
                         json_object_get(row, "job"), "pipeline", p ? p->name : "", "state", "PENDING", "document",
                         "error", "created_at", "finished_at", "tasks", "events", "scheduled", "name",
                         json_object_get(row, "name"), "due_ms", json_object_get(row, "due_ms"), "reason",
                         json_object_get(row, "reason"));
}

/* ---- what was found ---- */

static bool look_has_job(const json_t *rows, const char *job)
{
        size_t i;
        json_t *row;
        json_array_foreach(rows, i, row)
                if (strcmp(json_text(row, "job", ""), job) == 0)
                        return true;
        return false;
}

/* Each job once: those that the whole text names, or else those where an id begins so. */
static json_t *look_choose(const struct look *l, json_t *rows)
{
        json_t *exact = json_array(), *all = json_array();
        size_t i;
        json_t *row;
        json_array_foreach(rows, i, row) {
                const char *job;
                if (strcmp(json_text(row, "kind", ""), "scheduled") == 0)
                        look_read_headers(row);
                job = json_text(row, "job", "");
                json_object_del(row, "properties");
                if (strcmp(json_text(row, "id", ""), l->text) == 0 && !look_has_job(exact, job))
                        json_array_append(exact, row);
                if (!look_has_job(all, job))
                        json_array_append(all, row);
        }
        json_t *chosen = json_array_size(exact) ? exact : all;
        json_incref(chosen);
        json_decref(exact);
        json_decref(all);
        return chosen;
}

/* ---- the sagas that are about it ---- */

static json_t *look_move(const json_t *fact)
{
        static const char *const shown[] = { "number", "state", "step", "asked", "heard", "reason" };
        json_t *move = json_object();
        for (size_t i = 0; i < sizeof(shown) / sizeof(shown[0]); i++)
                if (json_object_get(fact, shown[i]))
                        json_object_set(move, shown[i], json_object_get(fact, shown[i]));
        return move;
}

/* A saga as its last fact says, and all its moves in order. */
static json_t *look_saga(const json_t *facts, const char *name)
{
        const json_t *last = saga_last(facts, name), *fact;
        json_t *saga = look_move(last), *moves = json_array();
        for (json_int_t n = 1; n <= json_number(last, "number", 0); n++) {
                JSON_OWNED json_t *key = json_sprintf("%s/%lld", name, (long long)n);
                if ((fact = json_object_get(facts, json_string_value(key))))
                        json_array_append_new(moves, look_move(fact));
        }
        json_object_del(saga, "number");
        json_object_del(saga, "heard");
        json_object_set_new(saga, "moves", moves);
        return saga;
}

/* {NAME: the saga}, of facts that are called NAME/1, NAME/2 … */
static json_t *look_sagas(const json_t *facts)
{
        json_t *sagas = json_object(), *value;
        const char *key;
        json_object_foreach((json_t *)(uintptr_t)facts, key, value) {
                const char *slash = strrchr(key, '/');
                JSON_OWNED json_t *name = slash ? json_stringn(key, (size_t)(slash - key)) : NULL;
                if (name && strcmp(slash, "/1") == 0)
                        json_object_set_new(sagas, json_string_value(name), look_saga(facts, json_string_value(name)));
        }
        return sagas;
}

/* About something that is no job: as one whose state is that of the sagas. */
static json_t *look_saga_alone(const char *id, const json_t *sagas)
{
        const char *state = "SUCCESS", *name;
        json_t *saga;
        json_object_foreach((json_t *)(uintptr_t)sagas, name, saga) {
                const char *of = json_text(saga, "state", "");
                if (strcmp(of, "FAILED") == 0)
                        state = "FAILURE";
                else if (strcmp(of, "DONE") != 0 && strcmp(state, "FAILURE") != 0)
                        state = "STARTED";
        }
        return json_pack("{s:s, s:s, s:s, s:n, s:n, s:n, s:n, s:[], s:[]}", "id", id, "pipeline", "", "state", state,
                         "document", "error", "created_at", "finished_at", "tasks", "events");
}

static void look_on_facts(json_t *facts, const struct problem *why, void *arg)
{
        struct look *l = (struct look *)arg;
        const char *id = json_text(l->job, "id", l->text);
        if (why && !l->job) {
                look_end(l, NULL, why);
                return;
        }
        JSON_OWNED json_t *sagas = look_sagas(json_object_get(json_object_get(facts, FACT_SAGA), id));
        if (json_object_size(sagas) && !l->job)
                l->job = look_saga_alone(id, sagas);
        if (json_object_size(sagas))
                json_object_set(l->job, "sagas", sagas);
        look_end(l, l->job, NULL);
}

static void look_ask_sagas(struct look *l)
{
        const struct fact_set set = { FACT_SAGA, json_text(l->job, "id", l->text) };
        l->store->consumer->facts(l->store, &set, 1, look_on_facts, l);
}

static void look_on_job(json_t *job, const struct problem *why, void *arg)
{
        struct look *l = (struct look *)arg;
        if (why) {
                look_end(l, NULL, why);
                return;
        }
        l->job = json_incref(job ? job : l->scheduled);
        look_ask_sagas(l);
}

static void look_on_found(json_t *rows, const struct problem *why, void *arg)
{
        struct look *l = (struct look *)arg;
        if (why) {
                look_end(l, NULL, why);
                return;
        }
        const unsigned long lost = json_memory_lost();
        JSON_OWNED json_t *chosen = look_choose(l, rows);
        struct problem starved;
        if (json_memory_lost() != lost) { /* it may be there all the same */
                problem_set(&starved, "store", "out_of_memory", "out of memory");
                look_end(l, NULL, &starved);
                return;
        }
        if (json_array_size(chosen) > 1) {
                look_end(l, chosen, NULL);
                return;
        }
        if (json_array_size(chosen) == 0) {
                look_ask_sagas(l);
                return;
        }
        const json_t *row = json_array_get(chosen, 0);
        if (strcmp(json_text(row, "kind", ""), "scheduled") == 0)
                l->scheduled = look_pending(l, row);
        l->store->read->job(l->store, json_text(row, "job", ""), look_on_job, l);
}

void jobs_look(struct jobs *j, const char *text, json_done *done, void *arg)
{
        struct problem why;
        const size_t size = strlen(text) + 1;
        if (jobs_unstored(j, done, arg))
                return;
        struct look *l = calloc(1, sizeof(*l) + size);
        if (!l) {
                problem_set(&why, "store", "out_of_memory", "out of memory");
                done(NULL, &why, arg);
                return;
        }
        *l = (struct look){ .catalog = j->catalog, .store = j->store, .done = done, .arg = arg };
        memcpy(l->text, text, size);
        j->store->read->job_find(j->store, text, look_on_found, l);
}
