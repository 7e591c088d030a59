/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of a run. Each belongs to the file that stands above it: no other touches what is in it (scripts/check-house, law "parts"); the others ask
 * that file's functions in worker/run/run.h. Internal to worker/. */
#ifndef CHARD_WORKER_RUN_PARTS_H
#define CHARD_WORKER_RUN_PARTS_H

#include "ai/ai.h"
#include "broker/broker.h"
#include "pipelines/failed.h"
#include "store/run.h"
#include "tasks/task.h"
#include "worker/observe.h"

#include <uv.h>

enum step {
        STEP_DECODE,
        STEP_CLAIM,
        STEP_CALL,
        STEP_PAUSE,
        STEP_JUDGE,
        STEP_COMMIT,
        STEP_PUBLISH,
        STEP_RETRY,
        STEP_DEAD,   /* the store learns that it failed for good */
        STEP_BURY,   /* the dead letter is published */
        STEP_RESULT, /* its result is stored */
        STEP_JOIN,   /* the chord that it is part of is counted */
        STEP_OWE,    /* the result backend is away: the store keeps what is owed */
        STEP_REVOKE, /* the store learns that it will never run */
        STEP_HAND_BACK,
        STEP_ACK,
        STEP_END,  /* the run is gone */
        STEP_WAIT, /* somebody will call run_go with the next step */
};

struct run;

/* The step that follows once all that was asked for is done. */
typedef enum step run_then(struct run *run);

/* worker/run/run.c: what is held here for a while, and how it goes on. */
struct hold_part {
        uv_timer_t timer; /* initialised once; runs are reused */
        enum step then;
        bool held;
};

/* worker/run/delivery.c: its message as it came, and the tag by which it is settled. */
struct delivery_part {
        struct delivery *message; /* owns the bytes that the decoded message views */
        struct delivery_tag tag;  /* of the latest delivery of this task */
};

/* worker/intake.c: its place among the runs of this process. */
struct entry_part {
        struct run *behind; /* runs of the same task that wait for this one's end, linked by it */
        bool in_map;
};

/* worker/run/input.c: what the task is given. */
struct input_part {
        json_t *document, *facts; /* owned */
        struct task_input given;
        struct request_place place;
        struct task_wish wish;
};

/* worker/run/lease.c: its claim, which is a lease. */
struct lease_part {
        struct claim claim;
        struct fact_set sees[TASK_MOST_SEES]; /* of the claim */
        struct release_lease release;
        uint64_t asked_ms; /* monotonic: it began then, or later */
        bool held;
        bool reclaims; /* it failed under a lease that had run out: claimed once more before that counts */
};

/* worker/run/call.c: its call, and what that waits for. */
struct call_part {
        struct ai_request request;
        struct ai_call *under_way; /* or NULL */
        struct ai_reply *reply;    /* in its arena, or NULL: none has come; its content is owned here */
        int64_t began_ms;          /* wall clock: when its work began; 0 = not yet */
        uint64_t wait_ms;
        unsigned soft_limit_ms, hard_limit_ms; /* where its message has none of its own; 0 = none */
        bool limited;                          /* it waits for its place, as its rate limit has it */
        bool admitted;                         /* … which lets it go */
        bool terminated;                       /* revoked while it was at work */
};

/* worker/pictures.c: the pictures that its request names, as data: URLs. */
struct data_url;
struct pictures_part {
        struct data_url *first; /* owned */
        run_then *then;         /* once all are there */
        bool own;               /* the request's parts are its own */
};

/* worker/run/outcome.c: what it has worked out, and the commit of that. */
struct outcome_part {
        struct outcome wants;
        struct buffer result; /* as JSON text: the document, or what the task gave in its place */
        struct commit commit;
};

/* worker/run/attempt.c: its failed attempts, the one that brought it to "retry" included. */
struct attempt_part {
        struct task_failures failures;
        bool excused; /* that one does not count */
};

/* worker/run/failure.c: its failure, as store and dead letter have it. */
struct failure_part {
        struct failure row;
        char *event_type;      /* in its arena */
        json_t *event_payload; /* owned */
        unsigned attempts;     /* so many, as the store has it; 0 = not known */
        bool transient;        /* what it died of may pass */
};

/* worker/run/again.c: the message that waits in the store in its place. */
struct again_part {
        struct scheduled row;
        struct message *message; /* owned */
        enum run_event_kind as;  /* what observers are told once it is there */
};

/* worker/run/publish.c: what is sent on, until all of it is confirmed. */
struct sending_part {
        struct following following; /* owned */
        run_then *then;
        unsigned open; /* chords to be begun, then messages to be confirmed */
        enum publish_result worst;
        bool closed;  /* an answer said that the worker closes */
        bool unbegun; /* … that a chord can't be begun now: the result backend is away */
        bool starved; /* memory ran out: the task goes back */
};

enum result_state { RESULT_NONE, RESULT_SUCCESS, RESULT_FAILURE, RESULT_RETRY, RESULT_REVOKED };

/* worker/results/store_result.c: the result that is stored of its end, and how far that has come. */
struct result_part {
        enum result_state state;
        run_then *then;
        unsigned open;      /* results to be answered */
        json_t *children;   /* owned: what the result says of the tasks that follow */
        int64_t done_ms;    /* wall clock: when it ended; 0 = no result says it yet */
        const char *worker; /* that ran it, where another one stores its result (in the run's arena); else NULL */
        bool unsent;        /* what follows it was not sent */
        bool away;          /* the result backend did not take all of it */
        bool called;        /* its errbacks have been sent */
        bool late;          /* it is owed: the backend was away */
        bool starved;       /* memory ran out: the task goes back, and its result is stored once more */
        bool closed;        /* an answer said that the worker closes */
};

/* worker/results/join.c: the chords that it is part of. */
struct chords_part {
        json_t *parts;            /* owned: those to be counted, or NULL */
        size_t part;              /* the one in hand */
        bool looks;               /* … found its chord's size unknown some time ago */
        struct problem *unjoined; /* why its chord has failed, in the run's arena; NULL: it has not */
        struct bytes cause; /* … and the exception (JSON text, there too) that the body's tasks get instead; or empty */
        struct following errbacks; /* owned: the body's, to be sent once its failure is stored */
};

/* worker/results/owe_result.c: its result, and what else is owed, as a row of the store. */
struct owing_part {
        struct owed_result row;
        struct buffer text;
        struct owed_item *item; /* it goes on from such a row, not from a delivery; or NULL */
};

/* worker/run/observed.c: when what observers are told happened, and what its spans are called. */
struct times_part {
        struct run_times times;
        struct run_trace trace;
};

/* worker/run/revoke.c */
struct revocation_part {
        struct revocation row;
};

#endif
