/* SPDX-License-Identifier: Apache-2.0 */
/* The policy for dead letters that ships, as the table of settings has it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/settings/table.h"
#include "duties/policy.h"

#include <string.h>

static const char *shipped_policies(void)
{
        for (size_t i = 0; i < SETTING_COUNT; i++)
                if (strcmp(setting_table[i].env, "CHARD_DLQ_POLICIES") == 0)
                        return setting_table[i].otherwise;
        return "";
}

/* Whatever a vendor calls it: what was transient when its task died goes back by itself, and what was permanent does not. */
static void what_was_transient_at_death_goes_back(void **state)
{
        (void)state;
        static const struct {
                const char *code, *verdict;
                bool sent_back;
        } rows[] = {
                { "a_word_of_some_vendor", "transient", true },
                { "a_word_of_some_vendor", "permanent", false },
                { "a_word_of_some_vendor", "", false },
                { "schema_mismatch", "permanent", false },
                { "http_404", "permanent", false },
                /* Kept before there were verdicts: the code alone says it. */
                { "timeout", "", true },
                { "connection", "", true },
                { "http_503", "", true },
        };
        struct policy p;
        struct problem why;
        assert_int_equal(policy_read(&p, shipped_policies(), &why), 0);
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                const struct policy_rule *rule = policy_find(&p, "any.task", rows[i].code, rows[i].verdict);
                if ((rule != NULL) != rows[i].sent_back)
                        fail_msg("%s, %s", rows[i].code, rows[i].verdict);
                if (rule)
                        assert_true(rule->rounds > 0 && rule->rate > 0 && rule->after_ms > 0);
        }
        policy_free(&p);
}

int main(void)
{
        const struct CMUnitTest tests[] = { cmocka_unit_test(what_was_transient_at_death_goes_back) };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
