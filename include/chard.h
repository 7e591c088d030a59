/* SPDX-License-Identifier: Apache-2.0 */
/* chard's public C interface, version 0.1. It has two parts that may be used apart from each other:
 *
 *   Producers (link with libchard): make signatures, chains, groups and chords, send them to workers that speak Celery's
 *   message protocol (chard's, or Celery's own in Python), and wait for what they return.
 *
 *   Task plug-ins (link with nothing): write tasks for `chard worker --tasks ./mine.so`.
 *
 * What holds everywhere:
 *   - JSON crosses as UTF-8 text that ends with NUL. Texts given to a function are copied before it returns, unless it says otherwise.
 *   - Times are in milliseconds. A timeout of 0 only looks; a negative one waits without an end. What Redis needs to be connected to, or to answer,
 *     is not part of it: about connect_timeout_ms at most.
 *   - A function that can fail returns CHARD_OK (0) or another enum chard_code, and fills in a struct chard_error where one
 *     is given; that may always be NULL. Nothing prints, nothing aborts, nothing is kept in global variables.
 *   - Signals that arrive while a thread waits here are handled, and the wait goes on.
 *   - Functions and types that are here stay as they are within a major version of the library's soname. */
#ifndef CHARD_H
#define CHARD_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CHARD_API    __attribute__((visibility("default")))
#define CHARD_HEADER "0.1.0" /* the version that this header belongs to; chard_version() is the library's */

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

/* ======================================================================================================
 * Producers
 * ====================================================================================================== */

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

/* ======================================================================================================
 * Task plug-ins
 *
 * A plug-in is a shared object that exports one constant, made by CHARD_PLUGIN. `chard worker --tasks ./mine.so,./other.so` (or CHARD_TASKS)
 * loads it before anything else starts. It is part of the process then: a crash in it is the worker's crash, which hands its messages back
 * to the broker; a task that crashes every worker is stopped as poison after CHARD_MAX_STARTS starts.
 *
 * Its functions are pure and quick: they see no clock, no network, no database, sleep never, keep nothing in variables; all run on the worker's
 * one loop thread. One that has not returned after its task's deadline_ms (at least a second) has the worker abort: nothing else could run.
 * What they want done they say through the calls below, and the worker does it in one transaction.
 * They return CHARD_DONE; CHARD_REFUSE, best by `return chard_refuse(...)` or `return chard_raise(...)`: this document can never work;
 * CHARD_AGAIN, by `return chard_retry(...)`: this attempt failed, another may not; CHARD_ELSEWHERE: not here, as Celery's Reject(requeue=True): the
 * message goes back to its queue, for whichever worker takes it, and no attempt is counted; or CHARD_BROKEN: a bug of the plug-in, or lack of memory.
 * After CHARD_REFUSE and CHARD_BROKEN the task is dead: kept with its reason for a person to look at and send back.
 * ====================================================================================================== */

#define CHARD_PLUGIN_ABI 1

enum chard_verdict { CHARD_DONE = 0, CHARD_REFUSE = 1, CHARD_AGAIN = 2, CHARD_ELSEWHERE = 3, CHARD_BROKEN = -1 };

enum chard_task_flags {
        CHARD_STATELESS =
                1, /* keeps nothing in the store: at-least-once, as plain Celery; adds no sections, events or facts */
        CHARD_DIAGNOSTIC = 2, /* not consumed unless named with -Q */
        CHARD_PLAIN = 4,      /* works on its arguments, has no document, and gives any JSON value (chard_result) */
        CHARD_ERRBACK =
                8 /* as an errback it gets (request, exc, traceback) before its own arguments, not the failed task's id */
};

enum chard_part { CHARD_TEXT = 0, CHARD_IMAGE_URL = 1 };

/* For the functions below. */
enum chard_about { CHARD_ARGUMENTS = 0, CHARD_OWN_REQUEST = 1 };
enum chard_sending { CHARD_BESIDE = 0, CHARD_AS_RESULT = 1, CHARD_REPLACEMENT = 2, CHARD_INTO_CHORD = 3 };

struct chard_calls;

