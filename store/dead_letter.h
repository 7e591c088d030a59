/* SPDX-License-Identifier: Apache-2.0 */
/* The store's door to dead letters and to stale jobs, and the structs that its verbs take and give. Times are
 * milliseconds since 1970 (wall clock); texts and bytes are borrowed as each verb says. */
#ifndef CHARD_DEAD_LETTER_H
#define CHARD_DEAD_LETTER_H

#include "core/bytes.h"
#include "message/message.h"
#include "store/store.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#define DEAD_KEY_SIZE 16

/* One entry. A text that is not known is "", never NULL. */
struct dead_letter {
        int64_t entry; /* given by the store, rising; 0 while it is being filed */
        int64_t died_ms, kept_ms;
        int64_t settled_ms; /* when it left the state "kept"; 0 = it has not */
        const char *state;  /* "kept", "resolved", or the state of an action; filing makes it "kept" */
        const char *task_id, *root_id, *name, *queue; /* `queue`: where it came from and goes back to */
        const char *error_source, *error_code, *error_message;
        const char *group; /* 12 hexadecimal digits: same task, source, code and shape of the message */
        const char *cause; /* the message without what differs from entry to entry */
        const char *trace_id, *user_id, *worker; /* `worker`: who buried it */
        const char *next_task;                   /* where it was going next */
        const char *verdict;                     /* "transient" or "permanent", as it was judged at death */
        unsigned attempts;
        unsigned rounds;               /* automatic requeues in a row that led to this death; the store counts them */
        struct bytes properties, body; /* as they came; empty with data NULL where a page leaves them out */
        struct bytes edited;           /* the body that is sent instead when it is requeued; data NULL = not edited */
        int64_t body_size;
        int64_t version;                    /* another one after each edit; filled in by reading with content */
        const char *task_state, *job_state; /* "" = the store knows no such row; filled in by reading */
        bool waits;    /* a message of its task waits among the scheduled ones; filled in by reading, as the next two */
        bool followed; /* a task that follows it is known */
        bool leased;   /* a worker that lives runs it */
        /* Filing: no two entries have the same `key` (the very letter, redelivered), and no two kept ones the same `same` (the task,
         * dead once more before anybody looked: the later death's record replaces the earlier one's). */
        unsigned char key[DEAD_KEY_SIZE], same[DEAD_KEY_SIZE];
};

/* Which entries; zero-initialised: all. Every part that is set must hold. */
struct dead_filter {
        const int64_t *entries; /* these, or NULL */
        size_t entry_count;
        const char *state; /* NULL = any; the same below. A name and a code may end in '*' */
        const char *name, *queue, *error_code, *group, *user_id, *root_id, *task_id;
        const char *text;           /* is part of the error message, whatever the case of ASCII letters */
        int64_t since_ms, until_ms; /* died at or after / before; 0 = open */
        int64_t after, upto;        /* entry > after, entry <= upto; 0 = open */
        bool by_round;              /* only those with rounds == round */
        unsigned round;
};

enum dead_sort { DEAD_BY_ENTRY, DEAD_BY_DEATH, DEAD_BY_TASK, DEAD_BY_CODE, DEAD_BY_QUEUE, DEAD_BY_ATTEMPTS };

/* A page of entries. Ties are in the order of their entries. */
struct dead_query {
        struct dead_filter filter;
        enum dead_sort sort;
        bool descending;
        unsigned limit, offset;
        bool content; /* with properties, body and edited; then only as many entries as have about max_bytes of them, at least one */
        bool plain; /* without task_state, job_state, waits, followed and leased, which take their time */
        size_t max_bytes;
};

/* Everything borrowed for the length of the callback. `why` is set when the store failed. */
typedef void dead_page_done(const struct dead_letter *letters, size_t count, const struct problem *why, void *arg);

