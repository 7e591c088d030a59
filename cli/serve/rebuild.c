/* SPDX-License-Identifier: Apache-2.0 */
/* chard consume NAME --rebuild: a projector's read models from the event store, while it runs on.
 *
 *     new index -> every aggregate of the event store -> what the outbox has since the start -> the alias is the new index -> what it has since -> the
 *     old index goes
 *
 * An event that the running projector wrote to the old index was in the outbox before the alias moved, so the second look at the outbox has it. */
#include "cli/serve/serve.h"

#include "cli/common/store_client.h"
#include "consumers/models/models.h"
#include "consumers/models/search.h"
#include "consumers/think.h"
#include "core/clock.h"
#include "core/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { REBUILD_PAGE = 200, REBUILD_PATIENCE_MS = 60000, REBUILD_TRY_MS = 500, REBUILD_INDEX_SIZE = 96 };

struct rebuild {
        struct store_client client;
        const struct consumer *consumer;
        struct read_models *models;
        struct opensearch *search; /* or NULL: none of its models is an index */
        struct map *held;          /* nothing */
        char indexes[CONSUMER_MOST_MODELS][REBUILD_INDEX_SIZE];
        char *position; /* in the outbox: all before it is written */
        json_t *last;   /* the aggregate up to which all are written */
        unsigned long long aggregates, documents, refused;
        struct problem why;
        bool failed; /* of the last models_write, with `why` */
};

static int rebuild_fail(struct rebuild *r, int rc)
{
        return command_fail(r->client.self, rc, &r->why);
}

/* ---- documents ---- */

static void rebuild_on_written(const struct problem *why, void *arg)
{
        struct rebuild *r = (struct rebuild *)arg;
        r->failed = why != NULL;
        if (why)
                r->why = *why;
        wait_done(&r->client.wait);
}

/* The endpoint may be away for a while. */
static int rebuild_write(struct rebuild *r, struct model_write *writes, size_t count)
{
        const uint64_t start_ms = clock_mono_ms();
        for (;;) {
                bool later = false;
                if (models_write(r->models, r->consumer->def->name, writes, count, rebuild_on_written, r) != 0)
                        return rebuild_fail(r, -1);
                if (!wait_for(&r->client.wait, REBUILD_PATIENCE_MS)) {
                        problem_set(&r->why, "models", "away", "a read model does not answer");
                        return rebuild_fail(r, 1);
                }
                for (size_t i = 0; !r->failed && i < count; i++) {
                        later = later || writes[i].end == MODEL_LATER;
                        if (writes[i].end == MODEL_LATER)
                                r->why = writes[i].why;
                }
                if (!r->failed && !later)
                        return 0;
                if (strcmp(r->why.code, "index_gone") == 0 || clock_mono_ms() - start_ms > REBUILD_PATIENCE_MS)
                        return rebuild_fail(r, 1);
                usleep(REBUILD_TRY_MS * 1000);
        }
}

static const char *rebuild_index(const struct rebuild *r, const struct read_model *model)
{
        const char *index = r->indexes[model - r->consumer->def->writes];
        return *index ? index : NULL;
}

static size_t rebuild_gather(struct rebuild *r, const struct batch *b, struct model_write *writes)
{
        size_t count = 0;
        for (size_t i = 0; i < b->count; i++) {
                const struct heard *h = &b->list[i];
                r->refused += h->state == HEARD_NOW && h->verdict == HEARD_WAITS;
                if (h->state != HEARD_NOW || h->verdict != HEARD_ACTS)
                        continue;
                for (const struct document *d = h->outcome.documents;
                     d && count < (size_t)REBUILD_PAGE * CONSUMER_MOST_MODELS; d = d->next) {
                        const struct read_model *model = consumer_model(r->consumer->def, d->model);
                        writes[count++] =
                                (struct model_write){ .model = model, .index = rebuild_index(r, model), .document = d };
                }
        }
        return count;
}

