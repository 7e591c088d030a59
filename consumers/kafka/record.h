/* SPDX-License-Identifier: Apache-2.0 */
/* Kafka's records as events, and dead letters as records. What Debezium's outbox event router writes is understood: the key is the aggregate's id, the header
 * "id" the event's, "eventType" its type; the topic is the prefix and the aggregate's type. Pure but for producing. */
#ifndef CHARD_CONSUMERS_KAFKA_RECORD_H
#define CHARD_CONSUMERS_KAFKA_RECORD_H

#include <jansson.h>
#include <librdkafka/rdkafka.h>

/* Rows as store/consumer.h's page has them. What a record lacks is "". New reference; NULL when memory ran out. */
json_t *record_rows(rd_kafka_message_t *const records[], size_t count, const char *prefix);

struct record_out;

/* Dead letters as stream_next takes them, in a form that another thread may have; NULL: none. / Hand them to a producer: they stay the caller's. / Give them back. */
struct record_out *record_of_letters(const json_t *letters);
void record_produce(rd_kafka_t *producer, const struct record_out *letters);
void record_free(struct record_out *letters);

#endif
