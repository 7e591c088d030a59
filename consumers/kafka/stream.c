/* SPDX-License-Identifier: Apache-2.0 */
/* The thread and the loop share a `struct kafka_stream` under one lock: the thread fills `batch` and waits until the loop has set `over`. */
#include "consumers/kafka/stream.h"

#include "consumers/kafka/properties.h"
#include "consumers/kafka/record.h"
#include "core/log.h"
#include "core/thread/work.h"

#include <errno.h>
#include <librdkafka/rdkafka.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
        STREAM_POLL_MS = 100,
        STREAM_GATHER_MS = 2, /* what comes together goes together */
        STREAM_HELD_MS = 500, /* between two polls while a batch is in hand */
        STREAM_FLUSH_MS = 5000,
        STREAM_PLACE_MS = 5000, /* to say where a partition begins */
};

struct kafka_stream {
        struct kafka_stream_config config;
        rd_kafka_t *consumer, *producer;
        pthread_t thread;
        uv_async_t async;
        pthread_mutex_t lock;
        pthread_cond_t told;
        rd_kafka_message_t *batch[STREAM_BATCH]; /* the thread's until `ready`, the loop's until `over` */
        size_t count;
        bool ready, over, closing, done;
        bool missed;                /* records: to be told to the loop */
        bool anew;                  /* partitions were assigned: the thread's until `ready` */
        struct record_out *letters; /* to be produced before the commit; the loop's until `over` */
        bool complained;
};

/* ---- settings ---- */

static bool stream_set(rd_kafka_conf_t *conf, const char *const pairs[][2], struct problem *why)
{
        char said[256];
        for (size_t i = 0; pairs[i][0]; i++) {
                if (rd_kafka_conf_set(conf, pairs[i][0], pairs[i][1], said, sizeof(said)) != RD_KAFKA_CONF_OK) {
                        problem_set(why, "kafka", "bad_setting", "%s: %s", pairs[i][0], said);
                        return false;
                }
        }
        return true;
}

static void stream_on_log(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
        (void)rk, (void)level;
        log_debug("kafka", "%s: %s", facility, text);
}

static void stream_on_error(rd_kafka_t *rk, int code, const char *text, void *arg)
{
        struct kafka_stream *s = (struct kafka_stream *)arg;
        (void)rk;
        if (!s->complained)
                log_warn("kafka", "%s: %s, and is tried again: %s", s->config.group,
                         rd_kafka_err2name((rd_kafka_resp_err_t)code), text);
        s->complained = true;
}

/* ---- what retention has taken ---- */

/* One that has committed nothing, of a topic that has lost its beginning, may have had offsets that Kafka has forgotten. One that has committed more than
 * there is reads a topic made anew, from its first record. */
bool stream_has_missed(int64_t committed, int64_t low, int64_t high)
{
        return low > 0 && (committed < low || committed > high);
}

static void stream_tell_missed(struct kafka_stream *s, const char *topic, int partition, int64_t from, int64_t low)
{
        char was[32] = "nowhere";
        if (from >= 0)
                snprintf(was, sizeof(was), "%lld", (long long)from);
        log_warn("kafka",
                 "%s: retention has removed records of %s/%d that it may not have had (it stood at %s, the oldest is "
                 "%lld): it goes on from the event store, and then from there",
                 s->config.group, topic, partition, was, (long long)low);
        pthread_mutex_lock(&s->lock);
        s->missed = true;
        uv_async_send(&s->async);
        pthread_mutex_unlock(&s->lock);
}

/* Where each begins. One that can't be asked for begins where the group says, and librdkafka complains if that is not there (stream_on_lost). */
static void stream_place(struct kafka_stream *s, rd_kafka_topic_partition_list_t *partitions)
{
        if (rd_kafka_committed(s->consumer, partitions, STREAM_PLACE_MS) != 0)
                return;
        for (int i = 0; i < partitions->cnt; i++) {
                rd_kafka_topic_partition_t *at = &partitions->elems[i];
                int64_t low = 0, high = 0;
                const int64_t committed = at->offset >= 0 ? at->offset : -1;
                if (at->err || rd_kafka_query_watermark_offsets(s->consumer, at->topic, at->partition, &low, &high,
                                                                STREAM_PLACE_MS) != 0)
                        continue;
                if (stream_has_missed(committed, low, high))
                        stream_tell_missed(s, at->topic, at->partition, committed, low);
                if (committed < low || committed > high)
                        at->offset = low;
        }
}