/* What a task is given, asks and leaves. Valid during the call and on its thread; only the functions below look inside. Anywhere else those
 * answer NULL or CHARD_BROKEN and change nothing. */
struct chard_input { /* the job document, and memory for this task */
        const struct chard_calls *calls;
};
struct chard_request { /* what is asked of the AI model */
        const struct chard_calls *calls;
};
struct chard_reply { /* what it answered, checked against the schema */
        const struct chard_calls *calls;
};
struct chard_outcome { /* what shall be stored */
        const struct chard_calls *calls;
};

/* The system's turn in one language, which a BCP 47 tag names: "en", "pt-BR". */
struct chard_prompt {
        const char *lang, *text;
};

/* Facts that a task wants to see: those of a kind about the owner whose name is at a JSON pointer (RFC 6901) of the document, "/job/user_id". */
struct chard_sees {
        const char *kind, *owner;
};

/* One task. A zeroed member means "none" unless it says otherwise. Texts and functions are constants of the plug-in. */
struct chard_task {
        const char *name; /* what callers send: "text.summary"; 1 to 255 bytes, unknown to the worker so far */
        const char *
                queue; /* where it waits; 1 to 250 bytes, printable, without spaces, commas or a beginning "amq." or end ".dead" */
        const char *model; /* NULL = the text model, "vision" = the vision model, or a model's own name */
        unsigned retry_limit, retry_base_ms,
                retry_cap_ms;        /* failed attempts after the first; back-off 0 … min(cap, base * 2^n) */
        unsigned deadline_ms;        /* of the AI call, or of the storage work; > 0 */
        unsigned connect_timeout_ms; /* of the AI call's connection; 0 = the setting */
        unsigned time_limit_ms, soft_time_limit_ms; /* Celery's, of a message that has none of its own; 0 = none */
        unsigned flags;                             /* enum chard_task_flags */
        const char *adds[5];                        /* names of the sections that it writes, ended by NULL */
        struct chard_sees sees[5];                  /* facts that it reads with chard_fact, ended by a NULL kind */
        const struct chard_prompt
                *prompts;   /* in any number of languages, ended by a NULL lang; the first stands for all others */
        const char *schema; /* JSON schema of the answer: an object, all properties required, none beside them */
        /* Either ask, conclude and schema: one call to a model … */
        int (*ask)(const struct chard_input *in, struct chard_request *request);
        int (*conclude)(const struct chard_input *in, const struct chard_reply *reply, struct chard_outcome *out);
        /* … (and what the offline provider answers: JSON text that fits the schema, of chard_allocate's memory) … */
        int (*offline)(const struct chard_input *in, const char **answer);
        /* … or run: no call. */
        int (*run)(const struct chard_input *in, struct chard_outcome *out);
        /* Beside ask: its soft time limit has ended the call, and this is done in place of conclude. NULL = it fails with
         * SoftTimeLimitExceeded. */
        int (*overdue)(const struct chard_input *in, struct chard_outcome *out);
};

/* The worker's side of the functions below. It only ever grows, at its end, so a plug-in runs under every worker of the same
 * CHARD_PLUGIN_ABI that is not older than its header. */
struct chard_calls {
        size_t size;
        const char *(*find)(const struct chard_input *in, const char *pointer, int as_json);
        const char *(*find_reply)(const struct chard_reply *r, const char *pointer, int as_json);
        const char *(*fact)(const struct chard_input *in, const char *kind, const char *owner, const char *key);
        const char *(*quote)(const struct chard_input *in, const char *text);
        char *(*allocate)(const struct chard_input *in, size_t size);
        int (*refuse)(const struct chard_input *in, const char *name, const char *text);
        int (*say)(struct chard_request *r, const char *role, int part, const char *text);
        int (*section)(struct chard_outcome *o, const char *name, const char *json);
        int (*event)(struct chard_outcome *o, const char *of_type, const char *of_id, const char *type,
                     const char *json);
        int (*fact_once)(struct chard_outcome *o, const char *kind, const char *owner, const char *key,
                         const char *json);
        int (*fact_merge)(struct chard_outcome *o, const char *kind, const char *owner, const char *key,
                          const char *json);
        const char *(*find_about)(const struct chard_input *in, int what, const char *pointer, int as_json);
        int (*raise)(const struct chard_input *in, const char *type, const char *module, const char *args);
        int (*retry)(const struct chard_input *in, long delay_ms, int limit);
        int (*result)(struct chard_outcome *o, const char *json);
        int (*send)(struct chard_outcome *o, int how, const char *canvas);
};

