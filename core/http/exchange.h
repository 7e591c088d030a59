/* SPDX-License-Identifier: Apache-2.0 */
/* One request and its answer. A handler answers at once, or keeps the exchange (exchange_keep), returns, and answers later; or it answers with a stream. Loop thread. */
#ifndef CHARD_CORE_HTTP_EXCHANGE_H
#define CHARD_CORE_HTTP_EXCHANGE_H

#include "core/bytes.h"
#include "core/problem.h"
#include "core/http/route.h"
#include "core/http/target.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct exchange;

/* ---- the request; all borrowed until it is answered ---- */

const struct target *exchange_target(const struct exchange *x);
const struct route *exchange_route(const struct exchange *x);
struct bytes exchange_body(const struct exchange *x);

/* What stands for its body from now on: what was read of it. Views of the former one end. */
void exchange_replace_body(struct exchange *x, struct buffer *takes);

/* So many bytes of it are kept by its handler: they count among those of all bodies until it is answered or its client leaves. */
void exchange_count_body(struct exchange *x, size_t size);

/* A header's value, or NULL. Not after the answer. */
const char *exchange_header(const struct exchange *x, const char *name);

/* Keep it beyond the handler: it stays valid, though its client may leave and its time run out, until exchange_drop. Without an answer after `ms` it is
 * answered 503 "no_answer". */
void exchange_keep(struct exchange *x, uint64_t ms);
void exchange_drop(struct exchange *x);

/* One that is kept has `ms` from now on. */
void exchange_until(struct exchange *x, uint64_t ms);

/* Called once, when a kept exchange or a stream has come to its end before its handler saw to it: its client has left, its time is up, or the server stops.
 * It may call exchange_answer, which counts only in the last case, and exchange_drop. */
typedef void exchange_over(struct exchange *x, void *arg);
void exchange_on_over(struct exchange *x, exchange_over *over, void *arg);

/* Has it been answered, or its client left? Then an answer changes nothing. */
bool exchange_is_over(const struct exchange *x);

/* ---- the answer: the first one counts ---- */

/* A further header of the answer that follows, or its Cache-Control in place of "no-store"; copied. Texts from outside must be free of control characters. */
void exchange_add_header(struct exchange *x, const char *name, const char *value);

void exchange_answer(struct exchange *x, unsigned status, const char *type, struct buffer *body_takes);
void exchange_answer_json(struct exchange *x, unsigned status, const json_t *value);

/* Problem details (RFC 9457); the status is the one of the problem's code, or another. */
void exchange_answer_problem(struct exchange *x, const struct problem *why);
void exchange_answer_status(struct exchange *x, unsigned status, const struct problem *why);

/* The id of what it is about: a 503 has it as a member "id", since what was asked for may still happen. Copied; NULL: nothing. */
void exchange_name(struct exchange *x, const char *id);

/* Who sends it, as whoever admitted it knows them; copied. / The same, or "". */
#define EXCHANGE_WHO_SIZE 24
void exchange_set_who(struct exchange *x, const char *who);
const char *exchange_who(const struct exchange *x);

/* Until when they are let in, in Unix time (seconds); 0, as it is at first: for good. */
void exchange_set_who_until(struct exchange *x, int64_t until_s);
int64_t exchange_who_until(const struct exchange *x);

/* What the server's owner keeps of it until it is answered (server_config's `answered`), and gives back then; NULL where it keeps nothing. */
void exchange_set_own(struct exchange *x, void *own);
void *exchange_own(const struct exchange *x);

/* ---- streams ---- */

/* Begin an answer of unknown length: status 200, then what exchange_send gives, until exchange_end. */
void exchange_begin(struct exchange *x, const char *type);
/* Copied. False when the client does not read what it was sent, or memory ran out: the stream ends. */
bool exchange_send(struct exchange *x, struct bytes text);
void exchange_end(struct exchange *x);

#endif