/* Who does something, for the audit. */
struct dead_act {
        const char *operation; /* one text for all batches of one operation (a UUID) */
        const char *who;       /* "os:alice", "policy:text.summary timeout", "key:…" */
        const char *reason;    /* or "" */
        const char *scope;     /* what was asked for, in words: "--code timeout --task text.summary" */
        bool automatic;        /* a policy's doing: counts as a round */
};

/* Something that is done to kept entries; constant. One that sends schedules their messages, and their tasks and jobs begin anew: so it may not come to that
 * (enum dead_outcome). Any other changes the entry alone. */
struct dead_action {
        const char *name;  /* in the audit: "requeue", "discard" */
        const char *state; /* of an entry that it was done to: "requeued", "discarded" */
        bool sends;
};

struct dead_item {
        int64_t entry;
        const struct message *message; /* of an action that sends: what is sent, with retries 0 */
        int64_t version;               /* of the entry that it was made from; 0 = whatever it is by now */
        int64_t due_ms;
};

/* What became of an item. */
enum dead_outcome {
        DEAD_DONE,    /* its state is the action's */
        DEAD_RESUMED, /* its task has succeeded, but nothing followed: sent, so that its successors are published; the task does not run again */
        DEAD_SUCCEEDED, /* its task has succeeded meanwhile: nothing is sent, the entry becomes "resolved" */
        DEAD_ALIVE,     /* its task runs under a live lease: nothing is sent, the entry stays */
        DEAD_WAITING,   /* a message of its task is scheduled already: nothing is sent, the entry stays */
        DEAD_REVOKED,   /* its task was revoked: nothing is sent, the entry stays */
        DEAD_CHANGED,   /* it was edited since its message was made: nothing is sent, the entry stays */
        DEAD_SETTLED,   /* it is not kept any more: somebody was first */
        DEAD_MISSING,   /* there is no such entry */
};

/* One transaction: entries change their state; for each one that is sent a scheduled row (reason "requeue", its key made so that a repeated
 * call is the same row), its task's row PENDING with attempts, starts and error as new, its job STARTED where it had failed;
 * and one audit row that says what was done to how many. Everything borrowed until done. */
struct dead_settle {
        const struct dead_action *action;
        struct dead_act act;
        const struct dead_item *items; /* at most DEAD_SETTLE_MAX, each entry once */
        size_t count;
};
#define DEAD_SETTLE_MAX 1000

/* `outcomes`: one an item, in their order; NULL with `why` when nothing was done (the store was closed, or refused the whole: a smaller
 * batch tells which item it can't take). */
typedef void dead_settled(const enum dead_outcome *outcomes, size_t count, const struct problem *why, void *arg);

/* A new body for a kept entry; the original stays. `body` with data NULL takes the change back. Audited. Borrowed until done. */
struct dead_edit {
        int64_t entry;
        int64_t version; /* as it was read: one that was edited since stays as it is; 0 = whatever it is by now */
        struct dead_act act;
        struct bytes body;
};

/* Which groups deserve an alarm. */
struct dead_alarm_query {
        unsigned growth;  /* a known group again when it has grown by this many per cent … */
        unsigned least;   /* … and by this many entries since its last alarm */
        int64_t quiet_ms; /* and that is this long ago … */
        unsigned factor;  /* … or it has grown to so many times what was told, however short ago; 0 = never */
        int64_t lease_ms; /* what is given is not given again for this long, unless it is said what became of it */
        unsigned limit;
};

/* ---- stale jobs ---- */

struct stale_limit {
        const char *pipeline; /* "" = any that is not named */
        int64_t limit_ms;     /* without a change for this long */
};

struct stale_query {
        const struct stale_limit *limits;
        size_t limit_count;
        unsigned limit; /* jobs */
};

/* A task that follows where a job stands still: one, or each of a group. */
struct stale_next {
        const char *task_id, *task_name;
        const struct message *message; /* what is sent once more; NULL: the task fails with its job */
};

