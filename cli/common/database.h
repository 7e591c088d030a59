/* SPDX-License-Identifier: Apache-2.0 */
/* Which broker and store a command uses where no setting names them: the file of `chard dev` in this folder, else the servers' usual places. */
#ifndef CHARD_CLI_COMMON_DATABASE_H
#define CHARD_CLI_COMMON_DATABASE_H

#include "core/problem.h"
#include "core/settings/settings.h"

#define DATABASE_FILE "chard.db"

/* What no setting names and no file of this folder is, so that the servers' usual places were filled in. */
enum database_guess { DATABASE_BROKER = 1, DATABASE_STORE = 2 };

/* Fill in broker_url and store_url where they are empty: with the file of this folder that chard has made
 * (the one that is in use, else DATABASE_FILE, else the only one), else with RabbitMQ and PostgreSQL on this machine. A command that is told one of the two gets the other's server.
 * *guessed is told which of them are guesses (database_guess, or'ed). Returns 0; 1 with `why` when there are several as good (code "ambiguous"); or -ENOMEM. */
int database_choose(struct settings *s, unsigned *guessed, struct problem *why);

/* Make both of them `file`, or what database_choose would find, or DATABASE_FILE. 0 or -ENOMEM. */
int database_use(struct settings *s, const char *file);

#endif
