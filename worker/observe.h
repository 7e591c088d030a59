/* SPDX-License-Identifier: Apache-2.0 */
/* What happens to a run, told once, by the step that does it, to whoever asked. Costs a bit test where nobody did.
 * Who asks is in observe/ (Celery's events, the live view of `chard dev`, metrics, spans) or beside what it feeds. Everything here happens on the loop thread. */
#ifndef CHARD_WORKER_OBSERVE_H
#define CHARD_WORKER_OBSERVE_H

#include "ai/ai.h"
#include "core/problem.h"
#include "core/trace.h"

#include <stdbool.h>
#include <stdint.h>

struct buffer;
struct message;
struct result_exception;
struct run;
struct task_def;
struct task_message;

enum run_event_kind {
        RUN_RECEIVED,  /* its message was read, and its work, or its end, is next */
        RUN_CLAIMED,   /* the store granted its claim, and it goes on to its work */
        RUN_CALLING,   /* its call is about to be made, or its own work done: `first`, and again after a pause */
        RUN_ANSWERED,  /* its call was answered: `usage`; `why` unless all was well */
        RUN_PAUSED,    /* its model, or its rate limit, has it wait: `wait_ms`; `held` here, or put away in the store */
        RUN_RETRYING,  /* its attempt failed, and the next is safe in the store: `wait_ms`, `why` */
        RUN_SCHEDULED, /* its message is put away in the store for another reason: `wait_ms`, `reason` */
        RUN_WORKED, /* its work is done, and its outcome goes to the store; that of a stateless task is COMMITTED at once */
        RUN_COMMITTED, /* its outcome stands: it is in the store, or, for a stateless task, worked out. `took_ms`, `usage`, `last` */
        RUN_SENDING,     /* a message that follows it is about to be published: `sent` */
        RUN_PUBLISHED,   /* all those messages are confirmed */
        RUN_DEAD,        /* it failed for good: `why`; its dead letter is next. `again`: that was known before */
        RUN_BURIED,      /* its dead letter is confirmed */
        RUN_REVOKED,     /* it will never run, and the store knows */
        RUN_HANDED_BACK, /* its message went back, for another worker */
        RUN_ACKED,       /* its message is acked: done, or safe somewhere else */
        RUN_EVENT_KINDS
};

/* Bits of an observer's `kinds`: RUN_BIT(RUN_DEAD) | … */
#define RUN_BIT(kind) (1u << (kind))

/* Who it is. NULL where the message has none, or none that can be read. */
struct run_ids {
        const char *id, *name, *parent_id;
        const char *root_id;  /* the job's; the task's own where the message has none */
        const char *queue;    /* it came from this one */
        const char *pipeline; /* "" = none */
};

/* What a call used. Zero and NULL where none was made, or none answered. */
struct run_usage {
        const char *provider, *model, *asked_for; /* the model as the provider named it, and as it was asked for */
        unsigned tokens_in, tokens_out;
        int64_t cost_nano;       /* billionths of a US dollar */
        unsigned elapsed_ms;     /* how long it took */
        bool asked;              /* the provider was sent a request */
        enum ai_verdict verdict; /* how its answer was judged */
};

/* When what happened to it before did; microseconds of the monotonic clock, 0 = it did not, or nobody wanted to know. */
struct run_times {
        uint64_t received_us, called_us, worked_us;
};

/* The spans of a run. Its task's is the parent of the others; SEND is behind each message that follows it, or waits in its place. */
enum run_span { RUN_SPAN_TASK, RUN_SPAN_CALL, RUN_SPAN_COMMIT, RUN_SPAN_SEND, RUN_SPANS };

/* What they are called. */
struct run_trace {
        bool on; /* they are recorded; else nothing here is looked at but `own` */
        char id[TRACE_ID_SIZE + 1],
                parent[TRACE_SPAN_SIZE + 1]; /* of the trace; of the span behind its message, or "" */
        uint64_t spans[RUN_SPANS];
        void *own; /* the tracer's; or NULL */
};

/* Says for each run whether its spans are recorded. Loop thread; there until the worker is closed. */
struct tracer {
        /* Its message was read: fill in `trace`, which is zeroed. / The run is over: give back `own`, which is not NULL. */
        void (*begin)(struct tracer *t, const struct task_message *m, struct run_trace *trace);
        void (*end)(struct tracer *t, struct run_trace *trace);

        /* A scheduled message that was due then (wall clock) is about to be published: what is to be kept of it, or NULL. / That is over; `kept` is not NULL. */
        void *(*release)(struct tracer *t, const struct message *m, int64_t due_ms);
        void (*released)(struct tracer *t, void *kept, bool confirmed);
};

/* Borrowed, with all that it points at, for the length of the call. */
struct run_event {
        enum run_event_kind kind;
        struct run_ids ids;
        const struct task_message *message; /* as it came */
        const struct task_def *def;         /* NULL: nobody knows this task */
        unsigned attempt;                   /* from 1 */
        uint64_t at_us;                     /* when it happened: microseconds of the monotonic clock */
        const struct run_times *times;
        uint64_t took_ms; /* COMMITTED: since its work began */
        struct run_usage usage;
        const struct problem *why; /* NULL: nothing went wrong */
        uint64_t wait_ms;          /* until it goes on */
        const char *reason;        /* SCHEDULED: "eta", "leased" */
        const json_t *result;      /* COMMITTED: what its task gave, or its document; NULL: nothing */
        const struct message *sent;
        const struct run *run;   /* for what is part of the worker */
        struct run_trace *trace; /* its tracer may change it; NULL: the worker has none */
        bool first, held, again;
        bool last;       /* COMMITTED: nothing follows */
        bool replaced;   /* COMMITTED: … but another task that it sent stands for it, and its result is that one's */
        bool terminated; /* REVOKED, DEAD: its call was ended for it */
        bool committed;  /* RETRYING: its work is done and kept, only what follows it is to be sent once more */
};

/* Owned by whoever adds it, and there until the worker is closed. */
struct observer {
        struct observer *next;
        unsigned kinds;             /* those that it wants: RUN_BITs */
        unsigned kinds_of_recorded; /* those that it wants besides of a run whose spans are recorded */
        void (*tell)(struct observer *o, const struct run_event *e);
};

/* Those of one worker. */
struct observing {
        struct observer *first;
        unsigned kinds, kinds_of_recorded; /* that any of them wants */
};

/* Add one; it is told after those that are there. / It wants other kinds from now on. */
void observing_add(struct observing *all, struct observer *o);
void observing_want(struct observing *all, struct observer *o, unsigned kinds);

static inline bool observing_wants(const struct observing *all, enum run_event_kind kind, bool recorded)
{
        return (all->kinds | (recorded ? all->kinds_of_recorded : 0)) & RUN_BIT(kind);
}

/* Tell those that want it; it is of a run that is recorded where its trace says so. */
void observing_tell(const struct observing *all, const struct run_event *e);

/* When its message came into its queue (wall clock), as far as the broker or the message says; 0 = not known. */
int64_t run_queued_ms(const struct run *run);

/* RETRYING, DEAD: the exception that clients see for why it failed; borrowed. / The text that stands for a traceback, added to `out`. */
struct result_exception run_event_exception(const struct run_event *e);
void run_event_traceback(const struct run_event *e, struct buffer *out);

/* "received", …; constant. */
const char *run_event_name(enum run_event_kind kind);

#endif
