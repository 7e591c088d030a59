/* SPDX-License-Identifier: Apache-2.0 */
/* What the verbs of `chard dlq` share: each is a command of its own, named "dlq VERB". */
#ifndef CHARD_CLI_DLQ_H
#define CHARD_CLI_DLQ_H

#include "cli/command.h"
#include "dlq/dlq.h"

extern const struct command command_dlq_keep, command_dlq_ls, command_dlq_groups, command_dlq_show, command_dlq_requeue,
        command_dlq_discard, command_dlq_edit, command_dlq_export, command_dlq_import, command_dlq_stats;

/* ---- dlq_keep.c ---- */

/* A keeper as the settings have it; they and `name` are borrowed as long as it lives. */
struct dlq_config keep_config(const struct settings *s, const struct catalog *catalog, uv_loop_t *loop,
                              const char *name);

/* ---- dlq_filter.c: which entries ---- */

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

/* Is it all UTF-8? */
bool text_is_utf8(const char *text);

/* Does it leave anything out? */
bool filter_is_any(const struct dead_filter *filter);

/* The filter in words, for the audit: "--code timeout --since 2h". Freed by the caller; NULL when memory ran out. */
char *filter_words(const struct filter_flags *flags, char **operands, int count);

/* A count that a flag was given, within least … most. False after a complaint. */
bool flag_number(const struct command *self, const char *flag, const char *value, unsigned least, unsigned most,
                 unsigned *out);

/* ---- dlq_client.c: the store, asked and waited for ---- */

struct dlq_client {
        const struct command *self;
        struct wait wait;
        struct catalog *catalog;
        struct store *store;
        json_t *value;      /* of the last answer; owned */
        struct problem why; /* of the last answer, when `failed` */
        bool failed;
        enum store_result result;
};

/* 0, or the exit code after a complaint. / Give all back. */
int client_open(struct dlq_client *c, const struct command *self, const struct settings *s);
void client_close(struct dlq_client *c);

/* Wait for the answer of a verb that was called with client_on_json or client_on_result and `c`. 0, or the exit code after a complaint. */
int client_wait(struct dlq_client *c);
void client_on_json(json_t *value, const struct problem *why, void *arg);
void client_on_result(enum store_result result, struct bytes stored, const struct problem *why, void *arg);

/* Who runs this, for the audit: "os:alice". */
const char *client_who(void);

/* ---- dlq_view.c: for people ---- */

/* "3 min", "2 h", "5 d": how long ago. */
const char *view_age(int64_t then_ms, int64_t now_ms, char out[32]);

/* Print a text's first `width` columns' worth of characters, what would steer a terminal as spaces, padded when `pad`. */
void view_text(const char *text, size_t width, bool pad);

/* How many characters wide a column must be that shows the text `key` of all these rows whole: at least as wide as its `title`. */
size_t view_column(const json_t *rows, const char *key, const char *title);

/* Print all of a text in the same way. */
void view_plain(const char *text);

/* Columns of the terminal on stdout, or `otherwise` where it is none. */
size_t view_width(size_t otherwise);

/* Print a JSON value on one line, or with this indentation; controls that JSON would leave in (DEL, C1) as escapes. */
void view_json(const json_t *value);
void view_indented(const json_t *value);

#endif
