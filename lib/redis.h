/* SPDX-License-Identifier: Apache-2.0 */
/* Redis as celery.backends.redis uses it, as much as a client needs: a chord's size, reading and awaiting results. Callers' threads say what they want
 * and wait; the loop thread has two links, one for commands and one that hears what is published. */
#ifndef CHARD_LIB_REDIS_H
#define CHARD_LIB_REDIS_H

#include "lib/handle.h"
#include "redis/link.h"

struct question;
struct listener;

struct lib_redis {
        /* Constant once chard_open has returned. */
        char *where;  /* for complaints */
        char *prefix; /* of all keys */
        char expires[16];

        /* The loop thread's. */
        struct redis_address addresses[2]; /* until the links have them */
        struct redis_link *asking, *listening;

        /* Under the client's lock. */
        struct question *asked, **asked_end; /* for the loop to send */
        struct listener *listeners;
        struct listener *moved; /* for the loop to look at */
        bool stopped;           /* the loop looks at nothing any more */
};

/* ---- redis.c ---- */

/* Read the URL; nothing is connected to. CHARD_OK, CHARD_BAD_ARGUMENT or CHARD_NO_MEMORY. */
int lib_redis_new(struct lib_redis **out, const char *url, unsigned expires_s, struct chard_error *why);
void lib_redis_free(struct lib_redis *r);

/* The loop thread's: connect, turning the loop until that has worked or failed; send what callers want; close the links. */
int lib_redis_start(struct chard *c, struct chard_error *why);
void lib_redis_flush(struct chard *c);
void lib_redis_stop(struct chard *c);

/* Say how many parts a chord has; `tree`, where its results nest (else NULL), is what the workers join them by. A caller's thread. CHARD_OK,
 * CHARD_UNREACHABLE, CHARD_ACCESS, CHARD_REFUSED, CHARD_UNCERTAIN (closed), CHARD_NO_MEMORY. */
int lib_redis_chord(struct chard *c, const char *group_id, json_int_t size, const json_t *tree,
                    struct chard_error *why);

/* The stored result of a task that has ended (new reference), waiting for it until the given monotonic time (0: without end). A caller's thread. As
 * above, or CHARD_TIMED_OUT. */
int lib_redis_result(struct chard *c, const char *id, uint64_t until_ms, json_t **meta, struct chard_error *why);

/* What a reply means: CHARD_OK for any that is no error. */
int lib_redis_check(const struct lib_redis *r, const struct redis_link *link, const redisReply *reply,
                    struct chard_error *why);

/* ---- listen.c ---- */

/* Begin to hear what is published on a channel. A caller's thread; all locked. NULL when memory ran out. */
struct listener *listen_begin(struct chard *c, struct bytes channel);
void listen_end(struct chard *c, struct listener *l);

/* Wait until more was published than *heard says, or may have been missed, which is so as soon as it is subscribed to. CHARD_OK with the new *heard;
 * CHARD_TIMED_OUT; or why it can't be heard. Locked. */
int listen_wait(struct chard *c, struct listener *l, unsigned *heard, uint64_t until_ms, struct chard_error *why);

/* The loop thread's: of the listening link; and once it is closed. */
void listen_heard(const redisReply *message, void *client);
void listen_lost(void *client);
void listen_update(struct chard *c);
void listen_stop(struct chard *c);

#endif
