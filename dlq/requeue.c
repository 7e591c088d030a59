/* SPDX-License-Identifier: Apache-2.0 */
/* Entries go back to their queues, with all of their attempts. */
#include "dlq/action.h"

static enum letter_disposition requeue_judge(const struct dlq_subject *subject, const struct dead_letter *letter,
                                             struct message **out)
{
        return letter_judge(subject->catalog, letter, subject->to, subject->max_body, out, NULL);
}

const struct dlq_action dlq_requeue = {
        .does = { .name = "requeue", .state = "requeued", .sends = true },
        .summary = "Send entries back to their queues, by number, group or filter",
        .example = "  chard dlq requeue 17\n"
                   "  chard dlq requeue --group 1f0c9a77b2e4 --rate 50/s --reason \"the provider is back\"",
        .details =
                "Attempts start anew; ids stay, so the rest of the chain follows. A transaction a batch: it may be interrupted and said again,\n"
                "and requeueing twice runs a task once. What has succeeded meanwhile is not sent.",
        .already = "it was requeued already",
        .judge = requeue_judge,
};
