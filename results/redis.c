/* SPDX-License-Identifier: Apache-2.0 */
/* Results in Redis, under the keys that Celery reads: celery-task-meta-<id>, stored with its expiry and published on the same
 * name; chords counted in celery-taskset-meta-<group>.j (a sorted set of parts), .t (more parts than thought), .s (the header's size),
 * .d (who has been counted), .c (who starts the body) and .w (who looks again when the size is not there). Python workers may count parts
 * of the same chord. */
#include "core/json.h"
#include "core/log.h"
#include "message/wire/repr.h"
#include "redis/script.h"
#include "results/join.h"
#include "results/redis_keys.h"
#include "results/results.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct redis {
        struct results_sink sink; /* first: this is what the door holds */
        struct redis_link *link;
        char expires[16];
};

static const char *const schemes[] = { "redis", "rediss", "redis+socket", "sentinel", NULL };

/* One round trip for "a success stays": KEYS the task's key; ARGV the meta, its expiry, '1' for what may overwrite no end at all, '2' for what
 * may overwrite nothing that a worker has begun. */
static const char store_script[] =
        "local old = redis.call('GET', KEYS[1]) "
        "if old then "
        "local ok, meta = pcall(cjson.decode, old) "
        "local status = ok and type(meta) == 'table' and meta['status'] "
        "if status == 'SUCCESS' then return 0 end "
        "if ARGV[3] == '1' and (status == 'FAILURE' or status == 'REVOKED') then return 0 end "
        "if ARGV[3] == '2' and status ~= 'PENDING' and status ~= 'RECEIVED' and status ~= 'RETRY' and status ~= 'REJECTED' then return 0 end "
        "end "
        "if ARGV[2] ~= '0' then redis.call('SETEX', KEYS[1], ARGV[2], ARGV[1]) "
        "else redis.call('SET', KEYS[1], ARGV[1]) end "
        "redis.call('PUBLISH', KEYS[1], ARGV[1]) "
        "return 1";

/* KEYS .c .s and the group's own; ARGV size, expiry, the saved GroupResult or ''. A body that is started already stays so: this is a
 * repetition then, and the parts that are still to come are too. */
static const char begin_script[] = "if redis.call('GET', KEYS[1]) == 'done' then return 0 end "
                                   "local function put(key, value) "
                                   "if ARGV[2] ~= '0' then redis.call('SETEX', key, ARGV[2], value) "
                                   "else redis.call('SET', key, value) end end "
                                   "put(KEYS[2], ARGV[1]) "
                                   "if ARGV[3] ~= '' then put(KEYS[3], ARGV[3]) end "
                                   "return 1";

/* KEYS .c .t .d; ARGV who, how many, expiry. */
static const char more_script[] = "if redis.call('GET', KEYS[1]) == 'done' then return 0 end "
                                  "if redis.call('SADD', KEYS[3], 'more:' .. ARGV[1]) == 1 then "
                                  "redis.call('INCRBY', KEYS[2], ARGV[2]) end "
                                  "if ARGV[3] ~= '0' then "
                                  "for i = 2, 3 do redis.call('EXPIRE', KEYS[i], ARGV[3]) end end "
                                  "return 1";

/* A part that failed, was sent once more and succeeds takes its failure's place (parts that it added stand at the same index, so a member's id is
 * read, whatever characters it is written with); when the chord has failed with it, .w says what its size was, and once the last of its failures is mended,
 * and the last that they added has come, it is complete like any other. Where somebody is failing the chord at this moment, the one that makes it
 * whole looks again later, and later again, until that is done.
 * KEYS .j .t .s .d the group's own, .c .w, the body's result; ARGV id, member, index, expiry, seconds that a claim lasts, token, '1' for who
 * looks again. A claim of the same token is the same worker's, or another's that got the same message again: it goes on with it. Answers
 * {0} others are missing, or it has ended; {1, parts} the header is complete; {2} no size: look again; {3} no size still. */