/* The constant that a plug-in exports under the name chard_plugin. */
struct chard_plugin {
        unsigned abi;                          /* CHARD_PLUGIN_ABI */
        unsigned size;                         /* sizeof(struct chard_plugin) */
        unsigned task_size;                    /* sizeof(struct chard_task) */
        unsigned calls_size;                   /* sizeof(struct chard_calls): what its functions may use */
        const struct chard_task *const *tasks; /* NULL-terminated */
};

/* Once in a plug-in, in the file of its tasks: CHARD_PLUGIN(&first_task, &second_task); */
#define CHARD_PLUGIN(...)                                                                                 \
        static const struct chard_task *const chard_plugin_tasks[] = { __VA_ARGS__, NULL };               \
        extern CHARD_API const struct chard_plugin chard_plugin;                                          \
        const struct chard_plugin chard_plugin = { CHARD_PLUGIN_ABI, sizeof(struct chard_plugin),         \
                                                   sizeof(struct chard_task), sizeof(struct chard_calls), \
                                                   chard_plugin_tasks }

/* One consumer: acts on events of the outbox, each once in effect, those of one aggregate in their order (docs/events.md). `chard consume NAME --tasks
 * ./mine.so` runs it. It reads the event as a task reads its document: chard_text(in, "/payload/order_id"), "/id", "/type", "/aggregate_type",
 * "/aggregate_id". What it wants done are events, facts and tasks to be sent (chard_send); it has no sections and no result. What holds for a task's
 * functions holds for these, with a deadline of 5 s. A zeroed member means "none". Texts and functions are constants of the plug-in. */
struct chard_consumer {
        const char *name;     /* a-z, 0-9, '-' and '_', 64 at most; for good: what it has acted on is known by it */
        const char *hears[9]; /* types of events, ended by NULL */
        const char *aggregates
                [9]; /* types of their aggregates, ended by NULL; none: any. Read from Kafka they are its topics, behind a prefix */
        struct chard_sees sees[5]; /* facts; owners are JSON pointers into the event: "/payload/user_id" */
        unsigned retry_limit, retry_base_ms, retry_cap_ms; /* of CHARD_AGAIN */
        unsigned version; /* the newest "schema_version" of a payload that it understands; 0 = 1 */
        unsigned flags;   /* enum chard_consumer_flags */
        int (*act)(const struct chard_input *in, struct chard_outcome *out);
        /* The step has failed for good, with this code: what those before must undo. Stored with the dead letter, which has no effect any more when it
         * is requeued. CHARD_REFUSE: nothing is to be undone. It sees no facts. */
        int (*compensate)(const struct chard_input *in, const char *code, struct chard_outcome *out);
};

enum chard_consumer_flags {
        CHARD_NAMED = 1 /* runs only where it is named, not with --all */
};

/* The constant that a plug-in of consumers exports under the name chard_consumers. */
struct chard_consumers {
        unsigned abi;                                  /* CHARD_PLUGIN_ABI */
        unsigned size;                                 /* sizeof(struct chard_consumers) */
        unsigned consumer_size;                        /* sizeof(struct chard_consumer) */
        unsigned calls_size;                           /* sizeof(struct chard_calls) */
        const struct chard_consumer *const *consumers; /* NULL-terminated */
};

/* Once in a plug-in, beside CHARD_PLUGIN or without one: CHARD_CONSUMERS(&first_consumer, &second_consumer); */
#define CHARD_CONSUMERS(...)                                                                                        \
        static const struct chard_consumer *const chard_plugin_consumers[] = { __VA_ARGS__, NULL };                 \
        extern CHARD_API const struct chard_consumers chard_consumers;                                              \
        const struct chard_consumers chard_consumers = { CHARD_PLUGIN_ABI, sizeof(struct chard_consumers),          \
                                                         sizeof(struct chard_consumer), sizeof(struct chard_calls), \
                                                         chard_plugin_consumers }

