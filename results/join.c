/* SPDX-License-Identifier: Apache-2.0 */
#include "results/join.h"

#include "core/json.h"
#include "message/wire/repr.h"
#include "results/redis_keys.h"

#include <stdlib.h>
#include <string.h>

struct join {
        struct redis_link *link;
        struct buffer parts, group; /* keys */
        json_t *tree;               /* of the saved GroupResult, or NULL */
        json_t *ids;                /* its leaves, in order */
        size_t count;               /* of the parts */
        chord_done *done;
        void *arg;
};

static void on_counted(redisReply *reply, void *arg);
static void on_group(redisReply *reply, void *arg);
static void on_members(redisReply *reply, void *arg);
static void on_results(redisReply *reply, void *arg);

static void results_join_finish(struct join *j, const struct chord_reply *reply)
{
        j->done(reply, j->arg);
        buffer_free(&j->parts);
        buffer_free(&j->group);
        json_decref(j->tree);
        json_decref(j->ids);
        free(j);
}

static void finish_with(struct join *j, enum chord_verdict verdict)
{
        const struct chord_reply reply = { .verdict = verdict };
        results_join_finish(j, &reply);
}

/* Our own memory is no fault of the chord's: what is AWAY is told once more. */
static void out_of_memory(struct join *j)
{
        finish_with(j, CHORD_AWAY);
}

/* True when the reply ends it: the link was closed, or Redis refused. */
static bool results_join_ended(struct join *j, const redisReply *reply)
{
        struct chord_reply answer = { .verdict = CHORD_REFUSED };
        if (!reply) {
                finish_with(j, redis_link_closed(j->link) ? CHORD_CLOSED : CHORD_AWAY);
                return true;
        }
        if (reply->type != REDIS_REPLY_ERROR)
                return false;
        problem_set(&answer.why, "results", "refused", "Redis refused to count a chord: %s", reply->str);
        results_join_finish(j, &answer);
        return true;
}

static void results_join_ask(struct join *j, const struct bytes words[], size_t count, redis_answer *answer)
{
        if (redis_link_send(j->link, words, count, answer, j) != 0)
                out_of_memory(j);
}

static void results_join_run(struct join *j, const struct redis_script_call *call, redis_answer *answer)
{
        if (redis_script_send(j->link, call, answer, j) != 0)
                out_of_memory(j);
}

void redis_join(struct redis_link *l, const struct redis_script_call *counting, struct bytes parts, struct bytes group,
                chord_done *done, void *arg)
{
        const struct chord_reply none = { .verdict = CHORD_AWAY };
        struct join *j = calloc(1, sizeof(*j));
        if (!j) {
                done(&none, arg);
                return;
        }
        j->link = l;
        j->done = done;
        j->arg = arg;
        buffer_add(&j->parts, parts.data, parts.size);
        buffer_add(&j->group, group.data, group.size);
        results_join_run(j, counting, on_counted);
}

static long long results_join_number(const redisReply *reply, size_t i)
{
        const bool there = reply->type == REDIS_REPLY_ARRAY && i < reply->elements;
        return there && reply->element[i]->type == REDIS_REPLY_INTEGER ? reply->element[i]->integer : 0;
}

static void on_counted(redisReply *reply, void *arg)
{
        static const enum chord_verdict verdicts[] = { CHORD_WAITS, CHORD_READY, CHORD_UNKNOWN, CHORD_LOST };
        struct join *j = (struct join *)arg;
        if (results_join_ended(j, reply))
                return;
        const long long said = results_join_number(reply, 0);
        j->count = (size_t)results_join_number(reply, 1);
        if (said != 1) {
                finish_with(j, said >= 0 && said <= 3 ? verdicts[said] : CHORD_WAITS);
                return;
        }
        const struct bytes words[] = { bytes_of_string("GET"), buffer_view(&j->group) };
        results_join_ask(j, words, 2, on_group);
}

/* ---- a plain header: its parts stand in the sorted set ---- */

static struct bytes results_join_view(const redisReply *reply)
{
        return reply->str ? bytes_of(reply->str, reply->len) : (struct bytes){ NULL, 0 };
}

