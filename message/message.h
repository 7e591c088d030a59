/* SPDX-License-Identifier: Apache-2.0 */
/* A message as it travels, and the Celery message protocol v2 on top of it: bytes in, structs out, no I/O.
 * Sources: AMQP 0-9-1 specification, 4.2.5 (field tables) and 4.2.6.1 (content header properties);
 * Celery documentation, "Message Protocol", version 2.
 *
 * Properties and headers keep their AMQP encoding ("properties" bytes = property flags, then the present
 * properties, header table included) wherever they wait or travel, so what chard doesn't know survives unchanged.
 *
 * Everything here is pure and may be called on any thread; a task_message and its JSON belong to one thread at a time.
 * Message protocol 1 is translated: protocol1.h. Not understood, each with a clear problem: serializers other than JSON, lzma and brotli
 * bodies, integers beyond 64 bits and NaN in bodies. */
#ifndef CHARD_MESSAGE_H
#define CHARD_MESSAGE_H

#include "core/arena.h"
#include "core/bytes.h"
#include "core/problem.h"
#include "core/trace.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct task_routes; /* message/routes.h */

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

/* ---- reading and editing properties: wire/properties.c, wire/headers.c, wire/headers_json.c ---- */

/* Basic properties as views into the encoded bytes; absent ones are empty (data NULL). Not NUL-terminated. */
struct properties {
        struct bytes content_type, content_encoding, headers, correlation_id, reply_to, expiration, message_id, type,
                user_id, app_id;
        struct bytes cluster_id; /* reserved by the specification; carried along */
        int delivery_mode;       /* 1, 2, or -1 when absent */
        int priority;            /* 0 … 255, or -1 when absent */
        int64_t timestamp;       /* seconds, or -1 when absent */
};

/* Read encoded properties. Returns 0, or 1 with `why` (source "message", code "bad_properties") when they are cut short or malformed.
 * The header table's length is checked, its inside only while walking it. */
int properties_read(struct bytes encoded, struct properties *out, struct problem *why);

/* Append the encoding of `p`; `p->headers` is the inside of the table, without its length. Short texts are cut at 255 bytes. */
void properties_write(const struct properties *p, struct buffer *out);

/* Those that are there, by kombu's names, as a JSON object; without headers, and texts that are no UTF-8. New reference. */
json_t *properties_to_json(const struct properties *p);

/* One header while walking a table. `kind` is the AMQP letter; `value` the encoded value without its kind byte. */
struct header {
        struct bytes name;
        char kind;
        struct bytes value;
};

/* Step through the inside of a header table: *at starts at 0. Returns true and one header, or false at the end
 * or at malformed bytes (then *at != table.size). Depth of nested tables is limited to 32. */
bool header_next(struct bytes table, size_t *at, struct header *out);

/* The header as what it says. False when it is of another kind. A number is any of b B s u U I i l L; L beyond 63 bits
 * wraps to negative, as py-amqp writes negative ones. */
bool header_text(const struct header *h, struct bytes *out);
bool header_number(const struct header *h, int64_t *out);

/* The header of that name, the last one when it stands there twice. False when there is none. */
bool header_find(struct bytes table, const char *name, struct header *out);

/* When a message came to its broker, as its properties say; wall clock, 0 = they do not. */
int64_t message_sent_ms(struct bytes properties);

/* Append one header; only the kinds S I l d t V A F are made here, because some Celery clients reject others.
 * A name is at most 255 bytes. */
void header_add_text(struct buffer *table, const char *name, struct bytes text); /* S */
void header_add_number(struct buffer *table, const char *name, int64_t number);  /* I where it fits, else l */
void header_add_bool(struct buffer *table, const char *name, bool value);        /* t */
void header_add_null(struct buffer *table, const char *name);                    /* V */
void header_add_raw(struct buffer *table, const struct header *h);               /* as it was read */
void header_add_json(struct buffer *table, const char *name,
                     const json_t *value); /* by JSON type; NULL and what nests deeper than 32 is V */

/* A header table as a JSON object for people to read (bytes that are no UTF-8 as base64 text). New reference or NULL. */
json_t *headers_to_json(struct bytes table);

/* ---- a task: task/task_message.c, task/task_headers.c, task/republish.c ---- */

/* What a message says of its failed attempts beside their number. All zero: nothing. */
struct task_failures {
        unsigned excused; /* so many of them do not count against the limit (chard_excused) */
        int64_t first_ms,
                last_ms; /* wall clock: when the first and the latest failed (chard_failed_first, chard_failed_last) */
};

