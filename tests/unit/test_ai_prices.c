/* SPDX-License-Identifier: Apache-2.0 */
#include "ai/ai.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct row {
        const char *model;
        unsigned in, out;
        int64_t nano;
} rows[] = {
        { "gpt-4o", 1000000, 0, INT64_C(2500000000) }, /* $2.50 */
        { "gpt-4o", 0, 1000000, INT64_C(10000000000) },
        { "gpt-4o-mini", 1000, 100, 1000 * 150 + 100 * 600 },
        { "gpt-4o-mini-2024-07-18", 1, 0, 150 },
        { "gpt-4o-2024-08-06", 1, 0, 2500 },
        { "gpt-4o-2024-05-13", 1, 0, 5000 }, /* the longest name wins */
        { "openai/gpt-4o-mini", 1, 0, 150 },
        { "gpt-5-nano", 1, 1, 50 + 400 },
        { "gpt-5", 1, 0, 1250 },
        { "gpt-5.1", 1, 0, 1250 },
        { "gpt-5.2", 1, 0, 1750 },
        { "gpt-5.9", 1, 0, 0 }, /* is not gpt-5 */
        { "gpt-4om", 1, 0, 0 },
        { "gpt-4o-mini", UINT32_MAX, UINT32_MAX, INT64_C(4294967295) * 750 },
        { "llama3", 1000, 1000, 0 },
        { "offline", 1000, 1000, 0 },
        { "", 1, 1, 0 },
        { "/", 1, 1, 0 },
        { NULL, 1, 1, 0 },
};

static void a_call_costs_what_its_tokens_cost(void **state)
{
        (void)state;
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                const int64_t nano = ai_cost_nano(rows[i].model, rows[i].in, rows[i].out);
                if (nano != rows[i].nano)
                        fail_msg("row %zu, %s: %lld, not %lld", i, rows[i].model, (long long)nano,
                                 (long long)rows[i].nano);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_call_costs_what_its_tokens_cost),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
