/* SPDX-License-Identifier: Apache-2.0 */
/* TLS to a Redis, and what is wrong with it in the words of Celery's URLs. */
#ifndef CHARD_REDIS_TLS_H
#define CHARD_REDIS_TLS_H

#include "core/net/tls.h"
#include "core/problem.h"

/* Read the files. 0 and a context for all connections (SSL_CTX_free); 1 with `why` when one can't be used; or -ENOMEM. */
int redis_tls_context(SSL_CTX **out, const struct tls_options *options, struct problem *why);

#endif