/* A decoded task. Texts live in the arena given to the decoder (NUL-terminated), JSON in `body`. */
struct task_message {
        const char *name, *id, *root_id; /* never NULL; root_id falls back to id */
        const char *parent_id, *group_id, *reply_to, *correlation_id, *origin; /* NULL when absent or null */
        const char *traceparent;          /* W3C trace context, when the producer sent one */
        struct bytes tracestate, baggage; /* as they came, borrowed from the properties; without data: absent */
        const char *revived;              /* the death that it was brought back from (deadBefore), or NULL */
        json_int_t group_index;           /* -1 when absent */
        unsigned retries;
        struct task_failures failures;
        unsigned nesting; /* how often it was replaced by a canvas that goes on under its id (replaced_task_nesting) */
        int64_t eta_ms, expires_ms;            /* wall clock; 0 when absent */
        unsigned hard_limit_ms, soft_limit_ms; /* 0 when absent; from timelimit [hard, soft] in seconds */
        bool ignore_result;
        bool aside; /* an errback, or what follows one: no branch of its job (header chard_aside) */
        bool heir;  /* it gives the result of a task that was replaced, under that one's id (header chard_heir) */
        struct bytes properties;                      /* as received, borrowed from the delivery; of protocol 1 */
        struct bytes raw_body;                        /* … as translated into protocol 2, in the arena */
        json_t *body;                                 /* [args, kwargs, embed], owned */
        json_t *args, *kwargs;                        /* inside body; never NULL: array, object */
        json_t *callbacks, *errbacks, *chain, *chord; /* inside body, or NULL: absent, null or an empty list */
};

/* Its trace context as it came: not all of it need be well formed. */
static inline struct trace_context task_message_trace(const struct task_message *m)
{
        return (struct trace_context){ m->traceparent, m->tracestate, m->baggage };
}

/* Properties longer than this are refused: what is added to them for a retry or a dead letter must still fit into one AMQP frame
 * (131072 bytes by default), as the protocol wants it. */
#define MESSAGE_MAX_PROPERTIES 65536

/* Names and ids longer than this are refused: Celery also sends the id as correlation id, which AMQP limits to this. */
#define MESSAGE_MAX_NAME 255

/* Decode a delivery. Understands JSON bodies in utf-8 or base64, gzip, zlib, bzip2 and zstd (`compression` header), null embed.
 * max_body bounds the body, before and after decompression. Texts in headers must be UTF-8 without NUL.
 * Returns 0; 1 with `why` (source "message", code "bad_properties", "not_a_task", "bad_header", "bad_content_type",
 * "bad_compression", "body_too_large", "bad_body"); or -ENOMEM.
 * On 1, whatever of name, id, root_id, reply_to and correlation_id could be read is filled in (else NULL), so that an error record can name it
 * and whoever waits be told. */
int task_message_decode(struct arena *a, struct bytes properties, struct bytes body, size_t max_body,
                        struct task_message *out, struct problem *why);

/* Drop the JSON. Safe on a zeroed struct. */
void task_message_clear(struct task_message *t);

/* The same task to be published again: headers, properties and body as received, but `retries` set and eta null. Left out is what
 * would make the broker do something more with it: x-death and its like (cycle detection), CC and BCC (copies, made already),
 * the properties expiration (it has been delivered in time) and user_id (checked against the connection's user).
 * NULL when memory ran out. */
struct message *task_message_again(const struct task_message *t, const char *exchange, const char *routing_key,
                                   unsigned retries);

/* The same after a failed attempt: retries one more, and what is known of its failures now. */
struct message *task_message_retry(const struct task_message *t, const char *exchange, const char *routing_key,
                                   const struct task_failures *failures);

/* From now on it has this traceparent (in the arena, as is what is made here), and what is made of its message has `followers`, in place of what it came with.
 * Returns 0; 1: its properties have no room for that, and nothing has changed; or -ENOMEM. */
int task_message_retrace(struct arena *a, struct task_message *t, const char *traceparent, const char *followers);

/* The traceparent that stands in a message's headers, where it is well formed; else "". */
void message_traceparent(struct bytes properties, char out[TRACE_PARENT_SIZE + 1]);

/* An error record for a dead letter. */
struct dead_record {
        const char *source, *code, *text; /* errorSource, errorCode, errorMessage */
        int64_t at_ms;                    /* timestamp */
        unsigned attempts;
        const char *trace_id; /* or NULL: left out */
        const char *worker;   /* deadWorker: who buries it; or NULL: left out */
        const char
                *verdict; /* errorVerdict: "transient" or "permanent", as it was judged at death; or NULL: left out */
        const char *id;   /* deadId: this death's own, so that two that look alike are told apart; or NULL: left out */
};

