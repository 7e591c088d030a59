/* SPDX-License-Identifier: Apache-2.0 */
/* One task while it is being worked on, and the worker that works on it. Internal to worker/. */
#ifndef CHARD_WORKER_RUN_RUN_H
#define CHARD_WORKER_RUN_RUN_H

#include "core/map.h"
#include "message/routes.h"
#include "pipelines/pipeline.h"
#include "results/results.h"
#include "worker/health/pulse.h"
#include "worker/health/rates.h"
#include "worker/observe.h"
#include "worker/run/parts.h"
#include "worker/engine.h"
#include "worker/worker.h"

/* One task, handed from step to step; nothing else holds its state. */
struct run {
        struct run *next, *previous; /* in worker->runs */
        struct worker *worker;
        enum step step;          /* the last one entered */
        uint64_t now_us;         /* monotonic, as it was asked for last since steps follow one another; 0 = not yet */
        struct catalog *catalog; /* a reference: the one that it began with */
        const struct task *task; /* in it; NULL: unknown */
        const struct task_def *def;
        const struct pipeline *pipeline; /* or NULL */
        struct arena arena;
        struct task_message message; /* read by run_decode */
        struct problem *
                why; /* what is wrong with it, said by whoever finds it; NULL only while its call is under way: run_take_why */
        struct hold_part hold;
        struct delivery_part delivery;
        struct entry_part entry;
        struct input_part input;
        struct lease_part lease;
        struct call_part call;
        struct pictures_part pictures;
        struct outcome_part outcome;
        struct attempt_part attempt;
        struct failure_part failure;
        struct again_part again;
        struct sending_part sending;
        struct result_part result;
        struct chords_part join;
        struct owing_part owing;
        struct revocation_part revocation;
        struct times_part times;
};

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
        struct kept_why *spare_whys;
        unsigned spare_why_count;
        size_t run_count;
        unsigned long finished;
        bool consuming; /* asked for deliveries */
        enum { WORKER_RUNNING, WORKER_FINISHING, WORKER_HANDING_BACK, WORKER_CLOSING, WORKER_CLOSED } phase;
        uv_timer_t grace_timer;
        struct releaser *releaser;
        struct owed_results *owed;
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
        size_t picture_bytes; /* of all data: URLs that its runs have */
};

/* ---- run.c ---- */

/* A fresh run, or NULL when memory ran out. / Take it off the worker and keep the struct for another. / End all, and free what was kept: the memory goes
 * once the loop has closed the timers. */
struct run *run_new(struct worker *w);
void run_end(struct run *run);
void runs_close(struct worker *w);

/* Read its message, and find its task. Returns and `why` as task_message_decode. / Forget it, to read it anew. */
int run_decode(struct run *run, struct problem *why);
void run_forget_message(struct run *run);

/* Nothing happens to it for so long; then it enters `then`. / It is held: it enters `step` now. False: it is not held. */
void run_hold(struct run *run, uint64_t wait_ms, enum step then);
bool run_wake(struct run *run, enum step step);

/* Does the store know of it? Not of a stateless task, nor of one that nobody knows; but of any that goes on in the row of a task that it replaces. */
bool run_keeps_state(const struct run *run);

/* Does its chain go on? */
bool run_has_successor(const struct run *run);

/* The queue of a task of that name, or NULL: a queue_of_task for message.h; `catalog` is a struct catalog. / Is it one that the store hears of? */
const char *run_queue_of(const char *name, void *catalog);
bool run_keeps_state_of(const char *name, bool heir, void *catalog);

/* Its pipeline's name, or "". / What the store is told: NULL for an errback, which is no branch of its job. */
const char *run_pipeline_name(const struct run *run);
const char *run_job_pipeline(const struct run *run);

/* "GROUP:INDEX" in its arena, where it is part of a chord's header; else NULL. Without memory for it the store can't count it, should Redis forget. */
const char *run_chord_part(struct run *run);

/* ---- delivery.c ---- */

/* It came as this. */
void run_take_delivery(struct run *run, struct delivery *takes);

