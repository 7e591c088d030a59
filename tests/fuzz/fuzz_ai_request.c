/* SPDX-License-Identifier: Apache-2.0 */
/* Any text becomes a request that jansson can read, and comes out of it as it went in if it was UTF-8. */
#include "ai/ai.h"
#include "core/json.h"
#include "core/text/utf8.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_utf8(const char *text)
{
        size_t size;
        for (; *text; text += size)
                if (!utf8_next(text, &size))
                        return false;
        return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        char *text = strndup((const char *)data, size);
        struct buffer out = { 0 };
        const struct ai_part part = { AI_TEXT, text };
        const struct ai_turn turn = { "user", &part, 1 };
        const struct ai_request request = { .turns = &turn, .turn_count = 1, .schema_name = "a" };
        if (!text || ai_request_write(&request, "m", &out) != 0)
                abort();
        json_t *root = json_loadb((const char *)out.data, out.size, 0, NULL);
        const char *content = json_text(json_array_get(json_object_get(root, "messages"), 0), "content", NULL);
        if (!content || (is_utf8(text) && strcmp(content, text) != 0))
                abort();
        json_decref(root);
        buffer_free(&out);
        free(text);
        return 0;
}
