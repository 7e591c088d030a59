/* SPDX-License-Identifier: Apache-2.0 */
/* One task while it is being worked on, and the worker that works on it. Internal to worker/. */
#ifndef CHARD_WORKER_RUN_RUN_H
#define CHARD_WORKER_RUN_RUN_H

#include "broker/broker.h"
#include "core/map.h"
#include "message/routes.h"
#include "pipelines/failed.h"
#include "pipelines/pipeline.h"
#include "results/results.h"
#include "store/run.h"
#include "worker/health/pulse.h"
#include "worker/health/rates.h"
#include "worker/observe.h"
#include "worker/worker.h"

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
        STEP_TELL,   /* its result is stored */
        STEP_JOIN,   /* the chord that it is part of is counted */
        STEP_OWE,    /* the result backend is away: the store keeps what is to be told */
        STEP_REVOKE, /* the store learns that it will never run */
        STEP_HAND_BACK,
        STEP_ACK,
        STEP_END,  /* the run is gone */
        STEP_WAIT, /* somebody will call run_go with the next step */
};

enum tell { TELL_NOTHING, TELL_SUCCESS, TELL_FAILURE, TELL_RETRY, TELL_REVOKED };

/* What is told of a task's end, and how far that has come. */
struct telling {
        enum tell what;
        json_t *children;         /* owned: what the result says of the tasks that follow */
        json_t *parts;            /* owned: parts of chords to be counted, or NULL */
        size_t part;              /* the one in hand */
        int64_t done_ms;          /* wall clock: when it ended; 0 = it is not told of yet */
        bool unsent;              /* what follows it was not sent */
        bool away;                /* the result backend did not take all of it */
        bool called;              /* its errbacks have been sent */
        bool looks;               /* the part in hand found its chord's size unknown some time ago */
        const char *worker;       /* that ran it, where another one tells (in the run's arena); else NULL */
        bool late;                /* it was told before, to a backend that was away */
        struct problem *unjoined; /* why its chord has failed, in the run's arena; NULL: it has not */
        bool starved;             /* memory ran out while it was told: the task goes back, and is told once more */
        struct bytes cause; /* … and the exception (JSON text, there too) that the body's tasks get instead; or empty */
};

/* The step that follows once all that was asked for is done. */
struct run;
typedef enum step run_then(struct run *run);

/* Handed from step to step; nothing else holds a task's state. */
struct run {
        struct run *next, *previous; /* in worker->runs */
        struct worker *worker;
        enum step step;            /* the last one entered */
        struct delivery *delivery; /* owns the bytes that `message` views */
        struct delivery_tag tag;   /* of the latest delivery of this task */
        struct catalog *catalog;   /* a reference: the one that it began with */
        const struct task *task;   /* in it; NULL: unknown */
        const struct task_def *def;
        const struct pipeline *pipeline; /* or NULL */
        struct arena arena;
        struct task_message message;
        struct task_input input;
        struct request_place place;
        struct task_wish wish;
        json_t *document, *facts; /* owned */
        struct ai_request request;
        struct ai_call *call;  /* under way, or NULL */
        struct ai_reply reply; /* its content is owned here */
        struct outcome outcome;
        struct buffer result; /* the document as JSON text */
        struct commit commit;
        struct claim claim;
        struct fact_set sees[TASK_MOST_SEES]; /* of the claim */
        struct failure failure;
        char failed_type[FAILED_TYPE_SIZE]; /* of the event of its failure */
        json_t *failed_payload;             /* owned */
        struct release_lease give_back;
        struct revocation revocation;
        struct scheduled again;
        struct message *again_message;  /* owned */
        enum run_event_kind again_kind; /* what observers are told once it is in the store */
        struct problem why;
        struct task_failures failures; /* its message's, and the one that brought it to "retry" */
        bool excused;                  /* … which does not count */
        unsigned starts;
        int64_t began_ms; /* wall clock: when its work began; 0 = not yet */
        struct telling telling;
        struct following following; /* owned: on its way out */
        struct owed_result owing;
        struct buffer owing_text;
        struct owed_item *owed; /* it goes on from a row of the store, not from a delivery; or NULL */
        run_then *then;
        unsigned publishes;            /* waiting for their confirm, or for the results' answer */
        enum publish_result published; /* the worst of them */
        uint64_t claimed_ms;           /* monotonic: its lease began then, or later */
        uint64_t wait_ms;
        struct run *behind; /* runs of the same task that wait for this one's end, linked by `behind` */
        bool in_map, claimed, holding;
        bool limited;           /* it waits for its place, as its rate limit has it */
        bool admitted;          /* … which lets it go */
        bool terminated;        /* revoked while it was at work */
        bool transient;         /* what it died of may pass */
        unsigned died_of;       /* that many attempts, as the store has it; 0 = not known */
        bool doomed;            /* it died under a lease that had run out: looked at again before that counts */
        bool closing;           /* an answer said that the worker closes */
        struct run_times times; /* observed.c's */
        bool unbegun;           /* an answer said that a chord can't be begun now: the result backend is away */
        uv_timer_t timer;       /* initialised once; runs are reused */
};

