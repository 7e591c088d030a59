/* SPDX-License-Identifier: Apache-2.0 */
/* What a task's owner writes: one constant of this type and its pure functions. They see no clock, no network, no database;
 * what they want done they put into the outcome, and the engine does it in one transaction. */
#ifndef CHARD_TASK_H
#define CHARD_TASK_H

#include "ai/ai.h"
#include "core/arena.h"
#include "core/problem.h"
#include "message/message.h"
#include "store/outcome.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct retry_policy {
        unsigned limit;   /* failed attempts after the first before the task is dead */
        unsigned base_ms; /* back-off: uniform in 0 … min(cap, base * 2^failures) */
        unsigned cap_ms;
};

/* What a task that says TASK_AGAIN wants; filled in by task_retry. */
struct task_wish {
        int64_t delay_ms; /* until its next attempt; < 0: as its retry policy has it */
        int limit;        /* failed attempts after the first before it is dead; < 0: as its retry policy has it */
        bool unexplained; /* it raised nothing: when it may try no more, it is Celery's MaxRetriesExceededError */
};

/* What a task is given. Everything borrowed for the length of the call. */
struct task_input {
        const json_t *document; /* {"job":{…}, "input":{…}, sections of earlier tasks…}; never NULL, an object */
        const json_t *args, *kwargs; /* as the message has them: array, object */
        const json_t
                *facts; /* those that it sees: {kind: {owner: {key: value}}}; NULL where it sees none (task_facts) */
        struct arena *arena;     /* for texts and arrays that the request points to; lives until the task is acked */
        const struct task *task; /* the task itself, as the catalogue made it ready */
        const struct task_message
                *message; /* whose task it is, and where that came from; NULL where a task is tried without one */
        const struct request_place *place;
        struct task_wish *wish; /* of task_retry; NULL where none can be granted */
};

/* A prompt in one language, which a BCP 47 tag names: "en", "pt-BR". */
struct task_prompt {
        const char *lang, *text;
};

/* A task made ready: its constant, and what its texts became. The catalogue owns it; constant, any thread. */
struct task {
        const struct task_def *def;
        const struct pipeline *pipeline; /* that has it as a step; NULL = none */
        const void *data;                /* what its domain's tasks share; NULL = nothing */
        const json_t *schema;            /* with its domain's lists filled in; NULL = none */
        struct task_prompt *prompts;     /* with its domain's marks filled in, ended by a NULL lang; NULL = none */
        const struct task_set *set;      /* all tasks of its catalogue */
        size_t index;                    /* its place among them */
};

/* All tasks of a catalogue. */
struct task_set {
        struct task *tasks;
        size_t count;
};

enum { TASK_MOST_SECTIONS = 4, TASK_MOST_SEES = 4 };

/* Facts that a task wants to see: those of a kind about the owner whose name is at a JSON pointer into the document, "/job/user_id". Where
 * there is no text, it sees none. */
struct task_sees {
        const char *kind, *owner;
};

enum task_flags {
        TASK_STATELESS = 1,  /* keeps nothing in the store: at-least-once, as plain Celery */
        TASK_DIAGNOSTIC = 2, /* not consumed unless named with -Q */
        TASK_PLAIN = 4,      /* works on args and kwargs, has no document, and gives any JSON value (outcome_result) */
        TASK_ERRBACK =
                8, /* as an errback it gets (request, exc, traceback) before its own arguments, not the failed task's id */
        TASK_ANYWHERE =
                16, /* at home in no queue: it runs in whatever queue it comes in, and its own need not be there */
};

enum { TASK_AGAIN = 2, TASK_ELSEWHERE = 3 };

/* 0 = done, 1 = a documented refusal (why filled in; the task is dead), TASK_AGAIN = a failed attempt, to be tried again (task_retry),
 * TASK_ELSEWHERE = not here: its message goes back to its queue, for whichever worker takes it; no attempt is counted (after an answer
 * that was paid for: as TASK_AGAIN); < 0 = bug or out of memory (-errno). */
struct task_def {
        const char *name, *queue;
        const char *model; /* AI_MODEL_TEXT, AI_MODEL_VISION or a name; ask may override it in the request */
        struct retry_policy retry;
        unsigned deadline_ms;        /* of the AI call, or of the storage work */
        unsigned connect_timeout_ms; /* of the AI call's connection; 0 = the setting connect_timeout_ms */
        /* Celery's time_limit and soft_time_limit: the limits of a message that has none of its own. 0 = none */
        unsigned time_limit_ms, soft_time_limit_ms;
        unsigned flags;
        const char *adds[TASK_MOST_SECTIONS + 1];  /* the document's sections that it writes, ended by NULL */
        struct task_sees sees[TASK_MOST_SEES + 1]; /* what the claim brings along, ended by a NULL kind */
        /* With a remote call: the system's turn in each language, ended by a NULL one (the first stands for all others), and the schema of
         * the answer as JSON text (an object, all properties required, none beside them). Marks such as "@states" in a prompt, and a
         * text in place of a schema's enum list, are replaced by what the task's domain says of them; others are refused when the
         * program starts. */
        const struct task_prompt *prompts;
        const char *schema;
        /* A task with a remote call: document -> request; reply -> sections and events. */
        int (*ask)(const struct task_input *in, struct ai_request *request, struct problem *why);
        int (*conclude)(const struct task_input *in, const struct ai_reply *reply, struct outcome *out,
                        struct problem *why);
        /* A task without: document -> sections, events, facts. */
        int (*run)(const struct task_input *in, struct outcome *out, struct problem *why);
        /* Beside ask: its soft time limit has ended the call; in place of conclude. NULL: that is its failure. */
        int (*overdue)(const struct task_input *in, struct outcome *out, struct problem *why);
        /* What the offline provider answers, from the document and the domain's data alone: a new reference that fits the schema. */
        int (*offline)(const struct task_input *in, json_t **answer, struct problem *why);
};

