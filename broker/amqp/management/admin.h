/* SPDX-License-Identifier: Apache-2.0 */
/* RabbitMQ's management API: what AMQP does not show, and the policies that it does not set. Every call waits, with short time-outs; one thread at a
 * time. Source: RabbitMQ's own documentation of its HTTP API (/api/index.html). */
#ifndef CHARD_BROKER_AMQP_MANAGEMENT_ADMIN_H
#define CHARD_BROKER_AMQP_MANAGEMENT_ADMIN_H

#include "broker/check.h"

#include <jansson.h>

struct admin;

/* Find the first API that answers: at `config->admin_url`, or else at the usual port of each broker's host. Users and virtual host are the
 * broker's where the URL names none.
 * Returns 0; 1 with `why` (code "bad_url", "unreachable", "access_refused"), which quotes no password; or -errno. */
int admin_open(struct admin **out, const struct broker_check_config *config, struct problem *why);
void admin_close(struct admin *a);

/* What RabbitMQ calls its version, borrowed; and its clock as its last answer had it, cut to the second (ms since 1970; 0 = it did not say). */
const char *admin_version(const struct admin *a);
int64_t admin_date_ms(const struct admin *a);

/* 3 or 4. */
unsigned admin_broker_major(const struct admin *a);

/* What stands under a path of the virtual host: GET /api/KIND/VHOST[/NAME][/REST], a new reference, or NULL where there is nothing. `name` is
 * encoded here; it and `rest` may be NULL. Returns 0; 1 with `why`; or -errno. */
int admin_get(struct admin *a, const char *kind, const char *name, const char *rest, json_t **out, struct problem *why);

/* PUT a value there. Errors as admin_get; 1 with code "access_refused" where the user may not. */
int admin_put(struct admin *a, const char *kind, const char *name, const json_t *value, struct problem *why);

#endif