struct releaser;
struct teller;
struct inspection;
struct control;

struct worker {
        const struct worker_config *config;
        uv_loop_t *loop;
        struct catalog *catalog; /* a reference: for what comes next */
        struct broker *broker;
        struct store *store;
        struct absence store_absence;
        struct ai *ai;
        struct results *results;
        struct topology topology;
        struct task_routes routes;
        struct map *by_id; /* runs that keep state, by task id: to adopt redeliveries */
        struct run runs;   /* all, in the order they came; the head is a mark */
        struct run *spare; /* finished structs, linked by next */
        size_t run_count;
        unsigned long finished;
        bool consuming; /* asked for deliveries */
        enum { WORKER_RUNNING, WORKER_FINISHING, WORKER_HANDING_BACK, WORKER_CLOSING, WORKER_CLOSED } phase;
        uv_timer_t grace_timer;
        struct releaser *releaser;
        struct teller *teller;
        struct inspection *inspection; /* of the broker's settings; or NULL */
        struct pulse *pulse;           /* says whether it consumes */
        struct observing observing;
        struct observer counting; /* counts into `finished` and `rates` */
        struct rates_row *rates;  /* how attempts fared; one a task of the catalogue */
        struct control *control;  /* or NULL */
        const char **queues;      /* to consume; names that were added or taken away live on in `names` */
        size_t queue_count;
        struct queue_name *names;
        unsigned slots;
};

/* ---- run.c ---- */

/* A fresh run, or NULL when memory ran out. / Take it off the worker and keep the struct for another. */
struct run *run_new(struct worker *w);
void run_end(struct run *run);

/* Does the store know of it? Not of a stateless task, nor of one that nobody knows; but of any that goes on in the row of a task that it replaces. */
bool run_keeps_state(const struct run *run);

/* Has it put a canvas in its place? Then it has no result, and no end of its own. */
bool run_is_replaced(const struct run *run);

/* Does its chain go on? */
bool run_has_successor(const struct run *run);

/* The queue of a task of that name, or NULL: a queue_of_task for message.h; `catalog` is a struct catalog. */
const char *run_queue_of(const char *name, void *catalog);

/* Has its call taken longer than its message allows (time_limit, soft_time_limit)? Then run->why says so, and it is not tried again. */
bool run_out_of_time(struct run *run);

/* Milliseconds that its work may take. */
unsigned run_deadline_ms(const struct run *run);

/* Fill in run->input and what it points to. */
void run_describe_input(struct run *run);

/* Why it failed before, its own exception included: as the store has it. */
void run_recall_failure(struct run *run, const json_t *error);

/* It may not try again: a task that wanted to and named no reason fails as with Celery. */
enum step run_give_up(struct run *run);

/* Another attempt of it has failed: does it leave none to try? Fills in run->failures and run->excused. */
bool run_attempts_used_up(struct run *run);

/* Milliseconds until its next attempt: exponential with full jitter, and no sooner than the provider asked for. */
uint64_t run_retry_wait_ms(const struct run *run);

/* A wait of wait_ms … twice that, at most five minutes more: those who wait for the same model don't come back at once. */
uint64_t run_spread_ms(uint64_t wait_ms);

/* Add the outcome's sections to the document, and write it as text: both the stored result and what the next task gets.
 * False when memory ran out. */
bool run_write_result(struct run *run);

/* Fill in run->claim, ->commit (false when memory ran out), ->failure (`again` is its next try, or NULL when there is none). */
void run_describe_claim(struct run *run);
bool run_describe_commit(struct run *run);
void run_describe_failure(struct run *run, const struct scheduled *again);
void run_describe_body_failure(struct run *run, const char *id, const char *name);

