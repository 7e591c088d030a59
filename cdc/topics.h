/* SPDX-License-Identifier: Apache-2.0 */
/* What Kafka has for topics, by its admin API. Waits, with short time-outs; any thread. */
#ifndef CHARD_CDC_TOPICS_H
#define CHARD_CDC_TOPICS_H

#include "core/problem.h"

#include <jansson.h>

/* Topics whose names begin with `prefix`: {"brokers", "topics": [{"name", "partitions", "replicas" (the fewest of a partition), "retention_ms" (-1: for good),
 * "cleanup", "refused" (in place of the last two: why Kafka does not say them)}]}. `servers`: "host:port,…"; `properties`: as properties_set's.
 * Returns 0 and a new reference; 1 with `why` (source "kafka", codes "bad_setting", "unreachable"); or -ENOMEM. */
int topics_look(const char *servers, const char *properties, const char *prefix, json_t **out, struct problem *why);

#endif