/* What it was about to read is gone, in the middle of reading: the partition is taken up again at its oldest. */
static void stream_on_lost(struct kafka_stream *s, const rd_kafka_message_t *m)
{
        const char *topic = rd_kafka_topic_name(m->rkt);
        int64_t low = 0, high = 0;
        rd_kafka_topic_partition_list_t *again = rd_kafka_topic_partition_list_new(1);
        rd_kafka_topic_partition_list_add(again, topic, m->partition)->offset = RD_KAFKA_OFFSET_BEGINNING;
        rd_kafka_query_watermark_offsets(s->consumer, topic, m->partition, &low, &high, STREAM_PLACE_MS);
        if (low > 0)
                stream_tell_missed(s, topic, m->partition, m->offset, low);
        rd_kafka_error_destroy(rd_kafka_incremental_unassign(s->consumer, again));
        rd_kafka_error_destroy(rd_kafka_incremental_assign(s->consumer, again));
        rd_kafka_topic_partition_list_destroy(again);
}

/* More members than partitions: this one has nothing to do, which looks like one that hangs. */
static void stream_tell_idle(const struct kafka_stream *s)
{
        rd_kafka_topic_partition_list_t *mine = NULL;
        if (rd_kafka_assignment(s->consumer, &mine) != 0)
                return;
        if (mine->cnt == 0)
                log_warn("kafka",
                         "%s: no partition is left for this process, which stands by: the topics are missing, or have "
                         "fewer partitions than the group has members (`chard cdc check`)",
                         s->config.group);
        rd_kafka_topic_partition_list_destroy(mine);
}

/* Cooperative: what is taken away is what others get, and the rest goes on. */
static void stream_on_rebalance(rd_kafka_t *rk, rd_kafka_resp_err_t code, rd_kafka_topic_partition_list_t *partitions,
                                void *arg)
{
        struct kafka_stream *s = (struct kafka_stream *)arg;
        if (code == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
                log_info("kafka", "%s: %d partitions more", s->config.group, partitions->cnt);
                s->anew = s->anew || partitions->cnt > 0;
                stream_place(s, partitions);
                rd_kafka_error_destroy(rd_kafka_incremental_assign(rk, partitions));
                stream_tell_idle(s);
        } else {
                log_info("kafka", "%s: %d partitions less", s->config.group, partitions->cnt);
                rd_kafka_error_destroy(rd_kafka_incremental_unassign(rk, partitions));
        }
}

static rd_kafka_t *stream_make(struct kafka_stream *s, rd_kafka_type_t type, const char *const pairs[][2],
                               struct problem *why)
{
        rd_kafka_conf_t *conf = rd_kafka_conf_new();
        rd_kafka_t *made = NULL;
        char said[256] = "";
        rd_kafka_conf_set_opaque(conf, s);
        rd_kafka_conf_set_log_cb(conf, stream_on_log);
        rd_kafka_conf_set_error_cb(conf, stream_on_error);
        if (type == RD_KAFKA_CONSUMER)
                rd_kafka_conf_set_rebalance_cb(conf, stream_on_rebalance);
        if (properties_set(conf, s->config.properties, why) && stream_set(conf, pairs, why))
                made = rd_kafka_new(type, conf, said, sizeof(said)); /* takes conf where it succeeds */
        if (!made) {
                rd_kafka_conf_destroy(conf);
                if (*said)
                        problem_set(why, "kafka", "bad_setting", "%s", said);
        }
        return made;
}

static int stream_connect(struct kafka_stream *s, struct problem *why)
{
        const char *const consumer[][2] = { { "bootstrap.servers", s->config.servers },
                                            { "group.id", s->config.group },
                                            { "partition.assignment.strategy", "cooperative-sticky" },
                                            { "enable.auto.commit", "false" },
                                            { "enable.auto.offset.store", "false" },
                                            { "auto.offset.reset", "error" }, /* stream_on_lost */
                                            { "topic.metadata.refresh.interval.ms", "10000" },
                                            { "session.timeout.ms", "10000" },
                                            { "allow.auto.create.topics", "false" },
                                            { NULL, NULL } };
        const char *const producer[][2] = { { "bootstrap.servers", s->config.servers },
                                            { "enable.idempotence", "true" },
                                            { NULL, NULL } };
        s->consumer = stream_make(s, RD_KAFKA_CONSUMER, consumer, why);
        if (!s->consumer)
                return 1;
        rd_kafka_poll_set_consumer(s->consumer);
        s->producer = stream_make(s, RD_KAFKA_PRODUCER, producer, why);
        return s->producer ? 0 : 1;
}