/* "ValueError('boom')", as Python shows an exception. */
static void add_exception(struct buffer *out, const json_t *exception)
{
        json_t *said = json_object_get(exception, "exc_message");
        json_t *alone = json_is_array(said) ? NULL : json_pack("[O?]", said);
        buffer_add_string(out, json_text(exception, "exc_type", "Exception"));
        repr_args((struct bytes){ NULL, 0 }, alone ? alone : said, out);
        json_decref(alone);
        if (out->size >= 2 &&
            memcmp(out->data + out->size - 2, ",)", 2) == 0) { /* a tuple of one; an exception shows no comma */
                out->size -= 2;
                buffer_add_byte(out, ')');
        }
}

static enum chord_verdict results_join_failed(const char *id, const json_t *exception, struct problem *why)
{
        struct buffer text = { 0 };
        add_exception(&text, exception);
        problem_set(why, "results", "chord", "Dependency %s raised %.*s", id, (int)text.size, (const char *)text.data);
        buffer_free(&text);
        return CHORD_FAILED;
}

static bool is_failure(const char *state)
{
        return strcmp(state, "FAILURE") == 0 || strcmp(state, "REVOKED") == 0;
}

enum chord_verdict join_members(const struct bytes members[], size_t count, struct buffer *results, struct problem *why)
{
        buffer_add_byte(results, '[');
        for (size_t i = 0; i < count; i++) {
                JSON_OWNED json_t *part = NULL;
                struct problem unreadable;
                if (json_parse(members[i], "results", &part, &unreadable) != 0 || json_array_size(part) != 4) {
                        buffer_reset(results);
                        problem_set(why, "results", "chord_broken", "Join error: part %zu of the header can't be read",
                                    i);
                        return CHORD_FAILED;
                }
                const char *id = json_string_value(json_array_get(part, 1));
                const char *state = json_string_value(json_array_get(part, 2));
                if (state && is_failure(state)) {
                        buffer_reset(results);
                        if (json_is_object(json_array_get(part, 3)))
                                json_write(json_array_get(part, 3), results);
                        return results_join_failed(id ? id : "?", json_array_get(part, 3), why);
                }
                buffer_add_string(results, i ? "," : "");
                json_write(json_array_get(part, 3), results);
        }
        buffer_add_byte(results, ']');
        return CHORD_READY;
}

static void on_members(redisReply *reply, void *arg)
{
        struct join *j = (struct join *)arg;
        struct chord_reply answer = { 0 };
        struct buffer results = { 0 };
        if (results_join_ended(j, reply))
                return;
        if (reply->elements !=
            j->count) { /* flushed, or ended by whoever else got the same message, since they were counted */
                finish_with(j, CHORD_UNKNOWN);
                return;
        }
        struct bytes *members = calloc(reply->elements + 1, sizeof(*members));
        if (!members) {
                out_of_memory(j);
                return;
        }
        for (size_t i = 0; i < reply->elements; i++)
                members[i] = results_join_view(reply->element[i]);
        const unsigned long lost = json_memory_lost();
        answer.verdict = join_members(members, reply->elements, &results, &answer.why);
        free(members);
        *(answer.verdict == CHORD_READY ? &answer.results : &answer.cause) = buffer_view(&results);
        if (results.failed || json_memory_lost() != lost)
                out_of_memory(j);
        else
                results_join_finish(j, &answer);
        buffer_free(&results);
}

/* ---- a header with groups in it: a tree of ids was saved, and the results are read one by one ---- */

/* A node is [[id, parent], null] or [[id, parent], [nodes…]]; gather the ids of the leaves. */
static void add_ids(const json_t *node, json_t *ids)
{
        const json_t *children = json_array_get(node, 1);
        if (json_is_array(children)) {
                for (size_t i = 0; i < json_array_size(children); i++)
                        add_ids(json_array_get(children, i), ids);
        } else {
                json_t *id = json_array_get(json_array_get(node, 0), 0);
                json_array_append(ids, json_is_string(id) ? id : json_null());
        }
}