/* As it came; NULL: it has none yet. / The queue that it came from. */
static inline const struct delivery *run_delivery(const struct run *run)
{
        return run->delivery.message;
}
static inline const char *run_queue(const struct run *run)
{
        return run->delivery.message->queue;
}

/* The delivery of `newcomer` is the same message: it is acked as a copy, or stands for the one that a lost connection had. */
void run_adopt(struct run *running, const struct run *newcomer);

/* It is acked: done, or safe somewhere else. */
void run_settle(const struct run *run);

/* The steps "ack" and "hand_back". */
enum step run_ack(struct run *run);
enum step run_hand_back(struct run *run);

/* ---- input.c ---- */

/* Make the document. Returns and `why` as pipeline_document. / And all that its task is given, with run->why. / Where nothing will be asked of the task. */
int run_make_document(struct run *run, struct problem *why);
int run_make_input(struct run *run);
void run_make_bare_input(struct run *run);

/* The facts that its claim brought; borrowed. */
void run_take_facts(struct run *run, json_t *facts);

/* What the task is given. / Its document; NULL: it has none. / What it wished for its next attempt. */
static inline const struct task_input *run_input(const struct run *run)
{
        return &run->input.given;
}
static inline json_t *run_document(const struct run *run)
{
        return run->input.document;
}
static inline const struct task_wish *run_wish(const struct run *run)
{
        return &run->input.wish;
}

/* ---- lease.c: a worker that was stopped finds its leases spent, and others at work under theirs ---- */

/* Claim it; `done` is called with the run. / The claim was granted. */
void run_ask_claim(struct run *run, claim_done *done);
void run_lease_begin(struct run *run);

/* Is there a lease? / It is over, without being given back. */
bool run_holds_lease(const struct run *run);
void run_lease_end(struct run *run);

/* Is what it paid for on its way into the store? However long that takes, nobody else should buy it meanwhile. */
bool run_waits_to_commit(const struct run *run);

/* Does it cover a wait of wait_ms and a whole call after it? */
bool run_lease_covers(const struct run *run, uint64_t wait_ms);

/* May no call be begun under it any more? Then: give it back, which counts no start, and claim anew. */
bool run_lease_spent(const struct run *run);
enum step run_renew_lease(struct run *run);

/* It has failed, and its lease has run out, so that another may have the task: true once, to claim it again before that counts. / Was it? */
bool run_reclaims(struct run *run);
bool run_was_reclaimed(const struct run *run);

/* Give it back: as a message that waits in the store, or (NULL) as one that goes back to its queue. */
void run_give_back(struct run *run, const struct scheduled *again, store_done *done);

/* ---- call.c ---- */

/* Milliseconds that its work may take. */
unsigned run_deadline_ms(const struct run *run);

/* Its rate limit has it wait so long before it begins; `admitted`: here, and then it goes on. / Was it? / Nothing keeps it, under these time limits. */
void run_limit_rate(struct run *run, uint64_t wait_ms, bool admitted);
bool run_is_admitted(const struct run *run);
void run_admit(struct run *run, unsigned soft_limit_ms, unsigned hard_limit_ms);

/* Its work begins, now or once more. / When it began first (wall clock); 0 = it has not. */
void run_begin(struct run *run);
static inline int64_t run_began_ms(const struct run *run)
{
        return run->call.began_ms;
}

/* Have its task make the request. Returns as task_def.ask, with run->why. / Send it; `done` is called with the run. 0 or -ENOMEM. */
int run_make_request(struct run *run);
int run_ask(struct run *run, ai_done *done);

/* What the offline provider answers to a request of run_ask: the task does, as the run's own catalogue has it. `offline` of struct ai_config. */
int run_answer_offline(const struct ai_request *request, json_t **answer, void *arg, struct problem *why);

/* The request; what it borrows lives until the reply. */
static inline struct ai_request *run_request(struct run *run)
{
        return &run->call.request;
}