static int rebuild_write_wave(struct rebuild *r, const struct batch *b)
{
        struct model_write *writes = calloc((size_t)REBUILD_PAGE * CONSUMER_MOST_MODELS, sizeof(*writes));
        const size_t count = writes ? rebuild_gather(r, b, writes) : 0;
        const int code = !writes ? rebuild_fail(r, -1) : count > 0 ? rebuild_write(r, writes, count) : 0;
        for (size_t i = 0; code == 0 && i < count; i++) {
                r->documents += writes[i].end == MODEL_WRITTEN;
                r->refused += writes[i].end == MODEL_REFUSED;
                if (writes[i].end == MODEL_REFUSED)
                        fprintf(stderr, "chard consume: %s\n", writes[i].why.text);
        }
        free(writes);
        return code;
}

/* ---- events ---- */

static int rebuild_facts(struct rebuild *r, const struct batch *b)
{
        struct fact_set sets[REBUILD_PAGE * TASK_MOST_SEES];
        struct store *s = r->client.store;
        size_t count = 0;
        for (size_t i = 0; i < b->count; i++)
                for (unsigned n = 0; b->list[i].state == HEARD_NOW && n < b->list[i].see_count; n++)
                        sets[count++] = b->list[i].sees[n];
        json_decref(r->client.value);
        r->client.value = NULL;
        if (count == 0)
                return 0;
        s->consumer->facts(s, sets, count, store_client_on_json, &r->client);
        return store_client_wait(&r->client);
}

static int rebuild_batch(struct rebuild *r, struct batch *b, const json_t *history)
{
        int code = 0;
        while (code == 0) {
                const int marked = batch_wave(b, REBUILD_PAGE);
                if (marked <= 0)
                        return marked < 0 ? rebuild_fail(r, marked) : 0;
                code = rebuild_facts(r, b);
                const struct thinking t = { .consumer = r->consumer,
                                            .catalog = r->client.catalog,
                                            .held = r->held,
                                            .facts = r->client.value,
                                            .history = history,
                                            .worker = "chard consume --rebuild",
                                            .now_ms = clock_wall_ms() };
                if (code == 0 && think(b, &t) != 0)
                        code = rebuild_fail(r, -1);
                if (code == 0)
                        code = rebuild_write_wave(r, b);
                batch_unmark(b, HEARD_OVER);
        }
        return code;
}

/* The last event of an aggregate that the projector hears, as a row of the outbox; NULL: it hears none. */
static json_t *rebuild_row(const struct rebuild *r, const json_t *aggregate, const json_t *events)
{
        const char *type = json_text(aggregate, "aggregate_type", "");
        for (size_t i = json_array_size(events); i-- > 0;) {
                json_t *event = json_array_get(events, i);
                if (!consumer_hears(r->consumer->def, json_text(event, "type", ""), type))
                        continue;
                json_t *row = json_copy(event);
                json_object_update(row, (json_t *)(uintptr_t)aggregate);
                json_object_set_new(row, "position", json_string(""));
                return row;
        }
        return NULL;
}

/* Write what these aggregates (at most a page of them, no two the same) show. */
static int rebuild_aggregates(struct rebuild *r, const json_t *aggregates)
{
        struct fact_set sets[REBUILD_PAGE];
        struct store *s = r->client.store;
        struct batch b = { 0 };
        size_t i, count = 0;
        json_t *one;
        json_array_foreach((json_t *)(uintptr_t)aggregates, i, one)
                sets[count++] =
                        (struct fact_set){ json_text(one, "aggregate_type", ""), json_text(one, "aggregate_id", "") };
        if (count == 0)
                return 0;
        s->consumer->history(s, sets, count, store_client_on_json, &r->client);
        int code = store_client_wait(&r->client);
        if (code)
                return code;
        JSON_OWNED json_t *history = json_incref(r->client.value), *rows = json_array();
        for (i = 0; i < count; i++) {
                json_t *row = rebuild_row(r, json_array_get(aggregates, i),
                                          json_object_get(json_object_get(history, sets[i].kind), sets[i].owner));
                if (row)
                        json_array_append_new(rows, row);
        }
        r->aggregates += json_array_size(rows);
        if (batch_of_page(&b, r->consumer->def, rows) != 0)
                return rebuild_fail(r, -1);
        code = rebuild_batch(r, &b, history);
        batch_clear(&b);
        return code;
}

