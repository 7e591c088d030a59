/* SPDX-License-Identifier: Apache-2.0 */
#include "tasks/waste/consumers/shown.h"

#include "core/json.h"

#include <errno.h>
#include <string.h>

/* Keeps each scan as a document for searches: what it was, the answer, the reward. "ScanDeleted" is nobody's here: an application that deletes scans writes
 * it (aggregate scan, the job). */
static int scans_act(const struct consumer_input *in, struct outcome *out, struct problem *why);

const struct consumer_def consumer_scans = {
        .name = "scans",
        .hears = { "ScanClassified", "ScanAnswered", "RewardGranted", "RewardRevoked", "ScanDeleted" },
        .aggregates = { "scan" },
        .writes = { { "scans", READ_MODEL_SEARCH,
                      "{\"dynamic\": false, \"properties\": {\"job_id\": {\"type\": \"keyword\"}, \"user_id\": {\"type\": \"keyword\"},"
                      " \"category\": {\"type\": \"keyword\"}, \"major\": {\"type\": \"keyword\"}, \"item\": {\"type\": \"text\"},"
                      " \"situation\": {\"type\": \"keyword\"}, \"answer\": {\"type\": \"text\"}, \"reward\": {\"type\": \"keyword\"},"
                      " \"trace_id\": {\"type\": \"keyword\"}, \"deleted\": {\"type\": \"boolean\"},"
                      " \"created_at\": {\"type\": \"date\"}, \"updated_at\": {\"type\": \"date\"}}}" } },
        .retry = { .limit = 5, .base_ms = 1000, .cap_ms = 60000 },
        .act = scans_act,
};

/* The character that was granted last, unless that was revoked. */
static json_t *scans_reward(const struct consumer_input *in)
{
        json_t *reward = json_null(), *event;
        size_t i;
        json_array_foreach((json_t *)(uintptr_t)in->history, i, event) {
                const char *type = json_text(event, "type", "");
                if (strcmp(type, "RewardGranted") == 0)
                        reward = json_object_get(json_object_get(event, "payload"), "character_id");
                else if (strcmp(type, "RewardRevoked") == 0)
                        reward = json_null();
        }
        return reward ? reward : json_null();
}

static int scans_act(const struct consumer_input *in, struct outcome *out, struct problem *why)
{
        static const char *const keys[] = { "user_id",   "category",        "major",  "item",
                                            "situation", "insufficiencies", "answer", NULL };
        const struct document as = { .model = "scans", .id = in->event->aggregate_id, .version = in->version };
        (void)why;
        if (shown_has(in, "ScanDeleted"))
                return outcome_document_delete(out, &as);
        json_t *shown = shown_of(in, keys);
        json_object_set(shown, "reward", scans_reward(in));
        return outcome_document(out, &as, shown);
}
