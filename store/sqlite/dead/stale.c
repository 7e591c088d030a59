/* SPDX-License-Identifier: Apache-2.0 */
/* Jobs that got stuck: found in chunks, and failed or sent on. */
#include "store/sqlite/dead/dead.h"

#include "core/json.h"

#include <stdlib.h>

struct lite_stale_find_call {
        struct lite_call call; /* its text: the answer */
        struct buffer limits;  /* {"PIPELINE": microseconds}, with a NUL behind it */
        unsigned limit;
};

struct lite_stale_settle_call {
        struct lite_call call;
        const struct stale_item *items;
        size_t count, settled, sent;
        struct buffer payloads, errors; /* of the items in their order, each with a NUL behind it */
};

/* ---- find ---- */

static int stale_run_find(struct sqlite_work *work, sqlite3 *db)
{
        struct lite_stale_find_call *c = (struct lite_stale_find_call *)work;
        struct query q = query_of(db, &lite_sql_stale_find);

        query_number(&q, lite_now_us());
        query_text(&q, (const char *)c->limits.data);
        query_number(&q, c->limit);
        return lite_answer(&c->call.text, &q);
}

static const struct sqlite_verb find_verb = { .run = stale_run_find, .done = lite_read, .reads = true };

static void clear_find(struct lite_call *call)
{
        buffer_free(&((struct lite_stale_find_call *)call)->limits);
}

static bool write_limits(struct lite_stale_find_call *c, const struct stale_query *query)
{
        JSON_OWNED json_t *limits = json_object();

        for (size_t i = 0; i < query->limit_count; i++)
                json_object_set_new(limits, query->limits[i].pipeline, json_integer(query->limits[i].limit_ms * 1000));
        lite_add_json(&c->limits, limits);
        return limits && !c->limits.failed;
}

void lite_stale_find(struct store *s, const struct stale_query *query, json_done *done, void *arg)
{
        struct lite_stale_find_call *c = lite_call_new(lite_of(s), sizeof(*c), (void (*)(void))done, arg);

        if (c)
                c->call.clear = clear_find;
        if (c && !write_limits(c, query)) {
                lite_call_free(&c->call);
                c = NULL;
        }
        if (!c) {
                lite_refuse_read(done, arg);
                return;
        }
        c->limit = query->limit;
        lite_call_start(&c->call, &find_verb);
}

/* ---- settle ---- */

/* Sets *moved when there was nothing to change any more. */
static int change_job(const struct stale_item *item, sqlite3 *db, const char *error, int64_t now_us, bool *moved)
{
        const bool fails = !item->restart && item->why;
        struct query q = query_of(db, fails ? &lite_sql_stale_fail : &lite_sql_stale_restart);
        int rc;

        query_text(&q, item->root_id);
        query_number(&q, item->updated_us);
        query_number(&q, now_us);
        if (fails)
                query_text(&q, error);
        else
                query_number(&q, item->restart);
        query_number(&q, item->since_us);
        rc = query_run(&q);
        *moved = rc == SQLITE_OK && sqlite3_changes(db) == 0;
        return rc;
}

static int send_again(struct lite_stale_settle_call *c, const char *root_id, const struct stale_next *next, sqlite3 *db)
{
        struct scheduled row = { .message = next->message,
                                 .due_ms = lite_now_us() / 1000,
                                 .reason = "restart",
                                 .task_id = next->task_id,
                                 .root_id = root_id };
        unsigned char key[KEY_SIZE];
        size_t n = c->sent++;

        store_key_part(c->call.key, n, key);
        return lite_put_keyed(&c->call, db, key, &row);
}

static int send_all_again(struct lite_stale_settle_call *c, const struct stale_item *item, sqlite3 *db)
{
        int rc = SQLITE_OK;

        for (size_t i = 0; rc == SQLITE_OK && i < item->next_count; i++)
                rc = send_again(c, item->root_id, &item->next[i], db);
        return rc;
}

