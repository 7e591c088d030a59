/* SPDX-License-Identifier: Apache-2.0 */
#include "pipelines/pipeline.h"
#include "tasks/waste/waste.h"

/* A question -> its answer. */
const struct pipeline pipeline_chat = {
        .name = "chat",
        .exchange = "chat.commands",
        .steps = { "chat.classify", "chat.answer" },
        .input = chat_input,
        .lang = "ko",
        .answer = "answer/user_answer",
};