/* A dead letter for queue `queue`, to exchange "chard.dead" with the queue's name as routing key: properties and body as received, the
 * record's headers added (timestamp as ISO 8601 text; older ones of these names go), and left out what task_message_again leaves out.
 * Properties that are unreadable or too large are replaced by fresh ones that carry the original bytes, or the first
 * 64 KiB of them, as base64 in header `originalProperties`. NULL when memory ran out. */
struct message *message_dead(const char *queue, struct bytes properties, struct bytes body,
                             const struct dead_record *record);

/* A dead letter to be sent once more, straight to that queue (by the default exchange): retries 0, eta and expires null, and without what
 * burying it or a broker added (the error record, x-death and its like). All else as it was, `body` as given. The header deadBefore says which
 * of its deaths it comes back from: should it die again, its errbacks are called again.
 * Returns 0; 1 with `why` (source "message", code "bad_properties": there is no readable original); or -ENOMEM. */
int message_revive(const char *queue, struct bytes properties, struct bytes body, struct message **out,
                   struct problem *why);

/* ---- signatures and chains: task/chain_message.c, canvas/successors.c, canvas/errbacks.c ---- */

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
        struct trace_context trace;         /* its headers; what is absent gets none */
};

/* The message that starts a chain of `count` signatures (>= 1): the first task, the rest in embed.chain, reversed.
 * root_id is the first id. NULL when memory ran out. */
struct message *chain_message(const struct signature tasks[], size_t count, const struct send_options *options);

/* Where tasks go that their signature does not route: returns the queue of a task name, or NULL when unknown. */
typedef const char *queue_of_task(const char *name, void *arg);

/* How what follows is to be sent. */
struct follow_how {
        queue_of_task *queue_of;
        void *arg;
        const struct task_routes *routes; /* before queue_of, and after it; or NULL */
        int64_t now_ms;                   /* wall clock: what countdown and relative expires count from */
        bool chords;                      /* somebody counts their parts */
        const char *queue;                /* where Celery's built-in tasks can run: this task's own; or NULL */
        bool (*keeps)(
                const char *name, bool heir,
                void *arg); /* does the store hear of it? (heir: as of a task_message.) NULL: branches are not counted */
        bool (*wants_failure)(const char *name, void *arg); /* an errback of the new style? NULL: none is */
};

/* A failure, as errbacks of the new style learn of it. Borrowed. */
struct failure_told {
        struct bytes exception; /* {"exc_type", …} as JSON text */
        const char *traceback;  /* or NULL */
        const char *worker;     /* where it failed */
};

/* What follows a task. Cleared with following_clear; zeroed before. */
struct following {
        struct message *messages; /* linked by `next` */
        json_t *chords; /* to be begun before anything is sent: [{"group","size","saved": the header's GroupResult, or absent}];
                           * with "more", the id of who adds `size` parts to a header, that one grows; NULL: none */
        json_t *children; /* what the task's result says of them: [[[id, null], null or [children…]]]; NULL: none */
        unsigned
                branches; /* of the job, as far as how->keeps hears of them: tasks that follow, and the bodies of chords that begin */
        json_t *owners; /* of errbacks: {task's id: how many of the children were there when it was its turn}; NULL: none */
};
void following_clear(struct following *f);

/* Does the store hear of one of these (how->keeps), or of what is in them or linked to them? `chain` as of a task_message; NULL: of none. */
bool chain_is_heard(const json_t *chain, const struct follow_how *how);

/* What follows `done`: the next element of its chain (the last of embed.chain; the rest travels on) and each of its callbacks;
 * groups, chains and chords become their tasks' messages. The result, given as JSON text, is prepended to their
 * args unless a signature is immutable. Their headers are those that Celery 5.7 gives them: options of the signature, root_id of the
 * job, parent_id = done->id; beside them the unknown headers of `done` travel on, the trace context among them.
 * Where they go: options.exchange and routing_key; else options.queue: the exchange of that name, key = queue; else by the rule in how->routes
 * that fits, straight to its queue; else queue_of(), as options.queue; else how->routes->otherwise, straight.
 * A signature without task_id gets one made from done->id and its place (UUID version 8), so that a repeated call makes the same task.
 * Returns 0; 1 with `why` (source "message", code "bad_signature", "unroutable", "unsupported_canvas": a chord that nobody counts);
 * or -ENOMEM. On both *out is empty. */
int task_message_successors(const struct task_message *done, struct bytes result, const struct follow_how *how,
                            struct following *out, struct problem *why);

/* ---- what a task sends by itself: canvas/sends.c, canvas/replace.c; "sends" is an array of {"canvas": a signature, "as": …}: "beside" its result; "result": so,
 * too, and its result is what Celery says of a canvas that it has sent; "chord": as one more part of the chord that the task is part of
 * (add_to_chord); "replacement": in its place, under its id (celery.app.task.Task.replace) ---- */

