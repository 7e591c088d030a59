/* SPDX-License-Identifier: Apache-2.0 */
#include "tasks/waste/consumers/shown.h"

#include "core/json.h"
#include "tasks/waste/waste.h"

#include <string.h>

/* Keeps "my page" of each user (page:USER, the field "profile"), and each user's conversations (conversation:USER, a field for each chat), to be read by
 * their keys. */
static int pages_act(const struct consumer_input *in, struct outcome *out, struct problem *why);

const struct consumer_def consumer_pages = {
        .name = "pages",
        .hears = { "ProfileUpdated", "ChatClassified", "ChatAnswered", "ChatDeleted" },
        .aggregates = { "profile", "chat" },
        .sees = { { FACT_PROFILE, "/payload/user_id" } },
        .writes = { { "page", READ_MODEL_KEYS, NULL }, { "conversation", READ_MODEL_KEYS, NULL } },
        .retry = { .limit = 5, .base_ms = 1000, .cap_ms = 60000 },
        .act = pages_act,
};

/* The facts are at least as new as the version, and whatever changes them writes an event. */
static int pages_profile(const struct consumer_input *in, struct outcome *out, struct problem *why)
{
        const char *user;
        const int rc = consumer_need(in, "user_id", &user, why);
        if (rc != 0)
                return rc;
        const struct document as = { .model = "page", .id = user, .part = "profile", .version = in->version };
        return outcome_document(out, &as, json_pack("{s:O*}", "fields", consumer_facts(in, FACT_PROFILE, user)));
}

/* Whoever chats without a name has no conversations. */
static int pages_chat(const struct consumer_input *in, struct outcome *out)
{
        static const char *const keys[] = { "text", "answer", NULL };
        const char *user = shown_text(in, "user_id");
        if (!user || !*user)
                return 0;
        const struct document as = {
                .model = "conversation", .id = user, .part = in->event->aggregate_id, .version = in->version
        };
        return shown_has(in, "ChatDeleted") ? outcome_document_delete(out, &as)
                                            : outcome_document(out, &as, shown_of(in, keys));
}

static int pages_act(const struct consumer_input *in, struct outcome *out, struct problem *why)
{
        return strcmp(in->event->aggregate_type, "profile") == 0 ? pages_profile(in, out, why) : pages_chat(in, out);
}