/* One MGET with many words, as a script: the link takes commands of few words. ARGV: the ids as JSON, what their keys begin with. */
static const char results_script[] = "local out = {} for i, id in ipairs(cjson.decode(ARGV[1])) do "
                                     "out[i] = redis.call('GET', ARGV[2] .. '" REDIS_TASK_KEY "' .. tostring(id)) end "
                                     "return out";

static void ask_results(struct join *j)
{
        enum { MOST = 1 << 20 };
        const size_t count = json_array_size(j->ids);
        struct buffer list = { 0 };
        json_write(j->ids, &list);
        struct chord_reply refused = { .verdict = CHORD_REFUSED };
        const struct bytes args[] = { buffer_view(&list), bytes_of_string(redis_link_prefix(j->link)) };
        problem_set(&refused.why, "results", "refused", "a header of %zu results can't be gathered", count);
        if (!j->ids || list.failed)
                out_of_memory(j);
        else if (count == 0 || count > MOST)
                results_join_finish(j, &refused);
        else
                results_join_run(j, &(struct redis_script_call){ results_script, NULL, args, 0, 2 }, on_results);
        buffer_free(&list);
}

static void on_group(redisReply *reply, void *arg)
{
        struct join *j = (struct join *)arg;
        JSON_OWNED json_t *saved = NULL;
        struct problem unreadable;
        if (results_join_ended(j, reply))
                return;
        const unsigned long lost = json_memory_lost();
        const int code = reply->type == REDIS_REPLY_STRING
                                 ? json_parse(results_join_view(reply), "results", &saved, &unreadable)
                                 : 1;
        if (code == 0) {
                j->tree = json_incref(json_object_get(saved, "result"));
                j->ids = json_array();
                add_ids(j->tree, j->ids);
        }
        if (json_whole_since(lost, code) < 0) {
                out_of_memory(j);
                return;
        }
        if (code == 0) {
                ask_results(j);
                return;
        }
        const struct bytes words[] = { bytes_of_string("ZRANGE"), buffer_view(&j->parts), bytes_of_string("0"),
                                       bytes_of_string("-1") };
        results_join_ask(j, words, 4, on_members);
}

/* Write the tree with its results in place of the ids. */
static bool add_tree(const json_t *node, const redisReply *reply, size_t *at, struct buffer *out, struct problem *why)
{
        const json_t *children = json_array_get(node, 1);
        if (json_is_array(children)) {
                bool fine = true;
                buffer_add_byte(out, '[');
                for (size_t i = 0; fine && i < json_array_size(children); i++) {
                        buffer_add_string(out, i ? "," : "");
                        fine = add_tree(json_array_get(children, i), reply, at, out, why);
                }
                buffer_add_byte(out, ']');
                return fine;
        }
        const char *id = json_string_value(json_array_get(json_array_get(node, 0), 0));
        const redisReply *found = *at < reply->elements ? reply->element[(*at)++] : NULL;
        JSON_OWNED json_t *meta = NULL;
        struct problem unreadable;
        if (!found || found->type != REDIS_REPLY_STRING ||
            json_parse(results_join_view(found), "results", &meta, &unreadable) != 0) {
                problem_set(why, "results", "chord_broken", "Join error: the result of %s is missing", id ? id : "?");
                return false;
        }
        if (is_failure(json_text(meta, "status", "")))
                return results_join_failed(id ? id : "?", json_object_get(meta, "result"), why) == CHORD_READY;
        json_write(json_object_get(meta, "result"), out);
        return true;
}

static void on_results(redisReply *reply, void *arg)
{
        struct join *j = (struct join *)arg;
        struct chord_reply answer = { .verdict = CHORD_READY };
        struct buffer results = { 0 };
        size_t at = 0;
        if (results_join_ended(j, reply))
                return;
        const unsigned long lost = json_memory_lost();
        if (!add_tree(j->tree, reply, &at, &results, &answer.why))
                answer.verdict = CHORD_FAILED;
        answer.results = buffer_view(&results);
        if (results.failed || json_memory_lost() != lost)
                out_of_memory(j);
        else
                results_join_finish(j, &answer);
        buffer_free(&results);
}
