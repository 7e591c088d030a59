/* SPDX-License-Identifier: Apache-2.0 */
/* Dead letters by HTTP: lists, groups, one entry, and what an operator does with many. The owner is a struct gateway. Loop thread. */
#ifndef CHARD_GATEWAY_LETTERS_H
#define CHARD_GATEWAY_LETTERS_H

#include "core/http/exchange.h"
#include "store/dead_letter.h"

extern const struct route_param letters_list_params[], letters_groups_params[];
void letters_list(
        void *owner,
        struct exchange *x); /* GET /v1/dead-letters: {"letters", "upto": where to go on, or null}; the latest first */
void letters_groups(void *owner,
                    struct exchange *x); /* GET /v1/dead-letters/groups: {"groups", "count" (of all entries), "upto"} */
void letters_entry(void *owner, struct exchange *x); /* GET /v1/dead-letters/{entry}: with "on_requeue" and "history" */

/* POST /v1/dead-letters/actions/{action}: one of dlq/action.h, to what a filter leaves or to entries by number. {"filter", "entries", "rehearse", "most", "rate", "to",
 * "reason", "operation", "upto", "after"}; answers when it is done, so who has many asks for some thousand at a time, with "upto" and "operation" of the first answer, and "after" of the last one. */
void letters_act(void *owner, struct exchange *x);

/* ---- filter.c ---- */

enum { LETTERS_MOST_ENTRIES = 1000 };

/* What is left in, by name: "state" ("kept" where it is not said; "any"), "task", "queue", "code", "group", "user", "job", "text", "since", "until", "upto". Borrowed. 0, or 1 with `why`. */
struct letters_filter {
        const char *(*value)(const void *from, const char *name); /* NULL: not given */
        const void *from;
};
int letters_filter_read(const struct letters_filter *given, struct dead_filter *out, struct problem *why);

#endif
