/* SPDX-License-Identifier: Apache-2.0 */
/* A message as it travels, and the Celery message protocol v2 on top of it: bytes in, structs out, no I/O.
 * Sources: AMQP 0-9-1 specification, 4.2.5 (field tables) and 4.2.6.1 (content header properties);
 * Celery documentation, "Message Protocol", version 2.
 *
 * Properties and headers keep their AMQP encoding ("properties" bytes = property flags, then the present
 * properties, header table included) wherever they wait or travel, so what chard doesn't know survives unchanged. */
#ifndef CHARD_MESSAGE_H
#define CHARD_MESSAGE_H

#include "core/arena.h"
#include "core/bytes.h"
#include "core/problem.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* ---- a message on its way out: message.c ---- */

/* One allocation: the texts and bytes live behind the struct. */
struct message {
        struct message *next; /* for whoever queues it */
        const char *exchange; /* "" = the default exchange */
        const char *routing_key;
        struct bytes properties;
        struct bytes body;
};

/* A new message holding copies; NULL when memory ran out. Freed with message_free, or given away to a "takes". */
struct message *message_new(const char *exchange, const char *routing_key, struct bytes properties, struct bytes body);
void message_free(struct message *m);

/* ---- reading and editing properties: properties.c ---- */

/* Basic properties as views into the encoded bytes; absent ones are empty (data NULL). Not NUL-terminated. */
struct properties {
        struct bytes content_type, content_encoding, headers, correlation_id, reply_to, expiration, message_id, type, user_id, app_id;
        int delivery_mode; /* 1, 2, or -1 when absent */
        int priority;      /* 0 … 255, or -1 when absent */
        int64_t timestamp; /* seconds, or -1 when absent */
};

/* Read encoded properties. Returns 0, or 1 with `why` (source "message", code "bad_properties") when they are cut short or malformed. */
int properties_read(struct bytes encoded, struct properties *out, struct problem *why);

/* Append the encoding of `p`; `p->headers` is the inside of the table, without its length. */
void properties_write(const struct properties *p, struct buffer *out);

/* One header while walking a table. `kind` is the AMQP letter; `value` the encoded value without its kind byte. */
struct header {
        struct bytes name;
        char kind;
        struct bytes value;
};

/* Step through the inside of a header table: *at starts at 0. Returns true and one header, or false at the end
 * or at malformed bytes (then *at != table.size). Depth of nested tables is limited to 32. */
bool header_next(struct bytes table, size_t *at, struct header *out);

/* Append one header; kinds as named (see DESIGN: only S I l d t V A F are written). */
void header_add_text(struct buffer *table, const char *name, struct bytes text);          /* S */
void header_add_number(struct buffer *table, const char *name, int64_t number);           /* I where it fits, else l */
void header_add_bool(struct buffer *table, const char *name, bool value);                 /* t */
void header_add_null(struct buffer *table, const char *name);                             /* V */
void header_add_raw(struct buffer *table, const struct header *h);                        /* as it was read */
void header_add_json(struct buffer *table, const char *name, const json_t *value);        /* S I l d t V A F by JSON type */

/* A header table as a JSON object for people to read (bytes that are no UTF-8 as base64 text). New reference or NULL. */
json_t *headers_to_json(struct bytes table);

/* ---- a task: task_message.c ---- */

/* A decoded task. Texts live in the arena given to the decoder (NUL-terminated), JSON in `body`. */
struct task_message {
        const char *name, *id, *root_id; /* never NULL; root_id falls back to id */
        const char *parent_id, *group_id, *reply_to, *correlation_id, *origin; /* NULL when absent or null */
        const char *traceparent;  /* W3C trace context, when the producer sent one */
        json_int_t group_index;   /* -1 when absent */
        unsigned retries;
        int64_t eta_ms, expires_ms; /* wall clock; 0 when absent */
        unsigned hard_limit_ms, soft_limit_ms; /* 0 when absent; from timelimit [hard, soft] in seconds */
        bool ignore_result;
        struct bytes properties; /* as received; borrowed from the delivery */
        struct bytes raw_body;   /* as received; borrowed from the delivery */
        json_t *body;            /* [args, kwargs, embed], owned */
        json_t *args, *kwargs;   /* inside body; never NULL: array, object */
        json_t *callbacks, *errbacks, *chain, *chord; /* inside body, or NULL */
};