static int stream_subscribe(struct kafka_stream *s, struct problem *why)
{
        rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(4);
        char name[256];
        for (const char *const *topic = s->config.topics; *topic; topic++) {
                snprintf(name, sizeof(name), "%s%s", s->config.prefix, *topic);
                rd_kafka_topic_partition_list_add(list, name, RD_KAFKA_PARTITION_UA);
        }
        const rd_kafka_resp_err_t code = rd_kafka_subscribe(s->consumer, list);
        rd_kafka_topic_partition_list_destroy(list);
        return code ? problem_set(why, "kafka", "bad_setting", "the topics can't be subscribed to: %s",
                                  rd_kafka_err2str(code))
                    : 0;
}

/* ---- the thread ---- */

/* A record, or something to be said. */
static void stream_take(struct kafka_stream *s, rd_kafka_message_t *m)
{
        if (!m)
                return;
        if (m->err == 0) {
                s->complained = false;
                s->batch[s->count++] = m;
                return;
        }
        if (m->err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET && m->rkt)
                stream_on_lost(s, m);
        else if (m->err != RD_KAFKA_RESP_ERR__PARTITION_EOF)
                stream_on_error(s->consumer, m->err, rd_kafka_message_errstr(m), s);
        rd_kafka_message_destroy(m);
}

static void stream_gather(struct kafka_stream *s)
{
        stream_take(s, rd_kafka_consumer_poll(s->consumer, STREAM_POLL_MS));
        while (s->count > 0 && s->count < STREAM_BATCH) {
                const size_t before = s->count;
                stream_take(s, rd_kafka_consumer_poll(s->consumer, STREAM_GATHER_MS));
                if (s->count == before)
                        break;
        }
}

/* All that are assigned, so that polling gives no record. */
static void stream_pause(struct kafka_stream *s, bool pause)
{
        rd_kafka_topic_partition_list_t *assigned = NULL;
        if (rd_kafka_assignment(s->consumer, &assigned) != 0)
                return;
        if (pause)
                rd_kafka_pause_partitions(s->consumer, assigned);
        else
                rd_kafka_resume_partitions(s->consumer, assigned);
        rd_kafka_topic_partition_list_destroy(assigned);
}

/* Give the batch to the loop, and wait until it is over; a long one must not cost the membership. */
static void stream_hand_over(struct kafka_stream *s)
{
        bool paused = false;
        pthread_mutex_lock(&s->lock);
        s->ready = true;
        s->over = false;
        uv_async_send(&s->async);
        while (!s->over && !s->closing) {
                struct timespec until;
                clock_gettime(CLOCK_REALTIME, &until);
                until.tv_nsec += STREAM_HELD_MS * 1000000L;
                until.tv_sec += until.tv_nsec / 1000000000L;
                until.tv_nsec %= 1000000000L;
                if (pthread_cond_timedwait(&s->told, &s->lock, &until) != ETIMEDOUT)
                        continue;
                pthread_mutex_unlock(&s->lock);
                stream_pause(s, true);
                paused = true;
                rd_kafka_message_t *m = rd_kafka_consumer_poll(s->consumer, 0);
                if (m && m->err == 0) { /* it was fetched before the pause: it is fetched again */
                        rd_kafka_topic_partition_list_t *back = rd_kafka_topic_partition_list_new(1);
                        rd_kafka_topic_partition_list_add(back, rd_kafka_topic_name(m->rkt), m->partition)->offset =
                                m->offset;
                        rd_kafka_error_destroy(rd_kafka_seek_partitions(s->consumer, back, STREAM_POLL_MS));
                        rd_kafka_topic_partition_list_destroy(back);
                }
                if (m)
                        rd_kafka_message_destroy(m);
                pthread_mutex_lock(&s->lock);
        }
        pthread_mutex_unlock(&s->lock);
        if (paused)
                stream_pause(s, false);
}

/* The dead letters first: a kill in between gives them twice, not never. */
static bool stream_produce(struct kafka_stream *s)
{
        record_produce(s->producer, s->letters);
        return !s->letters || rd_kafka_flush(s->producer, STREAM_FLUSH_MS) == RD_KAFKA_RESP_ERR_NO_ERROR;
}

static void stream_commit(struct kafka_stream *s)
{
        rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(8);
        for (size_t i = 0; i < s->count; i++) {
                const rd_kafka_message_t *m = s->batch[i];
                const char *topic = rd_kafka_topic_name(m->rkt);
                rd_kafka_topic_partition_t *at = rd_kafka_topic_partition_list_find(list, topic, m->partition);
                if (!at)
                        at = rd_kafka_topic_partition_list_add(list, topic, m->partition);
                at->offset = m->offset + 1;
        }
        rd_kafka_commit(s->consumer, list, 1);
        rd_kafka_topic_partition_list_destroy(list);
}

