/* SPDX-License-Identifier: Apache-2.0 */
/* What Celery's own tools ask of a worker: commands through its mailbox (`celery inspect`, `celery control`, Flower). It is there when the broker has a
 * bus; everything runs on the loop thread. Events are a dispatcher's. Source: kombu/pidbox.py and celery/worker/control.py of Celery 5.7. */
#ifndef CHARD_WORKER_CONTROL_CONTROL_H
#define CHARD_WORKER_CONTROL_CONTROL_H

#include "worker/control/limits.h"
#include "worker/control/revoked.h"
#include "worker/control/stamped.h"
#include "worker/dispatcher.h"
#include "worker/run/run.h"

#include <curl/curl.h>

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
        struct dispatcher *dispatcher; /* of events; NULL: there are none */
        struct observer counting;      /* counts into what follows */
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

/* Publish JSON text that nobody confirms and no disk keeps. Frees `headers`; does nothing when memory ran out for one of them. */
void control_publish(struct control *c, const char *exchange, const char *routing_key, struct buffer *headers,
                     const struct buffer *body);

/* Answer with `takes` (NULL when memory ran out), and free what is in `to`. */
void control_answer(struct control *c, struct reply_to *to, json_t *takes);

/* Is it being worked on (rather than waiting to be)? */
bool control_is_active(const struct run *run);

/* Are events of tasks sent? / Send them from now on, or no more. There is a dispatcher. */
bool control_events_asked(const struct control *c);
void control_ask_events(struct control *c, bool on);

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

/* ---- stats.c: an observer, added to the worker's ---- */

void stats_open(struct control *c);

/* The first of some addresses, taken apart (curl_url_cleanup); NULL when it is none. */
CURLU *control_address(const char *urls);

/* The first of them as text, without its password, and without what may hold one. New reference. */
json_t *control_masked(const char *urls);

/* {"ok": "…"} and {"error": "…"}. */
json_t *answer_ok(const char *format, ...) __attribute__((format(printf, 1, 2)));
json_t *answer_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
