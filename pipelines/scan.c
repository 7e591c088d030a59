/* SPDX-License-Identifier: Apache-2.0 */
#include "pipelines/pipeline.h"
#include "tasks/waste/waste.h"

/* A picture of something to throw away -> how to put it out, and a reward for doing it right. */
const struct pipeline pipeline_scan = {
        .name = "scan",
        .exchange = "scan.commands",
        .steps = { "scan.vision", "scan.answer", "scan.reward" },
        .input = scan_input,
        .lang = "ko",
        .answer = "answer/user_answer",
};
