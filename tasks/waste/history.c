/* SPDX-License-Identifier: Apache-2.0 */
#include "tasks/waste/history.h"

#include "core/json.h"
#include "tasks/input.h"

#include <string.h>

/* A role as a constant, or NULL. Nobody else speaks for the system. */
static const char *known_role(const json_t *turn)
{
        const char *role = json_text(turn, "role", "");
        if (strcmp(role, "user") == 0)
                return "user";
        return strcmp(role, "assistant") == 0 ? "assistant" : NULL;
}

static int waste_history_bad(struct problem *why, size_t i, const char *what, const char *is)
{
        return problem_set(why, "task", "bad_input", "history[%zu]%s; it is %s", i, what, is);
}

static int check_turn(const json_t *turn, size_t i, struct problem *why)
{
        const json_t *content = json_object_get(turn, "content");
        if (!json_is_object(turn))
                return waste_history_bad(why, i, " must be {\"role\", \"content\"}", json_kind(turn));
        if (!known_role(turn))
                return waste_history_bad(why, i, ".role must be \"user\" or \"assistant\"",
                                         json_text(turn, "role", json_kind(json_object_get(turn, "role"))));
        if (!json_is_string(content))
                return waste_history_bad(why, i, ".content must be a text", json_kind(content));
        if (strlen(json_string_value(content)) != json_string_length(content))
                return waste_history_bad(why, i, ".content must be a text without the NUL character", "one with it");
        if (json_string_length(content) > HISTORY_CONTENT_MOST)
                return waste_history_bad(why, i, ".content must be at most 16000 bytes long", "longer");
        return 0;
}

int history_check(const struct task_input *in, struct problem *why)
{
        size_t i;
        json_t *turn;
        json_array_foreach((json_t *)document_input(in->document, "history"), i, turn) {
                int rc = check_turn(turn, i, why);
                if (rc != 0)
                        return rc;
        }
        return 0;
}

int history_say(const struct task_input *in, struct ai_request *request)
{
        const json_t *history = document_input(in->document, "history");
        size_t count = json_array_size(history);
        for (size_t i = count > HISTORY_SENT ? count - HISTORY_SENT : 0; i < count; i++) {
                const json_t *turn = json_array_get(history, i);
                const char *role = known_role(turn), *content = json_text(turn, "content", NULL);
                if (!role || !content)
                        continue; /* chat.classify refused it, unless the document came from elsewhere */
                int rc = ask_say(in, request, role, AI_TEXT, content);
                if (rc != 0)
                        return rc;
        }
        return 0;
}
