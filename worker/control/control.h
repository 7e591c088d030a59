/* SPDX-License-Identifier: Apache-2.0 */
/* What Celery's own tools ask of a worker and hear from it: commands through its mailbox (`celery inspect`, `celery control`, Flower) and
 * events (`celery events`, Flower, exporters). It is there when the broker has a bus; everything runs on the loop thread.
 * Source: kombu/pidbox.py, celery/worker/control.py, celery/worker/state.py and celery/events/ of Celery 5.7. */
#ifndef CHARD_WORKER_CONTROL_CONTROL_H
#define CHARD_WORKER_CONTROL_CONTROL_H

#include "worker/control/limits.h"
#include "worker/control/revoked.h"
#include "worker/control/stamped.h"
#include "worker/run/run.h"

#include <curl/curl.h>

struct control;

/* Celery's events. A worker's own (worker-online, -heartbeat, -offline) go out at once; those of tasks only when asked for
 * (`celery control enable_events`, or the setting), some together in one message, as Celery sends them. */
struct celery_events {
        struct control *control;
        bool workers;        /* the worker's own are sent */
        struct buffer batch; /* task events that wait, a JSON array without its end */
        unsigned batched;
        uv_timer_t beat, flush;
};

/* Where an answer goes. */
struct reply_to {
        char *exchange, *routing_key, *ticket; /* exchange NULL: nobody waits for it */
};

/* How often tasks of a name have begun here. */
struct tally {
        const struct task_def *def;
        uint64_t count;
};

struct control {
        struct worker *worker;
        struct broker_bus bus;
        char mailbox[320];
        uint64_t clock; /* Lamport's: the larger of what was seen, plus one */
        uint64_t began_ms;
        struct revoked revoked;
        size_t revoking; /* commands whose revocations are on their way into the store */
        struct stamped stamped;
        struct limits limits;
        struct celery_events events;
        struct observer task_events; /* Celery's events of tasks */
        struct observer counting;    /* counts into what follows */
        struct tally *tallies;
        size_t tally_count;
        uint64_t total;
        struct reply_to *asking; /* while a command runs; one that answers later, or never, takes it away */
        struct older_topology {
                struct older_topology *next;
                struct topology topology;
        } * older; /* replaced ones, which the broker may still read */
};

/* ---- control.c ---- */

uint64_t control_tick(struct control *c);

/* Publish JSON text that nobody confirms and no disk keeps. Frees `headers`; does nothing when memory ran out for one of them. */
void control_publish(struct control *c, const char *exchange, const char *routing_key, struct buffer *headers,
                     const struct buffer *body);

/* Answer with `takes` (NULL when memory ran out), and free what is in `to`. */
void control_answer(struct control *c, struct reply_to *to, json_t *takes);

/* Is it being worked on (rather than waiting to be)? / How many are. */
bool control_is_active(const struct run *run);
size_t control_active(const struct control *c);

/* The task under that id which is being worked on here, or NULL. */
struct run *control_run(const struct control *c, const char *id);

/* ---- inspect.c, stats.c, conf.c, command.c, queues.c: each command takes its arguments (an object) and gives its answer, a new reference; NULL when memory ran out ---- */

/* Is it one that AMQP can name, and the store keep? */
bool command_is_id(const char *id);

typedef json_t *remote_command(struct control *c, const json_t *arguments);

json_t *inspect_active(struct control *c, const json_t *arguments);
json_t *inspect_active_queues(struct control *c, const json_t *arguments);
json_t *inspect_clock(struct control *c, const json_t *arguments);
json_t *inspect_conf(struct control *c, const json_t *arguments);
json_t *inspect_hello(struct control *c, const json_t *arguments);
json_t *inspect_memdump(struct control *c, const json_t *arguments);
json_t *inspect_memsample(struct control *c, const json_t *arguments);
json_t *inspect_objgraph(struct control *c, const json_t *arguments);
json_t *inspect_ping(struct control *c, const json_t *arguments);
json_t *inspect_query_task(struct control *c, const json_t *arguments);
json_t *inspect_registered(struct control *c, const json_t *arguments);
json_t *inspect_report(struct control *c, const json_t *arguments);
json_t *inspect_reserved(struct control *c, const json_t *arguments);
json_t *inspect_revoked(struct control *c, const json_t *arguments);
json_t *inspect_scheduled(struct control *c, const json_t *arguments);
json_t *inspect_stats(struct control *c, const json_t *arguments);

json_t *command_add_consumer(struct control *c, const json_t *arguments);
json_t *command_autoscale(struct control *c, const json_t *arguments);
json_t *command_cancel_consumer(struct control *c, const json_t *arguments);
json_t *command_disable_events(struct control *c, const json_t *arguments);
json_t *command_election(struct control *c, const json_t *arguments);
json_t *command_enable_events(struct control *c, const json_t *arguments);
json_t *command_heartbeat(struct control *c, const json_t *arguments);
json_t *command_log_level(struct control *c, const json_t *arguments);
json_t *command_pool_grow(struct control *c, const json_t *arguments);
json_t *command_pool_restart(struct control *c, const json_t *arguments);
json_t *command_pool_shrink(struct control *c, const json_t *arguments);
json_t *command_rate_limit(struct control *c, const json_t *arguments);
json_t *command_revoke(struct control *c, const json_t *arguments);
json_t *command_revoke_by_stamped_headers(struct control *c, const json_t *arguments);
json_t *command_shutdown(struct control *c, const json_t *arguments);
json_t *command_terminate(struct control *c, const json_t *arguments);
json_t *command_time_limit(struct control *c, const json_t *arguments);

/* revoking.c: tell the store that the tasks with these ids (an array; other values in it are passed over) are revoked, then answer
 * the command under way, or say what went wrong. Takes the answer (NULL when memory ran out). Returns NULL: it is answered later. */
json_t *revoking_start(struct control *c, json_t *ids, json_t *answer_takes);

/* ---- celery_events.c ---- */

void celery_events_open(struct celery_events *e, struct control *c);

/* The bus is there: say that the worker is online, and go on with heartbeats. */
void celery_events_joined(struct celery_events *e);
void celery_events_heartbeat(struct celery_events *e);

/* Send what waits. */
void celery_events_flush(struct celery_events *e);

/* Say that the worker goes. The memory is given back by celery_events_free, once the loop has closed the timers. */
void celery_events_close(struct celery_events *e);
void celery_events_free(struct celery_events *e);

/* One event of a task: begin it, add to it, end it. */
struct buffer *celery_events_begin(struct celery_events *e, const char *type, const char *task_id);
void celery_events_text(struct buffer *b, const char *key, const char *text); /* NULL is null */
void celery_events_bytes(struct buffer *b, const char *key, struct bytes text);
void celery_events_end(struct celery_events *e);

/* ---- task_events.c, stats.c: observers, added to the worker's ---- */

void task_events_open(struct control *c);
bool task_events_asked(const struct control *c);
void task_events_ask(struct control *c, bool on); /* send events of tasks from now on, or no more */

void stats_open(struct control *c);

/* The first of some addresses, taken apart (curl_url_cleanup); NULL when it is none. */
CURLU *control_address(const char *urls);

/* The first of them as text, without its password, and without what may hold one. New reference. */
json_t *control_masked(const char *urls);

/* How people are shown it: its shadow, as Celery has it in events, logs and lists; where it has none, its name. UTF-8; borrowed. */
struct bytes control_name_of(const struct task_message *m);

/* {"ok": "…"} and {"error": "…"}. */
json_t *answer_ok(const char *format, ...) __attribute__((format(printf, 1, 2)));
json_t *answer_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