static const char part_script[] =
        "if redis.call('GET', KEYS[6]) == 'done' then return {0} end "
        "local who = ARGV[1] .. ':' .. ARGV[3] "
        "local new = redis.call('SADD', KEYS[4], who) == 1 "
        "if new then redis.call('ZADD', KEYS[1], ARGV[3], ARGV[2]) end "
        "local function head(member) "
        "local at = string.match(member, '^%[1, ?()\"') "
        "local i = at and at + 1 "
        "while i do "
        "local c = string.find(member, '[\"\\\\]', i) "
        "if not c then return end "
        "if string.byte(member, c) ~= 92 then "
        "return string.sub(member, at, c), string.match(member, '^, ?\"(%u+)\"', c + 1) end "
        "i = c + 2 end end "
        "local function succeeded(member) local _, state = head(member) return state == 'SUCCESS' end "
        "local function is_own(member) "
        "local ok, ids = pcall(cjson.decode, '[' .. (head(member) or '') .. ']') return ok and ids[1] == ARGV[1] end "
        "local function all_succeeded() "
        "for _, member in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do "
        "if not succeeded(member) then return false end end return true end "
        "local mended = false "
        "if not new and succeeded(ARGV[2]) then "
        "for _, old in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], ARGV[3], ARGV[3])) do "
        "if not succeeded(old) and is_own(old) then redis.call('ZREM', KEYS[1], old) mended = true end end "
        "if mended then redis.call('ZADD', KEYS[1], ARGV[3], ARGV[2]) end end "
        "if succeeded(ARGV[2]) then "
        "local was = string.match(redis.call('GET', KEYS[7]) or '', '^failed:(%d+)$') "
        "if was and redis.call('ZCARD', KEYS[1]) == tonumber(was) + tonumber(redis.call('GET', KEYS[2]) or '0') "
        "and all_succeeded() then redis.call('SET', KEYS[3], was) redis.call('DEL', KEYS[7]) end end "
        "local size, watcher = redis.call('GET', KEYS[3]), redis.call('GET', KEYS[7]) "
        "local ended = not size and (watcher == 'ended' or string.find(watcher or '', '^failed:') or redis.call('EXISTS', KEYS[8]) == 1 "
        "or (not new and redis.call('ZCARD', KEYS[1]) == 0)) "
        "if size then redis.call('DEL', KEYS[7]) elseif not watcher and not ended then redis.call('SET', KEYS[7], who) end "
        "if ARGV[4] ~= '0' then "
        "for i = 1, ended and 5 or 7 do if i ~= 6 then redis.call('EXPIRE', KEYS[i], ARGV[4]) end end end "
        "if ended then return {0} end "
        "if not size and ARGV[7] == '1' then return {3} end "
        "if not size then return {(not watcher or watcher == who) and 2 or 0} end "
        "local more, parts = tonumber(redis.call('GET', KEYS[2]) or '0'), redis.call('ZCARD', KEYS[1]) "
        "if parts ~= tonumber(size) + more then return {0} end "
        "if redis.call('SET', KEYS[6], ARGV[6], 'NX', 'EX', ARGV[5]) then return {1, parts} end "
        "if redis.call('GET', KEYS[6]) == ARGV[6] then redis.call('EXPIRE', KEYS[6], ARGV[5]) return {1, parts} end "
        "return {(new or mended or ARGV[7] == '1') and all_succeeded() and 2 or 0}";

/* KEYS .c .j .s .d .w; ARGV size, expiry, parts. */
static const char restore_script[] = "if redis.call('GET', KEYS[1]) == 'done' then return 0 end "
                                     "for _, part in ipairs(cjson.decode(ARGV[3])) do "
                                     "if redis.call('SADD', KEYS[4], part[1]) == 1 then "
                                     "redis.call('ZADD', KEYS[2], part[2], part[3]) end end "
                                     "redis.call('SET', KEYS[3], ARGV[1], 'NX') "
                                     "redis.call('DEL', KEYS[5]) "
                                     "if ARGV[2] ~= '0' then "
                                     "for i = 2, 4 do redis.call('EXPIRE', KEYS[i], ARGV[2]) end end "
                                     "return 1";

/* KEYS .c .j .t .s .d .w; ARGV token, seconds that a latecomer is to be recognised, failed, expiry. */
static const char end_script[] = "local kept = math.max(tonumber(ARGV[2]), tonumber(ARGV[4])) "
                                 "if ARGV[3] == '1' then "
                                 "local size = redis.call('GET', KEYS[4]) "
                                 "if size then redis.call('SET', KEYS[6], 'failed:' .. size) "
                                 "elseif not string.find(redis.call('GET', KEYS[6]) or '', '^failed:') then "
                                 "redis.call('SET', KEYS[6], 'ended') end "
                                 "if ARGV[4] ~= '0' or not size then redis.call('EXPIRE', KEYS[6], kept) end "
                                 "redis.call('DEL', KEYS[4]) "
                                 "if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end "
                                 "return 1 end "
                                 "if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end "
                                 "redis.call('DEL', KEYS[2], KEYS[3], KEYS[4], KEYS[5]) "
                                 "redis.call('SET', KEYS[1], 'done', 'EX', ARGV[2]) "
                                 "redis.call('SET', KEYS[6], 'ended', 'EX', kept) "
                                 "return 1";

