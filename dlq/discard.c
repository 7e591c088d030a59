/* SPDX-License-Identifier: Apache-2.0 */
/* Entries are given up. */
#include "dlq/action.h"

const struct dlq_action dlq_discard = {
        .does = { .name = "discard", .state = "discarded" },
        .summary = "Give entries up; they stay in the store as discarded, their jobs stay failed",
        .example = "  chard dlq discard --task text.summary --code content_filter --reason \"refused for good\"",
        .would = { "entry would be discarded: its task does not run again, its job stays failed",
                   "entries would be discarded: their tasks do not run again, their jobs stay failed" },
        .already = "it was discarded already",
        .asks = true,
};