/* ---- where they come from ---- */

static int rebuild_all(struct rebuild *r)
{
        struct store *s = r->client.store;
        for (;;) {
                const struct fact_set after = { json_text(r->last, "aggregate_type", ""),
                                                json_text(r->last, "aggregate_id", "") };
                s->consumer->aggregates(s, r->last ? &after : NULL, REBUILD_PAGE, store_client_on_json, &r->client);
                int code = store_client_wait(&r->client);
                const size_t count = json_array_size(r->client.value);
                if (code || count == 0)
                        return code;
                JSON_OWNED json_t *page = json_incref(r->client.value);
                code = rebuild_aggregates(r, page);
                if (code)
                        return code;
                json_decref(r->last);
                r->last = json_incref(json_array_get(page, count - 1));
        }
}

/* Its aggregates, each once. */
static json_t *rebuild_page_aggregates(const json_t *page)
{
        JSON_OWNED json_t *seen = json_object();
        json_t *list = json_array(), *row;
        size_t i;
        json_array_foreach((json_t *)(uintptr_t)page, i, row) {
                const char *type = json_text(row, "aggregate_type", ""), *id = json_text(row, "aggregate_id", "");
                JSON_OWNED json_t *key = json_sprintf("%s/%s", type, id);
                if (json_object_get(seen, json_string_value(key)))
                        continue;
                json_object_set_new(seen, json_string_value(key), json_true());
                json_array_append_new(list, json_pack("{s:s, s:s}", "aggregate_type", type, "aggregate_id", id));
        }
        return list;
}

static int rebuild_outbox(struct rebuild *r)
{
        struct store *s = r->client.store;
        for (;;) {
                s->consumer->page(s, r->position, REBUILD_PAGE, store_client_on_json, &r->client);
                int code = store_client_wait(&r->client);
                const size_t count = json_array_size(r->client.value);
                if (code || count == 0)
                        return code;
                free(r->position);
                r->position = strdup(json_text(json_array_get(r->client.value, count - 1), "position", ""));
                JSON_OWNED json_t *aggregates = rebuild_page_aggregates(r->client.value);
                code = r->position && aggregates ? rebuild_aggregates(r, aggregates) : rebuild_fail(r, -1);
                if (code)
                        return code;
        }
}

/* Where the projector itself stands: nothing before that is on its way. */
static int rebuild_start(struct rebuild *r)
{
        struct store *s = r->client.store;
        size_t i;
        json_t *row;
        s->consumer->list(s, store_client_on_json, &r->client);
        const int code = store_client_wait(&r->client);
        const char *position = "";
        json_array_foreach(r->client.value, i, row)
                if (strcmp(json_text(row, "name", ""), r->consumer->def->name) == 0)
                        position = json_text(row, "position", "");
        r->position = strdup(position);
        return code;
}

/* ---- indexes ---- */

static int rebuild_delete(struct rebuild *r, const json_t *names, const char *what)
{
        size_t i;
        json_t *name;
        int rc = 0;
        json_array_foreach((json_t *)(uintptr_t)names, i, name) {
                if (rc == 0)
                        rc = search_delete(r->search, json_string_value(name), &r->why);
                if (rc == 0)
                        printf("%s %s is deleted\n", what, json_string_value(name));
        }
        return rc;
}

