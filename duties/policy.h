/* SPDX-License-Identifier: Apache-2.0 */
/* Which dead letters are sent back without a person: rules in one setting, each with a task, error codes and when. Pure.
 *
 *     TASK CODE[,CODE…] [after=5m] [rounds=3] [errors=20%] [rate=20/s]; …
 *
 * A task and a code may end in '*'; the code "transient" stands for all that was judged so at death, in whatever words. An entry is sent back `after` it died, twice as long after its second death, and so on, `rounds` times in a
 * row at most; while more than `errors` per cent of that task's attempts of the last five minutes failed, or its model is
 * paused, it waits. The first rule that fits counts. */
#ifndef CHARD_DUTIES_POLICY_H
#define CHARD_DUTIES_POLICY_H

#include "core/problem.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { POLICY_MOST_RULES = 64, POLICY_MOST_CODES = 32, POLICY_MOST_ROUNDS = 20, POLICY_MOST_DAYS = 3650 };

struct policy_rule {
        const char *task;
        const char *codes[POLICY_MOST_CODES + 1]; /* NULL-terminated */
        int64_t after_ms;
        unsigned rounds;
        unsigned errors; /* per cent */
        unsigned rate;   /* entries a second */
};

struct policy {
        struct policy_rule rules[POLICY_MOST_RULES];
        size_t count;
        char *memory;
};

/* Read the setting; empty: no rules. Returns 0; 1 with `why` (source "settings", code "bad_setting"); or -ENOMEM. Freed with policy_free. */
int policy_read(struct policy *out, const char *text, struct problem *why);
void policy_free(struct policy *p);

/* The rule for a task's error code and the verdict at death ("" = not known), or NULL. */
const struct policy_rule *policy_find(const struct policy *p, const char *task, const char *code, const char *verdict);

/* Does the rule count for this task? */
bool policy_names(const struct policy_rule *rule, const char *task);

/* Milliseconds between a death after `round` automatic requeues in a row and the next one. */
int64_t policy_wait_ms(const struct policy_rule *rule, unsigned round);

#endif
