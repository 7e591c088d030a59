/* SPDX-License-Identifier: Apache-2.0 */
/* Producers link with libchard: they make signatures, chains, groups and chords, send them to workers that speak Celery's message protocol (chard's, or
 * Celery's own in Python), and wait for what they return.
 *
 *   - Texts given to a function are copied before it returns, unless it says otherwise.
 *   - Times are in milliseconds. A timeout of 0 only looks; a negative one waits without an end. What Redis needs to be connected to, or to answer,
 *     is not part of it: about connect_timeout_ms at most.
 *   - A function that can fail returns CHARD_OK (0) or another enum chard_code, and fills in a struct chard_error where one
 *     is given; that may always be NULL. Nothing prints, nothing aborts, nothing is kept in global variables.
 *   - Signals that arrive while a thread waits here are handled, and the wait goes on. */
#ifndef CHARD_PRODUCER_H
#define CHARD_PRODUCER_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

enum chard_code {
        CHARD_OK = 0,
        CHARD_NO_MEMORY = 1,
        CHARD_BAD_ARGUMENT = 2, /* JSON that is none, an empty name, a wrong URL: the text says which */
        CHARD_UNSUPPORTED = 3,  /* a canvas that can't be sent, or not to where this handle sends */
        CHARD_UNREACHABLE = 4,  /* broker or result store can't be reached */
        CHARD_ACCESS = 5,       /* broker or result store refused user, password or permission */
        CHARD_UNROUTABLE = 6,   /* no queue takes the message */
        CHARD_REFUSED = 7,      /* the broker did not take the message: no such exchange, a full queue, too large */
        CHARD_TIMED_OUT = 8,    /* see the function */
        CHARD_UNCERTAIN = 9,    /* closed before the broker confirmed: it may or may not have been sent */
        CHARD_TASK_FAILED = 10, /* the task ended in FAILURE or REVOKED */
        CHARD_UNKNOWN_ID = 11   /* no result can come for this id */
};

/* Begin with { 0 }: it is written on failure only, and calls that take what others made keep the first reason that is in it. */
struct chard_error {
        int code;       /* an enum chard_code */
        char name[256]; /* finer than code and stable, for programs: "bad_json", "ValueError" */
        char text[512]; /* for people: what is wrong; UTF-8 */
};

/* The library's version, "0.1.0"; constant. Any thread. */
CHARD_API const char *chard_version(void);

/* A connection to a broker, and where results come back. It has a thread of its own, in which all signals are blocked. All functions may be
 * called from any thread, at the same time too; only chard_close must be the last. In a child after fork() they return CHARD_BAD_ARGUMENT
 * ("forked") and chard_close does nothing: open another one there. */
struct chard;

struct chard_options {
        size_t size;        /* sizeof(struct chard_options); CHARD_OPTIONS_INIT sets it */
        const char *broker; /* amqp://…, amqps://… (several, comma-separated, are tried in turn) or embedded:FILE */
        /* Where results come back: NULL = nowhere; "rpc://" = to a queue of this handle's own, which goes away a minute after the handle;
         * "redis://[[user]:password@]host[:port][/db]", or rediss://, redis+socket:// or sentinel:// as workers have them (docs/celery.md) = read
         * where the workers store them. Chords need one of the latter: their parts are counted there. */
        const char *results;
        const char
                *ca_file; /* PEM file of the authority that signed an amqps broker's certificate; NULL = the system's */
        const char *name; /* how the broker's lists show the connection; NULL = "libchard" */
        unsigned connect_timeout_ms; /* 0 = 5000 */
        unsigned heartbeat_s;        /* AMQP heartbeat; 0 = 10 */
        unsigned results_expire_s;   /* for what is written to Redis; 0 = 86400, Celery's own */
};
#define CHARD_OPTIONS_INIT                                                    \
        {                                                                     \
                sizeof(struct chard_options), NULL, NULL, NULL, NULL, 0, 0, 0 \
        }

/* Connect; waits up to connect_timeout_ms for each server. While the connection is lost later, it is made again by itself.
 * CHARD_BAD_ARGUMENT, CHARD_UNREACHABLE, CHARD_ACCESS, CHARD_REFUSED, CHARD_NO_MEMORY: *out is NULL then. */
CHARD_API int chard_open(struct chard **out, const struct chard_options *options, struct chard_error *why);

/* End it; takes up to about a second. Waits that are open return CHARD_UNCERTAIN, and must have returned before the handle is
 * freed: chard_close sees to that itself. NULL is fine. */
CHARD_API void chard_close(struct chard *c);

/* ---- what is to be done: signatures ---- */

/* A task to be run, or a canvas of them: in all combinations, but no more than 100 deep. Belongs to one thread at a time and to no connection. Freed with chard_signature_free, or given
 * away to a function that takes it. */
struct chard_signature;

/* A task by its name. `args` is a JSON array, `kwargs` a JSON object; NULL = empty. NULL with `why` on CHARD_BAD_ARGUMENT or
 * CHARD_NO_MEMORY. */
CHARD_API struct chard_signature *chard_signature_new(const char *task, const char *args, const char *kwargs,
                                                      struct chard_error *why);

/* Tasks that run one after the other, each getting the result of the one before as its first argument. A chain in a chain is spliced, so
 * one may grow: s = chard_chain(two = { s, next }). A group that something follows becomes a chord, as in Celery.
 * Takes all `count` parts (>= 1), on failure too; a NULL among them is a failure, so that constructors may be nested. */
