/* SPDX-License-Identifier: Apache-2.0 */
/* What a consumer's owner writes: one constant of this type and a pure function, as for a task. It hears events of the store's outbox, each once in
 * effect, and sees no clock, no network, no database: what it wants done it puts into the outcome, which is stored in one transaction with the fact
 * that it has acted. Events of one aggregate come in their order. */
#ifndef CHARD_CONSUMER_H
#define CHARD_CONSUMER_H

#include "tasks/task.h"

enum { CONSUMER_MOST_HEARS = 8, CONSUMER_MOST_NAME = 64, CONSUMER_MOST_MODELS = 4 };

/* What a read model is kept in. */
enum read_model_kind {
        READ_MODEL_SEARCH, /* an index of OpenSearch: documents by their ids, without parts */
        READ_MODEL_KEYS,   /* hashes of a Redis: a key for each id, a field for each part */
};

/* What a projector keeps for those who read. Constant. */
struct read_model {
        const char *
                name; /* of the index (an alias), or what the keys begin with: lower-case letters, digits, '-' and '_' */
        enum read_model_kind kind;
        const char *mapping; /* of the index: its "mappings" as JSON text; NULL: as OpenSearch guesses */
};

/* An event, as it is heard. Everything borrowed for the length of the call. */
struct consumer_event {
        const char *id, *type, *aggregate_type, *aggregate_id;
        const json_t *payload; /* an object */
        const json_t *whole;   /* the event as JSON: these members and "created_at", "tracingspancontext" */
};

struct consumer_def;

struct consumer_input {
        const struct consumer_def *consumer; /* whose function it is; the engine sets it */
        const struct consumer_event *event;
        const json_t *facts; /* those that it sees: {kind: {owner: {key: value}}} (consumer_facts) */
        /* Of one that writes read models: all events of the event's aggregate, oldest first, the newest 200 of them: [{"id", "type", "version",
         * "payload", "created_at"}]; and the version of the last, which is what they show. There may be newer ones than the event among them. */
        const json_t *history;
        int64_t version;
        const void *data;    /* what its domain's tasks share; NULL = nothing */
        struct arena *arena; /* lives until what it wants done is stored */
};

struct saga_def;

enum consumer_flags {
        CONSUMER_NAMED = 1, /* runs only where it is named: it needs somebody who takes what it sends */
};

struct consumer_def {
        const char *
                name; /* lower-case letters, digits, '-' and '_'; who it is for good: what it has acted on is known by it */
        const char *hears[CONSUMER_MOST_HEARS + 1];      /* types of events, ended by NULL */
        const char *aggregates[CONSUMER_MOST_HEARS + 1]; /* types of their aggregates, ended by NULL; none: any */
        struct task_sees
                sees[TASK_MOST_SEES + 1]; /* facts; owners are JSON pointers into the event: "/payload/user_id" */
        struct read_model writes[CONSUMER_MOST_MODELS + 1]; /* ended by one without a name; none: it is no projector */
        struct retry_policy retry;                          /* of TASK_AGAIN */
        unsigned
                version; /* the newest "schema_version" of a payload that it understands; one without is of version 1. 0 = 1 */
        unsigned flags;
        /* It carries out a saga (tasks/saga.h): `act` is saga_act, it hears what that waits for, and `sees` begins with FACT_SAGA. NULL: it is none. */
        const struct saga_def *saga;
        /* event, facts, history -> events, facts (outcome_event, outcome_fact_once, outcome_fact_merge), tasks to be sent (outcome_send), documents of read
         * models (outcome_document).
         * 0 = done, also where there is nothing to do; 1 = a refusal (why): the event becomes a dead letter, and those behind it go on;
         * TASK_AGAIN = not now (why): it waits, and with it those of the same aggregate; < 0 = out of memory (-ENOMEM) or a bug. */
        int (*act)(const struct consumer_input *in, struct outcome *out, struct problem *why);
        /* The step has failed for good: `act` refused the event, its tries are used up, or the store takes nothing of it. Says, in events and tasks to be
         * sent, what those before must undo. That is stored with the dead letter, and the event counts as acted on: requeued, it has no effect any more.
         * Called only where the consumer understood the event; it sees no facts. 0; 1 = nothing is to be undone; -ENOMEM. May be NULL. */
        int (*compensate)(const struct consumer_input *in, const struct problem *died, struct outcome *out);
};

/* A consumer made ready. The catalogue owns it; constant, any thread. */
struct consumer {
        const struct consumer_def *def;
        const void *data; /* what its domain's tasks share; NULL = nothing */
};

/* A member of the payload that is a text, else NULL. Borrowed. */
const char *consumer_text(const struct consumer_input *in, const char *key);

/* The same, which must be there and not empty: 0; 1 with `why` (source "consumer_logic", code "bad_payload"). */
int consumer_need(const struct consumer_input *in, const char *key, const char **out, struct problem *why);

/* What it sees of a kind about an owner: {key: value}. Borrowed; NULL where it sees no such facts. */
const json_t *consumer_facts(const struct consumer_input *in, const char *kind, const char *owner);

/* One of those that it writes, by its name; NULL: none. */
const struct read_model *consumer_model(const struct consumer_def *def, const char *name);

/* Does it hear events of this type, of an aggregate of that one? Pure, as the next two. */
bool consumer_hears(const struct consumer_def *def, const char *type, const char *aggregate_type);

/* Is it one that the engine could run? 0; 1 with `why` (source "consumer", code "bad_data"). */
int consumer_check(const struct consumer_def *def, struct problem *why);

/* Run it on an event as JSON, whose payload may be anything: a version that it does not know, or what is no payload, is refused for it (source
 * "consumer", codes "bad_event", "unknown_version"). Returns as `act`; what is no answer of its is a refusal (code "bad_answer"). */
int consumer_run(const struct consumer_def *def, const struct consumer_input *in, struct outcome *out,
                 struct problem *why);

/* Fill in an event from its JSON; false where it lacks an id, a type or an aggregate: then what is not there is "". The payload may be none (NULL). */
bool consumer_event_read(const json_t *whole, struct consumer_event *out);

#endif