/* ---- reading; all texts live until the task is done ---- */

/* The text at a JSON pointer (RFC 6901) of the document, "/input/text" or "/answer/title"; NULL when there is none. The document begins
 * as {"job": {"id", "user_id", "lang", …}, "input": {the task's keyword arguments, "args": […]}}; a later task of a chain also finds
 * the sections that those before it added. */
static inline const char *chard_text(const struct chard_input *in, const char *pointer)
{
        return in->calls->find(in, pointer, 0);
}

/* Any value there, as JSON text; "" is the whole document. NULL when there is none. */
static inline const char *chard_json(const struct chard_input *in, const char *pointer)
{
        return in->calls->find(in, pointer, 1);
}

/* The same of the message's arguments, {"args": […], "kwargs": {…}}: "/args/0", "/kwargs/text". They are there beside a document too. */
static inline const char *chard_argument_text(const struct chard_input *in, const char *pointer)
{
        return in->calls->find_about(in, CHARD_ARGUMENTS, pointer, 0);
}
static inline const char *chard_argument_json(const struct chard_input *in, const char *pointer)
{
        return in->calls->find_about(in, CHARD_ARGUMENTS, pointer, 1);
}

/* The same of the task's request, by the names of Celery's: "/id", "/task", "/root_id", "/parent_id", "/group", "/group_index", "/retries",
 * "/args", "/kwargs", "/eta", "/expires", "/time_limit", "/soft_time_limit" (seconds), "/ignore_result", "/priority", "/headers", "/properties",
 * "/stamped_headers", "/stamps", "/delivery_info" ("queue", "exchange", "routing_key", "priority", "redelivered"), "/reply_to",
 * "/correlation_id", "/origin", "/hostname", "/shadow", "/replaced_task_nesting", "/callbacks", "/errbacks", "/chain", "/chord". */
static inline const char *chard_request_text(const struct chard_input *in, const char *pointer)
{
        return in->calls->find_about(in, CHARD_OWN_REQUEST, pointer, 0);
}
static inline const char *chard_request_json(const struct chard_input *in, const char *pointer)
{
        return in->calls->find_about(in, CHARD_OWN_REQUEST, pointer, 1);
}

/* The same of the model's answer. */
static inline const char *chard_reply_text(const struct chard_reply *r, const char *pointer)
{
        return r->calls->find_reply(r, pointer, 0);
}
static inline const char *chard_reply_json(const struct chard_reply *r, const char *pointer)
{
        return r->calls->find_reply(r, pointer, 1);
}

/* A fact of a kind that the task's `sees` names: its value as JSON text. NULL when there is none. */
static inline const char *chard_fact(const struct chard_input *in, const char *kind, const char *owner, const char *key)
{
        return in->calls->fact(in, kind, owner, key);
}

/* All facts of such a kind about an owner: a JSON object of keys and values. NULL when the task does not see them. */
static inline const char *chard_facts(const struct chard_input *in, const char *kind, const char *owner)
{
        return in->calls->fact(in, kind, owner, NULL);
}

/* A text as a JSON string, quotes included; "null" for NULL and for what is no UTF-8. NULL when memory ran out. */
static inline const char *chard_quote(const struct chard_input *in, const char *text)
{
        return in->calls->quote(in, text);
}

/* Zeroed memory that lives until the task is done, never freed by the plug-in. NULL when it ran out. */
static inline char *chard_allocate(const struct chard_input *in, size_t size)
{
        return in->calls->allocate(in, size);
}

/* ---- answering ---- */

/* Why this document can never work: `name` is for programs and stable ("bad_document"), `text` for people. Returns CHARD_REFUSE. */
static inline int chard_refuse(const struct chard_input *in, const char *name, const char *text)
{
        return in->calls->refuse(in, name, text);
}

/* Fail with an exception that Celery's clients see as their own: its type and module by Python's names ("ValueError", "builtins"; "Refund",
 * "shop.errors"), its arguments a JSON array. Returns CHARD_REFUSE; a name that is none, or text that is no array, is CHARD_BROKEN. */
