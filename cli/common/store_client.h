/* SPDX-License-Identifier: Apache-2.0 */
/* The store, for a command that asks it and waits for the answer. */
#ifndef CHARD_CLI_COMMON_STORE_CLIENT_H
#define CHARD_CLI_COMMON_STORE_CLIENT_H

#include "cli/common/command.h"
#include "cli/common/wait.h"
#include "store/store.h"

struct store_client {
        const struct command *self;
        struct wait wait;
        struct catalog *catalog;
        struct store *store;
        json_t *value;      /* of the last answer; owned */
        struct problem why; /* of the last answer, when `failed` */
        bool failed;
        enum store_result result;
        char who[128];      /* as store_client_who says */
        unsigned answer_ms; /* how long an answer may take; set before it is opened, 0 = as usual */
};

/* 0, or the exit code after a complaint. / Give all back. */
int store_client_open(struct store_client *c, const struct command *self, const struct settings *s);
void store_client_close(struct store_client *c);

/* Wait for the answer of a verb that was called with store_client_on_json or store_client_on_result and `c`. 0, or the exit code after a complaint. */
int store_client_wait(struct store_client *c);
void store_client_on_json(json_t *value, const struct problem *why, void *arg);
void store_client_on_result(enum store_result result, struct bytes stored, const struct problem *why, void *arg);

/* Who runs this, for the audit: "os:alice". As long as the client. */
const char *store_client_who(struct store_client *c);

#endif
