/* SPDX-License-Identifier: Apache-2.0 */
/* What link.c (commands and their answers) and connect.c (getting to the server) share. */
#ifndef CHARD_REDIS_LINK_OWN_H
#define CHARD_REDIS_LINK_OWN_H

#include "core/absence.h"
#include "redis/link.h"
#include "redis/wire.h"

enum link_state { LINK_AWAY, LINK_DIALLING, LINK_CONNECTING, LINK_GREETING, LINK_UP, LINK_CLOSED };

struct request;

struct redis_link {
        struct redis_link_config config;
        struct redis_address address;
        SSL_CTX *tls; /* or NULL */
        enum link_state state;
        struct redis_wire *wire;
        uv_timer_t timer;             /* until the next try, or the next look at the clock */
        struct dialling *dialling;    /* on its way to an address, or NULL */
        const struct redis_host *to;  /* of the present try */
        struct redis_host master;     /* what a sentinel said last */
        size_t sentinel;              /* the one to ask */
        unsigned passed_over;         /* sentinels that were of no use, one after the other */
        bool asking;                  /* the wire leads to a sentinel */
        uint64_t since_ms, moving_ms; /* when this state began; when bytes last went either way */
        uint64_t away_ms;             /* since when it serves nobody; 0 = it does */
        uint64_t next_ms;             /* of the next try while it is away */
        unsigned failures, greetings;
        unsigned tries;               /* to make it anew, for those who wait */
        bool told;                    /* it is away, and that is known */
        bool refused;                 /* the server itself said `why` */
        char why[256];                /* it broke or could not be made the last time */
        struct absence absence;       /* what the log says of that */
        struct request *first, **end; /* without an answer, in the order of their coming … */
        struct request *unsent;       /* … from here on not sent over this connection */
};

/* ---- connect.c ---- */

void link_connect(struct redis_link *l);

/* A reply while connecting. */
void link_greeted(struct redis_link *l, const redisReply *reply);

/* Let the connection go and try again in a while. / The same for what the server says. */
void link_away(struct redis_link *l, const char *why);
void link_refused(struct redis_link *l, const redisReply *reply);

/* Nobody waits for the address any more; the loop stays for up to `grace_ms` until its thread has seen that. */
void link_stop_dialling(struct redis_link *l, unsigned grace_ms);

/* It does what it is asked. */
void link_serves(struct redis_link *l);

/* Words that a server says while it can't serve yet, or no more. */
bool link_passes(const redisReply *reply);

/* ---- link.c ---- */

extern const struct redis_wire_listener link_listener;

/* Time for the next try, or for a look at the clock. */
void link_timer(uv_timer_t *timer);

/* It is greeted: send what waits. */
void link_up(struct redis_link *l);

/* The connection is gone: all is to be sent again. */
void link_forget_sent(struct redis_link *l);

/* Nobody is to wait any longer: answer all that is open with NULL. What comes meanwhile waits. */
void link_give_up(struct redis_link *l);

#endif
