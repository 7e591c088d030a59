/* SPDX-License-Identifier: Apache-2.0 */
/* What the operator gives librdkafka beside what is set here: TLS, a name and a password, time-outs. */
#ifndef CHARD_CONSUMERS_KAFKA_PROPERTIES_H
#define CHARD_CONSUMERS_KAFKA_PROPERTIES_H

#include "core/problem.h"

#include <librdkafka/rdkafka.h>
#include <stdbool.h>

/* Set "NAME=VALUE;NAME=VALUE" (CHARD_KAFKA_PROPERTIES; names as librdkafka's CONFIGURATION.md has them). A value holds no ';'. False with `why` (source "kafka", code
 * "bad_setting"), which names the property and not the value. */
bool properties_set(rd_kafka_conf_t *conf, const char *properties, struct problem *why);

#endif
