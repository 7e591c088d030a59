/* SPDX-License-Identifier: Apache-2.0 */
/* The setting that says which dead letters are sent back by themselves: every rule that is taken is within its bounds, and anything else has a reason. */
#include "core/text/utf8.h"
#include "duties/policy.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
        if (!holds)
                abort();
}

static void check_rule(const struct policy *p, const struct policy_rule *rule)
{
        must(rule->task && *rule->task && rule->codes[0]);
        must(rule->after_ms >= 0 && rule->rounds <= POLICY_MOST_ROUNDS && rule->errors <= 100 && rule->rate > 0);
        int64_t before = 0;
        for (unsigned round = 0; round < rule->rounds; round++) {
                const int64_t wait = policy_wait_ms(rule, round);
                must(wait >= before);
                before = wait;
        }
        must(policy_find(p, rule->task, rule->codes[0], "") != NULL);
        must(policy_names(rule, rule->task));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct policy p = { 0 };
        struct problem why = { 0 };
        size_t step;
        char *text = strndup(size ? (const char *)data : "", size);
        must(text != NULL);
        const int rc = policy_read(&p, text, &why);
        must(rc == 0 || (rc == 1 && strcmp(why.code, "bad_setting") == 0 && why.text[0]));
        for (const char *at = why.text; rc == 1 && *at; at += step)
                must(utf8_next(at, &step));
        for (size_t i = 0; rc == 0 && i < p.count; i++)
                check_rule(&p, &p.rules[i]);
        if (rc == 0)
                policy_find(&p, text, text, text);
        policy_free(&p);
        free(text);
        return 0;
}
