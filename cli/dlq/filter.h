/* SPDX-License-Identifier: Apache-2.0 */
/* Which dead letters a verb of `chard dlq` is about, as its flags and operands say it. */
#ifndef CHARD_CLI_DLQ_FILTER_H
#define CHARD_CLI_DLQ_FILTER_H

#include "cli/common/command.h"
#include "store/dead_letter.h"

/* What the flags of a filter were given; all borrowed from argv. */
struct filter_flags {
        const char *task, *queue, *code, *group, *user, *job, *text, *state, *since, *until;
        bool all;
};

/* Rows for a command's own flags. */
#define FILTER_FLAGS(f)                                                                                              \
        { "--task", 't', NULL, &(f).task, "NAME", "of this task; may end in *" },                                    \
                { "--queue", 0, NULL, &(f).queue, "NAME", "that came from this queue" },                             \
                { "--code", 0, NULL, &(f).code, "CODE", "with this error code; may end in *" },                      \
                { "--group", 'g', NULL, &(f).group, "GROUP", "of this group, as `chard dlq groups` names it" },      \
                { "--user", 'u', NULL, &(f).user, "ID", "of this user" },                                            \
                { "--job", 0, NULL, &(f).job, "ID", "of this job" },                                                 \
                { "--text", 0, NULL, &(f).text, "WORDS", "with these words in the error message" },                  \
                { "--since", 0, NULL, &(f).since, "TIME", "died then or later: 90s, 15m, 2h, 7d ago, or ISO 8601" }, \
        {                                                                                                            \
                "--until", 0, NULL, &(f).until, "TIME", "died before then"                                           \
        }
#define STATE_FLAG(f)                                                                                               \
        {                                                                                                           \
                "--state", 0, NULL, &(f).state, "STATE", "kept (the default), requeued, discarded, resolved or any" \
        }

/* The filter that flags and operands (entry numbers) say; `entries` has room for all operands. False after a complaint, with *code. */
bool filter_read(const struct command *self, const struct filter_flags *flags, char **operands, int count,
                 int64_t *entries, struct dead_filter *out, int *code);

/* The states that entries may have, "kept" first. Returns how many. */
enum { FILTER_MOST_STATES = 32 };
size_t filter_states(const char *out[FILTER_MOST_STATES]);

/* Does it leave anything out? */
bool filter_is_any(const struct dead_filter *filter);

/* The filter in words, for the audit: "--code timeout --since 2h". Freed by the caller; NULL when memory ran out. */
char *filter_words(const struct filter_flags *flags, char **operands, int count);

#endif