/* The error record of its dead letter; `id` is filled in and borrowed by it. */
struct dead_record run_describe_death(const struct run *run, char id[ID_TEXT_SIZE]);

/* Fill in run->again: the same task as a message that waits in the store until `due_ms` (wall clock), and then goes straight to its queue, which
 * may be one that others declared, without an exchange of its name. `as` is what observers are told once it is there: RUN_PAUSED, RUN_RETRYING or
 * RUN_SCHEDULED; RUN_RETRYING is one retry more. False when memory ran out. */
bool run_make_again(struct run *run, int64_t due_ms, const char *reason, enum run_event_kind as);

/* ---- observed.c ---- */

/* Use run_observed. */
void run_observed_as(struct run *run, struct run_event e);

/* This has happened to it: tell those who want it. `e` has its kind and what only that kind has; the rest is filled in. */
static inline void run_observed(struct run *run, struct run_event e)
{
        if (observing_wants(&run->worker->observing, e.kind))
                run_observed_as(run, e);
}

/* run->again is safe in the store. */
void run_observed_scheduled(struct run *run);

/* ---- lease.c: a worker that was stopped finds its leases spent, and others at work under theirs ---- */

/* Has it run out, so that another may have the task? */
bool run_lease_over(const struct run *run);

/* Is what it paid for on its way into the store? However long that takes, nobody else should buy it meanwhile. */
bool run_waits_to_commit(const struct run *run);

/* Does it cover a wait of wait_ms and a whole call after it? */
bool run_lease_covers(const struct run *run, uint64_t wait_ms);

/* May a call be begun under it? If not: give it back, which counts no start, and claim anew. */
bool run_lease_spendable(const struct run *run);
enum step run_renew_lease(struct run *run);

/* ---- follow.c ---- */

/* The step "publish". */
enum step run_publish(struct run *run);

/* Before it is stored: the result as text, empty where the task is replaced. 0; 1 with run->why; or -errno. */
int run_settle_result(struct run *run);

/* How many branches of its job go on from here: the tasks that follow, and the bodies of the chords that they begin, as far as the store
 * hears of them. -ENOMEM: they can't be counted now. */
int run_branches(const struct run *run);

/* How what follows this task is sent, as of now. */
struct follow_how run_how(const struct run *run);

/* Begin the chords, then publish the messages, all confirmed; then go on with `then`. */
enum step run_send(struct run *run, struct following *takes, run_then *then);

/* ---- tell.c, join.c ---- */

/* The steps "tell" and "join". */
enum step run_tell_result(struct run *run);
enum step run_join(struct run *run);

/* All that was asked of the results has been answered: END when they were closed, HAND_BACK when memory ran out meanwhile, else run->then. */
enum step run_after_told(struct run *run);

/* STEP_TELL when anybody waits for what telling.what says, else STEP_ACK: then it costs nothing. */
enum step run_tell_or_ack(struct run *run);

/* The exception that clients see for why it failed; `text` is borrowed. / The text that stands for a traceback, added to `out`. */
struct result_exception run_exception_of(const struct run *run, const struct problem *why);
void run_add_traceback(const struct run *run, const struct problem *why, struct buffer *out);

/* All is told: STEP_ACK; or STEP_OWE, where the backend was away for some of it. */
enum step run_all_told(const struct run *run);

/* STARTED, where the settings want it; nobody waits for its answer. */
void run_tell_started(const struct run *run);

/* FAILURE for each of signatures_abandoned, with the exception `cause` (JSON text) or, where that is empty, the one of `why`; and their parts to
 * be counted. Adds to run->publishes. */
void run_abandon(struct run *run, json_t *abandoned_takes, const struct problem *why, struct bytes cause);

/* A part to be counted in step "join", if the row ({"id","group_id","group_index","chord"}) is one. `result` is JSON text. */
void run_add_part(struct run *run, json_t *row, const char *status, struct bytes result);

/* The part in hand: such a row with its "member"; NULL: there is none. / Go on with the next. */
const json_t *run_part(const struct run *run);
enum step run_next_part(struct run *run);

/* The body of the chord in hand can't run: it fails, as does what follows it. `cause` as of run_abandon. / All is sent: nobody needs to do it again. */
enum step run_unjoin(struct run *run, const struct problem *why, struct bytes cause);
enum step run_end_chord(struct run *run);

