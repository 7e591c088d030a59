/* SPDX-License-Identifier: Apache-2.0 */
#include "tasks/task.h"

#include "core/json.h"
#include "tasks/waste/taxonomy.h"
#include "tasks/waste/waste.h"

#include <errno.h>
#include <string.h>

/* Awards a character for a recyclable that was prepared as its rule says: asks for it, by an event. Whether the user gets one is the character domain's
 * to say; what is seen here of what the user has is a copy, behind by moments. */
static int scan_reward_run(const struct task_input *in, struct outcome *out, struct problem *why);

const struct task_def scan_reward = {
        .name = "scan.reward",
        .queue = "scan.reward",
        .retry = { .limit = 3, .base_ms = 1000, .cap_ms = 60000 },
        .deadline_ms = 10000,
        .sees = { { FACT_OWNED, "/job/user_id" } },
        .adds = { "reward" },
        .run = scan_reward_run,
};

/* What decides over a reward, taken from the document. */
struct reward_case {
        const char *user_id;
        const struct category *category;
        bool rule_found, insufficient;
};

static int read_case(const struct task_input *in, struct reward_case *c, struct problem *why)
{
        const json_t *classification, *rules, *answer;
        int rc = document_section(in, "classification", JSON_OBJECT, &classification, why);
        if (rc == 0)
                rc = document_section(in, "rules", JSON_ARRAY, &rules, why);
        if (rc == 0)
                rc = document_section(in, "answer", JSON_OBJECT, &answer, why);
        if (rc != 0)
                return rc;
        const char *middle = json_text(classification, "middle", "");
        *c = (struct reward_case){
                .user_id = document_user(in->document),
                .category = middle_find(taxonomy_of(in), middle),
                .rule_found = json_array_size(rules) > 0,
                .insufficient = json_array_size(json_object_get(answer, "insufficiencies")) > 0,
        };
        if (!c->category)
                return problem_set(why, "task", "bad_section",
                                   "the section \"classification\" names no middle category of the taxonomy: \"%.60s\"",
                                   middle);
        if (!c->user_id)
                return problem_set(why, "task", "missing_user",
                                   "the document's job has no user_id to award anything to");
        return 0;
}

/* Why no reward is due, or NULL when one is. */
static const char *not_due(const struct reward_case *c)
{
        if (!c->rule_found)
                return "no_rule";
        if (c->insufficient)
                return "insufficient";
        return strcmp(c->category->major->slug, "recyclable") == 0 ? NULL : "not_recyclable";
}

static int add_reward(struct outcome *out, const struct character *character, const char *reason)
{
        bool received = strcmp(reason, "granted") == 0, owned = strcmp(reason, "already_owned") == 0;
        json_t *who = character ? json_pack("{s:s, s:s}", "code", character->code, "ko", character->ko) : json_null();
        return outcome_section(out, "reward",
                               json_pack("{s:b, s:b, s:o, s:s}", "received", received, "already_owned", owned,
                                         "character", who, "reason", reason));
}

static int scan_reward_grant(const struct task_input *in, const struct reward_case *c, struct outcome *out)
{
        const char *job = document_job(in->document), *code = c->category->character->code;
        json_t *event = json_pack("{s:s, s:s, s:s, s:s, s:s}", "job_id", job, "user_id", c->user_id, "character_id",
                                  code, "reward_type", "character", "category", c->category->slug);
        const int rc = outcome_event(out, "scan", job, "RewardGranted", event);
        return rc == 0 ? add_reward(out, c->category->character, "granted") : rc;
}

static int scan_reward_run(const struct task_input *in, struct outcome *out, struct problem *why)
{
        struct reward_case c;
        int rc = read_case(in, &c, why);
        if (rc != 0)
                return rc;
        const char *reason = not_due(&c);
        if (reason)
                return add_reward(out, NULL, reason);
        if (json_is_true(json_object_get(task_facts(in, FACT_OWNED, c.user_id), c.category->character->code)))
                return add_reward(out, c.category->character, "already_owned");
        return scan_reward_grant(in, &c, out);
}
