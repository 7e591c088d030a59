/* SPDX-License-Identifier: Apache-2.0 */
/* How slot, publication and topics must be, and whether they are. Pure. */
#ifndef CHARD_CDC_CHECK_H
#define CHARD_CDC_CHECK_H

#include "cdc/report.h"

enum { CDC_PARTITIONS = 3, CDC_REPLICAS = 3 };

#define CDC_RETENTION_MS 604800000LL /* seven days, as long as the outbox holds them */
#define CDC_MOST_LAG     1000000000LL

/* Slot and publication, by what the store's cdc door said (look); null: the store has no log that others read. `most_lag`: bytes that the slot may be behind. */
void cdc_check_store(json_t *report, const json_t *store, json_int_t most_lag);

/* Up to where the slot was read, in bytes; -1: not known. */
json_int_t cdc_slot_confirmed(const json_t *store);

/* Topics by what Kafka said (topics.h), each of `wanted` (names) among them. */
void cdc_check_topics(json_t *report, const json_t *kafka, const json_t *wanted);

#endif