/* STEP_JOIN, as something to be done then. */
run_then run_then_join;

/* ---- chord_lost.c ---- */

/* Nobody knows the size of the chord in hand: look again some time later. / It is lost: count its header from the store, or fail it. */
enum step run_watch_chord(struct run *run);
enum step run_recount(struct run *run);

/* Its body fails in the store, and its job with it, for a reason that is no part's failure; then run_end_chord. */
enum step run_fail_body(struct run *run);

/* ---- steps.c ---- */

/* Memory ran out: the task goes back. / A refusal (> 0) is the task's end; a fatal code (< 0) is ours. */
enum step run_out_of_memory(struct run *run);
enum step run_refused(struct run *run, int code);

/* Enter `step` and the ones it leads to, until one waits or the run ends. */
void run_go(struct run *run, enum step step);

/* Its id for the log, or "?". */
const char *run_shown_id(const struct run *run);

/* "claim"; constant. */
const char *step_name(enum step step);

/* ---- intake.c ---- */

/* The broker's listener, `arg` the worker: deliveries become runs, or are adopted by the run that already has their task. */
void intake_deliveries(struct delivery *list_takes, void *arg);
void intake_changed(const struct broker_health *now, void *arg);

/* Start or stop taking deliveries, whichever the state of store and worker asks for. */
void intake_adjust(struct worker *w);

/* Consume this queue too, from now on: 0 or -ENOMEM. / No longer consume it. / Take up a changed number of slots. */
int intake_add_queue(struct worker *w, const char *queue);
void intake_drop_queue(struct worker *w, const char *queue);
void intake_again(struct worker *w);

/* What intake holds of the worker. Returns 0 or -ENOMEM. */
int intake_open(struct worker *w);
void intake_close(struct worker *w);

/* One task is one run in this process. */
enum registered {
        REGISTERED_FIRST,  /* go on */
        REGISTERED_AGAIN,  /* another run has that task and goes on; this delivery was adopted by it or acked: end */
        REGISTERED_BEHIND, /* another run has that task, but this message may be what is left of it: wait for its end */
};
enum registered intake_register(struct run *run);

/* A run has ended: those that waited for it begin anew. */
void intake_wake(struct run *behind);

/* ---- dead.c ---- */

/* The steps "dead" and "bury". / It has failed for good, and the store knows, or can't be told: STEP_BURY. */
enum step run_dead(struct run *run);
enum step run_bury(struct run *run);
enum step run_died(struct run *run);

/* ---- revoke.c ---- */

/* The step "revoke". */
enum step revoke_run(struct run *run);

/* ---- shutdown.c ---- */

/* Called when a run has ended: goes on with the shutdown when it was the last. */
void shutdown_adjust(struct worker *w);

/* ---- hand_back.c ---- */

/* The step "hand_back". */
enum step run_hand_back(struct run *run);

/* ---- owe.c ---- */

/* The step "owe". */
enum step run_owe(struct run *run);

/* Make of a fresh run what the row's was (as of store->owed_take), and the step where it goes on; STEP_END when nothing can be made of it. The
 * run's delivery is made here. */
enum step run_owed(struct run *run, const json_t *row);

/* ---- teller.c ---- */

int teller_open(struct teller **out, struct worker *w);
/* All of the row is told. / The run that tells it has ended. */
void teller_told(struct owed_item *item);
void teller_run_ended(struct owed_item *item);
bool teller_busy(const struct teller *t);
void teller_stop(struct teller *t); /* takes no more rows */
void teller_close(struct teller *t);

/* ---- releaser.c ---- */

int releaser_open(struct releaser **out, struct worker *w);
/* A message was scheduled for `due_ms` (wall clock). */
void releaser_expect(struct releaser *r, int64_t due_ms);
/* True while a batch is between the store and the broker. */
bool releaser_busy(const struct releaser *r);
void releaser_stop(struct releaser *r); /* takes no more batches */
void releaser_close(struct releaser *r);

/* ---- health.c ---- */

/* Begin and end w->pulse and w->rates. Opening returns 0 or -ENOMEM. */
int health_open(struct worker *w);
void health_close(struct worker *w);
/* w->catalog is about to become this one: keep the counts of tasks that are in both. 0 or -ENOMEM. */
int health_use(struct worker *w, const struct catalog *catalog);

#endif