static int fail_tasks(const struct stale_item *item, sqlite3 *db, int64_t now_us)
{
        struct query q = query_of(db, &lite_sql_stale_tasks);
        int rc;

        query_text(&q, item->root_id);
        query_number(&q, now_us);
        rc = query_run(&q);
        for (size_t i = 0; rc == SQLITE_OK && i < item->next_count; i++) {
                const struct stale_next *next = &item->next[i];

                if (!next->task_id)
                        continue;
                q = query_of(db, &lite_sql_stale_missing);
                query_text(&q, next->task_id);
                query_text(&q, item->root_id);
                query_text(&q, next->task_name ? next->task_name : "");
                query_number(&q, now_us);
                rc = query_run(&q);
        }
        return rc;
}

static int stale_say_so(const struct stale_item *item, sqlite3 *db, const char *payload, int64_t now_us)
{
        const struct lite_event event = {
                .aggregate_type = item->aggregate_type,
                .aggregate_id = item->root_id,
                .type = item->event_type,
                .root_id = item->root_id,
                .task_id = item->next_count > 0 && item->next[0].task_id ? item->next[0].task_id : item->root_id,
                .payload = payload,
        };

        return item->event_type ? lite_put_event(db, &event, now_us) : SQLITE_OK;
}

static int stale_settle(struct lite_stale_settle_call *c, size_t i, sqlite3 *db, const char *payload, const char *error)
{
        const struct stale_item *item = &c->items[i];
        int64_t now_us = lite_now_us();
        bool moved;
        int rc = change_job(item, db, error, now_us, &moved);

        if (rc != SQLITE_OK || moved)
                return rc;
        c->settled++;
        if (item->restart)
                return send_all_again(c, item, db);
        if (!item->why)
                return SQLITE_OK;
        rc = fail_tasks(item, db, now_us);
        return rc == SQLITE_OK ? stale_say_so(item, db, payload, now_us) : rc;
}

static int stale_run_settle(struct sqlite_work *work, sqlite3 *db)
{
        struct lite_stale_settle_call *c = (struct lite_stale_settle_call *)work;
        const char *payload = (const char *)c->payloads.data, *error = (const char *)c->errors.data;
        int rc = SQLITE_OK;

        c->settled = c->sent = 0;
        c->call.scheduled_id = 0;
        for (size_t i = 0; rc == SQLITE_OK && i < c->count; i++) {
                rc = stale_settle(c, i, db, payload, error);
                payload += strlen(payload) + 1;
                error += strlen(error) + 1;
        }
        return rc;
}

static void stale_answered(struct sqlite_work *work, enum sqlite_end end, const struct problem *said)
{
        struct lite_stale_settle_call *c = (struct lite_stale_settle_call *)work;
        struct problem why;
        bool done;

        end = lite_call_end(&c->call, end);
        done = end == SQLITE_END_COMMITTED && !c->call.refused;
        lite_why(&c->call, end, said, &why);
        ((stale_settled *)c->call.done)(done ? c->settled : 0, done ? NULL : &why, c->call.arg);
        lite_call_free(&c->call);
}

static const struct sqlite_verb settle_verb = { .run = stale_run_settle, .done = stale_answered };

static void clear_settle(struct lite_call *call)
{
        buffer_free(&((struct lite_stale_settle_call *)call)->payloads);
        buffer_free(&((struct lite_stale_settle_call *)call)->errors);
}

/* False when memory ran out. */
static bool stale_write_items(struct lite_stale_settle_call *c)
{
        for (size_t i = 0; i < c->count; i++) {
                const struct stale_item *item = &c->items[i];
                JSON_OWNED json_t *error = item->why ? stale_error(item->why) : NULL;

                if (item->why && !error)
                        return false;
                lite_add_json(&c->payloads, item->payload);
                lite_add_json(&c->errors, error);
        }
        return !c->payloads.failed && !c->errors.failed;
}

void lite_stale_settle(struct store *s, const struct stale_item *items, size_t count, stale_settled *done, void *arg)
{
        struct lite_stale_settle_call *c = lite_call_new(lite_of(s), sizeof(*c), (void (*)(void))done, arg);
        struct problem why;

        if (c) {
                c->call.clear = clear_settle;
                c->items = items;
                c->count = count;
        }
        if (!c || !stale_write_items(c)) {
                if (c)
                        lite_call_free(&c->call);
                problem_set(&why, "store", "out_of_memory", "out of memory");
                done(0, &why, arg);
                return;
        }
        lite_call_start(&c->call, &settle_verb);
}
