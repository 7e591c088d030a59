/* SPDX-License-Identifier: Apache-2.0 */
#include "tasks/consumer.h"

#include "core/json.h"
#include "tasks/waste/waste.h"

#include <errno.h>
#include <string.h>

/* Says which characters a user has: grants one, once, whatever asks for it how often, and takes it back where a step behind it failed for good. */
static int character_act(const struct consumer_input *in, struct outcome *out, struct problem *why);
static int character_compensate(const struct consumer_input *in, const struct problem *died, struct outcome *out);

const struct consumer_def consumer_character = {
        .name = "character",
        .hears = { "RewardGranted", "CharacterRevoked" },
        .aggregates = { "scan", "character" },
        .sees = { { FACT_CHARACTER, "/payload/user_id" }, { FACT_GRANT, "/payload/user_id" } },
        .retry = { .limit = 5, .base_ms = 1000, .cap_ms = 60000 },
        .act = character_act,
        .compensate = character_compensate,
};

/* What is granted or taken back: a user's character, for a scan. */
struct character_case {
        const char *user, *code, *job;
        bool had; /* now */
};

/* The next grant or revocation of it: "CODE/3". NULL when memory ran out. */
static const char *character_turn(const struct consumer_input *in, const struct character_case *c)
{
        const json_t *turns = consumer_facts(in, FACT_GRANT, c->user);
        const char *key = NULL;
        for (unsigned n = 1; n == 1 || (key && json_object_get(turns, key)); n++)
                key = arena_printf(in->arena, "%s/%u", c->code, n);
        return key;
}

static int character_write(const struct consumer_input *in, const struct character_case *c, struct outcome *out)
{
        const char *turn = character_turn(in, c);
        if (!turn)
                return -ENOMEM;
        int rc = outcome_fact_once(out, FACT_GRANT, c->user, turn,
                                   json_pack("{s:b, s:s}", "has", !c->had, "event_id", in->event->id));
        if (rc == 0)
                rc = outcome_fact_merge(out, FACT_CHARACTER, c->user, c->code, json_boolean(!c->had));
        return rc;
}

static json_t *character_told(const struct character_case *c)
{
        return json_pack("{s:s*, s:s, s:s}", "job_id", c->job, "user_id", c->user, "character_id", c->code);
}

static json_t *character_told_why(const struct character_case *c, const char *reason)
{
        json_t *payload = character_told(c);
        json_object_set_new(payload, "reason", json_string(reason));
        return payload;
}

static int character_grant(const struct consumer_input *in, const struct character_case *c, struct outcome *out)
{
        const int rc = c->had ? 0 : character_write(in, c, out);
        return rc || c->had ? rc : outcome_event(out, "character", c->user, "CharacterAcquired", character_told(c));
}

/* … and the scan whose reward it was hears that it is none. */
static int character_revoke(const struct consumer_input *in, const struct character_case *c, struct outcome *out)
{
        const char *reason = consumer_text(in, "reason");
        const int rc = c->had ? character_write(in, c, out) : 0;
        return rc || !c->had || !c->job ? rc
                                        : outcome_event(out, "scan", c->job, "RewardRevoked",
                                                        character_told_why(c, reason ? reason : "revoked"));
}

static int character_act(const struct consumer_input *in, struct outcome *out, struct problem *why)
{
        const bool revokes = strcmp(in->event->type, "CharacterRevoked") == 0;
        struct character_case c = { .job = consumer_text(in, "job_id") };
        int rc = consumer_need(in, "user_id", &c.user, why);
        if (rc == 0)
                rc = consumer_need(in, "character_id", &c.code, why);
        if (rc != 0)
                return rc;
        c.had = json_is_true(json_object_get(consumer_facts(in, FACT_CHARACTER, c.user), c.code));
        if (revokes)
                return character_revoke(in, &c, out);
        if (strcmp(json_text(in->event->payload, "reward_type", ""), "character") != 0)
                return 0; /* another kind of reward is not its own */
        return character_grant(in, &c, out);
}

/* It could not be granted: the scan's reward is none. */
static int character_compensate(const struct consumer_input *in, const struct problem *died, struct outcome *out)
{
        const struct character_case c = { .user = consumer_text(in, "user_id"),
                                          .code = consumer_text(in, "character_id"),
                                          .job = in->event->aggregate_id };
        if (strcmp(in->event->type, "RewardGranted") != 0 || !c.user || !*c.user || !c.code || !*c.code)
                return 1; /* who asked for nothing may be mended, and ask again */
        return outcome_event(out, "scan", c.job, "RewardRevoked",
                             json_pack("{s:s, s:s, s:s*, s:s}", "job_id", c.job, "user_id", c.user, "character_id",
                                       c.code, "reason", died->code));
}
