/* SPDX-License-Identifier: Apache-2.0 */
/* The two halves of `chard move`: rows from store to store, messages from broker to broker. Internal to the command. */
#ifndef CHARD_CLI_MOVE_H
#define CHARD_CLI_MOVE_H

#include "broker/broker.h"
#include "cli/command.h"
#include "store/store.h"

struct move {
        const struct command *self;
        const struct settings *settings;
        const char *file;                 /* of the source */
        const char *to_store, *to_broker; /* URLs */
        char *from_broker_url;            /* owned */
        struct wait wait;
        struct store *from, *to;
        size_t refused; /* rows and messages that stay where they are */
};

/* Carry every kind of row, print a line for each. Returns 0, or an exit code after saying why. */
int move_rows(struct move *m);

/* Take every waiting message from the source, give it to the target, and let go of it once that has confirmed it. As move_rows. */
int move_messages(struct move *m);

#endif
