/* SPDX-License-Identifier: Apache-2.0 */
/* The raw cost of results in Redis: hiredis and nothing else, SETEX and PUBLISH for each result under the key that Celery reads, as
 * its backend does, pipelined.
 *
 *     raw_redis --port P [--host HOST] --password PW --count N [--size BYTES] [--group G]
 *
 * G results are written before their answers are read. Prints {"count","seconds","cpu_us"}: CPU of that time. */
#include "bench/common.h"
#include "core/id.h"

#include <getopt.h>
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct redis_plan {
        const char *host, *password;
        int port;
        unsigned long count, group;
        size_t size;
};

static struct redis_plan read_plan(int argc, char **argv)
{
        static const struct option options[] = {
                { "host", 1, NULL, 'h' },  { "port", 1, NULL, 'p' }, { "password", 1, NULL, 'w' },
                { "count", 1, NULL, 'n' }, { "size", 1, NULL, 's' }, { "group", 1, NULL, 'g' },
                { NULL, 0, NULL, 0 },
        };
        struct redis_plan p = { .host = "127.0.0.1", .port = 6379, .group = 500, .size = 250 };
        for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
                switch (c) {
                case 'h': p.host = optarg; break;
                case 'p': p.port = (int)number_of(optarg, 1); break;
                case 'w': p.password = optarg; break;
                case 'n': p.count = (unsigned long)number_of(optarg, 1); break;
                case 's': p.size = (size_t)number_of(optarg, 1); break;
                case 'g': p.group = (unsigned long)number_of(optarg, 1); break;
                default: exit(2);
                }
        }
        if (!p.count)
                die("--count is needed");
        return p;
}

static void take_answer(redisContext *redis)
{
        redisReply *reply = NULL;
        if (redisGetReply(redis, (void **)&reply) != REDIS_OK || reply->type == REDIS_REPLY_ERROR)
                die("Redis: %s", reply ? reply->str : redis->errstr);
        freeReplyObject(reply);
}

static redisContext *open_redis(const struct redis_plan *p)
{
        redisContext *redis = redisConnect(p->host, p->port);
        if (!redis || redis->err)
                die("Redis at %s:%d: %s", p->host, p->port, redis ? redis->errstr : "out of memory");
        if (p->password) {
                redisAppendCommand(redis, "AUTH %s", p->password);
                take_answer(redis);
        }
        return redis;
}

static void store(redisContext *redis, const char *meta, size_t size)
{
        char key[64] = "celery-task-meta-";
        id_new(key + strlen(key));
        redisAppendCommand(redis, "SETEX %s %d %b", key, 86400, meta, size);
        redisAppendCommand(redis, "PUBLISH %s %b", key, meta, size);
}

int main(int argc, char **argv)
{
        const struct redis_plan p = read_plan(argc, argv);
        char *meta = malloc(p.size);
        redisContext *redis = open_redis(&p);
        if (!meta)
                die("out of memory");
        memset(meta, 'x', p.size);
        const uint64_t cpu = cpu_us(), start_ns = now_ns();
        for (unsigned long done = 0; done < p.count;) {
                const unsigned long group = p.count - done < p.group ? p.count - done : p.group;
                for (unsigned long i = 0; i < group; i++)
                        store(redis, meta, p.size);
                for (unsigned long i = 0; i < 2 * group; i++)
                        take_answer(redis);
                done += group;
        }
        printf("{\"count\":%lu,\"seconds\":%.6f,\"cpu_us\":%llu}\n", p.count, (double)(now_ns() - start_ns) / 1e9,
               (unsigned long long)(cpu_us() - cpu));
        redisFree(redis);
        free(meta);
        return 0;
}