/* This is the answer; false without memory for it. / It, zeroes before: most of a run's life it has none, and thousands of runs wait for one. */
bool run_take_reply(struct run *run, const struct ai_reply *reply);
extern const struct ai_reply run_no_reply;
/* Has it been answered, so that another attempt is another call that is paid for? */
bool run_is_answered(const struct run *run);
static inline const struct ai_reply *run_reply(const struct run *run)
{
        return run->call.reply ? run->call.reply : &run_no_reply;
}

/* Has its call taken longer than its message allows (time_limit, soft_time_limit)? Then run->why says so, and it is not tried again. */
bool run_out_of_time(struct run *run);

/* So long the provider has it wait. / So long it waits, spread over time unless its rate limit says when. */
void run_wait(struct run *run, uint64_t wait_ms);
uint64_t run_wait_ms(const struct run *run);
uint64_t run_spread_wait_ms(const struct run *run);

/* Cancel the call that is under way, whose answer then goes on. False: none is. */
bool run_cancel_call(const struct run *run);

/* End its call, or its pause, for good. / Was it ended so? What has an answer already goes on, because it is paid for. */
void run_terminate(struct run *run);
bool run_is_terminated(const struct run *run);

/* ---- worker/pictures.c ---- */

/* Get from the store what its request only names, then go on; a picture that is gone is its end. / Forget them. */
enum step run_with_pictures(struct run *run, run_then *then);
void run_drop_pictures(struct run *run);

/* ---- outcome.c ---- */

/* Where its task puts what it wants done; NULL when memory ran out. / Forget that. */
struct outcome *run_new_outcome(struct run *run);
void run_drop_outcome(struct run *run);

/* What was worked out before, by whoever committed it: what it sends (borrowed, or NULL); its result. False when memory ran out. */
void run_take_sends(struct run *run, json_t *sends);
bool run_take_result(struct run *run, struct bytes result);

/* What it sends (borrowed, or NULL). / What its task gave in place of a document (borrowed, or NULL). / Its result as JSON text, empty where there is
 * none yet. */
static inline json_t *run_sends(const struct run *run)
{
        return run->outcome.wants.sends;
}
static inline const json_t *run_own_result(const struct run *run)
{
        return run->outcome.wants.result;
}
const json_t *run_result_value(const struct run *run); /* that, or its document; borrowed */
static inline struct bytes run_result(const struct run *run)
{
        return buffer_view(&run->outcome.result);
}

/* The trace that its events carry on, as an outbox row has it; in its arena, or NULL. */
const char *run_span_context(struct run *run);

/* Has it put a canvas in its place? Then it has no result, and no end of its own. */
bool run_is_replaced(const struct run *run);

/* Add the outcome's sections to the document, and write it as text: both the stored result and what the next task gets.
 * False when memory ran out. */
bool run_write_result(struct run *run);

/* The messages that follow, given its result, which is written where what it sends says it. Returns and errors as task_message_sends. */
int run_make_following(struct run *run, struct following *out, struct problem *why);

/* Write the result (empty where the task is replaced) and commit all; `done` is called with the run. 0; 1 with run->why; or -errno. */
int run_commit(struct run *run, store_done *done);

/* Its outcome stands: tell observers. */
void run_observed_committed(struct run *run);

/* ---- attempt.c ---- */

/* Another attempt of it has failed: does it leave none to try? */
bool run_attempts_used_up(struct run *run);

/* Does that one not count? / All of them. */
bool run_is_excused(const struct run *run);
const struct task_failures *run_failures(const struct run *run);

/* Milliseconds until its next attempt: exponential with full jitter, and no sooner than the provider asked for. */
uint64_t run_retry_wait_ms(const struct run *run);

/* A wait of wait_ms … twice that, at most five minutes more: those who wait for the same model don't come back at once. */
uint64_t run_spread_ms(uint64_t wait_ms);

/* It may not try again: a task that wanted to and named no reason fails as with Celery. */
enum step run_give_up(struct run *run);

/* ---- failure.c ---- */

/* Have room for what is wrong with it, empty, where it has none; false when memory ran out. / Give that back: ten thousand that wait for their answers need none. */
bool run_take_why(struct run *run);
void run_drop_why(struct run *run);
void run_free_whys(struct worker *w);