static int rebuild_make(struct rebuild *r)
{
        int rc = 0;
        for (const struct read_model *m = r->consumer->def->writes; rc == 0 && m->name; m++) {
                char *index = r->indexes[m - r->consumer->def->writes];
                JSON_OWNED json_t *left = NULL;
                if (m->kind != READ_MODEL_SEARCH)
                        continue;
                rc = search_left(r->search, m, &left, &r->why);
                if (rc == 0)
                        rc = rebuild_delete(r, left, "what another rebuild left,");
                snprintf(index, REBUILD_INDEX_SIZE, "%s-%lld", m->name, (long long)clock_wall_ms());
                if (rc == 0)
                        rc = search_make(r->search, m, index, &r->why);
        }
        return rc ? rebuild_fail(r, rc) : 0;
}

static int rebuild_swap(struct rebuild *r, json_t *before)
{
        int rc = 0;
        for (const struct read_model *m = r->consumer->def->writes; rc == 0 && m->name; m++) {
                JSON_OWNED json_t *old = NULL;
                const char *index = rebuild_index(r, m);
                if (!index)
                        continue;
                rc = search_refresh(r->search, index, &r->why);
                if (rc == 0)
                        rc = search_swap(r->search, m, index, &old, &r->why);
                if (rc == 0)
                        printf("%s is the index %s from now on\n", m->name, index);
                json_array_extend(before, old);
        }
        return rc ? rebuild_fail(r, rc) : 0;
}

/* ---- the command ---- */

/* An index that lacks documents does not take the place of one that has them. */
static int rebuild_complete(struct rebuild *r)
{
        if (r->refused == 0)
                return 0;
        fprintf(stderr, "chard consume: %llu documents are missing in what was built, so what serves now stays\n",
                r->refused);
        return EXIT_FAILED;
}

static int rebuild_run(struct rebuild *r)
{
        JSON_OWNED json_t *before = json_array();
        int code = rebuild_start(r);
        if (code == 0)
                code = rebuild_make(r);
        if (code == 0)
                code = rebuild_all(r);
        if (code == 0)
                code = rebuild_outbox(r);
        if (code == 0)
                code = rebuild_complete(r);
        if (code == 0)
                code = rebuild_swap(r, before);
        if (code == 0)
                code = rebuild_outbox(r);
        if (code == 0 && rebuild_delete(r, before, "the index before it,") != 0)
                code = rebuild_fail(r, 1);
        if (code == 0)
                printf("%llu aggregates, %llu documents written, %llu refused; up to %s\n", r->aggregates, r->documents,
                       r->refused, *r->position ? r->position : "the first event");
        return code;
}

static int rebuild_open(struct rebuild *r, const struct settings *s)
{
        const struct models_config config = { .loop = &r->client.wait.loop,
                                              .search_url = s->search_url,
                                              .redis_url = s->models_redis_url,
                                              .connect_timeout_ms = (unsigned)s->connect_timeout_ms };
        int rc = map_new(&r->held);
        if (rc == 0)
                rc = models_open(&r->models, &config, &r->why);
        for (const struct read_model *m = r->consumer->def->writes; rc == 0 && m->name; m++) {
                rc = models_have(r->models, m, &r->why);
                if (rc == 0 && m->kind == READ_MODEL_SEARCH && !r->search)
                        rc = search_open(&r->search, s->search_url, (unsigned)s->connect_timeout_ms, &r->why);
        }
        return rc;
}

static void rebuild_close(struct rebuild *r)
{
        models_close(r->models);
        search_close(r->search);
        if (r->held)
                map_free(r->held);
        json_decref(r->last);
        free(r->position);
        store_client_close(&r->client);
}

int serve_rebuild(const struct command *self, const struct settings *s, const char *name)
{
        struct rebuild r = { 0 };
        int code = store_client_open(&r.client, self, s);
        if (code == 0) {
                r.consumer = catalog_consumer(r.client.catalog, name);
                if (!r.consumer || !r.consumer->def->writes[0].name)
                        code = command_misuse(self, "--rebuild: \"%.60s\" is no consumer that writes read models",
                                              name);
        }
        if (code == 0) {
                const int rc = rebuild_open(&r, s);
                code = rc ? rebuild_fail(&r, rc) : rebuild_run(&r);
        }
        rebuild_close(&r);
        return code;
}
