/* SPDX-License-Identifier: Apache-2.0 */
/* A consumer's topics, as a member of its Kafka group. Records come in batches; the next batch comes, and the offsets of the last one are committed,
 * once its owner says that it is over: so what is delivered twice after a crash is, at most, one batch. librdkafka is polled by a thread of its own, which
 * keeps the membership also while a batch takes long; all calls and callbacks are the loop's. */
#ifndef CHARD_CONSUMERS_KAFKA_STREAM_H
#define CHARD_CONSUMERS_KAFKA_STREAM_H

#include "core/problem.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

enum { STREAM_BATCH = 200 };

/* Texts are copied. */
struct kafka_stream_config {
        uv_loop_t *loop;
        const char *servers;       /* "host:port,…" */
        const char *properties;    /* more of librdkafka's, "NAME=VALUE;…", as security.protocol=SASL_SSL; or "" */
        const char *group;         /* the consumer's name */
        const char *prefix;        /* of topics: "chard." */
        const char *const *topics; /* behind the prefix, ended by NULL: types of aggregates */
        /* Records as rows of an outbox (store/consumer.h, page), whose position is "TOPIC/PARTITION/OFFSET", with their "topic"; borrowed, NULL when memory
         * ran out. `anew`: partitions came to this member
         * since the last batch. None come after it until stream_next. */
        void (*records)(const json_t *rows, bool anew, void *arg);
        /* Records that it has not had are in Kafka no more: retention has passed the place where the group was, or the group is not known any more (its offsets are
         * kept for as long). It goes on with the oldest; no offset is committed before stream_next. */
        void (*missed)(void *arg);
        void (*closed)(void *arg); /* after stream_close: its memory is gone */
        void *arg;
};

struct kafka_stream;

/* Has a member that has committed `committed` (-1: nothing) missed records of a partition whose oldest is `low` and whose next will be `high`? Pure. */
bool stream_has_missed(int64_t committed, int64_t low, int64_t high);

/* Join. Returns 0; 1 with `why` (source "kafka", code "bad_setting"); or -ENOMEM. Whether the servers answer is said in the log. */
int stream_open(struct kafka_stream **out, const struct kafka_stream_config *config, struct problem *why);

/* The batch is over. `dead` (an array, or NULL) are its dead letters: [{"topic","key","value","headers": {name: text}}], which go to "TOPIC.dlt" before the offsets
 * are committed. */
void stream_next(struct kafka_stream *s, const json_t *dead);

/* Give the same batch once more: it could not be used. */
void stream_again(struct kafka_stream *s);

/* Take no more, commit nothing more, leave the group; `closed` follows. */
void stream_close(struct kafka_stream *s);

#endif
