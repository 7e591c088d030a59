/* SPDX-License-Identifier: Apache-2.0 */
/* A plug-in is a shared object that exports one constant, made by CHARD_PLUGIN. `chard worker --tasks ./mine.so,./other.so` (or CHARD_TASKS)
 * loads it before anything else starts. It is part of the process then: a crash in it is the worker's crash, which hands its messages back
 * to the broker; a task that crashes every worker is stopped as poison after CHARD_MAX_STARTS starts.
 *
 * Its functions are pure and quick: they see no clock, no network, no database, sleep never, keep nothing in variables; all run on the worker's
 * one loop thread. One that has not returned after its task's deadline_ms (at least a second) has the worker abort: nothing else could run.
 * What they want done they say through the calls below, and the worker does it in one transaction.
 * They return CHARD_DONE; CHARD_REFUSE, best by `return chard_refuse(...)` or `return chard_raise(...)`: this document can never work;
 * CHARD_AGAIN, by `return chard_retry(...)`: this attempt failed, another may not; CHARD_ELSEWHERE: not here, as Celery's Reject(requeue=True): the
 * message goes back to its queue, for whichever worker takes it, and no attempt is counted (after an answer that was paid for: as CHARD_AGAIN); or CHARD_BROKEN: a bug of the plug-in, or lack of memory.
 * After CHARD_REFUSE and CHARD_BROKEN the task is dead: kept with its reason for a person to look at and send back. */
#ifndef CHARD_PLUGIN_H
#define CHARD_PLUGIN_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

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
struct chard_saga;

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
        /* It carries out a saga, and has neither `act` nor `hears`; `sees` begins with { "saga", where its events name what it is about }. */
        const struct chard_saga *saga;
};

/* A saga by orchestration (docs/events.md): steps that are asked for and answered by events, and undone, last first, where one fails or does not answer.
 * A zeroed member means "none". */
struct chard_saga_event {
        const char *aggregate_type, *type; /* its aggregate's id is the saga's */
};
struct chard_saga_step {
        const char *name;
        struct chard_saga_event asks;
        const char *done, *failed; /* types of the events that answer */
        struct chard_saga_event undoes;
        const char *undone;  /* answers that; without it, it is not waited for */
        unsigned timeout_ms; /* of each answer */
        unsigned times;      /* that it asks, at most; 0 = 1 */
};
struct chard_saga {
        const char *begins; /* a type of event */
        struct chard_saga_event ends, fails;
        const struct chard_saga_step *steps; /* ended by one without a name; 8 at most */
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