/* Add a section to the document (takes the value). 0 or -ENOMEM. */
int outcome_section(struct outcome *o, const char *name, json_t *takes);

/* The result (takes the value): any JSON, in place of the document. 0 or -ENOMEM. */
int outcome_result(struct outcome *o, json_t *takes);

/* Send a canvas, which is a signature of any kind in Celery's form (takes the value): outcome_send beside the result; outcome_canvas likewise,
 * and the result is what Celery says of it; outcome_add_to_chord as one more part of the header that the task stands in; outcome_replace in the task's place: whoever gives its result does so under the task's id, and what
 * was to follow the task follows it. The messages go out once all is stored. 0 or -ENOMEM. */
int outcome_send(struct outcome *o, json_t *takes);
int outcome_canvas(struct outcome *o, json_t *takes);
int outcome_add_to_chord(struct outcome *o, json_t *takes);
int outcome_replace(struct outcome *o, json_t *takes);

/* ---- ending otherwise: ending.c ---- */

/* Fail with an exception that Celery's clients see: its type and module by Python's names, its arguments an array (takes it). Returns 1: the task
 * is dead; or -ENOMEM; or -EINVAL: a name that is none, or no array. */
int task_raise(const struct task_input *in, struct problem *why, const char *type, const char *module, json_t *takes);

/* Try again, after `delay_ms` and at most `limit` times (each < 0: as the retry policy has it). The reason is what task_raise said before, or none.
 * Returns TASK_AGAIN. */
int task_retry(const struct task_input *in, struct problem *why, int64_t delay_ms, int limit);

/* All that the task may know of its own message (task_message_request). New reference; NULL when memory ran out or there is no message. */
json_t *task_request(const struct task_input *in);

/* Add an event (takes the payload; copies the texts). 0 or -ENOMEM. */
int outcome_event(struct outcome *o, const char *aggregate_type, const char *aggregate_id, const char *type,
                  json_t *takes);

/* Write a fact (takes the value; copies the texts). 0 or -ENOMEM. Once: it is the owner's from now on and never changes; if another task was first,
 * nothing of this outcome is committed, and the task runs again: a task that writes so sees that kind. Merge: the key's value from now on;
 * one that was written once is passed over. */
int outcome_fact_once(struct outcome *o, const char *kind, const char *owner, const char *key, json_t *takes);
int outcome_fact_merge(struct outcome *o, const char *kind, const char *owner, const char *key, json_t *takes);

/* Show something in a read model that the consumer writes (takes the value, an object; copies the texts of `as`: model, id, part), or delete it there.
 * It is written where that has no version as high: the runner does so before anything of the outcome is stored. 0 or -ENOMEM. */
int outcome_document(struct outcome *o, const struct document *as, json_t *takes);
int outcome_document_delete(struct outcome *o, const struct document *as);

/* Let the consumer hear this event (takes it: JSON as consumer_event's `whole`), whatever its type, when so long has passed. It is stored with the rest of
 * the outcome, and known by `id`, so that it is acted on once. One an outcome. 0 or -ENOMEM. */
int outcome_later(struct outcome *o, const char *id, unsigned delay_ms, json_t *takes);

/* Open an outcome over an arena / drop its JSON. */
int outcome_open(struct outcome *o, struct arena *arena);
void outcome_close(struct outcome *o);

/* ---- asking: ask.c ---- */

/* Begin a request: task, model, schema, deadline, the document as its facts, its language, and the system's turn. 0 or -ENOMEM. */
int ask_begin(const struct task_input *in, struct ai_request *request);

/* Add a part to what is said: to the last turn if that is of the same role, else as a new turn. `role` is a constant
 * ("system", "user", "assistant"), `text` lives as long as the arena. What users wrote goes into a user's part, never
 * into the system's. 0 or -ENOMEM. */
int ask_say(const struct task_input *in, struct ai_request *request, const char *role, enum ai_part_kind kind,
            const char *text);

/* A JSON value as text in the arena; NULL when memory ran out. */
const char *ask_json(const struct task_input *in, const json_t *value);

/* ---- reading the document: document.c; all borrowed from it ---- */

const char *document_job(const json_t *document);  /* the job's id; "" when absent */
const char *document_user(const json_t *document); /* user_id, or NULL */
const char *document_lang(const json_t *document); /* a BCP 47 tag; "" when absent */
const json_t *document_input(const json_t *document,
                             const char *key); /* a member of "input", or NULL when absent or null */
const char *document_text(const json_t *document, const char *key); /* the same, when it is a text, else NULL */

/* What the task sees of a kind about an owner: {key: value}. Borrowed; NULL where it sees no such facts. */
const json_t *task_facts(const struct task_input *in, const char *kind, const char *owner);

/* A section that an earlier task added, which must be of the given JSON type (JSON_OBJECT, JSON_ARRAY).
 * Returns 0; 1 with `why`: code "missing_section" names it, the task that adds it and what is there, "bad_section" its wrong type. */
int document_section(const struct task_input *in, const char *name, json_type type, const json_t **out,
                     struct problem *why);

/* The prompt for a language, by RFC 4647, 3.4 ("en-GB" finds "en"); the first where none fits; NULL where the task has none. */
const struct task_prompt *task_prompt(const struct task *task, const char *lang);

/* The task of that name in a set, or NULL: a walk over all. Where there are many lookups, catalog_task. */
const struct task *task_in(const struct task_set *set, const char *name);

#endif
