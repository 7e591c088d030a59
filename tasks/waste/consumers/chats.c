/* SPDX-License-Identifier: Apache-2.0 */
#include "tasks/waste/consumers/shown.h"

/* Keeps each chat as a document for searches. "ChatDeleted" is written by an application that deletes chats (aggregate chat, the job). */
static int chats_act(const struct consumer_input *in, struct outcome *out, struct problem *why);

const struct consumer_def consumer_chats = {
        .name = "chats",
        .hears = { "ChatClassified", "ChatAnswered", "ChatDeleted" },
        .aggregates = { "chat" },
        .writes = { { "chats", READ_MODEL_SEARCH,
                      "{\"dynamic\": false, \"properties\": {\"job_id\": {\"type\": \"keyword\"}, \"user_id\": {\"type\": \"keyword\"},"
                      " \"category\": {\"type\": \"keyword\"}, \"about_waste\": {\"type\": \"boolean\"}, \"text\": {\"type\": \"text\"},"
                      " \"answer\": {\"type\": \"text\"}, \"trace_id\": {\"type\": \"keyword\"}, \"deleted\": {\"type\": \"boolean\"},"
                      " \"created_at\": {\"type\": \"date\"}, \"updated_at\": {\"type\": \"date\"}}}" } },
        .retry = { .limit = 5, .base_ms = 1000, .cap_ms = 60000 },
        .act = chats_act,
};

static int chats_act(const struct consumer_input *in, struct outcome *out, struct problem *why)
{
        static const char *const keys[] = { "user_id", "category", "about_waste", "text", "answer", NULL };
        const struct document as = { .model = "chats", .id = in->event->aggregate_id, .version = in->version };
        (void)why;
        return shown_has(in, "ChatDeleted") ? outcome_document_delete(out, &as)
                                            : outcome_document(out, &as, shown_of(in, keys));
}
