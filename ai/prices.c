/* SPDX-License-Identifier: Apache-2.0 */
/* What a call costs, estimated. Source: the providers' public price lists, November 2026, in US dollars a million tokens of
 * short prompts without discounts (cached input, batches) or surcharges (long prompts), so a bill may differ a little. */
#include "ai/ai.h"

#include <string.h>

/* A dollar a million tokens is a thousand billionths of a dollar a token. */
#define DOLLARS(price) ((int64_t)((price)*1000 + 0.5))

struct price {
        const char *model;
        int64_t in, out; /* billionths of a dollar a token */
};

static const struct price prices[] = {
        { "gpt-6.1-sol", DOLLARS(2), DOLLARS(10) },
        { "gpt-6.1-terra", DOLLARS(1), DOLLARS(5) },
        { "gpt-6-astra", DOLLARS(10), DOLLARS(50) },
        { "gpt-6-sol", DOLLARS(2), DOLLARS(10) },
        { "gpt-6-luna", DOLLARS(0.1), DOLLARS(0.5) },
        { "gpt-5.6-sol", DOLLARS(4), DOLLARS(20) },
        { "gpt-5.6-terra", DOLLARS(2), DOLLARS(12) },
        { "gpt-5.6-luna", DOLLARS(0.2), DOLLARS(1.2) },
        { "gpt-5.5", DOLLARS(5), DOLLARS(30) },
        { "gpt-5.5-pro", DOLLARS(30), DOLLARS(180) },
        { "gpt-5.4", DOLLARS(2.5), DOLLARS(15) },
        { "gpt-5.4-pro", DOLLARS(30), DOLLARS(180) },
        { "gpt-5.4-mini", DOLLARS(0.75), DOLLARS(4.5) },
        { "gpt-5.4-nano", DOLLARS(0.2), DOLLARS(1.25) },
        { "gpt-5.3", DOLLARS(1.75), DOLLARS(14) },
        { "gpt-5.2", DOLLARS(1.75), DOLLARS(14) },
        { "gpt-5.2-pro", DOLLARS(21), DOLLARS(168) },
        { "gpt-5.1", DOLLARS(1.25), DOLLARS(10) },
        { "gpt-5", DOLLARS(1.25), DOLLARS(10) },
        { "gpt-5-pro", DOLLARS(15), DOLLARS(120) },
        { "gpt-5-mini", DOLLARS(0.25), DOLLARS(2) },
        { "gpt-5-nano", DOLLARS(0.05), DOLLARS(0.4) },
        { "gpt-4.1", DOLLARS(2), DOLLARS(8) },
        { "gpt-4.1-mini", DOLLARS(0.4), DOLLARS(1.6) },
        { "gpt-4.1-nano", DOLLARS(0.1), DOLLARS(0.4) },
        { "gpt-4o", DOLLARS(2.5), DOLLARS(10) },
        { "gpt-4o-2024-05-13", DOLLARS(5), DOLLARS(15) },
        { "gpt-4o-mini", DOLLARS(0.15), DOLLARS(0.6) },
        { "chatgpt-4o", DOLLARS(5), DOLLARS(15) },
        { "gpt-4-turbo", DOLLARS(10), DOLLARS(30) },
        { "gpt-4", DOLLARS(30), DOLLARS(60) },
        { "gpt-3.5-turbo", DOLLARS(0.5), DOLLARS(1.5) },
        { "o1", DOLLARS(15), DOLLARS(60) },
        { "o1-mini", DOLLARS(1.1), DOLLARS(4.4) },
        { "o1-pro", DOLLARS(150), DOLLARS(600) },
        { "o3", DOLLARS(2), DOLLARS(8) },
        { "o3-mini", DOLLARS(1.1), DOLLARS(4.4) },
        { "o3-pro", DOLLARS(20), DOLLARS(80) },
        { "o4-mini", DOLLARS(1.1), DOLLARS(4.4) },
        { "gemini-2.5-pro", DOLLARS(1.25), DOLLARS(10) },
        { "gemini-2.5-flash", DOLLARS(0.3), DOLLARS(2.5) },
        { "gemini-2.5-flash-lite", DOLLARS(0.1), DOLLARS(0.4) },
        { "gemini-3.5-flash", DOLLARS(1.5), DOLLARS(9) },
        { "gemini-3.5-flash-lite", DOLLARS(0.3), DOLLARS(2.5) },
        { "mistral-large-2512", DOLLARS(0.5), DOLLARS(1.5) },
        { "mistral-medium", DOLLARS(1.5), DOLLARS(7.5) },
        { "mistral-small", DOLLARS(0.15), DOLLARS(0.6) },
};

static const struct price *ai_prices_find(const char *model);

int64_t ai_cost_nano(const char *model, unsigned tokens_in, unsigned tokens_out)
{
        const struct price *price = model ? ai_prices_find(model) : NULL;
        return price ? price->in * tokens_in + price->out * tokens_out : 0;
}

/* A name stands for itself and for its dated editions ("gpt-4o-2024-08-06"), but "gpt-5" is not "gpt-5.1". */
static bool prices_names(const char *model, const char *name, size_t size)
{
        return strncmp(model, name, size) == 0 && strchr("-:@", model[size]) != NULL;
}

static const struct price *ai_prices_find(const char *model)
{
        const struct price *best = NULL;
        size_t best_size = 0;
        const char *slash = strrchr(model, '/'); /* gateways put the vendor in front: "openai/gpt-4o" */
        if (slash)
                model = slash + 1;
        for (size_t i = 0; i < sizeof(prices) / sizeof(prices[0]); i++) {
                const size_t size = strlen(prices[i].model);
                if (size > best_size && prices_names(model, prices[i].model, size)) {
                        best = &prices[i];
                        best_size = size;
                }
        }
        return best;
}