static void stream_drop_batch(struct kafka_stream *s)
{
        for (size_t i = 0; i < s->count; i++)
                rd_kafka_message_destroy(s->batch[i]);
        s->count = 0;
        record_free(s->letters);
        s->letters = NULL;
}

static void *stream_main(void *arg)
{
        struct kafka_stream *s = arg;
        while (!s->closing) {
                stream_gather(s);
                if (s->count == 0)
                        continue;
                stream_hand_over(s);
                while (s->over && !s->closing && !stream_produce(s))
                        stream_on_error(s->producer, RD_KAFKA_RESP_ERR__TIMED_OUT, "dead letters can't be produced", s);
                if (s->over && !s->closing)
                        stream_commit(s);
                stream_drop_batch(s);
                s->anew = false;
        }
        rd_kafka_consumer_close(s->consumer);
        rd_kafka_destroy(s->consumer);
        rd_kafka_destroy(s->producer);
        pthread_mutex_lock(&s->lock);
        s->done = true;
        uv_async_send(&s->async);
        pthread_mutex_unlock(&s->lock);
        return NULL;
}

/* ---- the loop ---- */

static void stream_on_closed(uv_handle_t *handle)
{
        struct kafka_stream *s = (struct kafka_stream *)handle->data;
        void (*closed)(void *arg) = s->config.closed;
        void *arg = s->config.arg;
        pthread_mutex_destroy(&s->lock);
        pthread_cond_destroy(&s->told);
        free((char *)(uintptr_t)s->config.servers);
        free((char *)(uintptr_t)s->config.properties);
        free((char *)(uintptr_t)s->config.group);
        free((char *)(uintptr_t)s->config.prefix);
        free(s);
        if (closed)
                closed(arg);
}

static void stream_on_async(uv_async_t *async)
{
        struct kafka_stream *s = (struct kafka_stream *)async->data;
        pthread_mutex_lock(&s->lock);
        const bool ready = s->ready && !s->closing, done = s->done, missed = s->missed && !s->closing;
        s->ready = s->missed = false;
        pthread_mutex_unlock(&s->lock);
        if (done) {
                pthread_join(s->thread, NULL);
                uv_close((uv_handle_t *)&s->async, stream_on_closed);
                return;
        }
        if (missed)
                s->config.missed(s->config.arg);
        if (!ready)
                return;
        json_t *rows = record_rows(s->batch, s->count, s->config.prefix);
        s->config.records(rows, s->anew, s->config.arg);
        json_decref(rows);
}

void stream_next(struct kafka_stream *s, const json_t *dead)
{
        pthread_mutex_lock(&s->lock);
        s->letters = record_of_letters(dead);
        s->over = true;
        pthread_cond_signal(&s->told);
        pthread_mutex_unlock(&s->lock);
}

void stream_again(struct kafka_stream *s)
{
        pthread_mutex_lock(&s->lock);
        s->ready = true;
        uv_async_send(&s->async);
        pthread_mutex_unlock(&s->lock);
}

static int stream_begin(struct kafka_stream *s, struct problem *why)
{
        int rc = s->config.servers && s->config.group && s->config.prefix && s->config.properties ? 0 : -ENOMEM;
        if (rc == 0)
                rc = stream_connect(s, why);
        if (rc == 0)
                rc = stream_subscribe(s, why);
        if (rc == 0)
                rc = thread_start(&s->thread, stream_main, s);
        return rc;
}

int stream_open(struct kafka_stream **out, const struct kafka_stream_config *config, struct problem *why)
{
        struct kafka_stream *s = calloc(1, sizeof(*s));
        if (!s)
                return -ENOMEM;
        s->config = *config;
        s->config.servers = strdup(config->servers);
        s->config.properties = strdup(config->properties);
        s->config.group = strdup(config->group);
        s->config.prefix = strdup(config->prefix);
        pthread_mutex_init(&s->lock, NULL);
        pthread_cond_init(&s->told, NULL);
        uv_async_init(config->loop, &s->async, stream_on_async);
        s->async.data = s;
        const int rc = stream_begin(s, why);
        if (rc == 0) {
                *out = s;
                return 0;
        }
        if (s->producer)
                rd_kafka_destroy(s->producer);
        if (s->consumer)
                rd_kafka_destroy(s->consumer);
        s->config.closed = NULL;
        uv_close((uv_handle_t *)&s->async, stream_on_closed);
        return rc;
}

void stream_close(struct kafka_stream *s)
{
        pthread_mutex_lock(&s->lock);
        s->closing = true;
        pthread_cond_signal(&s->told);
        pthread_mutex_unlock(&s->lock);
}
