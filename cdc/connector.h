/* SPDX-License-Identifier: Apache-2.0 */
/* Debezium's connector that carries the outbox to Kafka: the one table of how it must be configured, and whether one is. Pure.
 * Sources: Debezium 3, "PostgreSQL connector" and "Outbox event router"; Kafka Connect's REST interface. */
#ifndef CHARD_CDC_CONNECTOR_H
#define CHARD_CDC_CONNECTOR_H

#include "cdc/report.h"

#include <stdbool.h>

#define CDC_CONNECTOR   "chard-outbox"
#define CDC_SLOT        "chard_outbox"
#define CDC_PUBLICATION "chard_outbox" /* as store/postgres/schema/ makes it */

/* What differs from installation to installation. */
struct cdc_names {
        const char *connector;
        const char *prefix;             /* of topics: "chard." */
        const char *host, *port, *user; /* of the database, as the connector reaches it; NULL: a word in its place */
        const char *database;           /* NULL: any */
};

/* The configuration, as PUT /connectors/NAME/config takes it: {key: text}, in the order of the table. The password is one that Kafka Connect looks up
 * (EnvVarConfigProvider). New reference; NULL when memory ran out. */
json_t *connector_config(const struct cdc_names *names);

/* Compare the configuration that GET /connectors/NAME/config gave. Settings that the table does not have are the operator's. No value of a password is said. */
void connector_compare(json_t *report, const struct cdc_names *names, const json_t *config);

/* Is it running, by what GET /connectors/NAME/status gave? */
void connector_status(json_t *report, const struct cdc_names *names, const json_t *status);

/* Was the slot made anew behind it? GET /connectors/NAME/offsets says up to where it has read; NULL: this Connect does not say. `confirmed`: up to where the slot
 * was read, in bytes; < 0: not known. */
void connector_offsets(json_t *report, const json_t *offsets, json_int_t confirmed);

#endif
