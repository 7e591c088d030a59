/* SPDX-License-Identifier: Apache-2.0 */
#include "cdc/topics.h"

#include "consumers/kafka/properties.h"
#include "core/json.h"
#include "core/log.h"

#include <errno.h>
#include <librdkafka/rdkafka.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TOPICS_ANSWER_MS = 10000, TOPICS_LOOK_MS = 500 };

struct topics_last {
        char text[256]; /* the last complaint, for whoever asks in vain */
        bool down;      /* none of the servers can be reached */
};

static void topics_on_log(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
        (void)rk, (void)level;
        log_debug("kafka", "%s: %s", facility, text);
}

static void topics_on_error(rd_kafka_t *rk, int code, const char *text, void *arg)
{
        struct topics_last *last = arg;
        (void)rk;
        last->down = last->down || code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN;
        snprintf(last->text, sizeof(last->text), "%s", text);
}

static rd_kafka_t *topics_client(const char *servers, const char *properties, struct topics_last *last,
                                 struct problem *why)
{
        char said[256] = "";
        rd_kafka_t *rk = NULL;
        rd_kafka_conf_t *conf = rd_kafka_conf_new();
        rd_kafka_conf_set_opaque(conf, last);
        rd_kafka_conf_set_log_cb(conf, topics_on_log);
        rd_kafka_conf_set_error_cb(conf, topics_on_error);
        if (!properties_set(conf, properties, why)) {
                rd_kafka_conf_destroy(conf);
                return NULL;
        }
        if (rd_kafka_conf_set(conf, "bootstrap.servers", servers, said, sizeof(said)) == RD_KAFKA_CONF_OK)
                rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, said, sizeof(said)); /* takes conf where it succeeds */
        if (!rk) {
                rd_kafka_conf_destroy(conf);
                problem_set(why, "kafka", "bad_setting", "CHARD_KAFKA_SERVERS: %s", said);
        }
        return rk;
}

/* ---- partitions and replicas ---- */

static json_t *topics_one(const rd_kafka_metadata_topic_t *t)
{
        int replicas = t->partition_cnt > 0 ? t->partitions[0].replica_cnt : 0;
        for (int i = 1; i < t->partition_cnt; i++)
                if (t->partitions[i].replica_cnt < replicas)
                        replicas = t->partitions[i].replica_cnt;
        return json_pack("{s:s, s:i, s:i}", "name", t->topic, "partitions", t->partition_cnt, "replicas", replicas);
}

static json_t *topics_listed(const rd_kafka_metadata_t *all, const char *prefix)
{
        json_t *list = json_array();
        for (int i = 0; i < all->topic_cnt; i++)
                if (strncmp(all->topics[i].topic, prefix, strlen(prefix)) == 0)
                        json_array_append_new(list, topics_one(&all->topics[i]));
        return json_pack("{s:i, s:o}", "brokers", all->broker_cnt, "topics", list);
}

/* ---- settings ---- */

static void topics_take_settings(json_t *topic, const rd_kafka_ConfigResource_t *of)
{
        size_t count = 0;
        const rd_kafka_ConfigEntry_t **entries = rd_kafka_ConfigResource_configs(of, &count);
        if (rd_kafka_ConfigResource_error(of))
                json_object_set_new(topic, "refused", json_string(rd_kafka_ConfigResource_error_string(of)));
        for (size_t i = 0; i < count; i++) {
                const char *name = rd_kafka_ConfigEntry_name(entries[i]),
                           *value = rd_kafka_ConfigEntry_value(entries[i]);
                if (value && strcmp(name, "retention.ms") == 0)
                        json_object_set_new(topic, "retention_ms", json_integer(strtoll(value, NULL, 10)));
                if (value && strcmp(name, "cleanup.policy") == 0)
                        json_object_set_new(topic, "cleanup", json_string(value));
        }
}

static void topics_take_all(json_t *topics, const rd_kafka_DescribeConfigs_result_t *result)
{
        size_t count = 0, i;
        json_t *topic;
        const rd_kafka_ConfigResource_t **all = rd_kafka_DescribeConfigs_result_resources(result, &count);
        for (size_t k = 0; k < count; k++)
                json_array_foreach(topics, i, topic)
                        if (strcmp(json_text(topic, "name", ""), rd_kafka_ConfigResource_name(all[k])) == 0)
                                topics_take_settings(topic, all[k]);
}

static void topics_ask_settings(rd_kafka_t *rk, json_t *topics, rd_kafka_ConfigResource_t **asked)
{
        size_t count = 0;
        for (; count < json_array_size(topics); count++)
                asked[count] = rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC,
                                                           json_text(json_array_get(topics, count), "name", "?"));
        rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
        rd_kafka_DescribeConfigs(rk, asked, count, NULL, queue);
        rd_kafka_event_t *event = rd_kafka_queue_poll(queue, TOPICS_ANSWER_MS);
        const rd_kafka_DescribeConfigs_result_t *result = event ? rd_kafka_event_DescribeConfigs_result(event) : NULL;
        if (result && rd_kafka_event_error(event) == RD_KAFKA_RESP_ERR_NO_ERROR)
                topics_take_all(topics, result);
        if (event)
                rd_kafka_event_destroy(event);
        rd_kafka_queue_destroy(queue);
        rd_kafka_ConfigResource_destroy_array(asked, count);
}

/* Without an answer the topics have no settings: whoever reads them sees that. */
static int topics_describe(rd_kafka_t *rk, json_t *topics)
{
        if (json_array_size(topics) == 0)
                return 0;
        rd_kafka_ConfigResource_t **asked = calloc(json_array_size(topics), sizeof(*asked));
        if (!asked)
                return -ENOMEM;
        topics_ask_settings(rk, topics, asked);
        free(asked);
        return 0;
}

/* All topics, which the caller gives back with rd_kafka_metadata_destroy. 0; or 1 with `why`. */
static int topics_ask(rd_kafka_t *rk, const char *servers, struct topics_last *last,
                      const struct rd_kafka_metadata **out, struct problem *why)
{
        rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR__TIMED_OUT;
        for (int waited = 0; code && !last->down && waited < TOPICS_ANSWER_MS; waited += TOPICS_LOOK_MS) {
                code = rd_kafka_metadata(rk, 1, NULL, out, TOPICS_LOOK_MS);
                rd_kafka_poll(rk, 0); /* says why not */
        }
        return code ? problem_set(why, "kafka", "unreachable", "Kafka at %.150s: %s%s%.200s", servers,
                                  rd_kafka_err2str(code), *last->text ? ": " : "", last->text)
                    : 0;
}

int topics_look(const char *servers, const char *properties, const char *prefix, json_t **out, struct problem *why)
{
        struct topics_last last = { .down = false };
        const struct rd_kafka_metadata *all = NULL;
        *out = NULL;
        rd_kafka_t *rk = topics_client(servers, properties, &last, why);
        if (!rk)
                return 1;
        const unsigned long lost = json_memory_lost();
        int failed = topics_ask(rk, servers, &last, &all, why);
        if (!failed) {
                *out = topics_listed(all, prefix);
                failed = topics_describe(rk, json_object_get(*out, "topics"));
                rd_kafka_metadata_destroy(all);
        }
        rd_kafka_destroy(rk);
        if (failed == 0)
                failed = json_whole_since(lost, 0);
        if (failed) {
                json_decref(*out);
                *out = NULL;
        }
        return failed;
}
