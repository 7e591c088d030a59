/* SPDX-License-Identifier: Apache-2.0 */
#include "tasks/consumer.h"

#include "core/json.h"
#include "tasks/waste/waste.h"

#include <errno.h>
#include <string.h>

/* Keeps in a user's profile which characters the user has, in the order in which they came. */
static int my_act(const struct consumer_input *in, struct outcome *out, struct problem *why);

const struct consumer_def consumer_my = {
        .name = "my",
        .hears = { "CharacterAcquired" },
        .aggregates = { "character" },
        .sees = { { FACT_PROFILE, "/payload/user_id" } },
        .retry = { .limit = 5, .base_ms = 1000, .cap_ms = 60000 },
        .act = my_act,
};

static bool my_has(const json_t *characters, const char *code)
{
        size_t i;
        json_t *one;
        json_array_foreach((json_t *)(uintptr_t)characters, i, one)
                if (json_is_string(one) && strcmp(json_string_value(one), code) == 0)
                        return true;
        return false;
}

static int my_act(const struct consumer_input *in, struct outcome *out, struct problem *why)
{
        const char *user, *code;
        int rc = consumer_need(in, "user_id", &user, why);
        if (rc == 0)
                rc = consumer_need(in, "character_id", &code, why);
        if (rc != 0)
                return rc;
        const json_t *known = json_object_get(consumer_facts(in, FACT_PROFILE, user), "characters");
        if (my_has(known, code))
                return 0;
        JSON_OWNED json_t *characters = json_is_array(known) ? json_copy((json_t *)(uintptr_t)known) : json_array();
        if (json_array_append_new(characters, json_string(code)) != 0)
                return -ENOMEM;
        rc = outcome_fact_merge(out, FACT_PROFILE, user, "characters", json_incref(characters));
        if (rc == 0)
                rc = outcome_event(out, "profile", user, "ProfileUpdated",
                                   json_pack("{s:s*, s:s, s:{s:O}}", "job_id", consumer_text(in, "job_id"), "user_id",
                                             user, "fields", "characters", characters));
        return rc;
}