/* Would they be refused? Asked before anything of the task is stored. Returns and errors as task_message_successors; also code
 * "bad_replacement", "bad_addition". `sends` may be NULL. */
int task_message_check_sends(const struct task_message *t, const json_t *sends, const struct follow_how *how,
                             struct problem *why);

/* Is one of them a replacement? / Does this signature's task give the result of one that was replaced and keeps state, under its id? Then it keeps
 * state as well, in that one's row, whatever it does otherwise. */
bool sends_replace(const json_t *sends);
bool signature_is_heir(const json_t *signature);

/* Their messages, and those of what follows the task, or of its replacement, which what follows the task follows then. Where *result (JSON
 * text) is empty and one of them says it, it is filled in. Returns and errors as task_message_successors. */
int task_message_sends(const struct task_message *done, const json_t *sends, const struct follow_how *how,
                       struct buffer *result, struct following *out, struct problem *why);

/* ---- what a task may know of its own message: task/request.c ---- */

/* Where it came from and who runs it; all borrowed, each may be NULL. */
struct request_place {
        const char *queue, *exchange, *routing_key, *worker;
        bool redelivered;
};

/* The members of Celery's request that an errback gets: ids, name, arguments, group, retries, where it came from. / All of them: beside those
 * times and limits, priority, headers, stamps, properties, delivery_info, and what follows. New reference; NULL when memory ran out. */
json_t *task_message_identity(const struct task_message *t, const char *worker);
json_t *task_message_request(const struct task_message *t, const struct request_place *place);

/* How people are shown it: its shadow, as Celery has it in events, logs and lists; where it has none, its name. UTF-8; borrowed. */
struct bytes task_message_shown_name(const struct task_message *t);

/* Would task_message_successors refuse this task's own successors, or later ones of its chain, or the body of its chord? Asked before
 * paying for its work. Returns and errors as there. */
int task_message_check(const struct task_message *t, const struct follow_how *how, struct problem *why);

/* What a task's final failure sends: its errbacks. Prepended to their args is the failed task's id, or, where how->wants_failure says so of
 * its name, request, exception and traceback. Returns and errors as task_message_successors. */
int task_message_errbacks(const struct task_message *failed, const struct failure_told *told,
                          const struct follow_how *how, struct following *out, struct problem *why);

/* The last part of a chord's header has come: its body, with the header's results (JSON text of an array) as its first argument,
 * sent by the task that brought it. Returns and errors as task_message_successors. */
int task_message_joined(const struct task_message *by, const json_t *body, struct bytes results,
                        const struct follow_how *how, struct following *out, struct problem *why);

/* A chord's header has failed: the errbacks of its body, each told of the task that it belongs to. Returns and errors as
 * task_message_successors. */
int task_message_unjoined(const struct task_message *by, const json_t *body, const struct failure_told *told,
                          const struct follow_how *how, struct following *out, struct problem *why);

/* The tasks that can't run any more when these signatures (an array, or NULL) can't, in no order: [{"id", and where it has them "group_id",
 * "group_index", "chord", "parent_id"}]. New reference; NULL when memory ran out. */
json_t *signatures_abandoned(const json_t *signatures);

/* Free a list linked by `next`. */
void message_free_list(struct message *first);

/* ---- typed JSON, as kombu >= 5.3 writes it: wire/typed_json.c ---- */

enum typed_kind {
        TYPED_NONE,
        TYPED_DATETIME,
        TYPED_DATE,
        TYPED_TIME,
        TYPED_UUID,
        TYPED_DECIMAL,
        TYPED_BYTES,
        TYPED_BASE64,
        TYPED_OTHER
};

/* If `value` is {"__type__": …, "__value__": …}: which kind, and its value (borrowed). TYPED_BYTES are bytes that are UTF-8 text,
 * TYPED_BASE64 any others; TYPED_OTHER is a type that kombu itself doesn't know. */
enum typed_kind typed_json_read(const json_t *value, const json_t **inner);

/* ---- delayed delivery keys, as kombu writes them: delayed.c ---- */

#define DELAYED_LEVELS 28

/* Write the 28-digit dotted routing key for `seconds` (0 … 2^28-1) before `routing_key`; an older prefix there is replaced.
 * Returns the level of the exchange to publish to (0 … 27; "celery_delayed_<level>"): the highest one that delays. kombu itself always
 * takes 27; the levels between only hand the message on. Or -ERANGE. Source: kombu.transport.native_delayed_delivery. */
int delayed_routing_key(uint32_t seconds, const char *routing_key, struct buffer *out);

#endif