/* Decode a delivery. Understands JSON bodies in utf-8 or base64, gzip and zlib (`compression` header), null embed.
 * max_body bounds the body, before and after decompression. Returns 0; 1 with `why` (source "message", code
 * "bad_properties", "not_a_task", "bad_content_type", "bad_compression", "body_too_large", "bad_body", "bad_header");
 * or -ENOMEM. On 1, whatever of name, id and root_id could be read is filled in, so that an error record can name it. */
int task_message_decode(struct arena *a, struct bytes properties, struct bytes body, size_t max_body, struct task_message *out, struct problem *why);

/* Drop the JSON. Safe on a zeroed struct. */
void task_message_clear(struct task_message *t);

/* The same task to be tried again: every header, property and the body as received, but `retries` set, eta removed, x-death stripped. */
struct message *task_message_again(const struct task_message *t, const char *exchange, const char *routing_key, unsigned retries);

/* An error record for a dead letter. */
struct dead_record {
        const char *source, *code, *text; /* errorSource, errorCode, errorMessage */
        int64_t at_ms;                    /* timestamp */
        unsigned attempts;
        const char *trace_id;             /* or NULL: left out */
};

/* A dead letter for queue `queue`: properties (valid or not) and body as received, the record's headers added, x-death stripped.
 * Unreadable properties are replaced by fresh ones that carry the original bytes as base64 in header `originalProperties`. */
struct message *message_dead(const char *queue, struct bytes properties, struct bytes body, const struct dead_record *record);

/* ---- signatures and chains: signature.c ---- */

/* A task to be sent. All borrowed; the JSON is read only. */
struct signature {
        const char *name, *id, *queue;
        const json_t *args;   /* array or NULL */
        const json_t *kwargs; /* object or NULL */
};

struct send_options {
        const char *exchange, *routing_key; /* where the first goes; NULL = its queue's own exchange, key = queue */
        const char *origin;                 /* "gen…@host" */
        int64_t expires_ms;                 /* 0 = never */
        const char *traceparent;            /* or NULL */
};

/* The message that starts a chain of `count` signatures (>= 1): the first task, the rest in embed.chain, reversed.
 * root_id is the first id. NULL when memory ran out. */
struct message *chain_message(const struct signature tasks[], size_t count, const struct send_options *options);

/* Where tasks go that their signature does not route: returns the queue of a task name, or NULL when unknown. */
typedef const char *queue_of_task(const char *name, void *arg);

/* The messages that follow `done`: the next element of its chain (the last of embed.chain; the rest travels on), then each
 * of its callbacks, linked by `next` in *out (NULL when nothing follows). The result, given as JSON text, is prepended to their
 * args unless a signature is immutable; root_id, parent_id, stamps and unknown headers travel on. Signatures without an id get one from `ids`
 * — it must be the same at every call for the same task (derived from done->id), so that a repeated publish is the same task.
 * Returns 0; 1 with `why` (code "bad_signature", "unroutable", "unsupported_canvas"); or -ENOMEM. */
int task_message_successors(const struct task_message *done, struct bytes result, queue_of_task *queue_of, void *arg, struct message **out, struct problem *why);

/* ---- typed JSON, as kombu >= 5.3 writes it: typed_json.c ---- */

enum typed_kind { TYPED_NONE, TYPED_DATETIME, TYPED_DATE, TYPED_TIME, TYPED_UUID, TYPED_DECIMAL, TYPED_BYTES, TYPED_OTHER };

/* If `value` is {"__type__": …, "__value__": …}: which kind, and its value (borrowed). */
enum typed_kind typed_json_read(const json_t *value, const json_t **inner);

/* ---- delayed delivery keys, as kombu writes them: delayed.c ---- */

#define DELAYED_LEVELS 28

/* Write the 28-digit dotted routing key for `seconds` (0 … 2^28-1) before `routing_key`; returns the exchange level to publish to.
 * Source: kombu.transport.native_delayed_delivery. */
int delayed_routing_key(uint32_t seconds, const char *routing_key, struct buffer *out);

#endif
