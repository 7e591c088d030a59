/* SPDX-License-Identifier: Apache-2.0 */
#include "tasks/consumer.h"

#include "tasks/waste/waste.h"

#include <string.h>

/* Keeps the scans' copy of what a user has, for scan.reward to look at. */
static int owned_act(const struct consumer_input *in, struct outcome *out, struct problem *why);

const struct consumer_def consumer_owned = {
        .name = "owned",
        .hears = { "CharacterAcquired", "CharacterRevoked" },
        .aggregates = { "character" },
        .retry = { .limit = 5, .base_ms = 1000, .cap_ms = 60000 },
        .act = owned_act,
};

static int owned_act(const struct consumer_input *in, struct outcome *out, struct problem *why)
{
        const bool has = strcmp(in->event->type, "CharacterAcquired") == 0;
        const char *user, *code;
        int rc = consumer_need(in, "user_id", &user, why);
        if (rc == 0)
                rc = consumer_need(in, "character_id", &code, why);
        return rc ? rc : outcome_fact_merge(out, FACT_OWNED, user, code, json_boolean(has));
}
