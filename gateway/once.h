/* SPDX-License-Identifier: Apache-2.0 */
/* Requests with an `Idempotency-Key`: what is asked again is not done again. Before anything is published the store keeps the key, the job's id and a digest of the request,
 * so that whoever finishes what a killed process began, here or in another gateway, publishes the same job under the same id, which workers run once. */
#ifndef CHARD_GATEWAY_ONCE_H
#define CHARD_GATEWAY_ONCE_H

#include "core/http/exchange.h"
#include "core/problem.h"

#include <stdbool.h>

struct gateway;
struct once;

enum once_verdict {
        ONCE_NEW,     /* do it, under this id; then once_settle */
        ONCE_DONE,    /* it was done under this id: answer as if it were done now */
        ONCE_REFUSED, /* answer why */
};

/* Borrowed for the length of the call; `id` and `why` where the verdict has them. */
typedef void once_said(enum once_verdict verdict, const char *id, const struct problem *why, void *arg);

/* Ask the store what the key of this request stands for. `id` is the one that the client chose for what it sends, or NULL. Returns 0 where the request has no key; 1
 * with `why`; or ONCE_ASKED with *out: then `said` is called, once, and from inside only where memory runs out. After another verdict than ONCE_NEW *out is gone. */
enum { ONCE_ASKED = 2 };
int once_begin(struct once **out, struct gateway *g, struct exchange *x, const char *id, once_said *said, void *arg,
               struct problem *why);

/* How it ended; `then` follows when the store knows, or at once where that is away, since an answer that is safe need not wait. Takes the once. */
void once_settle(struct once *o, bool done, void (*then)(void *arg), void *arg);

/* The gateway closes: let those go on that are under way, without it. */
void onces_leave(struct gateway *g);

#endif
