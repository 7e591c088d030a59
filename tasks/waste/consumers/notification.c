/* SPDX-License-Identifier: Apache-2.0 */
#include "tasks/consumer.h"

#include "core/json.h"

#include <string.h>

/* Tells a user's devices of a changed profile, and of a reward that was taken back: a task "my.notify" in the queue of that name, for whoever sends push
 * and messenger notices. Its id is made from the event's, so that one that comes twice is known. */
static int notification_act(const struct consumer_input *in, struct outcome *out, struct problem *why);

const struct consumer_def consumer_notification = {
        .name = "notification",
        .hears = { "ProfileUpdated", "RewardRevoked" },
        .aggregates = { "profile", "scan" },
        .retry = { .limit = 5, .base_ms = 1000, .cap_ms = 60000 },
        .flags = CONSUMER_NAMED,
        .act = notification_act,
};

/* Takes `fields`. */
static int notification_send(const struct consumer_input *in, const char *user, json_t *fields, struct outcome *out)
{
        return outcome_send(out,
                            json_pack("{s:s, s:[], s:{s:s, s:s, s:o}, s:{s:s, s:s}, s:b}", "task", "my.notify", "args",
                                      "kwargs", "user_id", user, "event_id", in->event->id, "fields", fields, "options",
                                      "exchange", "", "routing_key", "my.notify", "immutable", 1));
}

static int notification_act(const struct consumer_input *in, struct outcome *out, struct problem *why)
{
        json_t *fields = json_object_get(in->event->payload, "fields");
        const char *user;
        const int rc = consumer_need(in, "user_id", &user, why);
        if (rc != 0)
                return rc;
        if (strcmp(in->event->type, "RewardRevoked") == 0)
                return notification_send(in, user,
                                         json_pack("{s:{s:s*, s:s*}}", "reward_revoked", "character_id",
                                                   consumer_text(in, "character_id"), "reason",
                                                   consumer_text(in, "reason")),
                                         out);
        if (!json_is_object(fields))
                return problem_set(why, "consumer_logic", "bad_payload", "the payload of ProfileUpdated has no fields");
        return notification_send(in, user, json_incref(fields), out);
}
