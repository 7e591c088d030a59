/* SPDX-License-Identifier: Apache-2.0 */
#include "tasks/consumer.h"

#include "core/json.h"
#include "tasks/waste/waste.h"

#include <string.h>

/* Grants a character, once: whoever has it gets no second one, whatever asks for it how often. */
static int character_act(const struct consumer_input *in, struct outcome *out, struct problem *why);

const struct consumer_def consumer_character = {
        .name = "character",
        .hears = { "RewardGranted" },
        .aggregates = { "scan" },
        .sees = { { FACT_ACQUIRED, "/payload/user_id" } },
        .retry = { .limit = 5, .base_ms = 1000, .cap_ms = 60000 },
        .act = character_act,
};

static int character_grant(const struct consumer_input *in, const char *user, const char *code, struct outcome *out)
{
        const char *job = consumer_text(in, "job_id");
        int rc = outcome_fact_once(out, FACT_ACQUIRED, user, code, json_pack("{s:s}", "event_id", in->event->id));
        if (rc == 0)
                rc = outcome_event(out, "character", user, "CharacterAcquired",
                                   json_pack("{s:s*, s:s, s:s}", "job_id", job, "user_id", user, "character_id", code));
        return rc;
}

static int character_act(const struct consumer_input *in, struct outcome *out, struct problem *why)
{
        const char *user, *code;
        int rc = consumer_need(in, "user_id", &user, why);
        if (rc == 0)
                rc = consumer_need(in, "character_id", &code, why);
        if (rc != 0)
                return rc;
        if (strcmp(json_text(in->event->payload, "reward_type", ""), "character") != 0)
                return 0; /* another kind of reward is not its own */
        if (json_object_get(consumer_facts(in, FACT_ACQUIRED, user), code))
                return 0;
        return character_grant(in, user, code, out);
}
