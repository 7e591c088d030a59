/* SPDX-License-Identifier: Apache-2.0 */
/* Kafka Connect's REST interface, asked about one connector. Waits, with short time-outs; any thread.
 * Source: Kafka documentation, "Kafka Connect: REST API". */
#ifndef CHARD_CDC_CONNECT_H
#define CHARD_CDC_CONNECT_H

#include "core/problem.h"

#include <jansson.h>

struct connect;

/* `url`: http://[USER:PASSWORD@]HOST[:8083][/PATH]. Returns 0; 1 with `why` (source "connect", code "bad_url"); or -ENOMEM. */
int connect_open(struct connect **out, const char *url, const char *connector, struct problem *why);

/* GET /connectors/NAME/WHAT ("config", "status", "offsets"): 0 and a new reference, NULL where there is none of that name; 1 with `why` (codes
 * "unreachable", "access_refused", "refused", "bad_json"); or -ENOMEM. */
int connect_get(struct connect *c, const char *what, json_t **out, struct problem *why);

/* NULL: nothing. */
void connect_close(struct connect *c);

#endif