CHARD_API struct chard_signature *chard_chain(struct chard_signature *const parts[], size_t count,
                                              struct chard_error *why);

/* Tasks, chains or chords that run side by side. Groups in it are laid open. Takes as chard_chain does. */
CHARD_API struct chard_signature *chard_group(struct chard_signature *const parts[], size_t count,
                                              struct chard_error *why);

/* The header's tasks side by side, then the body with the array of their results as its first argument (each task's, of a body that is a
 * group). `header` is a group, or anything that a group may hold. Takes both. */
CHARD_API struct chard_signature *chard_chord(struct chard_signature *header, struct chard_signature *body,
                                              struct chard_error *why);

/* NULL is fine. */
CHARD_API void chard_signature_free(struct chard_signature *s);

/* Options of a task; on a chain, group or chord they are CHARD_BAD_ARGUMENT: set them on its tasks. */

/* The queue; sent through the exchange of the same name, as chard and `send_task(queue=…)` do. Without one it is the task's name. */
CHARD_API int chard_signature_queue(struct chard_signature *s, const char *queue, struct chard_error *why);

/* Any exchange ("" = the default one) and routing key instead. */
CHARD_API int chard_signature_route(struct chard_signature *s, const char *exchange, const char *routing_key,
                                    struct chard_error *why);

/* Its id (1 to 255 bytes) instead of a new random UUID. Then the signature should be sent once: an id names one run. */
CHARD_API int chard_signature_id(struct chard_signature *s, const char *id, struct chard_error *why);

/* It does not want the result of the task before it. */
CHARD_API int chard_signature_immutable(struct chard_signature *s, struct chard_error *why);

/* A header of the message, travelling on with the chain where workers do that: "traceparent", say. */
CHARD_API int chard_signature_header(struct chard_signature *s, const char *name, const char *text,
                                     struct chard_error *why);

/* Any other option of Celery's apply_async by its name, as JSON: ("priority", "7"), ("countdown", "1.5"), ("eta", "\"2031-05-06T07:08:09Z\""),
 * ("expires", "60"), ("time_limit", "30"), ("soft_time_limit", "20"), ("shadow", "\"name\""), ("ignore_result", "true"),
 * ("retries", "0"). Checked when it is sent. */
CHARD_API int chard_signature_option(struct chard_signature *s, const char *name, const char *json,
                                     struct chard_error *why);

/* Send `then` after this task has succeeded / failed. Takes `then` (a task), on failure too. */
CHARD_API int chard_signature_link(struct chard_signature *s, struct chard_signature *then, struct chard_error *why);
CHARD_API int chard_signature_link_error(struct chard_signature *s, struct chard_signature *then,
                                         struct chard_error *why);

/* ---- sending ---- */

#define CHARD_ID_SIZE 256

struct chard_ids {
        char id[CHARD_ID_SIZE]; /* a task's own, a chain's last, a chord's body's, a group's: what AsyncResult takes in Python */
        char first[CHARD_ID_SIZE]; /* of its first task: with a chain, the job's id (`chard job ID`) and root_id */
};

/* Send it and wait for the broker's confirm of every message. The signature stays the caller's and may be sent again: it gets new ids.
 * `ids` may be NULL.
 * While the broker is away the messages wait in the handle. One whose confirm was lost with the connection is sent again, so it may come twice with
 * one id: chard's workers run an id once, Celery's own twice.
 * CHARD_OK: the broker has all of it, safely. CHARD_TIMED_OUT, CHARD_UNCERTAIN: some may have been sent, and while the handle is
 * open may still be. CHARD_UNROUTABLE: of a group or chord some may have been sent. CHARD_REFUSED: the same, or Redis would not count a
 * chord. CHARD_UNREACHABLE, CHARD_ACCESS: the same of Redis, nothing was sent. CHARD_BAD_ARGUMENT, CHARD_UNSUPPORTED, CHARD_NO_MEMORY:
 * nothing was sent. `ids` is filled in on all but the last three. */
CHARD_API int chard_apply(struct chard *c, const struct chard_signature *s, long timeout_ms, struct chard_ids *ids,
                          struct chard_error *why);

/* ---- results ---- */

/* Wait for the end of a task, chain, chord or group that chard_apply gave the id of (with Redis: of anything whose id is known). *result,
 * unless NULL, becomes its result as JSON text, to be given back with chard_free; of a group, the array of its members' results in order (of a
 * group in it, an array again).
 * CHARD_OK; CHARD_TASK_FAILED: why->name is the exception's type, why->text its message, *result Celery's object of it; CHARD_TIMED_OUT: not yet;
 * CHARD_UNKNOWN_ID: opened without results, or over rpc:// not sent by this handle or forgotten; CHARD_UNREACHABLE; CHARD_UNCERTAIN: closed.
 * A result may be waited for again. Over rpc:// the handle keeps it until chard_forget or chard_close. */
CHARD_API int chard_wait(struct chard *c, const char *id, long timeout_ms, char **result, struct chard_error *why);

/* The same without waiting: CHARD_TIMED_OUT = there is no result yet. */
CHARD_API int chard_result_get(struct chard *c, const char *id, char **result, struct chard_error *why);

/* Nobody will ask for this id again: give its memory back. What Redis holds expires by itself. */
CHARD_API void chard_forget(struct chard *c, const char *id);

/* Give back a text that the library made. NULL is fine. */
CHARD_API void chard_free(char *text);

#ifdef __cplusplus
}
#endif

#endif