/* Why it failed before, its own exception included: as the store has it. */
void run_recall_failure(struct run *run, const json_t *error);

/* May what it fails of pass? */
void run_mark_transient(struct run *run, bool transient);

/* Tell the store that it has failed of run->why; `again` is its next try, or NULL when there is none. / That another task, which it would have sent, has
 * failed with it. `done` is called with the run. */
void run_fail(struct run *run, const struct scheduled *again, store_done *done);
void run_fail_other(struct run *run, const char *id, const char *name, const struct problem *why, store_done *done);

/* The error record of its dead letter; `id` is filled in and borrowed by it. */
struct dead_record run_describe_death(const struct run *run, char id[ID_TEXT_SIZE]);

/* ---- again.c ---- */

/* Put its message away in the store until `due_ms` (wall clock), and let the delivery go: it goes straight to its queue then, which may be one that
 * others declared, without an exchange of its name. `as` is what observers are told once it is there, and says what happens in the same transaction:
 * RUN_PAUSED gives the lease back, RUN_RETRYING (one retry more) counts a failed attempt, unless only its successors are missing; RUN_SCHEDULED
 * does neither. */
enum step run_put_away(struct run *run, int64_t due_ms, const char *reason, enum run_event_kind as);

/* Is it on its way there, or there? */
bool run_is_put_away(const struct run *run);

/* ---- observed.c ---- */

/* Use run_observed. */
void run_observed_as(struct run *run, struct run_event *e);

/* This has happened to it: tell those who want it. After the kind stands what only that kind has (members of struct run_event); the rest is filled in.
 * No event is made, and nothing that it would say is looked up, unless somebody wants it. */
#define run_observed(run, happened, ...)                                                                \
        do {                                                                                            \
                if (observing_wants(&(run)->worker->observing, (happened), (run)->times.trace.on))      \
                        run_observed_as((run), &(struct run_event){ .kind = (happened), __VA_ARGS__ }); \
        } while (0)

/* Its message was read: let its tracer begin, and what is made of it name the span that is behind that. 0 or -ENOMEM. / It is over. */
int run_begin_trace(struct run *run);
void run_end_trace(struct run *run);

/* The trace that something of it is part of: of that span, or, where it has none, as its message came. Borrowed from the run. */
struct trace_context run_trace_context(struct run *run, enum run_span span);

/* ---- publish.c ---- */

/* The step "publish". */
enum step run_publish(struct run *run);

/* How many branches of its job go on from here: the tasks that follow, and the bodies of the chords that they begin, as far as the store
 * hears of them. -ENOMEM: they can't be counted now. */
int run_branches(const struct run *run);

/* How what follows this task is sent, as of now. */
struct follow_how run_how(const struct run *run);

/* Begin the chords, then publish the messages, all confirmed; then go on with `then`. */
enum step run_send(struct run *run, struct following *takes, run_then *then);

/* Has the broker not taken all that was sent? */
bool run_is_unsent(const struct run *run);

/* ---- store_result.c ---- */

/* The state that its result gets: it has ended so. / Which one? */
void run_set_result_state(struct run *run, enum result_state state);
enum result_state run_result_state(const struct run *run);

/* The step "result". */
enum step run_store_result(struct run *run);

/* STEP_RESULT when anybody waits for that result, else STEP_ACK: then it costs nothing. */
enum step run_result_or_ack(struct run *run);

/* What the result says of tasks that follow; borrowed. / What follows it could not be sent now: that is owed, too. */
void run_set_children(struct run *run, json_t *children);
void run_mark_unsent(struct run *run);

/* STARTED, where the settings want it; nobody waits for its answer. */
void run_store_started(const struct run *run);

/* The exception that clients see for why it failed; `text` is borrowed. / The text that stands for a traceback, added to `out`. */
struct result_exception run_exception_of(const struct run *run, const struct problem *why);
void run_add_traceback(const struct run *run, const struct problem *why, struct buffer *out);

/* Ask for results to be stored: begin, ask, and end, which gives the step that `then` gives once all is answered; END when the results were closed,
 * HAND_BACK when memory ran out meanwhile. */
