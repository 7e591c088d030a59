/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/doctor/doctor.h"

#include "ai/ai.h"
#include "cli/common/wait.h"
#include "core/json.h"

#include <string.h>

enum { PROVIDER_DEADLINE_MS = 30000, PROVIDER_PATIENCE_MS = 40000, PROVIDER_TOKENS = 100 };

struct provider_look {
        struct wait wait;
        struct ai_reply reply;
};

static void provider_on_reply(const struct ai_reply *reply, void *arg)
{
        struct provider_look *look = (struct provider_look *)arg;
        look->reply = *reply;
        look->reply.content = NULL;
        wait_done(&look->wait);
}

static void provider_judge(struct doctor *d, const char *model, const struct ai_reply *r)
{
        if (r->verdict == AI_OK)
                doctor_say(d, DOCTOR_OK, "provider", "", "%s answers in %u ms, for %u + %u tokens, $%.6f", model,
                           r->elapsed_ms, r->tokens_in, r->tokens_out, (double)r->cost_nano / 1e9);
        else if (r->verdict == AI_WAIT && r->fault == AI_FAULT_NONE)
                doctor_say(d, DOCTOR_WARN, "provider", "wait, or raise its limit: tasks wait as long", "%s: %s: %s",
                           model, r->why.code, r->why.text);
        else
                doctor_say(d, DOCTOR_FAIL, "provider", "see OPENAI_API_KEY, OPENAI_BASE_URL and the models' settings",
                           "%s: %s: %s", model, r->why.code, r->why.text);
}

static void provider_ask(struct doctor *d, struct ai *ai, struct provider_look *look, const char *model,
                         const char *shown)
{
        JSON_OWNED json_t *schema = json_pack("{s:s, s:{s:{s:s}}, s:[s], s:b}", "type", "object", "properties", "ok",
                                              "type", "boolean", "required", "ok", "additionalProperties", false);
        const struct ai_part part = { .kind = AI_TEXT, .text = "Answer that all is well." };
        const struct ai_turn turn = { .role = "user", .parts = &part, .part_count = 1 };
        const struct ai_request request = { .task = "chard.doctor",
                                            .model = model,
                                            .turns = &turn,
                                            .turn_count = 1,
                                            .schema_name = "doctor",
                                            .schema = schema,
                                            .max_tokens = PROVIDER_TOKENS,
                                            .deadline_ms = PROVIDER_DEADLINE_MS,
                                            .lang = "en" };
        if (!schema || ai_ask(ai, &request, provider_on_reply, look, NULL) != 0 ||
            !wait_for(&look->wait, PROVIDER_PATIENCE_MS))
                doctor_say(d, DOCTOR_FAIL, "provider", "see OPENAI_BASE_URL", "%s: no answer came", shown);
        else
                provider_judge(d, shown, &look->reply);
}

void doctor_ask_provider(struct doctor *d)
{
        const struct settings *s = d->settings;
        struct provider_look look = { .reply = { .verdict = AI_CANCELLED } };
        struct problem why = { 0 };
        struct ai *ai = NULL;
        if (!doctor_asks_provider(s)) {
                doctor_say(d, DOCTOR_OK, "provider", "", "offline: there is nobody to ask");
                return;
        }
        wait_open(&look.wait);
        const struct ai_config config = { .loop = &look.wait.loop,
                                          .provider = s->ai_provider,
                                          .base_url = s->openai_base_url,
                                          .api_key = s->openai_api_key,
                                          .model = s->openai_model,
                                          .vision_model = s->openai_vision_model,
                                          .connect_timeout_ms = (unsigned)s->connect_timeout_ms,
                                          .max_connections = 1,
                                          .http2_plain = s->ai_http2_plain };
        const int code = ai_open(&ai, &config, &why);
        if (code)
                doctor_say(d, DOCTOR_FAIL, "provider", "see OPENAI_API_KEY and OPENAI_BASE_URL", "%s",
                           code > 0 ? why.text : strerror(-code));
        else
                provider_ask(d, ai, &look, AI_MODEL_TEXT, s->openai_model);
        if (ai && strcmp(s->openai_model, s->openai_vision_model) != 0)
                provider_ask(d, ai, &look, AI_MODEL_VISION, s->openai_vision_model);
        if (ai)
                ai_close(ai);
        wait_close(&look.wait);
}
