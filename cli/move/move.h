/* SPDX-License-Identifier: Apache-2.0 */
/* The two halves of `chard move`: rows from store to store, messages from broker to broker. Internal to the command. */
#ifndef CHARD_CLI_MOVE_MOVE_H
#define CHARD_CLI_MOVE_MOVE_H

#include "broker/broker.h"
#include "cli/common/command.h"
#include "cli/common/wait.h"
#include "store/carry.h"

/* One kind of row on its way. */
struct carrying {
        struct move *move;
        enum carried kind;
        json_t *page; /* owned */
        int64_t cursor;
        size_t found, carried, refused;
        bool failed;
        struct problem why;
};

struct shipping;

struct move {
        const struct command *self;
        const struct settings *settings;
        struct catalog *catalog;          /* a reference */
        const char *file;                 /* of the source */
        const char *to_store, *to_broker; /* URLs */
        char *from_broker_url;            /* owned */
        struct wait wait;
        struct store *from, *to;
        struct carrying
                rows; /* here, because an answer that nobody waits for any more comes when its store is closed */
        struct shipping *shipping; /* owned */
        size_t refused;            /* rows and messages that stay where they are */
};

/* Reach both brokers, before anything is carried. / Close what of them is open. As move_rows. */
int move_open_brokers(struct move *m);
void move_close_brokers(struct move *m);

/* Carry every kind of row, print a line for each. Returns 0, or an exit code after saying why. */
int move_rows(struct move *m);

/* Take every waiting message from the source, give it to the target, and let go of it once that has confirmed it. As move_rows. */
int move_messages(struct move *m);

#endif