#define CLAIM_S "60"
#define DONE_S  "300"

/* ---- opening ---- */

static int redis_open(struct results_sink **out, const struct results_config *config, const char *url,
                      struct problem *why)
{
        struct redis_address address;
        struct redis *r = calloc(1, sizeof(*r));
        int rc = r ? redis_address_read(url, &address, why) : -ENOMEM;
        if (rc == 0) {
                log_hide(address.password);
                snprintf(r->expires, sizeof(r->expires), "%u", config->expires_s);
                log_hide(address.sentinel_password);
                const struct redis_link_config link = {
                        .loop = config->loop,
                        .connect_timeout_ms = config->connect_timeout_ms,
                        .then = "; what is to be stored waits",
                        .probe_key = REDIS_TASK_KEY "chard",
                };
                rc = redis_link_open(&r->link, &link, &address, why);
                redis_address_free(&address);
        }
        if (rc)
                free(r);
        else
                *out = &r->sink;
        return rc;
}

static void redis_close(struct results_sink *s)
{
        redis_link_close(((struct redis *)s)->link);
        free(s);
}

static bool redis_away(const struct results_sink *s)
{
        return redis_link_away(((const struct redis *)s)->link);
}

static bool redis_wants(const struct results_sink *s, const struct results_address *to)
{
        (void)s, (void)to;
        return true;
}

/* ---- what has only a result code to say ---- */

struct asking {
        const struct redis_link *link;
        results_done *done;
        void *arg;
};

static void on_done(redisReply *reply, void *arg)
{
        const struct asking a = *(struct asking *)arg;
        struct problem why = { 0 };
        free(arg);
        if (!reply)
                a.done(redis_link_closed(a.link) ? RESULTS_CLOSED : RESULTS_AWAY, NULL, a.arg);
        else if (reply->type != REDIS_REPLY_ERROR)
                a.done(RESULTS_DONE, NULL, a.arg);
        else {
                problem_set(&why, "results", "refused", "Redis refused it: %s", reply->str);
                a.done(RESULTS_REFUSED, &why, a.arg);
        }
}

static void results_redis_run(struct redis *r, const struct redis_script_call *call, results_done *done, void *arg)
{
        struct asking *a = malloc(sizeof(*a));
        if (a)
                *a = (struct asking){ r->link, done, arg };
        if (a && redis_script_send(r->link, call, on_done, a) == 0)
                return;
        free(a);
        done(RESULTS_AWAY, NULL, arg); /* our own memory: told again */
}

static struct bytes results_redis_text(const char *s)
{
        return bytes_of_string(s);
}

static void redis_store(struct results_sink *s, const struct results_address *to, struct bytes meta, results_done *done,
                        void *arg)
{
        struct redis *r = (struct redis *)s;
        struct buffer key_text = { 0 };
        buffer_addf(&key_text, "%s" REDIS_TASK_KEY "%s", redis_link_prefix(r->link), to->task_id);
        const struct bytes key = buffer_view(&key_text);
        const char *stays = to->unbegun ? "2" : to->late && to->interim ? "1" : "0";
        const struct bytes args[] = { meta, results_redis_text(r->expires), results_redis_text(stays) };
        results_redis_run(r, &(struct redis_script_call){ store_script, &key, args, 1, COUNT(args) }, done, arg);
        buffer_free(&key_text);
}

/* ---- chords ---- */

enum chord_key { KEY_J, KEY_T, KEY_S, KEY_D, KEY_C, KEY_W, KEY_GROUP, KEY_COUNT };

/* All keys of a group in one buffer; views of them in `out`. */
static void chord_keys(const struct redis *r, const char *group_id, struct buffer *key_text,
                       struct bytes out[KEY_COUNT])
{
        static const char *const ends[] = { ".j", ".t", ".s", ".d", ".c", ".w", "" };
        size_t starts[KEY_COUNT + 1] = { 0 };
        for (size_t i = 0; i < KEY_COUNT; i++) {
                buffer_addf(key_text, "%s" REDIS_GROUP_KEY "%s%s", redis_link_prefix(r->link), group_id, ends[i]);
                starts[i + 1] = key_text->size;
        }
        for (size_t i = 0; i < KEY_COUNT; i++)
                out[i] = bytes_of(key_text->data + starts[i], starts[i + 1] - starts[i]);
}

/* A script, and those of a group's keys that it gets, in its order. */
struct chord_script {
        const char *text;
        size_t key_count;
        enum chord_key keys[KEY_COUNT];
};

