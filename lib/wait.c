/* SPDX-License-Identifier: Apache-2.0 */
/* Waiting for results, wherever they come back. */
#include "core/json.h"
#include "lib/redis.h"

#include <stdlib.h>
#include <string.h>

static int timed_out(struct chard_error *why)
{
        return lib_fail(why, CHARD_TIMED_OUT, "timed_out", "there is no result yet");
}

/* ---- one task ---- */

static int copied_verdict(const json_t *meta, json_t **value, struct chard_error *why)
{
        json_t *shared = NULL;
        const int code = result_verdict(meta, &shared, why);
        *value = json_deep_copy(shared);
        json_decref(shared);
        return *value ? code : lib_no_memory(why);
}

static int wait_queue(struct chard *c, const char *id, uint64_t until_ms, json_t **value, struct chard_error *why)
{
        int code = -1;
        pthread_mutex_lock(&c->lock);
        while (code < 0) {
                const struct expected *e = map_get(c->expected, id);
                if (!e)
                        code = lib_fail(why, CHARD_UNKNOWN_ID, "unknown_id",
                                        "this handle has not sent \"%.100s\", or has forgotten it", id);
                else if (e->meta)
                        code = copied_verdict(e->meta, value, why);
                else if (c->state != CLIENT_OPEN)
                        code = lib_fail(why, CHARD_UNCERTAIN, "closed", "the handle is being closed");
                else if (!client_wait(c, until_ms))
                        code = timed_out(why);
        }
        pthread_mutex_unlock(&c->lock);
        return code;
}

static int wait_redis(struct chard *c, const char *id, uint64_t until_ms, json_t **value, struct chard_error *why)
{
        JSON_OWNED json_t *meta = NULL;
        const int code = lib_redis_result(c, id, until_ms, &meta, why);
        if (code == CHARD_TIMED_OUT)
                return timed_out(why);
        return code == CHARD_OK ? result_verdict(meta, value, why) : code;
}

static int wait_one(struct chard *c, const char *id, uint64_t until_ms, json_t **value, struct chard_error *why)
{
        return c->redis ? wait_redis(c, id, until_ms, value, why) : wait_queue(c, id, until_ms, value, why);
}

/* ---- a group ---- */

/* The trees of a group's members; new reference, or NULL for anything else. */
static json_t *members_of(struct chard *c, const char *id)
{
        pthread_mutex_lock(&c->lock);
        const struct expected *e = map_get(c->expected, id);
        json_t *members = e ? json_deep_copy(e->members) : NULL;
        pthread_mutex_unlock(&c->lock);
        return members;
}

static int wait_group(struct chard *c, const json_t *members, uint64_t until_ms, json_t **value,
                      struct chard_error *why);

static int wait_tree(struct chard *c, const json_t *tree, uint64_t until_ms, json_t **value, struct chard_error *why)
{
        const json_t *members = json_array_get(tree, 1);
        return json_is_array(members) ? wait_group(c, members, until_ms, value, why)
                                      : wait_one(c, expect_id(tree), until_ms, value, why);
}

/* The first that failed ends it. */
static int wait_group(struct chard *c, const json_t *members, uint64_t until_ms, json_t **value,
                      struct chard_error *why)
{
        json_t *results = json_array();
        int code = CHARD_OK;
        for (size_t i = 0; code == CHARD_OK && i < json_array_size(members); i++) {
                json_t *one = NULL;
                code = wait_tree(c, json_array_get(members, i), until_ms, &one, why);
                if (code == CHARD_TASK_FAILED) {
                        json_decref(results);
                        results = one;
                } else {
                        json_array_append_new(results, one);
                }
        }
        *value = results;
        return code;
}

/* ---- the calls ---- */

static int wait_any(struct chard *c, const char *id, uint64_t until_ms, char **result, struct chard_error *why)
{
        json_t *value = NULL;
        JSON_OWNED json_t *members = members_of(c, id);
        int code = members ? wait_group(c, members, until_ms, &value, why) : wait_one(c, id, until_ms, &value, why);
        if (result && value && (code == CHARD_OK || code == CHARD_TASK_FAILED)) {
                *result = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
                if (!*result)
                        code = lib_no_memory(why);
        }
        json_decref(value);
        return code;
}

int chard_wait(struct chard *c, const char *id, long timeout_ms, char **result, struct chard_error *why)
{
        if (result)
                *result = NULL;
        if (!c || !id || !*id || strlen(id) >= CHARD_ID_SIZE)
                return lib_fail(why, CHARD_BAD_ARGUMENT, "bad_id", "an id has 1 to 255 bytes");
        if (!c->redis && !*c->reply_to)
                return lib_fail(why, CHARD_UNKNOWN_ID, "no_results", "opened without results: nothing comes back");
        if (client_is_ours(c, why) != CHARD_OK)
                return CHARD_BAD_ARGUMENT;
        client_enter(c);
        const int code = wait_any(c, id, client_until(timeout_ms), result, why);
        client_leave(c);
        return code;
}

int chard_result_get(struct chard *c, const char *id, char **result, struct chard_error *why)
{
        return chard_wait(c, id, 0, result, why);
}

void chard_forget(struct chard *c, const char *id)
{
        if (!c || !id || client_is_ours(c, NULL) != CHARD_OK)
                return;
        pthread_mutex_lock(&c->lock);
        expect_drop(c, id);
        pthread_mutex_unlock(&c->lock);
}
