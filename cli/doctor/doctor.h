/* SPDX-License-Identifier: Apache-2.0 */
/* What is wrong with an installation, and what to do about it: looks at one thing after the other, and collects a finding each. */
#ifndef CHARD_CLI_DOCTOR_DOCTOR_H
#define CHARD_CLI_DOCTOR_DOCTOR_H

#include "broker/check.h"
#include "cli/common/command.h"

#include <jansson.h>
#include <stdint.h>

enum doctor_verdict { DOCTOR_OK, DOCTOR_WARN, DOCTOR_FAIL };

enum { DOCTOR_QUEUES = 256, DOCTOR_ANSWER_MS = 10000 };

struct doctor {
        const struct command *self;
        const struct settings *settings;
        const struct catalog *catalog;
        const char *queues[DOCTOR_QUEUES];
        size_t queue_count;
        json_t *checks; /* owned: [{"check","verdict","text","advice"}] */
        unsigned warnings, failures;
};

/* A finding about `check`; `advice` says what to do, "" where nothing is. Secrets in the text are hidden. */
void doctor_say(struct doctor *d, enum doctor_verdict verdict, const char *check, const char *advice,
                const char *format, ...) __attribute__((format(printf, 5, 6)));

/* What is at this side of the door: the path behind "sqlite:" or "embedded:", or NULL where a URL names a server. Borrowed. */
const char *doctor_file_of(const char *url);

/* Will this installation ask an AI endpoint? */
bool doctor_asks_provider(const struct settings *s);

/* ---- broker.c, store.c, results.c, provider.c: what asks others; each waits ---- */

void doctor_look_at_broker(struct doctor *d);
void doctor_look_at_store(struct doctor *d);
void doctor_look_at_results(struct doctor *d);
void doctor_ask_provider(struct doctor *d); /* may cost a few tokens */

/* ---- judge.c, contradictions.c: verdicts on figures; pure ---- */

/* `skew_ms`: how far the other clock is ahead of ours, known to within `unsure_ms`. */
void doctor_judge_clock(struct doctor *d, const char *whose, int64_t skew_ms, int64_t unsure_ms);
void doctor_judge_disk(struct doctor *d, const char *path, uint64_t free_bytes, uint64_t all_bytes);
/* As the store's `examine` gives them. */
void doctor_judge_slots(struct doctor *d, const json_t *slots);
void doctor_judge_connections(struct doctor *d, int64_t used, int64_t most);
/* `files`: how many a process may open; `calls`: how many calls may be under way at once. */
void doctor_judge_files(struct doctor *d, uint64_t files, uint64_t calls);
void doctor_judge_permissions(struct doctor *d, const struct broker_server *server);
/* `info`: what a Redis says to INFO. */
void doctor_judge_redis(struct doctor *d, const char *info);
/* Settings that contradict one another. */
void doctor_judge_settings(struct doctor *d);

#endif