void run_results_begin(struct run *run, run_then *then);
enum step run_results_end(struct run *run);

/* FAILURE for each of signatures_abandoned, with the exception `cause` (JSON text) or, where that is empty, the one of `why`; and their parts to
 * be counted. Between begin and end. */
void run_abandon(struct run *run, json_t *abandoned_takes, const struct problem *why, struct bytes cause);

/* Memory ran out for a result. / The backend was away for some of them. / All are stored: STEP_ACK, or STEP_OWE. */
void run_mark_starved(struct run *run);
void run_mark_away(struct run *run);
enum step run_all_stored(const struct run *run);

/* The result and how far it has come, as JSON (new reference; NULL when memory ran out). / Take that up, as of a row of the store. Returns the step to go on with; STEP_END
 * when nothing can be made of it. */
json_t *run_result_json(const struct run *run);
enum step run_result_restore(struct run *run, json_t *row);

/* ---- join.c ---- */

/* The step "join". */
enum step run_join(struct run *run);

/* A part to be counted there, if the row ({"id","group_id","group_index","chord"}) is one. `result` is JSON text. */
void run_add_part(struct run *run, json_t *row, const char *status, struct bytes result);

/* Nothing but this part, which found its chord's size unknown some time ago. False when memory ran out. / Its chord is there again. */
bool run_look_again(struct run *run, json_t *part);
void run_looked(struct run *run);

/* The part in hand: such a row with its "member"; NULL: there is none. / Go on with the next. */
const json_t *run_part(const struct run *run);
enum step run_next_part(struct run *run);

/* The body of the chord in hand can't run: it fails, as does what follows it. `cause` as of run_abandon. / Why it can't, or NULL. / The errbacks that are
 * about to be sent for that. / All is sent: nobody needs to do it again. */
enum step run_unjoin(struct run *run, const struct problem *why, struct bytes cause);
const struct problem *run_unjoined(const struct run *run);
const struct following *run_unjoined_errbacks(const struct run *run);
enum step run_end_chord(struct run *run);

/* ---- chord_lost.c ---- */

/* Nobody knows the size of the chord in hand: look again some time later. / It is lost: count its header from the store, or fail it. */
enum step run_watch_chord(struct run *run);
enum step run_recount(struct run *run);

/* Its body fails in the store, and its job with it, for a reason that is no part's failure; then run_end_chord. */
enum step run_fail_body(struct run *run);

/* ---- owe.c ---- */

/* The step "owe". */
enum step run_owe(struct run *run);

/* Keep this in the store, with its message, for whoever stores its result (owed_results.c), after wait_ms. `done` is called with the run. False when memory ran out. */
bool run_keep_owed(struct run *run, const json_t *telling, unsigned wait_ms, store_done *done);

/* Make of a fresh run what the row's was (as of store->owed_take), and the step where it goes on; STEP_END when nothing can be made of it. The
 * run's delivery is made here. `item` is told how it ends. */
enum step run_owed(struct run *run, const json_t *row, struct owed_item *item);

/* Such a row, or NULL where it goes on from a delivery. */
static inline struct owed_item *run_owed_item(const struct run *run)
{
        return run->owing.item;
}

/* ---- dead.c ---- */

/* The steps "dead" and "bury". / It has failed for good, and the store knows, or can't be told: STEP_BURY. */
enum step run_dead(struct run *run);
enum step run_bury(struct run *run);
enum step run_died(struct run *run);

/* ---- revoke.c ---- */

/* The step "revoke". */
enum step run_revoke(struct run *run);

/* ---- steps.c ---- */

/* Memory ran out: the task goes back. / A refusal (> 0) is the task's end; a fatal code (< 0) is ours. */
enum step run_out_of_memory(struct run *run);
enum step run_refused(struct run *run, int code);

/* Enter `step` and the ones it leads to, until one waits or the run ends. */
void run_go(struct run *run, enum step step);

/* Its id for the log, or "?". */
const char *run_shown_id(const struct run *run);

#endif
