/* SPDX-License-Identifier: Apache-2.0 */
/* What `chard dlq requeue`, `discard` or another action is doing, and how it is told. */
#ifndef CHARD_CLI_DLQ_DOING_H
#define CHARD_CLI_DLQ_DOING_H

#include "cli/common/store_client.h"
#include "cli/dlq/dlq.h"
#include "cli/dlq/filter.h"
#include "dlq/dlq.h"

/* An entry that was given by its number. */
struct named {
        int64_t entry;
        const char *why; /* it was not dealt with: "the task …" or a whole sentence; NULL: it was */
        bool of_task;    /* the former */
};

struct doing {
        struct store_client client;
        struct filter_flags flags;
        const char *reason, *rate_text, *to;
        bool dry_run, yes, json;
        unsigned rate;
        const struct dlq_action *action;
        struct dlq_bulk_config config;
        struct dlq_bulk *bulk;
        struct dlq_tally tally;
        enum dlq_end end;
        bool running, interrupted, watching;
        uv_signal_t signals[2];
        struct named *named; /* in the order of their numbers, each once */
        size_t named_count;
};

/* "requeued" or "discarded". */
const char *doing_past(const struct doing *d);

/* How many it was done to. */
size_t doing_count(const struct dlq_tally *t);

/* What would become of the entries, and then what became of them. */
void doing_print_rehearsal(const struct doing *d);
void doing_print_outcomes(const struct doing *d);
void doing_print_json(const struct doing *d);

#define DOING_MISSING "there is no such entry"

/* How many that were named have not been seen. / One of them is there, but not kept. */
size_t doing_missing(const struct doing *d);
void doing_found(struct doing *d, const struct dead_letter *letter);

/* Of what was named: remember what became of it (a dlq_bulk_config.became); then say what was not dealt with. True: all was. */
void doing_became(int64_t entry, int disposition, int outcome, void *arg);
bool doing_all_done(const struct doing *d);

#endif
