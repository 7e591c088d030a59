/* SPDX-License-Identifier: Apache-2.0 */
#include "tasks/consumer.h"

#include "core/json.h"
#include "tasks/waste/waste.h"

#include <errno.h>
#include <string.h>

enum { MY_MOST_CHARACTERS = 500 };

/* Keeps in a user's profile which characters the user has, in the order in which they came. One that the profile can't take is revoked. */
static int my_act(const struct consumer_input *in, struct outcome *out, struct problem *why);
static int my_compensate(const struct consumer_input *in, const struct problem *died, struct outcome *out);

const struct consumer_def consumer_my = {
        .name = "my",
        .hears = { "CharacterAcquired", "CharacterRevoked" },
        .aggregates = { "character" },
        .sees = { { FACT_PROFILE, "/payload/user_id" } },
        .retry = { .limit = 5, .base_ms = 1000, .cap_ms = 60000 },
        .act = my_act,
        .compensate = my_compensate,
};

/* Its place in the list; the list's size where it is not there. */
static size_t my_find(const json_t *characters, const char *code)
{
        size_t i;
        json_t *one;
        json_array_foreach((json_t *)(uintptr_t)characters, i, one)
                if (json_is_string(one) && strcmp(json_string_value(one), code) == 0)
                        return i;
        return json_array_size(characters);
}

static int my_write(const struct consumer_input *in, const char *user, json_t *characters, struct outcome *out)
{
        int rc = outcome_fact_merge(out, FACT_PROFILE, user, "characters", json_incref(characters));
        if (rc == 0)
                rc = outcome_event(out, "profile", user, "ProfileUpdated",
                                   json_pack("{s:s*, s:s, s:{s:O}}", "job_id", consumer_text(in, "job_id"), "user_id",
                                             user, "fields", "characters", characters));
        return rc;
}

static int my_act(const struct consumer_input *in, struct outcome *out, struct problem *why)
{
        const bool has = strcmp(in->event->type, "CharacterAcquired") == 0;
        const char *user, *code;
        int rc = consumer_need(in, "user_id", &user, why);
        if (rc == 0)
                rc = consumer_need(in, "character_id", &code, why);
        if (rc != 0)
                return rc;
        const json_t *known = json_object_get(consumer_facts(in, FACT_PROFILE, user), "characters");
        const size_t count = json_array_size(known), place = my_find(known, code);
        if (has == (place < count))
                return 0;
        if (has && count >= MY_MOST_CHARACTERS)
                return problem_set(why, "consumer_logic", "profile_full", "a profile has room for %d characters",
                                   MY_MOST_CHARACTERS);
        JSON_OWNED json_t *characters = json_is_array(known) ? json_copy((json_t *)(uintptr_t)known) : json_array();
        const int done =
                has ? json_array_append_new(characters, json_string(code)) : json_array_remove(characters, place);
        return done == 0 ? my_write(in, user, characters, out) : -ENOMEM;
}

static int my_compensate(const struct consumer_input *in, const struct problem *died, struct outcome *out)
{
        const char *user = consumer_text(in, "user_id"), *code = consumer_text(in, "character_id");
        if (strcmp(in->event->type, "CharacterAcquired") != 0 || !user || !code)
                return 1;
        return outcome_event(out, "character", user, "CharacterRevoked",
                             json_pack("{s:s*, s:s, s:s, s:s}", "job_id", consumer_text(in, "job_id"), "user_id", user,
                                       "character_id", code, "reason", died->code));
}
