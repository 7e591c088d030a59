/* SPDX-License-Identifier: Apache-2.0 */
/* The backend without a server: queues as tables of one SQLite file (core/sqlite/sqlite.h), which several processes may share.
 *
 * The loop keeps the consumers and what is unacked; the file's thread does what is asked of it as pieces of work ("verbs"), grouped with
 * everybody else's. A publish is a durable insert; a fetch gives a batch of messages to this session; an ack deletes.
 * A session is alive as long as the kernel holds its lock: what a dead one had unacked goes back to its queue.
 *
 * Left out: queues with a time to live, and what is bound to them. They are kombu's native delayed delivery, which Celery clients use, and no Celery
 * client reaches this file. */
#ifndef CHARD_BROKER_EMBEDDED_H
#define CHARD_BROKER_EMBEDDED_H

#include "broker/broker.h"
#include "broker/embedded/held.h"
#include "broker/embedded/route.h"
#include "core/sqlite/sqlite.h"

extern const struct broker_backend embedded_backend;

/* The numbered migrations of its tables, broker/embedded/schema/ *.sql. */
extern const struct embedded_file embedded_sqlite_broker[];
extern const size_t embedded_sqlite_broker_count;

struct embedded;

enum { DEAD_MAX = 32, BLOCKED_WHY = 160 };

/* A queue that was asked for; kept until the broker is closed, because deliveries and fetches name it. */
struct embedded_consumer {
        const char *queue;
        int64_t queue_id; /* known from the first fetch on */
        unsigned prefetch, unacked;
        bool wanted, registered, missing; /* is the queue there? Neither: not looked for yet */
        bool more;                        /* there may be messages for it */
};

/* What one fetch asks for one consumer, and what came of it. */
struct ask {
        struct embedded_consumer *consumer;
        int64_t queue_id;
        unsigned want, got;
        bool exists, more;
        struct delivery *first, *last;
};

struct fetch {
        struct sqlite_work work;
        struct embedded *broker;
        struct ask *asks;
        size_t count, capacity;
        bool under_way;
};

/* Is there anything for us, since somebody else has changed something? */
struct peek {
        struct sqlite_work work;
        struct embedded *broker;
        struct ask *asks;
        size_t count, capacity;
        bool under_way, again;
};

struct embedded_settlement {
        int64_t queue_id, id;
        bool ack;
};

struct embedded_settling {
        struct sqlite_work work;
        int64_t session;
        size_t count, capacity;
        struct embedded_settlement settlements[];
};

/* Looking for dead sessions, and ending one's own. */
struct census {
        struct sqlite_work work;
        struct embedded *broker;
        int64_t dead[DEAD_MAX];
        size_t count;
        bool under_way;
};

struct embedded {
        struct broker base; /* first */
        struct broker_listener listener;
        const struct topology *topology; /* until open has returned */
        const char *name;
        struct sqlite_file *file;
        char *path;

        int lock_fd;
        int64_t session;
        struct router router; /* the file's thread's */

        uv_idle_t turn; /* what gathered in one turn of the loop goes together */
        uv_timer_t timer;
        unsigned uv_handles;
        bool closed, blocked;
        char blocked_why[BLOCKED_WHY];

        struct embedded_consumer **consumers;
        size_t consumer_count, consumer_capacity;
        struct embedded_held held;
        struct embedded_settling *settling; /* of this turn */
        struct fetch fetch;
        struct peek peek;
        struct census census, leave;
        unsigned long open_publishes;
        struct broker_health told; /* what the listener heard last */
};

/* ---- open.c ---- */

int embedded_open(struct broker **out, const struct broker_config *config, const struct broker_listener *listener,
                  struct problem *why);
void embedded_close(struct broker *b);

/* Something waits for the end of this turn. */
void embedded_turn(struct embedded *b);
/* Hand over what has gathered. */
void embedded_hand_over(struct embedded *b);
void embedded_tell(struct embedded *b);

/* ---- backend.c ---- */

void embedded_health(const struct broker *broker, struct broker_health *out);

/* ---- depth.c ---- */

void embedded_depth(struct broker *b, const char *queue, depth_done *done, void *arg);

/* ---- publish.c ---- */

void embedded_publish(struct broker *b, struct message *takes, publish_done *done, void *arg);

/* ---- fetch.c, peek.c ---- */

/* Ask for messages, if there is room and may be some. */
void embedded_fetch(struct embedded *b);
void embedded_peek(struct embedded *b);
/* Collect what consumers want into `asks`; 0 when nothing. */
size_t embedded_asks(struct embedded *b, struct ask **asks, size_t *capacity, bool all);
/* On the file's thread: does the queue exist? SQLITE_OK, or why not known. */
int embedded_find_queue(sqlite3 *db, struct ask *ask);

/* ---- settle.c ---- */

void embedded_ack(struct broker *b, struct delivery_tag tag);
void embedded_hand_back(struct broker *b, struct delivery_tag tag);
void embedded_settle(struct embedded *b);

/* ---- declare.c: on the file's thread ---- */

int embedded_declare(sqlite3 *db, const struct topology *topology);

/* ---- session.c ---- */

/* On the file's thread, at opening: open FILE-lock. */
int embedded_session_open(struct embedded *b, sqlite3 *db);
/* On the file's thread, inside a transaction: register, take the lock, put back what the dead had. */
int embedded_session_start(struct embedded *b, sqlite3 *db);
/* Look for dead sessions. */
void embedded_session_look(struct embedded *b);
/* Give everything back that this session has. */
void embedded_session_end(struct embedded *b);

#endif