/* What is done about one stale job. */
struct stale_item {
        const char *root_id;
        int64_t updated_us; /* as it was found: the job is left alone when it has moved since, or has a message scheduled, … */
        int64_t since_us; /* … or when a task of it was claimed then or later; as it was found, too */
        const struct stale_next *next;
        size_t next_count;
        /* Either the messages of the tasks that follow are sent again, all of them or none (scheduled rows, reason "restart", with keys of
         * their own for each of the job's restarts) … */
        bool restart;
        /* … or the job and its open tasks fail with this error, those that never came as well, and an event says so in `event` and `outbox` … */
        const struct problem *why;
        const char *aggregate_type, *event_type; /* "order", "OrderFailed"; the aggregate's id is root_id */
        const json_t *payload;
        /* … or, with neither, it is left alone, and found again only when its limit has passed once more. */
};

/* `settled`: how many were; the others have moved since, or another sweeper holds the lock. */
typedef void stale_settled(size_t settled, const struct problem *why, void *arg);

/* ---- the door ---- */

struct store_dead {
        /* File one; borrowed until done. DONE; ALREADY: it or its task is there as a kept entry, or its key as any entry; REFUSED; CLOSED. */
        void (*file)(struct store *s, const struct dead_letter *letter, store_done *done, void *arg);
        /* A page of them. The query and what it points to are copied. */
        void (*read)(struct store *s, const struct dead_query *query, dead_page_done *done, void *arg);
        /* Groups of what the filter leaves, most entries first: [{"group","name","queue","source","code","cause","message" (of the latest),"count","edited",
         * "users","first_died_at","last_died_at" (ms),"entry" (the latest)}]. */
        void (*groups)(struct store *s, const struct dead_filter *filter, unsigned limit, json_done *done, void *arg);
        /* How many entries the filter leaves, as {"count","upto" (the highest entry, 0 = none),"edited"}. */
        void (*count)(struct store *s, const struct dead_filter *filter, json_done *done, void *arg);
        void (*settle)(struct store *s, const struct dead_settle *settle, dead_settled *done, void *arg);
        /* DONE; ALREADY: the entry is not there, not kept, or of another version. */
        void (*edit)(struct store *s, const struct dead_edit *edit, store_done *done, void *arg);
        /* What was done to an entry, oldest first: [{"at" (ms),"action","who","reason","scope","operation","count" (of that batch)}]. */
        void (*history)(struct store *s, int64_t entry, json_done *done, void *arg);
        /* What is kept and what came and went: {"at" (ms),"kept","groups","oldest_died_at" (ms or null),"rows":[{"name","queue","code","kept","oldest_died_at",
         * "in_1m","in_5m","in_1h","out_1m","out_5m","out_1h"}]}, a row for each task and code that has any of these, most kept first. */
        void (*stats)(struct store *s, json_done *done, void *arg);
        /* Groups that deserve an alarm: [{as of `groups`, "new": bool,"before": count at its last alarm}]. Who gets them says afterwards
         * whether they were told (alarms_told); meanwhile, and until the lease ends, nobody else gets them. */
        void (*alarms)(struct store *s, const struct dead_alarm_query *query, json_done *done, void *arg);
        /* What became of groups that `alarms` gave: somebody was told of so many entries, or nobody was. Copied. */
        void (*alarms_told)(struct store *s, const json_t *groups, bool told, json_done *done, void *arg);

        /* Jobs that have not ended and have not moved for their limit, none of whose tasks runs under a live lease or has a message scheduled, oldest first:
         * [{"id","pipeline","state","updated_us","since_us","restarts","document","last_id","last_name","last_parent_id","last_result","chain"}].
         * "last_…": its latest task that succeeded, when something follows it in the chain and no task of the job names it as its parent. */
        void (*stale_find)(struct store *s, const struct stale_query *query, json_done *done, void *arg);
        /* Do it, in one transaction, under an advisory lock that only one sweeper has at a time. `items` borrowed until done. */
        void (*stale_settle)(struct store *s, const struct stale_item *items, size_t count, stale_settled *done,
                             void *arg);
};

#endif