static inline int chard_raise(const struct chard_input *in, const char *type, const char *module, const char *args)
{
        return in->calls->raise(in, type, module, args);
}

/* This attempt has failed: try again after `delay_ms`, at most `limit` times; negative = as the task's retry_… members have it. What
 * chard_raise said before is its reason, and the exception it ends with after the last try; without one that is Celery's
 * MaxRetriesExceededError. Returns CHARD_AGAIN. */
static inline int chard_retry(const struct chard_input *in, long delay_ms, int limit)
{
        return in->calls->retry(in, delay_ms, limit);
}

/* In ask: add a part to what is said, after the prompt. `role` is "user" or "assistant"; whatever users wrote belongs into "user". The
 * text is copied. CHARD_DONE or CHARD_BROKEN. */
static inline int chard_say(struct chard_request *r, const char *role, enum chard_part part, const char *text)
{
        return r->calls->say(r, role, (int)part, text);
}

/* Add a section to the document ("job" and "input" are not to be written; of two with one name the later counts); an event to the outbox
 * (`of_type`, `of_id`: what it is about, "order" and its id). The JSON is parsed at once; text that is none is CHARD_BROKEN, since only a bug makes
 * it. */
static inline int chard_section(struct chard_outcome *o, const char *name, const char *json)
{
        return o->calls->section(o, name, json);
}
static inline int chard_event(struct chard_outcome *o, const char *of_type, const char *of_id, const char *type,
                              const char *json)
{
        return o->calls->event(o, of_type, of_id, type, json);
}

/* Keep a fact, (kind, owner, key) -> any JSON value, in the transaction of the task's result. Once: whoever is first writes it, and it stays as it
 * is. If another task was first, nothing of this one is kept and it runs again: so it sees that kind, and looks before it writes. Merge: the
 * key's value from now on; a fact that was written once is passed over. In SQL: select value from chard.fact where kind = … . */
static inline int chard_fact_once(struct chard_outcome *o, const char *kind, const char *owner, const char *key,
                                  const char *json)
{
        return o->calls->fact_once(o, kind, owner, key, json);
}
static inline int chard_fact_merge(struct chard_outcome *o, const char *kind, const char *owner, const char *key,
                                   const char *json)
{
        return o->calls->fact_merge(o, kind, owner, key, json);
}

/* The result: any JSON value, in place of the document. */
static inline int chard_result(struct chard_outcome *o, const char *json)
{
        return o->calls->result(o, json);
}

/* Send a canvas, which is a signature as Celery writes one: {"task": "mail.send", "args": [], "kwargs": {}, "options": {"queue": "mail"},
 * "subtask_type": null, "immutable": false}; all but "task" may be left out. Of a group or chain "subtask_type" is "group" or "chain", and its
 * kwargs are {"tasks": […]}; of a chord {"header": […], "body": {…}}. It goes out once everything is stored, and again after a crash, as the
 * same tasks. chard_send: beside the result, a child of it; chard_send_as_result: and the result is what Celery says of a canvas that was sent.
 * chard_replace is Celery's Task.replace: the canvas stands in the task's place. Whoever gives the canvas's result gives it under this task's
 * id, in its group and its chord; what was to follow the task, and its errbacks, follow the canvas. The task itself has no result then. */
static inline int chard_send(struct chard_outcome *o, const char *canvas)
{
        return o->calls->send(o, CHARD_BESIDE, canvas);
}
static inline int chard_send_as_result(struct chard_outcome *o, const char *canvas)
{
        return o->calls->send(o, CHARD_AS_RESULT, canvas);
}
static inline int chard_replace(struct chard_outcome *o, const char *canvas)
{
        return o->calls->send(o, CHARD_REPLACEMENT, canvas);
}

/* Celery's Task.add_to_chord: the canvas is one more part of the chord whose header this task stands in; its body waits for it. A group counts as one part,
 * which is a list. A task that is in no header fails with ValueError. */
static inline int chard_add_to_chord(struct chard_outcome *o, const char *canvas)
{
        return o->calls->send(o, CHARD_INTO_CHORD, canvas);
}

#ifdef __cplusplus
}
#endif

#endif