static void chord_run(struct redis *r, const struct chord_script *script, const char *group_id,
                      const struct bytes args[], size_t arg_count, results_done *done, void *arg)
{
        struct buffer scratch = { 0 };
        struct bytes all[KEY_COUNT], keys[KEY_COUNT];
        chord_keys(r, group_id, &scratch, all);
        for (size_t i = 0; i < script->key_count; i++)
                keys[i] = all[script->keys[i]];
        results_redis_run(r, &(struct redis_script_call){ script->text, keys, args, script->key_count, arg_count },
                          done, arg);
        buffer_free(&scratch);
}

static const char *redis_decimal(size_t number, char out[24])
{
        snprintf(out, 24, "%zu", number);
        return out;
}

static void redis_chord_begin(struct results_sink *s, const char *group_id, size_t size, struct bytes saved,
                              results_done *done, void *arg)
{
        static const struct chord_script begin = { begin_script, 3, { KEY_C, KEY_S, KEY_GROUP } };
        struct redis *r = (struct redis *)s;
        char count[24];
        const struct bytes args[] = { results_redis_text(redis_decimal(size, count)), results_redis_text(r->expires),
                                      saved };
        chord_run(r, &begin, group_id, args, COUNT(args), done, arg);
}

static void redis_chord_more(struct results_sink *s, const char *group_id, const char *who, size_t size,
                             results_done *done, void *arg)
{
        static const struct chord_script more = { more_script, 3, { KEY_C, KEY_T, KEY_D } };
        struct redis *r = (struct redis *)s;
        char count[24];
        const struct bytes args[] = { results_redis_text(who), results_redis_text(redis_decimal(size, count)),
                                      results_redis_text(r->expires) };
        chord_run(r, &more, group_id, args, COUNT(args), done, arg);
}

static void redis_chord_end(struct results_sink *s, const char *group_id, const char *task_id, bool failed,
                            results_done *done, void *arg)
{
        static const struct chord_script end = { end_script, 6, { KEY_C, KEY_J, KEY_T, KEY_S, KEY_D, KEY_W } };
        struct redis *r = (struct redis *)s;
        const struct bytes args[] = { results_redis_text(task_id), results_redis_text(DONE_S),
                                      results_redis_text(failed ? "1" : "0"), results_redis_text(r->expires) };
        chord_run(r, &end, group_id, args, COUNT(args), done, arg);
}

static void redis_chord_restore(struct results_sink *s, const char *group_id, size_t size, struct bytes parts,
                                results_done *done, void *arg)
{
        static const struct chord_script restore = { restore_script, 5, { KEY_C, KEY_J, KEY_S, KEY_D, KEY_W } };
        struct redis *r = (struct redis *)s;
        char count[24];
        const struct bytes args[] = { results_redis_text(redis_decimal(size, count)), results_redis_text(r->expires),
                                      parts };
        chord_run(r, &restore, group_id, args, COUNT(args), done, arg);
}

static void redis_chord_part(struct results_sink *s, const struct chord_part *part, chord_done *done, void *arg)
{
        struct redis *r = (struct redis *)s;
        struct buffer key_text = { 0 }, body = { 0 };
        struct bytes k[KEY_COUNT];
        char index[24] = "+inf";
        if (part->index >= 0)
                snprintf(index, sizeof(index), "%lld", part->index);
        buffer_addf(&body, "%s" REDIS_TASK_KEY "%s", redis_link_prefix(r->link), part->body_id ? part->body_id : "");
        chord_keys(r, part->group_id, &key_text, k);
        const struct bytes keys[] = { k[KEY_J],     k[KEY_T], k[KEY_S], k[KEY_D],
                                      k[KEY_GROUP], k[KEY_C], k[KEY_W], buffer_view(&body) };
        const struct bytes args[] = {
                results_redis_text(part->task_id),
                part->member,
                results_redis_text(index),
                results_redis_text(r->expires),
                results_redis_text(CLAIM_S),
                results_redis_text(part->task_id),
                results_redis_text(part->again ? "1" : "0"),
        };
        redis_join(r->link, &(struct redis_script_call){ part_script, keys, args, COUNT(keys), COUNT(args) }, k[KEY_J],
                   k[KEY_GROUP], done, arg);
        buffer_free(&body);
        buffer_free(&key_text);
}

extern const struct results_backend results_redis;
const struct results_backend results_redis = {
        .schemes = schemes,
        .open = redis_open,
        .away = redis_away,
        .wants = redis_wants,
        .store = redis_store,
        .chord_begin = redis_chord_begin,
        .chord_more = redis_chord_more,
        .chord_part = redis_chord_part,
        .chord_restore = redis_chord_restore,
        .chord_end = redis_chord_end,
        .close = redis_close,
};
